// PaymentIntents: https://docs.stripe.com/api/payment_intents, and how they go on: https://docs.stripe.com/payments/paymentintents/lifecycle
import type Stripe from 'stripe';
import { z } from 'zod';
import { charge, failIntent } from './charges.ts';
import { findCustomer } from './customers.ts';
import { cardOf, takePaymentMethod } from './payment-methods.ts';
import {
  expand,
  fail,
  flag,
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

const confirming = {
  off_session: flag.default(false),
  payment_method: text.optional(),
  return_url: text.optional(),
  expand,
};
const created = z.strictObject({
  ...confirming,
  amount: whole.min(1).max(99_999_999),
  currency: z.string().regex(/^[A-Za-z]{3}$/),
  confirm: flag.default(false),
  customer: text.optional(),
  description: text.optional(),
  metadata: metadata.optional(),
  allowed_payment_method_types: z.array(z.literal('card')).optional(),
  receipt_email: text.optional(),
  setup_future_usage: z.enum(['off_session', 'on_session']).optional(),
  statement_descriptor_suffix: text.optional(),
});

/** In the smallest unit; https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts has them by currency. */
const amountMin = 50;

export type NewIntent = {
  amount: number;
  currency: string;
  customer: string | null;
  description: string | null;
  metadata: Record<string, string>;
  receiptEmail: string | null;
  setupFutureUsage: 'off_session' | 'on_session' | null;
};

export async function createPaymentIntent(world: World, params: Params): Promise<Reply> {
  const given = read(created, params);
  if (given.status === 'wrong') return given.reply;
  const { amount, currency, confirm, off_session, customer = null, payment_method, return_url } = given.value;
  if (amount < amountMin) {
    return invalid('The amount is less than the minimum that can be charged.', {
      code: 'amount_too_small',
      param: 'amount',
    });
  }
  if (off_session && !confirm) {
    return invalid('off_session can only be used when `confirm` is true.', { param: 'off_session' });
  }
  const found = customer === null ? undefined : findCustomer(world, customer);
  if (found && 'status' in found) return found;
  const intent = makePaymentIntent(world, {
    amount,
    currency: currency.toLowerCase(),
    customer,
    description: given.value.description ?? null,
    metadata: given.value.metadata ?? {},
    receiptEmail: given.value.receipt_email ?? null,
    setupFutureUsage: given.value.setup_future_usage ?? null,
  });
  const method = payment_method === undefined ? undefined : methodFor(world, intent, payment_method);
  if (method && 'status' in method) {
    delete world.books.paymentIntents[intent.id];
    return method;
  }
  world.emit('payment_intent.created', intent);
  if (method) {
    intent.payment_method = method.id;
    intent.status = 'requires_confirmation';
  }
  return confirm ? confirmIntent(world, intent, { offSession: off_session, returnUrl: return_url }) : ok(intent);
}

export function makePaymentIntent(world: World, terms: NewIntent): Stripe.PaymentIntent {
  const id = makeId('pi');
  const intent: Stripe.PaymentIntent = {
    id,
    object: 'payment_intent',
    allowed_payment_method_types: null,
    amount: terms.amount,
    amount_capturable: 0,
    amount_received: 0,
    application: null,
    application_fee_amount: null,
    automatic_payment_methods: null,
    canceled_at: null,
    cancellation_reason: null,
    capture_method: 'automatic',
    client_secret: `${id}_secret_${makeId('s').slice(2)}`,
    confirmation_method: 'automatic',
    created: world.nowSeconds(),
    currency: terms.currency,
    customer: terms.customer,
    customer_account: null,
    description: terms.description,
    excluded_payment_method_types: null,
    last_payment_error: null,
    latest_charge: null,
    livemode: false,
    managed_payments: null,
    metadata: terms.metadata,
    next_action: null,
    on_behalf_of: null,
    payment_method: null,
    payment_method_configuration_details: null,
    payment_method_options: {},
    payment_method_types: ['card'],
    payment_record: null,
    processing: null,
    receipt_email: terms.receiptEmail,
    review: null,
    setup_future_usage: terms.setupFutureUsage,
    shipping: null,
    source: null,
    statement_descriptor: null,
    statement_descriptor_suffix: null,
    status: 'requires_payment_method',
    transfer_group: null,
  };
  world.books.paymentIntents[id] = intent;
  return intent;
}

const confirmed = z.strictObject(confirming);

export async function confirmPaymentIntent(world: World, id: string, params: Params): Promise<Reply> {
  const given = read(confirmed, params);
  if (given.status === 'wrong') return given.reply;
  const intent = world.books.paymentIntents[id];
  if (!intent) return missing('payment_intent', id, 'intent');
  const { payment_method, off_session, return_url } = given.value;
  if (payment_method !== undefined) {
    const method = methodFor(world, intent, payment_method);
    if ('status' in method) return method;
    intent.payment_method = method.id;
  }
  return confirmIntent(world, intent, { offSession: off_session, returnUrl: return_url });
}

/** Charges the intent's payment method, or says what stands in the way. */
export async function confirmIntent(
  world: World,
  intent: Stripe.PaymentIntent,
  how: { offSession: boolean; returnUrl?: string | undefined },
): Promise<Reply> {
  const methodId = intent.payment_method;
  if (intent.status === 'succeeded' || intent.status === 'canceled' || intent.status === 'processing') {
    return invalid(`You cannot confirm this PaymentIntent because it has already ${intent.status}.`, {
      code: 'payment_intent_unexpected_state',
      payment_intent: intent,
    });
  }
  if (typeof methodId !== 'string') {
    return invalid('You cannot confirm this PaymentIntent because it’s missing a payment method.', {
      code: 'payment_intent_unexpected_state',
      payment_intent: intent,
    });
  }
  const { does } = cardOf(world, methodId);
  if (does === 'is_slow') await new Promise((resolve) => setTimeout(resolve, world.slowMs));
  if (does !== 'wants_authentication')
    return { ...charge(world, intent, methodId), isLost: does === 'loses_the_reply' };
  if (how.offSession) return refuseAuthentication(world, intent, methodId);
  intent.status = 'requires_action';
  intent.next_action = {
    type: 'redirect_to_url',
    redirect_to_url: { url: `${world.url}/_stand_in/authenticate/${intent.id}`, return_url: how.returnUrl ?? null },
  };
  world.emit('payment_intent.requires_action', intent);
  return ok(intent);
}

/** The payer was asked for, and is not there. */
function refuseAuthentication(world: World, intent: Stripe.PaymentIntent, methodId: string): Reply {
  const said = {
    type: 'card_error',
    code: 'authentication_required',
    decline_code: 'authentication_required',
    message: 'Your card was declined. This transaction requires authentication.',
  } as const;
  failIntent(world, intent, said, methodId);
  return fail(402, { ...said, payment_intent: intent, payment_method: world.books.paymentMethods[methodId] });
}

/** The payer has said yes or no on the bank's page. */
export function endAuthentication(world: World, intent: Stripe.PaymentIntent, isGranted: boolean): Reply {
  const methodId = intent.payment_method;
  if (intent.status !== 'requires_action' || typeof methodId !== 'string')
    return invalid('There is nothing to authenticate.');
  intent.next_action = null;
  if (isGranted) return charge(world, intent, methodId);
  const said = {
    type: 'invalid_request_error',
    code: 'payment_intent_authentication_failure',
    message: 'The provided PaymentMethod has failed authentication.',
  } as const;
  failIntent(world, intent, said, methodId);
  return fail(402, { ...said, payment_intent: intent });
}

const canceled = z.strictObject({ cancellation_reason: text.optional(), expand });

export function cancelPaymentIntent(world: World, id: string, params: Params): Reply {
  const given = read(canceled, params);
  if (given.status === 'wrong') return given.reply;
  const intent = world.books.paymentIntents[id];
  if (!intent) return missing('payment_intent', id, 'intent');
  if (intent.status === 'succeeded' || intent.status === 'canceled' || intent.status === 'processing') {
    return invalid(`You cannot cancel this PaymentIntent because it has a status of ${intent.status}.`, {
      code: 'payment_intent_unexpected_state',
      payment_intent: intent,
    });
  }
  intent.status = 'canceled';
  intent.canceled_at = world.nowSeconds();
  intent.cancellation_reason = 'requested_by_customer';
  intent.next_action = null;
  world.emit('payment_intent.canceled', intent);
  return ok(intent);
}

export function getPaymentIntent({ books }: World, id: string): Reply {
  const intent = books.paymentIntents[id];
  return intent ? ok(intent) : missing('payment_intent', id, 'intent');
}

const listed = z.strictObject({ ...listParams, customer: text.optional() });

export function listPaymentIntents({ books }: World, params: Params): Reply {
  const given = read(listed, params);
  if (given.status === 'wrong') return given.reply;
  const { customer } = given.value;
  const all = Object.values(books.paymentIntents).filter(
    (intent) => customer === undefined || intent.customer === customer,
  );
  return list('/v1/payment_intents', all, given.value);
}

function methodFor(world: World, intent: Stripe.PaymentIntent, id: string): Stripe.PaymentMethod | Reply {
  const method = takePaymentMethod(world, id);
  if (!method) return invalid(`No such PaymentMethod: '${id}'`, { code: 'resource_missing', param: 'payment_method' });
  if (method.customer !== null && method.customer !== intent.customer) {
    return invalid('The provided PaymentMethod belongs to another customer.', { param: 'payment_method' });
  }
  return method;
}
