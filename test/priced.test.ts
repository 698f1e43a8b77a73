// Events priced by the catalog: authorize and charge say what happened, and the wallet pays what it costs.
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectStatus, startFarebox, type Client, type Farebox } from './farebox.ts';

let farebox: Farebox;
let client: Client;

beforeAll(async () => {
  farebox = await startFarebox();
  client = farebox.client;
  await publish('models', [
    unit('gpt_in', 'input_tokens', '1.25', { model: 'gpt-5' }),
    unit('gpt_out', 'output_tokens', '10', { model: 'gpt-5' }),
    unit('any_in', 'input_tokens', '0.5', { model: '*' }),
    { id: 'call', event_type: 'chat.completion', asset: 'USD', model: 'unit', unit_amount: '0.0001' },
  ]);
});

afterAll(() => farebox.stop());

function unit(id: string, quantity: string, unitAmount: string, dimensions: Record<string, string>) {
  const per = 1_000_000;
  return {
    id,
    event_type: 'chat.completion',
    asset: 'USD',
    dimensions,
    model: 'unit',
    quantity,
    unit_amount: unitAmount,
    per,
  };
}

async function publish(id: string, prices: object[], more: object = { default: true }): Promise<void> {
  const { body } = await expectStatus(client.post('/v1/products', { id, name: id, prices, ...more }), 201);
  await expectStatus(client.post(`/v1/products/${id}/versions/${body.version}/publish`), 200);
}

async function publishNext(id: string, prices: object[]): Promise<void> {
  const { body } = await expectStatus(client.post(`/v1/products/${id}/versions`, { prices }), 201);
  await expectStatus(client.post(`/v1/products/${id}/versions/${body.version}/publish`), 200);
}

const chat = { event_type: 'chat.completion', data: { model: 'gpt-5', input_tokens: 1200, output_tokens: 4096 } };
const lines = [
  { price_id: 'gpt_in', price_version: 1, quantity: '1200', amount: '0.0015', asset: 'USD' },
  { price_id: 'gpt_out', price_version: 1, quantity: '4096', amount: '0.04096', asset: 'USD' },
  { price_id: 'call', price_version: 1, quantity: '1', amount: '0.0001', asset: 'USD' },
];

test('an event is held and charged at the sum of its lines, and its entry tells what happened', async () => {
  const customer_id = await farebox.customer('priced', '1');
  const held = await client.post('/v1/authorize', { customer_id, ...chat });
  expect(held).toMatchObject({
    status: 200,
    body: { requested: '0.04256', amount: '0.04256', available: '0.95744', lines },
  });
  const charged = await client.post('/v1/charge', { customer_id, ...chat });
  expect(charged).toMatchObject({ status: 200, body: { amount: '0.04256', available: '0.91488', lines } });
  await expect
    .poll(async () => (await client.get(`/v1/customers/${customer_id}/entries`)).body.data[0], { timeout: 5_000 })
    .toMatchObject({ kind: 'charge', amount: '-0.04256', ...chat, lines });
  const { body } = await client.get(`/v1/customers/${customer_id}/entries?kind=hold`);
  expect(body.data).toMatchObject([{ ...chat, lines }]);
  const grants = await client.get(`/v1/customers/${customer_id}/entries?kind=grant`);
  expect(grants.body.data).toHaveLength(1);
  expect(grants.body.data[0]).not.toHaveProperty('lines');
});

test('a repeat is told the same lines, whatever the catalog says by then', async () => {
  const customer_id = await farebox.customer('again', '1');
  await publish('repeats', [{ ...unit('r', 'n', '1', {}), event_type: 'repeat', per: 1 }]);
  const body = { customer_id, event_type: 'repeat', data: { n: 0.25 } };
  const first = await client.post('/v1/charge', body, { 'idempotency-key': 'once' });
  expect(first).toMatchObject({
    status: 200,
    body: { amount: '0.25', lines: [{ price_version: 1, quantity: '0.25' }] },
  });
  await publishNext('repeats', [{ ...unit('r', 'n', '2', {}), event_type: 'repeat', per: 1 }]);
  const second = await client.post('/v1/charge', body, { 'idempotency-key': 'once' });
  expect(second.headers.get('idempotent-replayed')).toBe('true');
  expect(second.body).toEqual(first.body);
  expect((await client.post('/v1/charge', body)).body).toMatchObject({ amount: '0.5', lines: [{ price_version: 2 }] });
});

