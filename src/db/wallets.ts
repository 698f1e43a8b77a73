// A wallet as the ledger has it: enough to put it into Redis again.
import { and, asc, eq, gt, or } from 'drizzle-orm';
import type { LedgerWallet, Trigger } from '../records.ts';
import { zeroAtoms } from '../units.ts';
import { orm, type Sql } from './connect.ts';
import { firesBelow } from '../pricing/auto-top-up.ts';
import { sourcedLegsOf } from './hold-legs.ts';
import { withRollovers } from './rollovers.ts';
import { readWalletConfig } from './wallet-config.ts';
import { decodeMarks } from '../wallet/packed.ts';
import { accounts, autoTopUps, counters, grants, holds, wallets } from './schema.ts';

export type WalletAddress =
  | { environmentId: string; customerId: string }
  /** A wallet's id leads to one environment only; what Farebox does by itself need not name it. */
  | { environmentId: string | undefined; walletId: string };

/**
 * The wallet with what lives in it: grants that have something left, hold something or are yet to start, and open holds.
 * All of it at one version: read in one snapshot.
 */
export async function loadWallet(sql: Sql, address: WalletAddress): Promise<LedgerWallet | undefined> {
  return orm(sql).transaction(
    async (transaction) => {
      const [wallet] = await transaction
        .select()
        .from(wallets)
        .where(
          and(
            address.environmentId === undefined ? undefined : eq(wallets.environmentId, address.environmentId),
            'walletId' in address ? eq(wallets.walletId, address.walletId) : eq(wallets.customerId, address.customerId),
          ),
        );
      if (!wallet) return undefined;
      const { environmentId, walletId } = wallet;
      const accountRows = await transaction
        .select()
        .from(accounts)
        .where(and(eq(accounts.environmentId, environmentId), eq(accounts.walletId, walletId)))
        .orderBy(asc(accounts.asset));
      const grantRows = await transaction
        .select()
        .from(grants)
        .where(
          and(
            eq(grants.environmentId, environmentId),
            eq(grants.walletId, walletId),
            or(eq(grants.state, 'scheduled'), gt(grants.remaining, zeroAtoms), gt(grants.held, zeroAtoms)),
          ),
        )
        .orderBy(asc(grants.grantNo));
      const holdRows = await transaction
        .select()
        .from(holds)
        .where(and(eq(holds.environmentId, environmentId), eq(holds.walletId, walletId), eq(holds.status, 'open')))
        .orderBy(asc(holds.ref));
      const { config } = await readWalletConfig(transaction, wallet);
      const counterRows = await transaction
        .select({ name: counters.name, packed: counters.packed })
        .from(counters)
        .where(and(eq(counters.environmentId, environmentId), eq(counters.walletId, walletId)))
        .orderBy(asc(counters.name));
      const armed = await transaction
        .select()
        .from(autoTopUps)
        .where(
          and(
            eq(autoTopUps.environmentId, environmentId),
            eq(autoTopUps.customerId, wallet.customerId),
            eq(autoTopUps.isEnabled, true),
            gt(autoTopUps.armedNo, autoTopUps.crossedNo),
          ),
        );
      return withRollovers(transaction, {
        environmentId,
        customerId: wallet.customerId,
        walletId,
        version: wallet.version,
        freeze: freezeOf(wallet),
        config,
        accounts: accountRows.map(({ asset, available, held, overage, scheduled }) => ({
          asset,
          available,
          held,
          overage,
          scheduled,
        })),
        grants: grantRows.map(toGrant),
        holds: holdRows.map((row) => toHold(row, grantRows)),
        counters: counterRows,
        ...(armed.length > 0 && { triggers: armed.map(toTrigger) }),
      });
    },
    { isolationLevel: 'repeatable read', accessMode: 'read only' },
  );
}

/** In quarantine: the entry that froze it is there, too, so the ledger's own column does not say it. */
function freezeOf({ freezeReason, quarantinedAt }: typeof wallets.$inferSelect): LedgerWallet['freeze'] {
  const isOpen = freezeReason === 'none' || freezeReason === 'operator';
  return quarantinedAt !== null && isOpen ? 'quarantine' : freezeReason;
}

/** How far the ledger has this wallet; undefined when there is none. */
export async function readWalletVersion(
  sql: Sql,
  environmentId: string,
  walletId: string,
): Promise<number | undefined> {
  const [row] = await orm(sql)
    .select({ version: wallets.version })
    .from(wallets)
    .where(and(eq(wallets.environmentId, environmentId), eq(wallets.walletId, walletId)));
  return row?.version;
}

function toTrigger({ asset, armedNo, threshold, target }: typeof autoTopUps.$inferSelect): Trigger {
  return { asset, firesBelow: firesBelow({ threshold, target: target ?? undefined }), crossingNo: armedNo };
}

function toGrant(row: typeof grants.$inferSelect): LedgerWallet['grants'][number] {
  return {
    no: row.grantNo,
    remaining: row.remaining,
    held: row.held,
    state: row.state,
    purpose: row.purpose,
    priority: row.priority,
    scope: row.scope,
    asset: row.asset,
    amount: row.amount,
    effectiveAtMs: row.effectiveAt,
    expiresAtMs: row.expiresAt ?? undefined,
    createdAtMs: row.createdAt,
  };
}

function toHold(
  row: typeof holds.$inferSelect,
  grantRows: readonly (typeof grants.$inferSelect)[],
): LedgerWallet['holds'][number] {
  return {
    ref: row.ref,
    createdAtMs: row.createdAt,
    expiresAtMs: row.expiresAt,
    legs: sourcedLegsOf(
      row,
      grantRows.map(({ grantNo, asset }) => ({ no: grantNo, asset })),
    ),
    ...decodeMarks(row.tags),
  };
}
