// Top-ups: money arrives once, and credit once, whichever of webhook, reply and worker tells of it, and however often.
import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { signatureOf } from '../scripts/stripe/webhooks.ts';
import { openDatabase } from '../src/db/connect.ts';
import { openLog } from '../src/log.ts';
import { settleTopUp } from '../src/db/top-ups.ts';
import { priceOfAsset, rateOfOne, readAssetRate } from '../src/pricing/asset-price.ts';
import { currencyOf } from '../src/pricing/currencies.ts';
import { expectStatus, startFarebox } from './farebox.ts';
import { saveCard, secretKey, startPaying, submit, webhookSecret, type Paying } from './stripe/paying.ts';

const returnUrl = 'https://shop.example/wallet';
const patience = { timeout: 30_000, interval: 50 };
let paying: Paying;
let customersCount = 0;
let settledByHand = '';

/** Whatever is logged, or answered to a caller. */
const said: string[] = [];

beforeAll(async () => {
  const log = openLog('trace', 'test', undefined, { write: (line) => void said.push(line) });
  paying = await startPaying({ log });
  const { send } = paying.client;
  const heard: typeof send = async (...asked) => {
    const reply = await send(...asked);
    said.push(reply.text);
    return reply;
  };
  Object.assign(paying.client, {
    send: heard,
    get: (path: string) => heard('GET', path),
    post: (path: string, body?: unknown, headers?: Record<string, string>) => heard('POST', path, body, headers),
  });
});
afterAll(() => paying.stop());

const newCustomer = (email?: string): Promise<string> => {
  customersCount += 1;
  const id = `customer_${customersCount}`;
  return expectStatus(paying.client.post('/v1/customers', { id, email }), 201).then(() => id);
};
const topUp = (customer: string, body: object, key?: string) =>
  paying.client.post(
    `/v1/customers/${customer}/top-ups`,
    { asset: 'USD', ...body },
    key ? { 'idempotency-key': key } : {},
  );
/** The reply is what the request came to by itself: webhooks wait for it. */
const topUpFirst = async (...asked: Parameters<typeof topUp>) => {
  paying.standIn.webhooks.faults.hold = true;
  const reply = await topUp(...asked);
  await paying.standIn.webhooks.release();
  return reply;
};
const get = async (id: string) => (await paying.client.get(`/v1/top-ups/${id}`)).body;
const account = async (customer: string, asset = 'USD') => {
  const { accounts } = (await paying.client.get(`/v1/customers/${customer}/wallet`)).body;
  return accounts.find((one: { asset: string }) => one.asset === asset);
};
const available = async (customer: string, asset = 'USD') => (await account(customer, asset))?.available ?? '0';
/** What Stripe has taken from a customer of ours, in cents. */
const taken = (customer: string): number =>
  Object.values(paying.standIn.books.charges)
    .filter(({ paid, metadata }) => paid && metadata['farebox_customer'] === customer)
    .reduce((sum, charge) => sum + charge.amount, 0);
const lookNow = (id: string) =>
  paying.sql`update top_ups set look_at = now() - interval '1 second' where id = ${id} and look_at is not null`;
const untilStatus = (id: string, status: string) =>
  expect.poll(async () => (await get(id)).status, patience).toBe(status);

