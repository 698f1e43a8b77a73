// What reconcile asks Postgres: which wallets come next, and what a wallet was at a version that Redis had.
//
// A pass walks all wallets in the order of their ids, page by page. Where it has come to is one row, claimed while a page
// is looked at: two workers never look at the same page, and one that dies leaves it to the next after a while. That row
// keeps whole milliseconds, and Postgres rounds to them: a claim given back at `now()` might stand for half a millisecond.
import { and, asc, eq, gt, lte, sql as raw } from 'drizzle-orm';
import type { LedgerWallet } from '../records.ts';
import { zeroAtoms } from '../units.ts';
import { orm, type Sql } from './connect.ts';
import { decodeMarks } from '../wallet/packed.ts';
import { sourcedLegsOf } from './hold-legs.ts';
import { withRollovers } from './rollovers.ts';
import { entries, reconciliation, wallets } from './schema.ts';

export type WalletRow = {
  environmentId: string;
  walletId: string;
  customerId: string;
  partition: number;
  isQuarantined: boolean;
};
export type PageClaim = { pass: number; position: string };
export type PageEnd = { pass: number; walletsCount: number; beganAtMs: number; endedAtMs: number };

/** Until when a page is claimed that nobody has. */
const nobody = raw`'-infinity'`;

/** The right to look at the page after `position`; undefined while another worker has it, or between two passes. */
export async function claimPage(
  sql: Sql,
  { claimMs, passPauseMs }: { claimMs: number; passPauseMs: number },
): Promise<PageClaim | undefined> {
  await orm(sql).insert(reconciliation).values({ claimedUntil: nobody }).onConflictDoNothing();
  const [row] = await sql<{ pass: bigint; position: string }[]>`
    update reconciliation set
      claimed_until = now() + ${claimMs} * interval '1 millisecond',
      began_at = case when position = '' then now() else began_at end
    where claimed_until <= now()
      and (position <> '' or ended_at is null or ended_at <= now() - ${passPauseMs} * interval '1 millisecond')
    returning pass, position`;
  return row && { pass: Number(row.pass), position: row.position };
}

/** The wallets after `position`, at most `countMax`. */
export async function listWalletsAfter(sql: Sql, position: string, countMax: number): Promise<WalletRow[]> {
  const rows = await orm(sql)
    .select({
      environmentId: wallets.environmentId,
      walletId: wallets.walletId,
      customerId: wallets.customerId,
      partition: wallets.partition,
      quarantinedAt: wallets.quarantinedAt,
    })
    .from(wallets)
    .where(gt(wallets.walletId, position))
    .orderBy(asc(wallets.walletId))
    .limit(countMax);
  return rows.map(({ quarantinedAt, ...row }) => ({ ...row, isQuarantined: quarantinedAt !== null }));
}

/** The page was looked at, up to `position`; empty: it was the last, and the pass has ended. Undefined: somebody took it over. */
export async function finishPage(
  sql: Sql,
  claim: PageClaim,
  { position, looked }: { position: string; looked: number },
): Promise<PageEnd | undefined> {
  const [row] = await sql<{ pass: bigint; count: bigint; began: number; ended: number }[]>`
    update reconciliation set
      claimed_until = '-infinity', position = ${position},
      pass = case when ${position} = '' then pass + 1 else pass end,
      ended_at = case when ${position} = '' then date_trunc('milliseconds', now()) else ended_at end,
      wallets_count = case when ${position} = '' then 0 else wallets_count + ${looked} end
    from (select wallets_count + ${looked} as count from reconciliation) before
    where pass = ${claim.pass} and position = ${claim.position}
    returning pass, before.count, (extract(epoch from began_at) * 1000)::float8 as began,
      (extract(epoch from now()) * 1000)::float8 as ended`;
  return row && { pass: claim.pass, walletsCount: Number(row.count), beganAtMs: row.began, endedAtMs: row.ended };
}

/** The page was not finished: whoever comes next begins it again. */
export async function dropClaim(sql: Sql, { pass, position }: PageClaim): Promise<void> {
  await orm(sql)
    .update(reconciliation)
    .set({ claimedUntil: nobody })
    .where(and(eq(reconciliation.pass, pass), eq(reconciliation.position, position)));
}

// More than a wallet can be ahead while its lane is drained in time; a picture this old is not worth rolling forward.
const entriesMax = 10_000;

/**
 * The ledger's picture of a wallet at a later version: entries say what everything that they touch is after them.
 * Undefined while the ledger does not have all of them.
 */
