// Batches of events: each is priced and debited by itself, once.
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { beforeAll, describe, expect, test } from 'vitest';
import { fromNow, startContract } from './contract.client.ts';
import { expectStatus } from './farebox.ts';
import { each, farebox } from '../src/sdk/farebox.ts';

const contract = await startContract();
const { client, customer, entriesOf, walletOf } = contract;

const price = { id: 'p', event_type: 'call', asset: 'USD', model: 'unit', quantity: 'n', unit_amount: '1' };

beforeAll(async () => {
  await client.post('/v1/assets', { code: 'TOKENS', scale: 0, kind: 'custom' });
  await publish('calls', [price, { ...price, id: 't', event_type: 'tokens', asset: 'TOKENS' }]);
});

async function publish(id: string, prices: object[], more: object = { default: true }): Promise<void> {
  await expectStatus(client.post('/v1/products', { id, name: id, prices, ...more }), 201);
  await expectStatus(client.post(`/v1/products/${id}/versions/1/publish`), 200);
}

const event = (id: string, customer_id: string, n: number | string = 1, more: object = {}) => ({
  ...{ id, customer_id, event_type: 'call', data: { n } },
  ...more,
});

async function send(events: unknown[], by = client): Promise<any[]> {
  const { body } = await expectStatus(by.post('/v1/events', { events }), 200);
  expect(body.results).toHaveLength(events.length);
  return body.results as any[];
}

const statusesOf = (results: any[]): string[] => results.map(({ status }) => status as string);

test('each event is charged as by itself, in order, and its entry tells of it', async () => {
  const id = await customer('one', '10');
  const costs = [{ vendor: 'v', amount: '0.5', asset: 'USD' }];
  const results = await send([
    event('a', id, 2, { subject: 'agent:x', labels: { team: 'red' }, costs }),
    event('b', id, '0.5'),
  ]);
  const lines = [{ price_id: 'p', price_version: 1, quantity: '2', amount: '2', asset: 'USD' }];
  const charge_id = expect.stringMatching(/^chg_/);
  expect(results).toMatchObject([
    { id: 'a', status: 'charged', charge_id, asset: 'USD', amount: '2', available: '8', lines },
    { id: 'b', status: 'charged', charge_id, amount: '0.5', available: '7.5', version: 3 },
  ]);
  expect((await entriesOf(id)).slice(1)).toMatchObject([
    {
      kind: 'charge',
      amount: '-2',
      event_id: 'a',
      event_type: 'call',
      data: { n: 2 },
      subject: 'agent:x',
      costs,
      lines,
    },
    { kind: 'charge', amount: '-0.5', event_id: 'b', data: { n: '0.5' } },
  ]);
});

test('a repeat is told what the first was, and charged once', async () => {
  const id = await customer('again', '10');
  const events = [event('a', id, 1), event('a', id, 1), event('b', id, 2)];
  const first = await send(events);
  expect(statusesOf(first)).toEqual(['charged', 'duplicate', 'charged']);
  expect({ ...first[1], status: 'charged' }).toEqual(first[0]);
  const second = await send(events);
  expect(second).toEqual(first.map((result) => ({ ...result, status: 'duplicate' })));
  expect(await send([event('a', id, 3)])).toMatchObject([
    { id: 'a', status: 'error', http_status: 422, code: 'idempotency_conflict' },
  ]);
  const other = await customer('another', '10');
  expect(await send([event('a', other, 1)])).toMatchObject([{ status: 'charged' }]);
  expect(await walletOf(id)).toMatchObject({ version: 3, accounts: [{ available: '7' }] });
});

test('one that is declined may be sent again once it can be paid', async () => {
  const id = await customer('poor', '1');
  const decline = { id: 'a', status: 'declined', code: 'insufficient_balance', requested: '2', affordable: '1' };
  expect(await send([event('a', id, 2), event('b', id, 1), event('a', id, 2)])).toMatchObject([
    decline,
    { id: 'b', status: 'charged' },
    { ...decline, affordable: '0' },
  ]);
  await contract.grant(id, '5');
  expect(await send([event('a', id, 2)])).toMatchObject([{ status: 'charged', available: '3' }]);
});