test('a publish holds for every request that begins after its answer, at every gateway', async () => {
  const customer_id = await farebox.customer('published', '100');
  const other = await farebox.addGateway();
  const price = (amount: string) => [
    { id: 'p', event_type: 'moving', asset: 'USD', model: 'unit', unit_amount: amount },
  ];
  const body = { customer_id, event_type: 'moving', data: {} };
  await publish('moving', price('1'));
  for (const amount of ['2', '3', '4']) {
    expect((await other.post('/v1/charge', body)).status).toBe(200);
    await publishNext('moving', price(amount));
    expect((await other.post('/v1/charge', body)).body).toMatchObject({ amount });
  }
});

test('a subscription prices its customer by its own version until it is moved', async () => {
  const customer_id = await farebox.customer('subscribed', '100');
  const price = (amount: string) => [{ id: 's', event_type: 'sub', asset: 'USD', model: 'unit', unit_amount: amount }];
  await publish('plan', price('1'), { default: false });
  const body = { customer_id, event_type: 'sub', data: {} };
  expect(await client.post('/v1/charge', body)).toMatchObject({ status: 422, body: { code: 'no_price' } });
  const made = await client.post(`/v1/customers/${customer_id}/subscriptions`, { product_id: 'plan' });
  expect((await client.post('/v1/charge', body)).body).toMatchObject({ amount: '1' });
  await publishNext('plan', price('7'));
  expect((await client.post('/v1/charge', body)).body).toMatchObject({ amount: '1' });
  await client.post(`/v1/customers/${customer_id}/subscriptions/${made.body.id}/migrate`, { version: 2 });
  expect((await client.post('/v1/charge', body)).body).toMatchObject({ amount: '7' });
});

test('lines in two assets are taken together or not at all', async () => {
  await client.post('/v1/assets', { code: 'TOKENS', scale: 0, kind: 'custom' });
  await publish('both', [
    { id: 'usd', event_type: 'both', asset: 'USD', model: 'unit', unit_amount: '1' },
    { id: 'tok', event_type: 'both', asset: 'TOKENS', model: 'unit', quantity: 'n', unit_amount: '1' },
  ]);
  const customer_id = await farebox.customer('both', '10');
  const body = { customer_id, event_type: 'both', data: { n: 5 } };
  const poor = await client.post('/v1/charge', body);
  expect(poor).toMatchObject({ status: 402, body: { code: 'insufficient_balance' } });
  await client.post(`/v1/customers/${customer_id}/grants`, { asset: 'TOKENS', amount: '8' });
  const charged = await client.post('/v1/charge', body);
  expect(charged).toMatchObject({ status: 200, body: { asset: 'USD', amount: '1', available: '9' } });
  expect(charged.body.legs).toMatchObject([
    { asset: 'USD', amount: '1', available: '9' },
    { asset: 'TOKENS', amount: '5', available: '3' },
  ]);
});

