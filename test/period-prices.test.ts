// Prices that count usage over a period, in a whole Farebox: what is charged, held and settled, whoever comes first.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { windowAt } from '../src/pricing/period.ts';
import { utc } from '../src/pricing/local-time.ts';
import { clockKey, walletKey, walletOf } from '../src/wallet/keys.ts';
import { expectStatus, type Client, type Reply } from './farebox.ts';
import { moveClock } from './frozen-clock.ts';
import { putOffPasses, reconciled } from './reconciled.ts';
import { openScene, type Scene } from './recover.scene.ts';
import { unpackClock } from './stories/wallets.ts';

let scene: Scene;
let client: Client;

const images = tiered('images', 'graduated', 'month', [
  { up_to: 100, unit_amount: '1', flat_amount: '5' },
  { up_to: 1000, unit_amount: '0.5' },
  { up_to: null, unit_amount: '0.25' },
]);
const pages = tiered('pages', 'volume', 'day', [
  { up_to: 100, unit_amount: '2' },
  { up_to: null, unit_amount: '1' },
]);
const calls = { ...of('calls'), model: 'package', unit_amount: '0.02', package_size: 60, tiers_over: 'hour' };

beforeAll(async () => {
  scene = await openScene();
  ({ client } = scene);
  await expectStatus(client.post('/v1/assets', { code: 'TOKENS', scale: 0, kind: 'custom' }), 201);
  await publish('images', [images]);
  await publish('pages', [pages]);
  await publish('calls', [calls]);
});

afterAll(() => scene.farebox.stop());

function of(name: string) {
  return { id: name, event_type: name, asset: 'USD', quantity: 'n' };
}

function tiered(name: string, model: string, tiers_over: string, tiers: object[]) {
  return { ...of(name), model, tiers_over, tiers };
}

async function publish(id: string, prices: object[]): Promise<void> {
  const { body } = await expectStatus(client.post('/v1/products', { id, name: id, prices, default: true }), 201);
  await expectStatus(client.post(`/v1/products/${id}/versions/${body.version}/publish`), 200);
}

async function publishNext(id: string, prices: object[]): Promise<void> {
  const { body } = await expectStatus(client.post(`/v1/products/${id}/versions`, { prices }), 201);
  await expectStatus(client.post(`/v1/products/${id}/versions/${body.version}/publish`), 200);
}

const event = (event_type: string, n: number | string) => ({ event_type, data: { n } });

async function charged(customer_id: string, ...used: [string, number | string]): Promise<string> {
  return (await expectStatus(client.post('/v1/charge', { customer_id, ...event(...used) }), 200)).body.amount;
}

async function held(customer_id: string, type: string, n: number, more: object = {}): Promise<Reply['body']> {
  return (await expectStatus(client.post('/v1/authorize', { customer_id, ...event(type, n), ...more }), 200)).body;
}

const settle = (id: string, type: string, n: number, more: object = {}) =>
  client.post(`/v1/holds/${id}/settle`, { ...event(type, n), ...more });

/** With so much USD; no window ends while a test is about them. */
async function customer(id: string, amount: string): Promise<string> {
  await scene.farebox.customer(id, amount);
  const { endMs } = windowAt({ unit: 'hour', timeZone: utc }, await clockOf(id));
  if (endMs - Date.now() < 300_000) await clockTo(id, endMs);
  return id;
}

/** Where the clock of the customer's partition stands, after it was put forward. */
async function clockTo(customerId: string, toMs: number): Promise<number> {
  await moveClock(scene.redis, walletOf(scene.environmentId, customerId).partition, toMs);
  return clockOf(customerId);
}

async function clockOf(customerId: string): Promise<number> {
  const { partition } = walletOf(scene.environmentId, customerId);
  return Math.max(Date.now(), unpackClock((await scene.redis.getBuffer(clockKey(partition)))!).nowMs);
}

async function usd(customerId: string): Promise<string> {
  const { body } = await client.get(`/v1/customers/${customerId}/wallet`);
  return body.accounts.find(({ asset }: { asset: string }) => asset === 'USD').available;
}

