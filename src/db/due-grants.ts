// Grants that should have started or expired by the ledger's account: where Redis has lost its deadlines, nobody else would.
import { partitionOf } from '../wallet/keys.ts';
import type { Sql } from './connect.ts';

export type DueGrant = { walletId: string; dueAtMs: number; grantNo: number };

/** Before everything, for a first look. */
export const fromTheBeginning: DueGrant = { walletId: '', dueAtMs: 0, grantNo: 0 };

/**
 * Those due before this instant, longest overdue first, from after the one named: so that wallets that cannot be seen to,
 * such as those in quarantine, keep nobody else waiting.
 */
export async function findDueGrants(
  sql: Sql,
  dueBeforeMs: number,
  after: DueGrant,
  countMax: number,
): Promise<(DueGrant & { partition: number })[]> {
  const rows = await sql<DueGrant[]>`
    select wallet_id as "walletId", grant_no as "grantNo", (extract(epoch from due_at) * 1000)::float8 as "dueAtMs"
    from (
      select wallet_id, grant_no, case when state = 'scheduled' then effective_at else expires_at end as due_at
      from grants
      where state = 'scheduled' or (state = 'active' and expires_at is not null and remaining > 0)
    ) as due
    where due_at < to_timestamp(${dueBeforeMs / 1000}::float8)
      and (due_at, wallet_id, grant_no)
        > (to_timestamp(${after.dueAtMs / 1000}::float8), ${after.walletId}, ${after.grantNo}::integer)
    order by due_at, wallet_id, grant_no limit ${countMax}`;
  return rows.map((row) => ({ ...row, partition: partitionOf(row.walletId) }));
}