export async function rollForward(sql: Sql, wallet: LedgerWallet, version: number): Promise<LedgerWallet | undefined> {
  const missing = version - wallet.version;
  if (missing === 0) return wallet;
  if (missing > entriesMax) return undefined;
  const rows = await orm(sql)
    .select()
    .from(entries)
    .where(
      and(
        eq(entries.environmentId, wallet.environmentId),
        eq(entries.walletId, wallet.walletId),
        gt(entries.version, wallet.version),
        lte(entries.version, version),
      ),
    )
    .orderBy(asc(entries.version));
  if (rows.length !== missing) return undefined;
  const rolled = rows.reduce(applyEntry, wallet);
  return withRollovers(orm(sql), {
    ...rolled,
    grants: rolled.grants.map((grant) => ({ ...grant, rollover: undefined })),
  });
}

type EntryRow = typeof entries.$inferSelect;
type Grant = LedgerWallet['grants'][number];

function applyEntry(wallet: LedgerWallet, entry: EntryRow): LedgerWallet {
  const accounts = new Map(wallet.accounts.map((account) => [account.asset, account]));
  entry.assets.forEach((asset, i) => {
    accounts.set(asset, {
      asset,
      available: entry.availableAfter[i] ?? zeroAtoms,
      held: entry.heldAfter[i] ?? zeroAtoms,
      overage: entry.overageAfter[i] ?? zeroAtoms,
      scheduled: entry.scheduledAfter[i] ?? zeroAtoms,
    });
  });
  const grants = new Map(wallet.grants.map((grant) => [grant.no, grant]));
  const terms = termsOf(entry);
  if (terms) grants.set(terms.no, { remaining: zeroAtoms, held: zeroAtoms, ...grants.get(terms.no), ...terms });
  entry.moveGrants.forEach((no, i) => {
    const grant = grants.get(no);
    if (!grant) return;
    grants.set(no, {
      ...grant,
      remaining: entry.moveRemaining[i] ?? zeroAtoms,
      held: entry.moveHeld[i] ?? zeroAtoms,
    });
  });
  const holds = new Map(wallet.holds.map((hold) => [hold.ref, hold]));
  const hold = openHoldOf(entry, grants);
  if (hold) holds.set(hold.ref, hold);
  else if (entry.holdRef !== null) holds.delete(entry.holdRef);
  const counters = new Map(wallet.counters.map(({ name, packed }) => [name, packed]));
  entry.counterNames?.forEach((name, i) => counters.set(name, entry.counterStates![i]!));
  return {
    ...wallet,
    version: entry.version,
    freeze: entry.freezeReason,
    accounts: [...accounts.values()],
    grants: [...grants.values()].filter(lives),
    holds: [...holds.values()],
    counters: [...counters].map(([name, packed]) => ({ name, packed })).sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

/** A grant with nothing left and nothing held leaves the wallet with the entry that ended it. */
function lives({ state, remaining, held }: Grant): boolean {
  return state === 'scheduled' || remaining > 0n || held > 0n;
}

/** A CHECK of the table: a grant's terms are all there or none. */
function termsOf(entry: EntryRow): Omit<Grant, 'remaining' | 'held'> | undefined {
  if (entry.grantNo === null) return undefined;
  return {
    no: entry.grantNo,
    state: entry.grantState!,
    purpose: entry.grantPurpose!,
    priority: entry.grantPriority!,
    scope: entry.grantScope ?? 0,
    asset: entry.grantAsset!,
    amount: entry.grantAmount!,
    effectiveAtMs: entry.grantEffectiveAt!,
    expiresAtMs: entry.grantExpiresAt ?? undefined,
    createdAtMs: entry.grantCreatedAt!,
  };
}

function openHoldOf(entry: EntryRow, grants: ReadonlyMap<number, Grant>): LedgerWallet['holds'][number] | undefined {
  if (entry.holdRef === null || entry.holdStatus !== 'open') return undefined;
  return {
    ref: entry.holdRef,
    createdAtMs: entry.holdCreatedAt!,
    expiresAtMs: entry.holdExpiresAt!,
    legs: sourcedLegsOf(
      {
        assets: entry.holdAssets!,
        amounts: entry.holdAmounts!,
        held: entry.holdHeld!,
        settled: entry.holdSettled!,
        released: entry.holdReleased!,
        rateNums: entry.holdRateNums!,
        rateDens: entry.holdRateDens!,
        sourceGrants: entry.holdSourceGrants!,
        sourceAtoms: entry.holdSourceAtoms!,
      },
      [...grants.values()],
    ),
    ...(entry.holdTags === null ? { tags: [] } : decodeMarks(entry.holdTags)),
  };
}
