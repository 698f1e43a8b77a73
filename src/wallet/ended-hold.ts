// A hold that Redis does not know: the ledger says how it ended.
import type { HoldRecord } from '../records.ts';
import type { Atoms } from '../units.ts';
import { parseHoldId } from './ids.ts';
import { ledgerCaughtUp } from './ledger-wait.ts';
import type { Store } from './store.ts';
import { retryAfterMs, type Target, type Trouble } from './target.ts';

export type HoldTarget = Target & { asset: number; ref: string };
export type Closed = { status: 'closed'; how: 'settled' | 'released' | 'expired'; settled: Atoms; released: Atoms };
export type NoHold = { status: 'no_hold' };

/** Where a hold is, from its id alone; undefined for what no hold was ever called. */
export function targetOfHold(environmentId: string, holdId: string): HoldTarget | undefined {
  const parsed = parseHoldId(holdId);
  return parsed && { environmentId, ...parsed };
}

/** Waits up to 2 s for the ledger to pass the outbox's present end, then asks it. */
export async function findEndedHold(
  store: Store,
  target: HoldTarget,
): Promise<{ status: 'ended'; hold: HoldRecord } | NoHold | Extract<Trouble, { status: 'unavailable' }>> {
  try {
    if (!(await ledgerCaughtUp(store, target.partition))) {
      return { status: 'unavailable', detail: 'the ledger has not caught up with this hold yet', retryAfterMs };
    }
    const hold = await store.ledger.findHold(target.environmentId, target.walletId, target.ref);
    if (!hold || hold.legs[0].asset !== target.asset) return { status: 'no_hold' };
    if (hold.status !== 'open') return { status: 'ended', hold };
    store.onWarning('the ledger has an open hold that Redis does not have', { ...target });
    return { status: 'unavailable', detail: 'ledger and Redis disagree about this hold', retryAfterMs };
  } catch (error) {
    store.onWarning('asking the ledger for a hold failed', { error, ...target });
    return { status: 'unavailable', detail: 'the ledger cannot be reached to say how this hold ended', retryAfterMs };
  }
}

export function closedAs(hold: HoldRecord): Closed {
  const how = hold.status === 'open' ? 'expired' : hold.status;
  return { status: 'closed', how, settled: hold.legs[0].settled, released: hold.legs[0].released };
}
