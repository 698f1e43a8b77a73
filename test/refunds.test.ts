// Refunds and disputes: the credit goes where the money goes, once, whoever began it and whatever breaks off.
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { payments } from '../scripts/audit/payments.ts';
import { stripeBooks } from '../scripts/audit/stripe-books.ts';
import { endDispute, openDispute } from '../scripts/stripe/disputes.ts';
import { createRefund, endRefund } from '../scripts/stripe/refunds.ts';
import { waitUntil } from '../scripts/stores/process.ts';
import { openDatabase, type Sql } from '../src/db/connect.ts';
import { expectStatus } from './farebox.ts';
import { expectSound, waitUntilDrained } from './faults/books.ts';
import { saveCard, startPaying, type Paying } from './stripe/paying.ts';

const patience = { timeout: 30_000, interval: 50 };
let paying: Paying;
let sql: Sql;
let redis: Redis;
let customersCount = 0;

beforeAll(async () => {
  paying = await startPaying();
  sql = openDatabase(paying.database.url, { connectionsMax: 2, name: 'test' });
  redis = new Redis(paying.redis.url);
  const points = { code: 'POINTS', scale: 0, kind: 'custom' };
  await expectStatus(paying.client.post('/v1/assets', points), 201);
  await expectStatus(paying.client.post('/v1/assets/POINTS/rates', { currency: 'USD', rate: '0.333' }), 201);
  const inEuro = await buyer({ asset: 'EUR' });
  await expectStatus(refund(inEuro.id, { amount: '4' }), 200);
});
// Whatever was done here: the ledger agrees with itself, and with Stripe's books.
afterAll(async () => {
  const isOver = async () =>
    (await sql`select from refunds where ended_at is null union all select from credits where state <> 'applied'`)
      .length === 0;
  expect(await waitUntil(isOver, patience.timeout, patience.interval)).toBe(true);
  await waitUntilDrained({ sql, redis });
  await expectSound(sql, paying.standIn.books);
  expect(await creditsByCustomer()).toEqual(paymentsByCustomer());
  expect(paying.flaws()).toEqual([]);
  redis.disconnect();
  await sql.end();
  await paying.stop();
});

/** By the ledger: what was bought of USD, or given again, less what has gone back, in cents. */
async function creditsByCustomer(): Promise<Record<string, number>> {
  const rows = await sql<{ id: string; cents: bigint }[]>`
    select customer_id as id, sum(case when credit = 'refunded' then -amount else amount end) / 10000000 as cents
    from transfers join wallets using (environment_id, wallet_id)
    where asset = 1 and (credit = 'refunded' or debit = 'funding:paid')
    group by customer_id having sum(case when credit = 'refunded' then -amount else amount end) <> 0`;
  return Object.fromEntries(rows.map(({ id, cents }) => [id, Number(cents)]));
}

/** By Stripe's books: what it took, less what it gave back. */
function paymentsByCustomer(): Record<string, number> {
  const { charges, disputes, refunds } = paying.standIn.books;
  const sums: Record<string, number> = {};
  for (const { id, paid, metadata, amount } of Object.values(charges)) {
    if (!paid || metadata['asset'] === 'POINTS') continue;
    const lost = Object.values(disputes).filter(({ charge, status }) => charge === id && status === 'lost');
    const gone = Object.values(refunds).filter(({ charge, status }) => charge === id && status === 'succeeded');
    const left = [...lost, ...gone].reduce((sum, one) => sum - one.amount, amount);
    const customer = metadata['farebox_customer']!;
    if (left !== 0 && !customer.startsWith('points')) sums[customer] = (sums[customer] ?? 0) + left;
  }
  return sums;
}

