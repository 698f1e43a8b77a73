// Recover: what Redis may have lost is brought back from the ledger, by itself.
//
// A partition is sick when its fence is missing, closed or of another epoch, or when this run of Redis is not the one that
// the ledger has for its epoch: Redis was restarted, failed over, flushed or put back. Every script refuses there already
// (`fenced`, `unverified`), so time is all that recovery costs. One process at a time, by a lock in Postgres:
//
//   1  Redis     the fence is closed, under a mark of this recovery's own
//   2  Postgres  what the outboxes of the old epoch still hold is drained to its end
//   3  Postgres  the old epoch is sealed there, and the next one begun, in one transaction
//   4  Redis     clock and fence of the next epoch are written, and what catalogs have come to; it is open
//   5  Redis     in the background, the append-only file is written anew: it may have ended inside a script (rewrite-aof.ts)
//
// A crash between any two steps is made good by starting over: nothing can be decided before step 4, and an epoch that
// nobody used is sealed empty. What a process sent before it died may arrive when another has gone on: so step 1 takes
// only the fence that was read, and step 4 only the one that this very recovery closed. Else a late step 4 could open an
// epoch that another is about to seal, and a gateway that has read of it would say yes to what no ledger takes.
//
// Wallets are not touched here: each carries the epoch that it was verified in, and is compared with the ledger when it is
// next used (src/wallet/hydrate.ts). A fence of another installation is never overwritten: that Redis is somebody else's,
// or this Postgres is. Nor is a primary taken back that another one has replaced and that still serves: two workers, each
// connected to one of the two, would seal each other's epochs for ever.
import { randomUUID } from 'node:crypto';
import { readCatalogVersions } from '../db/catalog.ts';
import { beginNextEpochs, partitionsThatLeft, readEpochs } from '../db/epochs.ts';
import { withPartitionsLocked } from '../db/installation.ts';
import type { Sql } from '../db/connect.ts';
import { lanesCount } from '../limits.ts';
import { laneOf } from '../outbox/queues.ts';
import { isOurFence, type OutboxRedis } from '../outbox/read.ts';
import type { EpochRow } from '../wallet/fences.ts';
import { catalogKey, clockKey, fenceKey, outboxKey } from '../wallet/keys.ts';
import type { Drained } from './drain.ts';
import { readIdentity, type Identity } from './identity.ts';
import { rewriteAppendOnlyFile } from './rewrite-aof.ts';

export type RecoverStep = 'closed' | 'drained' | 'begun' | 'opened';

export type RecoverOptions = {
  sql: Sql;
  redis: OutboxRedis;
  installation: string;
  /** Whether a partition is in this Redis, which may be one of several; default: all are. */
  isHere?: (partition: number) => boolean;
  /** The epochs, where they have just been read. */
  epochs?: EpochRow[];
  /** Drains a lane to its end, closed fences included. */
  drainLane: (lane: number) => Promise<Drained>;
  /** What Redis promises about its writes now. */
  readDurability: () => Promise<string>;
  onWarning: (message: string, fields: Record<string, unknown>) => void;
  /** Called after each step, for tests that break off between any two. */
  reached?: (step: RecoverStep) => void;
};

export type Recovered =
  | { status: 'healthy' }
  | { status: 'recovered'; partitions: number; tookMs: number }
  /** Another installation's data are there: nothing was touched. */
  | { status: 'foreign'; partitions: number; fence: string }
  /** The wallets have gone on to another Redis, and this one has not been restarted or promoted since: nothing was touched. */
  | { status: 'replaced'; partitions: number };

type Sick = EpochRow & { fence: string | null };

// A drain that found its lane taken waits and looks again; its holder is another worker that still drains it.
const drainAttemptsMax = 5;

