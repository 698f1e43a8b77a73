// Freezes wallets in Redis that have entries in quarantine: what the ledger cannot follow must not be spent from.
//
// The drain does it right after the transaction that set the entries aside. Where that fails, the mark in Postgres stays
// and the watchdog tries again; a wallet that the ledger doesn't know has no mark, and is tried once.
import type { Sql } from '../db/connect.ts';
import { listWalletsToFreeze, markFrozen, type QuarantinedWallet } from '../db/quarantine.ts';
import type { BadEntry } from '../outbox/flaw.ts';

export type FreezeOptions = {
  sql: Sql;
  /** Freezes a wallet in Redis with reason `quarantine`; true once the system's freeze is on it. */
  freezeWallet: (wallet: QuarantinedWallet) => Promise<boolean>;
  onWarning: (message: string, fields: Record<string, unknown>) => void;
};

export async function freezeWallets(options: FreezeOptions, entries: readonly BadEntry[]): Promise<void> {
  const wallets = new Map<string, QuarantinedWallet>();
  for (const { environmentId, walletId, partition } of entries) {
    if (environmentId !== undefined && walletId !== undefined)
      wallets.set(walletId, { environmentId, walletId, partition });
  }
  for (const wallet of wallets.values()) await freeze(options, wallet);
}

/** Those that could not be frozen when their entries were set aside. */
export async function freezeQuarantined(options: FreezeOptions): Promise<void> {
  for (const wallet of await listWalletsToFreeze(options.sql)) await freeze(options, wallet);
}

async function freeze({ sql, freezeWallet, onWarning }: FreezeOptions, wallet: QuarantinedWallet): Promise<void> {
  try {
    if (await freezeWallet(wallet)) await markFrozen(sql, wallet);
    else onWarning('a wallet in quarantine is not frozen yet', { ...wallet });
  } catch (error) {
    onWarning('freezing a wallet in quarantine failed; it is tried again', { error, ...wallet });
  }
}
