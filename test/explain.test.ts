// Explanations: what authorize would say and why, over random catalogs, wallets and budgets, and that nothing happens.
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { openDatabase } from '../src/db/connect.ts';
import { walletKey, walletOf } from '../src/wallet/keys.ts';
import { expectProblem, startContract } from './contract.client.ts';
import { expectStatus } from './farebox.ts';
import { openRedis } from './stores.ts';

const farebox = await startContract();
const { client } = farebox;
const sql = openDatabase(farebox.database.url, { connectionsMax: 3, name: 'test' });
const redis = await openRedis(farebox.redis.url);
const [environment] = await sql<{ id: string }[]>`select id from environments where is_default`;
afterAll(async () => {
  redis.disconnect();
  await sql.end();
});
await expectStatus(client.post('/v1/assets', { code: 'PTS', scale: 2, kind: 'custom' }), 201);
const scales = { USD: 9, PTS: 2 } as const;

async function publish(id: string, prices: object[], isDefault = true): Promise<void> {
  await expectStatus(client.post('/v1/products', { id, name: id, default: isDefault, prices }), 201);
  await expectStatus(client.post(`/v1/products/${id}/versions/1/publish`), 200);
}

type Budget = { asset: 'USD' | 'PTS'; units: number; team: string | undefined; isHard: boolean };
const atomsOf = (asset: 'USD' | 'PTS', units: number) => String(BigInt(units) * 10n ** BigInt(scales[asset]));

async function budgets(id: string, all: readonly Budget[]): Promise<void> {
  if (all.length === 0) return;
  await sql.begin(async (transaction) => {
    for (const [i, { asset, units, team, isHard }] of all.entries()) {
      const match = team === undefined ? {} : { labels: { team } };
      const [{ number } = { number: 0 }] = await transaction<{ number: number }[]>`
        select number from assets where environment_id = ${environment!.id} and code = ${asset}`;
      await transaction`
        insert into budgets (environment_id, customer_id, no, id, name, asset, "limit", period, match, is_hard, alert_at)
        values (${environment!.id}, ${id}, ${i + 1}, ${`bud_${id}_${i + 1}`}, 'b', ${number}, ${atomsOf(asset, units)},
          ${transaction.json({ unit: 'month' })}, ${transaction.json(match)}, ${isHard}, '{}'::text[])`;
    }
    await transaction`update customers set config_version = config_version + 1 where id = ${id}`;
  });
  await pushed(id);
}

async function raiseBudget(id: string, budgetId: string, limit: string): Promise<void> {
  await sql.begin(async (transaction) => {
    await transaction`update budgets set "limit" = ${limit} where id = ${budgetId}`;
    await transaction`update customers set config_version = config_version + 1 where id = ${id}`;
  });
  await pushed(id);
}

/** The worker tells Redis. */
async function pushed(id: string): Promise<void> {
  const [customer] = await sql<
    { version: string }[]
  >`select config_version::text as version from customers where id = ${id}`;
  const key = walletKey(walletOf(environment!.id, id));
  await expect.poll(() => redis.hget(key, 'n'), { timeout: 20_000 }).toBe(customer!.version);
}

/** All that Redis has of a wallet, and how much there is of everything. */
async function stored(id: string): Promise<{ keys: string[]; wallet: Record<string, Buffer> }> {
  const { walletId, partition } = walletOf(environment!.id, id);
  const keys = (await redis.keys(`{*`)).filter((key) => !/clock|deadlines/.test(key)).toSorted();
  const wallet = await redis.hgetallBuffer(walletKey({ walletId, partition }));
  return { keys, wallet };
}

const explain = (body: object) => expectStatus(client.post('/v1/explain', body), 200).then((reply) => reply.body);

async function remainingOf(id: string): Promise<Map<string, string>> {
  const wallet = await farebox.walletOf(id);
  return new Map(wallet.accounts.flatMap(({ grants }: any) => grants.map((grant: any) => [grant.id, grant.remaining])));
}

