// The contract of subscriptions, as someone meets it who has read nothing else, and how they reach the wallet in Redis.
import { afterAll, describe, expect, test } from 'vitest';
import { openDatabase } from '../src/db/connect.ts';
import { createProduct, publishVersion } from '../src/db/products.ts';
import { subscriptionsMax } from '../src/limits.ts';
import { parseConfig } from '../src/wallet/config.ts';
import { walletKey, walletOf } from '../src/wallet/keys.ts';
import { connectNodes } from '../src/wallet/nodes.ts';
import { expectFieldError, expectProblem, expectReplied, instant, pagesOf, startContract } from './contract.client.ts';
import { clientOf, expectStatus, startFarebox, type Client } from './farebox.ts';
import { startProxy } from './faults/proxy.ts';

const farebox = await startContract();
const { client } = farebox;
const sql = openDatabase(farebox.database.url, { connectionsMax: 3, name: 'test' });
const nodes = connectNodes(farebox.config.redisUrl, { onError: () => undefined });
await nodes.waitUntilReady(5_000);
afterAll(async () => {
  nodes.disconnect();
  await sql.end();
});

const fee = { id: 'fee', event_type: 'call', asset: 'USD', model: 'unit', unit_amount: '0.001' };
let named = 0;
const customer = () => farebox.customer(`customer_${(named += 1)}`);

/** A product with so many versions, of which the first ones are published. */
async function product(
  { versions = 1, published = versions }: { versions?: number; published?: number } = {},
  on: Client = client,
): Promise<string> {
  const id = `product_${(named += 1)}`;
  await expectStatus(on.post('/v1/products', { id, name: id, prices: [fee] }), 201);
  for (let at = 2; at <= versions; at += 1)
    await expectStatus(on.post(`/v1/products/${id}/versions`, { prices: [] }), 201);
  for (let at = 1; at <= published; at += 1)
    await expectStatus(on.post(`/v1/products/${id}/versions/${at}/publish`), 200);
  return id;
}

/** So many at once, past the API: it would tell all of Redis each time. */
async function publishedProducts(amount: number): Promise<string[]> {
  const [environment] = await sql<{ id: string }[]>`select id from environments where is_default`;
  const products = Array.from({ length: amount }, () => `product_${(named += 1)}`);
  for (const id of products) {
    const asked = { operationId: id, fingerprint: '-' };
    await createProduct(sql, environment!.id, { id, name: id, isDefault: false, prices: [], ...asked });
    await publishVersion(sql, environment!.id, { productId: id, version: 1, ...asked });
  }
  return products;
}

const subscribe = (customerId: string, productId: string, version?: number) =>
  client.post(`/v1/customers/${customerId}/subscriptions`, {
    product_id: productId,
    ...(version !== undefined && { version }),
  });

async function subscribed(customerId: string, productId: string, version?: number): Promise<any> {
  return (await expectStatus(subscribe(customerId, productId, version), 201)).body;
}

/** What the wallet in Redis carries. */
async function carried(customerId: string, from = nodes, ofSql = sql) {
  const [environment] = await ofSql<{ id: string }[]>`select id from environments where is_default`;
  const key = walletKey(walletOf(environment!.id, customerId));
  const [version, text] = await from.ofKey(key).hmget(key, 'n', 'x');
  return parseConfig(Number(version ?? 0), text ?? '{}');
}

