// Payment methods: https://docs.stripe.com/api/payment_methods. Cards only, and of those the test cards.
import type Stripe from 'stripe';
import { z } from 'zod';
import { cards, isCardName, type CardName } from './cards.ts';
import { findCustomer } from './customers.ts';
import { expand, fail, invalid, list, listParams, missing, ok, read, text, type Params, type Reply } from './reply.ts';
import { makeId, type World } from './world.ts';

/** A test card by its name becomes a payment method of its own each time, as in Stripe's test mode. */
export function takePaymentMethod(world: World, id: string): Stripe.PaymentMethod | undefined {
  return isCardName(id) ? makePaymentMethod(world, id) : world.books.paymentMethods[id];
}

export function makePaymentMethod(world: World, name: CardName): Stripe.PaymentMethod {
  const { brand, last4 } = cards[name];
  const method: Stripe.PaymentMethod = {
    id: makeId('pm'),
    object: 'payment_method',
    allow_redisplay: 'unspecified',
    billing_details: { address: null, email: null, name: null, phone: null, tax_id: null },
    card: {
      brand,
      checks: { address_line1_check: null, address_postal_code_check: null, cvc_check: 'pass' },
      country: 'US',
      display_brand: brand,
      exp_month: 12,
      exp_year: new Date(world.nowSeconds() * 1_000).getUTCFullYear() + 3,
      fingerprint: `fingerprint${last4}`,
      funding: 'credit',
      generated_from: null,
      last4,
      networks: { available: [brand], preferred: null },
      regulated_status: 'unregulated',
      three_d_secure_usage: { supported: true },
      wallet: null,
    },
    created: world.nowSeconds(),
    customer: null,
    customer_account: null,
    livemode: false,
    metadata: {},
    type: 'card',
  };
  world.books.paymentMethods[method.id] = method;
  world.books.cards[method.id] = name;
  return method;
}

export function cardOf({ books }: World, methodId: string): (typeof cards)[CardName] {
  return cards[books.cards[methodId] ?? 'pm_card_visa'];
}

export function getPaymentMethod({ books }: World, id: string): Reply {
  const method = books.paymentMethods[id];
  return method ? ok(method) : missing('PaymentMethod', id, 'payment_method');
}

const attached = z.strictObject({ customer: text, expand });

export function attachPaymentMethod(world: World, id: string, params: Params): Reply {
  const given = read(attached, params);
  if (given.status === 'wrong') return given.reply;
  const customer = findCustomer(world, given.value.customer);
  if ('status' in customer) return customer;
  const method = takePaymentMethod(world, id);
  if (!method) return missing('PaymentMethod', id, 'payment_method');
  return attach(world, method, customer.id) ?? ok(method);
}

/** What Stripe says where it refuses; otherwise it is attached. */
export function attach(world: World, method: Stripe.PaymentMethod, customerId: string): Reply | undefined {
  if (method.customer === customerId) return undefined;
  if (method.customer !== null) {
    return invalid('The payment method you provided has already been attached to a customer.');
  }
  if (cardOf(world, method.id).does === 'cannot_be_saved') {
    return fail(402, {
      type: 'card_error',
      code: 'card_declined',
      decline_code: 'generic_decline',
      message: 'Your card was declined.',
    });
  }
  method.customer = customerId;
  world.emit('payment_method.attached', method);
  return undefined;
}

export function detachPaymentMethod(world: World, id: string, params: Params): Reply {
  const given = read(z.strictObject({ expand }), params);
  if (given.status === 'wrong') return given.reply;
  const method = world.books.paymentMethods[id];
  if (!method) return missing('PaymentMethod', id, 'payment_method');
  if (method.customer === null) {
    return invalid(`The payment method you provided is not attached to a customer so detachment is impossible.`);
  }
  method.customer = null;
  world.emit('payment_method.detached', method);
  return ok(method);
}

const listed = z.strictObject({ ...listParams, type: text.optional() });

export function listPaymentMethods({ books }: World, customerId: string, params: Params): Reply {
  if (!books.customers[customerId]) return missing('customer', customerId, 'customer');
  const given = read(listed, params);
  if (given.status === 'wrong') return given.reply;
  const { type } = given.value;
  const all = Object.values(books.paymentMethods).filter(
    (method) => method.customer === customerId && (type === undefined || method.type === type),
  );
  return list(`/v1/customers/${customerId}/payment_methods`, all, given.value);
}

export function getCustomersPaymentMethod({ books }: World, customerId: string, id: string): Reply {
  const method = books.paymentMethods[id];
  return method?.customer === customerId ? ok(method) : missing('PaymentMethod', id, 'payment_method');
}
