// Holds that are overdue by the ledger's account: where Redis has lost its deadlines, nobody else would end them.
import type { Sql } from './connect.ts';

/** Of those due before this instant, the longest overdue ones of each partition. */
export async function findOverdueHolds(
  sql: Sql,
  dueBeforeMs: number,
  countMaxOfPartition: number,
): Promise<{ partition: number; walletId: string; ref: string }[]> {
  return sql<{ partition: number; walletId: string; ref: string }[]>`
    select overdue.partition, overdue.wallet_id as "walletId", overdue.ref
    from partitions, lateral (
      select holds.partition, holds.wallet_id, holds.ref from holds
      where holds.partition = partitions.partition and holds.status = 'open'
        and holds.expires_at < to_timestamp(${dueBeforeMs / 1000}::float8)
      order by holds.expires_at limit ${countMaxOfPartition}
    ) as overdue`;
}
