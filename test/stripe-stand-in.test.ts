// The stand-in for Stripe, driven by the official package; each exchange is held against Stripe's own description.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import Stripe from 'stripe';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { apiVersion } from '../scripts/stripe/events.ts';
import { routes } from '../scripts/stripe/routes.ts';
import type { Exchange } from '../scripts/stripe/serve-api.ts';
import { startStandIn, type StandIn } from '../scripts/stripe/stand-in.ts';
import { violations } from './stripe/description.ts';

const secret = 'whsec_of_the_test';
const targets = new Set<string>();
const wrong: string[] = [];
const note = (exchange: Exchange): void => {
  targets.add(`${exchange.target} ${exchange.status}`);
  wrong.push(...violations(exchange));
};

let standIn: StandIn;
let stripe: Stripe;
let endpoint: Server;
/** What came to the endpoint, verified by the official package. */
let events: Stripe.Event[];
let answers: number[];

beforeAll(async () => {
  endpoint = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const event = stripe.webhooks.constructEvent(
        Buffer.concat(chunks),
        incoming.headers['stripe-signature'] ?? '',
        secret,
      );
      const status = answers.shift() ?? 200;
      if (status === 200) events.push(event);
      outgoing.writeHead(status).end();
    });
  });
  await new Promise<void>((resolve) => endpoint.listen(0, '127.0.0.1', resolve));
});

beforeEach(async () => {
  events = [];
  answers = [];
  const url = `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}/`;
  standIn = await startStandIn({
    endpoints: [{ url, secrets: [secret] }],
    retryDelaysMs: [5, 5, 5],
    slowMs: 1_000,
    onExchange: note,
  });
  stripe = clientOf(standIn);
});

afterEach(() => standIn.stop());
afterAll(() => new Promise((resolve) => endpoint.close(resolve)));

function clientOf({ url }: StandIn, more: Stripe.StripeConfig = {}): Stripe {
  const { hostname, port } = new URL(url);
  return new Stripe('sk_test_stand_in', {
    protocol: 'http',
    host: hostname,
    port,
    telemetry: false,
    maxNetworkRetries: 0,
    ...more,
  });
}

async function payer(card = 'pm_card_visa'): Promise<{ customer: string; payment_method: string }> {
  const { id: customer } = await stripe.customers.create({
    email: 'ada@example.com',
    name: 'Ada',
    metadata: { wallet: 'w1' },
  });
  const { id: payment_method } = await stripe.paymentMethods.attach(card, { customer });
  return { customer, payment_method };
}

const terms = { amount: 1_000, currency: 'usd', confirm: true, off_session: true } as const;

async function refused(work: Promise<unknown>): Promise<Stripe.errors.StripeError> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof Stripe.errors.StripeError)) throw new Error('Stripe did not refuse', { cause: error });
  return error;
}

async function submit(
  url: string,
  form: Record<string, string>,
): Promise<{ status: number; location: string; text: string }> {
  const reply = await fetch(url, { method: 'POST', body: new URLSearchParams(form), redirect: 'manual' });
  return { status: reply.status, location: reply.headers.get('location') ?? '', text: await reply.text() };
}

const types = (): string[] => events.map(({ type }) => type);

