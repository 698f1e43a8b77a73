// Payment methods: saved on a page of Stripe's, listed, chosen and removed; and 501 where Stripe's keys are missing.
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readConfig } from '../src/config.ts';
import { openDatabase } from '../src/db/connect.ts';
import { createEnvironment } from '../src/db/environments.ts';
import { readStripeSettings } from '../src/db/stripe-settings.ts';
import { runEnvironmentStripe } from '../src/run/environment-stripe.ts';
import { startFarebox, type Farebox } from './farebox.ts';
import { createDatabase, type TestDatabase } from './stores.ts';
import { saveCard, secretKey, startPaying, submit, webhookSecret, type Paying } from './stripe/paying.ts';

const returnUrl = 'https://shop.example/wallet';

describe('with Stripe', () => {
  let paying: Paying;
  beforeAll(async () => {
    paying = await startPaying();
  });
  afterAll(() => paying.stop());

  const post = (path: string, body: unknown, headers = {}) =>
    paying.client.post(`/v1/customers/${path}`, body, headers);
  const list = async (customer: string, query = '') =>
    (await paying.client.get(`/v1/customers/${customer}/payment-methods${query}`)).body;

  test('a customer saves a card on a page of Stripe’s, and it is the default', async () => {
    await paying.customer('ada');
    expect(await list('ada')).toEqual({ data: [], next_cursor: null });
    const { status, body } = await post('ada/payment-methods/setup', { return_url: returnUrl });
    expect([status, Object.keys(body)]).toEqual([200, ['url']]);
    expect(await submit(body.url, { card: 'pm_card_visa' })).toBe(returnUrl);
    const { data } = await list('ada');
    expect(data).toEqual([
      {
        id: expect.stringMatching(/^pm_/),
        type: 'card',
        card: { brand: 'visa', last4: '4242', exp_month: 12, exp_year: expect.any(Number) },
        default: true,
        created_at: expect.stringMatching(/Z$/),
      },
    ]);
    expect(Object.values(paying.standIn.books.customers)).toMatchObject([{ metadata: { farebox_customer: 'ada' } }]);
  });

  test('the one that was chosen is the default, and when it goes the newest is', async () => {
    await paying.customer('bob');
    const first = await saveCard(paying, 'bob');
    const second = await saveCard(paying, 'bob', 'pm_card_mastercard');
    const defaults = async () =>
      (await list('bob')).data.filter((one: { default: boolean }) => one.default).map((one: { id: string }) => one.id);
    expect(await defaults()).toEqual([second]);
    const chosen = await post(`bob/payment-methods/${first}/default`, {});
    expect([chosen.status, chosen.body]).toEqual([200, expect.objectContaining({ id: first, default: true })]);
    expect(await defaults()).toEqual([first]);
    expect((await paying.client.send('DELETE', `/v1/customers/bob/payment-methods/${first}`)).status).toBe(204);
    expect(paying.standIn.books.paymentMethods[first]?.customer).toBe(null);
    expect(await defaults()).toEqual([second]);
    const again = await paying.client.send('DELETE', `/v1/customers/bob/payment-methods/${first}`);
    expect([again.status, again.body.code]).toEqual([404, 'payment_method_not_found']);
  });

  test('pages go on after the last one shown', async () => {
    await paying.customer('cy');
    const ids = [await saveCard(paying, 'cy'), await saveCard(paying, 'cy'), await saveCard(paying, 'cy')].toReversed();
    const first = await list('cy', '?limit=2');
    const second = await list('cy', `?limit=2&cursor=${first.next_cursor}`);
    expect([...first.data, ...second.data].map(({ id }: { id: string }) => id)).toEqual(ids);
    expect(second.next_cursor).toBe(null);
    expect([...first.data, ...second.data].map((one: { default: boolean }) => one.default)).toEqual([
      true,
      false,
      false,
    ]);
    expect((await paying.client.get('/v1/customers/cy/payment-methods?cursor=pm_nobody')).status).toBe(422);
  });

  test("another customer's is not found", async () => {
    await paying.customer('dora');
    await paying.customer('eve');
    const hers = await saveCard(paying, 'dora');
    await saveCard(paying, 'eve');
    const chosen = await post(`eve/payment-methods/${hers}/default`, {});
    const removed = await paying.client.send('DELETE', `/v1/customers/eve/payment-methods/${hers}`);
    expect([chosen.body.code, removed.body.code]).toEqual(['payment_method_not_found', 'payment_method_not_found']);
    expect(paying.standIn.books.paymentMethods[hers]?.customer).not.toBe(null);
    expect((await post('nobody/payment-methods/setup', { return_url: returnUrl })).body.code).toBe(
      'customer_not_found',
    );
    expect((await paying.client.get('/v1/customers/nobody/payment-methods')).body.code).toBe('customer_not_found');
    const nobodys = await paying.client.send('DELETE', `/v1/customers/nobody/payment-methods/${hers}`);
    expect(nobodys.body.code).toBe('customer_not_found');
  });

  test('a repeat has the same page, and one customer is made at Stripe, however many ask', async () => {
    await paying.customer('finn');
    const key = { 'idempotency-key': 'setup-1' };
    const body = { return_url: returnUrl };
    const first = await post('finn/payment-methods/setup', body, key);
    const again = await post('finn/payment-methods/setup', body, key);
    expect(again.text).toBe(first.text);
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    const other = await post('finn/payment-methods/setup', { return_url: `${returnUrl}?x` }, key);
    expect(other.body.code).toBe('idempotency_conflict');
    await paying.customer('gil');
    const many = await Promise.all(Array.from({ length: 8 }, () => post('gil/payment-methods/setup', body)));
    // Who came while the first was under way was told so, and nothing else.
    expect(many.every(({ status }) => status === 200 || status === 503)).toBe(true);
    expect((await post('gil/payment-methods/setup', body)).status).toBe(200);
    const made = Object.values(paying.standIn.books.customers).filter(
      ({ metadata }) => metadata['farebox_customer'] === 'gil',
    );
    expect(made).toHaveLength(1);
  });

  test('a reply of Stripe’s that was lost is had by the repeat', async () => {
    await paying.customer('hal');
    const lost = { match: 'POST /v1/checkout/sessions', fault: 'lose_reply' } as const;
    paying.standIn.faults.plan(lost, lost, lost, lost);
    const key = { 'idempotency-key': 'setup-2' };
    const unknown = await post('hal/payment-methods/setup', { return_url: returnUrl }, key);
    expect(unknown.body).toMatchObject({ status: 503, code: 'outcome_unknown', idempotency_key: 'setup-2' });
    while (paying.standIn.faults.take('POST /v1/checkout/sessions')) continue;
    expect((await post('hal/payment-methods/setup', { return_url: returnUrl }, key)).status).toBe(200);
    const sessions = Object.values(paying.standIn.books.checkoutSessions).filter(
      ({ metadata }) => metadata?.['farebox_customer'] === 'hal',
    );
    expect(sessions).toHaveLength(1);
  });

  test('a customer that Stripe no longer knows is made anew', async () => {
    await paying.customer('ida');
    await saveCard(paying, 'ida');
    const [theirs] = Object.values(paying.standIn.books.customers).filter(
      ({ metadata }) => metadata['farebox_customer'] === 'ida',
    );
    delete paying.standIn.books.customers[theirs!.id];
    const again = await saveCard(paying, 'ida');
    expect((await list('ida')).data.map(({ id }: { id: string }) => id)).toEqual([again]);
  });

  test('what is malformed is refused, and nothing secret is told or logged', async () => {
    await paying.customer('jo');
    for (const return_url of ['', 'nowhere', 'javascript:alert(1)', 'ftp://shop.example/', 7]) {
      expect([return_url, (await post('jo/payment-methods/setup', { return_url })).status]).toEqual([return_url, 422]);
    }
    paying.standIn.faults.plan(
      { match: 'GET /v1/customers', fault: 'fail' },
      { match: 'GET /v1/customers', fault: 'fail' },
    );
    await saveCardOf('jo');
    const failed = await paying.client.get('/v1/customers/jo/payment-methods');
    expect(failed.text).not.toContain(secretKey);
    expect(failed.text).not.toContain(webhookSecret);
  });

  const saveCardOf = async (customer: string) => {
    const { body } = await post(`${customer}/payment-methods/setup`, { return_url: returnUrl });
    await submit(body.url, { card: 'pm_card_visa' });
  };

  test("what was asked of Stripe is as Stripe's own description has it", () => {
    expect(paying.flaws()).toEqual([]);
  });
});

