// A top-up by Checkout that is broken off: at every word to Postgres, to Redis and to Stripe, before it is heard and after it is done.
// One page, one charge, one grant, whether an event tells of the payment or a worker finds it.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { signatureOf } from '../scripts/stripe/webhooks.ts';
import { beginTopUp, findTopUpByOperation } from '../src/db/top-ups.ts';
import { openPayments, type Payments } from '../src/payments/payments.ts';
import { paymentStore } from '../src/run/payment-store.ts';
import type { Atoms } from '../src/units.ts';
import { noFingerprint } from '../src/wallet/operation.ts';
import { applyPendingCredits } from '../src/worker/apply-credits.ts';
import { lookAtTopUps } from '../src/worker/look-at-top-ups.ts';
import { expectSound } from './faults/books.ts';
import { breakOff, type Parts } from './faults/broken-off.ts';
import { pointAfter } from './faults/seeded.ts';
import { startByHand, type ByHand } from './stripe/by-hand.ts';
import { submit, webhookSecret } from './stripe/paying.ts';

let byHand: ByHand;
beforeAll(async () => {
  byHand = await startByHand();
});
afterAll(async () => {
  await expectSound(byHand.sql, byHand.paying.standIn.books);
  await byHand.stop();
});

const paymentsOf = (parts: Parts): Payments => openPayments(paymentStore({ ...parts, onWarning: () => {} }));

/** What a gateway does for a caller, who comes again with the same key. */
async function ask(parts: Parts, customerId: string): Promise<void> {
  const { environmentId } = byHand.paying;
  const payments = paymentsOf(parts);
  const operation = { operationId: `buy-${customerId}`, fingerprint: noFingerprint };
  const known = await findTopUpByOperation(parts.sql, environmentId, operation.operationId, noFingerprint);
  if (known !== undefined && known !== 'conflict') return void (await payments.advance(known));
  const prepared = await payments.prepareTopUp(
    { environmentId, customerId },
    { payment: 'checkout', methodId: undefined },
  );
  if (prepared.status !== 'done') throw new Error(prepared.status);
  const begun = await beginTopUp(parts.sql, environmentId, {
    ...{ customerId, asset: 1, amount: 5_000_000_000n as Atoms, rate: undefined, currency: 'USD', price: 500 },
    ...{ payment: 'checkout', returnUrl: 'https://shop.example/', receiptEmail: undefined, expiresAtMs: undefined },
    ...{ metadata: {}, ...prepared.value, ...operation },
  });
  if (begun.status === 'begun') await payments.advance(begun.topUp);
}

/** On each page that there is. */
async function pay(): Promise<void> {
  for (const { status, url } of Object.values(byHand.paying.standIn.books.checkoutSessions)) {
    if (status === 'open' && url !== null) await submit(url, { card: 'pm_card_visa' });
  }
}

const finders: Record<'an event' | 'a worker', (parts: Parts, customer: string) => Promise<void>> = {
  'an event': async (parts: Parts, customer: string) => {
    const { standIn, environmentId } = byHand.paying;
    for (const event of Object.values(standIn.books.events)) {
      if (event.type !== 'payment_intent.succeeded') continue;
      if (event.data.object.metadata['farebox_customer'] !== customer) continue;
      const body = JSON.stringify(event);
      const signature = signatureOf(body, [webhookSecret], Math.floor(Date.now() / 1_000));
      await paymentsOf(parts).receive(environmentId, { body: Buffer.from(body), signature });
    }
  },
  'a worker': async (parts: Parts) => {
    await byHand.endClaims();
    await lookAtTopUps(parts.sql, paymentsOf(parts), () => {});
  },
};

const standing = async (customer: string) => {
  const { paying, sql } = byHand;
  const { checkoutSessions, charges, customers } = paying.standIn.books;
  const top_ups =
    await sql`select status, look_at, credited_at is not null as is_credited from top_ups where customer_id = ${customer}`;
  const isTheirs = ({ metadata }: { metadata: Record<string, string> | null }) =>
    metadata?.['farebox_customer'] === customer;
  return {
    accounts: (await paying.client.get(`/v1/customers/${customer}/wallet`)).body.accounts,
    top_ups: [...top_ups],
    pages: Object.values(checkoutSessions).filter(isTheirs).length,
    cents: Object.values(charges)
      .filter(isTheirs)
      .map(({ amount }) => amount),
    payers: Object.values(customers).filter(isTheirs).length,
  };
};

let customersCount = 0;
test.each([
  ['Postgres', 'before', 'a worker', 10],
  ['Postgres', 'after', 'a worker', 10],
  ['Postgres', 'before', 'an event', 10],
  ['Postgres', 'after', 'an event', 10],
  ['Redis', 'before', 'a worker', 1],
  ['Redis', 'after', 'a worker', 1],
  ['Redis', 'before', 'an event', 1],
  ['Redis', 'after', 'an event', 1],
  ['Stripe', 'before', 'a worker', 3],
  ['Stripe', 'after', 'a worker', 3],
] as const)(
  'broken off at any of its words to %s, %s it is heard, where %s tells of the payment: one charge, one grant',
  async (to, when, who, wordsLeast) => {
    const { paying, sql, store, whole, drain } = byHand;
    let isBroken = true;
    let at = 0;
    while (isBroken) {
      at = pointAfter(at);
      customersCount += 1;
      const customer = await paying.customer(`customer_${customersCount}`);
      // Up to the payment it is the same, whoever tells of it.
      if (who === 'an event') await ask(whole, customer);
      isBroken = await breakOff({ to, at, when }, byHand, async (parts) => {
        if (who === 'a worker') await ask(parts, customer);
        await pay();
        await finders[who](parts, customer);
      });
      // Sooner or later the caller comes again, and so does whoever tells; that they come too often must not matter.
      await ask(whole, customer);
      await pay();
      await finders[who](whole, customer);
      await finders['a worker'](whole, customer);
      await drain(customer);
      await applyPendingCredits(sql, store);
      await drain(customer);
      expect([at, await standing(customer)]).toEqual([
        at,
        {
          accounts: [expect.objectContaining({ asset: 'USD', available: '5', grants: [expect.anything()] })],
          top_ups: [{ status: 'succeeded', look_at: null, is_credited: expect.any(Boolean) }],
          ...{ pages: 1, cents: [500], payers: 1 },
        },
      ]);
    }
    // It has as many words to say.
    expect(at).toBeGreaterThan(wordsLeast);
  },
  180_000,
);
