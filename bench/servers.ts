// The servers of a benchmark: stores of their own, a gateway, a worker that is frozen while it is measured, the floor.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres } from '../scripts/stores/postgres.ts';
import { freePort, lastLines, startProgram, stopProcess, waitUntil } from '../scripts/stores/process.ts';
import { startRedis } from '../scripts/stores/redis.ts';
import { closeDatabase, openDatabase, type Sql } from '../src/db/connect.ts';
import { partitionsCount } from '../src/limits.ts';
import { runMigrate } from '../src/run/migrate.ts';
import { deadlinesKey, outboxKey } from '../src/wallet/keys.ts';
import { connectRedis, waitUntilReady } from '../src/wallet/redis.ts';
import { cpuUsOf } from './cpu.ts';

export type Redis = ReturnType<typeof connectRedis>;

export type Servers = {
  gatewayUrl: string;
  gatewayPid: number;
  floorUrl: string;
  versions: { redis: string; postgres: string };
  sql: Sql;
  redis: Redis;
  worker: Worker;
  /** Let the worker carry everything to Postgres, then freeze it again. */
  emptyOutboxes: () => Promise<void>;
  entriesWaiting: () => Promise<number>;
  /** What was held before is back, so that no expiry of it mixes with what comes; then the worker is frozen. */
  letHoldsExpire: () => Promise<void>;
  /** Processor time that each server has used, in µs; `load` is this process. */
  cpuUs: () => Record<string, number>;
  /** Another one beside it, of so many processes, once all of them serve. */
  startGateway: (processes: number) => Promise<Program>;
  signalGateway: (signal: NodeJS.Signals) => void;
  /** Where all of this lies, until it stops. */
  folder: string;
  /** What the servers are told, to tell others the same but for a few things. */
  env: { DATABASE_URL: string; REDIS_URL: string; FAREBOX_BOOTSTRAP_KEY: string };
  /** A program of ours, with what it is told besides; ends with `stop`, or with all of this. */
  start: (name: string, args: readonly string[], env: Record<string, string>) => Promise<Program>;
  stop: () => Promise<void>;
};

export type Program = {
  url: string;
  pid: number;
  running: () => boolean;
  /** The last that it has logged. */
  tell: () => string;
  stop: () => Promise<void>;
};

type Worker = {
  freeze: () => void;
  thaw: () => void;
  /** In order, so that it holds nothing in Postgres. */
  stop: () => Promise<void>;
  start: () => Promise<void>;
};

export type ServersOptions = {
  say: (line: string) => void;
  /** Of Node, for the gateway. */
  gatewayArgs?: readonly string[];
};

const bootstrapKey = 'fb_test_bench000000000000000000000000000000';
const stopBoundMs = 20_000;
const startBoundMs = 60_000;
const drainBoundMs = 600_000;
/** Holds that are due later than this were meant to stay. */
const soonMs = 120_000;
/** To fill a Redis takes commands that are longer than any of ours. */
const commandTimeoutMs = 60_000;

const running = new Set<() => Promise<void>>();

/** For whoever is interrupted. */
export async function stopAllServers(): Promise<void> {
  await Promise.allSettled([...running].map((stop) => stop()));
}