describe('Checkout', () => {
  test('a customer pays on a page of Stripe’s, and the credit is there once', async () => {
    const customer = await newCustomer('ada@example.com');
    const { status, body } = await topUp(customer, {
      amount: '25',
      payment: 'checkout',
      return_url: returnUrl,
      metadata: { order: 7 },
    });
    expect([status, body]).toEqual([
      201,
      {
        id: expect.stringMatching(/^top_/),
        customer_id: customer,
        status: 'pending',
        asset: 'USD',
        amount: '25',
        payment: 'checkout',
        price: { currency: 'USD', amount: '25' },
        checkout_url: expect.stringContaining('/c/pay/'),
        expires_at: null,
        metadata: { order: 7 },
        created_at: expect.stringMatching(/Z$/),
      },
    ]);
    expect(await available(customer)).toBe('0');
    expect(await submit(body.checkout_url, { card: 'pm_card_visa' })).toBe(returnUrl);
    await untilStatus(body.id, 'succeeded');
    expect(await account(customer)).toMatchObject({ available: '25', grants: [{ purpose: 'paid', remaining: '25' }] });
    const done = await get(body.id);
    expect(done).not.toHaveProperty('checkout_url');
    const grant = await paying.client.get(`/v1/customers/${customer}/grants/${done.grant_id}`);
    expect(grant.body).toMatchObject({ amount: '25', purpose: 'paid', metadata: { order: 7 } });
    const [charge] = Object.values(paying.standIn.books.charges).filter(
      ({ metadata }) => metadata['farebox_top_up'] === body.id,
    );
    expect(charge).toMatchObject({ amount: 2_500, currency: 'usd', receipt_email: 'ada@example.com' });
    const listed = await paying.client.get(`/v1/customers/${customer}/top-ups`);
    expect(listed.body).toEqual({ data: [done], next_cursor: null });
    expect((await paying.client.get(`/v1/customers/${customer}/top-ups/${body.id}`)).body).toEqual(done);
    expect((await paying.client.get(`/v1/customers/nobody/top-ups/${body.id}`)).status).toBe(404);
  });

  test('with Stripe Tax more is paid than is credited, and all of it goes back', async () => {
    const taxing = await paying.addGateway({ stripe: { ...paying.config.stripe!, addsTax: true } });
    const customer = await newCustomer();
    const asked = { asset: 'USD', amount: '20', payment: 'checkout', return_url: returnUrl };
    const { body } = await expectStatus(taxing.post(`/v1/customers/${customer}/top-ups`, asked), 201);
    await submit(body.checkout_url, { card: 'pm_card_visa' });
    await untilStatus(body.id, 'succeeded');
    expect(await available(customer)).toBe('20');
    const charged = () =>
      Object.values(paying.standIn.books.charges).find(({ metadata }) => metadata['farebox_top_up'] === body.id);
    expect(charged()).toMatchObject({ amount: 2_200, amount_refunded: 0 });
    await expectStatus(taxing.post(`/v1/top-ups/${body.id}/refund`, {}), 200);
    await untilStatus(body.id, 'refunded');
    expect(charged()).toMatchObject({ amount_refunded: 2_200 });
    expect(await available(customer)).toBe('0');
  });

  test('one that expires is canceled, and nothing is credited', async () => {
    const customer = await newCustomer();
    const { body } = await topUp(customer, { amount: '5', payment: 'checkout', return_url: returnUrl });
    const [session] = Object.values(paying.standIn.books.checkoutSessions).filter(
      ({ client_reference_id }) => client_reference_id === body.id,
    );
    session!.status = 'expired';
    await lookNow(body.id);
    await untilStatus(body.id, 'canceled');
    expect(await available(customer)).toBe('0');
  });
});