/** A customer who has bought so much. */
async function buyer({ amount = '10', card = 'pm_card_visa', asset = 'USD' } = {}) {
  customersCount += 1;
  const customer = `${asset === 'USD' ? 'buyer' : 'points'}_${customersCount}`;
  await expectStatus(paying.client.post('/v1/customers', { id: customer }), 201);
  await saveCard(paying, customer, card);
  const bought = await buy(customer, amount, asset);
  return { customer, id: bought.id as string };
}
const buy = async (customer: string, amount: string, asset = 'USD') => {
  const body = { asset, amount, payment: 'saved' };
  const bought = await expectStatus(paying.client.post(`/v1/customers/${customer}/top-ups`, body), 201);
  // A webhook may come first, and is about to credit it then.
  const isBought = async () => (await get(bought.body.id)).status === 'succeeded';
  expect(await waitUntil(isBought, patience.timeout, patience.interval)).toBe(true);
  return bought.body;
};
const refund = (id: string, body: object = {}, key?: string) =>
  paying.client.post(`/v1/top-ups/${id}/refund`, body, key === undefined ? {} : { 'idempotency-key': key });
/** Whoever is told that nobody knows yet asks again. */
async function untilKnown(id: string, body: object, key: string) {
  let reply = await refund(id, body, key);
  for (let time = 1; time <= 100 && reply.status === 503; time += 1) {
    await sleep(patience.interval);
    reply = await refund(id, body, key);
  }
  return reply;
}
const get = async (id: string) => (await paying.client.get(`/v1/top-ups/${id}`)).body;
const wallet = async (customer: string) => (await paying.client.get(`/v1/customers/${customer}/wallet`)).body;
const balances = async (customer: string) => {
  const { available, held, overage } = (await wallet(customer)).accounts[0];
  return { available, held, overage };
};
const spend = (customer: string, amount: string) =>
  expectStatus(paying.client.post('/v1/charge', { customer_id: customer, asset: 'USD', amount }), 200);
const atStripe = (id: string) => {
  const charge = Object.values(paying.standIn.books.charges).find(
    ({ metadata, paid }) => paid && metadata['farebox_top_up'] === id,
  )!;
  const refunds = Object.values(paying.standIn.books.refunds).filter((one) => one.charge === charge.id);
  return { charge, refunds, intent: charge.payment_intent as string };
};
const lookNow = (id: string) => sql`update top_ups set refunds_look_at = now() - interval '1 second' where id = ${id}`;
const lostAll = (match: string, fault: 'lose_reply' | 'lose_request') => {
  paying.standIn.faults.plan(...Array.from({ length: 3 }, () => ({ match, fault })));
  return () => {
    while (paying.standIn.faults.take(match)) continue;
  };
};
/** The row has ended: the ledger has it. */
const untilEnded = (id: string) =>
  expect
    .poll(async () => (await sql`select id from refunds where top_up_id = ${id} and ended_at is null`).length, patience)
    .toBe(0);
const kindsOf = async (customer: string): Promise<string[]> => {
  const entries = (await paying.client.get(`/v1/customers/${customer}/entries`)).body.data;
  return entries.map(({ kind, amount }: { kind: string; amount: string }) => `${kind} ${amount}`).reverse();
};

