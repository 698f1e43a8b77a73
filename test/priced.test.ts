// Events priced by the catalog: authorize and charge say what happened, and the wallet pays what it costs.
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectStatus, startFarebox, type Client, type Farebox } from './farebox.ts';
import { startProxy } from './faults/proxy.ts';

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

async function hold(customer_id: string, event: object, more: object = {}): Promise<string> {
  return (await expectStatus(client.post('/v1/authorize', { customer_id, ...event, ...more }), 200)).body.id;
}

const settle = (id: string, body: object) => client.post(`/v1/holds/${id}/settle`, body);

test('a hold is settled at what the event costs then, and its entry tells what happened', async () => {
  const customer_id = await farebox.customer('settled', '1');
  const id = await hold(customer_id, chat);
  const spent = { event_type: 'chat.completion', data: { model: 'gpt-5', input_tokens: 1200, output_tokens: 100 } };
  const settled = await settle(id, spent);
  expect(settled).toMatchObject({
    status: 200,
    body: { status: 'settled', settled: '0.0026', released: '0.03996', available: '0.9974', held: '0' },
  });
  expect(settled.body.lines).toMatchObject([{ quantity: '1200' }, { quantity: '100', amount: '0.001' }, {}]);
  await expect
    .poll(async () => (await client.get(`/v1/customers/${customer_id}/entries`)).body.data[0], { timeout: 5_000 })
    .toMatchObject({ kind: 'settle', amount: '-0.0026', ...spent, lines: settled.body.lines });
});

test('a volume price is held at its most and settled exactly', async () => {
  await publish('volume', [
    {
      ...{ id: 'v', event_type: 'volume', asset: 'USD', model: 'volume', quantity: 'n' },
      tiers: [
        { up_to: 100, unit_amount: '0.05' },
        { up_to: null, unit_amount: '0.01' },
      ],
    },
  ]);
  const customer_id = await farebox.customer('volume', '10');
  const event = (n: number) => ({ event_type: 'volume', data: { n } });
  const one = await hold(customer_id, event(101));
  expect((await settle(one, event(100))).body).toMatchObject({ settled: '5', released: '0', available: '5' });
  const other = await hold(customer_id, event(101));
  expect((await settle(other, event(101))).body).toMatchObject({
    settled: '1.01',
    released: '3.99',
    available: '3.99',
  });
});

test('a settle goes by the newest catalog, at every gateway, in parts, and late', async () => {
  const customer_id = await farebox.customer('moved', '100');
  const other = await farebox.addGateway();
  const price = (amount: string) => [
    { id: 'm', event_type: 'moved', asset: 'USD', model: 'unit', unit_amount: amount },
  ];
  const event = { event_type: 'moved', data: {} };
  await publish('moved', price('1'));
  const id = await hold(customer_id, event);
  const late = await hold(customer_id, event, { ttl_ms: 1000 });
  expect((await other.post(`/v1/holds/${id}/settle`, { ...event, final: false })).body).toMatchObject({ settled: '1' });
  await publishNext('moved', price('4'));
  const headers = { 'idempotency-key': 'second' };
  const second = await other.post(`/v1/holds/${id}/settle`, event, headers);
  expect(second.body).toMatchObject({ settled: '5', available: '94', lines: [{ price_version: 2, amount: '4' }] });
  await publishNext('moved', price('7'));
  expect((await other.post(`/v1/holds/${id}/settle`, event, headers)).body).toEqual(second.body);
  await expect
    .poll(async () => (await client.get(`/v1/holds/${late}`)).body.status, { timeout: 10_000 })
    .toBe('expired');
  await publishNext('moved', price('8'));
  expect((await other.post(`/v1/holds/${late}/settle`, event)).body).toMatchObject({
    ...{ status: 'settled', late: true, settled: '8', released: '0', available: '87' },
    lines: [{ price_version: 4 }],
  });
  expect(await settle(late, event)).toMatchObject({ status: 409, body: { code: 'hold_closed' } });
});

