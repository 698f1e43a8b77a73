// A Farebox to break: stores of its own, gateways and workers as processes, and ports between them that can be cut.
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startGateway, startWorker, type RoleProcess } from '../../test/faults/processes.ts';
import { startProxy, type Proxy } from '../../test/faults/proxy.ts';
import type { Config } from '../../src/config.ts';
import { closeDatabase, openDatabase, type Sql } from '../../src/db/connect.ts';
import { connectRedis } from '../../src/wallet/redis.ts';
import { runMigrate } from '../../src/run/migrate.ts';
import { startRedis, type RedisServer } from '../stores/redis.ts';
import { openClient, type Client } from './client.ts';
import { openPair, type Pair } from './pair.ts';
import { createDatabase, type Postgres } from './postgres.ts';

const commandTimeoutMs = 30_000;

export type WorldOptions = {
  gateways: number;
  workers: number;
  /** How Redis keeps what it is told. */
  appendonly: 'no' | 'everysec' | 'always';
  durability: Config['durability'];
  /** Gateways reach Redis through a proxy that can lose and delay. */
  proxied: boolean;
  /** Redis is a primary and a replica, and everybody reaches the primary through a port that can lead to the other. */
  paired: boolean;
  redisArgs: readonly string[];
  /** The compiled program; default: this one's. */
  main: string;
};

export const ordinary: WorldOptions = {
  gateways: 2,
  workers: 1,
  appendonly: 'everysec',
  durability: 'fast',
  proxied: false,
  paired: false,
  redisArgs: [],
  // The campaign runs compiled, beside the program that it breaks.
  main: fileURLToPath(new URL('../../src/main.js', import.meta.url)),
};

/** A Redis whose kill loses nothing, however busy its disk: for what is not about what a kill may lose. */
export const holdsNothingBack = { appendonly: 'always', durability: 'durable' } as const;

export type Member = { readonly process: RoleProcess; readonly client: Client };

export type World = {
  readonly folder: string;
  readonly postgres: Postgres;
  readonly sql: Sql;
  readonly server: RedisServer;
  /** Past all proxies. */
  readonly redis: ReturnType<typeof connectRedis>;
  readonly proxy: Proxy | undefined;
  readonly pair: Pair | undefined;
  readonly environmentId: string;
  /** Those that run, or are thought to. */
  readonly gateways: Member[];
  readonly workers: RoleProcess[];
  /** `main`: of another release. */
  readonly addGateway: (over?: Record<string, string>, main?: string) => Promise<Member>;
  readonly addWorker: (over?: Record<string, string>, main?: string) => Promise<RoleProcess>;
  /** What processes are told; for one that a scenario starts by itself. */
  readonly env: Readonly<Record<string, string>>;
  readonly main: string;
  /** Stopped with the world, what a scenario started beside it. */
  readonly onClose: (step: () => unknown) => void;
  readonly close: () => Promise<void>;
};

const connectionsMax = 6;

export async function openWorld(postgres: Postgres, folder: string, options: WorldOptions): Promise<World> {
  mkdirSync(folder, { recursive: true });
  const undo: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })];
  const close = async () => {
    const failures: unknown[] = [];
    for (const step of undo.splice(0).reverse()) {
      try {
        await step();
      } catch (error) {
        // What is behind it must be stopped all the same.
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  };
  try {
    const { appendonly, redisArgs } = options;
    const server = await startRedis({ dataDir: join(folder, 'redis'), appendonly, extraArgs: redisArgs });
    undo.push(server.stop);
    const pair = options.paired
      ? await openPair(server, { dataDir: join(folder, 'replica'), appendonly, extraArgs: redisArgs })
      : undefined;
    if (pair) undo.push(pair.stop);
    const redisUrl = pair?.url ?? server.url;
    const proxy = options.proxied ? await startProxy(redisUrl) : undefined;
    if (proxy) undo.push(proxy.stop);
    const databaseUrl = await createDatabase(postgres);
    const key = `fb_test_${randomBytes(24).toString('hex')}`;
    const config = configOf({ databaseUrl, redisUrl, key, durability: options.durability });
    await runMigrate(config);
    const sql = openDatabase(databaseUrl, { connectionsMax, name: 'faults' });
    undo.push(() => closeDatabase(sql));
    const redis = connectRedis(redisUrl, () => undefined);
    // This process is busy with the checks of a long run for seconds, and its own questions wait.
    redis.options.commandTimeout = commandTimeoutMs;
    undo.push(() => redis.disconnect());
    const [environment] = await sql<{ id: string }[]>`select id from environments where is_default`;
    if (!environment) throw new Error('there is no environment after migrating');
    const env = {
      DATABASE_URL: databaseUrl,
      REDIS_URL: proxy?.url ?? redisUrl,
      QUEUE_REDIS_URL: redisUrl,
      FAREBOX_BOOTSTRAP_KEY: key,
      FAREBOX_ADMIN_PASSWORD: 'operator',
      FAREBOX_DURABILITY: options.durability,
    };
    const { main } = options;
    const world: World = {
      ...{ folder, postgres, sql, server, redis, proxy, pair, environmentId: environment.id, env, main, close },
      onClose: (step) => undo.push(step),
      gateways: [],
      workers: [],
      addGateway: async (over = {}, release = main) => {
        const process = await startGateway({ folder, env: { ...env, ...over }, main: release });
        undo.push(process.kill);
        const member = { process, client: openClient(process.name, process.url, key) };
        undo.push(member.client.close);
        world.gateways.push(member);
        return member;
      },
      addWorker: async (over = {}, release = main) => {
        // Past the proxy: what the worker sends, the plan of a fault does not mean.
        const process = await startWorker({ folder, env: { ...env, REDIS_URL: redisUrl, ...over }, main: release });
        undo.push(process.kill);
        world.workers.push(process);
        return process;
      },
    };
    // A worker opens the partitions of a new installation; gateways are ready once it has.
    for (let i = 0; i < Math.max(1, options.workers); i += 1) await world.addWorker();
    await Promise.all(Array.from({ length: options.gateways }, () => world.addGateway()));
    return world;
  } catch (error) {
    await close();
    throw error;
  }
}

/** Whether a gateway takes decisions: the one that answers first says so. */
export async function isOpen({ gateways }: World): Promise<boolean> {
  const running = gateways.filter(({ process }) => process.running());
  const ready = await Promise.all(running.map(({ client }) => client.get('/readyz')));
  return ready.length > 0 && ready.every(({ status }) => status === 200);
}

function configOf(given: {
  databaseUrl: string;
  redisUrl: string;
  key: string;
  durability: Config['durability'];
}): Config {
  return {
    host: '127.0.0.1',
    port: 0,
    databaseUrl: given.databaseUrl,
    redisUrl: given.redisUrl,
    queueRedisUrl: given.redisUrl,
    bootstrapKey: given.key,
    adminPassword: 'operator',
    durability: given.durability,
    processes: 1,
    logLevel: 'silent',
  };
}
