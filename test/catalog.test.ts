// The catalog below the API: what is published stays as it is, and reaches every partition whatever breaks off.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadPublished } from '../src/db/catalog.ts';
import { openDatabase, type Sql } from '../src/db/connect.ts';
import { createProduct, createVersion, findProduct, findVersion, publishVersion } from '../src/db/products.ts';
import { partitionsCount } from '../src/limits.ts';
import { catalogKey, fenceKey } from '../src/wallet/keys.ts';
import { raiseCatalog } from '../src/wallet/raise-catalog.ts';
import { connectRedis, waitUntilReady } from '../src/wallet/redis.ts';
import { connectStore } from '../src/run/connect-store.ts';
import { openLog } from '../src/log.ts';
import { startFarebox, type Farebox } from './farebox.ts';

let farebox: Farebox;
let sql: Sql;
let redis: ReturnType<typeof connectRedis>;
let environmentId: string;
let named = 0;

beforeAll(async () => {
  farebox = await startFarebox();
  sql = openDatabase(farebox.database.url, { connectionsMax: 10, name: 'test' });
  redis = connectRedis(farebox.redis.url, () => undefined);
  await waitUntilReady(redis, 5_000);
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
    const made = await createVersion(sql, environmentId, id, { prices: [version], ...asked() });
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

/** What the partitions have, each value once. */
async function raisedVersions(): Promise<(string | null)[]> {
  const keys = Array.from({ length: partitionsCount }, (_, partition) => catalogKey(partition));
  return [...new Set(await Promise.all(keys.map((key) => redis.hget(key, environmentId))))];
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
  const store = await connectStore({ sql, redis, log, markDirty: () => {}, onFenced: () => {} });
  expect(await raiseCatalog(store, { environmentId, catalogVersion: version - 1 })).toEqual({ status: 'raised' });
  expect(await raisedVersions()).toEqual([String(version)]);
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
