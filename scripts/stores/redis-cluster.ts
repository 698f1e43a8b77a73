// A Redis Cluster of primaries on this machine, for tests and benchmarks: each has an equal share of the slots.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { advice } from './advice.ts';
import { freePort, waitUntil } from './process.ts';
import { startRedis, type RedisOptions, type RedisServer } from './redis.ts';

export type RedisCluster = {
  readonly nodes: readonly RedisServer[];
  /** All of them, as REDIS_URL takes them. */
  readonly url: string;
  /** Moves a slot with all that it holds, as `redis-cli --cluster reshard` does. */
  readonly moveSlot: (slot: number, from: number, to: number, between?: () => Promise<void>) => Promise<void>;
  readonly stop: () => Promise<void>;
};

const slotsCount = 16_384;
const formedBoundMs = 20_000;
/** So that a test need not wait long until the others take a node for dead. */
const nodeTimeoutMs = 2_000;
const migrateMs = 5_000;
const keysAtOnce = 100;

export async function startRedisCluster(
  primaries: number,
  options: Omit<RedisOptions, 'port' | 'password'>,
): Promise<RedisCluster> {
  // One for all: whoever knows one node's URL reaches the others with it.
  const password = randomBytes(18).toString('base64url');
  const places = await Promise.all(
    Array.from({ length: primaries }, async (_, no) => {
      const busPort = await freePort();
      const node = await startRedis({
        ...options,
        dataDir: join(options.dataDir, `node-${no}`),
        password,
        extraArgs: [
          ...(options.extraArgs ?? []),
          ...['--cluster-enabled', 'yes', '--cluster-port', String(busPort)],
          ...['--cluster-node-timeout', String(nodeTimeoutMs)],
          // What the others have can be decided on while one is away.
          ...['--cluster-require-full-coverage', 'no'],
        ],
      });
      return { node, busPort };
    }),
  );
  const nodes = places.map(({ node }) => node);
  const stop = async () => void (await Promise.all(nodes.map((node) => node.stop())));
  try {
    await onNodes(nodes, async (clients) => {
      for (const [no, client] of clients.entries()) {
        const [from, to] = [no, no + 1].map((edge) => Math.floor((edge * slotsCount) / primaries));
        await client.call('CLUSTER', 'ADDSLOTSRANGE', from!, to! - 1);
        await client.call('CLUSTER', 'SET-CONFIG-EPOCH', no + 1);
      }
      for (const { node, busPort } of places.slice(1)) {
        await clients[0]!.call('CLUSTER', 'MEET', '127.0.0.1', node.port, busPort);
      }
      const isFormed = async () =>
        (await Promise.all(clients.map((client) => knows(client, primaries)))).every(Boolean);
      if (!(await waitUntil(isFormed, formedBoundMs, 50))) throw advice('the Redis Cluster did not form');
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    nodes,
    url: nodes.map(({ url }) => url).join(','),
    moveSlot: (slot, from, to, between = async () => {}) =>
      onNodes(nodes, (clients) => moveSlot({ clients, nodes, password }, { slot, from, to, between })),
    stop,
  };
}

async function onNodes(nodes: readonly RedisServer[], work: (clients: Redis[]) => Promise<void>): Promise<void> {
  const clients = nodes.map(({ url }) => new Redis(url, { protocol: 2 }));
  try {
    await work(clients);
  } finally {
    for (const client of clients) client.disconnect();
  }
}

async function knows(client: Redis, primaries: number): Promise<boolean> {
  const info = String(await client.call('CLUSTER', 'INFO'));
  return info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${primaries}\r`);
}

async function moveSlot(
  { clients, nodes, password }: { clients: Redis[]; nodes: readonly RedisServer[]; password: string },
  { slot, from, to, between }: { slot: number; from: number; to: number; between: () => Promise<void> },
): Promise<void> {
  const [source, target] = [clients[from]!, clients[to]!];
  const [sourceId, targetId] = await Promise.all(
    [source, target].map(async (one) => String(await one.call('CLUSTER', 'MYID'))),
  );
  await target.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', sourceId!);
  await source.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', targetId!);
  await between();
  for (;;) {
    const keys = (await source.call('CLUSTER', 'GETKEYSINSLOT', slot, keysAtOnce)) as string[];
    if (keys.length === 0) break;
    await source.call('MIGRATE', '127.0.0.1', nodes[to]!.port, '', 0, migrateMs, 'AUTH', password, 'KEYS', ...keys);
  }
  // The new owner first, so that the slot is never nobody's.
  for (const client of [target, source, ...clients]) await client.call('CLUSTER', 'SETSLOT', slot, 'NODE', targetId!);
}
