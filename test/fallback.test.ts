// Prices that fall back on other assets, in a whole Farebox: what is held, charged and settled of each, and told of it.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectFieldError } from './contract.client.ts';
import { expectStatus, type Client, type Reply } from './farebox.ts';
import { ceiling, rational } from './model/price.ts';
import { expectSound, waitUntilDrained } from './faults/books.ts';
import { openScene, type Scene } from './recover.scene.ts';

let scene: Scene;
let client: Client;

// CREDITS are whole: 2 for a unit. So a rest of 0.3 is one of them.
const call = {
  ...{ id: 'call', event_type: 'call', asset: 'USD', model: 'unit', quantity: 'n', unit_amount: '1' },
  fallback: [{ asset: 'CREDITS', rate: '2' }],
};
const calls = { ...call, id: 'calls', event_type: 'calls', model: 'package', package_size: 10, tiers_over: 'month' };

beforeAll(async () => {
  scene = await openScene();
  ({ client } = scene);
  for (const [code, scale] of Object.entries({ CREDITS: 0, POINTS: 2, ACTIONS: 0, MILLS: 2 })) {
    await expectStatus(client.post('/v1/assets', { code, scale, kind: 'custom' }), 201);
  }
  await publish([call]);
  await publish([calls]);
});

afterAll(() => scene.farebox.stop());

let named = 0;
async function publish(prices: object[]): Promise<void> {
  const id = `product_${(named += 1)}`;
  await expectStatus(client.post('/v1/products', { id, name: id, prices, default: true }), 201);
  await expectStatus(client.post(`/v1/products/${id}/versions/1/publish`), 200);
}

type Amounts = { [asset: string]: string };

async function customer(credit: Amounts): Promise<string> {
  const id = await scene.farebox.customer(`payer_${(named += 1)}`);
  for (const [asset, amount] of Object.entries(credit)) {
    await expectStatus(client.post(`/v1/customers/${id}/grants`, { asset, amount }), 201);
  }
  return id;
}

async function available(id: string): Promise<Amounts> {
  const { accounts } = (await expectStatus(client.get(`/v1/customers/${id}/wallet`), 200)).body;
  return Object.fromEntries(accounts.map((account: any) => [account.asset, account.available]));
}

const event = (n: number | string, event_type = 'call') => ({ event_type, data: { n } });
const ask = (path: string, customer_id: string, n: number | string, more: object = {}, headers = {}): Promise<Reply> =>
  client.post(`/v1/${path}`, { customer_id, ...event(n), ...more }, headers);
const settle = (hold: string, n: number | string, more: object = {}): Promise<Reply> =>
  client.post(`/v1/holds/${hold}/settle`, { ...event(n), ...more });

function legsOf({ body }: Reply, of: string): Amounts {
  const legs = body.legs ?? [body];
  return Object.fromEntries(legs.map((leg: any) => [leg.asset, leg[of]]));
}

async function entriesOf(id: string): Promise<any[]> {
  const { version } = (await client.get(`/v1/customers/${id}/wallet`)).body;
  const read = async () => (await client.get(`/v1/customers/${id}/entries`)).body.data;
  await expect.poll(async () => (await read())[0]?.version, { timeout: 10_000 }).toBe(version);
  return read();
}