const bad = (more: object) => ({ ...event('x', 'garbage'), ...more });
const broken: [given: unknown, code: string, http: number, path?: string][] = [
  [null, 'invalid_request', 422, ''],
  ['call', 'invalid_request', 422, ''],
  [[], 'invalid_request', 422, ''],
  [{}, 'invalid_request', 422, 'id'],
  [bad({ id: '' }), 'invalid_request', 422, 'id'],
  [bad({ id: 7 }), 'invalid_request', 422, 'id'],
  [bad({ amount: '1' }), 'invalid_request', 422, 'amount'],
  [bad({ data: undefined }), 'invalid_request', 422, 'data'],
  [bad({ occurred_at: 'yesterday' }), 'invalid_request', 422, 'occurred_at'],
  [bad({ occurred_at: '2001-01-01T00:00:00Z' }), 'invalid_request', 422, 'occurred_at'],
  [bad({ occurred_at: '2101-01-01T00:00:00Z' }), 'invalid_request', 422, 'occurred_at'],
  [
    bad({ labels: Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`l${i}`, 'x'.repeat(250)])) }),
    'invalid_request',
    422,
    'labels',
  ],
  [bad({ subject: 'a\0b' }), 'invalid_request', 422, 'subject'],
  [bad({ data: { n: 1, text: '\ud800' } }), 'invalid_request', 422, 'data.text'],
  [bad({ costs: [{ vendor: 'v', amount: '1', asset: 'NONE' }] }), 'unknown_asset', 422],
  [event('x', 'nobody'), 'customer_not_found', 404],
  [event('x', 'garbage', 'many'), 'missing_quantity', 422],
  [event('x', 'garbage', 10_000_000), 'amount_too_large', 422],
];

test('what is wrong with one event is told of it alone, as of a charge, and spoils none of its neighbours', async () => {
  await customer('garbage', '1000');
  const events = broken.flatMap(([given], at) => [given, event(`good.${at}`, 'garbage')]);
  const results = await send(events);
  for (const [at, [given, code, http_status, path]] of broken.entries()) {
    const id = (given as { id?: unknown } | null)?.id;
    const [result, neighbour] = [results[2 * at], results[2 * at + 1]];
    expect(result).toMatchObject({ status: 'error', code, http_status, outcome: 'not_applied' });
    expect(result.id).toBe(typeof id === 'string' ? id : null);
    if (path !== undefined) expect(result.errors[0].path).toBe(path);
    expect(neighbour).toMatchObject({ id: `good.${at}`, status: 'charged' });
  }
  expect(await walletOf('garbage')).toMatchObject({ accounts: [{ available: String(1000 - broken.length) }] });
});

test('a frozen wallet refuses its own events only', async () => {
  const [frozen, other] = [await customer('frozen', '10'), await customer('thawed', '10')];
  await expectStatus(client.post(`/v1/customers/${frozen}/wallet/freeze`), 200);
  expect(await send([event('a', frozen), event('a', other)])).toMatchObject([
    { status: 'error', http_status: 403, code: 'wallet_frozen' },
    { status: 'charged' },
  ]);
});

describe('a batch', () => {
  test('may be empty, and is refused whole when it is too long or no list', async () => {
    expect(await send([])).toEqual([]);
    const tooMany = Array.from({ length: 101 }, () => ({}));
    for (const body of [{}, { events: {} }, { events: [], more: 1 }, { events: tooMany }]) {
      expect(await client.post('/v1/events', body)).toMatchObject({ status: 422, body: { code: 'invalid_request' } });
    }
    const large = event('a', 'large', 1, { data: { n: 1, text: 'x'.repeat(65_536) } });
    expect(await client.post('/v1/events', { events: [large] })).toMatchObject({ status: 413 });
  });

  test('needs the scope to authorize', async () => {
    const { body } = await client.post('/v1/keys', { name: 'reader', scopes: ['read'] });
    expect(await contract.as(body.secret).post('/v1/events', { events: [] })).toMatchObject({ status: 403 });
  });
});

test('a thousand events of forty customers in two assets, with garbage between, sent twice at once, add up', async () => {
  const ids = Array.from({ length: 40 }, (_, i) => `many.${i}`);
  for (const id of ids) {
    await customer(id, '100');
    await contract.grant(id, '100', { asset: 'TOKENS' });
  }
  const all = Array.from({ length: 1000 }, (_, i) =>
    i % 10 === 9
      ? broken[i % broken.length]![0]
      : event(`e${i}`, ids[i % 40]!, 1 + (i % 3), { event_type: i % 20 < 10 ? 'call' : 'tokens' }),
  );
  const batches = Array.from({ length: 10 }, (_, i) => all.slice(i * 100, (i + 1) * 100));
  const gateways = [client, await contract.addGateway()];
  const [one, two] = await Promise.all(
    gateways.map(async (by) => (await Promise.all(batches.map((batch) => send(batch, by)))).flat()),
  );
  const spent = new Map<string, number>();
  for (const [at, given] of all.entries()) {
    const pair = [one![at], two![at]];
    if (at % 10 === 9) {
      expect(statusesOf(pair)).toEqual(['error', 'error']);
      continue;
    }
    // Both are duplicates where an attempt was so slow that the gateway repeated it.
    expect(['charged duplicate', 'duplicate duplicate']).toContain(statusesOf(pair).sort().join(' '));
    expect({ ...pair[0], status: '' }).toEqual({ ...pair[1], status: '' });
    const { customer_id, event_type, data } = given as ReturnType<typeof event>;
    const key = `${customer_id} ${event_type}`;
    spent.set(key, (spent.get(key) ?? 0) + Number(data.n));
  }
  for (const id of ids) {
    const { accounts } = await walletOf(id);
    const left = (type: string) => String(100 - (spent.get(`${id} ${type}`) ?? 0));
    expect(Object.fromEntries(accounts.map((account: any) => [account.asset, account.available]))).toEqual({
      USD: left('call'),
      TOKENS: left('tokens'),
    });
  }
});

