// Drain a lane: carry what its outboxes hold into the ledger.
//
// One round: XREAD over the lane's streams from the checkpoints, one Postgres transaction (src/db/append.ts), then XTRIM
// up to where the checkpoints are now. Where more is there than one round takes, the next one is read and decoded while
// Postgres works; should the round fail, what was read ahead is dropped.
//
// A drain ends with all that was there when it began. What came meanwhile has a drain of its own to come, which
// takes it together with what follows: to go on at once would write ever smaller batches, and each costs Postgres and
// us some milliseconds before its first entry.
//
// Two drains of one lane do no harm: the second waits for the first one's transaction, finds the checkpoints moved, and
// goes on from there. It waits rather than gives up because it was sent for entries that the first may have missed.
//
// A stream counts only while its partition's fence is ours. A crash anywhere repeats a round or resumes after it: the
// checkpoints move in the transaction that writes the entries, and a stream is cut only behind them.
import { appendEntries, type Appended, type AppendStep, type Reading } from '../db/append.ts';
import type { Sql } from '../db/connect.ts';
import { readPositions } from '../db/installation.ts';
import type { BadEntry } from '../outbox/flaw.ts';
import { partitionsOfLane } from '../outbox/queues.ts';
import { readCrossing } from '../wallet/packed.ts';
import { trimOutboxes, type OutboxRedis } from '../outbox/read.ts';
import { freezeWallets, type FreezeOptions } from './freeze-quarantined.ts';
import { laneReader, readRound } from './lane-reader.ts';

export type DrainStep = 'read' | AppendStep | 'committed' | 'trimmed' | 'frozen';

export type DrainOptions = FreezeOptions & {
  sql: Sql;
  redis: OutboxRedis;
  /** The installation's id: streams behind another one's fence are left alone. */
  installation: string;
  lane: number;
  lanesCount: number;
  /** Whether a partition is in this Redis, which may be one of several; default: all are. */
  isHere?: (partition: number) => boolean;
  /** A command may touch one partition's keys only. */
  isOfCluster?: boolean;
  onBatch: (batch: { lane: number; written: number; tookMs: number }) => void;
  /** The ledger has an account's fall below the bound of its automatic top-up. */
  onCrossed?: () => void;
  /** The alarm: what the ledger did not take. */
  onQuarantined: (entries: BadEntry[]) => void;
  /** Partitions whose fence is missing or another's: writes were lost, or this is not our Redis. */
  onForeignFence: (partitions: number[]) => void;
  /**
   * Transactions wait in it; default: they don't. Around the whole of one: when its connection breaks, it ends, and what was
   * asked within it may never be answered.
   */
  inLine?: (transaction: () => Promise<Appended>) => Promise<Appended>;
  /** Called after each step, for tests that end a drain between any two. */
  reached?: (step: DrainStep) => void;
};

/** `busy`: somebody else has had the lane for long, and gets to finish it. */
export type Drained = { status: 'drained' | 'busy'; written: number; quarantined: number };

export async function drainLane(options: DrainOptions): Promise<Drained> {
  const { sql, redis, isHere = () => true, inLine = (transaction) => transaction(), reached = () => {} } = options;
  const partitions = partitionsOfLane(options.lane, options.lanesCount).filter(isHere);
  const drained: Drained = { status: 'drained', written: 0, quarantined: 0 };
  let reader = laneReader(await readPositions(sql, partitions));
  let round = await readRound(reader, redis, options);
  while (round) {
    reached('read');
    const current = round;
    let startedMs = 0;
    const appending = inLine(() => {
      startedMs = performance.now();
      return appendEntries(sql, current, reached);
    });
    const next = reader.hasMore ? readRound(reader, redis, options) : Promise.resolve(undefined);
    // Its failure is looked at when it is used; until then it must not count as unheard.
    next.catch(() => {});
    const appended = await appending;
    if (appended.status === 'busy') return { ...drained, status: 'busy' };
    if (appended.status === 'moved') {
      await next.catch(() => {});
      reader = laneReader(await readPositions(sql, partitions));
      round = await readRound(reader, redis, options);
      continue;
    }
    reached('committed');
    options.onBatch({ lane: options.lane, written: appended.written, tookMs: performance.now() - startedMs });
    if (round.good.some(({ entry }) => entry.counters.some(readCrossing))) options.onCrossed?.();
    drained.written += appended.written;
    drained.quarantined += appended.quarantined.length;
    await finishRound(options, round, appended.quarantined);
    round = await next;
  }
  // What an earlier drain wrote, and was ended before it could cut it off.
  if (drained.written === 0) await trimOutboxes(redis, [...reader.positions.values()]);
  if (reader.foreign.length > 0) options.onForeignFence(reader.foreign);
  return drained;
}

async function finishRound(options: DrainOptions, { to }: Reading, quarantined: BadEntry[]): Promise<void> {
  const { redis, reached = () => {} } = options;
  if (quarantined.length > 0) options.onQuarantined(quarantined);
  await trimOutboxes(redis, to);
  reached('trimmed');
  if (quarantined.length === 0) return;
  await freezeWallets(options, quarantined);
  reached('frozen');
}
