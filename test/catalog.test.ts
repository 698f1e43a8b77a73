// The catalog below the API: what is published stays as it is, and reaches every partition whatever breaks off.
import type { Redis } from 'ioredis';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { catalogCache, type Catalog } from '../src/api/catalog-cache.ts';
import { loadPublished } from '../src/db/catalog.ts';
import { openDatabase, type Sql } from '../src/db/connect.ts';
import { openLedger } from '../src/db/ledger.ts';
import { createProduct, createVersion, findProduct, findVersion, publishVersion } from '../src/db/products.ts';
import { matchPrices, type Subscription } from '../src/pricing/match.ts';
import { partitionsCount } from '../src/limits.ts';
import { catalogKey, fenceKey } from '../src/wallet/keys.ts';
import { oneNode } from '../src/wallet/nodes.ts';
import { raiseCatalog } from '../src/wallet/raise-catalog.ts';
import { connectStore } from '../src/run/connect-store.ts';
import { openLog } from '../src/log.ts';
import { openWallets } from '../src/wallet/wallets.ts';
import { expectStatus, startFarebox, type Farebox } from './farebox.ts';
import { startProxy } from './faults/proxy.ts';
import { openRedis } from './stores.ts';

let farebox: Farebox;
let sql: Sql;
let redis: Redis;
let environmentId: string;
let named = 0;

beforeAll(async () => {
  farebox = await startFarebox();
  sql = openDatabase(farebox.database.url, { connectionsMax: 10, name: 'test' });
  redis = await openRedis(farebox.redis.url);
  environmentId = (await sql<{ id: string }[]>`select id from environments`)[0]!.id;
});

afterAll(async () => {
  redis.disconnect();
  await sql.end();
  await farebox.stop();
});

const asked = () => ({ operationId: `operation ${(named += 1)}`, fingerprint: '-' });

/** A product with so many drafts. */
async function product(id: string, versions = 1): Promise<string> {
  const terms = { id, name: id, isDefault: true, prices: [] };
  expect(await createProduct(sql, environmentId, { ...terms, ...asked() })).toMatchObject({ status: 'created' });
  for (let version = 2; version <= versions; version += 1) {
    const made = await createVersion(sql, environmentId, id, { prices: [], ...asked() });
    expect(made).toMatchObject({ status: 'created', version: { version } });
  }
  return id;
}

const publish = (productId: string, version: number, operationId = asked().operationId) =>
  publishVersion(sql, environmentId, { productId, version, operationId });

async function catalogVersion(): Promise<number> {
  return Number(
    (await sql`select catalog_version from environments where id = ${environmentId}`)[0]!['catalog_version'],
  );
}

const catalogKeys = Array.from({ length: partitionsCount }, (_, partition) => catalogKey(partition));

/** What the partitions have, each value once. */
async function raisedVersions(): Promise<(string | null)[]> {
  return [...new Set(await Promise.all(catalogKeys.map((key) => redis.hget(key, environmentId))))];
}

test('ten versions published at once are numbered one after the other, in the order of their times', async () => {
  const before = await catalogVersion();
  const id = await product('rush', 10);
  const published = await Promise.all(Array.from({ length: 10 }, (_, at) => publish(id, at + 1)));
  const numbers = published.map((one) => (one.status === 'published' ? one.catalogVersion : 0)).sort((a, b) => a - b);
  expect(numbers).toEqual(Array.from({ length: 10 }, (_, at) => before + at + 1));
  const loaded = await loadPublished(sql, environmentId, before);
  expect(loaded.map((one) => one.catalogVersion)).toEqual(numbers);
  expect(new Set(loaded.map(({ version }) => version)).size).toBe(10);
  const times = loaded.map(({ publishedAtMs }) => publishedAtMs);
  expect(times).toEqual(times.toSorted((a, b) => a - b));
  expect(await findProduct(sql, environmentId, id)).toMatchObject({ latestVersion: 10, publishedVersion: 10 });
});