describe('a subscription', () => {
  test('is to the latest published version, and found in the list', async () => {
    const [id, productId] = [await customer(), await product({ versions: 3, published: 2 })];
    const reply = await subscribe(id, productId);
    expectReplied(reply, 201);
    expect(reply.body).toEqual({
      id: expect.stringMatching(/^sub_.+/),
      customer_id: id,
      product_id: productId,
      version: 2,
      status: 'active',
      created_at: expect.stringMatching(instant),
      changed_at: reply.body.created_at,
      canceled_at: null,
    });
    expect((await client.get(`/v1/customers/${id}/subscriptions`)).body).toEqual({
      data: [reply.body],
      next_cursor: null,
    });
  });

  test('may be to an earlier version, and stays on it whatever is published later', async () => {
    const [id, productId] = [await customer(), await product({ versions: 2 })];
    expect((await subscribed(id, productId, 1)).version).toBe(1);
    await expectStatus(client.post(`/v1/products/${productId}/versions`, { prices: [] }), 201);
    await expectStatus(client.post(`/v1/products/${productId}/versions/3/publish`), 200);
    expect((await client.get(`/v1/customers/${id}/subscriptions`)).body.data[0].version).toBe(1);
  });

  test('to what is not there, or a draft, is refused', async () => {
    const [id, draft, mixed] = [
      await customer(),
      await product({ published: 0 }),
      await product({ versions: 2, published: 1 }),
    ];
    expectProblem(await subscribe(id, 'nothing'), 404, 'product_not_found');
    expectProblem(await subscribe(id, 'not an id'), 404, 'product_not_found');
    expectProblem(await subscribe(id, draft), 409, 'version_not_published');
    expectProblem(await subscribe(id, mixed, 2), 409, 'version_not_published');
    expectProblem(await subscribe(id, mixed, 3), 404, 'version_not_found');
    expectProblem(await subscribe('nobody', mixed), 404, 'customer_not_found');
    expectProblem(await client.get('/v1/customers/nobody/subscriptions'), 404, 'customer_not_found');
    expect((await client.get(`/v1/customers/${id}/subscriptions`)).body.data).toEqual([]);
    expect(await carried(id)).toEqual({ version: 0, subscriptions: [], budgets: [], scopes: [] });
  });

  test.each([
    [{}, 'product_id'],
    [{ product_id: 7 }, 'product_id'],
    [{ product_id: '' }, 'product_id'],
    [{ product_id: 'p', version: 0 }, 'version'],
    [{ product_id: 'p', version: '1' }, 'version'],
    [{ product_id: 'p', version: 1.5 }, 'version'],
    [{ product_id: 'p', customer_id: 'c' }, 'customer_id'],
  ])('%j is refused, and the field is named', async (body, field) => {
    expectFieldError(await client.post('/v1/customers/anybody/subscriptions', body), field);
  });

  test('to one product there is one at a time: of ten at once, one is made', async () => {
    const [id, productId] = [await customer(), await product()];
    const replies = await Promise.all(Array.from({ length: 10 }, () => subscribe(id, productId)));
    expect(replies.filter(({ status }) => status === 201)).toHaveLength(1);
    for (const reply of replies.filter(({ status }) => status !== 201))
      expectProblem(reply, 409, 'subscription_exists');
    expect((await carried(id)).subscriptions).toEqual([{ productId, version: 1 }]);
  });

  test('canceled, ends for good, and makes room for another', async () => {
    const [id, productId] = [await customer(), await product()];
    const first = await subscribed(id, productId);
    const path = `/v1/customers/${id}/subscriptions/${first.id}`;
    const canceled = await client.post(`${path}/cancel`);
    expectReplied(canceled, 200);
    const { canceled_at, changed_at, ...rest } = canceled.body;
    expect(canceled_at).toMatch(instant);
    expect({ ...rest, changed_at }).toEqual({
      ...first,
      status: 'canceled',
      changed_at: canceled_at,
      canceled_at: undefined,
    });
    expectProblem(await client.post(`${path}/cancel`), 409, 'subscription_canceled');
    expectProblem(await client.post(`${path}/migrate`, { version: 1 }), 409, 'subscription_canceled');
    expect((await carried(id)).subscriptions).toEqual([]);
    const second = await subscribed(id, productId);
    expect((await client.get(`/v1/customers/${id}/subscriptions`)).body.data).toEqual([second, canceled.body]);
  });

  test('is migrated to another published version, later or earlier', async () => {
    const [id, productId] = [await customer(), await product({ versions: 3, published: 2 })];
    const first = await subscribed(id, productId, 1);
    const migrate = (version: unknown) =>
      client.post(`/v1/customers/${id}/subscriptions/${first.id}/migrate`, { version });
    for (const version of [2, 1]) {
      const moved = await migrate(version);
      expectReplied(moved, 200);
      expect(moved.body).toEqual({ ...first, version, changed_at: expect.stringMatching(instant) });
      expect((await carried(id)).subscriptions).toEqual([{ productId, version }]);
    }
    const { version: before } = await carried(id);
    expectReplied(await migrate(1), 200);
    expect((await carried(id)).version).toBe(before);
    expectProblem(await migrate(3), 409, 'version_not_published');
    expectProblem(await migrate(4), 404, 'version_not_found');
    expectFieldError(await migrate(undefined), 'version');
    expectFieldError(await migrate('2'), 'version');
  });

  test("of another customer is not found, and neither is one that isn't there", async () => {
    const [id, other, productId] = [await customer(), await customer(), await product()];
    const { id: subscriptionId } = await subscribed(id, productId);
    for (const path of [`${other}/subscriptions/${subscriptionId}`, `${id}/subscriptions/sub_nothing`]) {
      expectProblem(await client.post(`/v1/customers/${path}/cancel`), 404, 'subscription_not_found');
      expectProblem(await client.post(`/v1/customers/${path}/migrate`, { version: 1 }), 404, 'subscription_not_found');
    }
    expectProblem(await client.post('/v1/customers/nobody/subscriptions/sub_x/cancel'), 404, 'customer_not_found');
    expect((await carried(id)).subscriptions).toHaveLength(1);
  });

  test('needs the scope catalog or credit to be changed, and read to be seen', async () => {
    const [id, productId] = [await customer(), await product()];
    const path = `/v1/customers/${id}/subscriptions`;
    for (const [scope, writes, reads] of [
      ['catalog', 201, 403],
      ['credit', 409, 403],
      ['read', 403, 200],
      ['authorize', 403, 403],
    ] as const) {
      const { body } = await client.post('/v1/keys', { name: scope, scopes: [scope] });
      const scoped = clientOf(client.url, body.secret);
      expect([scope, (await scoped.post(path, { product_id: productId })).status]).toEqual([scope, writes]);
      expect([scope, (await scoped.get(path)).status]).toEqual([scope, reads]);
    }
  });

  test('is listed newest first, page by page; so many may be active and no more', async () => {
    const id = await customer();
    const ids: string[] = [];
    const products = await publishedProducts(subscriptionsMax + 1);
    for (const productId of products.slice(1)) ids.push((await subscribed(id, productId)).id);
    expectProblem(await subscribe(id, products[0]!), 422, 'too_many_subscriptions');
    await expectStatus(client.post(`/v1/customers/${id}/subscriptions/${ids[0]}/cancel`), 200);
    ids.push((await subscribed(id, products[0]!)).id);
    const pages = await pagesOf(client, `/v1/customers/${id}/subscriptions?limit=20`);
    expect(pages.map((page) => page.length)).toEqual([20, 20, 11]);
    expect(pages.flat().map((one) => one.id)).toEqual(ids.toReversed());
    expect((await carried(id)).subscriptions).toHaveLength(subscriptionsMax);
  }, 60_000);
});

