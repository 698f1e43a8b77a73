// Automatic top-ups, whatever happens in whatever order: never more in a month than its limit, and never twice for one crossing.
import { afterAll, beforeAll, expect, onTestFailed, test } from 'vitest';
import { confirmPaymentIntent, endAuthentication } from '../scripts/stripe/payment-intents.ts';
import { openPayments } from '../src/payments/payments.ts';
import { paymentStore } from '../src/run/payment-store.ts';
import { applyPendingCredits } from '../src/worker/apply-credits.ts';
import { lookAtTopUps } from '../src/worker/look-at-top-ups.ts';
import { seeToAutoTopUps } from '../src/worker/see-to-auto-top-ups.ts';
import { expectStatus } from './farebox.ts';
import { expectSound } from './faults/books.ts';
import { randomOf, rounds, seed, type Random } from './faults/seeded.ts';
import { startByHand, type ByHand } from './stripe/by-hand.ts';
import { saveCard } from './stripe/paying.ts';

const stepsCount = 40;
const limitCents = 10_000;
/** The last one is the default at first. */
const cards = ['pm_card_visa', 'pm_card_authenticationRequired', 'pm_card_chargeCustomerFail'];
let byHand: ByHand;

beforeAll(async () => {
  byHand = await startByHand();
});
afterAll(async () => {
  await expectSound(byHand.sql, byHand.paying.standIn.books);
  await byHand.stop();
});

type Story = { customer: string; methods: string[]; spent: number; random: Random };

const ofCustomer = <T extends { metadata: Record<string, string> }>(all: Record<string, T>, { customer }: Story): T[] =>
  Object.values(all).filter(({ metadata }) => metadata['farebox_customer'] === customer);

/** What a worker does in a second, all of it due now. */
async function work({ customer }: Story): Promise<void> {
  const { whole, sql, store, drain, endClaims } = byHand;
  await drain(customer);
  await endClaims();
  const payments = openPayments(paymentStore({ ...whole, onWarning: () => {} }));
  const onError = (error: Error) => {
    throw error;
  };
  await lookAtTopUps(sql, payments, onError);
  await seeToAutoTopUps({ sql, store, payments, onError, onEnd: () => {} });
  await applyPendingCredits(sql, store);
}

const setting = (method?: string) => ({
  ...{ enabled: true, threshold: '10', amount: '40', monthly_limit: String(limitCents / 100) },
  ...(method !== undefined && { payment_method_id: method }),
});
const put = (customer: string, method?: string) =>
  expectStatus(byHand.paying.client.send('PUT', `/v1/customers/${customer}/auto-top-up/USD`, setting(method)), 200);
const stripeIsBusy = (match: string) => byHand.paying.standIn.faults.plan({ match, fault: 'limit' });

/** What may happen, and how often it does. */
const steps: Record<string, [weight: number, (story: Story) => Promise<unknown>]> = {
  spend: [
    3,
    async (story) => {
      const amount = String(story.random.between(5, 30));
      const body = { customer_id: story.customer, asset: 'USD', amount };
      if ((await byHand.paying.client.post('/v1/charge', body)).status === 200) story.spent += Number(amount);
    },
  ],
  'a worker': [5, work],
  'two workers at once': [1, (story) => Promise.all([work(story), work(story)])],
  'what was to be tried again later is tried now': [
    2,
    ({ customer }) =>
      byHand.sql`update auto_top_ups set next_attempt_at = now() - interval '1 second' where customer_id = ${customer} and state = 'backing_off'`,
  ],
  'Stripe cancels nothing': [3, async () => stripeIsBusy('POST /v1/payment_intents/')],
  'Stripe charges nothing': [1, async () => stripeIsBusy('POST /v1/payment_intents')],
  'Stripe says nothing': [1, async () => stripeIsBusy('GET /v1/payment_intents')],
  'what is open is paid, or refused': [
    3,
    async (story) => {
      const { world, books } = byHand.paying.standIn;
      const open = ofCustomer(books.paymentIntents, story).filter(({ status }) => status.startsWith('requires_'));
      if (open.length === 0) return;
      const intent = story.random.pick(open);
      if (intent.status === 'requires_action') endAuthentication(world, intent, story.random.chance(0.5));
      else await confirmPaymentIntent(world, intent.id, { payment_method: 'pm_card_visa' });
    },
  ],
  'an event comes': [
    1,
    async (story) => {
      const { books, webhooks } = byHand.paying.standIn;
      const told = Object.values(books.events).filter(
        ({ type, data }) =>
          type.startsWith('payment_intent') && (data.object as any).metadata['farebox_customer'] === story.customer,
      );
      if (told.length > 0) await webhooks.resend(story.random.pick(told));
    },
  ],
  'another default': [
    3,
    ({ customer, methods, random }) =>
      byHand.paying.client.post(`/v1/customers/${customer}/payment-methods/${random.pick(methods)}/default`),
  ],
  'another setting': [
    1,
    ({ customer, methods, random }) => put(customer, random.chance(0.5) ? random.pick(methods) : undefined),
  ],
};

const dealt = Object.entries(steps).flatMap(([name, [weight]]) => Array.from({ length: weight }, () => name));

async function expectWithinBounds(story: Story, told: string[]): Promise<void> {
  const paid = ofCustomer(byHand.paying.standIn.books.charges, story).filter((charge) => charge.paid);
  const cents = paid.reduce((sum, { amount }) => sum + amount, 0);
  const ids = paid.map(({ metadata }) => metadata['farebox_top_up']!);
  const rows = await byHand.sql`select distinct crossing_no from top_ups where id in ${byHand.sql(['', ...ids])}`;
  expect([told, cents <= limitCents, rows.length]).toEqual([told, true, paid.length]);
}

async function tell(name: string, random: Random): Promise<void> {
  const { paying, sql, drain } = byHand;
  const customer = await paying.customer(name, '20');
  const methods: string[] = [];
  for (const card of cards) methods.push(await saveCard(paying, customer, card));
  const story: Story = { customer, methods, spent: 0, random };
  await put(customer);
  await work(story);
  const told: string[] = [];
  for (let step = 1; step <= stepsCount; step += 1) {
    const what = random.pick(dealt);
    told.push(what);
    await steps[what]![1](story);
    await expectWithinBounds(story, told);
  }
  // When all is well again, what was paid is in the wallet.
  while (
    paying.standIn.faults.take('POST /v1/payment_intents/') ??
    paying.standIn.faults.take('GET /v1/payment_intents')
  )
    continue;
  for (let time = 1; time <= 4; time += 1) await work(story);
  await drain(customer);
  await expectWithinBounds(story, told);
  const paid = ofCustomer(paying.standIn.books.charges, story).filter((charge) => charge.paid);
  const { accounts } = (await paying.client.get(`/v1/customers/${customer}/wallet`)).body;
  const bought = paid.reduce((sum, { amount }) => sum + amount / 100, 0);
  expect([told, Number(accounts[0].available)]).toEqual([told, 20 + bought - story.spent]);
  const open = await sql`select from top_ups where customer_id = ${customer} and status = 'pending'`;
  expect([told, open]).toEqual([told, []]);
}

test('a month’s charges stay within its limit, and a crossing has one, under any interleaving', async () => {
  onTestFailed(() => console.error(`run it again with FAULT_SEED=${seed}`));
  for (let round = 0; round < rounds(4); round += 1) await tell(`customer_${round}`, randomOf(seed + round));
}, 120_000);