test('pieces cost what the whole does, and each line says its part', async () => {
  const customer_id = await customer('pieces', '1000');
  const parts = ['0', '50', '49.5', '1', '899.5', '1', '500'];
  const amounts: string[] = [];
  for (const n of parts) {
    const { body } = await expectStatus(client.post('/v1/charge', { customer_id, ...event('images', n) }), 200);
    const line = { price_id: 'images', price_version: 1, quantity: n, amount: body.amount, asset: 'USD' };
    expect(body).toMatchObject({ requested: body.amount, lines: [line] });
    amounts.push(body.amount);
  }
  expect(amounts).toEqual(['5', '50', '49.5', '0.75', '449.75', '0.25', '125']);
  const other = await customer('whole', '1000');
  expect(await charged(other, 'images', 1501)).toBe('680.25');
  expect(await usd('pieces')).toBe(await usd('whole'));
  await expect
    .poll(async () => (await client.get(`/v1/customers/${customer_id}/entries?kind=charge`)).body.data, {
      timeout: 5_000,
    })
    .toMatchObject([...parts.keys()].reverse().map((i) => ({ lines: [{ quantity: parts[i], amount: amounts[i] }] })));
});

test('a hold counts nothing, sets the most aside, and is settled at what usage costs then', async () => {
  const customer_id = await customer('holds', '1000');
  expect(await charged(customer_id, 'pages', 50)).toBe('100');
  // 50 more make 100 pages, which cost 200; 51 more make 101, which cost 101.
  const first = await held(customer_id, 'pages', 51);
  expect(first).toMatchObject({ requested: '100', amount: '100', lines: [{ quantity: '51', amount: '100' }] });
  const second = await held(customer_id, 'pages', 10);
  expect(second).toMatchObject({ amount: '20' });
  expect((await settle(first.id, 'pages', 51)).body).toMatchObject({
    settled: '1',
    released: '99',
    lines: [{ amount: '1' }],
  });
  // 111 pages cost 111, of which 101 were billed.
  expect((await settle(second.id, 'pages', 10)).body).toMatchObject({ settled: '10', released: '10' });
  expect(await usd(customer_id)).toBe('889');
});

test('of a release, and of a hold that expires, nothing is counted', async () => {
  const customer_id = await customer('unused', '1000');
  const { id } = await held(customer_id, 'images', 100);
  await expectStatus(client.post(`/v1/holds/${id}/release`), 200);
  const late = await held(customer_id, 'images', 100, { ttl_ms: 1000 });
  await clockTo(customer_id, (await clockOf(customer_id)) + 2_000);
  expect(await charged(customer_id, 'images', 100)).toBe('105');
  expect((await settle(late.id, 'images', 10)).body).toMatchObject({ late: true, settled: '5' });
});

test('settled in parts, by on_excess, an event counts in full', async () => {
  const customer_id = await customer('parts', '1000');
  const { id } = await held(customer_id, 'images', 10);
  expect((await settle(id, 'images', 4, { final: false })).body).toMatchObject({ status: 'open', settled: '9' });
  const rejected = await settle(id, 'images', 7, { on_excess: 'reject' });
  expect(rejected).toMatchObject({ status: 422, body: { code: 'exceeds_hold' } });
  expect((await settle(id, 'images', 7, { on_excess: 'cap' })).body).toMatchObject({
    settled: '15',
    lines: [{ amount: '7' }],
  });
  // 11 images were billed, though 10 of them were taken.
  expect(await charged(customer_id, 'images', 90)).toBe('89.5');
});

test('a repeat is told the same, and counts nothing', async () => {
  const customer_id = await customer('repeats', '1000');
  const body = { customer_id, ...event('images', 100) };
  const headers = { 'idempotency-key': 'once' };
  const first = await client.post('/v1/charge', body, headers);
  expect(first.body).toMatchObject({ amount: '105' });
  const again = await client.post('/v1/charge', body, headers);
  expect(again.headers.get('idempotent-replayed')).toBe('true');
  expect(again.text).toBe(first.text);
  expect(await charged(customer_id, 'images', 1)).toBe('0.5');
  const hold = await client.post('/v1/authorize', body, headers);
  expect((await client.post('/v1/authorize', body, headers)).body).toEqual({
    ...hold.body,
    remaining_ttl_ms: expect.any(Number),
  });
});

test('who has too little is told what it would cost, and nothing is counted', async () => {
  const customer_id = await customer('poor', '50');
  const body = { customer_id, ...event('images', 100) };
  const declined = { asset: 'USD', requested: '105', available: '50', affordable: '50', shortfall: '55' };
  expect(await client.post('/v1/charge', body)).toMatchObject({ status: 402, body: declined });
  expect(await client.post('/v1/authorize', body)).toMatchObject({ status: 402, body: declined });
  const explained = await client.post('/v1/explain', body);
  const { available, ...unaffordable } = declined;
  expect(explained.body).toMatchObject({ status: 'declined', ...unaffordable, lines: [{ amount: '105' }] });
  expect(explained.body.accounts).toMatchObject([{ available }]);
  const shadow = await client.post('/v1/charge', { ...body, mode: 'shadow' });
  expect(shadow).toMatchObject({ status: 200, body: { status: 'shadow_declined', ...declined } });
  const upTo = await client.post('/v1/charge', { ...body, mode: 'up_to' });
  expect(upTo.body).toMatchObject({ requested: '105', amount: '50', lines: [{ amount: '105' }] });
  await expectStatus(client.post(`/v1/customers/${customer_id}/grants`, { asset: 'USD', amount: '10' }), 201);
  expect(await charged(customer_id, 'images', 1)).toBe('0.5');
});