describe('an event that no price matches', () => {
  const unpriced = (id: string, customer_id: string, event_type: string, more: object = {}) =>
    event(id, customer_id, 2, { event_type, ...more });
  const listed = async (customer_id: string, status?: string) => {
    const query = status === undefined ? '' : `&status=${status}`;
    return (await expectStatus(client.get(`/v1/events?customer_id=${customer_id}${query}`), 200)).body.data as any[];
  };
  const rate = async (customer_id: string, by = client) =>
    (await expectStatus(by.post('/v1/events/rate', { customer_id }), 200)).body.results.map((rated: any) => {
      expect(rated.customer_id).toBe(customer_id);
      return rated.result;
    }) as any[];
  const keptCount = async () =>
    Number(/^farebox_events_total\{.*status="kept".*\} (\d+)$/m.exec((await client.get('/metrics')).text)?.[1] ?? 0);

  test('is kept once, listed and counted, and charged once when it is rated', async () => {
    const id = await customer('later', '10');
    const given = unpriced('a', id, 'later', { subject: 'agent:x' });
    const before = await keptCount();
    const told = { id: 'a', status: 'unpriced', code: 'no_price' };
    expect(await send([given, event('b', id), given])).toMatchObject([told, { status: 'charged' }, told]);
    expect(await send([given])).toMatchObject([told]);
    expect(await send([{ ...given, data: { n: 3 } }])).toMatchObject([
      { status: 'error', code: 'idempotency_conflict' },
    ]);
    expect(await keptCount()).toBe(before + 1);
    expect(await listed(id, 'unpriced')).toMatchObject([{ ...given, status: 'unpriced' }]);
    expect(await rate(id)).toMatchObject([told]);
    await publish('later', [{ ...price, event_type: 'later' }]);
    const gateways = [client, await contract.addGateway()];
    const rated = (await Promise.all([...gateways, ...gateways].map((by) => rate(id, by)))).flat();
    expect(rated.filter(({ status }) => status === 'charged').length).toBeLessThanOrEqual(1);
    // Whoever cannot ask the ledger in time says so, and charges nothing.
    for (const { status, amount, code } of rated)
      expect(['2', 'unavailable']).toContain(status === 'error' ? code : amount);
    await expect.poll(() => rate(id), { timeout: 30_000 }).toEqual([]);
    expect(await listed(id)).toMatchObject([
      { id: 'a', status: 'charged', charge: { status: 'charged', amount: '2' } },
    ]);
    expect(await send([given])).toMatchObject([{ id: 'a', status: 'duplicate', amount: '2' }]);
    expect(await walletOf(id)).toMatchObject({ version: 3, accounts: [{ available: '7' }] });
    expect((await entriesOf(id)).at(-1)).toMatchObject({ kind: 'charge', event_id: 'a', subject: 'agent:x' });
  });

  test('and was sent again when there was a price is not charged when it is rated, long after', async () => {
    const id = await customer('resent', '10');
    const given = unpriced('a', id, 'resent');
    expect(await send([given])).toMatchObject([{ status: 'unpriced' }]);
    await publish('resent', [{ ...price, event_type: 'resent' }]);
    expect(await send([given])).toMatchObject([{ status: 'charged', amount: '2' }]);
    await entriesOf(id);
    // As after an hour.
    const redis = new Redis(contract.redis.url);
    await redis.del(await redis.keys('{p*}o:*'));
    redis.disconnect();
    expect(await rate(id)).toMatchObject([{ id: 'a', status: 'duplicate', amount: '2' }]);
    expect(await listed(id)).toMatchObject([{ status: 'charged' }]);
    expect(await walletOf(id)).toMatchObject({ version: 2, accounts: [{ available: '8' }] });
  });

  test('stays while it cannot be paid', async () => {
    const id = await customer('unpaid', '1');
    expect(await send([unpriced('a', id, 'unpaid')])).toMatchObject([{ status: 'unpriced' }]);
    await publish('unpaid', [{ ...price, event_type: 'unpaid' }]);
    expect(await rate(id)).toMatchObject([{ id: 'a', status: 'declined', code: 'insufficient_balance' }]);
    expect(await listed(id, 'unpriced')).toHaveLength(1);
    await contract.grant(id, '5');
    expect(await rate(id)).toMatchObject([{ id: 'a', status: 'charged' }]);
  });
});

