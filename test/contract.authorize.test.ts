// The contract of authorize and charge: what is said to a yes, a no, and a maybe that is only asked about.
import { describe, expect, test } from 'vitest';
import { postMany } from './contract.connections.ts';
import { expectFieldError, expectProblem, expectReplied, instant, startContract } from './contract.client.ts';

const { client, customer, entriesOf, grant, hold, key, walletOf } = await startContract();

const authorize = (customer_id: string, amount: string, more: object = {}, headers = {}) =>
  client.post('/v1/authorize', { customer_id, asset: 'USD', amount, ...more }, headers);
const charge = (customer_id: string, amount: string, more: object = {}, headers = {}) =>
  client.post('/v1/charge', { customer_id, asset: 'USD', amount, ...more }, headers);
const settle = (id: string, body: object) => client.post(`/v1/holds/${id}/settle`, body);
const both = [
  ['authorize', authorize],
  ['charge', charge],
] as const;

/** An account that owes so much, and has nothing. */
async function owing(id: string, overage: string): Promise<string> {
  await customer(id, '1');
  const { id: holdId } = await hold(id, '1');
  await settle(holdId, { amount: String(1 + Number(overage)) });
  expect((await walletOf(id)).accounts[0]).toMatchObject({ available: '0', held: '0', overage });
  return id;
}

describe('a yes', () => {
  test('of authorize says all that the contract names', async () => {
    const id = await customer('yes', '10');
    const sentMs = Date.now();
    const reply = await authorize(id, '0.05', {
      ...{ mode: 'strict', ttl_ms: 90_000, subject: 'agent:planner', labels: { team: 'red' }, metadata: { call: 1 } },
    });
    expectReplied(reply, 200);
    expect(reply.body).toEqual({
      id: expect.stringMatching(/^hold_.+/),
      status: 'approved',
      customer_id: id,
      asset: 'USD',
      requested: '0.05',
      amount: '0.05',
      available: '9.95',
      held: '0.05',
      expires_at: expect.stringMatching(instant),
      remaining_ttl_ms: expect.any(Number),
      version: 2,
    });
    const { expires_at, remaining_ttl_ms } = reply.body;
    expect(Math.abs(Date.parse(expires_at) - sentMs - 90_000)).toBeLessThan(5_000);
    expect(remaining_ttl_ms).toBeLessThanOrEqual(90_000);
    expect(remaining_ttl_ms).toBeGreaterThan(80_000);
    expect((await authorize(id, '1')).body).toMatchObject({ available: '8.95', held: '1.05', version: 3 });
  });

  test('of charge says all that the contract names', async () => {
    const id = await customer('charged', '10');
    await hold(id, '1');
    const reply = await charge(id, '0.05', {
      subject: 'agent:planner',
      labels: { team: 'red' },
      metadata: { call: 1 },
    });
    expectReplied(reply, 200);
    expect(reply.body).toMatchObject({
      id: expect.stringMatching(/^chg_.+/),
      ...{ status: 'charged', requested: '0.05', amount: '0.05', asset: 'USD' },
      ...{ available: '8.95', held: '1', version: 3 },
    });
    expect((await walletOf(id)).accounts[0]).toMatchObject({ available: '8.95', held: '1' });
  });

  test('a hold lives 60 s unless told', async () => {
    const id = await customer('lifetimes', '10');
    const ttl = async (more: object) => (await authorize(id, '0.1', more)).body.remaining_ttl_ms;
    const near = (value: number, ttlMs: number) => {
      expect(value).toBeLessThanOrEqual(ttlMs);
      expect(value).toBeGreaterThan(ttlMs - 900);
    };
    near(await ttl({}), 60_000);
    near(await ttl({ ttl_ms: 1_000 }), 1_000);
    near(await ttl({ ttl_ms: 86_400_000 }), 86_400_000);
  });

  test.each(both)('%s of 0 is approved, with and without an account, and owing', async (path, ask) => {
    const none = await customer(`zero-none-${path}`);
    expect((await ask(none, '0')).body).toMatchObject({ requested: '0', amount: '0', available: '0', held: '0' });
    expect((await ask(none, '0', { asset: 'EUR' })).status).toBe(200);
    expect((await ask(none, '0', { mode: 'up_to' })).status).toBe(200);
    expect((await ask(none, '0', { mode: 'shadow' })).body.status).toBe('shadow_approved');
    const some = await customer(`zero-some-${path}`, '1');
    expect((await ask(some, '0.000')).body).toMatchObject({ requested: '0', amount: '0', available: '1' });
    expect((await ask(await owing(`zero-owing-${path}`, '3'), '0')).status).toBe(200);
    expect((await walletOf(none)).accounts).toEqual([]);
  });

  test('a hold of 0 can be settled like any other', async () => {
    const id = await customer('zero-settled', '1');
    const { id: holdId } = (await authorize(id, '0')).body;
    expect((await settle(holdId, { amount: '0.4' })).body).toMatchObject({
      status: 'settled',
      settled: '0.4',
      available: '0.6',
    });
  });
});

