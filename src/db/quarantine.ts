// Quarantine: entries that the ledger did not take, and the wallets that wait for somebody to look at them.
//
// A wallet is marked in the same transaction as its first bad entry, so that whatever follows goes after it. Redis is
// frozen afterwards, which may fail: the mark stays until it is seen to have worked.
//
// A row is never removed: what was decided about it is written into it (replay.ts; `rejectEntries`).
import { and, asc, eq, isNotNull, isNull, sql as raw } from 'drizzle-orm';
import type { BadEntry } from '../outbox/flaw.ts';
import { arrayText, nothing, quoted } from './array-text.ts';
import { orm, type Sql, type Transaction } from './connect.ts';
import { quarantine, wallets } from './schema.ts';

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
      update wallets set
        quarantined_at = coalesce(quarantined_at, now()),
        -- Of a quarantine before this one, whose freeze was seen too late.
        quarantine_frozen_at = case when quarantined_at is null then null else quarantine_frozen_at end
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

/** What waits in quarantine, of one wallet, or of nobody known. */
export type QuarantineGroup = {
  environmentId: string | undefined;
  walletId: string | undefined;
  customerId: string | undefined;
  partition: number;
  /** Of the first that waits; undefined where all were rejected, and the wallet waits to be rebuilt. */
  firstId: number | undefined;
  reason: string | undefined;
  waiting: number;
  rejected: number;
  sinceMs: number;
};

/** The oldest first. */
export async function listQuarantine(sql: Sql): Promise<QuarantineGroup[]> {
  const rows = await sql<Record<keyof QuarantineGroup, never>[]>`
    select quarantine.environment_id as "environmentId", quarantine.wallet_id as "walletId",
      wallets.customer_id as "customerId", quarantine.partition,
      (min(quarantine.id) filter (where resolved_at is null))::float8 as "firstId",
      (array_agg(reason order by epoch, seq, quarantine.id) filter (where resolved_at is null))[1] as reason,
      (count(*) filter (where resolved_at is null))::float8 as waiting,
      (count(*) filter (where resolution = 'rejected'))::float8 as rejected,
      (extract(epoch from coalesce(min(at) filter (where resolved_at is null), min(resolved_at))) * 1000)::float8 as "sinceMs"
    from quarantine left join wallets using (environment_id, wallet_id)
    group by quarantine.environment_id, quarantine.wallet_id, wallets.customer_id, quarantine.partition,
      wallets.quarantined_at, case when quarantine.wallet_id is null then quarantine.id end
    having bool_or(resolved_at is null) or wallets.quarantined_at is not null
    order by min(quarantine.id)`;
  return rows.map(({ environmentId, walletId, customerId, firstId, reason, ...rest }) => ({
    environmentId: environmentId ?? undefined,
    walletId: walletId ?? undefined,
    customerId: customerId ?? undefined,
    firstId: firstId ?? undefined,
    reason: reason ?? undefined,
    ...rest,
  }));
}

export type QuarantineRow = typeof quarantine.$inferSelect;

export async function findQuarantined(sql: Sql, id: number): Promise<QuarantineRow | undefined> {
  const [row] = await orm(sql).select().from(quarantine).where(eq(quarantine.id, id));
  return row;
}

/** What waits of a wallet, in order. */
export async function listQuarantined(sql: Sql, environmentId: string, walletId: string): Promise<QuarantineRow[]> {
  return orm(sql)
    .select()
    .from(quarantine)
    .where(
      and(
        eq(quarantine.environmentId, environmentId),
        eq(quarantine.walletId, walletId),
        isNull(quarantine.resolvedAt),
      ),
    )
    .orderBy(asc(quarantine.epoch), asc(quarantine.seq), asc(quarantine.id));
}

/**
 * These will never be in the ledger. Their wallet stays marked and frozen: what Redis made of them cannot be taken back one
 * by one, so it waits to be rebuilt from what the ledger has. Returns how many were still waiting.
 */
export async function rejectEntries(sql: Sql, ids: readonly number[]): Promise<number> {
  const rows = await sql`
    update quarantine set resolved_at = now(), resolution = 'rejected'
    where id = any(${arrayText([...ids])}::bigint[]) and resolved_at is null`;
  return rows.count;
}

/** For a wallet whose freeze was lifted while new entries of it came into quarantine: the watchdog freezes it again. */
export async function unmarkFrozen(sql: Sql, { environmentId, walletId }: QuarantinedWallet): Promise<void> {
  await orm(sql)
    .update(wallets)
    .set({ quarantineFrozenAt: null })
    .where(and(eq(wallets.environmentId, environmentId), eq(wallets.walletId, walletId)));
}
