// The Redis that holds the partitions: a single one, or the primaries of a cluster (cluster.ts).
//
// Each node has a connection and a clock of its own; all of a partition's keys are on one node.
import type { Redis } from 'ioredis';
import { redisClock, type RedisClock } from './clock.ts';
import { openCluster } from './cluster.ts';
import { connectRedis, waitUntilReady } from './redis.ts';

export type Node = {
  readonly redis: Redis;
  readonly clock: RedisClock;
  /** A command may touch one slot only, which is one partition. */
  readonly isOfCluster: boolean;
};

export type Nodes = {
  /** Whose the partition is. In a cluster that has not been looked at, a node that refuses it. */
  of: (partition: number) => Node;
  /** Whose a key is that belongs to no partition. */
  ofKey: (key: string) => Redis;
  /** Those that have partitions, each once. */
  all: () => Node[];
  /** Looks where the partitions are; call every second, and after a refusal. Keeps what it knew where nobody answers. */
  refresh: () => Promise<void>;
  /** A connection was made, or made again: perhaps to another Redis. */
  onReady: (listener: () => void) => void;
  /** Resolves when every partition's node takes commands, or after `timeoutMs`; says which. */
  waitUntilReady: (timeoutMs: number) => Promise<boolean>;
  disconnect: () => void;
};

export type NodesOptions = {
  onError: (error: Error) => void;
  /** Called with each connection before anything is sent over it. */
  onConnection?: (redis: Redis) => void;
};

/** `urls`: one Redis; or, separated by commas, nodes of a Redis Cluster, of which one that answers is enough. */
export function connectNodes(urls: string, options: NodesOptions): Nodes {
  const list = urls.split(',').map((url) => url.trim());
  if (list.length > 1) return openCluster(list, options);
  const redis = connectRedis(list[0]!, options.onError);
  options.onConnection?.(redis);
  return oneNode(redis);
}

export function oneNode(redis: Redis): Nodes {
  const node = { redis, clock: redisClock(redis), isOfCluster: false };
  return {
    of: () => node,
    ofKey: () => redis,
    all: () => [node],
    refresh: async () => {},
    onReady: (listener) => void redis.on('ready', listener),
    waitUntilReady: (timeoutMs) => waitUntilReady(redis, timeoutMs),
    disconnect: () => redis.disconnect(),
  };
}

/** What the slowest of the nodes' clocks shows, for what concerns all of them. */
export function leastNowMs(nodes: Nodes): number {
  const [first = nodes.of(0), ...others] = nodes.all();
  return others.reduce((least, { clock }) => Math.min(least, clock.nowMs()), first.clock.nowMs());
}

/** Looks at every node's clock. */
export async function sampleClocks(nodes: Nodes): Promise<void> {
  await onEachNode(nodes, ({ clock }) => clock.sample());
}

/** On all nodes at once. Where one fails, this does, when the others are done. */
export async function onEachNode(nodes: Nodes, work: (node: Node) => Promise<unknown>): Promise<void> {
  await allDone(nodes.all().map(work));
}

/** Waits for all of them, and fails where one has failed. */
export async function allDone(works: readonly Promise<unknown>[]): Promise<void> {
  const done = await Promise.allSettled(works);
  const failed = done.find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
}
