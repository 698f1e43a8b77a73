// Which installation this is, and how far the ledger has each of its partitions.
import { and, asc, eq, inArray, isNotNull, isNull, sql as raw } from 'drizzle-orm';
import { partitionsCount } from '../limits.ts';
import type { Checkpoint } from '../records.ts';
import { orm, type Sql } from './connect.ts';
import { epochs, installation, partitions } from './schema.ts';

export type PartitionRow = {
  partition: number;
  epoch: number;
  seq: number;
  clockMs: number;
  openedAtMs: number | undefined;
};

// One number for all of Farebox: who has this advisory lock opens partitions or recovers them.
const partitionsLock = 7_205_759_404;

/** The installation's id, made at the first call; from several processes at once, by one of them. */
export async function installationOf(sql: Sql): Promise<string> {
  await orm(sql).insert(installation).values({}).onConflictDoNothing();
  const [row] = await orm(sql).select({ id: installation.id }).from(installation);
  if (!row) throw new Error('the installation can neither be made nor found');
  return row.id;
}

/** All partitions in order, made in epoch 1 where they are not there yet. */
export async function readPartitions(sql: Sql): Promise<PartitionRow[]> {
  const read = () => orm(sql).select().from(partitions).orderBy(asc(partitions.partition));
  let rows = await read();
  if (rows.length < partitionsCount) {
    const all = Array.from({ length: partitionsCount }, (_, partition) => ({ partition, epoch: 1 }));
    await orm(sql).transaction(async (transaction) => {
      await transaction.insert(partitions).values(all).onConflictDoNothing();
      await transaction.insert(epochs).values(all).onConflictDoNothing();
    });
    rows = await read();
  }
  return rows.map(({ openedAt, ...row }) => ({ ...row, openedAtMs: openedAt ?? undefined }));
}

/** How far the ledger has a partition. */
export async function readCheckpoint(sql: Sql, partition: number): Promise<Checkpoint> {
  const [row] = await orm(sql)
    .select({ partition: partitions.partition, epoch: partitions.epoch, seq: partitions.seq })
    .from(partitions)
    .where(eq(partitions.partition, partition));
  if (!row) throw new Error(`partition ${partition} was never made: the first start makes all of them`);
  return row;
}

/** Where the outboxes of these partitions are to be read on, as far as they were ever opened. */
export async function readPositions(sql: Sql, numbers: number[]): Promise<Checkpoint[]> {
  return orm(sql)
    .select({ partition: partitions.partition, epoch: partitions.epoch, seq: partitions.seq })
    .from(partitions)
    .where(and(inArray(partitions.partition, numbers), isNotNull(partitions.openedAt)))
    .orderBy(asc(partitions.partition));
}

/** From here on a fence that is missing in Redis means that writes were lost. */
export async function markOpened(
  sql: Sql,
  numbers: number[],
  redis: { runId: string; replicationId: string },
): Promise<void> {
  if (numbers.length === 0) return;
  await orm(sql).transaction(async (transaction) => {
    await transaction
      .update(partitions)
      .set({ openedAt: raw`now()` })
      .where(inArray(partitions.partition, numbers));
    await transaction
      .update(epochs)
      .set({ runId: redis.runId, replicationId: redis.replicationId, openedAt: raw`now()` })
      .where(and(inArray(epochs.partition, numbers), isNull(epochs.openedAt)));
  });
}

// Shorter than another's statement waits for its turn (src/run/worker.ts), or that one gives up first.
const lockIdleMsMax = 5_000;
// A write so soon after a loss fails in peace; a later one ends the process (steady-socket.ts).
const lockPulseMs = 100;

/**
 * Runs `work` while no other process opens or recovers partitions; waits its turn. The lock is its holder's for as long as
 * that shows that it lives: Postgres ends the session of one that stands still. So `work` may find that another has gone
 * on meanwhile, and must look where that matters. What it came to is told, whatever becomes of its session.
 */
export async function withPartitionsLocked<T>(sql: Sql, work: () => Promise<T>): Promise<T> {
  let outcome: Promise<T> | undefined;
  // Not `sql.reserve()`: where it has to open a connection, postgres.js 3.4.9 comes back at the pool's next query, or never.
  const locked = sql.begin(async (session) => {
    await session`select set_config('idle_in_transaction_session_timeout', ${String(lockIdleMsMax)}, true)`;
    await session`select pg_advisory_xact_lock(${partitionsLock})`;
    const pulse = setInterval(() => void session`select 1`.catch(() => clearInterval(pulse)), lockPulseMs);
    try {
      await (outcome = work());
    } finally {
      clearInterval(pulse);
    }
  });
  await locked.catch((error: unknown) => {
    if (!outcome) throw error;
  });
  return outcome!;
}
