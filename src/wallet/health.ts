// Whether every partition takes decisions: fences, Redis's clock, what Redis keeps and has room for. Looked at every second, not per request.
import { clockSkewMaxMs, partitionsCount } from '../limits.ts';
import {
  durabilityProblems,
  lowerClass,
  readDurability,
  withReplicas,
  type DurabilityClass,
  type RequiredClass,
} from './durability.ts';
import { fenceKey } from './keys.ts';
import type { Node } from './nodes.ts';
import { otherNodesMissing, readRedisState } from './redis-state.ts';
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
  const nodes = store.nodes.all();
  // In a cluster that nobody could look at.
  if (nodes.length === 0)
    return { ...unknownHealth, problems: ['no node of the Redis Cluster answers: see REDIS_URL'] };
  const looks = await Promise.all(nodes.map((node) => lookAtNode(node, required).catch((error: Error) => error)));
  if (looks.every((look) => look instanceof Error)) throw looks[0]!;
  const problems = new Set(looks.flatMap((look, i) => (look instanceof Error ? away(nodes[i]!, look) : look.problems)));
  // One by one rather than MGET, which takes keys of one slot only in a cluster. ioredis sends them in one go.
  const fences = await Promise.all(
    Array.from({ length: partitionsCount }, (_, partition) =>
      store.nodes
        .of(partition)
        .redis.get(fenceKey(partition))
        .catch(() => undefined),
    ),
  );
  const partitionsOpen = fences.filter(
    (fence, partition) => fence === store.fences[partition] && !store.unverified.has(partition),
  ).length;
  if (partitionsOpen < partitionsCount) {
    problems.add(
      `${partitionsCount - partitionsOpen} of ${partitionsCount} partitions do not take decisions: Redis was restarted, replaced or ` +
        'flushed, or has the data of another installation; a worker recovers them: see that one runs, and what it logs',
    );
  }
  return {
    ready: problems.size === 0,
    partitionsOpen,
    ...weakest(looks.flatMap((look) => (look instanceof Error ? [] : [look]))),
    problems: [...problems],
  };
}

type NodeLook = Pick<Health, 'durability' | 'replicas' | 'memoryShare' | 'clockOffsetMs' | 'problems'>;

async function lookAtNode({ redis, clock, isOfCluster }: Node, required: RequiredClass): Promise<NodeLook> {
  await clock.sample();
  const state = await readRedisState(redis);
  const { isReplica, replicas, memoryShare } = state;
  const durability = withReplicas(await readDurability(redis), replicas, required);
  const problems = durabilityProblems(durability, required);
  if (isReplica) problems.push('this Redis is a replica and takes no writes: point REDIS_URL at the primary');
  if (state.isOfCluster && !isOfCluster) problems.push(otherNodesMissing);
  const clockOffsetMs = clock.offsetMs();
  if (Math.abs(clockOffsetMs) > clockSkewMaxMs) {
    problems.push(`Redis's clock and ours differ by ${clockOffsetMs} ms: synchronise them`);
  }
  return { durability: durability.class, replicas, memoryShare, clockOffsetMs, problems };
}

/** One of a cluster: the others' wallets are decided on. */
function away({ redis: { options } }: Node, error: Error): string {
  return `Redis does not answer at ${options.host}:${options.port}: ${error.message}`;
}

/** A cluster is as good as the worst of its nodes. */
function weakest(looks: readonly NodeLook[]): Omit<NodeLook, 'problems'> {
  const shares = looks.map(({ memoryShare }) => memoryShare).filter((share) => share !== undefined);
  const offsets = looks.map(({ clockOffsetMs }) => clockOffsetMs);
  return {
    durability: looks.map(({ durability }) => durability).reduce(lowerClass),
    replicas: Math.min(...looks.map(({ replicas }) => replicas)),
    memoryShare: shares.length > 0 ? Math.max(...shares) : undefined,
    clockOffsetMs: offsets.reduce((most, offset) => (Math.abs(offset) > Math.abs(most) ? offset : most)),
  };
}