describe("without Stripe's keys", () => {
  let farebox: Farebox;
  beforeAll(async () => {
    farebox = await startFarebox();
    await farebox.customer('ada');
  });
  afterAll(() => farebox.stop());

  test.each([
    ['POST', 'setup', { return_url: returnUrl }],
    ['GET', '', undefined],
    ['POST', 'pm_1/default', {}],
    ['DELETE', 'pm_1', undefined],
  ])('%s …/payment-methods/%s is 501', async (method, rest, body) => {
    const path = `/v1/customers/ada/payment-methods${rest === '' ? '' : `/${rest}`}`;
    const reply = await farebox.client.send(method, path, body);
    expect([reply.status, reply.body.code, reply.body.retryable]).toEqual([501, 'payments_not_configured', false]);
  });
});

describe('the variables', () => {
  const stores = { DATABASE_URL: 'postgres://x', REDIS_URL: 'redis://x' };

  test('name a key of test mode, several secrets, and a stand-in', () => {
    const read = readConfig({
      ...stores,
      STRIPE_SECRET_KEY: secretKey,
      STRIPE_WEBHOOK_SECRET: 'whsec_new, whsec_old',
      STRIPE_API_BASE: 'http://127.0.0.1:12111',
    });
    expect(read).toMatchObject({
      config: { stripe: { secretKey, webhookSecrets: ['whsec_new', 'whsec_old'], apiBase: 'http://127.0.0.1:12111' } },
    });
    expect(readConfig(stores)).toMatchObject({ status: 'ok', config: { stripe: undefined } });
  });

  test('a live key is refused for the test environment, without being shown', () => {
    const read = readConfig({ ...stores, STRIPE_SECRET_KEY: 'sk_live_very_secret' });
    expect(read.status).toBe('wrong');
    expect(JSON.stringify(read)).not.toContain('very_secret');
  });
});