const atoms = (text: string): bigint => {
  const [whole = '0', decimals = ''] = text.split('.');
  return BigInt(whole + decimals.padEnd(9, '0'));
};

// ── Random catalogs, wallets, budgets ──

const asset = fc.constantFrom('USD' as const, 'USD' as const, 'PTS' as const);
const price = fc.record({
  asset,
  quantity: fc.constantFrom('n', 'm', undefined),
  dimensions: fc.constantFrom({}, { model: 'a' }, { model: '*' }, { model: 'a', tier: 'x' }),
  rate: fc.constantFrom(undefined, undefined, '0.5', '3'),
  cost: fc.oneof(
    fc.record({ model: fc.constant('unit'), unit_amount: fc.constantFrom('0.37', '1', '2.5') }),
    fc.constant({ model: 'package', package_size: 3, unit_amount: '2' }),
    fc.record(
      {
        model: fc.constantFrom('volume', 'graduated'),
        tiers: fc.constant([
          { up_to: 4, unit_amount: '2' },
          { up_to: null, unit_amount: '1', flat_amount: '0.5' },
        ]),
        tiers_over: fc.constant('month'),
      },
      { requiredKeys: ['model', 'tiers'] },
    ),
    fc.constant({ model: 'package', package_size: 4, unit_amount: '1.5', tiers_over: 'day' }),
  ),
});
const prices = fc.uniqueArray(price, {
  selector: ({ quantity, dimensions }) => JSON.stringify([quantity, dimensions]),
  maxLength: 6,
});
const grant = fc.record({
  asset,
  amount: fc.constantFrom('1', '3', '8', '20'),
  priority: fc.constantFrom(50, 50, 10),
  purpose: fc.constantFrom('paid', 'promotional', 'bundled'),
  model: fc.constantFrom(undefined, undefined, 'a', 'b'),
});
const team = fc.constantFrom(undefined, 'red', 'blue');
const budget = fc.record({ asset, units: fc.constantFrom(0, 5, 12), team, isHard: fc.constantFrom(true, true, false) });
const request = fc.record({
  spend: fc.oneof(
    fc.record({ asset, amount: fc.constantFrom('0', '1', '4', '9.5', '40') }),
    fc.record({
      data: fc.record(
        { model: fc.constantFrom('a', 'b'), tier: fc.constantFrom('x', 'y'), n: fc.nat(9), m: fc.nat(9) },
        { requiredKeys: ['n'] },
      ),
    }),
  ),
  mode: fc.constantFrom('strict', 'strict', 'up_to'),
  team,
});
const world = fc.record({
  prices,
  grants: fc.array(grant, { maxLength: 5 }),
  budgets: fc.array(budget, { maxLength: 3 }),
  before: fc.constantFrom(undefined, undefined, undefined, 'frozen', 'owes'),
  requests: fc.array(request, { minLength: 1, maxLength: 5 }),
});

type World = typeof world extends fc.Arbitrary<infer T> ? T : never;

/** How often each came up: a test that meets only one of them shows little. */
const met = new Map<string, number>();
const bounds = new Set<string>();
let worlds = 0;

async function build({ prices: terms, grants, budgets: limits, before }: World): Promise<string> {
  worlds += 1;
  const id = `explained_${worlds}`;
  const written = terms.map(({ cost, dimensions, quantity, rate, ...rest }, i) => {
    const fallback = rate && { fallback: [{ asset: rest.asset === 'USD' ? 'PTS' : 'USD', rate }] };
    return { id: `p${i}`, event_type: id, dimensions, ...(quantity && { quantity }), ...rest, ...cost, ...fallback };
  });
  await farebox.customer(id);
  if (written.length > 0) await publish(id, written);
  if (before === 'owes') {
    await farebox.grant(id, '1');
    const held = await farebox.hold(id, '1');
    await expectStatus(client.post(`/v1/holds/${held.id}/settle`, { amount: '2.5' }), 200);
  }
  for (const { amount, model, ...more } of grants) {
    const scope = model === undefined ? {} : { scope: { dimensions: { model } } };
    await farebox.grant(id, amount, { ...more, ...scope });
  }
  await budgets(id, limits);
  if (before === 'frozen') await expectStatus(client.post(`/v1/customers/${id}/wallet/freeze`), 200);
  return id;
}