describe('a saved payment method', () => {
  test('is charged at once: the reply has the credit', async () => {
    const customer = await newCustomer();
    expect((await topUp(customer, { amount: '5', payment: 'saved' })).body.code).toBe('no_payment_method');
    await saveCard(paying, customer);
    const { status, body } = await topUpFirst(customer, { amount: '10.5', payment: 'saved' });
    expect([status, body.status, body.price]).toEqual([201, 'succeeded', { currency: 'USD', amount: '10.5' }]);
    expect(await available(customer)).toBe('10.5');
    expect(taken(customer)).toBe(1_050);
  });

  test('another may be named, and one that is not theirs is refused', async () => {
    const [customer, other] = [await newCustomer(), await newCustomer()];
    const first = await saveCard(paying, customer);
    await saveCard(paying, customer, 'pm_card_chargeCustomerFail');
    const theirs = await saveCard(paying, other);
    expect((await topUpFirst(customer, { amount: '5', payment: 'saved', payment_method_id: first })).body.status).toBe(
      'succeeded',
    );
    expect((await topUp(customer, { amount: '5', payment: 'saved', payment_method_id: theirs })).body.code).toBe(
      'no_payment_method',
    );
    expect(taken(other)).toBe(0);
  });

  test.each([
    ['pm_card_chargeCustomerFail', 'generic_decline', false],
    ['pm_card_chargeDeclinedInsufficientFunds', 'insufficient_funds', true],
    ['pm_card_authenticationRequired', 'authentication_required', true],
  ])('%s: it has failed, says why, and credits nothing', async (card, code, retryable) => {
    const customer = await newCustomer();
    await saveCard(paying, customer, card);
    const { status, body } = await topUp(customer, { amount: '5', payment: 'saved' });
    expect([status, body.status]).toEqual([201, 'failed']);
    expect(body.failure).toEqual({ code, message: expect.any(String), retryable });
    await paying.standIn.webhooks.idle();
    expect([await available(customer), taken(customer)]).toEqual(['0', 0]);
    expect(await get(body.id)).toEqual(body);
  });

  test.each([
    ['yes', 'succeeded', '5'],
    ['no', 'failed', '0'],
  ])('the bank asks who pays, and the customer says %s: %s', async (answer, status, credit) => {
    const customer = await newCustomer();
    await saveCard(paying, customer, 'pm_card_authenticationRequired');
    const { body } = await topUp(customer, { amount: '5', payment: 'saved', return_url: returnUrl });
    expect(body).toMatchObject({
      status: 'requires_action',
      next_action: { type: 'redirect', url: expect.any(String) },
    });
    expect(await submit(body.next_action.url, { answer })).toContain(returnUrl);
    await untilStatus(body.id, status);
    expect(await available(customer)).toBe(credit);
    expect(await get(body.id)).not.toHaveProperty('next_action');
  });
});

describe('once', () => {
  test('a repeat is told the same for ever, and a key is for one request', async () => {
    const customer = await newCustomer();
    await saveCard(paying, customer);
    const first = await topUpFirst(customer, { amount: '5', payment: 'saved' }, 'once-1');
    const again = await topUp(customer, { amount: '5', payment: 'saved' }, 'once-1');
    expect([again.status, again.text, again.headers.get('idempotent-replayed')]).toEqual([201, first.text, 'true']);
    expect((await topUp(customer, { amount: '6', payment: 'saved' }, 'once-1')).body.code).toBe('idempotency_conflict');
    expect([await available(customer), taken(customer)]).toEqual(['5', 500]);
  });

  test('many at once with one key charge once', async () => {
    const customer = await newCustomer();
    await saveCard(paying, customer);
    await Promise.all(Array.from({ length: 12 }, () => topUp(customer, { amount: '5', payment: 'saved' }, 'many-1')));
    const last = await topUp(customer, { amount: '5', payment: 'saved' }, 'many-1');
    expect(last.status).toBe(201);
    await untilStatus(last.body.id, 'succeeded');
    expect([await available(customer), taken(customer)]).toEqual(['5', 500]);
  });

  test('events that come twice, late and in the wrong order change nothing', async () => {
    const customer = await newCustomer();
    await saveCard(paying, customer);
    Object.assign(paying.standIn.webhooks.faults, { hold: true, copies: 3 });
    const { body } = await topUp(customer, { amount: '5', payment: 'saved' });
    const bought = await topUp(customer, { amount: '7', payment: 'checkout', return_url: returnUrl });
    await submit(bought.body.checkout_url, { card: 'pm_card_visa' });
    await paying.standIn.webhooks.release('newest_first');
    paying.standIn.webhooks.faults.copies = 1;
    await untilStatus(bought.body.id, 'succeeded');
    expect((await get(body.id)).status).toBe('succeeded');
    expect([await available(customer), taken(customer)]).toEqual(['12', 1_200]);
    const grants = await paying.client.get(`/v1/customers/${customer}/grants`);
    expect(grants.body.data).toHaveLength(2);
  });

  test('an event that never comes: the worker finds that the money has arrived', async () => {
    const customer = await newCustomer();
    paying.standIn.webhooks.faults.lose = 1_000;
    const { body } = await topUp(customer, { amount: '5', payment: 'checkout', return_url: returnUrl });
    await submit(body.checkout_url, { card: 'pm_card_visa' });
    paying.standIn.webhooks.faults.lose = 0;
    expect((await get(body.id)).status).toBe('pending');
    await lookNow(body.id);
    await untilStatus(body.id, 'succeeded');
    expect([await available(customer), taken(customer)]).toEqual(['5', 500]);
    const event = Object.values(paying.standIn.books.events).find(
      ({ type, data }) =>
        type === 'payment_intent.succeeded' && (data.object as any).metadata.farebox_top_up === body.id,
    );
    expect(await paying.standIn.webhooks.resend(event!)).toEqual([200]);
    expect(await available(customer)).toBe('5');
  });
});