const declined = (more: object) => ({
  ...{ status: 'declined', code: 'insufficient_balance', outcome: 'not_applied', asset: 'USD' },
  ...more,
});

describe.each(both)('a no of %s', (path, ask) => {
  test('says what was asked, what is there, and what would be a yes', async () => {
    const id = await customer(`no-${path}`, '4');
    const reply = await ask(id, '5.5');
    expectReplied(reply, 402);
    expect(reply.headers.get('x-should-retry')).toBe('false');
    expect(reply.body).toMatchObject(
      declined({
        retryable: false,
        requested: '5.5',
        available: '4',
        held: '0',
        affordable: '4',
        shortfall: '1.5',
        limit_source: 'balance',
      }),
    );
    expect((await ask(id, reply.body.affordable)).status).toBe(200);
  });

  test('without credit says that nothing is affordable', async () => {
    const id = await customer(`no-credit-${path}`);
    expect((await ask(id, '1')).body).toMatchObject(
      declined({ requested: '1', available: '0', held: '0', affordable: '0', shortfall: '1', limit_source: 'balance' }),
    );
    expect((await ask(id, '1', { asset: 'EUR' })).body).toMatchObject(declined({ asset: 'EUR', available: '0' }));
  });

  test('says held_in_flight exactly when what is held would make it up', async () => {
    const id = await customer(`in-flight-${path}`, '10');
    await hold(id, '6');
    const numbers = { available: '4', held: '6', affordable: '4' };
    expect((await ask(id, '4.000000001')).body).toMatchObject(
      declined({ ...numbers, shortfall: '0.000000001', limit_source: 'held_in_flight' }),
    );
    expect((await ask(id, '10')).body).toMatchObject(declined({ ...numbers, limit_source: 'held_in_flight' }));
    expect((await ask(id, '10.000000001')).body).toMatchObject(declined({ ...numbers, limit_source: 'balance' }));
  });

  test('of an account that owes is about that', async () => {
    const id = await owing(`owing-${path}`, '3');
    for (const mode of ['strict', 'up_to']) {
      expect((await ask(id, '0.5', { mode })).body).toMatchObject(
        declined({
          ...{ code: 'wallet_in_overage', requested: '0.5', available: '0', held: '0' },
          ...{ affordable: '0', shortfall: '0.5', limit_source: 'overage' },
        }),
      );
    }
    await grant(id, '3');
    expect((await ask(id, '0.5')).body).toMatchObject(declined({ limit_source: 'balance' }));
    await grant(id, '0.5');
    expect((await ask(id, '0.5')).status).toBe(200);
  });

  test('one account owing does not decline another', async () => {
    const id = await owing(`owing-other-${path}`, '3');
    await grant(id, '1', { asset: 'EUR' });
    expect((await ask(id, '1', { asset: 'EUR' })).status).toBe(200);
  });

  test('moves nothing', async () => {
    const id = await customer(`unmoved-${path}`, '4');
    const before = await walletOf(id);
    for (const mode of ['strict', 'up_to']) expect((await ask(id, '5', { mode, asset: 'EUR' })).status).toBe(402);
    expect((await ask(id, '5')).status).toBe(402);
    expect(await walletOf(id)).toEqual(before);
    expect(await entriesOf(id)).toHaveLength(1);
  });
});

describe.each(both)('%s up to', (path, ask) => {
  test('takes what is affordable and says how much', async () => {
    const id = await customer(`up-to-${path}`, '10');
    expect((await ask(id, '4', { mode: 'up_to' })).body).toMatchObject({ requested: '4', amount: '4', available: '6' });
    const part = await ask(id, '7.5', { mode: 'up_to' });
    expectReplied(part, 200);
    expect(part.body).toMatchObject({ requested: '7.5', amount: '6', available: '0' });
    const [account] = (await walletOf(id)).accounts;
    expect(account).toMatchObject({ available: '0', held: path === 'charge' ? '0' : '10' });
  });

  test('nothing is a 402 too', async () => {
    const id = await customer(`up-to-nothing-${path}`, '3');
    await hold(id, '3');
    expect((await ask(id, '2', { mode: 'up_to' })).body).toMatchObject(
      declined({
        requested: '2',
        available: '0',
        held: '3',
        affordable: '0',
        shortfall: '2',
        limit_source: 'held_in_flight',
      }),
    );
  });
});