describe('`farebox environment stripe`', () => {
  let database: TestDatabase;
  let id: string;
  beforeAll(async () => {
    database = await createDatabase();
    const sql = openDatabase(database.url, { connectionsMax: 1, name: 'test' });
    id = (await createEnvironment(sql, { name: 'shop', mode: 'live' })).id;
    await sql.end();
  });
  afterAll(() => database.drop());

  const give = (lines: string[], environment = `env_${id}`) =>
    runEnvironmentStripe(database.url, environment, Readable.from([lines.join('\n')]));

  test('takes keys of the mode that the environment is of', async () => {
    expect(await give(['# ours', 'STRIPE_SECRET_KEY=sk_test_1'])).toContain('mode live');
    expect(await give(['STRIPE_SECRET_KEY=sk_live_1'], 'env_aaaaaaaaaaaa')).toContain('no environment');
    expect(await give(['STRIPE_SECRET_KEY=whsec_very_secret'])).not.toContain('very_secret');
    expect(await give(['sk_live_very_secret'])).not.toContain('very_secret');
    expect(await give(['STRIPE_SECRET_KEY=sk_live_1', 'STRIPE_WEBHOOK_SECRET=whsec_a,whsec_b'])).toBe(undefined);
    const sql = openDatabase(database.url, { connectionsMax: 1, name: 'test' });
    expect(await readStripeSettings(sql, id, undefined)).toEqual({
      secretKey: 'sk_live_1',
      webhookSecrets: ['whsec_a', 'whsec_b'],
      apiBase: undefined,
      addsTax: false,
      mode: 'live',
    });
    await sql.end();
  });
});
