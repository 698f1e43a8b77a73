// Both stores full of wallets, a gateway and a worker, and what can happen to that Redis.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { audit } from '../scripts/audit/audit.ts';
import { reportText } from '../scripts/audit/report.ts';
import { startPostgres } from '../scripts/stores/postgres.ts';
import { startRedis } from '../scripts/stores/redis.ts';
import { closeDatabase, openDatabase, type Sql } from '../src/db/connect.ts';
import { runMigrate } from '../src/run/migrate.ts';
import { clockKey } from '../src/wallet/keys.ts';
import { connectRedis, waitUntilReady } from '../src/wallet/redis.ts';
import { startGateway, startWorker } from '../test/faults/processes.ts';
import { startSwitch } from '../test/faults/switch.ts';
import { customerOf, fillWallets } from './many-wallets.ts';

export type World = Awaited<ReturnType<typeof startWorld>>;

const key = 'fb_test_bench000000000000000000000000000000';
const modelId = 'model';
const waitMs = 60_000;
const spentBefore = 200;

export async function startWorld(walletsCount: number, say: (line: string) => void) {
  const folder = mkdtempSync(join(tmpdir(), 'farebox-reopen-'));
  const undo: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })];
  const stop = async () => {
    for (const step of undo.reverse()) await step();
  };
  try {
    const settings = { max_wal_size: '1GB', shared_buffers: '512MB' };
    const postgres = await startPostgres({ dataDir: join(folder, 'postgres'), throwaway: true, settings, say });
    undo.push(postgres.stop);
    const server = await startRedis({ dataDir: join(folder, 'redis'), appendonly: 'everysec', say });
    undo.push(server.stop);
    const port = await startSwitch(server.port);
    undo.push(port.stop);
    const redisUrl = withPort(server.url, port.port);
    await runMigrate({ databaseUrl: postgres.url, bootstrapKey: key });
    const env = { DATABASE_URL: postgres.url, REDIS_URL: redisUrl, FAREBOX_BOOTSTRAP_KEY: key };
    const roles = { folder, env, main: join(process.cwd(), 'dist', 'src', 'main.js') };
    const sql = openDatabase(postgres.url, { connectionsMax: 2, name: 'bench' });
    undo.push(() => closeDatabase(sql));
    const redis = await connected(server.url);
    undo.push(() => redis.disconnect());

    let worker = await startWorker(roles);
    let gateway = await startGateway(roles);
    undo.push(() => worker.stop());
    undo.push(() => gateway.stop());
    const post = async (path: string, body: unknown): Promise<{ status: number; text: string }> => {
      const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
      const reply = await fetch(`${gateway.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
      return { status: reply.status, text: await reply.text() };
    };
    const mustPost = async (path: string, body: unknown) => {
      const { status, text } = await post(path, body);
      if (status >= 300) throw new Error(`${path}: ${status} ${text}`);
    };
    await mustPost('/v1/customers', { id: modelId });
    await mustPost(`/v1/customers/${modelId}/grants`, { asset: 'USD', amount: '100', purpose: 'paid' });
    await drained(sql, redis);
    await gateway.stop();
    await worker.stop();
    const [{ id: environmentId } = { id: '' }] = await sql<{ id: string }[]>`select id from environments`;
    await fillWallets({ sql, redis }, { environmentId, customerId: modelId }, walletsCount, say);
    await redis.call('BGREWRITEAOF');
    await rewritten(redis);
    say(`Redis: ${/used_memory_human:(\S+)/.exec(await redis.info('memory'))?.[1]}`);
    worker = await startWorker(roles);
    gateway = await startGateway(roles);

    let second: Awaited<ReturnType<typeof startRedis>> | undefined;
    return {
      redisUrl,
      gatewayUrl: gateway.url,
      redisVersion: server.version,
      post,
      stop,
      /** Some requests of before, which lie in the file behind the wallets. */
      spendALittle: async () => {
        for (let no = 0; no < spentBefore; no += 1) {
          await mustPost('/v1/charge', { customer_id: customerOf(no % walletsCount), asset: 'USD', amount: '0.01' });
        }
        await sleep(3_000);
      },
      /** What the worker said that each recovery took. */
      recoveriesMs: (): number[] =>
        [...worker.log().matchAll(/"tookMs":(\d+)[^\n]*recovered from the ledger/g)].map(([, ms]) => Number(ms)),
      killAndRestart: async () => {
        await server.kill();
        await server.restart();
      },
      joinReplica: async () => {
        second = await startRedis({ dataDir: join(folder, 'second'), appendonly: 'everysec', say });
        undo.push(second.stop);
        const { password } = new URL(server.url);
        const replica = await connected(second.url);
        await replica.config('SET', 'masterauth', password);
        await replica.config('SET', 'requirepass', password);
        await replica.replicaof('127.0.0.1', server.port);
        for (const endMs = performance.now() + waitMs; ; await sleep(100)) {
          if ((await replica.info('replication')).includes('master_link_status:up')) break;
          if (performance.now() > endMs) throw new Error('the replica did not join');
        }
        await rewritten(replica);
        replica.disconnect();
      },
      failOver: async () => {
        if (!second) throw new Error('there is no replica');
        const replica = await connected(withPort(server.url, second.port));
        await server.kill();
        await replica.replicaof('NO', 'ONE');
        replica.disconnect();
        port.leadTo(second.port);
        port.cut();
      },
      /** What the audit says when the ledger has everything. */
      audited: async (): Promise<string> => {
        const primary = await connected(redisUrl);
        await drained(sql, primary);
        primary.disconnect();
        return reportText(await audit(sql));
      },
      empty: async () => {
        const primary = await connected(redisUrl);
        await primary.flushall();
        primary.disconnect();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function withPort(from: string, port: number): string {
  const url = new URL(from);
  url.port = String(port);
  return url.href;
}

async function connected(url: string): Promise<Redis> {
  // Emptying it takes longer than any call of ours may.
  const redis = connectRedis(url, () => {});
  redis.options.commandTimeout = waitMs;
  if (!(await waitUntilReady(redis, waitMs))) throw new Error('Redis cannot be reached');
  return redis;
}

async function rewritten(redis: Redis): Promise<void> {
  do await sleep(200);
  while (/aof_rewrite_(in_progress|scheduled):1/.test(await redis.info('persistence')));
}

async function drained(sql: Sql, redis: Redis): Promise<void> {
  for (const endMs = performance.now() + waitMs; performance.now() < endMs; await sleep(100)) {
    const rows = await sql<{ partition: number; seq: bigint }[]>`select partition, seq from partitions`;
    const clocks = await Promise.all(rows.map(({ partition }) => redis.getBuffer(clockKey(partition))));
    if (rows.every(({ seq }, i) => clocks[i]?.readDoubleBE(0) === Number(seq))) return;
  }
  throw new Error('the ledger did not get what Redis has');
}