// The official package asks again by itself: three times in all that nobody hears of.
const lostAll = (match: string, fault: 'lose_reply' | 'lose_request') => {
  const faults = Array.from({ length: 3 }, () => ({ match, fault }));
  paying.standIn.faults.plan(...faults);
  return () => {
    while (paying.standIn.faults.take(match)) continue;
  };
};

describe('interrupted', () => {
  test.each([
    ['saved', 'POST /v1/payment_intents', 'lose_reply'],
    ['saved', 'POST /v1/payment_intents', 'lose_request'],
    ['checkout', 'POST /v1/checkout/sessions', 'lose_reply'],
    ['checkout', 'POST /v1/checkout/sessions', 'lose_request'],
  ] as const)('%s, %s, %s: the outcome is unknown, and a repeat has it', async (payment, match, fault) => {
    const customer = await newCustomer();
    await saveCard(paying, customer);
    const body = { amount: '5', payment, return_url: returnUrl };
    const key = `interrupted-${payment}-${fault}`;
    // Only the webhook of the repeat may tell.
    paying.standIn.webhooks.faults.lose = 1_000;
    const over = lostAll(match, fault);
    const first = await topUp(customer, body, key);
    over();
    paying.standIn.webhooks.faults.lose = 0;
    expect(first.body).toMatchObject({
      status: 503,
      code: 'outcome_unknown',
      outcome: 'unknown',
      idempotency_key: key,
    });
    const again = await topUp(customer, body, key);
    expect(again.status).toBe(201);
    if (payment === 'checkout') await submit(again.body.checkout_url, { card: 'pm_card_visa' });
    await untilStatus(again.body.id, 'succeeded');
    expect([await available(customer), taken(customer)]).toEqual(['5', 500]);
    const listed = await paying.client.get(`/v1/customers/${customer}/top-ups`);
    expect(listed.body.data).toHaveLength(1);
  });

  test.each(['lose_reply', 'lose_request'] as const)(
    '%s, and the caller never comes back: the worker sees it through',
    async (fault) => {
      const customer = await newCustomer();
      await saveCard(paying, customer);
      paying.standIn.webhooks.faults.lose = 1_000;
      const over = lostAll('POST /v1/payment_intents', fault);
      expect((await topUp(customer, { amount: '5', payment: 'saved' })).status).toBe(503);
      over();
      const listed = await paying.client.get(`/v1/customers/${customer}/top-ups`);
      const { id } = listed.body.data[0];
      await lookNow(id);
      await untilStatus(id, 'succeeded');
      paying.standIn.webhooks.faults.lose = 0;
      expect([await available(customer), taken(customer)]).toEqual(['5', 500]);
    },
  );

  test.each([
    ['lose_reply', 'succeeded', '5', 500],
    ['lose_request', 'failed', '0', 0],
  ] as const)(
    '%s, and Stripe has forgotten the key: its lists say what was done',
    async (fault, status, credit, cents) => {
      const customer = await newCustomer();
      await saveCard(paying, customer);
      paying.standIn.webhooks.faults.lose = 1_000;
      const over = lostAll('POST /v1/payment_intents', fault);
      expect((await topUp(customer, { amount: '5', payment: 'saved' })).status).toBe(503);
      over();
      paying.standIn.keys.forget();
      const { id } = (await paying.client.get(`/v1/customers/${customer}/top-ups`)).body.data[0];
      await paying.sql`update top_ups set asked_at = now() - interval '25 hours', look_at = now() - interval '1 second' where id = ${id}`;
      await untilStatus(id, status);
      paying.standIn.webhooks.faults.lose = 0;
      expect([await available(customer), taken(customer)]).toEqual([credit, cents]);
    },
  );

  test('the money is known of, and the gateway died before the credit: a sweep gives it', async () => {
    const customer = await newCustomer();
    Object.assign(paying.standIn.webhooks.faults, { lose: 1_000 });
    const { body } = await topUp(customer, { amount: '5', payment: 'checkout', return_url: returnUrl });
    await submit(body.checkout_url, { card: 'pm_card_visa' });
    paying.standIn.webhooks.faults.lose = 0;
    const intent = Object.values(paying.standIn.books.paymentIntents).find(
      ({ metadata }) => metadata['farebox_top_up'] === body.id,
    );
    const sql = openDatabase(paying.database.url, { connectionsMax: 1, name: 'test' });
    const payment = { intentId: intent!.id, received: 500, currency: 'usd' };
    const settled = await settleTopUp(sql, paying.environmentId, body.id, payment);
    expect(settled.status).toBe('paid');
    settledByHand = body.id;
    expect((await settleTopUp(sql, paying.environmentId, body.id, payment)).status).toBe('known');
    await sql.end();
    await untilStatus(body.id, 'succeeded');
    expect(await available(customer)).toBe('5');
  });

  test('money that is not what was asked for is not credited', async () => {
    const customer = await newCustomer();
    const { body } = await topUp(customer, { amount: '5', payment: 'checkout', return_url: returnUrl });
    const sql = openDatabase(paying.database.url, { connectionsMax: 1, name: 'test' });
    const wrong = [
      { intentId: 'pi_1', received: 499, currency: 'usd' },
      { intentId: 'pi_1', received: 501, currency: 'usd' },
      { intentId: 'pi_1', received: 500, currency: 'eur' },
    ];
    for (const payment of wrong) {
      expect((await settleTopUp(sql, paying.environmentId, body.id, payment)).status).toBe('mismatch');
    }
    await sql.end();
    expect([(await get(body.id)).status, await available(customer)]).toEqual(['pending', '0']);
  });
});

