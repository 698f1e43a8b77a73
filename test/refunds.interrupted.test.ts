// A refund that is broken off: at every word to Postgres, to Redis and to Stripe, before it is heard and after it is done. One refund.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRefund } from '../scripts/stripe/refunds.ts';
import { beginRefund } from '../src/db/refunds.ts';
import { openPayments } from '../src/payments/payments.ts';
import { paymentStore } from '../src/run/payment-store.ts';
import type { Atoms } from '../src/units.ts';
import { noFingerprint } from '../src/wallet/operation.ts';
import { lookAtEvents } from '../src/worker/look-at-events.ts';
import { lookAtRefunds } from '../src/worker/look-at-refunds.ts';
import { expectStatus } from './farebox.ts';
import { expectSound } from './faults/books.ts';
import { breakOff, type Parts } from './faults/broken-off.ts';
import { pointAfter } from './faults/seeded.ts';
import { startByHand, type ByHand } from './stripe/by-hand.ts';
import { saveCard } from './stripe/paying.ts';

const customer = 'ada';
const oneDollar = 1_000_000_000n as Atoms;
let byHand: ByHand;

beforeAll(async () => {
  byHand = await startByHand({ markDirty: () => void drainSoon() });
  await byHand.paying.customer(customer);
  await saveCard(byHand.paying, customer);
});
afterAll(async () => {
  await byHand.drain(customer);
  await expectSound(byHand.sql, byHand.paying.standIn.books);
  await byHand.stop();
});

/** What a worker does until a refund has ended: a look, another one once the ledger has what the first one did. */
async function goOn(parts: Parts): Promise<void> {
  const { sql, drain } = byHand;
  const payments = openPayments(paymentStore({ ...parts, onWarning: () => {} }));
  for (let look = 1; look <= 2; look += 1) {
    await sql`update top_ups set refunds_look_at = now() - interval '1 second' where refunds_look_at is not null`;
    await lookAtRefunds(parts.sql, payments, () => {});
    await drain(customer);
  }
}

/** Whoever waits for the ledger gets it. */
let draining: Promise<unknown> | undefined;
const drainSoon = () => {
  draining ??= byHand
    .drain(customer)
    .catch(() => undefined)
    .finally(() => (draining = undefined));
  return draining;
};

const standing = async (topUpId: string) => {
  const { paying, sql } = byHand;
  const { accounts } = (await paying.client.get(`/v1/customers/${customer}/wallet`)).body;
  const { charges, refunds } = paying.standIn.books;
  const charge = Object.values(charges).find(({ metadata }) => metadata['farebox_top_up'] === topUpId)!;
  const [open] = await sql`select count(*)::integer as count from refunds where ended_at is null`;
  return {
    available: Number(accounts[0].available),
    held: accounts[0].held,
    refunds: Object.values(refunds).filter((refund) => refund.charge === charge.id).length,
    cents: charge.amount_refunded,
    open: open!['count'],
  };
};

test('Stripe’s list of what it has told is read on from where it was read, and what it does not say counts as unread', async () => {
  const { paying, sql, whole } = byHand;
  const { body } = await paying.client.post(`/v1/customers/${customer}/top-ups`, {
    asset: 'USD',
    amount: '2',
    payment: 'saved',
  });
  const charge = Object.values(paying.standIn.books.charges).find(
    ({ metadata }) => metadata['farebox_top_up'] === body.id,
  )!;
  createRefund(paying.standIn.world, { charge: charge.id });
  await sql`update top_ups set refunds_look_at = null`;
  await sql`update event_looks set seen_to = now() - interval '40 days'`;
  const payments = openPayments(paymentStore({ ...whole, onWarning: () => {} }));
  const warnings: string[] = [];
  const look = async () => {
    await sql`update event_looks set look_at = now() - interval '1 second'`;
    await lookAtEvents(sql, payments, (message) => void warnings.push(message));
    const [row] = await sql`select seen_to > now() - interval '1 hour' as is_read,
      (select count(*)::integer from top_ups where refunds_look_at is not null) as found from event_looks`;
    return { ...row };
  };
  paying.standIn.faults.plan({ match: 'GET /v1/events', fault: 'limit' });
  expect(await look()).toEqual({ is_read: false, found: 0 });
  expect(warnings).toEqual(["Stripe's events cannot be listed"]);
  const { found } = (await look()) as { found: number };
  expect(found).toBeGreaterThan(0);
  expect([await look(), warnings]).toMatchObject([{ is_read: true, found }, { length: 1 }]);
  await goOn(whole);
  expect((await paying.client.get(`/v1/top-ups/${body.id}`)).body).toMatchObject({
    status: 'refunded',
    refunds: [{ origin: 'stripe', amount: '2' }],
  });
  expect(paying.flaws()).toEqual([]);
});

test.each([
  ['Postgres', 'before', 15],
  ['Postgres', 'after', 15],
  ['Redis', 'before', 4],
  ['Redis', 'after', 4],
  ['Stripe', 'before', 4],
  ['Stripe', 'after', 4],
] as const)(
  'broken off at any of its words to %s, %s it is heard, it goes on to one refund',
  async (to, when, wordsLeast) => {
    const { paying, sql, whole } = byHand;
    const buy = { asset: 'USD', amount: '2', payment: 'saved' };
    let isBroken = true;
    let at = 0;
    while (isBroken) {
      at = pointAfter(at);
      // One of its own each time, and nothing to be done for the others: else there is more to say each time.
      await sql`update top_ups set refunds_look_at = null`;
      const { body } = await expectStatus(paying.client.post(`/v1/customers/${customer}/top-ups`, buy), 201);
      const before = await standing(body.id);
      const operation = { operationId: `${to}-${when}-${at}`, fingerprint: noFingerprint };
      const begun = await beginRefund(sql, paying.environmentId, body.id, { amount: oneDollar, ...operation });
      expect([at, begun.status]).toEqual([at, 'begun']);
      isBroken = await breakOff({ to, at, when }, byHand, goOn);
      // Sooner or later somebody goes on with it.
      for (let time = 1; time <= 3; time += 1) if ((await standing(body.id)).open > 0) await goOn(whole);
      expect([at, await standing(body.id)]).toEqual([
        at,
        {
          ...{ available: before.available - 1, held: '0', open: 0 },
          ...{ refunds: before.refunds + 1, cents: before.cents + 100 },
        },
      ]);
    }
    expect(at).toBeGreaterThan(wordsLeast);
  },
  600_000,
);