test('one version published ten times at once is published once', async () => {
  const before = await catalogVersion();
  const id = await product('once', 2);
  const operations = Array.from({ length: 10 }, () => asked().operationId);
  const published = await Promise.all(operations.map((operation) => publish(id, 1, operation)));
  expect(new Set(published.map((one) => JSON.stringify(one)))).toHaveProperty('size', 1);
  expect(await catalogVersion()).toBe(before + 1);
  const first =
    await sql`select publish_operation_id as id from product_versions where product_id = ${id} and version = 1`;
  expect(await publish(id, 1, first[0]!['id'])).toMatchObject({ status: 'published', isRepeat: true });
  expect(await publish(id, 3)).toEqual({ status: 'no_version' });
  expect(await publish('nothing', 1)).toEqual({ status: 'no_version' });
  expect(await findProduct(sql, environmentId, id)).toMatchObject({ latestVersion: 2, publishedVersion: 1 });
});

test('what was published refuses every change in SQL; a draft does not', async () => {
  const id = await product('stone', 2);
  await publish(id, 1);
  const before = await findVersion(sql, environmentId, { productId: id, version: 1 });
  for (const change of [
    `update product_versions set prices = '[1]' where product_id = 'stone' and version = 1`,
    `update product_versions set status = 'draft', catalog_version = null, published_at = null, publish_operation_id = null
     where product_id = 'stone' and version = 1`,
    `delete from product_versions where product_id = 'stone' and version = 1`,
    `delete from product_versions`,
    `truncate product_versions cascade`,
  ]) {
    await expect(sql.unsafe(change)).rejects.toThrow('never changes');
  }
  expect(await findVersion(sql, environmentId, { productId: id, version: 1 })).toEqual(before);
  await sql`delete from product_versions where product_id = 'stone' and version = 2`;
  expect(await findVersion(sql, environmentId, { productId: id, version: 2 })).toBeUndefined();
});

test('a publish that broke off after its commit is finished by the worker, and never lowers what stands', async () => {
  await publish(await product('broken off'), 1);
  const version = await catalogVersion();
  await expect.poll(raisedVersions, { timeout: 20_000 }).toEqual([String(version)]);
  const raisedVersion = async () =>
    Number((await sql`select catalog_raised_version as v from environments where id = ${environmentId}`)[0]!['v']);
  await expect.poll(raisedVersion, { timeout: 20_000 }).toBe(version);

  const log = openLog('silent', 'test');
  const store = await connectStore({ sql, nodes: oneNode(redis), log, markDirty: () => {}, onFenced: () => {} });
  expect(await raiseCatalog(store, { environmentId, catalogVersion: version - 1 })).toEqual({ status: 'raised' });
  expect(await raisedVersions()).toEqual([String(version)]);
});

describe('a publish that breaks off between Postgres and Redis', () => {
  test('says that it is done, but not yet in effect, and is finished by a repeat', async () => {
    const alone = await startFarebox({ worker: false });
    const proxy = await startProxy(alone.redis.url);
    const there = await openRedis(alone.redis.url);
    try {
      const client = await alone.addGateway({ redisUrl: proxy.url });
      const { body } = await expectStatus(client.post('/v1/products', { name: 'cut', prices: [] }), 201);
      const path = `/v1/products/${body.id}/versions/1`;
      const raised = async () => (await Promise.all(catalogKeys.map((key) => there.hvals(key)))).flat();

      proxy.follow(({ name }) => (name === 'raise_catalog' ? { kind: 'cut_request' } : undefined));
      const broken = await expectStatus(client.post(`${path}/publish`, {}, { 'idempotency-key': 'mine' }), 503);
      expect(broken.body).toMatchObject({ code: 'not_yet_effective', outcome: 'applied', idempotency_key: 'mine' });
      expect(broken.headers.get('retry-after')).toMatch(/^[1-9]/);
      expect((await client.get(path)).body.status).toBe('published');
      expect((await raised()).length).toBeLessThan(partitionsCount);

      proxy.follow(undefined);
      const again = () => client.post(`${path}/publish`, {}, { 'idempotency-key': 'mine' });
      await expect.poll(async () => (await again()).status, { timeout: 10_000 }).toBe(200);
      expect((await again()).headers.get('idempotent-replayed')).toBe('true');
      expect(await raised()).toEqual(catalogKeys.map(() => '1'));
    } finally {
      there.disconnect();
      await alone.stop();
      await proxy.stop();
    }
  });
});