/** Does what a remedy says. */
async function follow(id: string, steps: any[]): Promise<void> {
  for (const step of steps) {
    if (step.kind === 'add_credit') await farebox.grant(id, step.amount, { asset: step.asset });
    else if (step.kind === 'unfreeze') await expectStatus(client.post(`/v1/customers/${id}/wallet/unfreeze`), 200);
    else if (step.kind === 'raise_budget') {
      const [{ code } = { code: 'USD' }] = await sql<{ code: 'USD' | 'PTS' }[]>`
        select code from assets join budgets on assets.number = budgets.asset where budgets.id = ${step.budget_id}
          and assets.environment_id = budgets.environment_id`;
      await raiseBudget(id, step.budget_id, String(atoms(step.limit) / 10n ** BigInt(9 - scales[code as 'USD'])));
    } else throw new Error(`no way to follow ${JSON.stringify(step)}`);
  }
}

/** What an estimate says of the event, where it is one. */
async function estimated(customer_id: string, event: object): Promise<any> {
  return 'data' in event ? (await client.post('/v1/estimate', { customer_id, ...event })).body : undefined;
}

test('it is approved exactly when authorize then approves, with the same lines, amounts and grants as was estimated', async () => {
  await fc.assert(
    fc.asyncProperty(world, async (given) => {
      const id = await build(given);
      for (const [i, { spend, mode, team: label }] of given.requests.entries()) {
        const labels = label === undefined ? {} : { labels: { team: label } };
        const event = 'data' in spend ? { event_type: id } : {};
        const body = { customer_id: id, mode, ...labels, ...event, ...spend };
        const before = await stored(id);
        const estimate = await estimated(id, { ...event, ...spend });
        const said = await explain(body);
        const strictly = mode === 'up_to' ? await explain({ ...body, mode: 'strict' }) : said;
        const after = await stored(id);
        expect(after.wallet).toEqual(before.wallet);
        // Records of operations expire by themselves; what must not be is a new key.
        expect(before.keys).toEqual(expect.arrayContaining(after.keys));
        met.set(said.code ?? said.status, (met.get(said.code ?? said.status) ?? 0) + 1);
        const grantsBefore = await remainingOf(id);
        const reply = await client.post('/v1/authorize', body);
        if (said.status === 'unpriced') {
          expectProblem(reply, 422, said.code);
          if (estimate) expect(estimate.code).toBe(said.code);
          continue;
        }
        if (said.status === 'approved') {
          expect(reply.status, reply.text).toBe(200);
          const { requested, amount, asset: code, lines, legs, version } = reply.body;
          expect(said).toMatchObject({ requested, amount, asset: code, version: version - 1, remedies: [] });
          expect(said.lines).toEqual(lines);
          // What refuses all of it bounds what is given.
          expect([said.limit_source, said.budget_id]).toEqual([strictly.limit_source, strictly.budget_id]);
          if (strictly.limit_source !== undefined) bounds.add(strictly.limit_source);
          const each = legs?.map((leg: any) => ({ asset: leg.asset, amount: leg.amount }));
          const held = mode === 'strict' ? { amount, ...(legs && { legs: each }) } : {};
          if (estimate) expect(estimate).toMatchObject({ asset: code, lines, ...held });
          const rest = await remainingOf(id);
          const left = (no: string) => atoms(rest.get(no) ?? '0');
          const taken = [...grantsBefore].map(([no, was]): [string, bigint] => [no, atoms(was) - left(no)]);
          const told = said.accounts.flatMap(({ grants }: any) => grants.map((one: any) => [one.id, atoms(one.taken)]));
          const some = (parts: [string, bigint][]) => new Map(parts.filter(([, part]) => part > 0n));
          expect(some(told)).toEqual(some(taken));
          // What counts over a period goes on from there.
          const settling = { event_type: id, ...spend };
          if ('data' in spend && i % 2 === 0) {
            await expectStatus(client.post(`/v1/holds/${reply.body.id}/settle`, settling), 200);
          }
          continue;
        }
        expect(reply.status, reply.text).not.toBe(200);
        const { code, affordable, shortfall, limit_source, budget_id } = reply.body;
        const isMoney = reply.status === 402;
        expect(said).toMatchObject({ code, ...(isMoney && { affordable, shortfall, limit_source }) });
        expect(said.budget_id).toBe(budget_id);
        if (estimate && isMoney && !estimate.legs) expect(reply.body.requested).toBe(estimate.amount);
        // What it says would help, helps.
        const less = said.remedies.map(({ steps }: any) => steps[0]).find(({ kind }: any) => kind === 'ask_for');
        if (less) {
          const { amount } = less;
          const fewer = 'data' in spend ? { ...body, mode: 'up_to' } : { ...body, amount };
          expect(await explain(fewer)).toMatchObject({ status: 'approved', amount });
        }
        await follow(id, said.remedies[0].steps);
        expect(await explain(body)).toMatchObject({ status: 'approved' });
        expect((await client.post('/v1/authorize', body)).status).toBe(200);
      }
    }),
    { numRuns: 6, seed: 26, endOnFailure: true },
  );
  const codes = ['approved', 'insufficient_balance', 'budget_exceeded', 'missing_quantity', 'wallet_frozen'];
  expect([...met.keys()]).toEqual(expect.arrayContaining(codes));
  expect([...bounds]).toEqual(expect.arrayContaining(['balance']));
}, 300_000);