describe('asked for', () => {
  test('wholly: the money goes back, the credit is taken, and both are told', async () => {
    const { customer, id } = await buyer();
    const { status, body } = await refund(id, {}, 'whole-1');
    expect([status, body.status, body.refunds]).toEqual([
      200,
      'refunded',
      [
        {
          id: expect.stringMatching(/^ref_/),
          origin: 'request',
          status: 'succeeded',
          amount: '10',
          money: { currency: 'USD', amount: '10' },
          created_at: expect.stringMatching(/Z$/),
        },
      ],
    ]);
    expect(await balances(customer)).toEqual({ available: '0', held: '0', overage: '0' });
    expect(atStripe(id).refunds.map(({ amount, status: how }) => [amount, how])).toEqual([[1_000, 'succeeded']]);
    await untilEnded(id);
    expect(await kindsOf(customer)).toEqual(['grant 10', 'hold 0', 'refund -10']);
    // A repeat is told the same, and asks nobody.
    const again = await refund(id, {}, 'whole-1');
    expect([again.status, again.body, again.headers.get('idempotent-replayed')]).toEqual([200, body, 'true']);
    expect((await refund(id, { amount: '1' }, 'whole-1')).body.code).toBe('idempotency_conflict');
    expect((await refund(id)).body).toMatchObject({ status: 422, code: 'exceeds_refundable', refundable: '0' });
    expect(atStripe(id).refunds).toHaveLength(1);
    expect(await get(id)).toEqual(body);
  });

  test('in parts: never more than was bought, and what is spent is not given back', async () => {
    const { customer, id } = await buyer();
    expect((await refund(id, { amount: '10.01' })).body).toMatchObject({
      code: 'exceeds_refundable',
      refundable: '10',
    });
    expect((await refund(id, { amount: '0' })).status).toBe(422);
    // Less than a cent.
    expect((await refund(id, { amount: '0.009' })).status).toBe(422);
    const part = await expectStatus(refund(id, { amount: '2.5' }), 200);
    expect([part.body.status, part.body.refunds[0].money.amount]).toEqual(['succeeded', '2.5']);
    await spend(customer, '4');
    expect((await refund(id)).body).toMatchObject({ code: 'exceeds_refundable', refundable: '3.5' });
    expect(await balances(customer)).toEqual({ available: '3.5', held: '0', overage: '0' });
    // What was said no to left nothing behind: the same key may succeed.
    expect((await refund(id, { amount: '5' }, 'later-1')).status).toBe(422);
    await paying.client.post(`/v1/customers/${customer}/grants`, { asset: 'USD', amount: '9', priority: 0 });
    expect((await refund(id, { amount: '5' }, 'later-1')).status).toBe(422);
    expect((await refund(id, { amount: '3.5' }, 'later-2')).status).toBe(200);
    expect((await get(id)).refunds.map((one: { amount: string }) => one.amount)).toEqual(['2.5', '3.5']);
    expect(await balances(customer)).toEqual({ available: '9', held: '0', overage: '0' });
    expect(atStripe(id).charge.amount_refunded).toBe(600);
  });

  test('many at once: together never more than was bought', async () => {
    const { customer, id } = await buyer();
    const replies = await Promise.all(
      Array.from({ length: 8 }, (_, no) => untilKnown(id, { amount: '3' }, `many-${no}`)),
    );
    expect(replies.map(({ status }) => status).sort((a, b) => a - b)).toEqual([200, 200, 200, 422, 422, 422, 422, 422]);
    expect(await balances(customer)).toEqual({ available: '1', held: '0', overage: '0' });
    const same = await Promise.all(Array.from({ length: 6 }, () => untilKnown(id, { amount: '1' }, 'same-key')));
    expect(same.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200]);
    await untilEnded(id);
    expect([(await get(id)).status, atStripe(id).charge.amount_refunded]).toEqual(['refunded', 1_000]);
    expect(atStripe(id).refunds).toHaveLength(4);
  });

  test('what was bought at a rate comes back at it, and parts never come to more', async () => {
    const { customer, id } = await buyer({ asset: 'POINTS', amount: '100' });
    expect(atStripe(id).charge.amount).toBe(3_330);
    const money: string[] = [];
    for (const amount of ['1', '1', '1', '33', '64']) {
      const { body } = await expectStatus(refund(id, { amount }), 200);
      money.push(body.refunds.at(-1).money.amount);
    }
    expect(money).toEqual(['0.33', '0.33', '0.33', '10.99', '21.32']);
    expect([atStripe(id).charge.amount_refunded, (await get(id)).status]).toEqual([3_330, 'refunded']);
    expect((await balances(customer)).available).toBe('0');
  });

  test('what was not paid for, or is not there, cannot be refunded; a frozen wallet sets nothing aside', async () => {
    const { customer, id } = await buyer();
    const path = `/v1/customers/${customer}/top-ups`;
    const open = { asset: 'USD', amount: '5', payment: 'checkout', return_url: 'https://shop.example/' };
    const { body } = await paying.client.post(path, open);
    expect((await refund(body.id)).body).toMatchObject({ status: 409, code: 'top_up_not_refundable' });
    expect((await refund('top_nobody')).status).toBe(404);
    await expectStatus(paying.client.post(`/v1/customers/${customer}/wallet/freeze`), 200);
    expect((await refund(id, {}, 'frozen-1')).body.code).toBe('wallet_frozen');
    await expectStatus(paying.client.post(`/v1/customers/${customer}/wallet/unfreeze`), 200);
    expect((await refund(id, {}, 'frozen-1')).status).toBe(200);
  });

  test('Stripe refuses: the credit is free again, and the same key may succeed later', async () => {
    const { customer, id } = await buyer();
    const { charge } = atStripe(id);
    charge.disputed = true;
    expect((await refund(id, {}, 'refused-1')).body).toMatchObject({ status: 422, code: 'stripe_refused' });
    expect(await balances(customer)).toEqual({ available: '10', held: '0', overage: '0' });
    expect((await get(id)).refunds).toMatchObject([{ status: 'failed', failure: { code: 'charge_disputed' } }]);
    charge.disputed = false;
    expect((await refund(id, {}, 'refused-1')).body.status).toBe('refunded');
    await untilEnded(id);
    expect(await kindsOf(customer)).toEqual(['grant 10', 'hold 0', 'release 0', 'hold 0', 'refund -10']);
  });

  test('the bank takes its time: the credit waits with it, and is taken or free when Stripe says so', async () => {
    const { customer, id } = await buyer({ card: 'pm_card_pendingRefund' });
    const [first, second] = [await refund(id, { amount: '6' }), await refund(id, { amount: '3' })];
    expect([first.body.refunds[0].status, second.body.refunds[1].status]).toEqual(['pending', 'pending']);
    expect(await balances(customer)).toEqual({ available: '1', held: '9', overage: '0' });
    // Whoever reads the ledger finds the hold, and can do nothing with it.
    await expect.poll(async () => (await kindsOf(customer)).length, patience).toBe(3);
    const [entry] = (await paying.client.get(`/v1/customers/${customer}/entries?kind=hold`)).body.data;
    for (const verb of ['release', 'settle', 'extend'] as const) {
      const body = { settle: { amount: '1' }, extend: { ttl_ms: 60_000 }, release: {} }[verb];
      expect((await paying.client.post(`/v1/holds/${entry.hold_id}/${verb}`, body)).status).toBe(404);
    }
    const [six, three] = atStripe(id).refunds;
    endRefund(paying.standIn.world, six!.id, 'succeeded');
    endRefund(paying.standIn.world, three!.id, 'failed');
    await untilEnded(id);
    expect((await get(id)).refunds.map(({ status }: { status: string }) => status)).toEqual(['succeeded', 'failed']);
    expect(await balances(customer)).toEqual({ available: '4', held: '0', overage: '0' });
    // Banks change their minds: the credit was taken, and is given again.
    endRefund(paying.standIn.world, six!.id, 'failed');
    await expect.poll(async () => (await balances(customer)).available, patience).toBe('10');
    expect((await get(id)).refunds.map(({ status }: { status: string }) => status)).toEqual(['failed', 'failed']);
  });

  test.each(['lose_reply', 'lose_request'] as const)(
    '%s: what is unknown stays set aside until it is known, and is asked for once',
    async (fault) => {
      const { customer, id } = await buyer();
      paying.standIn.webhooks.faults.lose = 1_000;
      const over = lostAll('POST /v1/refunds', fault);
      const lost = await refund(id, { amount: '4' }, `lost-${fault}`);
      expect(lost.body).toMatchObject({ status: 503, outcome: 'unknown', idempotency_key: `lost-${fault}` });
      expect(await balances(customer)).toEqual({ available: '6', held: '4', overage: '0' });
      over();
      paying.standIn.webhooks.faults.lose = 0;
      if (fault === 'lose_reply') await lookNow(id);
      else expect((await refund(id, { amount: '4' }, `lost-${fault}`)).status).toBe(200);
      await untilEnded(id);
      expect(await balances(customer)).toEqual({ available: '6', held: '0', overage: '0' });
      expect(atStripe(id).charge.amount_refunded).toBe(400);
      expect((await refund(id, { amount: '4' }, `lost-${fault}`)).status).toBe(200);
      expect(atStripe(id).refunds).toHaveLength(1);
    },
  );

  test('a request to Stripe that arrives when a worker has asked, too: one refund, by one key', async () => {
    const { customer, id } = await buyer();
    const { faults } = paying.standIn;
    faults.plan({ match: 'POST /v1/refunds', fault: 'hold_request' });
    const slow = refund(id, { amount: '4' }, 'late');
    await expect.poll(faults.heldCount, patience).toBe(1);
    // Stripe's list does not have it yet.
    await lookNow(id);
    await expect.poll(() => atStripe(id).refunds.length, patience).toBe(1);
    faults.release();
    expect((await slow).status).toBe(200);
    await untilEnded(id);
    expect(atStripe(id).refunds).toHaveLength(1);
    expect(atStripe(id).charge.amount_refunded).toBe(400);
    expect(await balances(customer)).toEqual({ available: '6', held: '0', overage: '0' });
  });

  test('Redis is lost on the way: what was set aside is set aside again, and taken once', async () => {
    const { customer, id } = await buyer();
    const over = lostAll('POST /v1/refunds', 'lose_request');
    expect((await refund(id, { amount: '4' }, 'flushed')).status).toBe(503);
    over();
    await waitUntilDrained({ sql, redis });
    await redis.flushall();
    await expect.poll(async () => (await refund(id, { amount: '4' }, 'flushed')).status, patience).toBe(200);
    await untilEnded(id);
    expect(await balances(customer)).toEqual({ available: '6', held: '0', overage: '0' });
    expect(atStripe(id).refunds).toHaveLength(1);
  });

  test('what is given back is not bought again by itself', async () => {
    const { customer, id } = await buyer({ amount: '50' });
    const path = `/v1/customers/${customer}/auto-top-up/USD`;
    const terms = { enabled: true, threshold: '20', amount: '50', monthly_limit: '1000' };
    await expectStatus(paying.client.send('PUT', path, terms), 200);
    const chargesCount = () =>
      Object.values(paying.standIn.books.charges).filter(({ metadata }) => metadata['farebox_customer'] === customer)
        .length;
    expect((await refund(id)).body.status).toBe('refunded');
    await expect
      .poll(
        async () => (await sql`select state from auto_top_ups where customer_id = ${customer}`)[0]!['state'],
        patience,
      )
      .toBe('suspended');
    expect((await paying.client.get(path)).body).toMatchObject({
      state: 'suspended',
      last_error: { code: 'top_up_refunded' },
    });
    expect(chargesCount()).toBe(1);
    await expectStatus(paying.client.send('PUT', path, terms), 200);
    await expect.poll(async () => (await balances(customer)).available, patience).toBe('50');
    expect(chargesCount()).toBe(2);
  });
});