describe("a gateway's catalog", () => {
  const open = async (over: Partial<Parameters<typeof catalogCache>[0]> = {}) => {
    const log = openLog('silent', 'test');
    const store = await connectStore({ sql, nodes: oneNode(redis), log, markDirty: () => {}, onFenced: () => {} });
    const ledger = openLedger(sql, { announceRevocation: async () => {} });
    const readVersions = openWallets(store).catalogVersions;
    return catalogCache({ ledger, readVersions, onError: () => undefined, ...over });
  };
  const publishInApi = async (id: string) => {
    const price = { id: 'fee', event_type: 'call', asset: 'USD', model: 'unit', unit_amount: '0.1' };
    await expectStatus(farebox.client.post('/v1/products', { id, name: id, prices: [price] }), 201);
    await expectStatus(farebox.client.post(`/v1/products/${id}/versions/1/publish`), 200);
    return catalogVersion();
  };
  const publishedIn = ({ entries }: Catalog) => entries.map(({ productId }) => productId);

  test('has what was published, and no drafts', async () => {
    const version = await publishInApi('seen');
    await product('unseen');
    const catalog = await (await open()).of(environmentId);
    expect(catalog.version).toBe(version);
    expect(catalog.entries.map((entry) => entry.catalogVersion)).toEqual(catalog.entries.map((_, at) => at + 1));
    const entry = catalog.entries.at(-1);
    expect(entry).toMatchObject({
      productId: 'seen',
      isDefault: false,
      version: 1,
      prices: [{ id: 'fee', eventType: 'call' }],
    });
    const { published_at } = (await farebox.client.get('/v1/products/seen/versions/1')).body;
    expect(entry!.publishedAtMs).toBe(Date.parse(published_at));
    expect(publishedIn(catalog)).not.toContain('unseen');
  });

  test('of another gateway has a publish when told that it is stale, or with the next look at Redis', async () => {
    const [told, looking, idle] = [await open(), await open(), await open()];
    for (const catalogs of [told, looking, idle]) await catalogs.of(environmentId);
    const version = await publishInApi('elsewhere');
    expect(publishedIn(await told.atLeast(environmentId, version))).toContain('elsewhere');
    await looking.poll();
    await expect.poll(async () => publishedIn(await looking.of(environmentId))).toContain('elsewhere');
    expect(publishedIn(await idle.of(environmentId))).not.toContain('elsewhere');
  });

  test('prices an event of the past by what was published then, and a subscriber by the version of the subscription', async () => {
    const id = 'aging';
    const price = (unit_amount: string) => ({ id: 'p', event_type: 'aging', asset: 'USD', model: 'unit', unit_amount });
    const body = { id, name: id, default: true, prices: [price('1')] };
    await expectStatus(farebox.client.post('/v1/products', body), 201);
    await expectStatus(farebox.client.post(`/v1/products/${id}/versions`, { prices: [price('2')] }), 201);
    const publishedAtMs: number[] = [];
    for (const version of [1, 2]) {
      await sleep(5);
      const published = await expectStatus(farebox.client.post(`/v1/products/${id}/versions/${version}/publish`), 200);
      publishedAtMs.push(Date.parse(published.body.published_at));
    }
    const catalog = await (await open()).of(environmentId);
    const pricedBy = (atMs: number, subscriptions: Subscription[] = []) => {
      const match = matchPrices(catalog.pricedAt(atMs), { eventType: 'aging', data: {}, subscriptions });
      return match.status === 'matched' ? match.lines.map(({ version }) => version) : match.status;
    };
    const [first, second] = publishedAtMs as [number, number];
    expect([first - 1, first, second - 1, second, Infinity].map((atMs) => pricedBy(atMs))).toEqual([
      'no_price',
      [1],
      [1],
      [2],
      [2],
    ]);
    expect(pricedBy(first, [{ productId: id, version: 2 }])).toEqual([2]);
    expect(pricedBy(Infinity, [{ productId: id, version: 1 }])).toEqual([1]);
  });

  test('is read once for all who ask at once, and only what is new is read later', async () => {
    const asked: number[] = [];
    const ledger = openLedger(sql, { announceRevocation: async () => {} });
    const loadPublished = (id: string, after: number) => (asked.push(after), ledger.loadPublished(id, after));
    const catalogs = await open({ ledger: { ...ledger, loadPublished } });
    const before = await catalogVersion();
    await Promise.all(Array.from({ length: 10 }, async () => catalogs.of(environmentId)));
    const version = await publishInApi('later');
    await Promise.all(Array.from({ length: 10 }, () => catalogs.atLeast(environmentId, version)));
    await catalogs.poll();
    expect(asked).toEqual([0, before]);
  });

  test('a read that began before the commit is not taken for one after it', async () => {
    const ledger = openLedger(sql, { announceRevocation: async () => {} });
    let letThrough = () => {};
    const gate = new Promise<void>((resolve) => (letThrough = resolve));
    let hasRead = false;
    const loadPublished = async (id: string, after: number) => {
      const found = await ledger.loadPublished(id, after);
      hasRead = true;
      await gate;
      return found;
    };
    const catalogs = await open({ ledger: { ...ledger, loadPublished } });
    const early = catalogs.of(environmentId);
    await expect.poll(() => hasRead).toBe(true);
    const version = await publishInApi('overtaken');
    const late = catalogs.atLeast(environmentId, version);
    letThrough();
    expect(publishedIn(await early)).not.toContain('overtaken');
    expect(publishedIn(await late)).toContain('overtaken');
  });

  test('stays as it is while Postgres is away, and says so only to whom it is too old', async () => {
    let isAway = false;
    const ledger = openLedger(sql, { announceRevocation: async () => {} });
    const loadPublished: typeof ledger.loadPublished = async (id, after) => {
      if (isAway) throw new Error('Postgres is away');
      return ledger.loadPublished(id, after);
    };
    const errors: unknown[] = [];
    const catalogs = await open({ ledger: { ...ledger, loadPublished }, onError: (error) => errors.push(error) });
    const before = await catalogs.of(environmentId);
    const version = await publishInApi('unreachable');
    isAway = true;
    await catalogs.poll();
    await expect.poll(() => errors).toHaveLength(1);
    expect(await catalogs.of(environmentId)).toBe(before);
    await expect(catalogs.atLeast(environmentId, version)).rejects.toThrow('away');
    isAway = false;
    expect(publishedIn(await catalogs.atLeast(environmentId, version))).toContain('unreachable');
  });
});

test('a Redis that lost everything opens no partition before it has the catalog version again', async () => {
  const version = String(await catalogVersion());
  const fenceBefore = await redis.get(fenceKey(255));
  await redis.flushall();
  const seen = new Set<string>();
  const isOpen = async () => {
    const [fence, catalog] = await redis
      .multi()
      .get(fenceKey(255))
      .hget(catalogKey(255), environmentId)
      .exec()
      .then((replies) => replies!.map(([, value]) => value as string | null));
    const open = fence !== null && fence !== undefined && !fence.startsWith('closed:');
    if (open) seen.add(`${fence === fenceBefore ? 'old' : 'new'} ${catalog}`);
    return open;
  };
  await expect.poll(isOpen, { interval: 1, timeout: 20_000 }).toBe(true);
  expect([...seen]).toEqual([`new ${version}`]);
  await expect.poll(raisedVersions, { timeout: 20_000 }).toEqual([version]);
});
