// What of Stripe's API the stand-in has: one table. Whatever is not in it is refused as an unknown URL, as Stripe does.
import { getCharge, listCharges } from './charges.ts';
import {
  createCheckoutSession,
  expireCheckoutSession,
  getCheckoutSession,
  listCheckoutSessions,
} from './checkout-sessions.ts';
import { createCustomer, deleteCustomer, getCustomer, listCustomers, updateCustomer } from './customers.ts';
import { getDispute, listDisputes } from './disputes.ts';
import { getEvent, listEvents } from './events.ts';
import {
  cancelPaymentIntent,
  confirmPaymentIntent,
  createPaymentIntent,
  getPaymentIntent,
  listPaymentIntents,
} from './payment-intents.ts';
import {
  attachPaymentMethod,
  detachPaymentMethod,
  getCustomersPaymentMethod,
  getPaymentMethod,
  listPaymentMethods,
} from './payment-methods.ts';
import { createRefund, getRefund, listRefunds } from './refunds.ts';
import type { Params, Reply } from './reply.ts';
import { confirmSetupIntent, createSetupIntent, getSetupIntent, listSetupIntents } from './setup-intents.ts';
import type { World } from './world.ts';

type Handle = (world: World, ids: [string, string], params: Params) => Reply | Promise<Reply>;

const withParams =
  (handle: (world: World, params: Params) => Reply | Promise<Reply>): Handle =>
  (world, _ids, params) =>
    handle(world, params);
const withId =
  (handle: (world: World, id: string, params: Params) => Reply | Promise<Reply>): Handle =>
  (world, [id], params) =>
    handle(world, id, params);

export const routes: readonly [target: string, handle: Handle][] = [
  ['POST /v1/customers', withParams(createCustomer)],
  ['GET /v1/customers', withParams(listCustomers)],
  ['GET /v1/customers/{customer}', withId(getCustomer)],
  ['POST /v1/customers/{customer}', withId(updateCustomer)],
  ['DELETE /v1/customers/{customer}', withId(deleteCustomer)],
  ['GET /v1/customers/{customer}/payment_methods', withId(listPaymentMethods)],
  [
    'GET /v1/customers/{customer}/payment_methods/{payment_method}',
    (world, [customer, method]) => getCustomersPaymentMethod(world, customer, method),
  ],
  ['GET /v1/payment_methods/{payment_method}', withId(getPaymentMethod)],
  ['POST /v1/payment_methods/{payment_method}/attach', withId(attachPaymentMethod)],
  ['POST /v1/payment_methods/{payment_method}/detach', withId(detachPaymentMethod)],
  ['POST /v1/payment_intents', withParams(createPaymentIntent)],
  ['GET /v1/payment_intents', withParams(listPaymentIntents)],
  ['GET /v1/payment_intents/{intent}', withId(getPaymentIntent)],
  ['POST /v1/payment_intents/{intent}/confirm', withId(confirmPaymentIntent)],
  ['POST /v1/payment_intents/{intent}/cancel', withId(cancelPaymentIntent)],
  ['GET /v1/charges', withParams(listCharges)],
  ['GET /v1/charges/{charge}', withId(getCharge)],
  ['POST /v1/setup_intents', withParams(createSetupIntent)],
  ['GET /v1/setup_intents', withParams(listSetupIntents)],
  ['GET /v1/setup_intents/{intent}', withId(getSetupIntent)],
  ['POST /v1/setup_intents/{intent}/confirm', withId(confirmSetupIntent)],
  ['POST /v1/checkout/sessions', withParams(createCheckoutSession)],
  ['GET /v1/checkout/sessions', withParams(listCheckoutSessions)],
  ['GET /v1/checkout/sessions/{session}', withId(getCheckoutSession)],
  ['POST /v1/checkout/sessions/{session}/expire', withId(expireCheckoutSession)],
  ['POST /v1/refunds', withParams(createRefund)],
  ['GET /v1/refunds', withParams(listRefunds)],
  ['GET /v1/refunds/{refund}', withId(getRefund)],
  ['GET /v1/disputes', withParams(listDisputes)],
  ['GET /v1/disputes/{dispute}', withId(getDispute)],
  ['GET /v1/events', withParams(listEvents)],
  ['GET /v1/events/{id}', withId(getEvent)],
];

type Route = { target: string; ids: [string, string]; handle: Handle };

const patterns = routes.map(([target, handle]) => ({
  target,
  handle,
  pattern: new RegExp(`^${target.replace(/\{[a-z_]+\}/g, '([^/]+)')}$`),
}));

export function findRoute(method: string, path: string): Route | undefined {
  for (const { target, handle, pattern } of patterns) {
    const match = pattern.exec(`${method} ${path}`);
    if (match) return { target, handle, ids: [decodeURIComponent(match[1] ?? ''), decodeURIComponent(match[2] ?? '')] };
  }
  return undefined;
}
