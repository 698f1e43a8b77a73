// The first start: opens partitions that never held anything, so that scripts may write into them.
//
// A crash between any two steps must neither block the next start nor let a later loss pass for a first start:
//   1  Redis     the fence, `closed:<installation>:<epoch>`, where there is none, and the clock with it
//   2  Postgres  the partition is marked opened
//   3  Redis     the fence becomes `<installation>:<epoch>`, only where it is that very closed one
// Nothing can be written before step 3, so up to then starting over loses nothing. From step 2 on, a fence that is missing
// or another's means that Redis lost writes or is not ours: it is reported and left as it is, for recovery. One that is
// still closed is a first start that broke off, and is opened.
import {
  installationOf,
  markOpened,
  readPartitions,
  withPartitionsLocked,
  type PartitionRow,
} from '../db/installation.ts';
import type { Sql } from '../db/connect.ts';
import type { OutboxRedis } from '../outbox/read.ts';
import { readIdentity } from './identity.ts';
import { clockKey, deadlinesKey, fenceKey, outboxKey } from '../wallet/keys.ts';

export type OpenOptions = {
  sql: Sql;
  redis: OutboxRedis;
  /** Whether a partition is in this Redis, which may be one of several; default: all are. */
  isHere?: (partition: number) => boolean;
  onWarning: (message: string, fields: Record<string, unknown>) => void;
  /** Called after each step, for tests that break off between any two. */
  reached?: (step: 'closed' | 'marked' | 'opened') => void;
};

/** `lost`: neither open nor can be opened: they take no decisions until recovery has seen to them. */
export type Opened = { installation: string; epochs: number[]; lost: { partition: number; fence: string | null }[] };

// Closes the fence and sets the clock where nothing is; returns the fence that stands. Leftovers without a fence belong to
// somebody: they are not built upon.
const closeScript = `
local fence = redis.call('GET', KEYS[1])
if fence then return fence end
if redis.call('EXISTS', KEYS[3], KEYS[4]) > 0 then return 'leftovers without a fence' end
redis.call('SET', KEYS[2], struct.pack('>ddd', 0, tonumber(ARGV[2]), tonumber(ARGV[3])))
redis.call('SET', KEYS[1], ARGV[1])
return ARGV[1]`;

// Opens a fence that is closed; returns the fence that stands.
const openScript = `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2]) end
return redis.call('GET', KEYS[1])`;

/** Opens what can be opened; safe to call at every start, and from several workers at once. */
export async function openPartitions(options: OpenOptions): Promise<Opened> {
  const { sql, onWarning, isHere = () => true } = options;
  const read = async () => (await readPartitions(sql)).filter(({ partition }) => isHere(partition));
  const installation = await installationOf(sql);
  return withPartitionsLocked(sql, async () => {
    const rows = await read();
    await openNew(
      options,
      installation,
      rows.filter(({ openedAtMs }) => openedAtMs === undefined),
    );
    const epochs = rows.map(({ epoch }) => epoch);
    const marked = (await read()).filter(({ openedAtMs }) => openedAtMs !== undefined);
    const fences = await Promise.all(marked.map((row) => openFence(options.redis, installation, row)));
    options.reached?.('opened');
    const standing = new Map(marked.map(({ partition }, i) => [partition, fences[i] ?? null]));
    const lost = rows.flatMap(({ partition, epoch }) => {
      const fence = standing.get(partition);
      return fence === openOf(installation, epoch) ? [] : [{ partition, fence: fence ?? null }];
    });
    if (lost.length > 0) {
      onWarning('Redis has lost partitions, or they are not ours: they take no decisions until they are recovered', {
        partitions: lost.length,
        first: lost[0],
      });
    }
    return { installation, epochs, lost };
  });
}

async function openNew(
  { sql, redis, reached }: OpenOptions,
  installation: string,
  rows: PartitionRow[],
): Promise<void> {
  if (rows.length === 0) return;
  const fences = await Promise.all(rows.map((row) => closeFence(redis, installation, row)));
  reached?.('closed');
  const ready = rows.filter(({ epoch }, i) => fences[i] === closedOf(installation, epoch));
  await markOpened(
    sql,
    ready.map(({ partition }) => partition),
    await readIdentity(redis),
  );
  reached?.('marked');
}

async function closeFence(redis: OutboxRedis, installation: string, row: PartitionRow): Promise<unknown> {
  const { partition, epoch, clockMs } = row;
  const keys = [fenceKey(partition), clockKey(partition), outboxKey(partition, epoch), deadlinesKey(partition)];
  return redis.call('EVAL', [closeScript, keys.length, ...keys, closedOf(installation, epoch), clockMs, epoch]);
}

async function openFence(
  redis: OutboxRedis,
  installation: string,
  { partition, epoch }: PartitionRow,
): Promise<string | null> {
  const values = [closedOf(installation, epoch), openOf(installation, epoch)];
  return (await redis.call('EVAL', [openScript, 1, fenceKey(partition), ...values])) as string | null;
}

function openOf(installation: string, epoch: number): string {
  return `${installation}:${epoch}`;
}

function closedOf(installation: string, epoch: number): string {
  return `closed:${installation}:${epoch}`;
}