describe('made at Stripe by others', () => {
  test('a refund in its dashboard takes the credit, and what is spent is owed', async () => {
    const { customer, id } = await buyer();
    await spend(customer, '7');
    expect(createRefund(paying.standIn.world, { payment_intent: atStripe(id).intent, amount: '500' }).status).toBe(200);
    await expect.poll(async () => (await get(id)).refunds?.[0]?.status, patience).toBe('succeeded');
    await untilEnded(id);
    expect((await get(id)).refunds).toMatchObject([{ origin: 'stripe', amount: '5' }]);
    expect(await balances(customer)).toEqual({ available: '0', held: '0', overage: '2' });
    expect((await kindsOf(customer)).at(-1)).toBe('refund -5');
    // The rest of what was bought is gone, too, and no more than that.
    createRefund(paying.standIn.world, { payment_intent: atStripe(id).intent });
    await expect.poll(async () => (await get(id)).status, patience).toBe('refunded');
    await untilEnded(id);
    expect(await balances(customer)).toEqual({ available: '0', held: '0', overage: '7' });
  });

  test('of which no event ever comes: it is found in Stripe’s list of what it told', async () => {
    const [refunded, disputed] = [await buyer(), await buyer()];
    const { world, webhooks } = paying.standIn;
    const readNow = () => sql`update event_looks set look_at = now() - interval '1 second'`;
    webhooks.faults.lose = 1_000_000;
    createRefund(world, { payment_intent: atStripe(refunded.id).intent, amount: '400' });
    const dispute = openDispute(world, atStripe(disputed.id).charge, { amount: 1_000, reason: 'fraudulent' });
    await readNow();
    await expect.poll(async () => (await balances(refunded.customer)).available, patience).toBe('6');
    await expect.poll(async () => (await wallet(disputed.customer)).freeze_reason, patience).toBe('dispute');
    await untilEnded(refunded.id);
    // Nobody looks at these any more: what becomes of them is told, too, and never comes.
    endRefund(world, atStripe(refunded.id).refunds[0]!.id, 'failed');
    endDispute(world, dispute.id, 'lost');
    await readNow();
    await expect.poll(async () => (await balances(refunded.customer)).available, patience).toBe('10');
    await expect.poll(async () => (await wallet(disputed.customer)).status, patience).toBe('active');
    expect(await balances(disputed.customer)).toEqual({ available: '0', held: '0', overage: '0' });
    webhooks.faults.lose = 0;
  });

  test('events that come twice, late and in the wrong order change nothing', async () => {
    const { customer, id } = await buyer({ card: 'pm_card_pendingRefund' });
    Object.assign(paying.standIn.webhooks.faults, { hold: true, copies: 3 });
    const { world } = paying.standIn;
    createRefund(world, { payment_intent: atStripe(id).intent, amount: '100' });
    createRefund(world, { payment_intent: atStripe(id).intent, amount: '300' });
    const [one, three] = atStripe(id).refunds;
    endRefund(world, one!.id, 'failed');
    endRefund(world, three!.id, 'succeeded');
    const dispute = openDispute(world, atStripe(id).charge, { amount: 200, reason: 'fraudulent' });
    endDispute(world, dispute.id, 'won');
    await paying.standIn.webhooks.release('newest_first');
    paying.standIn.webhooks.faults.copies = 1;
    await expect.poll(async () => (await balances(customer)).available, patience).toBe('7');
    await untilEnded(id);
    expect(await wallet(customer)).toMatchObject({ status: 'active', freeze_reason: null });
    expect((await get(id)).refunds).toMatchObject([{ origin: 'stripe', status: 'succeeded', amount: '3' }]);
  });
});