test('several such prices on one event, in two assets, are taken together or not at all', async () => {
  await publish('several', [
    { ...images, id: 'several_images', event_type: 'several' },
    { ...calls, id: 'several_calls', event_type: 'several', quantity: 'seconds', asset: 'TOKENS', unit_amount: '3' },
    { id: 'fee', event_type: 'several', asset: 'USD', model: 'unit', unit_amount: '0.1' },
  ]);
  const customer_id = await customer('several', '1000');
  await expectStatus(client.post(`/v1/customers/${customer_id}/grants`, { asset: 'TOKENS', amount: '7' }), 201);
  const body = { customer_id, event_type: 'several', data: { n: 10, seconds: 61 } };
  const estimate = await expectStatus(client.post('/v1/estimate', body), 200);
  const first = await expectStatus(client.post('/v1/charge', body), 200);
  expect(first.body).toMatchObject({
    ...{ asset: 'USD', amount: '15.1', requested: '15.1' },
    lines: [{ amount: '15' }, { amount: '6', asset: 'TOKENS' }, { amount: '0.1' }],
    legs: [
      { asset: 'USD', amount: '15.1' },
      { asset: 'TOKENS', amount: '6', available: '1' },
    ],
  });
  expect(estimate.body).toMatchObject({ asset: 'USD', amount: '15.1', lines: first.body.lines });
  expect(estimate.body.legs).toEqual([
    { asset: 'USD', amount: '15.1' },
    { asset: 'TOKENS', amount: '6' },
  ]);
  expect((await client.post('/v1/charge', body)).status).toBe(402);
  const cheap = { ...body, data: { n: 1, seconds: 59 } };
  expect((await expectStatus(client.post('/v1/charge', cheap), 200)).body).toMatchObject({ amount: '1.1' });
});

test('usage counts in the window that it happens in; a hold, in the one that it was opened in', async () => {
  const customer_id = await customer('windows', '100');
  const from = await clockOf(customer_id);
  const hour = windowAt({ unit: 'hour', timeZone: utc }, from);
  await clockTo(customer_id, hour.endMs - 60_000);
  expect(await charged(customer_id, 'calls', 30)).toBe('0.02');
  const { id } = await held(customer_id, 'calls', 30, { ttl_ms: 86_400_000 });
  const other = await held(customer_id, 'calls', 31, { ttl_ms: 86_400_000 });
  await clockTo(customer_id, hour.endMs);
  // The package of the hour before is no longer filled.
  expect(await charged(customer_id, 'calls', 30)).toBe('0.02');
  expect((await settle(id, 'calls', 30)).body).toMatchObject({ settled: '0' });
  expect(await charged(customer_id, 'calls', 30)).toBe('0');
  await clockTo(customer_id, hour.endMs + 3_600_000);
  expect((await settle(other.id, 'calls', 1)).body).toMatchObject({ settled: '0.02' });
  expect(await charged(customer_id, 'calls', 60)).toBe('0.02');
});

test('a hold that was opened more than a day ago counts where a day ago lies', async () => {
  const customer_id = await customer('long', '1000');
  const { endMs } = windowAt({ unit: 'hour', timeZone: utc }, await clockOf(customer_id));
  await clockTo(customer_id, endMs);
  const { id } = await held(customer_id, 'calls', 1, { ttl_ms: 86_400_000 });
  expect(await charged(customer_id, 'calls', 1)).toBe('0.02');
  await clockTo(customer_id, endMs + 3_600_000);
  expect(await charged(customer_id, 'calls', 61)).toBe('0.04');
  await clockTo(customer_id, endMs + 3_600_000 + 86_400_000);
  // 120 seconds fill the second package of the hour in which a day ago lies.
  expect((await settle(id, 'calls', 59)).body).toMatchObject({ late: true, settled: '0' });
});

