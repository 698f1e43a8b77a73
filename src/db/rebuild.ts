// Rebuilding a wallet from the ledger: what stands in its way in quarantine, and the mark that it is done.
import type { Sql } from './connect.ts';

type Address = { environmentId: string; walletId: string };

export type InQuarantine = {
  waiting: number;
  isMarked: boolean;
  /** The last epoch of entries that were rejected since the wallet was last rebuilt. */
  rejectedEpoch: number | undefined;
};

export async function readInQuarantine(sql: Sql, { environmentId, walletId }: Address): Promise<InQuarantine> {
  const [row] = await sql<{ waiting: number; isMarked: boolean; rejectedEpoch: number | null }[]>`
    select quarantined_at is not null as "isMarked",
      (count(quarantine.id) filter (where resolved_at is null))::float8 as waiting,
      max(epoch) filter (where resolution = 'rejected' and epoch >= coalesce(rebuilt_epoch, 0)) as "rejectedEpoch"
    from wallets left join quarantine using (environment_id, wallet_id)
    where (wallets.environment_id, wallets.wallet_id) = (${environmentId}, ${walletId})
    group by wallets.environment_id, wallets.wallet_id`;
  return { waiting: 0, isMarked: false, ...row, rejectedEpoch: row?.rejectedEpoch ?? undefined };
}

// A drain that has the lane ends sooner.
const lockTimeoutMs = 10_000;

/**
 * The wallet is taken out of quarantine: in this epoch Redis has nothing of it but what the ledger has. What was written in
 * an epoch before comes too late from here on (prove.ts). False when something of it waits again, or the epoch is over.
 */
export async function markRebuilt(
  sql: Sql,
  { environmentId, walletId, partition }: Address & { partition: number },
  epoch: number,
): Promise<boolean> {
  return sql.begin(async (transaction) => {
    await transaction`select set_config('lock_timeout', ${String(lockTimeoutMs)}, true)`;
    const [present] = await transaction<{ epoch: number }[]>`
      select epoch from partitions where partition = ${partition} for update`;
    if (present?.epoch !== epoch) return false;
    const marked = await transaction`
      update wallets set quarantined_at = null, quarantine_frozen_at = null, rebuilt_epoch = ${epoch}
      where (environment_id, wallet_id) = (${environmentId}, ${walletId}) and not exists (
        select from quarantine
        where (quarantine.environment_id, quarantine.wallet_id) = (${environmentId}, ${walletId})
          and (resolved_at is null or (resolution = 'rejected' and epoch >= ${epoch}))
      )`;
    return marked.count === 1;
  });
}
