// Epochs: which run of Redis each partition's data live in, where they were sealed, and what was lost with them.
import { and, asc, eq, isNull, lt, sql as raw } from 'drizzle-orm';
import type { Acknowledged, EpochRow } from '../wallet/fences.ts';
import { arrayText } from './array-text.ts';
import { orm, type Sql } from './connect.ts';
import { epochs, partitions } from './schema.ts';

/** The present epoch of all partitions, in order. */
export async function readEpochs(sql: Sql): Promise<EpochRow[]> {
  const rows = await orm(sql)
    .select({ partition: partitions.partition, epoch: partitions.epoch, seq: partitions.seq, runId: epochs.runId })
    .from(partitions)
    .innerJoin(epochs, and(eq(epochs.partition, partitions.partition), eq(epochs.epoch, partitions.epoch)))
    .orderBy(asc(partitions.partition));
  return rows.map(({ runId, ...row }) => ({ ...row, runId: runId ?? undefined }));
}

/** Partitions that have been in this run of Redis, and went on to another one. */
export async function partitionsThatLeft(sql: Sql, runId: string): Promise<number[]> {
  const rows = await orm(sql)
    .selectDistinct({ partition: epochs.partition })
    .from(epochs)
    .innerJoin(partitions, and(eq(epochs.partition, partitions.partition), lt(epochs.epoch, partitions.epoch)))
    .where(eq(epochs.runId, runId));
  return rows.map(({ partition }) => partition);
}

/** The highest seqs that callers were told of; what was known before stays where it is higher. */
export async function reportAcknowledged(sql: Sql, rows: readonly Acknowledged[]): Promise<void> {
  if (rows.length === 0) return;
  // Locked in order, so that two who tell, or one who seals, never wait for each other in a circle.
  await sql`
    with told as (
      select partition, epoch, max(seq) as seq
      from unnest(
        ${arrayText(rows.map(({ partition }) => partition))}::smallint[],
        ${arrayText(rows.map(({ epoch }) => epoch))}::integer[],
        ${arrayText(rows.map(({ seq }) => seq))}::bigint[]
      ) as row (partition, epoch, seq)
      group by partition, epoch
    ), raised as materialized (
      select told.* from epochs join told using (partition, epoch)
      where coalesce(epochs.acknowledged_seq, 0) < told.seq
      order by partition, epoch for no key update of epochs
    )
    update epochs set acknowledged_seq = greatest(epochs.acknowledged_seq, raised.seq) from raised
    where (epochs.partition, epochs.epoch) = (raised.partition, raised.epoch)`;
}

/**
 * Ends the present epoch of these partitions at what the ledger has of it, and begins the next one, which nobody can use
 * before its fence stands in Redis. Returns the next epochs with where they go on: seq and clock. Undefined, and nothing
 * is done: they are not in these epochs any more, because another process has gone on from there.
 */
export async function beginNextEpochs(
  sql: Sql,
  present: readonly { partition: number; epoch: number }[],
  redis: { runId: string; replicationId: string; durability: string },
): Promise<{ partition: number; epoch: number; seq: number; clockMs: number }[] | undefined> {
  return sql.begin(async (transaction) => {
    const wanted = arrayText(present.map(({ partition }) => partition));
    const before = await transaction<{ partition: number; epoch: number; seq: bigint; clockMs: bigint }[]>`
      select partition, epoch, seq, clock_ms as "clockMs" from partitions
      where partition = any(${wanted}::smallint[]) order by partition for update`;
    const epochNow = new Map(before.map(({ partition, epoch }) => [partition, epoch]));
    if (present.some(({ partition, epoch }) => epochNow.get(partition) !== epoch)) return undefined;
    await transaction`
      select from epochs where partition = any(${wanted}::smallint[]) order by partition, epoch for no key update`;
    await transaction`
      update epochs set sealed_at = now(), sealed_seq = partitions.seq from partitions
      where epochs.partition = partitions.partition and epochs.epoch = partitions.epoch
        and partitions.partition = any(${wanted}::smallint[])`;
    await transaction`
      insert into epochs (partition, epoch, run_id, replication_id, durability, opened_at)
      select partition, epoch + 1, ${redis.runId}, ${redis.replicationId}, ${redis.durability}, now()
      from partitions where partition = any(${wanted}::smallint[])`;
    await transaction`
      update partitions set epoch = epoch + 1, opened_at = coalesce(opened_at, now())
      where partition = any(${wanted}::smallint[])`;
    return before.map(({ partition, epoch, seq, clockMs }) => ({
      partition,
      epoch: epoch + 1,
      seq: Number(seq),
      clockMs: Number(clockMs),
    }));
  });
}

/** What Redis promises in the epochs of a first start, which begin before anybody has looked. */
export async function noteDurability(sql: Sql, durability: string): Promise<void> {
  await orm(sql)
    .update(epochs)
    .set({ durability })
    .where(and(isNull(epochs.durability), isNull(epochs.sealedAt)));
}

export type Losses = { recoveredAtMs: number | undefined; lost: { durability: string; operations: number }[] };

/**
 * What was acknowledged and lost in the epochs that ended last, by class. An entry that was lost is counted once, whoever
 * was told of it. At least so many: a gateway that was killed had told of all but its last second.
 */
export async function readLosses(sql: Sql): Promise<Losses> {
  const [last] = await orm(sql)
    .select({ at: raw<number | null>`(extract(epoch from max(${epochs.sealedAt})) * 1000)::float8` })
    .from(epochs);
  const lost = await sql<{ durability: string; operations: bigint }[]>`
    select coalesce(durability, 'unknown') as durability, sum(acknowledged_seq - sealed_seq)::bigint as operations
    from epochs where sealed_seq < acknowledged_seq group by 1 order by 1`;
  return {
    recoveredAtMs: last?.at ?? undefined,
    lost: lost.map(({ durability, operations }) => ({ durability, operations: Number(operations) })),
  };
}
