// What refunds and disputes need of Postgres and of wallets, and in which order the two are told.
import type { BegunCredit } from '../db/credit-row.ts';
import { findOperation } from '../db/operations.ts';
import {
  beginAttempt,
  findRefund,
  listRefunds,
  lookAgain,
  noteHeld,
  noteRefundAsked,
  noteRefundEnded,
  readDisputes,
  withdrawRefund,
} from '../db/refunds.ts';
import { returnRefund, takeInRefund } from '../db/settle-refund.ts';
import type { RefundStore } from '../payments/refunds.ts';
import type { Refund, TopUp } from '../records.ts';
import { credit } from '../wallet/credit.ts';
import { freezeBySystem, liftBySystem } from '../wallet/freeze.ts';
import { walletOf } from '../wallet/keys.ts';
import { refundOperationId, setAside, takeBack } from '../wallet/refund.ts';
import type { PaymentParts } from './payment-store.ts';

const soonMs = 1_000;

export function refundStore(parts: PaymentParts): RefundStore {
  const { sql } = parts;
  return {
    listRefunds: ({ environmentId, id }) => listRefunds(sql, environmentId, [id]),
    findRefund: ({ environmentId, id }) => findRefund(sql, environmentId, id),
    setAside: (of) => trySettingAside(parts, of),
    noteRefundAsked: (refund) => noteRefundAsked(sql, refund),
    returnRefund: (refund, failure) => returnRefund(sql, refund, failure),
    takeInRefund: async ({ environmentId, id }, found) => {
      const owed = await takeInRefund(sql, environmentId, id, found);
      if (owed) await giveAgain(parts, { ...owed, environmentId }, found.stripeId);
    },
    endRefund: (of) => end(parts, of),
    matchFreeze: (topUp) => matchFreeze(parts, topUp),
  };
}

type OfRefund = { topUp: TopUp; refund: Refund; isRepeat: boolean };

async function trySettingAside(
  { sql, store, onWarning }: PaymentParts,
  { topUp, refund, isRepeat }: OfRefund,
): ReturnType<RefundStore['setAside']> {
  const attemptNo = await beginAttempt(sql, refund);
  if (attemptNo === undefined) return { status: 'gone' };
  if (refund.amount === 0n) {
    await noteHeld(sql, refund);
    return { status: 'held' };
  }
  const reply = await setAside(store, { refund, grantNo: topUp.grantNo!, isRepeat });
  switch (reply.status) {
    case 'set_aside':
      await noteHeld(sql, refund);
      return { status: 'held' };
    case 'short':
    case 'frozen':
      if (refund.origin !== 'request') {
        // There is nothing to set aside: when it is taken, it is owed.
        await noteHeld(sql, refund);
        return { status: 'held' };
      }
      return (await withdrawRefund(sql, refund, attemptNo))
        ? reply
        : { status: 'unknown', detail: 'a worker is about this refund, too' };
    case 'unavailable':
    case 'unknown':
      return { status: 'unknown', detail: reply.detail };
    case 'no_customer':
    case 'conflict':
      onWarning('a refund cannot be set aside', { refund: refund.id, outcome: reply.status });
      return { status: 'unknown', detail: 'the wallet does not take it' };
  }
}

async function giveAgain(
  { store, onWarning }: PaymentParts,
  owed: BegunCredit & { environmentId: string },
  stripeId: string,
): Promise<void> {
  onWarning('money that was refunded came back: its credit is given again', { stripe: stripeId });
  const applied = await credit(store, owed);
  if (applied.status !== 'granted')
    onWarning('a credit that is owed waits', { stripe: stripeId, outcome: applied.status });
}

/** Once the ledger has it: what Redis alone knows may get lost. */
async function end(parts: PaymentParts, of: OfRefund): Promise<{ status: 'ended' | 'waits' }> {
  const { refund, isRepeat } = of;
  const isThere = refund.amount === 0n || (await takeBackInLedger(parts, of));
  if (!isRepeat) {
    await lookAgain(parts.sql, refund, soonMs);
    return { status: 'waits' };
  }
  if (!isThere) return { status: 'waits' };
  if (await noteRefundEnded(parts.sql, refund)) parts.onRefundEnded?.(refund);
  return { status: 'ended' };
}

/** The wallet does what the outcome says; true when the ledger has it, or will never have anything of it. */
async function takeBackInLedger(
  { sql, store, onWarning }: PaymentParts,
  { topUp, refund, isRepeat }: OfRefund,
): Promise<boolean> {
  const done = await takeBack(store, { refund, grantNo: topUp.grantNo!, isRepeat });
  // Nothing was set aside, or Redis has lost it before the ledger had it.
  if (done.status === 'nothing') return true;
  if (done.status !== 'taken_back') {
    onWarning('a refund cannot be ended yet', { refund: refund.id, outcome: done.status });
    return false;
  }
  const operationId = refundOperationId(refund, refund.outcome === 'returned' ? 'free' : 'take');
  return (await findOperation(sql, refund.environmentId, operationId, refund.createdAtMs)) !== undefined;
}

/** Compared with the ledger's account of the wallet. An operator's freeze stays the operator's. */
async function matchFreeze({ sql, store }: PaymentParts, { environmentId, customerId }: TopUp): Promise<boolean> {
  const { hasOpen, freeze } = await readDisputes(sql, environmentId, customerId);
  if (hasOpen ? freeze !== 'none' : freeze !== 'dispute') return true;
  const wallet = walletOf(environmentId, customerId);
  await (hasOpen ? freezeBySystem(store, wallet, 'dispute') : liftBySystem(store, wallet, 'dispute'));
  return false;
}
