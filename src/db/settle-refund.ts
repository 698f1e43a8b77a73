// What Stripe says of a refund or a dispute, written down: whatever is new of it, and nothing that was known.
//
//   nothing final ── taken ──── restored: the bank gave the money back to us after all
//        └────────── returned ─ taken: Stripe has made it all the same
//
// What follows (credit taken, set free, given again) is done after it, until the ledger has it.
import { and, eq, isNull } from 'drizzle-orm';
import { creditFor } from '../pricing/refund-amount.ts';
import type { FoundRefund, Refund } from '../records.ts';
import type { Atoms } from '../units.ts';
import { noFingerprint } from '../wallet/operation.ts';
import { orm, type Sql } from './connect.ts';
import type { BegunCredit } from './credit-row.ts';
import { beginCreditIn } from './credits.ts';
import {
  goneBack,
  insertRefund,
  isRefund,
  lockTopUp,
  markRefunded,
  newRefundId,
  type RefundRow,
  type Transaction,
} from './refunds.ts';
import { refunds, type topUps } from './schema.ts';

type TopUpRow = typeof topUps.$inferSelect;

/** Returns the credit that is owed again, if that is what came of it. */
export async function takeInRefund(
  sql: Sql,
  environmentId: string,
  topUpId: string,
  found: FoundRefund,
): Promise<BegunCredit | undefined> {
  return orm(sql).transaction(async (transaction) => {
    const topUp = await lockTopUp(transaction, environmentId, topUpId);
    if (!topUp) throw new Error(`top-up ${topUpId} is gone`);
    const known = await findKnown(transaction, environmentId, found);
    if (!known) {
      // What came to nothing before we heard of it never was.
      if (found.outcome !== 'returned') await insertFound(transaction, topUp, found);
      await markRefunded(transaction, environmentId, topUpId);
      return undefined;
    }
    const next = nextOutcome(known, found);
    const owed = next === 'restored' ? await giveAgain(transaction, topUp, known) : undefined;
    const isNew = next !== known.outcome;
    await transaction
      .update(refunds)
      .set({
        stripeId: found.stripeId,
        outcome: next,
        ...(isNew && { failureCode: found.failure?.code ?? null, failureMessage: found.failure?.message ?? null }),
        // The credit is to be taken now. What was taken and is given again stays taken.
        ...(isNew && known.outcome === 'returned' && { endedAt: null }),
        ...(owed && { restoredGrantNo: owed.grantNo }),
      })
      .where(isRefund(environmentId, known.id));
    await markRefunded(transaction, environmentId, topUpId);
    return owed;
  });
}

/** Stripe refuses it, or was never asked: no money goes. The caller's key may be used again, unless it was answered. */
export async function returnRefund(
  sql: Sql,
  { environmentId, id }: Refund,
  failure: { code: string; message: string },
): Promise<void> {
  const undecided = and(isRefund(environmentId, id), isNull(refunds.outcome));
  await orm(sql)
    .update(refunds)
    .set({ outcome: 'returned', failureCode: failure.code, failureMessage: failure.message })
    .where(undecided);
  await orm(sql)
    .update(refunds)
    .set({ operationId: null })
    .where(and(isRefund(environmentId, id), eq(refunds.outcome, 'returned'), isNull(refunds.reply)));
}

function nextOutcome({ outcome, amount }: RefundRow, found: FoundRefund): RefundRow['outcome'] {
  if (outcome === null) return found.outcome ?? null;
  // Less than an atom was worth nothing then, and is now.
  if (outcome === 'taken' && found.outcome === 'returned') return amount > 0n ? 'restored' : 'returned';
  if (outcome === 'returned' && found.outcome !== 'returned') return found.outcome ?? 'returned';
  return outcome;
}

async function findKnown(transaction: Transaction, environmentId: string, { stripeId, id }: FoundRefund) {
  if (id !== undefined) {
    const [ours] = await transaction.select().from(refunds).where(isRefund(environmentId, id));
    if (ours) return ours;
  }
  const [row] = await transaction
    .select()
    .from(refunds)
    .where(and(eq(refunds.environmentId, environmentId), eq(refunds.stripeId, stripeId)));
  return row;
}

async function insertFound(transaction: Transaction, topUp: TopUpRow, found: FoundRefund): Promise<void> {
  const before = await goneBack(transaction, topUp.environmentId, topUp.id);
  const bought = { amount: topUp.amount, money: BigInt(topUp.paid ?? topUp.price) };
  await insertRefund(transaction, topUp, {
    id: newRefundId(),
    origin: found.isDispute ? 'dispute' : 'stripe',
    amount: creditFor(bought, before, BigInt(found.money)) as Atoms,
    money: found.money,
    stripeId: found.stripeId,
    outcome: found.outcome ?? null,
  });
}

/** The money has come back, and the credit is gone: it is owed, as what was bought is. */
async function giveAgain(transaction: Transaction, topUp: TopUpRow, refund: RefundRow): Promise<BegunCredit> {
  const begun = await beginCreditIn(transaction, topUp.environmentId, {
    customerId: topUp.customerId,
    operationId: `${refund.id}.again`,
    fingerprint: noFingerprint,
    asset: topUp.asset,
    amount: refund.amount,
    purpose: 'paid',
    priority: 50,
    effectiveAtMs: undefined,
    expiresAtMs: topUp.expiresAt !== null && topUp.expiresAt > Date.now() ? topUp.expiresAt : undefined,
    description: `top-up ${topUp.id}, whose refund failed`,
    metadata: topUp.metadata,
    isOwed: true,
  });
  if (begun.status !== 'begun') throw new Error(`the credit of refund ${refund.id} cannot be begun: ${begun.status}`);
  return begun.credit;
}