test('estimate, shadow, explanation, hold and entry say the same of each asset', async () => {
  const id = await customer({ USD: '3', CREDITS: '500' });
  const legs = [
    { asset: 'USD', amount: '3' },
    { asset: 'CREDITS', amount: '5' },
  ];
  const lines = [{ price_id: 'call', price_version: 1, quantity: '5.3', amount: '5.3', asset: 'USD' }];
  const estimate = await expectStatus(client.post('/v1/estimate', { customer_id: id, ...event('5.3') }), 200);
  expect(estimate.body).toMatchObject({ asset: 'USD', amount: '3', lines, legs });
  const shadow = await expectStatus(ask('authorize', id, '5.3', { mode: 'shadow' }), 200);
  expect(shadow.body).toMatchObject({ status: 'shadow_approved', requested: '5.3', amount: '3', legs });
  const explained = await expectStatus(ask('explain', id, '5.3'), 200);
  expect(explained.body).toMatchObject({
    ...{ status: 'approved', amount: '3', detail: '3 USD and 5 CREDITS would be held', lines },
    accounts: [
      { asset: 'USD', requested: '3', available: '3', grants: [{ taken: '3' }] },
      { asset: 'CREDITS', requested: '5', available: '500', grants: [{ taken: '5' }] },
    ],
  });
  const key = { 'idempotency-key': 'once' };
  const held = await expectStatus(ask('authorize', id, '5.3', {}, key), 200);
  expect(held.body).toMatchObject({
    ...{ asset: 'USD', requested: '5.3', amount: '3', available: '0', held: '3', lines },
    legs: [
      { asset: 'USD', amount: '3', available: '0', held: '3' },
      { asset: 'CREDITS', amount: '5', available: '495', held: '5' },
    ],
  });
  expect((await ask('authorize', id, '5.3', {}, key)).body).toEqual(held.body);
  expect((await client.get(`/v1/holds/${held.body.id}`)).body.legs).toMatchObject(legs);
  const [entry] = await entriesOf(id);
  expect(entry).toMatchObject({
    ...{ kind: 'hold', lines, legs: [{ asset: 'USD' }, { asset: 'CREDITS', available_after: '495', held_after: '5' }] },
  });
  const told = await expectStatus(client.get(`/v1/holds/${held.body.id}/explain`), 200);
  expect(told.body).toMatchObject({
    ...{ requested: '5.3', amount: '3', lines },
    accounts: [
      { asset: 'USD', requested: '3', grants: [{ taken: '3' }] },
      { asset: 'CREDITS', requested: '5', available: '500', grants: [{ taken: '5' }] },
    ],
  });
});

test('a no takes nothing, says what would do, and up_to takes that', async () => {
  const id = await customer({ USD: '3', CREDITS: '5' });
  const no = await ask('charge', id, 6);
  expect(no).toMatchObject({
    status: 402,
    body: { code: 'insufficient_balance', asset: 'USD', requested: '6', affordable: '5.5', shortfall: '0.5' },
  });
  const { body: why } = await expectStatus(ask('explain', id, 6), 200);
  expect(why).toMatchObject({
    ...{ status: 'declined', affordable: '5.5', shortfall: '0.5' },
    remedies: [{ steps: [{ kind: 'add_credit', asset: 'USD', amount: '0.5' }] }],
  });
  expect(await available(id)).toEqual({ USD: '3', CREDITS: '5' });
  const some = await expectStatus(ask('charge', id, 6, { mode: 'up_to' }), 200);
  expect(some.body).toMatchObject({ requested: '6', amount: '3', available: '0' });
  expect(legsOf(some, 'amount')).toEqual({ USD: '3', CREDITS: '5' });
  expect(await available(id)).toEqual({ USD: '0', CREDITS: '0' });
});

test('what is settled in parts takes what is held, then what is there, then owes in its own asset', async () => {
  const id = await customer({ USD: '3', CREDITS: '9' });
  const held = (await expectStatus(ask('authorize', id, 5), 200)).body;
  expect(await available(id)).toEqual({ USD: '0', CREDITS: '5' });
  const tooMuch = await settle(held.id, '5.1', { on_excess: 'reject' });
  expect(tooMuch).toMatchObject({ status: 422, body: { code: 'exceeds_hold' } });
  const parts = [
    [await settle(held.id, 2, { final: false }), { USD: '2', CREDITS: '0' }],
    [await settle(held.id, '1.3', { final: false }), { USD: '3', CREDITS: '1' }],
    [await settle(held.id, 9, { final: false, on_excess: 'cap' }), { USD: '3', CREDITS: '4' }],
  ] as const;
  for (const [reply, settled] of parts) expect(legsOf(reply, 'settled'), reply.text).toEqual(settled);
  const last = await expectStatus(settle(held.id, 5), 200);
  // Five credits are there, for 2.5; as much is owed.
  expect(last.body).toMatchObject({ status: 'settled', settled: '5.5', overage: '2.5' });
  expect(legsOf(last, 'settled')).toEqual({ USD: '5.5', CREDITS: '9' });
  const [entry] = await entriesOf(id);
  expect(entry).toMatchObject({ kind: 'settle', legs: [{ amount: '-2.5', overage_after: '2.5' }, { amount: '-5' }] });
  // Who owes dollars is not asked for any.
  await expectStatus(client.post(`/v1/customers/${id}/grants`, { asset: 'CREDITS', amount: '4' }), 201);
  expect(legsOf(await expectStatus(ask('charge', id, 2), 200), 'amount')).toEqual({ USD: '0', CREDITS: '4' });
  expect(await ask('charge', id, 1)).toMatchObject({ status: 402, body: { code: 'wallet_in_overage' } });
});

