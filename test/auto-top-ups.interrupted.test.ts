// An automatic top-up that is broken off: at every word to Postgres, to Redis and to Stripe, before it is heard and after it is done.
// One charge, one grant.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openPayments } from '../src/payments/payments.ts';
import { paymentStore } from '../src/run/payment-store.ts';
import { applyPendingCredits } from '../src/worker/apply-credits.ts';
import { lookAtTopUps } from '../src/worker/look-at-top-ups.ts';
import { seeToAutoTopUps } from '../src/worker/see-to-auto-top-ups.ts';
import { expectStatus } from './farebox.ts';
import { breakOff, type Parts } from './faults/broken-off.ts';
import { pointAfter } from './faults/seeded.ts';
import { startByHand, type ByHand } from './stripe/by-hand.ts';
import { saveCard } from './stripe/paying.ts';

const customer = 'ada';
let byHand: ByHand;

beforeAll(async () => {
  byHand = await startByHand();
  const { paying, whole } = byHand;
  await paying.customer(customer, '20');
  await saveCard(paying, customer);
  const terms = { enabled: true, threshold: '10', amount: '50', monthly_limit: '100000' };
  await expectStatus(paying.client.send('PUT', `/v1/customers/${customer}/auto-top-up/USD`, terms), 200);
  await goOn(whole);
});
afterAll(() => byHand.stop());

/** What a worker does in a second, all of it due now. */
async function goOn(parts: Parts): Promise<void> {
  const payments = openPayments(paymentStore({ ...parts, onWarning: () => {} }));
  await lookAtTopUps(parts.sql, payments, () => {});
  await seeToAutoTopUps({ ...parts, payments, onError: () => {}, onEnd: () => {} });
}

const standing = async () => {
  const { paying, sql } = byHand;
  const { accounts } = (await paying.client.get(`/v1/customers/${customer}/wallet`)).body;
  const [auto] = await sql`select state, armed_no > crossed_no and told_no = armed_no as is_told from auto_top_ups`;
  const { charges, paymentIntents } = paying.standIn.books;
  return {
    available: accounts[0].available,
    state: auto!['state'],
    isTold: auto!['is_told'],
    charges: Object.values(charges).length,
    asked: Object.values(paymentIntents).length,
  };
};

test.each([
  ['Postgres', 'before', 10],
  ['Postgres', 'after', 10],
  ['Redis', 'before', 2],
  ['Redis', 'after', 2],
  ['Stripe', 'before', 1],
  ['Stripe', 'after', 1],
] as const)(
  'broken off at any of its words to %s, %s it is heard, it goes on to one charge, one grant and the next crossing',
  async (to, when, wordsLeast) => {
    const { paying, sql, store, whole, drain, endClaims } = byHand;
    await expectStatus(paying.client.post('/v1/charge', { customer_id: customer, asset: 'USD', amount: '0' }), 200);
    let isBroken = true;
    let at = 0;
    while (isBroken) {
      at = pointAfter(at);
      const before = await standing();
      expect(before).toMatchObject({ state: 'armed', isTold: true });
      const spent = Number(before.available) - 5;
      const body = { customer_id: customer, asset: 'USD', amount: String(spent) };
      await expectStatus(paying.client.post('/v1/charge', body), 200);
      await drain(customer);
      isBroken = await breakOff({ to, at, when }, byHand, async (parts) => {
        await endClaims();
        await goOn(parts);
      });
      // Sooner or later somebody goes on with it; that they come too often must not matter.
      for (let time = 1; time <= 3; time += 1) {
        await endClaims();
        await goOn(whole);
        await drain(customer);
        await applyPendingCredits(sql, store);
      }
      const charges = before.charges + 1;
      expect([at, await standing()]).toEqual([
        at,
        { available: '55', state: 'armed', isTold: true, charges, asked: before.asked + 1 },
      ]);
    }
    // It has as many words to say.
    expect(at).toBeGreaterThan(wordsLeast);
  },
  180_000,
);