describe('the same request again, with its Idempotency-Key,', () => {
  test('is answered as the first one was, whatever became of the subscription since', async () => {
    const [id, productId] = [await customer(), await product({ versions: 2 })];
    const headers = { 'idempotency-key': 'k' };
    const base = `/v1/customers/${id}/subscriptions`;
    const first = await client.post(base, { product_id: productId, version: 1 }, headers);
    expectReplied(first, 201);
    const asked: [path: string, body: object][] = [
      [base, { product_id: productId, version: 1 }],
      [`${base}/${first.body.id}/migrate`, { version: 2 }],
      [`${base}/${first.body.id}/cancel`, {}],
    ];
    const replies = [first];
    for (const [path, body] of asked.slice(1)) replies.push(await client.post(path, body, headers));
    expect(replies.map(({ status, body }) => [status, body.status, body.version])).toEqual([
      [201, 'active', 1],
      [200, 'active', 2],
      [200, 'canceled', 2],
    ]);
    const { version } = await carried(id);
    for (const [at, [path, body]] of asked.entries()) {
      const again = await client.post(path, body, headers);
      expect([again.status, again.text]).toEqual([replies[at]!.status, replies[at]!.text]);
      expect(again.headers.get('idempotent-replayed')).toBe('true');
    }
    expect((await carried(id)).version).toBe(version);
    const other = await client.post(base, { product_id: productId, version: 2 }, headers);
    expectProblem(other, 422, 'idempotency_conflict');
  });
});

