// Moving customers to another version of a product, and what a dry run says of it beforehand.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { expectProblem, startContract } from './contract.client.ts';
import { expectStatus } from './farebox.ts';

const farebox = await startContract();
const { client } = farebox;
await expectStatus(client.post('/v1/assets', { code: 'PTS', scale: 2, kind: 'custom' }), 201);

let named = 0;
type Cost = { asset: string; model: string; [term: string]: unknown };

/** A product with these versions, all published, and an event type of its own. */
async function product(...versions: Cost[][]): Promise<string> {
  const id = `product_${(named += 1)}`;
  const written = versions.map((costs) => costs.map((cost, i) => ({ id: `p${i}`, event_type: id, ...cost })));
  await expectStatus(client.post('/v1/products', { id, name: id, prices: written[0] }), 201);
  for (const [i, prices] of written.entries()) {
    if (i > 0) await expectStatus(client.post(`/v1/products/${id}/versions`, { prices }), 201);
    await expectStatus(client.post(`/v1/products/${id}/versions/${i + 1}/publish`), 200);
  }
  return id;
}

async function subscriber(productId: string, version = 1): Promise<{ id: string; subscription: string }> {
  const id = await farebox.customer(`customer_${(named += 1)}`, '100000');
  await farebox.grant(id, '100000', { asset: 'PTS' });
  const body = { product_id: productId, version };
  const made = await expectStatus(client.post(`/v1/customers/${id}/subscriptions`, body), 201);
  return { id, subscription: made.body.id };
}

const migrate = (productId: string, version: number, body: object, headers = {}) =>
  client.post(`/v1/products/${productId}/versions/${version}/migrate`, body, headers);

const charge = (customer_id: string, event_type: string, data: object) =>
  client.post('/v1/charge', { customer_id, event_type, data });

/** What a charge cost, as a dry run writes it. */
function paid(reply: { status: number; body: any }): unknown {
  if (reply.status !== 200) return { code: reply.body.code };
  const { asset, amount, legs = [{ asset, amount }] } = reply.body;
  return legs.map((leg: any) => ({ asset: leg.asset, amount: leg.amount }));
}

const asset = fc.constantFrom('USD', 'PTS');
const quantity = fc.constantFrom('n', 'm');
const cost: fc.Arbitrary<Cost> = fc.oneof(
  fc.record({ asset, quantity, model: fc.constant('unit'), unit_amount: fc.constantFrom('0.01', '2', '0.0033') }),
  fc.record({
    asset,
    quantity,
    model: fc.constant('package'),
    unit_amount: fc.constant('3'),
    package_size: fc.constant(4),
  }),
  fc.record({
    ...{ asset, quantity, model: fc.constantFrom('graduated', 'volume') },
    tiers: fc.constant([
      { up_to: 5, unit_amount: '2' },
      { up_to: null, unit_amount: '0.5', flat_amount: '1' },
    ]),
  }),
);
const version = fc.uniqueArray(cost, { selector: (one) => one['quantity'], minLength: 1, maxLength: 2 });
const event = fc.record({ n: fc.nat(12), m: fc.nat(12) }, { requiredKeys: ['n'] });

test('a dry run says what was paid, and what the same events cost once customers are moved', async () => {
  await fc.assert(
    fc.asyncProperty(
      version,
      version,
      fc.array(event, { minLength: 1, maxLength: 4 }),
      async (first, second, events) => {
        const productId = await product(first, second);
        const customer = await subscriber(productId);
        const before = [];
        for (const data of events) before.push({ data, was: paid(await charge(customer.id, productId, data)) });
        const charged = before.filter(({ was }) => Array.isArray(was));
        await farebox.entriesOf(customer.id);
        const dry = (await expectStatus(migrate(productId, 1, { to: 2, dry_run: true, events: 10 }), 200)).body;
        expect(dry).toMatchObject({
          product_id: productId,
          from: 1,
          to: 2,
          dry_run: true,
          customers_left: 1,
          next_after: null,
        });
        const [shown] = dry.customers;
        expect(shown).toMatchObject({ customer_id: customer.id, subscription_id: customer.subscription });
        const said = shown.events.toReversed();
        expect(said.map((one: any) => one.before)).toEqual(charged.map(({ was }) => was));
        const one = `/v1/customers/${customer.id}/subscriptions/${customer.subscription}/migrate`;
        const alone = (await expectStatus(client.post(one, { version: 2, dry_run: true, events: 10 }), 200)).body;
        expect(alone).toMatchObject({
          dry_run: true,
          from: 1,
          to: 2,
          events: shown.events,
          difference: shown.difference,
        });
        expect(shown.difference).toEqual(dry.difference);
        const moved = (await expectStatus(migrate(productId, 1, { to: 2 }), 200)).body;
        expect(moved).toMatchObject({ customers: [{ customer_id: customer.id }], customers_left: 0 });
        const after = [];
        for (const { data } of charged) after.push(paid(await charge(customer.id, productId, data)));
        expect(said.map((each: any) => each.after)).toEqual(after);
      },
    ),
    { numRuns: 12, seed: 4 },
  );
}, 240_000);