test('an event in several assets is settled in each, above its leg by on_excess', async () => {
  await client.post('/v1/assets', { code: 'CALLS', scale: 0, kind: 'custom' });
  await publish('several', [
    { id: 'usd', event_type: 'several', asset: 'USD', model: 'unit', quantity: 'usd', unit_amount: '1' },
    { id: 'calls', event_type: 'several', asset: 'CALLS', model: 'unit', quantity: 'calls', unit_amount: '1' },
  ]);
  const customer_id = await farebox.customer('several', '100');
  await client.post(`/v1/customers/${customer_id}/grants`, { asset: 'CALLS', amount: '10' });
  const event = (usd: number, calls: number) => ({ event_type: 'several', data: { usd, calls } });
  const id = await hold(customer_id, event(10, 4));
  const rejected = await settle(id, { ...event(1, 5), on_excess: 'reject' });
  expect(rejected).toMatchObject({ status: 422, body: { code: 'exceeds_hold' } });
  expect(rejected.body.detail).toContain('4 CALLS');
  const part = await settle(id, { ...event(1, 5), on_excess: 'cap', final: false });
  expect(part.body.legs).toMatchObject([
    { asset: 'USD', settled: '1', released: '0', available: '90', held: '9' },
    { asset: 'CALLS', settled: '4', released: '0', available: '6', held: '0', overage: '0' },
  ]);
  const last = await settle(id, event(2, 7));
  expect(last.body).toMatchObject({ status: 'settled', settled: '3', released: '7', available: '97' });
  expect(last.body.legs).toMatchObject([{}, { asset: 'CALLS', settled: '11', available: '0', overage: '1' }]);
});

test('an asset that the hold is not in is all excess, and gets a leg', async () => {
  const customer_id = await farebox.customer('unheld', '10');
  await client.post('/v1/assets', { code: 'SEATS', scale: 0, kind: 'custom' });
  await publish('seats', [{ id: 'seat', event_type: 'seat', asset: 'SEATS', model: 'unit', unit_amount: '1' }]);
  await client.post(`/v1/customers/${customer_id}/grants`, { asset: 'SEATS', amount: '3' });
  const seat = { event_type: 'seat', data: {} };
  const id = await hold(customer_id, { asset: 'USD', amount: '2' });
  expect(await settle(id, { ...seat, on_excess: 'reject' })).toMatchObject({
    status: 422,
    body: { code: 'exceeds_hold' },
  });
  const settled = await settle(id, seat);
  expect(settled.body).toMatchObject({ asset: 'USD', settled: '0', released: '2', available: '10' });
  expect(settled.body.legs).toMatchObject([{ asset: 'USD' }, { asset: 'SEATS', settled: '1', available: '2' }]);
  await expect
    .poll(async () => (await client.get(`/v1/holds/${id}`)).body, { timeout: 5_000 })
    .toMatchObject({ status: 'settled', legs: [{ asset: 'USD' }, { asset: 'SEATS', amount: '0', settled: '1' }] });
});