describe('payments', () => {
  test('a saved card is charged off session, and its events say so', async () => {
    const { customer, payment_method } = await payer();
    const intent = await stripe.paymentIntents.create({
      ...terms,
      customer,
      payment_method,
      receipt_email: 'ada@example.com',
      description: 'top-up',
      metadata: { top_up: 't1' },
    });
    expect(intent).toMatchObject({ status: 'succeeded', amount_received: 1_000, metadata: { top_up: 't1' } });
    await standIn.webhooks.idle();
    expect(types()).toEqual(
      expect.arrayContaining(['payment_intent.created', 'charge.succeeded', 'payment_intent.succeeded']),
    );
    const found = await stripe.paymentIntents.retrieve(intent.id, { expand: ['latest_charge'] });
    expect(found.latest_charge).toMatchObject({ object: 'charge', paid: true, payment_intent: intent.id });
    const mine = await stripe.paymentIntents.list({ customer, limit: 1 });
    expect(mine.data.map(({ id }) => id)).toEqual([intent.id]);
    expect((await stripe.charges.list({ payment_intent: intent.id })).data).toHaveLength(1);
    expect((await stripe.events.list({ types: ['payment_intent.succeeded'] })).data).toHaveLength(1);
  });

  test.each([
    ['pm_card_chargeCustomerFail', 'card_declined', 'generic_decline'],
    ['pm_card_chargeDeclinedInsufficientFunds', 'card_declined', 'insufficient_funds'],
    ['pm_card_authenticationRequired', 'authentication_required', 'authentication_required'],
  ])('%s: 402, and the intent waits for another payment method', async (card, code, decline_code) => {
    const { customer, payment_method } = await payer(card);
    const error = await refused(stripe.paymentIntents.create({ ...terms, customer, payment_method }));
    expect(error).toMatchObject({ type: 'StripeCardError', statusCode: 402, code, decline_code });
    expect(error.payment_intent).toMatchObject({ status: 'requires_payment_method', amount_received: 0 });
    await standIn.webhooks.idle();
    expect(types()).toContain('payment_intent.payment_failed');
    expect(types()).not.toContain('payment_intent.succeeded');
  });

  test('who is there can authenticate, on a page', async () => {
    const { customer, payment_method } = await payer('pm_card_authenticationRequired');
    const error = await refused(stripe.paymentIntents.create({ ...terms, customer, payment_method }));
    const waiting = await stripe.paymentIntents.confirm(error.payment_intent!.id, {
      payment_method,
      return_url: 'https://shop.example/back?a=1',
    });
    expect(waiting.status).toBe('requires_action');
    const url = waiting.next_action!.redirect_to_url!.url!;
    expect(await (await fetch(url)).text()).toContain('Is it you');
    const { status, location } = await submit(url, { answer: 'yes' });
    expect([status, new URL(location).searchParams.get('redirect_status')]).toEqual([303, 'succeeded']);
    expect((await stripe.paymentIntents.retrieve(waiting.id)).status).toBe('succeeded');
  });

  test('whoever says no has paid nothing', async () => {
    const { customer, payment_method } = await payer('pm_card_authenticationRequired');
    const made = await stripe.paymentIntents.create({ amount: 500, currency: 'eur', customer });
    const waiting = await stripe.paymentIntents.confirm(made.id, {
      payment_method,
      return_url: 'https://shop.example/',
    });
    await submit(waiting.next_action!.redirect_to_url!.url!, { answer: 'no' });
    expect(await stripe.paymentIntents.retrieve(made.id)).toMatchObject({
      status: 'requires_payment_method',
      last_payment_error: { code: 'payment_intent_authentication_failure' },
    });
  });

  test('an intent that was canceled charges nobody', async () => {
    const { customer, payment_method } = await payer();
    const made = await stripe.paymentIntents.create({ amount: 500, currency: 'usd', customer, payment_method });
    expect((await stripe.paymentIntents.cancel(made.id)).status).toBe('canceled');
    expect(await refused(stripe.paymentIntents.confirm(made.id))).toMatchObject({
      code: 'payment_intent_unexpected_state',
    });
    expect(standIn.books.charges).toEqual({});
  });

  test('what Stripe would refuse is refused, and nothing is made of it', async () => {
    const { customer, payment_method } = await payer();
    const { customer: other } = await payer();
    const create = (more: Stripe.PaymentIntentCreateParams) => refused(stripe.paymentIntents.create(more));
    expect(await create({ ...terms, amount: 49, customer, payment_method })).toMatchObject({
      code: 'amount_too_small',
    });
    expect(await create({ ...terms, customer: 'cus_none', payment_method })).toMatchObject({
      code: 'resource_missing',
    });
    expect(await create({ ...terms, customer: other, payment_method })).toMatchObject({ statusCode: 400 });
    expect(await create({ ...terms, customer, payment_method: 'pm_none' })).toMatchObject({ code: 'resource_missing' });
    expect(await create({ currency: 'usd' } as Stripe.PaymentIntentCreateParams)).toMatchObject({
      code: 'parameter_missing',
    });
    const strange = { ...terms, colour: 'red' };
    expect(await create(strange)).toMatchObject({ code: 'parameter_unknown', param: 'colour' });
    expect(standIn.books.paymentIntents).toEqual({});
    expect(await refused(clientOf({ ...standIn }, { host: '127.0.0.1' }).customers.retrieve('cus_none'))).toMatchObject(
      { statusCode: 404 },
    );
    const live = new Stripe('sk_live_1', {
      protocol: 'http',
      host: '127.0.0.1',
      port: new URL(standIn.url).port,
      maxNetworkRetries: 0,
    });
    expect(await refused(live.customers.list())).toMatchObject({ statusCode: 401 });
  });
});

