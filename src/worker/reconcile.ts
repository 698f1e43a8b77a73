// Reconcile: wallets in Redis are compared with the ledger, all of them, again and again, a page at a time.
//
// A wallet that differs at an equal version is frozen with reason `reconcile`: what it says can be spent is not what
// happened. It is looked at twice before, so that nothing that merely passes by freezes anybody. A wallet that is already
// frozen for it is not told again at every pass; `farebox reconcile <customer>` shows it.
//
// One that agrees, but keeps something beside its grants and holds that does not follow from them (an order, a deadline), is
// mended where it stands rather than frozen: what happened is not in doubt, and what it is made from was just compared.
//
// Counters that can change nothing any more leave Redis here (src/wallet/counters.ts).
//
// Left alone: wallets that Redis does not have, or has from an epoch before (they are compared when next used), wallets in
// quarantine, and those whose entries do not reach the ledger in time, until the next pass.
//
// Nothing here decides or moves money. Stopped anywhere, a page is begun again; with BullMQ away it merely waits.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Sql } from '../db/connect.ts';
import { claimPage, dropClaim, finishPage, listWalletsAfter, type PageEnd, type WalletRow } from '../db/reconcile.ts';
import { ledgerWaitMs, reconcilePassPauseMs, reconcileWalletsPerSecond } from '../limits.ts';
import { isOver } from '../wallet/counters.ts';
import type { FreezeOutcome, Seen } from '../wallet/freeze.ts';
import type { MendOutcome } from '../wallet/mend.ts';
import { lookAtWallet, lookOn, type Look, type ReconcileStore } from './reconcile-wallet.ts';

export type ReconcileOutcome = Exclude<Look['status'], 'unknown'> | 'mended' | 'frozen' | 'quarantined';
export type Difference = WalletRow & { version: number; differences: string[] };

export type ReconcileOptions = {
  sql: Sql;
  store: ReconcileStore;
  /** Freezes a wallet in Redis with reason `reconcile`, while it is as it was seen; without that, however it is. */
  freezeWallet: (wallet: WalletRow, seen?: Seen) => Promise<FreezeOutcome | { status: 'moved' }>;
  /** Makes what it keeps beside its grants and holds anew, under the same condition. */
  mendWallet: (wallet: WalletRow, seen?: Seen) => Promise<MendOutcome>;
  /** Those that a wallet need not keep any more, by name. What is left of them is there at the next pass. */
  dropCounters: (wallet: WalletRow, names: string[]) => Promise<unknown>;
  onLooked: (outcome: ReconcileOutcome, wallet: WalletRow) => void;
  /** The alarm. */
  onDifference: (difference: Difference) => void;
  onMended: (mended: WalletRow & { version: number; damage: string[] }) => void;
  onUnreadable: (wallet: WalletRow, detail: string) => void;
  /** From 0 to 1, by the order of wallets' ids. */
  onProgress: (ratio: number) => void;
  onPassEnd: (pass: PageEnd) => void;
  walletsMax?: number;
  /** How long a page waits for entries that are on their way to the ledger. */
  waitMs?: number;
  passPauseMs?: number;
};

/** `idle`: another worker has the page, or the next pass is not due yet. */
export type PageDone = { status: 'idle' } | { status: 'looked'; looked: number; isLast: boolean };

// Far longer than a page takes; a worker that died holds up the pass for no longer than this.
const claimMs = 30_000;
const lookAgainMs = 250;
/** How often a wallet is compared anew because it moved before it could be frozen. */
const movesMax = 3;

export async function reconcilePage(options: ReconcileOptions): Promise<PageDone> {
  const { sql, walletsMax = reconcileWalletsPerSecond, passPauseMs = reconcilePassPauseMs } = options;
  const claim = await claimPage(sql, { claimMs, passPauseMs });
  if (!claim) return { status: 'idle' };
  try {
    const wallets = await listWalletsAfter(sql, claim.position, walletsMax);
    await lookAtPage(options, wallets);
    const last = wallets.at(-1);
    const isLast = wallets.length < walletsMax || last === undefined;
    const looked = wallets.length;
    const end = await finishPage(sql, claim, { position: isLast ? '' : last.walletId, looked });
    options.onProgress(isLast ? 1 : placeOf(last.walletId));
    if (isLast && end) options.onPassEnd(end);
    return { status: 'looked', looked, isLast };
  } catch (error) {
    await dropClaim(sql, claim).catch(() => undefined);
    throw error;
  }
}

type Pending = { wallet: WalletRow; look: Look & { status: 'behind' }; differed: number };