// ── By example ──

const chat = (data: object) => ({ event_type: 'chat', data });

test('near misses, the order of grants, the budget that binds and what would help are told', async () => {
  const of = { event_type: 'chat', asset: 'USD', model: 'unit' };
  await publish('chat', [
    { ...of, id: 'in', quantity: 'input', unit_amount: '0.5', dimensions: { model: 'big' } },
    { ...of, id: 'in_any', quantity: 'input', unit_amount: '0.1', dimensions: { model: '*' } },
    { ...of, id: 'in_small', quantity: 'input', unit_amount: '0.2', dimensions: { model: 'small' } },
  ]);
  const id = await farebox.customer('by_example');
  const paid = await farebox.grant(id, '4');
  const promotional = await farebox.grant(id, '2', { purpose: 'promotional' });
  await budgets(id, [
    { asset: 'USD', units: 3, team: 'red', isHard: true },
    { asset: 'USD', units: 1, team: 'blue', isHard: true },
  ]);
  const body = { customer_id: id, ...chat({ model: 'big', input: 10 }), labels: { team: 'red' } };
  const declined = await explain(body);
  const name = { product_id: 'chat', price_version: 1 };
  expect(declined).toMatchObject({
    ...{ status: 'declined', code: 'budget_exceeded', limit_source: 'budget', budget_id: `bud_${id}_1` },
    ...{ asset: 'USD', requested: '5', affordable: '3', shortfall: '2', version: 2 },
    detail: `5 USD asked for, 3 left in budget bud_${id}_1`,
    lines: [{ price_id: 'in', quantity: '10', amount: '5' }],
    prices: [
      { ...name, price_id: 'in', status: 'matched', dimensions: { model: 'big' }, quantity: 'input' },
      { ...name, price_id: 'in_any', status: 'outranked', outranked_by: { ...name, price_id: 'in' } },
      { ...name, price_id: 'in_small', status: 'no_match', differs: { field: 'model', wanted: 'small', found: 'big' } },
    ],
    accounts: [{ asset: 'USD', requested: '5', available: '6', held: '0', overage: '0' }],
    budgets: [
      { id: `bud_${id}_1`, covers: true, limit: '3', spent: '0', held: '0', remaining: '3', refuses: true },
      { id: `bud_${id}_2`, covers: false, differs: [{ field: 'labels.team', wanted: 'blue', found: 'red' }] },
    ],
    remedies: [
      { steps: [{ kind: 'raise_budget', budget_id: `bud_${id}_1`, limit: '5' }] },
      { steps: [{ kind: 'ask_for', asset: 'USD', amount: '3' }] },
    ],
  });
  const approved = await explain({ ...body, labels: {} });
  expect(approved).toMatchObject({ status: 'approved', amount: '5', remedies: [], budgets: [{}, {}] });
  expect(approved.accounts[0].grants).toMatchObject([
    { id: promotional.id, purpose: 'promotional', remaining: '2', taken: '2' },
    { id: paid.id, purpose: 'paid', remaining: '4', taken: '3' },
  ]);
  const red = await farebox.hold(id, '2', { labels: { team: 'red' } });
  const more = await explain({ customer_id: id, asset: 'USD', amount: '2', labels: { team: 'red' } });
  expect(more.remedies.at(-1)).toEqual({ steps: [{ kind: 'wait_until', at: more.budgets[0].resets_at }] });
  await expectStatus(client.post(`/v1/holds/${red.id}/release`), 200);
  const inFlight = await farebox.hold(id, '4');
  expect((await explain({ ...body, labels: {} })).remedies).toEqual([
    { steps: [{ kind: 'add_credit', asset: 'USD', amount: '3' }] },
    { steps: [{ kind: 'ask_for', asset: 'USD', amount: '2' }] },
    { steps: [{ kind: 'await_holds' }] },
  ]);
  await expectStatus(client.post(`/v1/holds/${inFlight.id}/release`), 200);
  expect(await explain({ ...body, labels: {} })).toMatchObject({ status: 'approved' });
});