describe('payment methods', () => {
  test('are listed newest first, found for their customer alone, and detached once', async () => {
    const { customer, payment_method: first } = await payer();
    const second = await stripe.paymentMethods.attach('pm_card_mastercard', { customer });
    const listed = await stripe.customers.listPaymentMethods(customer, { type: 'card' });
    expect(listed.data.map(({ id }) => id)).toEqual([second.id, first]);
    expect(listed.data[0]!.card).toMatchObject({ brand: 'mastercard', last4: '4444' });
    const rest = await stripe.customers.listPaymentMethods(customer, { limit: 1, starting_after: second.id });
    expect(rest).toMatchObject({ data: [{ id: first }], has_more: false });
    const { customer: other } = await payer();
    expect(await refused(stripe.customers.retrievePaymentMethod(other, first))).toMatchObject({ statusCode: 404 });
    expect((await stripe.customers.retrievePaymentMethod(customer, first)).id).toBe(first);
    expect((await stripe.paymentMethods.detach(first)).customer).toBe(null);
    expect(await refused(stripe.paymentMethods.detach(first))).toMatchObject({ statusCode: 400 });
    expect((await stripe.paymentMethods.retrieve(first)).customer).toBe(null);
  });

  test('a card that cannot be saved is refused', async () => {
    const { id: customer } = await stripe.customers.create();
    const error = await refused(stripe.paymentMethods.attach('pm_card_chargeDeclined', { customer }));
    expect(error).toMatchObject({ statusCode: 402, code: 'card_declined' });
    const setup = await stripe.setupIntents.create({ customer, usage: 'off_session' });
    expect(
      await refused(stripe.setupIntents.confirm(setup.id, { payment_method: 'pm_card_chargeDeclined' })),
    ).toMatchObject({
      statusCode: 402,
    });
    const saved = await stripe.setupIntents.confirm(setup.id, { payment_method: 'pm_card_visa' });
    expect(saved.status).toBe('succeeded');
    expect((await stripe.setupIntents.list({ customer })).data).toHaveLength(1);
    expect((await stripe.setupIntents.retrieve(setup.id)).payment_method).toBe(saved.payment_method);
  });

  test('a customer can be changed and deleted', async () => {
    const { customer } = await payer();
    expect(
      (await stripe.customers.update(customer, { email: 'new@example.com', metadata: { a: 'b' } })).metadata,
    ).toEqual({
      wallet: 'w1',
      a: 'b',
    });
    expect((await stripe.customers.list({ email: 'new@example.com' })).data).toHaveLength(1);
    expect((await stripe.customers.del(customer)).deleted).toBe(true);
    expect((await stripe.customers.retrieve(customer)).deleted).toBe(true);
    expect(
      await refused(stripe.paymentIntents.create({ ...terms, customer, payment_method: 'pm_card_visa' })),
    ).toMatchObject({
      code: 'resource_missing',
    });
  });
});