test('one that has expired is settled late, from what came back', async () => {
  const id = await customer({ USD: '3', CREDITS: '9' });
  const held = (await expectStatus(ask('authorize', id, 5, { ttl_ms: 1_000 }), 200)).body;
  await expect
    .poll(async () => (await client.get(`/v1/holds/${held.id}`)).body.status, { timeout: 10_000 })
    .toBe('expired');
  const late = await expectStatus(settle(held.id, 6), 200);
  expect(late.body).toMatchObject({ late: true, settled: '3', overage: '0' });
  expect(legsOf(late, 'settled')).toEqual({ USD: '3', CREDITS: '6' });
  expect(await available(id)).toEqual({ USD: '0', CREDITS: '3' });
});

test('after a loss of Redis a hold is settled as if nothing had been', async () => {
  const id = await customer({ USD: '3', CREDITS: '9' });
  const held = (await expectStatus(ask('authorize', id, 5), 200)).body;
  await entriesOf(id);
  await scene.losing(() => scene.redis.flushall());
  const settled = await expectStatus(settle(held.id, '4.2'), 200);
  expect(legsOf(settled, 'settled')).toEqual({ USD: '3', CREDITS: '3' });
  expect(await available(id)).toEqual({ USD: '0', CREDITS: '6' });
}, 60_000);

test('a batch charges each event over the assets that the one before it has left', async () => {
  const id = await customer({ USD: '3', CREDITS: '9' });
  const events = [2, 2, 3, 2].map((n, i) => ({ id: `e${i}`, customer_id: id, ...event(n) }));
  const { results } = (await expectStatus(client.post('/v1/events', { events }), 200)).body;
  const told = results.map(({ status, asset, amount, legs }: any) => [status, legs ?? [{ asset, amount }]]);
  expect(told).toMatchObject([
    ['charged', [{ asset: 'USD', amount: '2' }]],
    ['charged', [{ amount: '1' }, { asset: 'CREDITS', amount: '2' }]],
    ['charged', [{ amount: '0' }, { asset: 'CREDITS', amount: '6' }]],
    ['declined', expect.anything()],
  ]);
  const again = (await expectStatus(client.post('/v1/events', { events: events.slice(1, 2) }), 200)).body;
  expect(again.results).toEqual([{ ...results[1], status: 'duplicate' }]);
});

test('what counts over a period falls back by what it comes to', async () => {
  const id = await customer({ USD: '1', CREDITS: '9' });
  const charge = () => client.post('/v1/charge', { customer_id: id, ...event(6, 'calls') });
  const estimate = await client.post('/v1/estimate', { customer_id: id, ...event(25, 'calls') });
  expect(estimate.body.legs).toEqual([
    { asset: 'USD', amount: '1' },
    { asset: 'CREDITS', amount: '4' },
  ]);
  const charged = [await charge(), await charge(), await charge()].map((reply) => legsOf(reply, 'amount'));
  expect(charged).toEqual([{ USD: '1' }, { USD: '0', CREDITS: '2' }, { USD: '0' }]);
});

test('what one line has taken is not there for the next', async () => {
  const of = (quantity: string) => ({ ...call, id: quantity, quantity, event_type: 'two' });
  await publish([of('n'), of('m')]);
  const id = await customer({ USD: '3', CREDITS: '9' });
  const body = { customer_id: id, event_type: 'two', data: { n: 2, m: 2 } };
  const charged = await expectStatus(client.post('/v1/charge', body), 200);
  expect(legsOf(charged, 'amount')).toEqual({ USD: '3', CREDITS: '2' });
  expect(await available(id)).toMatchObject({ USD: '0', CREDITS: '7' });
});