describe('the wallet in Redis', () => {
  test('carries what the reply says, from the reply on, and a version that counts the changes', async () => {
    const [id, one, two] = [await customer(), await product({ versions: 2 }), await product()];
    const first = await subscribed(id, one, 1);
    expect(await carried(id)).toEqual({
      version: 1,
      subscriptions: [{ productId: one, version: 1 }],
      budgets: [],
      scopes: [],
    });
    await subscribed(id, two);
    await expectStatus(client.post(`/v1/customers/${id}/subscriptions/${first.id}/migrate`, { version: 2 }), 200);
    expect(await carried(id)).toEqual({
      version: 3,
      subscriptions: [
        { productId: one, version: 2 },
        { productId: two, version: 1 },
      ],
      // What it was on before, for events that are told of late.
      past: [{ productId: one, version: 1, fromMs: Date.parse(first.created_at), tillMs: expect.any(Number) }],
      budgets: [],
      scopes: [],
    });
  });

  test('that is lost comes back with its subscriptions', async () => {
    const [id, productId] = [await customer(), await product()];
    await subscribed(id, productId);
    const key = walletKey(walletOf((await sql`select id from environments where is_default`)[0]!['id'], id));
    await nodes.ofKey(key).del(key);
    const charged = async () =>
      (await client.post('/v1/charge', { customer_id: id, asset: 'USD', amount: '0' })).status;
    await expect.poll(charged, { timeout: 10_000 }).toBe(200);
    expect(await carried(id)).toEqual({
      version: 1,
      subscriptions: [{ productId, version: 1 }],
      budgets: [],
      scopes: [],
    });
  });

  test('is told by the worker what broke off between Postgres and Redis', async () => {
    const [id, productId] = [await customer(), await product()];
    const { id: subscriptionId } = await subscribed(id, productId);
    // As if the gateway had died after its commit.
    await sql.begin(async (transaction) => {
      await transaction`update subscriptions set status = 'canceled', canceled_at = now() where id = ${subscriptionId}`;
      await transaction`update customers set config_version = config_version + 1 where id = ${id}`;
    });
    const told = async () => (await carried(id)).version;
    await expect.poll(told, { timeout: 20_000 }).toBe(2);
    expect((await carried(id)).subscriptions).toEqual([]);
    const pushed = async () =>
      Number((await sql`select config_pushed_version as v from customers where id = ${id}`)[0]!['v']);
    await expect.poll(pushed, { timeout: 20_000 }).toBe(2);
  });

  test('that cannot be told: 503, done but not yet in effect; a repeat tells it', async () => {
    const alone = await startFarebox({ worker: false, isOnOneRedis: true });
    const proxy = await startProxy(alone.redis.url);
    const there = connectNodes(alone.redis.url, { onError: () => undefined });
    const its = openDatabase(alone.database.url, { connectionsMax: 1, name: 'test' });
    await there.waitUntilReady(5_000);
    try {
      const behind = await alone.addGateway({ redisUrl: proxy.url });
      const productId = await product({}, alone.client);
      const id = await alone.customer('cut');
      proxy.follow(({ name }) => (name === 'configure' ? { kind: 'cut_request' } : undefined));
      const ask = () =>
        behind.post(`/v1/customers/${id}/subscriptions`, { product_id: productId }, { 'idempotency-key': 'k' });
      const broken = await ask();
      expectReplied(broken, 503);
      expect(broken.body).toMatchObject({ code: 'not_yet_effective', outcome: 'applied', idempotency_key: 'k' });
      expect((await behind.get(`/v1/customers/${id}/subscriptions`)).body.data).toHaveLength(1);
      expect((await carried(id, there, its)).version).toBe(0);
      proxy.follow(undefined);
      await expect.poll(async () => (await ask()).status, { timeout: 10_000 }).toBe(201);
      expect((await ask()).headers.get('idempotent-replayed')).toBe('true');
      expect(await carried(id, there, its)).toMatchObject({ version: 1, subscriptions: [{ productId, version: 1 }] });
    } finally {
      there.disconnect();
      await its.end();
      await alone.stop();
      await proxy.stop();
    }
  }, 60_000);
});