describe('Checkout', () => {
  const checkout = (
    customer: string,
    more: Stripe.Checkout.SessionCreateParams = {},
  ): Stripe.Checkout.SessionCreateParams => ({
    mode: 'payment',
    customer,
    client_reference_id: 't1',
    line_items: [
      { quantity: 1, price_data: { currency: 'usd', unit_amount: 2_000, product_data: { name: 'Credit' } } },
    ],
    payment_intent_data: {
      metadata: { top_up: 't1' },
      receipt_email: 'ada@example.com',
      setup_future_usage: 'off_session',
    },
    success_url: 'https://shop.example/done?session={CHECKOUT_SESSION_ID}',
    cancel_url: 'https://shop.example/back',
    metadata: { top_up: 't1' },
    ...more,
  });

  test('a page of plain forms takes a payment, after one that was declined', async () => {
    const { id: customer } = await stripe.customers.create();
    const session = await stripe.checkout.sessions.create(checkout(customer));
    expect(session).toMatchObject({
      status: 'open',
      payment_status: 'unpaid',
      amount_total: 2_000,
      payment_intent: null,
    });
    const html = await (await fetch(session.url!)).text();
    expect(html).toContain('USD 20.00');
    expect(html).not.toMatch(/<script|src=|<link|cvc|card number/i);
    const declined = await submit(session.url!, { card: 'pm_card_chargeDeclinedInsufficientFunds' });
    expect([declined.status, declined.text]).toEqual([402, expect.stringContaining('insufficient funds')]);
    const paid = await submit(session.url!, { card: 'pm_card_visa' });
    expect(paid).toMatchObject({ status: 303, location: `https://shop.example/done?session=${session.id}` });
    const done = await stripe.checkout.sessions.retrieve(session.id, { expand: ['payment_intent'] });
    expect(done).toMatchObject({
      status: 'complete',
      payment_status: 'paid',
      url: null,
      payment_intent: { status: 'succeeded', metadata: { top_up: 't1' } },
    });
    expect((await stripe.customers.listPaymentMethods(customer)).data).toHaveLength(1);
    expect(Object.values(standIn.books.charges).filter(({ paid: isPaid }) => isPaid)).toHaveLength(1);
    await standIn.webhooks.idle();
    expect(types()).toEqual(expect.arrayContaining(['payment_intent.succeeded', 'checkout.session.completed']));
    expect((await stripe.checkout.sessions.list({ customer })).data).toHaveLength(1);
    expect((await submit(session.url!, { card: 'pm_card_visa' })).status).toBe(200);
    expect(Object.values(standIn.books.charges).filter(({ paid: isPaid }) => isPaid)).toHaveLength(1);
  });

  test('who must authenticate does so on the way', async () => {
    const { id: customer } = await stripe.customers.create();
    const session = await stripe.checkout.sessions.create(checkout(customer));
    const { location } = await submit(session.url!, { card: 'pm_card_authenticationRequired' });
    expect(location).toContain('/_stand_in/authenticate/');
    expect((await submit(location, { answer: 'yes' })).location).toContain('https://shop.example/done');
    expect((await stripe.checkout.sessions.retrieve(session.id)).payment_status).toBe('paid');
  });

  test('in setup mode a card is saved, and nothing is charged', async () => {
    const { id: customer } = await stripe.customers.create();
    const session = await stripe.checkout.sessions.create({
      mode: 'setup',
      currency: 'usd',
      customer,
      success_url: 'https://shop.example/saved',
      setup_intent_data: { metadata: { wallet: 'w1' } },
    });
    expect((await submit(session.url!, { card: 'pm_card_chargeDeclined' })).status).toBe(402);
    expect((await submit(session.url!, { card: 'pm_card_visa' })).location).toBe('https://shop.example/saved');
    const done = await stripe.checkout.sessions.retrieve(session.id, { expand: ['setup_intent'] });
    expect(done).toMatchObject({
      status: 'complete',
      setup_intent: { status: 'succeeded', metadata: { wallet: 'w1' } },
    });
    expect((await stripe.customers.listPaymentMethods(customer)).data).toHaveLength(1);
    expect(standIn.books.charges).toEqual({});
  });

  test('tax is added, and an expired session takes nothing', async () => {
    const { id: customer } = await stripe.customers.create();
    const session = await stripe.checkout.sessions.create(
      checkout(customer, { automatic_tax: { enabled: true }, customer_update: { address: 'auto' } }),
    );
    expect(session).toMatchObject({ amount_subtotal: 2_000, amount_total: 2_200, total_details: { amount_tax: 200 } });
    expect((await stripe.checkout.sessions.expire(session.id)).status).toBe('expired');
    await submit(session.url!, { card: 'pm_card_visa' });
    expect(standIn.books.charges).toEqual({});
    await standIn.webhooks.idle();
    expect(types()).toContain('checkout.session.expired');
  });
});