test('an estimate is what authorize then holds, by the same lines, and has no effect', async () => {
  await client.post('/v1/assets', { code: 'PAGES', scale: 2, kind: 'custom' });
  const tiers = [
    { up_to: 100, unit_amount: '0.05' },
    { up_to: null, unit_amount: '0.01', flat_amount: '0.5' },
  ];
  const of = { event_type: 'estimated', asset: 'USD' };
  await publish('estimated', [
    { ...of, id: 'volume', model: 'volume', quantity: 'units', tiers },
    { ...of, id: 'fee', model: 'percentage', quantity: 'value', rate: '0.029', fixed_amount: '0.3' },
    { ...of, id: 'pages', asset: 'PAGES', model: 'package', quantity: 'sheets', package_size: 7, unit_amount: '0.25' },
  ]);
  const customer_id = await farebox.customer('estimated', '100000');
  await client.post(`/v1/customers/${customer_id}/grants`, { asset: 'PAGES', amount: '100000' });
  const quantity = fc.integer({ min: 0, max: 2_000_000 }).map((millionths) => millionths / 10_000);
  await fc.assert(
    fc.asyncProperty(quantity, quantity, async (units, value) => {
      const body = { customer_id, event_type: 'estimated', data: { units, value, sheets: units } };
      const { body: estimated } = await expectStatus(client.post('/v1/estimate', body), 200);
      const { body: held } = await expectStatus(client.post('/v1/authorize', body), 200);
      const legs = held.legs.map(({ asset, amount }: { asset: string; amount: string }) => ({ asset, amount }));
      expect(estimated).toEqual({ customer_id, asset: held.asset, amount: held.requested, lines: held.lines, legs });
      await expectStatus(client.post(`/v1/holds/${held.id}/release`, {}), 200);
    }),
    { numRuns: 25 },
  );
  const before = await client.get(`/v1/customers/${customer_id}/wallet`);
  const body = { customer_id, event_type: 'estimated', data: { units: 101, value: 0, sheets: 0 } };
  // 101 units cost 1.51, but 100 of them 5.
  expect((await client.post('/v1/estimate', body)).body).toMatchObject({
    amount: '5.3',
    lines: [{ amount: '5' }, {}, {}],
  });
  expect((await client.get(`/v1/customers/${customer_id}/wallet`)).body.version).toBe(before.body.version);
});

test('an estimate goes by what was published and subscribed before it, at every gateway', async () => {
  const customer_id = await farebox.customer('estimated_anew', '0.01');
  const other = await farebox.addGateway();
  const price = (amount: string) => [{ id: 'e', event_type: 'anew', asset: 'USD', model: 'unit', unit_amount: amount }];
  const body = { customer_id, event_type: 'anew', data: {} };
  expect(await other.post('/v1/estimate', body)).toMatchObject({ status: 422, body: { code: 'no_price' } });
  await publish('anew', price('1'), { default: false });
  const made = await client.post(`/v1/customers/${customer_id}/subscriptions`, { product_id: 'anew' });
  expect(await other.post('/v1/estimate', body)).toMatchObject({ status: 200, body: { amount: '1' } });
  await publishNext('anew', price('2'));
  await client.post(`/v1/customers/${customer_id}/subscriptions/${made.body.id}/migrate`, { version: 2 });
  expect(await other.post('/v1/estimate', body)).toMatchObject({ status: 200, body: { amount: '2' } });
  const nobody = { ...body, customer_id: 'nobody' };
  expect(await other.post('/v1/estimate', nobody)).toMatchObject({ status: 404, body: { code: 'customer_not_found' } });
});

test.each([
  [{ event_type: 'chat.completion', data: { model: 'gpt-5', output_tokens: 1 } }, 'missing_quantity'],
  [
    { event_type: 'chat.completion', data: { model: 'gpt-5', input_tokens: 'many', output_tokens: 1 } },
    'missing_quantity',
  ],
  [{ event_type: 'chat.completion', data: { model: 'gpt-5', input_tokens: -1, output_tokens: 1 } }, 'missing_quantity'],
  [{ event_type: 'unheard.of', data: {} }, 'no_price'],
  [{ event_type: 'chat.completion' }, 'invalid_request'],
  [{ event_type: 'chat.completion', data: {}, asset: 'USD' }, 'invalid_request'],
  [{ asset: 'USD' }, 'invalid_request'],
])('%j is refused with %s, and nothing happens', async (event, code) => {
  const customer_id = 'refused';
  await client.post('/v1/customers', { id: customer_id });
  for (const path of ['/v1/authorize', '/v1/charge', '/v1/estimate']) {
    const reply = await client.post(path, { customer_id, ...event });
    expect(reply).toMatchObject({ status: 422, body: { code, outcome: 'not_applied' } });
  }
});
