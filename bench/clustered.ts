// A second Farebox beside the first: its wallets in a Redis Cluster, its queues in the first one's Redis, a database of its own.
import { join } from 'node:path';
import { startRedisCluster } from '../scripts/stores/redis-cluster.ts';
import { waitUntil } from '../scripts/stores/process.ts';
import { partitionsCount } from '../src/limits.ts';
import { runMigrate } from '../src/run/migrate.ts';
import { outboxKey } from '../src/wallet/keys.ts';
import { connectNodes } from '../src/wallet/nodes.ts';
import type { Redis, Servers } from './servers.ts';
import { prepare, type World } from './world.ts';

export type Clustered = {
  url: string;
  key: string;
  gatewayPid: number;
  /** Of each node. */
  redises: () => Redis[];
  /** Let its worker carry everything to Postgres, then freeze it again. */
  emptyOutboxes: () => Promise<void>;
  stop: () => Promise<void>;
};

const database = 'farebox_cluster';
const startBoundMs = 60_000;
const drainBoundMs = 600_000;

/** With the customers of a world; its worker is frozen then. */
export async function startClustered(servers: Servers, primaries: number, world: World): Promise<Clustered> {
  const cluster = await startRedisCluster(primaries, {
    dataDir: join(servers.folder, database),
    appendonly: 'everysec',
  });
  const undo: (() => unknown)[] = [cluster.stop];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    await servers.sql.unsafe(`create database ${database}`);
    undo.push(() => servers.sql.unsafe(`drop database ${database} with (force)`));
    const databaseUrl = servers.env.DATABASE_URL.replace(/[^/]*$/, database);
    const key = servers.env.FAREBOX_BOOTSTRAP_KEY;
    await runMigrate({ databaseUrl, bootstrapKey: key });
    const env = { DATABASE_URL: databaseUrl, REDIS_URL: cluster.url, QUEUE_REDIS_URL: `${servers.env.REDIS_URL}/1` };
    const worker = await servers.start('cluster-worker', ['dist/src/main.js', 'worker'], env);
    undo.push(async () => {
      process.kill(worker.pid, 'SIGCONT');
      await worker.stop();
    });
    const gateway = await servers.start('cluster-gateway', ['dist/src/main.js', 'gateway'], env);
    undo.push(gateway.stop);
    const isUp = () =>
      fetch(`${gateway.url}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      );
    if (!(await waitUntil(isUp, startBoundMs, 100)))
      throw new Error(`it did not get ready:\n${gateway.tell()}\n${worker.tell()}`);
    const nodes = connectNodes(cluster.url, { onError: () => undefined });
    undo.push(nodes.disconnect);
    await nodes.waitUntilReady(startBoundMs);
    const isDrained = async () => {
      const all = Array.from({ length: partitionsCount }, (_, partition) => partition);
      const left = await Promise.all(all.map((partition) => nodes.of(partition).redis.xlen(outboxKey(partition, 1))));
      return left.every((count) => count === 0);
    };
    const emptyOutboxes = async () => {
      process.kill(worker.pid, 'SIGCONT');
      if (!(await waitUntil(isDrained, drainBoundMs, 200)))
        throw new Error(`its worker does not carry on:\n${worker.tell()}`);
      process.kill(worker.pid, 'SIGSTOP');
    };
    await prepare(world, gateway.url, key);
    await emptyOutboxes();
    const redises = () => nodes.all().map(({ redis }) => redis);
    return { url: gateway.url, key, gatewayPid: gateway.pid, redises, emptyOutboxes, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
