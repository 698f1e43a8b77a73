// Refunds: https://docs.stripe.com/api/refunds
import type Stripe from 'stripe';
import { z } from 'zod';
import { cardOf } from './payment-methods.ts';
import {
  expand,
  invalid,
  list,
  listParams,
  metadata,
  missing,
  ok,
  read,
  text,
  whole,
  type Params,
  type Reply,
} from './reply.ts';
import { makeId, type World } from './world.ts';

const created = z.strictObject({
  amount: whole.min(1).optional(),
  charge: text.optional(),
  payment_intent: text.optional(),
  metadata: metadata.optional(),
  reason: z.enum(['duplicate', 'fraudulent', 'requested_by_customer']).optional(),
  expand,
});

export function createRefund(world: World, params: Params): Reply {
  const given = read(created, params);
  if (given.status === 'wrong') return given.reply;
  const { amount, payment_intent, reason = null } = given.value;
  const intent = payment_intent === undefined ? undefined : world.books.paymentIntents[payment_intent];
  if (payment_intent !== undefined && !intent) return missing('payment_intent', payment_intent, 'payment_intent');
  const chargeId = intent ? intent.latest_charge : given.value.charge;
  const charge = typeof chargeId === 'string' ? world.books.charges[chargeId] : undefined;
  if (!charge?.paid) return invalid('This PaymentIntent does not have a successful charge to refund.');
  const left = charge.amount - charge.amount_refunded;
  if (left === 0) return invalid(`Charge ${charge.id} has already been refunded.`, { code: 'charge_already_refunded' });
  if (charge.disputed)
    return invalid(`Charge ${charge.id} has been charged back; cannot issue a refund.`, { code: 'charge_disputed' });
  const refunded = amount ?? left;
  if (refunded > left) {
    return invalid(`Refund amount (${refunded}) is greater than unrefunded amount on charge (${left})`, {
      param: 'amount',
    });
  }
  charge.amount_refunded += refunded;
  charge.refunded = charge.amount_refunded === charge.amount;
  const refund: Stripe.Refund = {
    id: makeId('re'),
    object: 'refund',
    amount: refunded,
    balance_transaction: null,
    charge: charge.id,
    created: world.nowSeconds(),
    currency: charge.currency,
    customer: charge.customer,
    customer_account: null,
    metadata: given.value.metadata ?? {},
    payment_intent: charge.payment_intent,
    payment_method: charge.payment_method,
    reason,
    receipt_number: null,
    source_transfer_reversal: null,
    status: cardOf(world, charge.payment_method ?? '').does === 'refunds_later' ? 'pending' : 'succeeded',
    transfer_reversal: null,
  };
  world.books.refunds[refund.id] = refund;
  world.emit('refund.created', refund);
  world.emit('charge.refunded', charge);
  return ok(refund);
}

/** What Stripe learns from the bank, perhaps days later. */
export function endRefund(world: World, id: string, status: 'succeeded' | 'failed'): Reply {
  const refund = world.books.refunds[id];
  if (!refund) return missing('refund', id, 'refund');
  const charge = typeof refund.charge === 'string' ? world.books.charges[refund.charge] : undefined;
  if (status === 'failed' && refund.status !== 'failed' && charge) {
    charge.amount_refunded -= refund.amount;
    charge.refunded = false;
    refund.failure_reason = 'lost_or_stolen_card';
  }
  refund.status = status;
  world.emit(status === 'failed' ? 'refund.failed' : 'refund.updated', refund);
  return ok(refund);
}

export function getRefund({ books }: World, id: string): Reply {
  const refund = books.refunds[id];
  return refund ? ok(refund) : missing('refund', id, 'refund');
}

const listed = z.strictObject({ ...listParams, charge: text.optional(), payment_intent: text.optional() });

export function listRefunds({ books }: World, params: Params): Reply {
  const given = read(listed, params);
  if (given.status === 'wrong') return given.reply;
  const { charge, payment_intent } = given.value;
  const all = Object.values(books.refunds).filter(
    (refund) =>
      (charge === undefined || refund.charge === charge) &&
      (payment_intent === undefined || refund.payment_intent === payment_intent),
  );
  return list('/v1/refunds', all, given.value);
}
