// Charges: what becomes of a payment, by its card. https://docs.stripe.com/api/charges
import type Stripe from 'stripe';
import { z } from 'zod';
import { openDispute } from './disputes.ts';
import { cardOf } from './payment-methods.ts';
import { fail, list, listParams, missing, ok, read, text, type Params, type Reply } from './reply.ts';
import { makeId, type World } from './world.ts';

export function charge(world: World, intent: Stripe.PaymentIntent, methodId: string): Reply {
  const { does } = cardOf(world, methodId);
  if (does === 'is_declined' || does === 'cannot_be_saved') return decline(world, intent, methodId, 'generic_decline');
  if (does === 'lacks_funds') return decline(world, intent, methodId, 'insufficient_funds');
  const made = makeCharge(world, intent, methodId, undefined);
  intent.status = 'succeeded';
  intent.amount_received = intent.amount;
  intent.latest_charge = made.id;
  intent.last_payment_error = null;
  world.emit('charge.succeeded', made);
  world.emit('payment_intent.succeeded', intent);
  if (does === 'is_disputed') openDispute(world, made, { amount: made.amount, reason: 'fraudulent' });
  return ok(intent);
}

function decline(world: World, intent: Stripe.PaymentIntent, methodId: string, declineCode: string): Reply {
  const message =
    declineCode === 'insufficient_funds' ? 'Your card has insufficient funds.' : 'Your card was declined.';
  const made = makeCharge(world, intent, methodId, { declineCode, message });
  intent.latest_charge = made.id;
  const said = {
    type: 'card_error',
    code: 'card_declined',
    decline_code: declineCode,
    message,
    charge: made.id,
  } as const;
  failIntent(world, intent, said, methodId);
  world.emit('charge.failed', made);
  return fail(402, { ...said, payment_intent: intent, payment_method: world.books.paymentMethods[methodId] });
}

/** Without success: it waits for another payment method. */
export function failIntent(
  world: World,
  intent: Stripe.PaymentIntent,
  said: Omit<Stripe.PaymentIntent.LastPaymentError, 'payment_method'>,
  methodId: string,
): void {
  const method = world.books.paymentMethods[methodId];
  intent.status = 'requires_payment_method';
  intent.payment_method = null;
  intent.next_action = null;
  intent.last_payment_error = { ...said, ...(method && { payment_method: method }) };
  world.emit('payment_intent.payment_failed', intent);
}

function makeCharge(
  world: World,
  intent: Stripe.PaymentIntent,
  methodId: string,
  failure: { declineCode: string; message: string } | undefined,
): Stripe.Charge {
  const made: Stripe.Charge = {
    id: makeId('ch'),
    object: 'charge',
    amount: intent.amount,
    amount_captured: failure ? 0 : intent.amount,
    amount_refunded: 0,
    application: null,
    application_fee: null,
    application_fee_amount: null,
    balance_transaction: null,
    billing_details: { address: null, email: null, name: null, phone: null, tax_id: null },
    calculated_statement_descriptor: null,
    captured: !failure,
    created: world.nowSeconds(),
    currency: intent.currency,
    customer: intent.customer,
    description: intent.description,
    disputed: false,
    failure_balance_transaction: null,
    failure_code: failure ? 'card_declined' : null,
    failure_message: failure?.message ?? null,
    fraud_details: {},
    livemode: false,
    metadata: intent.metadata,
    on_behalf_of: null,
    outcome: {
      advice_code: null,
      network_advice_code: null,
      network_decline_code: null,
      network_status: failure ? 'declined_by_network' : 'approved_by_network',
      reason: failure?.declineCode ?? null,
      risk_level: 'normal',
      seller_message: failure?.message ?? 'Payment complete.',
      type: failure ? 'issuer_declined' : 'authorized',
    },
    paid: !failure,
    payment_intent: intent.id,
    payment_method: methodId,
    payment_method_details: null,
    receipt_email: intent.receipt_email,
    receipt_number: null,
    receipt_url: null,
    refunded: false,
    review: null,
    shipping: null,
    source: null,
    source_transfer: null,
    statement_descriptor: null,
    statement_descriptor_suffix: null,
    status: failure ? 'failed' : 'succeeded',
    transfer_data: null,
    transfer_group: null,
  };
  world.books.charges[made.id] = made;
  return made;
}

export function getCharge({ books }: World, id: string): Reply {
  const found = books.charges[id];
  return found ? ok(found) : missing('charge', id, 'charge');
}

const listed = z.strictObject({ ...listParams, customer: text.optional(), payment_intent: text.optional() });

export function listCharges({ books }: World, params: Params): Reply {
  const given = read(listed, params);
  if (given.status === 'wrong') return given.reply;
  const { customer, payment_intent } = given.value;
  const all = Object.values(books.charges).filter(
    (made) =>
      (customer === undefined || made.customer === customer) &&
      (payment_intent === undefined || made.payment_intent === payment_intent),
  );
  return list('/v1/charges', all, given.value);
}
