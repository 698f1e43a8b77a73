// One wallet, in Redis and in the ledger, at the version that Redis has.
//
// The ledger is read first, then Redis, which can only have gone on since: Redis behind the ledger is a difference by
// itself. Where Redis is ahead, the ledger's picture is rolled forward over the entries that came since, as soon as it has
// them; so a wallet that is never idle is compared as well as one that is.
import { rollForward } from '../db/reconcile.ts';
import type { Sql } from '../db/connect.ts';
import type { LedgerWallet } from '../records.ts';
import { walletKey, type WalletRef } from '../wallet/keys.ts';
import type { Store } from '../wallet/store.ts';
import { readStoredWallet, walletDifferences } from '../wallet/stored-wallet.ts';

export type ReconcileStore = Pick<Store, 'nodes' | 'epochs'> & { ledger: Pick<Store['ledger'], 'loadWallet'> };

export type Look =
  /** `ledger` is its picture at Redis's version, or a later one where Redis is behind. */
  | ({ status: 'equal' | 'differs'; differences: string[] } & Pictures)
  /** Entries are on their way to the ledger: to be looked at again (`lookOn`). */
  | ({ status: 'behind' } & Pictures)
  /** Not in Redis, or not compared in this epoch yet: seen to when it is next used. */
  | { status: 'absent' | 'other_epoch'; ledger: LedgerWallet }
  | { status: 'unreadable'; ledger: LedgerWallet; detail: string }
  | { status: 'unknown' };

/** `damage`: what Redis keeps beside grants and holds, and does not follow from them (src/wallet/derived.ts). */
type Pictures = { epoch: number; redis: LedgerWallet; damage: string[]; clockMs: number; ledger: LedgerWallet };

export async function lookAtWallet(sql: Sql, store: ReconcileStore, wallet: WalletRef): Promise<Look> {
  const ledger = await store.ledger.loadWallet({ environmentId: undefined, walletId: wallet.walletId });
  if (!ledger) return { status: 'unknown' };
  const stored = await read(store, wallet);
  if (stored === undefined) return { status: 'absent', ledger };
  if (typeof stored === 'string') return { status: 'unreadable', ledger, detail: stored };
  const { epoch, wallet: redis, damage, clockMs } = stored;
  if (epoch !== store.epochs[wallet.partition]) return { status: 'other_epoch', ledger };
  if (redis.version < ledger.version) {
    const differences = [`version: Redis ${redis.version}, ledger ${ledger.version}`];
    return { status: 'differs', epoch, redis, damage, clockMs, ledger, differences };
  }
  return compare(sql, { epoch, redis, damage, clockMs, ledger });
}

/** The same two pictures again: the ledger may have the entries between them by now. */
export async function lookOn(sql: Sql, look: Look & { status: 'behind' }): Promise<Look> {
  return compare(sql, look);
}

async function compare(sql: Sql, { epoch, redis, damage, clockMs, ledger: known }: Pictures): Promise<Look> {
  const stored = { epoch, redis, damage, clockMs };
  const ledger = await rollForward(sql, known, redis.version);
  if (!ledger) return { status: 'behind', ...stored, ledger: known };
  const differences = walletDifferences(redis, ledger, clockMs);
  return { status: differences.length === 0 ? 'equal' : 'differs', ...stored, ledger, differences };
}

/** What stands there, or why it cannot be read. Throws when Redis cannot be reached. */
async function read({ nodes }: ReconcileStore, wallet: WalletRef) {
  const { redis } = nodes.of(wallet.partition);
  try {
    return await readStoredWallet(redis, wallet);
  } catch (error) {
    // Refused, too, by a node that has not got the partition any more.
    await redis.exists(walletKey(wallet));
    return error instanceof Error ? error.message : String(error);
  }
}
