// Money in: what the API and the worker ask of Stripe, for an environment that has the keys for it.
//
// Written down first, asked second: each call has a row in Postgres before it, and an idempotency key that follows from that
// row, so that whoever repeats it, whenever, asks for the very same.
import type { Page, PageRequest, StripeSettings } from '../records.ts';
import {
  chooseMethod,
  listMethods,
  removeMethod,
  setUpMethod,
  type At,
  type Method,
  type MethodStore,
} from './payment-methods.ts';
import { stripeFor, type Asked } from './stripe.ts';

export type PaymentStore = MethodStore & {
  /** Undefined: payments are not configured there, or there is no such environment. */
  readSettings: (environmentId: string) => Promise<StripeSettings | undefined>;
};

type NotConfigured = { status: 'not_configured' };
type Customer = { environmentId: string; customerId: string };

export type Payments = {
  isConfigured: (environmentId: string) => Promise<boolean>;
  /** `key`: the same one has the same page. */
  setUpMethod: (
    customer: Customer,
    asked: { returnUrl: string; key: string },
  ) => Promise<Asked<{ url: string }> | { status: 'no_customer' } | NotConfigured>;
  listMethods: (customer: Customer, page: PageRequest) => Promise<Asked<Page<Method>> | NotConfigured>;
  chooseMethod: (
    customer: Customer,
    methodId: string,
  ) => Promise<Asked<Method> | { status: 'no_method' } | NotConfigured>;
  removeMethod: (
    customer: Customer,
    methodId: string,
  ) => Promise<Asked<unknown> | { status: 'no_method' } | NotConfigured>;
};

export function openPayments(store: PaymentStore): Payments {
  const at = async <T>(customer: Customer, work: (at: At) => Promise<T>): Promise<T | NotConfigured> => {
    const settings = await store.readSettings(customer.environmentId);
    return settings ? work({ stripe: stripeFor(settings), ...customer }) : { status: 'not_configured' };
  };
  return {
    isConfigured: async (environmentId) => (await store.readSettings(environmentId)) !== undefined,
    setUpMethod: (customer, asked) => at(customer, (there) => setUpMethod(store, there, asked)),
    listMethods: (customer, page) => at(customer, (there) => listMethods(store, there, page)),
    chooseMethod: (customer, methodId) => at(customer, (there) => chooseMethod(store, there, methodId)),
    removeMethod: (customer, methodId) => at(customer, (there) => removeMethod(store, there, methodId)),
  };
}