describe('refunds and disputes', () => {
  test('no more is refunded than was paid', async () => {
    const { customer, payment_method } = await payer();
    const { id: payment_intent } = await stripe.paymentIntents.create({ ...terms, customer, payment_method });
    const refund = await stripe.refunds.create({ payment_intent, amount: 400, metadata: { refund: 'r1' } });
    expect(refund).toMatchObject({ status: 'succeeded', amount: 400 });
    expect(await refused(stripe.refunds.create({ payment_intent, amount: 601 }))).toMatchObject({ statusCode: 400 });
    expect((await stripe.refunds.create({ payment_intent })).amount).toBe(600);
    expect(await refused(stripe.refunds.create({ payment_intent }))).toMatchObject({ code: 'charge_already_refunded' });
    expect((await stripe.refunds.list({ payment_intent })).data).toHaveLength(2);
    expect((await stripe.refunds.retrieve(refund.id)).amount).toBe(400);
    await standIn.webhooks.idle();
    expect(types().filter((type) => type === 'charge.refunded')).toHaveLength(2);
  });

  test('a refund may be pending, and fail in the end', async () => {
    const { customer, payment_method } = await payer('pm_card_pendingRefund');
    const intent = await stripe.paymentIntents.create({ ...terms, customer, payment_method });
    const refund = await stripe.refunds.create({ payment_intent: intent.id });
    expect(refund.status).toBe('pending');
    await ask(`refunds/${refund.id}`, { status: 'failed' });
    expect((await stripe.refunds.retrieve(refund.id)).status).toBe('failed');
    expect((await stripe.charges.retrieve(intent.latest_charge as string)).amount_refunded).toBe(0);
  });

  test('a dispute is opened by the card or on demand, and closed once', async () => {
    const { customer, payment_method } = await payer('pm_card_createDispute');
    await stripe.paymentIntents.create({ ...terms, customer, payment_method });
    const [first] = (await stripe.disputes.list()).data;
    expect(first).toMatchObject({ status: 'needs_response', amount: 1_000 });
    await ask(`disputes/${first!.id}`, { status: 'lost' });
    expect((await stripe.disputes.retrieve(first!.id)).status).toBe('lost');
    const other = await payer();
    const intent = await stripe.paymentIntents.create({ ...terms, ...other });
    const opened = await ask('disputes', { charge: intent.latest_charge, amount: 300 });
    await ask(`disputes/${opened.id}`, { status: 'won' });
    await standIn.webhooks.idle();
    expect(
      types()
        .filter((type) => type.startsWith('charge.dispute.'))
        .toSorted(),
    ).toEqual([
      ...['charge.dispute.closed', 'charge.dispute.closed', 'charge.dispute.created', 'charge.dispute.created'],
      ...['charge.dispute.funds_reinstated', 'charge.dispute.funds_withdrawn', 'charge.dispute.funds_withdrawn'],
    ]);
  });
});