export async function recover(options: RecoverOptions): Promise<Recovered> {
  const { sql, redis, installation, isHere = () => true } = options;
  const ofHere = (rows: EpochRow[]) => rows.filter(({ partition }) => isHere(partition));
  const known = ofHere(options.epochs ?? (await readEpochs(sql)));
  if (sickOf(installation, known, await lookAtRedis(redis, known)).length === 0) return { status: 'healthy' };
  return withPartitionsLocked(sql, async () => {
    const startedMs = performance.now();
    // Whoever had the lock before may have done it. Redis first: where this process stands still between the two, the
    // ledger is ahead of the fence that was seen, and that one stands no more. The other way round the fence of
    // whoever went on meanwhile would pass for one of an epoch that is sealed, and what stands behind it would be thrown away.
    const seen = await lookAtRedis(redis, known);
    const sick = sickOf(installation, ofHere(await readEpochs(sql)), seen);
    const foreign = sick.filter(({ fence }) => fence !== null && !fence.includes(installation));
    if (foreign[0]?.fence) return { status: 'foreign', partitions: foreign.length, fence: foreign[0].fence };
    if (sick.length === 0) return { status: 'healthy' };
    const identity = await readIdentity(redis);
    const replaced = await findReplaced(options, sick, identity);
    if (replaced.length > 0) return { status: 'replaced', partitions: replaced.length };
    const mark = `closed:${randomUUID()}`;
    await Promise.all(sick.map((row) => closeFence(options, row, mark)));
    options.reached?.('closed');
    await drainOldEpochs(options, sick);
    options.reached?.('drained');
    await beginAndOpen(options, sick, { identity, mark });
    const tookMs = Math.round(performance.now() - startedMs);
    // Only a run that is new to the ledger may have loaded a torn file.
    if (sick.some(({ runId }) => runId !== identity.runId)) {
      await rewriteAppendOnlyFile(redis).catch((error: Error) =>
        options.onWarning('the append-only file was not rewritten', { error }),
      );
    }
    return { status: 'recovered', partitions: sick.length, tookMs };
  });
}

/** `fences`: by partition. */
type Seen = { runId: string; fences: Map<number, string | null> };

async function lookAtRedis(redis: OutboxRedis, rows: readonly EpochRow[]): Promise<Seen> {
  const [{ runId }, fences] = await Promise.all([
    readIdentity(redis),
    Promise.all(rows.map(({ partition }) => redis.call('GET', [fenceKey(partition)]) as Promise<string | null>)),
  ]);
  return { runId, fences: new Map(rows.map(({ partition }, i) => [partition, fences[i] ?? null])) };
}

/** Only partitions that were opened once: the others are a first start's matter (open-partitions.ts). */
function sickOf(installation: string, epochs: readonly EpochRow[], seen: Seen): Sick[] {
  return epochs
    .filter(({ runId, partition }) => runId !== undefined && seen.fences.has(partition))
    .map((row) => ({ ...row, fence: seen.fences.get(row.partition) ?? null }))
    .filter((row) => row.runId !== seen.runId || row.fence !== `${installation}:${row.epoch}`);
}

/** A run that was sealed does not come back: its data are older than the ledger, whoever is connected to it still. */
async function findReplaced({ sql, installation }: RecoverOptions, sick: Sick[], { runId }: Identity): Promise<Sick[]> {
  const left = new Set(await partitionsThatLeft(sql, runId));
  return sick.filter(
    ({ partition, epoch, fence, ...row }) =>
      row.runId !== runId && left.has(partition) && !isOurFence(fence, installation, epoch),
  );
}

// A stream of an epoch that was sealed before goes with its fence.
const closeScript = `#!lua flags=allow-oom
local fence = redis.call('GET', KEYS[1]) or ''
if fence ~= ARGV[1] then return fence end
redis.call('SET', KEYS[1], ARGV[2])
if KEYS[2] then redis.call('DEL', KEYS[2]) end
return ARGV[2]`;

