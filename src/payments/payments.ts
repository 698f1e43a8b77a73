// Money in: what the API and the worker ask of Stripe, for an environment that has the keys for it.
//
// Written down first, asked second: each call has a row in Postgres before it, and an idempotency key that follows from that
// row, so that whoever repeats it, whenever, asks for the very same.
import type { Page, PageRequest, Refund, StripeSettings, TopUp } from '../records.ts';
import {
  chooseMethod,
  findPayment,
  listMethods,
  removeMethod,
  setUpMethod,
  type At,
  type Method,
  type MethodStore,
} from './payment-methods.ts';
import { takeMissedEvents } from './missed-events.ts';
import {
  advanceRefund,
  resumeRefund,
  seeToRefunds,
  topUpOfIntent,
  type AdvancedRefund,
  type RefundsSeen,
  type RefundStore,
} from './refunds.ts';
import { stripeFor, type Asked } from './stripe.ts';
import { advanceTopUp, type Advanced, type Payment, type TopUpStore } from './top-ups.ts';
import { readEvent, type Meaning } from './webhook.ts';

type TopUpId = { environmentId: string; id: string };
type EventId = { id: string; type: string };

export type PaymentStore = MethodStore &
  TopUpStore &
  RefundStore & {
    /** Undefined: payments are not configured there, or there is no such environment. */
    readSettings: (environmentId: string) => Promise<StripeSettings | undefined>;
    /** As `settleTopUp`, and the event is stored with it: it has its effect once. */
    settleByEvent: (topUp: TopUpId, payment: Payment, event: EventId) => Promise<void>;
    /** Stores the event, and that the top-up is to be looked at. */
    lookSoon: (environmentId: string, id: string, event: EventId) => Promise<unknown>;
    findTopUpByIntent: (environmentId: string, intentId: string) => Promise<string | undefined>;
    /** Stores the event, and that the top-up's refunds are to be looked at. */
    lookAtRefundsSoon: (environmentId: string, topUpId: string, event: EventId) => Promise<void>;
  };

type NotConfigured = { status: 'not_configured' };
type NoMethod = { status: 'no_method' };
type NoCustomer = { status: 'no_customer' };
type Customer = { environmentId: string; customerId: string };
type TopUpTerms = { payerId: string; methodId: string | undefined; addsTax: boolean };

export type Payments = {
  isConfigured: (environmentId: string) => Promise<boolean>;
  /** `key`: the same one has the same page. */
  setUpMethod: (
    customer: Customer,
    asked: { returnUrl: string; key: string },
  ) => Promise<Asked<{ url: string }> | NoCustomer | NotConfigured>;
  listMethods: (customer: Customer, page: PageRequest) => Promise<Asked<Page<Method>> | NotConfigured>;
  chooseMethod: (customer: Customer, methodId: string) => Promise<Asked<Method> | NoMethod | NotConfigured>;
  removeMethod: (customer: Customer, methodId: string) => Promise<Asked<unknown> | NoMethod | NotConfigured>;
  /** Who is charged, and by what; of a saved one that is not named, the default. */
  prepareTopUp: (
    customer: Customer,
    asked: { payment: TopUp['payment']; methodId: string | undefined },
  ) => Promise<Asked<TopUpTerms> | NoCustomer | NoMethod | NotConfigured>;
  /** Takes it as far as it will go now. */
  advance: (topUp: TopUp) => Promise<Advanced | NotConfigured>;
  /** Takes a refund that was written down as far as it will go now. */
  refund: (topUp: TopUp, refund: Refund, isNew: boolean) => Promise<AdvancedRefund | NotConfigured>;
  /** What Stripe has of a top-up's refunds and disputes, and each as far as it will go. */
  seeToRefunds: (topUp: TopUp) => Promise<RefundsSeen | NotConfigured>;
  /** An event of Stripe's; `taken` says nothing of whether it meant anything, `unavailable` that it cannot be said yet. */
  receive: (environmentId: string, sent: { body: Uint8Array; signature: string }) => Promise<Received | NotConfigured>;
  /** What Stripe has told of refunds and disputes in that time, whether it reached us or not. */
  takeMissed: (environmentId: string, time: { fromMs: number; toMs: number }) => Promise<Taken | NotConfigured>;
};
type Taken = { status: 'taken' } | { status: 'unavailable'; detail: string };
type Received = Taken | { status: 'forged' };