describe('disputed', () => {
  test.each([
    ['won', { available: '6', held: '0', overage: '0' }],
    ['lost', { available: '0', held: '0', overage: '4' }],
  ] as const)('%s, of a wallet in use', async (status, after) => {
    const { customer, id } = await buyer();
    await spend(customer, '3');
    const held = await paying.client.post('/v1/authorize', { customer_id: customer, asset: 'USD', amount: '2' });
    const { charge } = atStripe(id);
    const dispute = openDispute(paying.standIn.world, charge, { amount: charge.amount, reason: 'fraudulent' });
    await expect.poll(async () => (await wallet(customer)).freeze_reason, patience).toBe('dispute');
    await expect.poll(() => balances(customer), patience).toEqual({ available: '0', held: '7', overage: '0' });
    const more = { customer_id: customer, asset: 'USD', amount: '0.01' };
    expect((await paying.client.post('/v1/authorize', more)).body.code).toBe('wallet_frozen');
    expect((await paying.client.post(`/v1/customers/${customer}/wallet/unfreeze`)).status).toBe(409);
    // What was under way is settled.
    await expectStatus(paying.client.post(`/v1/holds/${held.body.id}/settle`, { amount: '1' }), 200);
    endDispute(paying.standIn.world, dispute.id, status);
    await untilEnded(id);
    await expect.poll(async () => (await wallet(customer)).status, patience).toBe('active');
    expect(await balances(customer)).toEqual(after);
    expect((await get(id)).refunds).toMatchObject([
      { origin: 'dispute', amount: '10', status: status === 'lost' ? 'succeeded' : 'failed' },
    ]);
    expect((await get(id)).status).toBe(status === 'lost' ? 'refunded' : 'succeeded');
  });

  test('a card that is disputed at once: the dispute is heard of before the credit, and waits for it', async () => {
    Object.assign(paying.standIn.webhooks.faults, { hold: true });
    const { customer, id } = await buyer({ card: 'pm_card_createDispute', amount: '5' });
    await paying.standIn.webhooks.release('newest_first');
    await expect.poll(async () => (await wallet(customer)).freeze_reason, patience).toBe('dispute');
    await expect.poll(() => balances(customer), patience).toEqual({ available: '0', held: '5', overage: '0' });
    expect((await refund(id)).body.code).toBe('exceeds_refundable');
    const [dispute] = Object.values(paying.standIn.books.disputes).filter(
      ({ charge }) => charge === atStripe(id).charge.id,
    );
    endDispute(paying.standIn.world, dispute!.id, 'lost');
    await untilEnded(id);
    await expect.poll(async () => (await wallet(customer)).status, patience).toBe('active');
    expect(await balances(customer)).toEqual({ available: '0', held: '0', overage: '0' });
  });
});