test('a hold of less than was requested settles like any other', async () => {
  const id = await customer('up-to-settled', '3');
  const { id: holdId } = (await authorize(id, '5', { mode: 'up_to' })).body;
  expect((await client.get(`/v1/holds/${holdId}`)).body).toMatchObject({ amount: '3', held: '3' });
  expect((await settle(holdId, { amount: '2' })).body).toMatchObject({ settled: '2', released: '1', available: '1' });
});

describe.each(both)('a shadow of %s', (path, ask) => {
  test('says yes with 200, and moves and stores nothing', async () => {
    const id = await customer(`shadow-yes-${path}`, '10');
    await hold(id, '1');
    const before = await walletOf(id);
    const headers = { 'idempotency-key': 'shadow' };
    const reply = await ask(id, '4', { mode: 'shadow' }, headers);
    expectReplied(reply, 200);
    expect(reply.body).toMatchObject({
      status: 'shadow_approved',
      customer_id: id,
      asset: 'USD',
      requested: '4',
      amount: '4',
    });
    expect(reply.body).not.toHaveProperty('id');
    expect(await walletOf(id)).toEqual(before);
    // Not even its Idempotency-Key.
    expect((await ask(id, '4', { mode: 'shadow' }, headers)).headers.get('idempotent-replayed')).toBeNull();
    const real = await ask(id, '4', {}, headers);
    expectReplied(real, 200);
    expect(real.headers.get('idempotent-replayed')).toBeNull();
    expect((await entriesOf(id)).map(({ kind }) => kind)).toEqual([
      'grant',
      'hold',
      path === 'charge' ? 'charge' : 'hold',
    ]);
  });

  test('says no with 200, and why', async () => {
    const id = await customer(`shadow-no-${path}`, '4');
    await hold(id, '1');
    const before = await walletOf(id);
    const reply = await ask(id, '3.5', { mode: 'shadow' });
    expectReplied(reply, 200);
    expect(reply.body).toMatchObject({
      ...{ status: 'shadow_declined', code: 'insufficient_balance', asset: 'USD', requested: '3.5' },
      ...{ available: '3', held: '1', affordable: '3', shortfall: '0.5', limit_source: 'held_in_flight' },
    });
    expect(reply.body).not.toHaveProperty('id');
    expect((await ask(id, '9', { mode: 'shadow' })).body).toMatchObject({ limit_source: 'balance', shortfall: '6' });
    const owed = await owing(`shadow-owing-${path}`, '2');
    expect((await ask(owed, '1', { mode: 'shadow' })).body).toMatchObject({
      ...{ status: 'shadow_declined', code: 'wallet_in_overage', limit_source: 'overage', affordable: '0' },
    });
    expect(await walletOf(id)).toEqual(before);
  });

  test('of an unknown customer or asset is refused as the real one is', async () => {
    expectProblem(await ask('nobody', '1', { mode: 'shadow' }), 404, 'customer_not_found');
    const id = await customer(`shadow-asset-${path}`);
    expectProblem(await ask(id, '1', { mode: 'shadow', asset: 'NOPE' }), 422, 'unknown_asset');
  });
});