test('budgets count each asset for itself', async () => {
  const id = await customer({ USD: '3', CREDITS: '9' });
  const budget = { name: 'b', asset: 'CREDITS', limit: '4', period: { unit: 'lifetime' }, match: {} };
  const { body } = await expectStatus(
    client.post(`/v1/customers/${id}/budgets`, { ...budget, enforcement: 'hard' }),
    201,
  );
  expect(await ask('charge', id, 6)).toMatchObject({
    status: 402,
    body: { limit_source: 'budget', budget_id: body.id },
  });
  await expectStatus(ask('charge', id, 5), 200);
  expect((await client.get(`/v1/customers/${id}/budgets/${body.id}`)).body).toMatchObject({
    spent: '4',
    remaining: '0',
  });
});

test('64 at once, at two gateways, cross the edge of the first asset as one after the other would', async () => {
  // 40 are paid in dollars, one is split in 0.1 and a credit, 19 are a credit each, 4 find none.
  const id = await customer({ USD: '10.1', CREDITS: '20' });
  const gateways = [client, await scene.farebox.addGateway()];
  const body = { customer_id: id, ...event('0.25') };
  const replies = await Promise.all(Array.from({ length: 64 }, (_, i) => gateways[i % 2]!.post('/v1/charge', body)));
  const kinds = replies.map((reply) => (reply.status === 200 ? JSON.stringify(legsOf(reply, 'amount')) : reply.status));
  const count = (kind: unknown) => kinds.filter((one) => one === kind).length;
  expect(count('{"USD":"0.25"}')).toBe(40);
  expect(count('{"USD":"0.1","CREDITS":"1"}')).toBe(1);
  expect(count('{"USD":"0","CREDITS":"1"}')).toBe(19);
  expect(count(402)).toBe(4);
  expect(await available(id)).toEqual({ USD: '0', CREDITS: '0' });
}, 60_000);

// ── Against rational numbers ──

const scales: { [asset: string]: number } = { USD: 9, POINTS: 2, CREDITS: 0 };
const atoms = (asset: string, amount: string): bigint =>
  ceiling({ ...rational(amount), over: rational(amount).over * 10n ** BigInt(scales[asset]!) });

/** What one line takes of a wallet in atoms, or undefined; the wallet is left with the rest. */
function pay(wallet: Map<string, bigint>, cost: string, rates: readonly { asset: string; rate: string }[]) {
  const steps = [{ asset: 'USD', rate: '1' }, ...rates];
  const taken = new Map<string, bigint>();
  let left = atoms('USD', cost);
  for (const { asset, rate } of steps) {
    const { over, under } = rational(rate);
    const price = (usd: bigint) =>
      ceiling({ over: usd * over * 10n ** BigInt(scales[asset]!), under: under * 10n ** 9n });
    const has = wallet.get(asset) ?? 0n;
    // The most whole atoms of USD that it pays for.
    let most = (has * under * 10n ** 9n) / (over * 10n ** BigInt(scales[asset]!));
    if (most > left) most = left;
    if (most > 0n) taken.set(asset, price(most));
    left -= most;
  }
  if (left > 0n) return undefined;
  for (const [asset, amount] of taken) wallet.set(asset, (wallet.get(asset) ?? 0n) - amount);
  return taken;
}