export async function startServers({ say, gatewayArgs = [] }: ServersOptions): Promise<Servers> {
  const folder = mkdtempSync(join(tmpdir(), 'farebox-bench-'));
  const undo: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })];
  const stop = async () => {
    running.delete(stop);
    for (const step of undo.splice(0).reverse()) await step();
  };
  running.add(stop);
  try {
    // When a row was committed says how long its entry waited.
    const settings = { track_commit_timestamp: 'on', max_wal_size: '2GB' };
    const postgres = await startPostgres({ dataDir: join(folder, 'postgres'), settings, say });
    undo.push(postgres.stop);
    const server = await startRedis({ dataDir: join(folder, 'redis'), appendonly: 'everysec', say });
    undo.push(server.stop);
    await runMigrate({ databaseUrl: postgres.url, bootstrapKey });
    const sql = openDatabase(postgres.url, { connectionsMax: 2, name: 'bench' });
    undo.push(() => closeDatabase(sql));
    const redis = connectRedis(server.url, (error) => say(`Redis: ${error.message}`));
    redis.options.commandTimeout = commandTimeoutMs;
    undo.push(() => redis.disconnect());
    await waitUntilReady(redis, 5_000);

    const env = { DATABASE_URL: postgres.url, REDIS_URL: server.url, FAREBOX_BOOTSTRAP_KEY: bootstrapKey };
    const start: Servers['start'] = async (name, args, more) => {
      const port = await freePort();
      const program = startProgram({
        file: process.execPath,
        args,
        cwd: process.cwd(),
        env: { ...process.env, ...env, ...more, LOG_LEVEL: 'warn', PORT: String(port), HOST: '127.0.0.1' },
        logFile: join(folder, `${name}.log`),
        // Should this process be killed, they stop by themselves.
        ipc: true,
      });
      const tell = () => lastLines(join(folder, `${name}.log`), 5).join('\n');
      const { pid, running } = program;
      const stop = () => stopProcess(pid, running, { signal: 'SIGTERM', boundMs: stopBoundMs });
      undo.push(stop);
      return { url: `http://127.0.0.1:${port}`, pid, running, tell, stop };
    };

    let work = await start('worker', ['dist/src/main.js', 'worker'], {});
    const worker: Worker = {
      freeze: () => void process.kill(work.pid, 'SIGSTOP'),
      thaw: () => void process.kill(work.pid, 'SIGCONT'),
      stop: async () => {
        worker.thaw();
        await work.stop();
      },
      start: async () => {
        work = await start('worker', ['dist/src/main.js', 'worker'], {});
      },
    };
    undo.push(() => work.running() && worker.stop());
    const gateway = await start('gateway', [...gatewayArgs, 'dist/src/main.js', 'gateway'], {});
    const floor = await start('floor', ['dist/bench/floor.js'], {});
    for (const { url, tell } of [gateway, floor]) {
      // The floor has no such page: whatever it answers, it is up.
      const isUp = () =>
        fetch(`${url}/readyz`).then(
          ({ status }) => status < 500,
          () => false,
        );
      if (!(await waitUntil(isUp, startBoundMs, 100))) throw new Error(`a server did not get ready:\n${tell()}`);
    }

    const sumOf = async (count: (partition: number) => Promise<number>) =>
      (await Promise.all(Array.from({ length: partitionsCount }, (_, partition) => count(partition)))).reduce(
        (sum, one) => sum + one,
        0,
      );
    const entriesWaiting = () => sumOf((partition) => redis.xlen(outboxKey(partition, 1)));
    const holdsDueSoon = () => sumOf((partition) => redis.zcount(deadlinesKey(partition), 0, Date.now() + soonMs));
    const workUntilNone = async (count: () => Promise<number>) => {
      worker.thaw();
      const isOver = async () => !work.running() || (await count()) === 0;
      const isDone = await waitUntil(isOver, drainBoundMs, 200);
      if (!isDone || !work.running()) throw new Error(`the worker does not carry on:\n${work.tell()}`);
      worker.freeze();
    };
    const emptyOutboxes = () => workUntilNone(entriesWaiting);
    return {
      gatewayUrl: gateway.url,
      gatewayPid: gateway.pid,
      floorUrl: floor.url,
      versions: { redis: server.version, postgres: postgres.version },
      sql,
      redis,
      worker,
      emptyOutboxes,
      entriesWaiting,
      letHoldsExpire: async () => {
        await workUntilNone(holdsDueSoon);
        await emptyOutboxes();
      },
      cpuUs: () => ({
        gateway: cpuUsOf(gateway.pid),
        floor: cpuUsOf(floor.pid),
        redis: cpuUsOf(server.pid),
        worker: cpuUsOf(work.pid),
        postgres: cpuUsOf(postgres.pid),
        load: process.cpuUsage().user + process.cpuUsage().system,
      }),
      startGateway: async (processes) => {
        const name = `gateway-of-${processes}`;
        const several = await start(name, ['dist/src/main.js', 'gateway', '--processes', String(processes)], {});
        const servesAll = () =>
          fetch(`${several.url}/readyz`).then(
            (reply) => servesBy(reply, processes),
            () => false,
          );
        if (await waitUntil(servesAll, startBoundMs, 100)) return several;
        await several.stop();
        throw new Error(`${name} did not get ready:\n${several.tell()}`);
      },
      folder,
      env,
      start,
      signalGateway: (signal) => void process.kill(gateway.pid, signal),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function servesBy(reply: Response, processes: number): Promise<boolean> {
  const { dependencies } = (await reply.json()) as { dependencies: { gateway: { serving?: number } } };
  return reply.ok && (dependencies.gateway.serving ?? 1) === processes;
}