const periodCost: fc.Arbitrary<Cost> = fc.oneof(
  fc.record({
    ...{ asset, quantity, model: fc.constantFrom('graduated', 'volume') },
    tiers_over: fc.constantFrom('month', 'day'),
    tiers: fc.constantFrom(
      [
        { up_to: 5, unit_amount: '2' },
        { up_to: 20, unit_amount: '0.5', flat_amount: '1' },
        { up_to: null, unit_amount: '0.25' },
      ],
      [
        { up_to: 10, unit_amount: '0.0033', flat_amount: '4' },
        { up_to: null, unit_amount: '1' },
      ],
    ),
  }),
  fc.record({
    ...{ asset, quantity, model: fc.constant('package'), tiers_over: fc.constantFrom('month', 'day') },
    ...{ unit_amount: fc.constantFrom('3', '0.5'), package_size: fc.constantFrom(4, 9) },
  }),
);
const periodVersion = fc.tuple(periodCost, fc.array(cost, { maxLength: 1 })).map(([first, others]) => [
  // So that both versions often count the same thing, by other terms.
  { ...first, quantity: 'n' },
  ...others.map((one) => ({ ...one, quantity: 'm' })),
]);
const counted = fc.record({
  data: fc.record({ n: fc.nat(12), m: fc.nat(12) }),
  by: fc.constantFrom('charge', 'settle', 'batch'),
});
type Counted = { data: object; by: string };

/** By one of the ways in which usage comes; what it cost, or why not. */
async function use(customer_id: string, event_type: string, { data, by }: Counted): Promise<unknown> {
  if (by === 'charge') return paid(await charge(customer_id, event_type, data));
  if (by === 'batch') {
    const id = `event_${(named += 1)}`;
    const { body } = await expectStatus(
      client.post('/v1/events', { events: [{ id, customer_id, event_type, data }] }),
      200,
    );
    const [result] = body.results;
    return paid({ status: result.status === 'charged' ? 200 : 422, body: result });
  }
  const held = await client.post('/v1/authorize', { customer_id, event_type, data });
  if (held.status !== 200) return { code: held.body.code };
  const { body } = await expectStatus(client.post(`/v1/holds/${held.body.id}/settle`, { event_type, data }), 200);
  const sums = new Map<string, number>();
  for (const line of body.lines) sums.set(line.asset, (sums.get(line.asset) ?? 0) + Number(line.amount));
  return [...sums].map(([code, sum]) => ({ asset: code, amount: String(Number(sum.toFixed(9))) }));
}

test('what counts over a period goes on from where it stood: a twin who was moved before these events pays what is shown', async () => {
  await fc.assert(
    fc.asyncProperty(
      periodVersion,
      periodVersion,
      fc.array(counted, { minLength: 1, maxLength: 3 }),
      fc.array(counted, { minLength: 1, maxLength: 4 }),
      async (first, second, early, late) => {
        const productId = await product(first, second);
        const both = [await subscriber(productId, 2), await subscriber(productId, 2)] as const;
        const [customer, twin] = both;
        const move = ({ id, subscription }: typeof twin, to: number) =>
          expectStatus(client.post(`/v1/customers/${id}/subscriptions/${subscription}/migrate`, { version: to }), 200);
        for (const [i, one] of early.entries()) {
          for (const { id } of both) await use(id, productId, one);
          if (i === 0) for (const each of both) await move(each, 1);
        }
        await move(twin, 2);
        const before = [];
        const after = [];
        for (const one of late) {
          const was = await use(customer.id, productId, one);
          if (!Array.isArray(was)) continue;
          before.push(was);
          after.push(await use(twin.id, productId, one));
        }
        await farebox.entriesOf(customer.id);
        const request = { to: 2, dry_run: true, events: before.length };
        const { customers } = (await expectStatus(migrate(productId, 1, request), 200)).body;
        const said = customers[0].events.toReversed();
        expect(said.map((one: any) => one.before)).toEqual(before);
        expect(said.map((one: any) => one.after)).toEqual(after);
      },
    ),
    { numRuns: 10, seed: 7, endOnFailure: true },
  );
}, 240_000);