test.each([
  [{ event_type: 'unheard.of', data: {} }, 'no_price'],
  [{ event_type: 'chat.completion', data: { model: 'gpt-5', output_tokens: 1 } }, 'missing_quantity'],
  [{ event_type: 'chat.completion' }, 'invalid_request'],
  [{ ...chat, amount: '1' }, 'invalid_request'],
  [{}, 'invalid_request'],
])('settling by %j is refused with %s, and the hold stays', async (body, code) => {
  const customer_id = `stays_${code}_${'data' in body}`;
  await client.post('/v1/customers', { id: customer_id });
  await client.post(`/v1/customers/${customer_id}/grants`, { asset: 'USD', amount: '1' });
  const id = await hold(customer_id, { asset: 'USD', amount: '1' });
  expect(await settle(id, body)).toMatchObject({ status: 422, body: { code, outcome: 'not_applied' } });
  expect((await client.get(`/v1/holds/${id}`)).body).toMatchObject({ status: 'open', held: '1' });
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

const keyed = (key: string) => ({ 'idempotency-key': key });

/** Another product's price for the same event, listed before this one: from then on its asset is the first. */
async function priceFirstInEuro(eventType: string): Promise<void> {
  await publishNext(eventType, [
    { id: 'eur', event_type: eventType, asset: 'EUR', model: 'unit', unit_amount: '3', quantity: 'n' },
    { id: 'usd', event_type: eventType, asset: 'USD', model: 'unit', unit_amount: '1' },
  ]);
}

test.each(['authorize', 'charge'])(
  'a repeated %s is answered alike once its event costs in another asset',
  async (path) => {
    const customer_id = await farebox.customer(`moved.${path}`, '10');
    const event_type = `moved.${path}`;
    await publish(event_type, [{ id: 'usd', event_type, asset: 'USD', model: 'unit', unit_amount: '1.5' }]);
    const body = { customer_id, event_type, data: { n: 1 } };
    const ask = () => client.post(`/v1/${path}`, body, keyed('first'));
    const first = await ask();
    expect(first).toMatchObject({ status: 200, body: { asset: 'USD', amount: '1.5', available: '8.5' } });
    await priceFirstInEuro(event_type);
    expect((await client.post(`/v1/${path}`, body)).body).toMatchObject({ asset: 'EUR', requested: '3' });
    expect(await ask()).toMatchObject({ status: 200, text: first.text });
  },
);

test('a remembered decline is told again as it was, once its event costs in another asset', async () => {
  const customer_id = await farebox.customer('moved.declined', '1');
  const event_type = 'moved.declined';
  await publish(event_type, [{ id: 'usd', event_type, asset: 'USD', model: 'unit', unit_amount: '1.5' }]);
  const body = { customer_id, event_type, data: { n: 1 } };
  const proxy = await startProxy(farebox.redis.url);
  const gateway = await farebox.addGateway({ redisUrl: proxy.url });
  const ask = () => gateway.post('/v1/charge', body, keyed('declined'));
  await expectStatus(gateway.post('/v1/estimate', body), 200);
  // Its outcome is unknown, so the answer to its repeat is remembered.
  proxy.follow(({ name }) => (name === 'charge' && proxy.counts.drop_reply === 0 ? { kind: 'drop_reply' } : undefined));
  const first = await ask();
  expect(proxy.counts.drop_reply).toBe(1);
  const decline = { asset: 'USD', requested: '1.5', available: '1', shortfall: '0.5' };
  expect(first).toMatchObject({ status: 402, body: decline });
  await priceFirstInEuro(event_type);
  expect((await gateway.post('/v1/estimate', body)).body).toMatchObject({ asset: 'EUR' });
  const again = await ask();
  expect(again).toMatchObject({ status: 402, body: decline });
  expect(again.headers.get('idempotent-replayed')).toBe('true');
  expect({ ...again.body, request_id: '' }).toEqual({ ...first.body, request_id: '' });
  await proxy.stop();
});

test.each(['authorize', 'charge'])('a repeated %s that nothing prices any more gets its first answer', async (path) => {
  const customer_id = await farebox.customer(`unpriced.${path}`, '10');
  const event_type = `vanishing.${path}`;
  const price = { id: 'p', event_type, asset: 'USD', model: 'unit', unit_amount: '1' };
  await publish(event_type, [price]);
  const body = { customer_id, event_type, data: {} };
  const ask = (key: string) => client.post(`/v1/${path}`, body, keyed(key));
  const first = await ask('kept');
  expect(first.status).toBe(200);
  await publishNext(event_type, [{ ...price, event_type: 'other' }]);
  expect(await ask('kept')).toMatchObject({ status: 200, text: first.text });
  const elsewhere = await farebox.addGateway();
  expect(await elsewhere.post(`/v1/${path}`, body, keyed('kept'))).toMatchObject({ status: 200, text: first.text });
  const refused = { status: 422, body: { code: 'no_price', outcome: 'not_applied' } };
  expect(await ask('new')).toMatchObject(refused);
  expect(await client.post(`/v1/${path}`, body)).toMatchObject(refused);
  expect(await client.post(`/v1/${path}`, { ...body, data: { n: 1 } }, keyed('kept'))).toMatchObject({
    status: 422,
    body: { code: 'idempotency_conflict' },
  });
  expect((await client.get(`/v1/customers/${customer_id}/wallet`)).body.version).toBe(2);
});

test('a repeated settle that nothing prices any more gets its first answer', async () => {
  const customer_id = await farebox.customer('unpriced.settle', '10');
  const event_type = 'vanishing.settle';
  const price = { id: 'p', event_type, asset: 'USD', model: 'unit', unit_amount: '1' };
  await publish(event_type, [price]);
  const hold = async () =>
    (await client.post('/v1/authorize', { customer_id, asset: 'USD', amount: '1' })).body.id as string;
  const [settled, fresh] = [await hold(), await hold()];
  const settle = (id: string) => client.post(`/v1/holds/${id}/settle`, { event_type, data: {} }, keyed('kept'));
  const first = await settle(settled);
  expect(first.status).toBe(200);
  await publishNext(event_type, [{ ...price, event_type: 'other' }]);
  expect(await settle(fresh)).toMatchObject({ status: 422, body: { code: 'no_price', outcome: 'not_applied' } });
  expect(await settle(settled)).toMatchObject({ status: 200, text: first.text });
});
