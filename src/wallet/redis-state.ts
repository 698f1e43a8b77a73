// What Redis says of itself, once a second: its role, its replicas, how much of its memory is used.
import type { Redis } from 'ioredis';
import { replicaLagMaxSeconds } from '../limits.ts';

export type RedisState = {
  /** It takes no writes then. */
  isReplica: boolean;
  /** Online, and heard of lately. */
  replicas: number;
  /** Of its maxmemory, as Redis counts before it refuses writes; undefined where memory is not limited. */
  memoryShare: number | undefined;
  /** A node of a Redis Cluster: there are others. */
  isOfCluster: boolean;
};

/** Where one URL leads to a node of a cluster. */
export const otherNodesMissing =
  'this Redis is a node of a Redis Cluster: name several of its nodes in REDIS_URL, separated by commas, and a Redis for the queues in QUEUE_REDIS_URL';

export async function readRedisState(redis: Redis): Promise<RedisState> {
  return parseRedisState(await readInfo(redis));
}

/** Of INFO's text: https://redis.io/docs/latest/commands/info/ */
export function parseRedisState(text: string): RedisState {
  const fields = new Map(
    text.split('\r\n').map((line) => {
      const at = line.indexOf(':');
      return [line.slice(0, at), line.slice(at + 1)] as const;
    }),
  );
  const number = (name: string) => Number(fields.get(name) ?? 0);
  const maxmemory = number('maxmemory');
  return {
    isReplica: fields.get('role') === 'slave',
    replicas: [...fields].filter(([name, value]) => /^slave\d+$/.test(name) && isAlive(value)).length,
    isOfCluster: fields.get('cluster_enabled') === '1',
    memoryShare: maxmemory > 0 ? (number('used_memory') - number('mem_not_counted_for_evict')) / maxmemory : undefined,
  };
}

/** `ip=…,port=…,state=online,offset=…,lag=0`; a frozen replica stays online for a minute, with a growing lag. */
function isAlive(replica: string): boolean {
  const lag = /(?:^|,)lag=(\d+)/.exec(replica);
  return /(?:^|,)state=online(?:,|$)/.test(replica) && lag !== null && Number(lag[1]) <= replicaLagMaxSeconds;
}

async function readInfo(redis: Redis): Promise<string> {
  try {
    return await redis.info('memory', 'replication', 'cluster');
  } catch (error) {
    // Forbidden, as CONFIG may be: then nothing is known.
    if (error instanceof Error && error.name === 'ReplyError') return '';
    throw error;
  }
}
