// Which grants of a wallet are to be rolled over still: what the entries do not say is in what was asked for.
import { and, eq, inArray, isNotNull } from 'drizzle-orm';
import type { LedgerWallet } from '../records.ts';
import { zeroAtoms } from '../units.ts';
import type { Orm } from './connect.ts';
import { credits } from './schema.ts';

/** One that has another expiry than it was asked for with was rolled over before. */
export async function withRollovers(on: Pick<Orm, 'select'>, wallet: LedgerWallet): Promise<LedgerWallet> {
  const ending = wallet.grants.filter(({ expiresAtMs }) => expiresAtMs !== undefined).map(({ no }) => no);
  if (ending.length === 0) return wallet;
  const rows = await on
    .select()
    .from(credits)
    .where(
      and(
        eq(credits.environmentId, wallet.environmentId),
        eq(credits.walletId, wallet.walletId),
        inArray(credits.grantNo, ending),
        isNotNull(credits.rolloverParts),
      ),
    );
  if (rows.length === 0) return wallet;
  const rolling = new Map(rows.map((row) => [row.grantNo, row]));
  return {
    ...wallet,
    grants: wallet.grants.map((grant) => {
      const row = rolling.get(grant.no);
      const isOpen = grant.state === 'scheduled' || grant.state === 'active';
      if (!row || !isOpen || row.expiresAt !== grant.expiresAtMs) return grant;
      return { ...grant, rollover: rolloverOf(row) };
    }),
  };
}

export function rolloverOf(row: Pick<typeof credits.$inferSelect, 'rolloverParts' | 'rolloverMost' | 'rolloverUntil'>) {
  if (row.rolloverParts === null) return undefined;
  return {
    parts: row.rolloverParts,
    most: row.rolloverMost ?? zeroAtoms,
    untilMs: row.rolloverUntil ?? undefined,
  };
}