async function lookAtPage(options: ReconcileOptions, wallets: readonly WalletRow[]): Promise<void> {
  const { sql, store, waitMs = ledgerWaitMs } = options;
  let pending: Pending[] = [];
  for (const wallet of wallets) {
    if (wallet.isQuarantined) options.onLooked('quarantined', wallet);
    else pending.push(...(await see(options, wallet, await lookAtWallet(sql, store, wallet), 0)));
  }
  // Those that are ahead of the ledger wait together, so that a page takes no longer than one of them may.
  const deadline = performance.now() + waitMs;
  while (pending.length > 0 && performance.now() < deadline) {
    await sleep(lookAgainMs);
    const again: Pending[] = [];
    for (const { wallet, look, differed } of pending) {
      again.push(...(await see(options, wallet, await lookOn(sql, look), differed)));
    }
    pending = again;
  }
  for (const { wallet } of pending) options.onLooked('behind', wallet);
}

/** Deals with what a look has shown; returns what is to be looked at again. `differed`: how often it has by now. */
async function see(options: ReconcileOptions, wallet: WalletRow, look: Look, differed: number): Promise<Pending[]> {
  switch (look.status) {
    case 'unknown':
      return [];
    case 'behind':
      return [{ wallet, look, differed }];
    case 'unreadable':
      options.onUnreadable(wallet, look.detail);
      options.onLooked('unreadable', wallet);
      return [];
    case 'equal':
      if (look.damage.length > 0 && (await mend(options, wallet, look, differed)) === 'moved') {
        return see(options, wallet, await lookAtWallet(options.sql, options.store, wallet), differed + 1);
      }
      await tidy(options, wallet, look);
      options.onLooked(look.damage.length > 0 ? 'mended' : 'equal', wallet);
      return [];
    case 'absent':
    case 'other_epoch':
      options.onLooked(look.status, wallet);
      return [];
    case 'differs':
      if (look.redis.freeze === 'reconcile') {
        options.onLooked('frozen', wallet);
        return [];
      }
      if (differed === 0 || (await freeze(options, wallet, look, differed)) === 'moved') {
        return see(options, wallet, await lookAtWallet(options.sql, options.store, wallet), differed + 1);
      }
      options.onLooked('differs', wallet);
      return [];
  }
}

async function tidy(
  { dropCounters }: ReconcileOptions,
  wallet: WalletRow,
  { redis: { counters, config }, clockMs }: Look & { status: 'equal' | 'differs' },
): Promise<void> {
  const over = counters.filter((counter) => isOver(counter, config, clockMs)).map(({ name }) => name);
  if (over.length > 0) await dropCounters(wallet, over);
}

/** One that moves all the time is mended wherever it is: what is made follows from what stands there. */
async function mend(
  { mendWallet, onMended }: ReconcileOptions,
  wallet: WalletRow,
  { epoch, redis: { version }, damage }: Look & { status: 'equal' | 'differs' },
  differed: number,
): Promise<'mended' | 'moved'> {
  const outcome = await mendWallet(wallet, differed <= movesMax ? { epoch, version } : undefined);
  switch (outcome.status) {
    case 'moved':
      return 'moved';
    case 'mended':
      onMended({ ...wallet, version, damage });
      return 'mended';
    case 'unavailable':
      throw new Error('a damaged wallet could not be mended', { cause: { ...wallet, outcome, damage } });
  }
}

/**
 * What has moved since it was looked at is compared anew: it may have been rebuilt. One that moves all the time, and
 * differed whenever it was looked at, is frozen where it is.
 */
async function freeze(
  options: ReconcileOptions,
  wallet: WalletRow,
  look: Look & { status: 'equal' | 'differs' },
  differed: number,
): Promise<'frozen' | 'moved'> {
  const { freezeWallet, onDifference } = options;
  const {
    epoch,
    redis: { version },
    damage,
    differences,
  } = look;
  const outcome = await freezeWallet(wallet, differed <= movesMax ? { epoch, version } : undefined);
  switch (outcome.status) {
    case 'moved':
      return 'moved';
    case 'changed':
    // Something else of the system's froze it: then nobody was told of this yet.
    case 'unchanged':
      onDifference({ ...wallet, version, differences });
      return 'frozen';
    case 'no_customer':
    case 'conflict':
    case 'unavailable':
    case 'unknown':
      // Freezing applies what is due, which may have failed on what is damaged, and would fail whenever it is tried.
      if (damage.length > 0) await mend(options, wallet, look, differed);
      // The page is begun again: a difference must not wait for the next pass.
      throw new Error(`a wallet differs from the ledger and could not be frozen: ${outcome.status}`, {
        cause: { ...wallet, outcome, differences },
      });
  }
}

const alphabet = '-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz';

/** Ids are evenly spread over their order. */
function placeOf(walletId: string): number {
  return (alphabet.indexOf(walletId[0]!) * alphabet.length + alphabet.indexOf(walletId[1]!)) / alphabet.length ** 2;
}