describe.each(both)('%s refuses', (path, ask) => {
  test('an unknown customer', async () => {
    expectProblem(await ask('nobody', '1'), 404, 'customer_not_found');
    expectProblem(await ask('nobody', '0'), 404, 'customer_not_found');
  });

  test('more than 10^15 of the smallest unit, and no less', async () => {
    const id = await customer(`limit-${path}`);
    expect((await ask(id, '1000000')).status).toBe(402);
    for (const amount of ['1000000.000000001', '1000001', '9007199.254740993', '9'.repeat(40)]) {
      for (const mode of ['strict', 'up_to', 'shadow']) {
        expectProblem(await ask(id, amount, { mode }), 422, 'amount_too_large');
      }
    }
  });

  test('what no price matches', async () => {
    const id = await customer(`no-price-${path}`, '1');
    const event = { customer_id: id, event_type: 'chat.completion', data: { model: 'gpt-5', input_tokens: 1_200 } };
    expectProblem(await client.post(`/v1/${path}`, event), 422, 'no_price');
  });

  test('an amount and an event at once, and neither', async () => {
    const id = await customer(`both-${path}`, '1');
    expectReplied(await ask(id, '1', { event_type: 'chat.completion', data: {} }), 422);
    expectReplied(await client.post(`/v1/${path}`, { customer_id: id }), 422);
  });

  const wrong: [object, string][] = [
    [{ customer_id: undefined }, 'customer_id'],
    [{ customer_id: 42 }, 'customer_id'],
    [{ customer_id: '' }, 'customer_id'],
    [{ customer_id: 'a b' }, 'customer_id'],
    [{ asset: undefined }, 'asset'],
    [{ asset: null }, 'asset'],
    [{ amount: undefined }, 'amount'],
    [{ amount: 1 }, 'amount'],
    [{ amount: '' }, 'amount'],
    [{ mode: 'lenient' }, 'mode'],
    [{ mode: null }, 'mode'],
    [{ subject: 7 }, 'subject'],
    [{ labels: { team: 7 } }, 'labels'],
    [{ labels: ['red'] }, 'labels'],
    [{ metadata: 'x' }, 'metadata'],
    [{ metadata: { blob: 'x'.repeat(4_096) } }, 'metadata'],
    [{ ammount: '1' }, 'ammount'],
  ];
  const ofHolds: [object, string][] = [
    [{ ttl_ms: 999 }, 'ttl_ms'],
    [{ ttl_ms: 86_400_001 }, 'ttl_ms'],
    [{ ttl_ms: 1_000.5 }, 'ttl_ms'],
    [{ ttl_ms: '1000' }, 'ttl_ms'],
    [{ ttl_ms: -1 }, 'ttl_ms'],
    [{ ttl_ms: null }, 'ttl_ms'],
  ];
  test.each([...wrong, ...(path === 'charge' ? [[{ ttl_ms: 60_000 }, 'ttl_ms'] as [object, string]] : ofHolds)])(
    '%j, and names %s',
    async (change, field) => {
      const body = { customer_id: 'wrong', asset: 'USD', amount: '1', ...change };
      expectFieldError(await client.post(`/v1/${path}`, body), field);
    },
  );

  test('everything that is wrong, at once', async () => {
    const reply = await client.post(`/v1/${path}`, { customer_id: '', amount: 1, mode: 'x', extra: true });
    const named = reply.body.errors.map((error: any) => error.path);
    for (const field of ['customer_id', 'amount', 'mode', 'asset', 'extra']) expect(named).toContain(field);
  });
});

describe('amounts', () => {
  test.each([
    ['0.1', '0.1'],
    ['1.000000000', '1'],
    ['0.100000000', '0.1'],
    ['0.000000001', '0.000000001'],
    ['123456.789', '123456.789'],
    ['999999.999999999', '999999.999999999'],
    ['10', '10'],
    ['100', '100'],
    ['0.0', '0'],
  ])('%s is told back as %s', async (sent, told) => {
    const id = (await client.post('/v1/customers', {})).body.id;
    await grant(id, '1000000');
    const { body } = await authorize(id, sent);
    expect(body).toMatchObject({ requested: told, amount: told, held: told });
    expect((await client.get(`/v1/holds/${body.id}`)).body).toMatchObject({ amount: told });
    expect((await settle(body.id, { amount: sent })).body).toMatchObject({
      settled: told,
      released: '0',
      overage: '0',
    });
  });

  test('two hundred odd amounts add up to the atom', async () => {
    const id = await customer('adding', '1');
    const amounts = Array.from({ length: 200 }, (_, at) => `0.00${String(at * 7_919 + 1).padStart(7, '0')}`);
    const replies = await Promise.all(amounts.map((amount) => charge(id, amount)));
    expect(replies.every(({ status }) => status === 200)).toBe(true);
    const spent = amounts.reduce((sum, amount) => sum + BigInt(amount.slice(2)), 0n);
    const left = String(1_000_000_000n - spent).padStart(9, '0');
    expect((await walletOf(id)).accounts[0].available).toBe(`0.${left}`.replace(/0+$/, ''));
  });
});

describe('too many open holds', () => {
  const holdsMax = 10_000;

  test('is the one 429, and ends when a hold does', { timeout: 120_000 }, async () => {
    const id = await customer('crowded', '1000');
    const { id: first } = await hold(id, '0.01', { ttl_ms: 3_600_000 });
    const terms = { customer_id: id, asset: 'USD', amount: '0.01', ttl_ms: 3_600_000 };
    const parts = [2_500, 2_500, 2_500, 2_499];
    const statuses = await Promise.all(parts.map((count) => postMany(client.url, key, '/v1/authorize', terms, count)));
    expect(statuses.flat().filter((status) => status === 200)).toHaveLength(holdsMax - 1);
    expect((await walletOf(id)).accounts[0]).toMatchObject({ available: '900', held: '100' });
    for (const amount of ['0.01', '0']) {
      const refused = await authorize(id, amount);
      expectProblem(refused, 429, 'too_many_holds');
      expect(refused.body.retryable).toBe(true);
    }
    expect((await charge(id, '1')).status).toBe(200);
    expect((await client.post(`/v1/holds/${first}/release`)).status).toBe(200);
    expect((await authorize(id, '0.01')).status).toBe(200);
    expectProblem(await authorize(id, '0.01'), 429, 'too_many_holds');
  });
});