describe('assets', () => {
  test('one of our own is bought at the rate that counts now, which is kept', async () => {
    const asset = 'TOKENS';
    await expectStatus(paying.client.post('/v1/assets', { code: asset, scale: 0, kind: 'custom' }), 201);
    const customer = await newCustomer();
    await saveCard(paying, customer);
    expect((await topUp(customer, { asset, amount: '1000', payment: 'saved' })).body.code).toBe('no_rate');
    const publish = (body: object, key = randomBytes(8).toString('hex')) =>
      paying.client.post(`/v1/assets/${asset}/rates`, body, { 'idempotency-key': key });
    const rate = await expectStatus(publish({ currency: 'USD', rate: '0.001' }, 'rate-1'), 201);
    expect(rate.body).toMatchObject({ asset, currency: 'USD', rate: '0.001', effective_at: rate.body.created_at });
    expect((await publish({ currency: 'USD', rate: '0.001' }, 'rate-1')).body).toEqual(rate.body);
    expect((await publish({ currency: 'USD', rate: '0.002' }, 'rate-1')).body.code).toBe('idempotency_conflict');
    const first = await topUpFirst(customer, { asset, amount: '1234', payment: 'saved' });
    expect(first.body).toMatchObject({
      status: 'succeeded',
      amount: '1234',
      price: { currency: 'USD', amount: '1.24', rate: '0.001' },
    });
    expect(await available(customer, asset)).toBe('1234');
    await expectStatus(publish({ currency: 'JPY', rate: '0.5' }), 201);
    await expectStatus(publish({ currency: 'EUR', rate: '9', effective_at: '2999-01-01T00:00:00Z' }), 201);
    const second = await topUp(customer, { asset, amount: '1001', payment: 'saved' });
    expect(second.body.price).toEqual({ currency: 'JPY', amount: '501', rate: '0.5' });
    expect((await get(first.body.id)).price.rate).toBe('0.001');
    const listed = await paying.client.get(`/v1/assets/${asset}/rates?limit=2`);
    const rest = await paying.client.get(`/v1/assets/${asset}/rates?limit=2&cursor=${listed.body.next_cursor}`);
    expect([...listed.body.data, ...rest.body.data].map(({ rate: one }: { rate: string }) => one)).toEqual([
      '9',
      '0.5',
      '0.001',
    ]);
    for (const wrong of [
      { rate: '0' },
      { rate: '-1' },
      { rate: '0.0000000000001' },
      { currency: 'usd' },
      { currency: 'XQX' },
    ]) {
      expect([wrong, (await publish({ currency: 'USD', rate: '1', ...wrong })).status]).toEqual([wrong, 422]);
    }
    expect((await paying.client.post('/v1/assets/NONE/rates', { currency: 'USD', rate: '1' })).body.code).toBe(
      'unknown_asset',
    );
  });

  test.each([
    ['1', 9, '1', 'USD', 100n],
    ['0.000000001', 9, '1', 'USD', 1n],
    ['0.011', 9, '1', 'USD', 2n],
    ['1000', 0, '0.000001', 'USD', 1n],
    ['3', 0, '0.333333333333', 'EUR', 100n],
    ['10', 9, '1', 'JPY', 10n],
    ['0.1', 9, '1', 'JPY', 1n],
    ['1.2341', 9, '1', 'BHD', 1_240n],
    ['1.01', 9, '1', 'UGX', 200n],
  ])('%s of scale %i at %s %s costs %s', (amount, scale, rate, code, cents) => {
    const atoms = BigInt(Math.round(Number(amount) * 10 ** scale));
    const read = rate === '1' ? { status: 'ok' as const, rate: rateOfOne } : readAssetRate(rate);
    if (read.status !== 'ok') throw new Error(read.message);
    expect(priceOfAsset({ atoms, scale, rate: read.rate }, currencyOf(code)!)).toBe(cents);
  });
});