test('what no price fits, or lacks a field, is told with what is missing', async () => {
  const id = await farebox.customer('unpriced');
  expect(await explain({ customer_id: id, event_type: 'unheard.of', data: {} })).toMatchObject({
    ...{ status: 'unpriced', code: 'no_price', prices: [], accounts: [], budgets: [] },
    remedies: [{ steps: [{ kind: 'publish_price', event_type: 'unheard.of' }] }],
  });
  expect(await explain({ customer_id: id, ...chat({ model: 'big' }) })).toMatchObject({
    ...{ status: 'unpriced', code: 'missing_quantity', detail: expect.stringContaining('data.input') },
    prices: [{ price_id: 'in', status: 'matched' }, {}, {}],
    remedies: [{ steps: [{ kind: 'send_field', field: 'input' }] }],
  });
  const money = { customer_id: id, asset: 'NONE', amount: '1' };
  expectProblem(await client.post('/v1/explain', money), 422, 'unknown_asset');
  const nobody = { ...money, customer_id: 'nobody', asset: 'USD' };
  expectProblem(await client.post('/v1/explain', nobody), 404, 'customer_not_found');
  expectProblem(await client.post('/v1/explain', { ...nobody, ...chat({}), asset: 'USD' }), 422, 'invalid_request');
});

