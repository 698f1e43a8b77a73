// The servers of a benchmark: stores of their own, a gateway, a worker that is frozen while it is measured, the floor.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startPostgres } from '../scripts/stores/postgres.ts';
import { freePort, startProgram, stopProcess } from '../scripts/stores/process.ts';
import { startRedis } from '../scripts/stores/redis.ts';
import { runMigrate } from '../src/run/migrate.ts';
import { partitionsCount } from '../src/limits.ts';
import { outboxKey } from '../src/wallet/keys.ts';
import { connectRedis, waitUntilReady } from '../src/wallet/redis.ts';

export type Bench = {
  floorUrl: string;
  gatewayUrl: string;
  key: string;
  redisVersion: string;
  /** Let the worker carry everything to Postgres, then freeze it again. */
  emptyOutboxes: () => Promise<void>;
  stop: () => Promise<void>;
};

const key = 'fb_test_bench000000000000000000000000000000';
const grantAmount = '1000000';

export async function startBench(options: { customersCount: number; say: (line: string) => void }): Promise<Bench> {
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
    await runMigrate({ databaseUrl: postgres.url, bootstrapKey: key });
    const env = {
      ...process.env,
      DATABASE_URL: postgres.url,
      REDIS_URL: redis.url,
      FAREBOX_BOOTSTRAP_KEY: key,
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
    say(`preparing ${options.customersCount} customers`);
    await prepare(gatewayUrl, options.customersCount);

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
      gatewayUrl,
      key,
      redisVersion: redis.version,
      emptyOutboxes,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Funded customers `bench_0` …, each with a grant that outlasts any run. */
async function prepare(url: string, count: number): Promise<void> {
  const post = async (path: string, body: unknown) => {
    const reply = await fetch(`${url}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!reply.ok) throw new Error(`${path}: ${reply.status} ${await reply.text()}`);
    await reply.arrayBuffer();
  };
  for (let from = 0; from < count; from += 32) {
    const ids = Array.from({ length: Math.min(32, count - from) }, (_, i) => `bench_${from + i}`);
    await Promise.all(
      ids.map(async (id) => {
        await post('/v1/customers', { id });
        await post(`/v1/customers/${id}/grants`, { asset: 'USD', amount: grantAmount, purpose: 'paid' });
      }),
    );
  }
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
