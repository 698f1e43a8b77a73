// A customer of ours as a customer of Stripe: made when it is first needed, once.
import type { Stripe } from 'stripe';
import type { Payer } from '../records.ts';
import { ask, type Asked } from './stripe.ts';

/** What of Postgres payers need. */
export type PayerStore = {
  beginPayer: (environmentId: string, customerId: string) => Promise<Payer | undefined>;
  notePayer: (
    environmentId: string,
    payer: { customerId: string; generation: number; stripeCustomerId: string },
  ) => Promise<void>;
  renewPayer: (environmentId: string, payer: { customerId: string; generation: number }) => Promise<void>;
};

export type KnownPayer = Payer & { stripeCustomerId: string };
type At = { stripe: Stripe; environmentId: string; customerId: string };

/**
 * Does something with the payer at Stripe. One that Stripe does not know, because it was deleted there or the keys are another
 * account's, is made anew, and the work done once more.
 */
export async function withPayer<T>(
  store: PayerStore,
  at: At,
  work: (payer: KnownPayer) => Promise<Asked<T>>,
): Promise<Asked<T> | { status: 'no_customer' }> {
  const payer = await makePayer(store, at);
  if (payer.status !== 'done') return payer;
  const done = await work(payer.value);
  if (!isGone(done)) return done;
  await store.renewPayer(at.environmentId, payer.value);
  const renewed = await makePayer(store, at);
  return renewed.status === 'done' ? work(renewed.value) : renewed;
}

async function makePayer(
  store: PayerStore,
  { stripe, environmentId, customerId }: At,
): Promise<Asked<KnownPayer> | { status: 'no_customer' }> {
  const payer = await store.beginPayer(environmentId, customerId);
  if (!payer) return { status: 'no_customer' };
  if (payer.stripeCustomerId !== undefined) return { status: 'done', value: asKnown(payer, payer.stripeCustomerId) };
  const { name, email, generation } = payer;
  const made = await ask(
    stripe.customers.create(
      {
        ...(name !== undefined && { name }),
        ...(email !== undefined && { email }),
        metadata: { farebox_environment: environmentId, farebox_customer: customerId },
      },
      { idempotencyKey: `farebox:${environmentId}:payer:${customerId}:${generation}` },
    ),
  );
  if (made.status !== 'done') return made;
  const stripeCustomerId = made.value.id;
  await store.notePayer(environmentId, { customerId, generation, stripeCustomerId });
  return { status: 'done', value: asKnown(payer, stripeCustomerId) };
}

const asKnown = (payer: Payer, stripeCustomerId: string): KnownPayer => ({ ...payer, stripeCustomerId });

/** Stripe does not know the customer that it was asked about. */
export const isGone = (asked: Asked<unknown>): boolean =>
  asked.status === 'refused' && asked.code === 'resource_missing' && asked.param === 'customer';