test('the client of the SDK sends, lists and rates events', async () => {
  const id = await customer('sdk', '10');
  const gateway = farebox({ baseUrl: client.url, apiKey: contract.key });
  const events = [
    { id: 'a', customer_id: id, event_type: 'call', data: { n: 2 }, labels: { team: 'red' } },
    { id: 'b', customer_id: id, event_type: 'call', data: { n: 20 } },
    { id: 'c', customer_id: id, event_type: 'sdk', data: { n: 1 } },
    { id: 'd', customer_id: id, event_type: 'call', data: {} },
  ];
  const { results } = await gateway.events.send({ events });
  const told = results.map((result) => {
    switch (result.status) {
      case 'charged':
      case 'duplicate':
        return result.amount;
      case 'declined':
        return result.affordable;
      case 'unpriced':
      case 'error':
        return result.code;
    }
  });
  expect(told).toEqual(['2', '8', 'no_price', 'missing_quantity']);
  const query = { customer_id: id, status: 'unpriced' as const };
  const kept = [];
  for await (const event of each((cursor) => gateway.events.list({ ...query, cursor }))) kept.push(event.id);
  expect(kept).toEqual(['c']);
  await publish('sdk', [{ ...price, event_type: 'sdk' }]);
  expect(await gateway.events.rate({ customer_id: id })).toMatchObject({
    results: [{ customer_id: id, result: { id: 'c', status: 'charged', amount: '1' } }],
    next_cursor: null,
  });
  expect((await gateway.events.list(query)).data).toEqual([]);
});

test('an event of the past is priced by what was published then, and shows its time', async () => {
  const id = await customer('past', '100');
  const moving = { ...price, event_type: 'moving' };
  await publish('moving', [moving]);
  await sleep(5);
  const then = new Date().toISOString();
  await sleep(5);
  const { body } = await expectStatus(
    client.post('/v1/products/moving/versions', { prices: [{ ...moving, unit_amount: '3' }] }),
    201,
  );
  await expectStatus(client.post(`/v1/products/moving/versions/${body.version}/publish`), 200);
  const results = await send([
    event('now', id, 1, { event_type: 'moving' }),
    event('then', id, 1, { event_type: 'moving', occurred_at: then }),
    event('before', id, 1, { event_type: 'moving', occurred_at: fromNow(-86_400_000) }),
  ]);
  expect(results).toMatchObject([
    { status: 'charged', amount: '3', lines: [{ price_version: 2 }] },
    { status: 'charged', amount: '1', lines: [{ price_version: 1 }] },
    { status: 'unpriced' },
  ]);
  expect((await entriesOf(id)).at(-1)).toMatchObject({ event_id: 'then', event_occurred_at: then });
});

test('an event of the past is priced by the version that its customer was subscribed to then', async () => {
  const id = await customer('moved', '100');
  const yearly = { ...price, event_type: 'yearly' };
  await publish('yearly', [yearly], { default: false });
  await expectStatus(client.post('/v1/products/yearly/versions', { prices: [{ ...yearly, unit_amount: '3' }] }), 201);
  await expectStatus(client.post('/v1/products/yearly/versions/2/publish'), 200);
  const path = `/v1/customers/${id}/subscriptions`;
  const subscribe = async (version: number) =>
    (await expectStatus(client.post(path, { product_id: 'yearly', version }), 201)).body;
  const made = await subscribe(1);
  await sleep(5);
  const moved = (await expectStatus(client.post(`${path}/${made.id}/migrate`, { version: 2 }), 200)).body;
  await sleep(5);
  const canceled = (await expectStatus(client.post(`${path}/${made.id}/cancel`), 200)).body;
  await sleep(5);
  // It has never heard of this customer.
  const other = await contract.addGateway();
  const told = async (name: string, occurred_at?: string) => {
    const more = { event_type: 'yearly', ...(occurred_at && { occurred_at }) };
    const [result] = await send([event(name, id, 1, more)], other);
    return result.amount ?? result.status;
  };
  const before = new Date(Date.parse(made.created_at) - 1_000).toISOString();
  expect(await told('first', made.created_at)).toBe('1');
  expect(await told('last of the first', new Date(Date.parse(moved.changed_at) - 1).toISOString())).toBe('1');
  expect(await told('second', moved.changed_at)).toBe('3');
  expect(await told('over', canceled.canceled_at)).toBe('unpriced');
  expect(await told('now')).toBe('unpriced');
  expect(await told('before', before)).toBe('unpriced');
  await subscribe(2);
  expect(await told('first again', made.created_at)).toBe('1');
  expect(await told('before again', before)).toBe('3');
});