describe('what is planted, the audit finds', () => {
  // Of one, since the audit names the first few offenders.
  const oneTaken = `where id = (select id from refunds where outcome = 'taken' limit 1)`;
  const plants = [
    ['a refund of another amount', `update refunds set amount = amount - 1 ${oneTaken}`, 'is another at'],
    ['one that never was', `update refunds set outcome = 'returned' ${oneTaken}`, 'is returned, and is taken'],
    ['one that nobody knows', `delete from refunds ${oneTaken}`, 'was never asked for'],
    [
      'one that is not taken',
      `update refunds set outcome = 'taken' where outcome = 'returned'`,
      'has ended, and is not taken',
    ],
    ['money beyond what was paid', 'update top_ups set paid = 1', 'gives back'],
    [
      'a status of another day',
      `update top_ups set status = 'succeeded' where status = 'refunded'`,
      'is succeeded, and has',
    ],
    ['other credit than was bought', 'update top_ups set amount = amount + 1', 'is not the credit that it became'],
    [
      'money that Stripe does not have',
      `update top_ups set paid = coalesce(paid, price) + 1
      where id = (select id from top_ups where status = 'succeeded' and currency = 'EUR' limit 1)`,
      'there, 601 credited',
    ],
    [
      'what is set aside for nothing',
      `update holds set ref = 'ref_nobody', status = 'open', ended_at = null
      where ref = (select ref from holds where ref like 'ref\\_%' limit 1)`,
      'is set aside for no refund',
    ],
  ] as const;
  test.each(plants)('%s', async (_, planting, told) => {
    await expect.poll(async () => (await sql`select id from refunds where ended_at is null`).length, patience).toBe(0);
    const over = new Error('as it was');
    const found: string[] = [];
    const planted = sql.begin(async (transaction) => {
      await transaction.unsafe(planting);
      for (const proof of [payments, stripeBooks(paying.standIn.books)]) {
        const { offenders } = await proof.run(transaction, () => {});
        found.push(...offenders.map(({ what }) => what));
      }
      throw over;
    });
    await expect(planted).rejects.toBe(over);
    expect(found.join('\n')).toContain(told);
  });
});
