// Replay what a wallet has in quarantine, and lift its freeze once the ledger is what Redis says.
//
// Lifting follows the transaction, and may fail: replaying again does the rest. Where entries were rejected before, Redis
// has more than the ledger ever will: the wallet is rebuilt (take-ledger.ts).
import type { Config } from '../config.ts';
import type { Sql } from '../db/connect.ts';
import { unmarkFrozen } from '../db/quarantine.ts';
import { replayWallet } from '../db/replay.ts';
import { liftBySystem } from '../wallet/freeze.ts';
import type { Store } from '../wallet/store.ts';
import { lookLong } from './look-long.ts';
import { takeLedger, type Taken } from './take-ledger.ts';
import { withStore } from './with-store.ts';

type Wallet = { environmentId: string; walletId: string; partition: number };
/** `stays`: in quarantine, or frozen. */
export type ReplayEnd = { status: 'out' | 'stays'; text: string };
type Stores = { config: Config; sql: Sql; print: (text: string) => void };

export async function replay(stores: Stores, wallet: Wallet): Promise<ReplayEnd> {
  const { sql } = stores;
  const replayed = await replayWallet(sql, wallet);
  if (replayed.status === 'no_wallet') return { status: 'stays', text: 'the ledger has no such wallet' };
  const { written, left, reason, rejected } = replayed;
  const told = `${written} replayed`;
  if (left > 0) return { status: 'stays', text: `${told}, ${left} stay: ${reason}` };
  if (rejected > 0) {
    const { status, text } = await rebuild(stores, wallet);
    return { status: status === 'taken' ? 'out' : 'stays', text: `${told}; ${text}` };
  }
  const lifted = await withStore(stores, (store) => lift(sql, store, wallet));
  if (lifted === 'unreachable') {
    return { status: 'stays', text: `${told}; Redis cannot be reached, so the freeze stays: replay again` };
  }
  return { ...lifted, text: `${told}; ${lifted.text}` };
}

/** After entries were rejected, and nothing of the wallet waits any more. */
export async function rebuild(stores: Stores, wallet: Wallet): Promise<Taken> {
  const { sql, print } = stores;
  const taken = await withStore(stores, (store) => takeLedger({ sql, store, wallet, isSure: true, print }));
  if (taken !== 'unreachable') return taken;
  return {
    status: 'stays',
    text: 'Redis cannot be reached, so the wallet waits to be rebuilt: farebox reconcile <customer> --take ledger',
  };
}

async function lift(sql: Sql, store: Store, wallet: Wallet): Promise<ReplayEnd> {
  const look = await lookLong(sql, store, wallet);
  if (look.status === 'differs' || look.status === 'unreadable') {
    return { status: 'stays', text: 'Redis differs from the ledger, so the freeze stays: farebox reconcile shows how' };
  }
  if (look.status === 'behind') {
    return { status: 'stays', text: 'the ledger does not have all its entries yet, so the freeze stays: replay again' };
  }
  const seen = look.status === 'equal' ? { epoch: look.epoch, version: look.redis.version } : undefined;
  const outcome = await liftBySystem(store, wallet, 'quarantine', seen);
  // Should anything of it have come into quarantine meanwhile, the watchdog freezes it anew.
  await unmarkFrozen(sql, wallet);
  switch (outcome.status) {
    case 'changed':
      return { status: 'out', text: 'the freeze is lifted' };
    case 'unchanged':
      return outcome.freeze === 'none'
        ? { status: 'out', text: 'the wallet is not frozen' }
        : { status: 'stays', text: `the wallet is frozen for another reason: ${outcome.freeze}` };
    case 'moved':
    case 'no_customer':
    case 'conflict':
    case 'unavailable':
    case 'unknown':
      return { status: 'stays', text: `the freeze could not be lifted (${outcome.status}): replay again` };
  }
}
