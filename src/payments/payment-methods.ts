// Payment methods: what a customer has given Stripe to pay with. They live at Stripe; which one was chosen is ours.
import type { Stripe } from 'stripe';
import type { Page, PageRequest, Payer } from '../records.ts';
import { isGone, withPayer, type PayerStore } from './payers.ts';
import { ask, type Asked } from './stripe.ts';

export type MethodStore = PayerStore & {
  findPayer: (environmentId: string, customerId: string) => Promise<Payer | undefined>;
  chooseMethod: (environmentId: string, choice: { customerId: string; methodId: string | undefined }) => Promise<void>;
};

export type Method = {
  id: string;
  type: string;
  card: { brand: string; last4: string; expMonth: number; expYear: number } | undefined;
  isDefault: boolean;
  createdAtMs: number;
};

export type At = { stripe: Stripe; environmentId: string; customerId: string };
const none = { status: 'no_method' } as const;

/** A page of Stripe's, where the customer enters what to pay with later. */
export async function setUpMethod(
  store: MethodStore,
  at: At,
  { returnUrl, key }: { returnUrl: string; key: string },
): Promise<Asked<{ url: string }> | { status: 'no_customer' }> {
  const { stripe, environmentId, customerId } = at;
  const metadata = { farebox_environment: environmentId, farebox_customer: customerId };
  const made = await withPayer(store, at, ({ stripeCustomerId, generation }) =>
    ask(
      stripe.checkout.sessions.create(
        {
          mode: 'setup',
          customer: stripeCustomerId,
          allowed_payment_method_types: ['card'],
          success_url: returnUrl,
          cancel_url: returnUrl,
          metadata,
          setup_intent_data: { metadata },
        },
        { idempotencyKey: `farebox:${environmentId}:setup:${key}:${generation}` },
      ),
    ),
  );
  if (made.status !== 'done') return made;
  const { url } = made.value;
  return url === null
    ? { status: 'unknown', detail: 'the page that Stripe made is gone' }
    : { status: 'done', value: { url } };
}

/** Newest first; the cursor is the last one's id. */
export async function listMethods(store: MethodStore, at: At, page: PageRequest): Promise<Asked<Page<Method>>> {
  const payer = await store.findPayer(at.environmentId, at.customerId);
  if (payer?.stripeCustomerId === undefined) return { status: 'done', value: { items: [], nextCursor: undefined } };
  const listed = await ask(
    at.stripe.customers.listPaymentMethods(payer.stripeCustomerId, {
      limit: page.limit,
      ...(page.cursor !== undefined && { starting_after: page.cursor }),
    }),
  );
  if (listed.status !== 'done') return listed;
  const { data, has_more: hasMore } = listed.value;
  const isFirst = page.cursor === undefined;
  // One that was chosen and is gone counts no more: then it is the newest.
  const isKept =
    data.some(({ id }) => id === payer.defaultMethodId) ||
    (payer.defaultMethodId !== undefined && (hasMore || !isFirst));
  const defaultId = isKept ? payer.defaultMethodId : isFirst ? data[0]?.id : undefined;
  return {
    status: 'done',
    value: {
      items: data.map((method) => toMethod(method, defaultId)),
      nextCursor: hasMore ? data.at(-1)?.id : undefined,
    },
  };
}

/** It is charged from now on where none is named. */
export async function chooseMethod(store: MethodStore, at: At, methodId: string): Promise<Asked<Method> | typeof none> {
  const found = await findMethod(store, at, methodId);
  if (found.status !== 'done') return found;
  await store.chooseMethod(at.environmentId, { customerId: at.customerId, methodId });
  return { status: 'done', value: toMethod(found.value, methodId) };
}

export async function removeMethod(
  store: MethodStore,
  at: At,
  methodId: string,
): Promise<Asked<unknown> | typeof none> {
  const found = await findMethod(store, at, methodId);
  if (found.status !== 'done') return found;
  const removed = await ask(at.stripe.paymentMethods.detach(methodId));
  const payer = await store.findPayer(at.environmentId, at.customerId);
  // After it: whoever looks now for what else there is must not find it.
  if (removed.status === 'done' && payer?.defaultMethodId === methodId) {
    await store.chooseMethod(at.environmentId, { customerId: at.customerId, methodId: undefined });
  }
  return removed;
}

type Chosen = { payerId: string; methodId: string | undefined };

/** Whom a top-up charges, and by what. */
export async function findPayment(
  store: MethodStore,
  at: At,
  asked: { payment: 'checkout' | 'saved'; methodId: string | undefined },
): Promise<Asked<Chosen> | typeof none | { status: 'no_customer' }> {
  const found = await withPayer(store, at, async (payer): Promise<Asked<Chosen>> => {
    const payerId = payer.stripeCustomerId;
    const chosen = (methodId?: string): Asked<Chosen> => ({ status: 'done', value: { payerId, methodId } });
    if (asked.payment === 'checkout') return chosen();
    const wanted = asked.methodId ?? payer.defaultMethodId;
    if (wanted !== undefined) {
      const kept = await ask(at.stripe.customers.retrievePaymentMethod(payerId, wanted));
      if (kept.status === 'done') return chosen(wanted);
      if (kept.status !== 'refused' || isGone(kept)) return kept;
      if (asked.methodId !== undefined) return chosen();
    }
    const newest = await ask(at.stripe.customers.listPaymentMethods(payerId, { limit: 1 }));
    return newest.status === 'done' ? chosen(newest.value.data[0]?.id) : newest;
  });
  const isWithout = found.status === 'done' && asked.payment === 'saved' && found.value.methodId === undefined;
  return isWithout ? none : found;
}

/** One that Stripe has for this customer; another customer's is not found. */
async function findMethod(
  store: MethodStore,
  at: At,
  methodId: string,
): Promise<Asked<Stripe.PaymentMethod> | typeof none> {
  const payer = await store.findPayer(at.environmentId, at.customerId);
  if (payer?.stripeCustomerId === undefined) return none;
  const found = await ask(at.stripe.customers.retrievePaymentMethod(payer.stripeCustomerId, methodId));
  return found.status === 'refused' ? none : found;
}

function toMethod({ id, type, card, created }: Stripe.PaymentMethod, defaultId: string | undefined): Method {
  return {
    id,
    type,
    card: card && { brand: card.brand, last4: card.last4, expMonth: card.exp_month, expYear: card.exp_year },
    isDefault: id === defaultId,
    createdAtMs: created * 1_000,
  };
}
