// Whether every partition takes decisions: fences, Redis's clock, what Redis keeps and has room for. Looked at every second, not per request.
import { clockSkewMaxMs, partitionsCount } from '../limits.ts';
import {
  durabilityProblems,
  readDurability,
  withReplicas,
  type DurabilityClass,
  type RequiredClass,
} from './durability.ts';
import { fenceKey } from './keys.ts';
import { readRedisState } from './redis-state.ts';
import type { Store } from './store.ts';

export type Health = {
  ready: boolean;
  /** Partitions whose fence is this epoch's. */
  partitionsOpen: number;
  durability: DurabilityClass;
  /** Online, and heard of lately. */
  replicas: number;
  /** How much of its maxmemory Redis uses; undefined where that is not limited. */
  memoryShare: number | undefined;
  clockOffsetMs: number;
  /** What is wrong and what would fix it. */
  problems: string[];
};

export const unknownHealth: Health = {
  ready: false,
  partitionsOpen: 0,
  durability: 'none',
  replicas: 0,
  memoryShare: undefined,
  clockOffsetMs: 0,
  problems: ['Redis has not answered yet'],
};

export async function readHealth(store: Store, required: RequiredClass): Promise<Health> {
  await store.clock.sample();
  const { isReplica, replicas, memoryShare } = await readRedisState(store.redis);
  const durability = withReplicas(await readDurability(store.redis), replicas, required);
  const problems = durabilityProblems(durability, required);
  if (isReplica) problems.push('this Redis is a replica and takes no writes: point REDIS_URL at the primary');
  const clockOffsetMs = store.clock.offsetMs();
  if (Math.abs(clockOffsetMs) > clockSkewMaxMs) {
    problems.push(`Redis's clock and ours differ by ${clockOffsetMs} ms: synchronise them`);
  }
  // One by one rather than MGET: in a cluster they live on different nodes. ioredis sends them in one go.
  const fences = await Promise.all(
    Array.from({ length: partitionsCount }, (_, partition) => store.redis.get(fenceKey(partition))),
  );
  const partitionsOpen = fences.filter(
    (fence, partition) => fence === store.fences[partition] && !store.unverified.has(partition),
  ).length;
  if (partitionsOpen < partitionsCount) {
    problems.push(
      `${partitionsCount - partitionsOpen} of ${partitionsCount} partitions do not take decisions: Redis was restarted, replaced or ` +
        'flushed, or has the data of another installation; a worker recovers them: see that one runs, and what it logs',
    );
  }
  return {
    ready: problems.length === 0,
    partitionsOpen,
    durability: durability.class,
    replicas,
    memoryShare,
    clockOffsetMs,
    problems,
  };
}