describe('idempotency keys', () => {
  const options = { idempotencyKey: 'key-1' };

  test('the same request has the same reply, and happens once', async () => {
    const { customer, payment_method } = await payer();
    const request = { ...terms, customer, payment_method };
    const first = await stripe.paymentIntents.create(request, options);
    const second = await stripe.paymentIntents.create(request, options);
    expect({ ...second }).toEqual({ ...first });
    expect(second.lastResponse.headers['idempotent-replayed']).toBe('true');
    expect(Object.keys(standIn.books.charges)).toHaveLength(1);
    standIn.keys.forget();
    expect((await stripe.paymentIntents.create(request, options)).id).not.toBe(first.id);
  });

  test('an error is a reply too', async () => {
    const { customer, payment_method } = await payer('pm_card_chargeCustomerFail');
    const request = { ...terms, customer, payment_method };
    const first = await refused(stripe.paymentIntents.create(request, options));
    const second = await refused(stripe.paymentIntents.create(request, options));
    expect(second.payment_intent!.id).toBe(first.payment_intent!.id);
    expect(Object.keys(standIn.books.charges)).toHaveLength(1);
  });

  test('other parameters, or another path, are an error', async () => {
    await stripe.customers.create({ name: 'Ada' }, options);
    const error = await refused(stripe.customers.create({ name: 'Bob' }, options));
    expect(error).toMatchObject({ type: 'StripeIdempotencyError', statusCode: 400 });
    expect(await refused(stripe.setupIntents.create({}, options))).toMatchObject({ type: 'StripeIdempotencyError' });
    expect(Object.keys(standIn.books.customers)).toHaveLength(1);
  });

  test('a second request while the first is under way is a conflict', async () => {
    const { customer, payment_method } = await payer('pm_card_slow');
    const request = { ...terms, customer, payment_method };
    const sent = [0, 1].map(() => stripe.paymentIntents.create(request, options));
    const ends = await Promise.allSettled(sent);
    expect(ends.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    const conflict = ends.find((end) => end.status === 'rejected');
    expect(conflict?.reason).toMatchObject({ statusCode: 409, code: 'idempotency_key_in_use' });
    expect(Object.keys(standIn.books.charges)).toHaveLength(1);
  });

  test('a request that is refused for its parameters uses up no key', async () => {
    const { customer } = await payer();
    const half = { currency: 'usd', customer } as Stripe.PaymentIntentCreateParams;
    expect(await refused(stripe.paymentIntents.create(half, options))).toMatchObject({ code: 'parameter_missing' });
    expect((await stripe.paymentIntents.create({ ...half, amount: 700 }, options)).amount).toBe(700);
  });

  // The official package itself asks once more when a connection is closed on it, whatever it is told about retries.
  test('a reply that was lost is had by asking again', async () => {
    const { customer, payment_method } = await payer('pm_card_timeoutAfterEffect');
    const request = { ...terms, customer, payment_method };
    expect((await stripe.paymentIntents.create(request, options)).lastResponse.headers['idempotent-replayed']).toBe(
      'true',
    );
    expect(Object.keys(standIn.books.charges)).toHaveLength(1);
    standIn.faults.plan(
      { match: 'POST /v1/refunds', fault: 'lose_reply' },
      { match: 'POST /v1/refunds', fault: 'lose_reply' },
    );
    const refund = { payment_intent: Object.keys(standIn.books.paymentIntents)[0]!, amount: 10 };
    const keyed = { idempotencyKey: 'key-2' };
    expect(await refused(stripe.refunds.create(refund, keyed))).toMatchObject({ type: 'StripeConnectionError' });
    expect((await stripe.refunds.create(refund, keyed)).amount).toBe(10);
    expect(Object.keys(standIn.books.refunds)).toHaveLength(1);
  });
});

describe('faults on demand', () => {
  test('a request is lost before it has an effect, or answered with an error of Stripe', async () => {
    await ask('faults', [
      { match: 'POST /v1/customers', fault: 'lose_request' },
      { match: 'POST /v1/customers', fault: 'lose_request' },
      { match: 'POST /v1/customers', fault: 'fail' },
    ]);
    expect(await refused(stripe.customers.create())).toMatchObject({ type: 'StripeConnectionError' });
    expect(await refused(stripe.customers.create())).toMatchObject({ statusCode: 500 });
    expect(standIn.books.customers).toEqual({});
    await stripe.customers.create();
    expect(Object.keys(standIn.books.customers)).toHaveLength(1);
  });

  test('a request, or its reply, waits until it is released', async () => {
    standIn.faults.plan({ match: 'POST /v1/customers', fault: 'hold_reply' });
    const made = stripe.customers.create();
    await expect.poll(() => standIn.faults.heldCount()).toBe(1);
    expect(Object.keys(standIn.books.customers)).toHaveLength(1);
    standIn.faults.release();
    await made;
  });
});

describe('events', () => {
  test('are sent again until they are taken', async () => {
    answers = [500, 503];
    await stripe.customers.create();
    await standIn.webhooks.idle();
    expect(types()).toEqual(['customer.created']);
    expect(standIn.webhooks.deliveries()).toMatchObject([{ attempts: 3, status: 200, state: 'taken' }]);
    expect(events[0]).toMatchObject({ api_version: apiVersion, request: { idempotency_key: expect.any(String) } });
    expect((await stripe.events.retrieve(events[0]!.id)).type).toBe('customer.created');
  });

  test('can be lost, doubled, held, reordered, and be of a type that nobody knows', async () => {
    await ask('webhooks', { lose: 1, copies: 2 });
    await stripe.customers.create();
    await stripe.customers.create();
    await standIn.webhooks.idle();
    expect(types()).toEqual(['customer.created', 'customer.created']);
    expect(events[0]!.id).toBe(events[1]!.id);
    events = [];
    await ask('webhooks', { hold: true, copies: 1 });
    await stripe.customers.update(Object.keys(standIn.books.customers)[0]!, { name: 'Ada' });
    await ask('events', { type: 'unheard.of', object: { object: 'thing' } });
    expect(events).toEqual([]);
    await ask('webhooks/release', { order: 'newest_first' });
    expect(types()).toEqual(['unheard.of', 'customer.updated']);
    await ask(`events/${events[0]!.id}/resend`, {});
    expect(types()).toEqual(['unheard.of', 'customer.updated', 'unheard.of']);
  });
});

// The official package pins a version; the shapes above are written for it, and the compiler holds them to it.
test('the stand-in speaks the version of the API that the official package does', () => {
  expect(Stripe.API_VERSION).toBe(apiVersion);
});

test("Stripe's description refuses what it does not have", () => {
  const exchange = { target: 'POST /v1/payment_intents', path: '/v1/payment_intents', status: 200 };
  const intent = Object.fromEntries(['id', 'object'].map((name) => [name, 'payment_intent']));
  const found = violations({ ...exchange, params: { amount: '1', currency: 'usd', colour: 'red' }, body: intent });
  expect(found).toEqual([expect.stringContaining('additional'), expect.stringContaining("'amount'")]);
});

test("each request and reply of these tests is as Stripe's own description has it", () => {
  expect(wrong).toEqual([]);
  expect(routes.map(([target]) => `${target} 200`).filter((target) => !targets.has(target))).toEqual([]);
});

async function ask(control: string, body: unknown): Promise<any> {
  const reply = await fetch(`${standIn.url}/_stand_in/${control}`, { method: 'POST', body: JSON.stringify(body) });
  if (reply.status !== 200) throw new Error(`${control}: ${await reply.text()}`);
  return reply.json();
}