test('a hold tells what was told when it was opened, whatever has happened since', async () => {
  const id = await farebox.customer('held');
  const paid = await farebox.grant(id, '4');
  const promotional = await farebox.grant(id, '2', { purpose: 'promotional' });
  await budgets(id, [{ asset: 'USD', units: 10, team: 'red', isHard: true }]);
  const event = { ...chat({ model: 'small', input: 20 }), labels: { team: 'red' }, subject: 'agent:a' };
  const said = await explain({ customer_id: id, ...event });
  const { id: hold } = (await expectStatus(client.post('/v1/authorize', { customer_id: id, ...event }), 200)).body;
  const told = async () => (await expectStatus(client.get(`/v1/holds/${hold}/explain`), 200)).body;
  const open = await told();
  expect(open).toMatchObject({ ...event, hold_id: hold, customer_id: id, status: 'open', requested: '4', amount: '4' });
  expect(open).toMatchObject({ lines: said.lines, prices: said.prices, version: said.version + 1 });
  expect(open.accounts).toEqual(said.accounts);
  expect(open.accounts[0].grants).toMatchObject([
    { id: promotional.id, remaining: '2', taken: '2' },
    { id: paid.id, remaining: '4', taken: '2' },
  ]);
  const red = { id: `bud_${id}_1`, asset: 'USD', enforcement: 'hard' };
  expect(open.budgets).toEqual([{ ...red, held: '4', limit: '10', remaining: '10' }]);
  await expectStatus(client.post(`/v1/holds/${hold}/settle`, { amount: '1' }), 200);
  const next = { event_type: 'chat', asset: 'USD', model: 'unit', id: 'in_small', quantity: 'input', unit_amount: '9' };
  await expectStatus(client.post('/v1/products/chat/versions', { prices: [next] }), 201);
  await expectStatus(client.post('/v1/products/chat/versions/2/publish'), 200);
  expect(await told()).toEqual({ ...open, status: 'settled' });
  const unknown = hold.replace(/\.[0-9]+$/, '.999');
  expectProblem(await client.get(`/v1/holds/${unknown}/explain`), 404, 'hold_not_found');
});

test('a hold that got a part tells of what, what bound it, and how much was left in budgets', async () => {
  const id = await farebox.customer('part', '6');
  await budgets(id, [{ asset: 'USD', units: 4, team: 'red', isHard: true }]);
  const red = { labels: { team: 'red' } };
  await expectStatus(client.post('/v1/charge', { customer_id: id, asset: 'USD', amount: '1', ...red }), 200);
  const part = async (amount: string, more: object = {}) => {
    const body = { customer_id: id, asset: 'USD', amount, mode: 'up_to', ...more };
    const said = await explain(body);
    const { id: hold } = (await expectStatus(client.post('/v1/authorize', body), 200)).body;
    const told = async () => (await expectStatus(client.get(`/v1/holds/${hold}/explain`), 200)).body;
    return { said, told };
  };
  const bud = `bud_${id}_1`;
  const budget = { id: bud, asset: 'USD', held: '3', enforcement: 'hard', limit: '4', remaining: '3' };
  const first = await part('4.5', red);
  const bound = { requested: '4.5', amount: '3', limit_source: 'budget', budget_id: bud };
  expect(first.said).toMatchObject({ status: 'approved', ...bound });
  expect(await first.told()).toMatchObject({ ...bound, budgets: [budget] });
  // 2 are left, and 3 held.
  const second = await part('5');
  for (const one of [second.said, await second.told()]) {
    expect(one).toMatchObject({ requested: '5', amount: '2', limit_source: 'held_in_flight' });
  }
  await farebox.grant(id, '1');
  const third = await part('9');
  for (const one of [third.said, await third.told()]) {
    expect(one).toMatchObject({ requested: '9', amount: '1', limit_source: 'balance' });
  }
  await farebox.grant(id, '7');
  const whole = await part('7');
  expect([whole.said.limit_source, (await whole.told()).limit_source]).toEqual([undefined, undefined]);
  await expectStatus(client.send('PATCH', `/v1/customers/${id}/budgets/${bud}`, { limit: '20' }), 200);
  const changed = await first.told();
  expect(changed.budgets).toEqual([{ id: bud, asset: 'USD', held: '3' }]);
  expect(changed).toMatchObject({ requested: '4.5', amount: '3' });
  expect(changed.limit_source).toBeUndefined();
});