describe('webhooks', () => {
  const path = () => `/webhooks/stripe/env_${paying.environmentId}`;
  const now = () => Math.floor(Date.now() / 1_000);
  const send = async (payload: string, signature: string, to = path()) => {
    const reply = await fetch(`${paying.client.url}${to}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'stripe-signature': signature },
      body: payload,
    });
    return { status: reply.status, body: (await reply.json()) as any };
  };
  /** What would credit a top-up, if it were believed. */
  const paidEvent = async (over: object = {}, metadata: object = {}) => {
    const customer = await newCustomer();
    const { body } = await topUp(customer, { amount: '5', payment: 'checkout', return_url: returnUrl });
    const object = {
      object: 'payment_intent',
      id: `pi_${randomBytes(6).toString('hex')}`,
      amount_received: 500,
      currency: 'usd',
      metadata: { farebox_environment: paying.environmentId, farebox_top_up: body.id, ...metadata },
    };
    const event = {
      id: `evt_${randomBytes(6).toString('hex')}`,
      object: 'event',
      type: 'payment_intent.succeeded',
      livemode: false,
      data: { object },
      ...over,
    };
    return { customer, id: body.id as string, payload: JSON.stringify(event) };
  };
  const untouched = async ({ customer, id }: { customer: string; id: string }) => {
    expect([(await get(id)).status, await available(customer)]).toEqual(['pending', '0']);
  };

  test('forged, stale, changed, unsigned and malformed ones are refused alike, and change nothing', async () => {
    const told = await paidEvent();
    const { payload } = told;
    const good = signatureOf(payload, [webhookSecret], now());
    const attempts: [string, string][] = [
      [payload, signatureOf(payload, ['whsec_of_somebody_else'], now())],
      [payload, signatureOf(payload, [webhookSecret], now() - 400)],
      [payload.replace('"amount_received":500', '"amount_received":501'), good],
      [payload, ''],
      [payload, 't=1,v1=00'],
      [payload, good.replace('v1=', 'v0=')],
      ['', signatureOf(payload, [webhookSecret], now())],
      ['{', signatureOf('{', [webhookSecret], now())],
      ['x'.repeat(300_000), good],
    ];
    const refused = await Promise.all(attempts.map(([body, signature]) => send(body, signature)));
    const shapes = refused.map(({ status, body }) => JSON.stringify([status, { ...body, request_id: '' }]));
    expect(new Set(shapes).size, shapes.join('\n')).toBe(1);
    expect(refused[0]).toMatchObject({ status: 400, body: { code: 'invalid_signature' } });
    await untouched(told);
    expect(await send(payload, good)).toEqual({ status: 200, body: { received: true } });
    expect(await available(told.customer)).toBe('5');
  });

  test('of an unknown type, of live mode, for another environment or for nobody: thanked, and ignored', async () => {
    const all = [
      await paidEvent({ type: 'unheard.of' }),
      await paidEvent({ livemode: true }),
      await paidEvent({}, { farebox_environment: 'aaaaaaaaaaaa' }),
      await paidEvent({}, { farebox_top_up: 'top_nobody' }),
      await paidEvent({ type: 'payment_intent.payment_failed' }),
    ];
    for (const told of all) {
      const reply = await send(told.payload, signatureOf(told.payload, [webhookSecret], now()));
      expect(reply).toEqual({ status: 200, body: { received: true } });
      await untouched(told);
    }
  });

  test('replayed, they have their effect once, at once or one after another', async () => {
    const { customer, payload } = await paidEvent();
    const sent = Array.from({ length: 8 }, () => send(payload, signatureOf(payload, [webhookSecret], now())));
    for (const reply of await Promise.all(sent)) expect(reply).toEqual({ status: 200, body: { received: true } });
    expect(await send(payload, signatureOf(payload, [webhookSecret], now()))).toMatchObject({ status: 200 });
    expect(await available(customer)).toBe('5');
    const grants = await paying.client.get(`/v1/customers/${customer}/grants`);
    expect(grants.body.data).toHaveLength(1);
  });

  test('while a secret is replaced, the old and the new one are good', async () => {
    const secrets = ['whsec_new', webhookSecret];
    const gateway = await paying.addGateway({ stripe: { ...paying.config.stripe!, webhookSecrets: secrets } });
    for (const secret of secrets) {
      const { customer, payload } = await paidEvent();
      const reply = await gateway.send('POST', path(), payload, {
        'stripe-signature': signatureOf(payload, [secret], now()),
      });
      expect([secret, reply.status, await available(customer)]).toEqual([secret, 200, '5']);
    }
  });

  test('an environment that has no keys, or is none, has no endpoint', async () => {
    for (const to of ['/webhooks/stripe/env_aaaaaaaaaaaa', '/webhooks/stripe/x', '/webhooks/stripe/aaaaaaaaaaaa']) {
      expect([to, (await send('{}', '', to)).body.code]).toEqual([to, 'payments_not_configured']);
    }
    expect((await send('{}', '', `/webhooks/stripe/${paying.environmentId}`)).body.code).toBe('invalid_signature');
  });
});

test('what is malformed is refused before anything is asked of Stripe', async () => {
  const customer = await newCustomer();
  const refusals = [
    [{ amount: '0', payment: 'saved' }, 'invalid_request'],
    [{ amount: '5', payment: 'checkout' }, 'invalid_request'],
    [{ amount: '5', payment: 'checkout', return_url: returnUrl, payment_method_id: 'pm_1' }, 'invalid_request'],
    [{ amount: '5', payment: 'saved', expires_at: '2020-01-01T00:00:00Z' }, 'invalid_request'],
    [{ amount: '5', payment: 'cash' }, 'invalid_request'],
    [{ amount: '5', payment: 'saved', asset: 'NONE' }, 'unknown_asset'],
    [{ amount: '1000001', payment: 'saved' }, 'amount_too_large'],
  ] as const;
  for (const [body, code] of refusals) expect([body, (await topUp(customer, body)).body.code]).toEqual([body, code]);
  expect((await topUp('nobody', { amount: '5', payment: 'saved' })).body.code).toBe('customer_not_found');
  expect((await paying.client.get('/v1/top-ups/top_none')).body.code).toBe('top_up_not_found');
  expect((await paying.client.get('/v1/customers/nobody/top-ups')).body.code).toBe('customer_not_found');
  expect((await paying.client.get(`/v1/customers/${customer}/top-ups`)).body.data).toEqual([]);
});

test("without Stripe's keys top-ups are 501", async () => {
  const farebox = await startFarebox({ worker: false });
  await farebox.customer('ada');
  const body = { asset: 'USD', amount: '5', payment: 'saved' };
  const replies = await Promise.all([
    farebox.client.post('/v1/customers/ada/top-ups', body),
    farebox.client.get('/v1/customers/ada/top-ups'),
    farebox.client.get('/v1/top-ups/top_1'),
  ]);
  expect(replies.map(({ status, body: problem }) => [status, problem.code])).toEqual(
    Array.from({ length: 3 }, () => [501, 'payments_not_configured']),
  );
  await farebox.stop();
});

describe('operators see it:', () => {
  const metrics = async () => (await paying.client.get('/metrics')).text;
  const basic = { authorization: `Basic ${Buffer.from('admin:operator').toString('base64')}` };
  const queues = () => fetch(`${paying.client.url}/admin/queues/api/queues`, { headers: basic });

  test('one line in the log for each top-up that has ended', async () => {
    const told = said
      .filter((line) => line.includes('"msg":"top-up"'))
      .map((line) => JSON.parse(line) as { top_up: string; outcome: string; customer: string });
    // What was given back later had ended well.
    const rows = await paying.sql<{ id: string; status: string }[]>`
      select id, case status when 'refunded' then 'succeeded' else status end as status
      from top_ups where status not in ('pending', 'requires_action') and not id = ${settledByHand}`;
    expect(rows.length).toBeGreaterThan(10);
    const sorted = (lines: string[][]) => lines.toSorted(([a = ''], [b = '']) => a.localeCompare(b));
    expect(sorted(told.map(({ top_up, outcome }) => [top_up, outcome]))).toEqual(
      sorted(rows.map(({ id, status }) => [id, status])),
    );
  });

  test('attempts, outcomes and amounts are counted, and the queue is in the dashboard', async () => {
    const text = await metrics();
    for (const labels of [
      'payment="saved",origin="request",outcome="failed"',
      'payment="checkout",origin="request",outcome="succeeded"',
    ])
      expect(text).toMatch(new RegExp(`^farebox_top_ups_total\\{[^}]*${labels}[^}]*\\} [1-9]`, 'm'));
    expect(text).toMatch(/^farebox_top_up_attempts_total\{[^}]*payment="checkout"[^}]*\} [1-9]/m);
    expect(text).toMatch(/^farebox_top_up_money_total\{[^}]*currency="JPY"[^}]*\} 501$/m);
    const shown = (await (await queues()).json()) as { queues: { name: string }[] };
    expect(shown.queues.map(({ name }) => name)).toContain('top-up');
  });

  test("and nobody sees Stripe's keys: not in replies, log, jobs or wallets", async () => {
    const redis = new Redis(paying.redis.url);
    const kept = await everythingIn(redis);
    redis.disconnect();
    expect(kept.some((value) => value.includes('top-up'))).toBe(true);
    const all = [...said, ...kept, await metrics(), await (await queues()).text()].join('\n');
    for (const secret of [secretKey, webhookSecret, 'whsec_new', paying.key]) expect(all.includes(secret)).toBe(false);
  });
});

/** All keys and what they hold, as text. */
async function everythingIn(redis: Redis): Promise<string[]> {
  const readers: Record<string, (key: string) => Promise<unknown>> = {
    string: (key) => redis.get(key),
    hash: (key) => redis.hgetall(key),
    list: (key) => redis.lrange(key, 0, -1),
    set: (key) => redis.smembers(key),
    zset: (key) => redis.zrange(key, '0', '-1'),
    stream: (key) => redis.xrange(key, '-', '+'),
  };
  const keys = await redis.keys('*');
  const values = await Promise.all(
    keys.map(async (key) => {
      const read = readers[await redis.type(key)];
      return [key, JSON.stringify(await read?.(key))];
    }),
  );
  return values.flat();
}

test("what was asked of Stripe is as Stripe's own description has it", () => {
  expect(paying.flaws()).toEqual([]);
});