async function closeFence({ redis, installation }: RecoverOptions, sick: Sick, mark: string): Promise<void> {
  const { partition, epoch, fence } = sick;
  const closed = closedFence(mark, installation, epoch);
  const isOld = fence !== null && !isOurFence(fence, installation, epoch);
  const keys = [fenceKey(partition), ...(isOld ? [outboxKey(partition, Number(fence.split(':').at(-1)))] : [])];
  const standing = await redis.call('EVAL', [closeScript, keys.length, ...keys, fence ?? '', closed]);
  if (standing !== closed) throw new Error(`somebody else has seen to partition ${partition}: ${String(standing)}`);
}

/** What the fence is after step 1. */
function closedFence(mark: string, installation: string, epoch: number): string {
  return `${mark}:${installation}:${epoch}`;
}

/** Where the fence is gone, or of an epoch that was sealed before, there is nothing that the ledger could take. */
async function drainOldEpochs({ drainLane, installation, onWarning }: RecoverOptions, sick: Sick[]): Promise<void> {
  const ours = sick.filter(({ fence, epoch }) => isOurFence(fence, installation, epoch));
  const lanes = [...new Set(ours.map(({ partition }) => laneOf(partition, lanesCount)))];
  await Promise.all(
    lanes.map(async (lane) => {
      for (let attempt = 1; attempt <= drainAttemptsMax; attempt += 1) {
        if ((await drainLane(lane)).status === 'drained') return;
        onWarning('the lane is being drained by somebody else; waiting for it', { lane, attempt });
      }
      throw new Error(`lane ${lane} could not be drained: somebody else holds it`);
    }),
  );
}

// The old epoch's stream has been drained and sealed. There must be two writes in it at least: its EXEC ends a MULTI that a torn
// append-only file was left with (rewrite-aof.ts).
const openScript = `#!lua flags=allow-oom
local fence = redis.call('GET', KEYS[1]) or ''
if fence ~= ARGV[1] then return fence end
local clock = redis.call('GET', KEYS[2])
local clock_ms = tonumber(ARGV[4])
if clock then
  local _, stood_ms = struct.unpack('>ddd', clock)
  clock_ms = math.max(clock_ms, stood_ms)
end
redis.call('SET', KEYS[2], struct.pack('>ddd', tonumber(ARGV[3]), clock_ms, tonumber(ARGV[5])))
redis.call('DEL', KEYS[4], KEYS[5])
for i = 6, #ARGV, 2 do
  local standing = redis.call('HGET', KEYS[3], ARGV[i])
  if not standing or tonumber(standing) < tonumber(ARGV[i + 1]) then redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1]) end
end
redis.call('SET', KEYS[1], ARGV[2])
return ARGV[2]`;

async function beginAndOpen(
  options: RecoverOptions,
  sick: Sick[],
  { identity, mark }: { identity: Identity; mark: string },
): Promise<void> {
  const { sql, redis, installation, reached } = options;
  const durability = await options.readDurability();
  const begun = await beginNextEpochs(sql, sick, { ...identity, durability });
  // The lock goes to another when its holder stands still: what that one has begun is in use, and must not be sealed.
  if (!begun) throw new Error('another process has recovered meanwhile');
  reached?.('begun');
  // Read behind closed fences: what is published from here on is raised once they are open.
  const catalogs = (await readCatalogVersions(sql)).flatMap((one) => [one.environmentId, one.catalogVersion]);
  await Promise.all(
    begun.map(async ({ partition, epoch, seq, clockMs }) => {
      const open = `${installation}:${epoch}`;
      // Streams that end here: the sealed one; the next one, if an older Redis had come so far.
      const streams = [epoch - 1, epoch].map((of) => outboxKey(partition, of));
      const keys = [fenceKey(partition), clockKey(partition), catalogKey(partition), ...streams];
      const values = [closedFence(mark, installation, epoch - 1), open, seq, clockMs, epoch, ...catalogs];
      const standing = await redis.call('EVAL', [openScript, keys.length, ...keys, ...values]);
      if (standing !== open)
        throw new Error(`partition ${partition} was closed, and is not any more: ${String(standing)}`);
    }),
  );
  reached?.('opened');
}