export function openPayments(store: PaymentStore): Payments {
  const at = async <T>(customer: Customer, work: (at: At, settings: StripeSettings) => Promise<T>) => {
    const settings = await store.readSettings(customer.environmentId);
    const missing: NotConfigured = { status: 'not_configured' };
    return settings ? work({ stripe: stripeFor(settings), ...customer }, settings) : missing;
  };
  return {
    isConfigured: async (environmentId) => (await store.readSettings(environmentId)) !== undefined,
    setUpMethod: (customer, asked) => at(customer, (there) => setUpMethod(store, there, asked)),
    listMethods: (customer, page) => at(customer, (there) => listMethods(store, there, page)),
    chooseMethod: (customer, methodId) => at(customer, (there) => chooseMethod(store, there, methodId)),
    removeMethod: (customer, methodId) => at(customer, (there) => removeMethod(store, there, methodId)),
    prepareTopUp: (customer, asked) =>
      at(customer, async (there, settings) => {
        const found = await findPayment(store, there, asked);
        if (found.status !== 'done') return found;
        const addsTax = settings.addsTax && asked.payment === 'checkout';
        return { status: 'done', value: { ...found.value, addsTax } };
      }),
    advance: (topUp) => at(topUp, ({ stripe }) => advanceTopUp({ store, stripe, topUp })),
    refund: (topUp, refund, isNew) =>
      at(topUp, ({ stripe }) => (isNew ? advanceRefund : resumeRefund)({ store, stripe, topUp }, refund)),
    seeToRefunds: (topUp) => at(topUp, ({ stripe }) => seeToRefunds({ store, stripe, topUp })),
    receive: (environmentId, sent) => receive(store, environmentId, sent),
    takeMissed: async (environmentId, time) => {
      const settings = await store.readSettings(environmentId);
      if (!settings) return { status: 'not_configured' };
      const take = (told: Meaning) => takeIn(store, settings, environmentId, told);
      return takeMissedEvents({ settings, environmentId, take }, time);
    },
  };
}

async function receive(
  store: PaymentStore,
  environmentId: string,
  sent: { body: Uint8Array; signature: string },
): Promise<Received | NotConfigured> {
  const settings = await store.readSettings(environmentId);
  if (!settings || settings.webhookSecrets.length === 0) return { status: 'not_configured' };
  const read = readEvent(settings, environmentId, sent);
  return read.status === 'forged' ? { status: 'forged' } : takeIn(store, settings, environmentId, read);
}

async function takeIn(
  store: PaymentStore,
  settings: StripeSettings,
  environmentId: string,
  told: Meaning,
): Promise<Taken> {
  switch (told.status) {
    case 'ignored':
      break;
    case 'paid':
      await store.settleByEvent({ environmentId, id: told.topUpId }, told.payment, told.event);
      break;
    case 'look':
      await store.lookSoon(environmentId, told.topUpId, told.event);
      break;
    case 'look_at_refunds': {
      const known = await store.findTopUpByIntent(environmentId, told.intentId);
      const found =
        known === undefined
          ? await topUpOfIntent(stripeFor(settings), environmentId, told.intentId)
          : ({ status: 'done', value: known } as const);
      // Stripe sends it again.
      if (found.status !== 'done') return { status: 'unavailable', detail: found.detail };
      if (found.value !== undefined) await store.lookAtRefundsSoon(environmentId, found.value, told.event);
      break;
    }
  }
  return { status: 'taken' };
}
