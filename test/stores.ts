// Stores for a test file: a database with the schema in the run's Postgres, and a Redis of its own that may be flushed and killed.
//
// Never those that DATABASE_URL or REDIS_URL name: tests destroy what they find.
import { randomBytes } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import postgres from 'postgres';
import { inject } from 'vitest';
import { type RedisServer, startRedis } from '../scripts/stores/redis.ts';
import { connectRedis, waitUntilReady } from '../src/wallet/redis.ts';
import { startRedisCluster, type RedisCluster } from '../scripts/stores/redis-cluster.ts';

export type TestDatabase = { readonly url: string; readonly drop: () => Promise<void> };

/** A copy of the template database. `drop` also ends whatever is still connected to it. */
export async function createDatabase(): Promise<TestDatabase> {
  const { adminUrl, template } = inject('stores');
  const name = `test_${randomBytes(8).toString('hex')}`;
  await execute(adminUrl, `create database ${name} template ${template}`);
  return {
    url: adminUrl.replace(/[^/]*$/, name),
    drop: () => execute(adminUrl, `drop database if exists ${name} with (force)`),
  };
}

export type TestRedisOptions = {
  /** Default `no`: what is killed is lost. With `everysec` or `always`, `restart` finds it again. */
  readonly appendonly?: 'no' | 'everysec' | 'always';
  readonly extraArgs?: readonly string[];
};

/** A Redis on a free port, with a password in its URL. It can be killed and restarted; its folder goes with the run. */
export async function createRedis(options: TestRedisOptions = {}): Promise<RedisServer> {
  const dataDir = mkdtempSync(join(inject('stores').folder, 'redis-'));
  return startRedis({ dataDir, appendonly: options.appendonly ?? 'no', extraArgs: options.extraArgs ?? [] });
}

const ownCommandsTimeoutMs = 30_000;

/** A test's own client: where the machine stands still it waits, which Farebox's own do for a second only. */
export async function openRedis(url: string): Promise<Redis> {
  const redis = connectRedis(url, () => undefined);
  redis.options.commandTimeout = ownCommandsTimeoutMs;
  if (!(await waitUntilReady(redis, ownCommandsTimeoutMs))) throw new Error(`Redis cannot be reached at ${url}`);
  return redis;
}

/** `npm run test:cluster`: wallets in a Redis Cluster, queues in a Redis beside it. */
export const onCluster = process.env['FAREBOX_TEST_CLUSTER'] === 'on';

/** Three primaries of a Redis Cluster. */
export async function createRedisCluster(
  appendonly: TestRedisOptions['appendonly'] = 'everysec',
): Promise<RedisCluster> {
  return startRedisCluster(3, { dataDir: mkdtempSync(join(inject('stores').folder, 'cluster-')), appendonly });
}

async function execute(adminUrl: string, statement: string): Promise<void> {
  const sql = postgres(adminUrl, { max: 1, onnotice: () => {} });
  try {
    await sql.unsafe(statement);
  } finally {
    await sql.end();
  }
}
