// The servers of a benchmark: stores of their own, a gateway, a worker that is frozen while it is measured, the floor.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startPostgres } from '../scripts/stores/postgres.ts';
import { freePort, startProgram, stopProcess } from '../scripts/stores/process.ts';
import { startRedis } from '../scripts/stores/redis.ts';
import { openDatabase } from '../src/db/connect.ts';
import { createEnvironment } from '../src/db/environments.ts';
import { createKey } from '../src/db/keys.ts';
import { partitionsCount } from '../src/limits.ts';
import { runMigrate } from '../src/run/migrate.ts';
import { outboxKey } from '../src/wallet/keys.ts';
import { connectRedis, waitUntilReady } from '../src/wallet/redis.ts';
import { load, type LoadOptions, type Measured } from './load.ts';
import { prepare, type World } from './world.ts';

export type Bench = {
  floorUrl: string;
  redisVersion: string;
  /** Send load to the gateway, unless `url` says otherwise, with the key of a world. */
  load: (world: World, options: Omit<LoadOptions, 'key' | 'url' | 'redisUs'> & { url?: string }) => Promise<Measured>;
  /** Let the worker carry everything to Postgres, then freeze it again. */
  emptyOutboxes: () => Promise<void>;
  stop: () => Promise<void>;
};

const bootstrapKey = 'fb_test_bench000000000000000000000000000000';

export async function startBench(options: { worlds: World[]; say: (line: string) => void }): Promise<Bench> {
  const { say } = options;
  const folder = mkdtempSync(join(tmpdir(), 'farebox-bench-'));
  const undo: (() => Promise<unknown> | void)[] = [() => rmSync(folder, { recursive: true, force: true })];
  const stop = async () => {
    for (const step of undo.reverse()) await step();
  };
  try {
    const postgres = await startPostgres({ dataDir: join(folder, 'postgres'), say });
    undo.push(postgres.stop);
    const redis = await startRedis({ dataDir: join(folder, 'redis'), appendonly: 'everysec', say });
    undo.push(redis.stop);
    await runMigrate({ databaseUrl: postgres.url, bootstrapKey });
    const keys = await makeKeys(postgres.url, options.worlds);
    const env = {
      ...process.env,
      DATABASE_URL: postgres.url,
      REDIS_URL: redis.url,
      FAREBOX_BOOTSTRAP_KEY: bootstrapKey,
      LOG_LEVEL: 'warn',
    };
    const start = async (name: string, args: string[], port: number) => {
      const program = startProgram({
        file: process.execPath,
        args,
        cwd: process.cwd(),
        env: { ...env, PORT: String(port), HOST: '127.0.0.1' },
        logFile: join(folder, `${name}.log`),
      });
      undo.push(() => stopProcess(program.pid, program.running, { signal: 'SIGTERM', boundMs: 20_000 }));
      return program;
    };
    const worker = await start('worker', ['dist/src/main.js', 'worker'], await freePort());
    const gatewayPort = await freePort();
    await start('gateway', ['dist/src/main.js', 'gateway'], gatewayPort);
    const floorPort = await freePort();
    await start('floor', ['dist/bench/floor.js'], floorPort);
    const gatewayUrl = `http://127.0.0.1:${gatewayPort}`;
    await untilReady(`${gatewayUrl}/readyz`);
    for (const world of options.worlds) {
      say(`preparing ${world.customersCount} customers: ${world.name}`);
      await prepare(world, gatewayUrl, keys.get(world.name)!);
    }

    const look = connectRedis(redis.url, () => {});
    undo.push(() => look.disconnect());
    await waitUntilReady(look, 5_000);
    undo.push(() => void process.kill(worker.pid, 'SIGCONT'));
    const emptyOutboxes = async () => {
      process.kill(worker.pid, 'SIGCONT');
      while ((await entriesWaiting(look)) > 0) await sleep(200);
      process.kill(worker.pid, 'SIGSTOP');
    };
    await emptyOutboxes();
    return {
      floorUrl: `http://127.0.0.1:${floorPort}`,
      redisVersion: redis.version,
      load: (world, more) =>
        load({ url: gatewayUrl, ...more, key: keys.get(world.name)!, redisUs: () => scriptsUs(look) }),
      emptyOutboxes,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** An environment for each world, and a key to it, by the world's name. */
async function makeKeys(databaseUrl: string, all: World[]): Promise<Map<string, string>> {
  const sql = openDatabase(databaseUrl, { connectionsMax: 1, name: 'bench' });
  const keys = new Map<string, string>();
  for (const { name } of all) {
    const environment = await createEnvironment(sql, { name, mode: 'test' });
    const scopes = ['authorize', 'read', 'credit', 'catalog'] as const;
    const { secret } = await createKey(sql, environment.id, { name, scopes: [...scopes], expiresAtMs: undefined });
    keys.set(name, secret);
  }
  await sql.end();
  return keys;
}

async function entriesWaiting(redis: ReturnType<typeof connectRedis>): Promise<number> {
  const lengths = await Promise.all(
    Array.from({ length: partitionsCount }, (_, partition) => redis.xlen(outboxKey(partition, 1))),
  );
  return lengths.reduce((sum, length) => sum + length, 0);
}

async function untilReady(url: string): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt += 1) {
    const ready = await fetch(url).then(
      (reply) => reply.ok,
      () => false,
    );
    if (ready) return;
    await sleep(100);
  }
  throw new Error(`${url} did not get ready within 30 s`);
}

/** What Redis has spent on scripts so far, calls within them included, in µs. */
async function scriptsUs(redis: ReturnType<typeof connectRedis>): Promise<number> {
  const stats = await redis.info('commandstats');
  return [...stats.matchAll(/^cmdstat_(?:fcall|evalsha):.*?usec=(\d+)/gm)].reduce((sum, [, us]) => sum + Number(us), 0);
}