test('another version keeps the count, and bills nothing again', async () => {
  const of = (unit_amount: string) => [
    { ...images, id: 'kept', event_type: 'kept', tiers: [{ up_to: null, unit_amount }] },
  ];
  await publish('kept', of('1'));
  const customer_id = await customer('kept', '1000');
  expect(await charged(customer_id, 'kept', 10)).toBe('10');
  await publishNext('kept', of('3'));
  expect(await charged(customer_id, 'kept', 1)).toBe('3');
  await publishNext('kept', of('0.5'));
  expect(await charged(customer_id, 'kept', 1)).toBe('0.5');
  await publishNext('kept', [{ ...of('3')[0], asset: 'TOKENS' }]);
  await expectStatus(client.post(`/v1/customers/${customer_id}/grants`, { asset: 'TOKENS', amount: '7' }), 201);
  expect(await charged(customer_id, 'kept', 2)).toBe('6');
});

test('more than one amount may be is refused, and says which price', async () => {
  await publish('large', [tiered('large', 'graduated', 'month', [{ up_to: null, unit_amount: '1000' }])]);
  const customer_id = await customer('large', '10');
  for (const path of ['/v1/charge', '/v1/authorize', '/v1/estimate']) {
    const reply = await client.post(path, { customer_id, ...event('large', 1001) });
    expect(reply).toMatchObject({ status: 422, body: { code: 'amount_too_large', outcome: 'not_applied' } });
    expect(reply.body.detail).toContain('price large');
  }
  const { id } = (await client.post('/v1/authorize', { customer_id, asset: 'USD', amount: '1' })).body;
  expect(await settle(id, 'large', 1001)).toMatchObject({ status: 422, body: { code: 'amount_too_large' } });
});

test('64 connections across the edges of tiers pay what one after the other would', async () => {
  const customer_id = await customer('crowd', '10000');
  const gateways = [client, await scene.farebox.addGateway()];
  const amounts = await Promise.all(
    Array.from({ length: 64 }, async (_, i) => {
      const gateway = gateways[i % 2]!;
      const body = { customer_id, ...event('images', 20 + (i % 3)) };
      if (i % 4 > 0) return (await expectStatus(gateway.post('/v1/charge', body), 200)).body;
      const { id } = (await expectStatus(gateway.post('/v1/authorize', body), 200)).body;
      return (await expectStatus(gateway.post(`/v1/holds/${id}/settle`, event('images', 20 + (i % 3))), 200)).body;
    }),
  );
  const used = amounts.map(({ lines: [line] }) => Number(line.quantity)).reduce((a, b) => a + b, 0);
  expect(used).toBe(1343);
  // 5 + 100 + 900 at a half + 343 at a quarter.
  expect(Number(await usd(customer_id))).toBe(10_000 - 640.75);
  // In the order of versions, each line is what the counter says at its turn.
  const cost = (n: number) =>
    5 + Math.min(n, 100) + Math.max(0, Math.min(n, 1000) - 100) / 2 + Math.max(0, n - 1000) / 4;
  let [before, billed] = [0, 0];
  for (const { lines } of amounts.toSorted((a, b) => a.version - b.version)) {
    before += Number(lines[0].quantity);
    expect(Number(lines[0].amount)).toBe(cost(before) - billed);
    billed = cost(before);
  }
}, 30_000);

test('64 connections across the edges of tiers and of a budget: as many fit in as one after the other would', async () => {
  const customer_id = await customer('edges', '10000');
  // 1,180 images: 105 for the first hundred, 450 for the next nine, 45 for the rest.
  const terms = { ...lifetime, limit: '600', match: { event_type: 'images' } };
  const { id } = (await expectStatus(client.post(`/v1/customers/${customer_id}/budgets`, terms), 201)).body;
  const gateways = [client, await scene.farebox.addGateway()];
  const replies = await Promise.all(
    Array.from({ length: 64 }, (_, i) => gateways[i % 2]!.post('/v1/charge', { customer_id, ...event('images', 20) })),
  );
  const charged20 = replies.filter(({ status }) => status === 200);
  expect(charged20).toHaveLength(59);
  for (const { status, body } of replies) {
    if (status !== 200) expect(body).toMatchObject({ code: 'budget_exceeded', budget_id: id, requested: '5' });
  }
  const amounts = charged20.map(({ body }) => body).toSorted((a, b) => a.version - b.version);
  const tiers = ['25', ...repeat(4, '20'), ...repeat(45, '10'), ...repeat(9, '5')];
  expect(amounts.map(({ amount }) => amount)).toEqual(tiers);
  const { body } = await client.get(`/v1/customers/${customer_id}/budgets/${id}`);
  expect(body).toMatchObject({ spent: '600', held: '0', remaining: '0' });
});

const repeat = (times: number, amount: string) => Array.from({ length: times }, () => amount);

