// Quarantine: entries that the ledger did not take, and the wallets that wait for somebody to look at them.
//
// A wallet is marked in the same transaction as its first bad entry, so that whatever follows goes after it. Redis is
// frozen afterwards, which may fail: the mark stays until it is seen to have worked.
import { and, eq, isNotNull, isNull, sql as raw } from 'drizzle-orm';
import type { BadEntry } from '../outbox/flaw.ts';
import { arrayText, nothing, quoted } from './array-text.ts';
import { orm, type Sql, type Transaction } from './connect.ts';
import { wallets } from './schema.ts';

export type QuarantinedWallet = { environmentId: string; walletId: string; partition: number };

/** Keeps bad entries in the order given, and marks their wallets. */
export async function quarantineEntries(sql: Transaction, entries: readonly BadEntry[]): Promise<void> {
  if (entries.length === 0) return;
  const owned = entries.filter((entry) => entry.environmentId !== undefined);
  await Promise.all([
    sql`
      insert into quarantine (partition, epoch, seq, raw, reason, environment_id, wallet_id, version)
      select partition, epoch, seq, decode(raw_hex, 'hex'), reason, environment_id, wallet_id, version
      from unnest(
        ${arrayText(entries.map((entry) => entry.partition))}::smallint[],
        ${arrayText(entries.map((entry) => entry.epoch))}::integer[],
        ${arrayText(entries.map((entry) => entry.seq))}::bigint[],
        ${arrayText(entries.map((entry) => quoted(entry.packed.toString('hex'))))}::text[],
        ${arrayText(entries.map((entry) => quoted(entry.reason.replaceAll('\0', ' '))))}::text[],
        ${arrayText(entries.map((entry) => entry.environmentId ?? nothing))}::text[],
        ${arrayText(entries.map((entry) => entry.walletId ?? nothing))}::text[],
        ${arrayText(entries.map((entry) => entry.version ?? nothing))}::bigint[]
      ) with ordinality as bad (partition, epoch, seq, raw_hex, reason, environment_id, wallet_id, version, no)
      order by no`,
    sql`
      update wallets set quarantined_at = coalesce(quarantined_at, now())
      from unnest(
        ${arrayText(owned.map((entry) => entry.environmentId ?? nothing))}::text[],
        ${arrayText(owned.map((entry) => entry.walletId ?? nothing))}::text[]
      ) as bad (environment_id, wallet_id)
      where (wallets.environment_id, wallets.wallet_id) = (bad.environment_id, bad.wallet_id)`,
  ]);
}

/** Wallets in quarantine that Redis was not yet seen to have frozen. */
export async function listWalletsToFreeze(sql: Sql): Promise<QuarantinedWallet[]> {
  return orm(sql)
    .select({ environmentId: wallets.environmentId, walletId: wallets.walletId, partition: wallets.partition })
    .from(wallets)
    .where(and(isNotNull(wallets.quarantinedAt), isNull(wallets.quarantineFrozenAt)));
}

export async function markFrozen(sql: Sql, { environmentId, walletId }: QuarantinedWallet): Promise<void> {
  await orm(sql)
    .update(wallets)
    .set({ quarantineFrozenAt: raw`now()` })
    .where(and(eq(wallets.environmentId, environmentId), eq(wallets.walletId, walletId)));
}