test('each charge takes what rational numbers say, in the order of the price, or nothing', async () => {
  const rate = fc.constantFrom('1', '0.3', '100', '7.77', '0.001', '33.333333', '1234.5');
  const rates = fc.uniqueArray(fc.record({ asset: fc.constantFrom('POINTS', 'CREDITS'), rate }), {
    ...{ minLength: 1, maxLength: 2, selector: ({ asset }) => asset },
  });
  const amount = fc.constantFrom('0', '1', '5', '0.01', '20');
  const whole = fc.constantFrom('0', '1', '5', '400');
  const credit = fc.record({ USD: amount, POINTS: amount, CREDITS: whole });
  const cost = fc.constantFrom('0.1', '1', '2.000001', '0.333333', '7');
  let taken = { yes: 0, split: 0, no: 0 };
  await fc.assert(
    fc.asyncProperty(rates, credit, fc.array(cost, { minLength: 1, maxLength: 6 }), async (fallback, given, costs) => {
      const event_type = `random_${(named += 1)}`;
      await publish([{ ...call, event_type, fallback }]);
      const some = Object.entries(given).filter(([, has]) => has !== '0');
      const id = await customer(Object.fromEntries(some));
      const wallet = new Map(some.map(([asset, has]) => [asset, atoms(asset, has)]));
      for (const one of costs) {
        const expected = pay(wallet, one, fallback);
        const reply = await client.post('/v1/charge', { customer_id: id, ...event(one, event_type) });
        expect(reply.status, reply.text).toBe(expected ? 200 : 402);
        if (expected) {
          const legs = Object.entries(legsOf(reply, 'amount')).map(
            ([asset, had]) => [asset, atoms(asset, had)] as const,
          );
          expect(new Map(legs.filter(([, had]) => had > 0n))).toEqual(expected);
        }
        taken = {
          yes: taken.yes + (expected ? 1 : 0),
          split: taken.split + (expected && expected.size > 1 ? 1 : 0),
          no: taken.no + (expected ? 0 : 1),
        };
        const left = Object.entries(await available(id)).map(([asset, has]) => [asset, atoms(asset, has)] as const);
        expect(new Map(left)).toEqual(wallet);
      }
    }),
    { numRuns: 16, seed: 5 },
  );
  expect(Math.min(...Object.values(taken))).toBeGreaterThan(2);
}, 120_000);

test('the ledger proves it all', async () => {
  await waitUntilDrained(scene);
  await expectSound(scene.sql);
});

// ── What is refused when it is made ──

const withRate = (asset: string, rate: string) => ({ ...call, fallback: [{ asset, rate }] });

test('a rate that cannot be reckoned exactly is refused, with its path', async () => {
  // Euros for a dollar, in millionths of an atom each way: this many for 10^15.
  const most = { ...withRate('EUR', '4.503599627370495'), id: 'most' };
  const more = { ...withRate('EUR', '4.503599627370497'), id: 'more' };
  const name = 'rates';
  expectFieldError(await client.post('/v1/products', { name, prices: [most, more] }), 'prices.1.fallback.0.rate');
  await expectStatus(client.post('/v1/products', { name, prices: [most] }), 201);
});

// ── docs/pricing.md ──

type Step = { n: number; legs?: Amounts; spent?: Amounts; affordable?: string } & { do: 'charge' | 'hold' | 'settle' };
type Worked = { prices: object[]; credit: Amounts; steps: (Step & { left: Amounts })[] };
const worked = [...readFileSync('docs/pricing.md', 'utf8').matchAll(/^```json fallback\n([\s\S]*?)^```$/gm)].map(
  ([, text]) => JSON.parse(text!) as Worked,
);

describe('the guide', () => {
  test('has an example', () => expect(worked.length).toBeGreaterThan(0));

  test.each(worked)('comes to what it says', async ({ prices, credit, steps }) => {
    await publish(prices);
    const id = await customer(credit);
    const { event_type } = prices[0] as { event_type: string };
    let hold = '';
    for (const { do: what, n, legs, spent, affordable, left } of steps) {
      const body = event(n, event_type);
      const path = what === 'settle' ? `holds/${hold}/settle` : what === 'hold' ? 'authorize' : 'charge';
      const reply = await client.post(`/v1/${path}`, what === 'settle' ? body : { customer_id: id, ...body });
      expect(reply.status, reply.text).toBe(affordable === undefined ? 200 : 402);
      if (affordable !== undefined) expect(reply.body.affordable).toBe(affordable);
      if (legs) expect(legsOf(reply, 'amount')).toEqual(legs);
      if (spent) expect(legsOf(reply, 'settled')).toEqual(spent);
      if (what === 'hold') hold = reply.body.id;
      expect(await available(id)).toEqual(left);
    }
  });
});