/** Its fields that count: budgets and prices. */
const countersOf = async (customerId: string): Promise<string[]> =>
  (await scene.redis.hkeys(walletKey(scene.walletOf(customerId)))).filter((field) => /^[bu]./.test(field)).sort();

/** Every wallet has been compared with the ledger since. */
async function compared(): Promise<void> {
  await scene.drained();
  await reconciled(scene.sql);
}

/** Copies of the customer's one budget are there while `work` is done, and deleted after it: more at once than the API lets stand. */
async function withBudgets<T>(customer_id: string, round: number, work: () => Promise<T>): Promise<T> {
  const { sql, environmentId } = scene;
  const [kept] = (await expectStatus(client.get(`/v1/customers/${customer_id}/budgets`), 200)).body.data;
  // The wallet is told of everything with the next change.
  const tell = () =>
    expectStatus(client.send('PATCH', `/v1/customers/${customer_id}/budgets/${kept.id}`, { name: 'all' }), 200);
  await sql`
    insert into budgets (environment_id, customer_id, no, id, name, asset, "limit", period, match, is_hard, alert_at)
    select environment_id, customer_id, no + n, id || '_' || n, name, asset, "limit", period, match, is_hard, alert_at
    from budgets, generate_series(${round * 200 + 1}::integer, ${round * 200 + 200}::integer) as n
    where (environment_id, customer_id, no) = (${environmentId}, ${customer_id}, 1)`;
  await tell();
  const done = await work();
  await sql`
    update budgets set deleted_at = now() where (environment_id, customer_id) = (${environmentId}, ${customer_id}) and no > 1`;
  await tell();
  return done;
}

const lifetime = {
  ...{ name: 'all', asset: 'USD', limit: '5000', match: {}, enforcement: 'hard', alert_at: ['0.5'] },
  period: { unit: 'lifetime' },
};

test('a thousand budgets made and deleted, and prices whose windows are over, leave their wallet as small as before', async () => {
  const customer_id = await customer('tidy', '1000');
  // Counters leave when this test says so.
  await putOffPasses(scene.sql);
  await expectStatus(client.post(`/v1/customers/${customer_id}/budgets`, lifetime), 201);
  await charged(customer_id, 'pages', 1);
  const before = await countersOf(customer_id);
  expect(before).toHaveLength(2);
  for (let round = 0; round < 4; round += 1) {
    await withBudgets(customer_id, round, () => charged(customer_id, 'pages', 1));
  }
  // One that is open when its budgets are deleted.
  const { id } = await withBudgets(customer_id, 4, () => held(customer_id, 'calls', 60));
  const counting = await countersOf(customer_id);
  expect(counting.length).toBeGreaterThan(1_000);
  await compared();
  expect(await countersOf(customer_id)).toEqual(before);
  expect((await settle(id, 'calls', 60)).body).toMatchObject({ settled: '0.02', released: '0' });
  const standing = await client.get(`/v1/customers/${customer_id}/budgets`);
  expect(standing.body.data.map(({ spent, held }: any) => [spent, held])).toEqual([['10.02', '0']]);

  // What the ledger still has does not come back.
  await scene.drained();
  await scene.losing(() => scene.redis.flushall());
  await charged(customer_id, 'pages', 1);
  const withCalls = await countersOf(customer_id);
  expect(withCalls).toHaveLength(3);
  await clockTo(customer_id, (await clockOf(customer_id)) + 3 * 86_400_000);
  expect(await charged(customer_id, 'pages', 101)).toBe('101');
  await compared();
  expect(await countersOf(customer_id)).toEqual(before);
  expect(await charged(customer_id, 'calls', 1)).toBe('0.02');
  expect(await countersOf(customer_id)).toEqual(withCalls);
  expect((await client.get(`/v1/customers/${customer_id}/wallet`)).body.status).toBe('active');
}, 120_000);

test('after a loss of Redis the counters are what they were', async () => {
  const customer_id = await customer('lost', '1000');
  expect(await charged(customer_id, 'images', 100)).toBe('105');
  const { id } = await held(customer_id, 'images', 10);
  const { version } = (await client.get(`/v1/customers/${customer_id}/wallet`)).body;
  await expect
    .poll(async () => (await client.get(`/v1/customers/${customer_id}/entries`)).body.data[0]?.version, {
      timeout: 5_000,
    })
    .toBe(version);
  await scene.losing(() => scene.redis.flushall());
  expect(await charged(customer_id, 'images', 1)).toBe('0.5');
  expect((await settle(id, 'images', 1)).body).toMatchObject({ settled: '0.5', released: '4.5' });
}, 60_000);