test('the difference is summed up per customer and in total, over what can be priced', async () => {
  const unit = { asset: 'USD', model: 'unit', quantity: 'n' };
  const productId = await product([{ ...unit, unit_amount: '2' }], [{ ...unit, unit_amount: '1.5' }]);
  const [one, other] = [await subscriber(productId), await subscriber(productId)];
  for (const n of [1, 2, 3]) await expectStatus(charge(one.id, productId, { n }), 200);
  const held = await client.post('/v1/authorize', { customer_id: other.id, event_type: productId, data: { n: 9 } });
  const spent = { event_type: productId, data: { n: 4 } };
  await expectStatus(client.post(`/v1/holds/${held.body.id}/settle`, spent), 200);
  for (const { id } of [one, other]) await farebox.entriesOf(id);
  const dry = (await expectStatus(migrate(productId, 1, { to: 2, dry_run: true, events: 2 }), 200)).body;
  const difference = (before: string, after: string, less: string) => [
    { asset: 'USD', before, after, difference: less },
  ];
  expect(dry.difference).toEqual(difference('18', '13.5', '-4.5'));
  expect(dry.customers.map((each: any) => each.difference)).toEqual([
    difference('10', '7.5', '-2.5'),
    difference('8', '6', '-2'),
  ]);
  expect((await charge(one.id, productId, { n: 1 })).body.amount).toBe('2');
});

test('customers are moved some at a time, each at once, until none is left; nobody else is', async () => {
  const unit = { asset: 'USD', model: 'unit' };
  const versions = ['1', '2', '3'].map((unit_amount) => [{ ...unit, unit_amount }]);
  const productId = await product(...versions);
  const all = [];
  for (let i = 0; i < 5; i += 1) all.push(await subscriber(productId));
  const elsewhere = await subscriber(productId, 3);
  const canceled = await subscriber(productId);
  await expectStatus(client.post(`/v1/customers/${canceled.id}/subscriptions/${canceled.subscription}/cancel`), 200);
  const price = async (id: string) => (await charge(id, productId, {})).body.amount;
  const ids = all.map(({ id }) => id).toSorted();

  const dry = (await expectStatus(migrate(productId, 1, { to: 2, dry_run: true, limit: 3 }), 200)).body;
  const rest = { to: 2, dry_run: true, limit: 3, after: dry.next_after };
  const dryRest = (await expectStatus(migrate(productId, 1, rest), 200)).body;
  expect([...dry.customers, ...dryRest.customers].map((one: any) => one.customer_id)).toEqual(ids);
  expect(dryRest.next_after).toBeNull();

  const headers = { 'idempotency-key': 'first' };
  const first = await expectStatus(migrate(productId, 1, { to: 2, limit: 2 }, headers), 200);
  expect(first.body).toMatchObject({
    customers_left: 3,
    customers: ids.slice(0, 2).map((customer_id) => ({ customer_id })),
  });
  const repeated = await migrate(productId, 1, { to: 2, limit: 2 }, headers);
  expect(repeated.headers.get('idempotent-replayed')).toBe('true');
  expect(repeated.body).toEqual(first.body);
  expectProblem(await migrate(productId, 1, { to: 3 }, headers), 422, 'idempotency_conflict');
  for (const [i, id] of ids.entries()) expect(await price(id)).toBe(i < 2 ? '2' : '1');
  // Where to go on is a dry run's: whoever is left is moved.
  const second = (await expectStatus(migrate(productId, 1, { to: 2, after: ids[3] }), 200)).body;
  expect(second).toMatchObject({ customers_left: 0, customers: ids.slice(2).map((customer_id) => ({ customer_id })) });
  expect((await expectStatus(migrate(productId, 1, { to: 2 }), 200)).body).toMatchObject({
    customers_left: 0,
    customers: [],
  });
  for (const id of ids) expect(await price(id)).toBe('2');
  expect(await price(elsewhere.id)).toBe('3');
  const listed = await client.get(`/v1/customers/${canceled.id}/subscriptions`);
  expect(listed.body.data).toMatchObject([{ version: 1, status: 'canceled' }]);
});

test.each([
  ['/v1/products/nothing/versions/1/migrate', { to: 2 }, 404, 'product_not_found'],
  ['/v1/products/refused/versions/9/migrate', { to: 2 }, 404, 'version_not_found'],
  ['/v1/products/refused/versions/1/migrate', { to: 9 }, 404, 'version_not_found'],
  ['/v1/products/refused/versions/1/migrate', { to: 2 }, 409, 'version_not_published'],
  ['/v1/products/refused/versions/1/migrate', {}, 422, 'invalid_request'],
  ['/v1/products/refused/versions/1/migrate', { to: 1, limit: 101 }, 422, 'invalid_request'],
])('%s with %j is %i %s', async (path, body, status, code) => {
  await client.post('/v1/products', { id: 'refused', name: 'refused', prices: [] });
  await client.post('/v1/products/refused/versions/1/publish');
  const { body: shown } = await client.get('/v1/products/refused');
  if (shown.version === 1) await client.post('/v1/products/refused/versions', { prices: [] });
  expectProblem(await client.post(path, body), status, code);
});
