// The contract of grants: terms, the order in which they are spent, start, expiry and void, and their live numbers.
import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import {
  expectFieldError,
  expectProblem,
  expectReplied,
  fromNow,
  pagesOf,
  sleepUntil,
  startContract,
} from './contract.client.ts';

const farebox = await startContract();
const { client, customer, entriesOf, grant, hold, walletOf } = farebox;

const grantsOf = async (id: string): Promise<any[]> =>
  (await pagesOf(client, `/v1/customers/${id}/grants?limit=100`)).flat();
const getGrant = async ({ customer_id, id }: any) =>
  (await client.get(`/v1/customers/${customer_id}/grants/${id}`)).body;
const voidGrant = ({ customer_id, id }: any) => client.post(`/v1/customers/${customer_id}/grants/${id}/void`, {});
const charge = (id: string, amount: string, more: object = {}) =>
  client.post('/v1/charge', { customer_id: id, asset: 'USD', amount, ...more });
const accountOf = async (id: string) => (await walletOf(id)).accounts[0];

describe('terms', () => {
  test('a grant is as asked for, and found again', async () => {
    await customer('terms');
    const terms = {
      asset: 'USD',
      amount: '12.5',
      purpose: 'bundled',
      priority: 7,
      effective_at: '2026-01-01T00:00:00.000Z',
      expires_at: '2099-01-01T00:00:00.000Z',
      description: 'Welcome',
      metadata: { invoice: 'in_1' },
    };
    const reply = await client.post('/v1/customers/terms/grants', terms);
    expectReplied(reply, 201);
    expect(reply.body).toMatchObject({
      ...terms,
      ...{ customer_id: 'terms', id: expect.any(String), remaining: '12.5', held: '0', status: 'active', scope: null },
    });
    expect(await getGrant(reply.body)).toEqual(reply.body);
    expect((await grantsOf('terms'))[0]).toEqual(reply.body);
  });

  test('a grant of which nothing is said is promotional, of priority 50, from now, for ever', async () => {
    await customer('defaults');
    const { body } = await client.post('/v1/customers/defaults/grants', { asset: 'EUR', amount: '1' });
    expect(body).toMatchObject({
      asset: 'EUR',
      purpose: 'promotional',
      priority: 50,
      status: 'active',
      expires_at: null,
    });
    expect(Math.abs(Date.parse(body.effective_at) - Date.now())).toBeLessThan(5_000);
  });

  test('times may leave out the fraction or carry an offset', async () => {
    await customer('times');
    const times = { effective_at: '2026-01-01T02:30:00+02:30', expires_at: '2099-06-30T23:59:59.5-01:00' };
    expect(await grant('times', '1', times)).toMatchObject({
      effective_at: '2026-01-01T00:00:00.000Z',
      expires_at: '2099-07-01T00:59:59.500Z',
    });
    expect((await grant('times', '1', { expires_at: '2099-01-01T00:00:00Z' })).expires_at).toBe(
      '2099-01-01T00:00:00.000Z',
    );
  });

  test.each([
    [{ expires_at: '2099-02-29T00:00:00Z' }, 'expires_at'],
    [{ expires_at: '2099-13-01T00:00:00Z' }, 'expires_at'],
    [{ expires_at: '2099-01-01T24:00:01Z' }, 'expires_at'],
    [{ expires_at: '2099-01-01' }, 'expires_at'],
    [{ expires_at: '2099-01-01T00:00:00' }, 'expires_at'],
    [{ expires_at: 'tomorrow' }, 'expires_at'],
    [{ expires_at: '' }, 'expires_at'],
    [{ expires_at: 4_102_444_800 }, 'expires_at'],
    [{ expires_at: '2020-01-01T00:00:00Z' }, 'expires_at'],
    [{ effective_at: '2099-01-02T00:00:00Z', expires_at: '2099-01-02T00:00:00Z' }, 'expires_at'],
    [{ effective_at: '2099-01-02T00:00:00Z', expires_at: '2099-01-01T00:00:00Z' }, 'expires_at'],
    [{ effective_at: 'now' }, 'effective_at'],
    [{ priority: -1 }, 'priority'],
    [{ priority: 101 }, 'priority'],
    [{ priority: 1.5 }, 'priority'],
    [{ priority: '50' }, 'priority'],
    [{ purpose: 'gift' }, 'purpose'],
    [{ purpose: null }, 'purpose'],
    [{ amount: '-1' }, 'amount'],
    [{ amount: 1 }, 'amount'],
    [{ amount: undefined }, 'amount'],
    [{ asset: undefined }, 'asset'],
    [{ asset: 7 }, 'asset'],
    [{ currency: 'USD' }, 'currency'],
    [{ remaining: '1' }, 'remaining'],
  ])('%j is refused, and %s is named', async (change, field) => {
    const id = (await client.post('/v1/customers', {})).body.id;
    expectFieldError(await client.post(`/v1/customers/${id}/grants`, { asset: 'USD', amount: '1', ...change }), field);
    expect(await grantsOf(id)).toEqual([]);
    expect((await walletOf(id)).version).toBe(0);
  });

  test('the extremes of priority are taken', async () => {
    await customer('extremes');
    expect((await grant('extremes', '1', { priority: 0 })).priority).toBe(0);
    expect((await grant('extremes', '1', { priority: 100 })).priority).toBe(100);
  });

  test('a grant is found only with its customer', async () => {
    const [one] = [await customer('owner'), await customer('stranger')];
    const { id } = await grant(one, '5');
    expectProblem(await client.get(`/v1/customers/stranger/grants/${id}`), 404, 'grant_not_found');
    expectProblem(await client.post(`/v1/customers/stranger/grants/${id}/void`, {}), 404, 'grant_not_found');
    expectProblem(await client.get(`/v1/customers/owner/grants/${id}0`), 404, 'grant_not_found');
    expect(await accountOf('owner')).toMatchObject({ available: '5' });
  });
});

describe('limits', () => {
  test('one amount is at most 10^15 of the smallest unit', async () => {
    await customer('amount-limit');
    const post = (amount: string) => client.post('/v1/customers/amount-limit/grants', { asset: 'USD', amount });
    for (const amount of ['1000000.000000001', '1000001', '9'.repeat(40)]) {
      expectProblem(await post(amount), 422, 'amount_too_large');
    }
    expect((await post('1000000')).body.remaining).toBe('1000000');
  });

  test('a balance is at most 2^52 of it, what is held included, and exact up to there', async () => {
    await customer('balance-limit', '1000000');
    await hold('balance-limit', '999999.999999999');
    for (const amount of ['1000000', '1000000', '1000000', '503599.627370495']) await grant('balance-limit', amount);
    const post = (amount: string) => client.post('/v1/customers/balance-limit/grants', { asset: 'USD', amount });
    expectProblem(await post('0.000000002'), 422, 'balance_limit');
    expect(await accountOf('balance-limit')).toMatchObject({
      available: '3503599.627370496',
      held: '999999.999999999',
    });
    expect((await post('0.000000001')).status).toBe(201);
    expectProblem(await post('0.000000001'), 422, 'balance_limit');
    expect(await accountOf('balance-limit')).toMatchObject({
      available: '3503599.627370497',
      held: '999999.999999999',
    });
    expect((await charge('balance-limit', '0.000000001')).body.available).toBe('3503599.627370496');
    expect((await post('0.000000001')).status).toBe(201);
    const listed = (await grantsOf('balance-limit')).map(({ amount }) => amount);
    expect(listed).toHaveLength(7);
  });
});

describe('the order in which grants are spent', () => {
  // Each differs from the one before it in the next criterion of the documented order.
  const order: [string, object][] = [
    ['lower priority', { priority: 10, purpose: 'paid' }],
    ['sooner expiry', { priority: 20, purpose: 'paid', expires_at: '2098-01-01T00:00:00Z' }],
    ['later expiry', { priority: 20, purpose: 'promotional', expires_at: '2098-01-01T00:00:00.001Z' }],
    ['promotional', { priority: 20, purpose: 'promotional', effective_at: '2026-03-01T00:00:00Z' }],
    ['bundled', { priority: 20, purpose: 'bundled', effective_at: '2026-03-01T00:00:00Z' }],
    ['paid, earlier effective', { priority: 20, purpose: 'paid', effective_at: '2026-01-01T00:00:00Z' }],
    ['paid, created first', { priority: 20, purpose: 'paid', effective_at: '2026-01-01T00:00:00.001Z' }],
    ['paid, created second', { priority: 20, purpose: 'paid', effective_at: '2026-01-01T00:00:00.001Z' }],
    ['default priority', { purpose: 'paid', expires_at: '2097-01-01T00:00:00Z' }],
    ['highest priority', { priority: 100, purpose: 'promotional', expires_at: '2030-01-01T00:00:00Z' }],
  ];

  test.each([
    ['backwards, but for the two that differ in creation alone', [9, 8, 6, 7, 5, 4, 3, 2, 1, 0]],
    ['in another order', [4, 6, 0, 9, 2, 7, 5, 1, 8, 3]],
  ])('is that of the contract, though they were created %s', async (_, creation) => {
    const { id } = (await client.post('/v1/customers', {})).body;
    const names = new Map<string, string>();
    for (const at of creation) names.set((await grant(id, '1', order[at]![1])).id, order[at]![0]);
    const left = async () => (await accountOf(id)).grants.map((each: any) => names.get(each.id));
    const expected = order.map(([name]) => name);
    expect(await left()).toEqual(expected);
    // Half of each grant is held, so that a hold also takes in this order; then all is spent, one by one.
    const { id: holdId } = await hold(id, '2.5');
    const heldOf = async () => (await accountOf(id)).grants.map((each: any) => each.held);
    expect(await heldOf()).toEqual(['1', '1', '0.5', ...Array.from({ length: 7 }, () => '0')]);
    await client.post(`/v1/holds/${holdId}/release`);
    expect(await left()).toEqual(expected);
    for (let count = 1; count <= order.length; count++) {
      expect((await charge(id, '1')).status).toBe(200);
      expect(await left()).toEqual(expected.slice(count));
    }
    const spent = (await grantsOf(id)).map(({ status, remaining, held }) => ({ status, remaining, held }));
    expect(spent).toEqual(Array.from(order, () => ({ status: 'spent', remaining: '0', held: '0' })));
  });

  test('a charge that spans grants takes the rest of one and a part of the next', async () => {
    await customer('spanning');
    const second = await grant('spanning', '10', { priority: 2 });
    const first = await grant('spanning', '10', { priority: 1 });
    await charge('spanning', '12.5');
    expect(await getGrant(first)).toMatchObject({ status: 'spent', remaining: '0' });
    expect(await getGrant(second)).toMatchObject({ status: 'active', remaining: '7.5' });
    expect((await accountOf('spanning')).grants).toEqual([
      ...[{ id: second.id, purpose: 'paid', priority: 2, remaining: '7.5', held: '0', expires_at: null }],
    ]);
  });

  test('what a hold did not use goes back to the grants it came from, last taken first', async () => {
    await customer('returning');
    const first = await grant('returning', '10', { priority: 1 });
    const second = await grant('returning', '10', { priority: 2 });
    const { id } = await hold('returning', '15');
    expect(await getGrant(first)).toMatchObject({ remaining: '0', held: '10', status: 'active' });
    expect(await getGrant(second)).toMatchObject({ remaining: '5', held: '5', status: 'active' });
    await client.post(`/v1/holds/${id}/settle`, { amount: '12' });
    expect(await getGrant(first)).toMatchObject({ remaining: '0', held: '0', status: 'spent' });
    expect(await getGrant(second)).toMatchObject({ remaining: '8', held: '0', status: 'active' });
  });
});

describe.concurrent('time', () => {
  /** Time enough for what comes before. */
  const soonMs = 4_000;

  test('a scheduled grant can be spent from its first instant on, and not before', async () => {
    await customer('scheduled');
    const effective_at = fromNow(soonMs);
    const made = await grant('scheduled', '5', { effective_at });
    expect(made).toMatchObject({ status: 'scheduled', effective_at, remaining: '5', held: '0' });
    expect(await getGrant(made)).toEqual(made);
    expect((await grantsOf('scheduled'))[0]).toEqual(made);
    expect((await walletOf('scheduled')).accounts.filter(({ available }: any) => available !== '0')).toEqual([]);
    expect((await charge('scheduled', '1')).status).toBe(402);
    await sleepUntil(effective_at, 1);
    expect((await charge('scheduled', '1')).body).toMatchObject({ status: 'charged', available: '4' });
    expect(await getGrant(made)).toMatchObject({ status: 'active', remaining: '4', effective_at });
    const entries = await entriesOf('scheduled');
    expect(entries.map(({ kind, amount }) => `${kind} ${amount}`)).toEqual([
      'schedule_grant 0',
      'activate_grant 5',
      'charge -1',
    ]);
  });

  test('reading alone shows that a scheduled grant has become active', async () => {
    await customer('reading');
    const effective_at = fromNow(1_200);
    const made = await grant('reading', '5', { effective_at });
    await sleepUntil(effective_at, 1);
    expect(await accountOf('reading')).toMatchObject({ available: '5', grants: [{ id: made.id, remaining: '5' }] });
    expect((await getGrant(made)).status).toBe('active');
    expect((await grantsOf('reading'))[0].status).toBe('active');
  });

  test('expiry is exclusive: nothing is spent at or after that instant', async () => {
    await customer('expiring');
    const expires_at = fromNow(1_500);
    const made = await grant('expiring', '1', { expires_at });
    let declined: any;
    for (let tries = 0; tries < 100_000 && !declined; tries++) {
      const reply = await charge('expiring', '0.000000001');
      if (reply.status !== 200) declined = reply;
    }
    expect(declined.status).toBe(402);
    expect(declined.body).toMatchObject({ available: '0', affordable: '0' });
    expect(await getGrant(made)).toMatchObject({ status: 'expired', held: '0' });
    expect(await accountOf('expiring')).toMatchObject({ available: '0', held: '0', grants: [] });
    const entries = await entriesOf('expiring');
    const charges = entries.filter(({ kind }) => kind === 'charge');
    expect(charges.length).toBeGreaterThan(0);
    expect(charges.filter(({ occurred_at }) => occurred_at >= expires_at)).toEqual([]);
    const left = 1_000_000_000 - charges.length;
    expect(entries.at(-1)).toMatchObject({
      kind: 'expire_grant',
      grant_id: made.id,
      amount: `-0.${String(left).padStart(9, '0').replace(/0+$/, '')}`,
      available_after: '0',
    });
  });

  test('reading alone shows that a grant has expired, in the list too, at once', async () => {
    await customer('lapsing');
    const expires_at = fromNow(soonMs);
    const made = await Promise.all([1, 2, 3].map(() => grant('lapsing', '5', { expires_at })));
    const kept = await grant('lapsing', '2');
    await sleepUntil(expires_at);
    const listed = await grantsOf('lapsing');
    expect(listed.map(({ status }) => status)).toEqual(['active', 'expired', 'expired', 'expired']);
    expect((await getGrant(made[0])).status).toBe('expired');
    expect(await accountOf('lapsing')).toMatchObject({ available: '2', grants: [{ id: kept.id }] });
  });

  test('what is held stays held past the expiry, can be settled, and what returns is gone', async () => {
    await customer('held-past');
    const expires_at = fromNow(soonMs);
    const made = await grant('held-past', '10', { expires_at });
    const { id } = await hold('held-past', '4');
    await sleepUntil(expires_at, 5);
    expect(await accountOf('held-past')).toMatchObject({ available: '0', held: '4' });
    expect(await getGrant(made)).toMatchObject({ status: 'expired', held: '4' });
    expect((await grantsOf('held-past'))[0]).toMatchObject({ status: 'expired', held: '4' });
    const settled = (await client.post(`/v1/holds/${id}/settle`, { amount: '3' })).body;
    expect(settled).toMatchObject({
      status: 'settled',
      settled: '3',
      released: '1',
      overage: '0',
      available: '0',
      held: '0',
    });
    expect(await accountOf('held-past')).toMatchObject({ available: '0', held: '0', overage: '0', grants: [] });
    expect(await getGrant(made)).toMatchObject({ status: 'expired', held: '0' });
    const balance = (await entriesOf('held-past')).map(({ kind, amount }) => `${kind} ${amount}`);
    expect(balance).toEqual(['grant 10', 'hold 0', 'expire_grant -6', 'settle -3', 'expire_grant -1']);
  });

  test('a scheduled grant that is voided never starts', async () => {
    await customer('called-off');
    const effective_at = fromNow(soonMs);
    const made = await grant('called-off', '5', { effective_at });
    const voided = await voidGrant(made);
    expectReplied(voided, 200);
    expect(voided.body.status).toBe('voided');
    expect((await getGrant(made)).status).toBe('voided');
    await sleepUntil(effective_at, 50);
    expect((await charge('called-off', '1')).status).toBe(402);
    expect((await getGrant(made)).status).toBe('voided');
  });

  test('a grant may start and end between two looks at it', async () => {
    await customer('brief');
    const effective_at = fromNow(soonMs);
    const expires_at = fromNow(soonMs + 100);
    const made = await grant('brief', '5', { effective_at, expires_at });
    await sleepUntil(expires_at, 1);
    expect((await charge('brief', '1')).status).toBe(402);
    expect(await getGrant(made)).toMatchObject({ status: 'expired', held: '0' });
    expect((await entriesOf('brief')).map(({ kind, amount }) => `${kind} ${amount}`)).toEqual([
      'schedule_grant 0',
      'activate_grant 5',
      'expire_grant -5',
    ]);
  });

  test('dozens that fall due at one instant all end', async () => {
    await customer('dozens');
    const expires_at = fromNow(8_000);
    await Promise.all(Array.from({ length: 40 }, () => grant('dozens', '1', { expires_at })));
    await grant('dozens', '1', { priority: 100 });
    expect((await accountOf('dozens')).available).toBe('41');
    await sleepUntil(expires_at, 1);
    expect((await charge('dozens', '1')).body).toMatchObject({ status: 'charged', available: '0' });
    const statuses = (await grantsOf('dozens')).map(({ status }) => status);
    expect(statuses).toEqual(['spent', ...Array.from({ length: 40 }, () => 'expired')]);
  });
});

describe('void', () => {
  test('takes back what is neither spent nor held, and says so', async () => {
    await customer('voiding');
    const made = await grant('voiding', '10');
    await charge('voiding', '1');
    const { id } = await hold('voiding', '4');
    const reply = await voidGrant(made);
    expectReplied(reply, 200);
    expect(reply.body).toMatchObject({
      id: made.id,
      status: 'voided',
      amount: '10',
      remaining: '0',
      held: '4',
      voided: '5',
    });
    expect(await accountOf('voiding')).toMatchObject({ available: '0', held: '4' });
    expect((await grantsOf('voiding'))[0]).toMatchObject({ status: 'voided', remaining: '0', held: '4' });
    expect((await charge('voiding', '0.1')).status).toBe(402);
    const released = (await client.post(`/v1/holds/${id}/release`)).body;
    expect(released).toMatchObject({ status: 'released', available: '0', held: '0' });
    expect(await accountOf('voiding')).toMatchObject({ available: '0', held: '0', overage: '0', grants: [] });
    expect((await grantsOf('voiding'))[0]).toMatchObject({ status: 'voided', remaining: '0', held: '0' });
    const kinds = (await entriesOf('voiding')).map(({ kind, amount }) => `${kind} ${amount}`);
    expect(kinds).toEqual(['grant 10', 'charge -1', 'hold 0', 'void_grant -5', 'release 0', 'void_grant -4']);
  });

  test('what is held of it can still be settled', async () => {
    await customer('settling');
    const made = await grant('settling', '10');
    const { id } = await hold('settling', '4');
    await voidGrant(made);
    const settled = (await client.post(`/v1/holds/${id}/settle`, { amount: '4' })).body;
    expect(settled).toMatchObject({ settled: '4', released: '0', overage: '0', available: '0', held: '0' });
  });

  test('twice is a conflict, at once and later, and changes nothing', async () => {
    await customer('void-twice', '3');
    const made = (await grantsOf('void-twice'))[0];
    await grant('void-twice', '2');
    expect((await voidGrant(made)).status).toBe(200);
    const before = await walletOf('void-twice');
    expect((await voidGrant(made)).status).toBe(409);
    await entriesOf('void-twice');
    expect((await voidGrant(made)).status).toBe(409);
    expect(await walletOf('void-twice')).toEqual(before);
    expect(before.accounts[0].available).toBe('2');
  });

  test('of ten at once, one takes it back', async () => {
    await customer('void-race', '3');
    const [made] = await grantsOf('void-race');
    const replies = await Promise.all(Array.from({ length: 10 }, () => voidGrant(made)));
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(replies.filter(({ status }) => status === 409)).toHaveLength(9);
    expect((await walletOf('void-race')).version).toBe(2);
  });
});

describe('the list', () => {
  test('shows what the last reply did, at once, also for what has just ended', async () => {
    await customer('live');
    for (let round = 0; round < 8; round++) {
      const made = await grant('live', '2');
      expect((await grantsOf('live'))[0]).toMatchObject({ id: made.id, status: 'active', remaining: '2', held: '0' });
      const { id } = await hold('live', '1.5');
      expect((await grantsOf('live'))[0]).toMatchObject({ status: 'active', remaining: '0.5', held: '1.5' });
      await client.post(`/v1/holds/${id}/settle`, { amount: '1' });
      expect((await grantsOf('live'))[0]).toMatchObject({ status: 'active', remaining: '1', held: '0' });
      if (round % 2 === 0) await charge('live', '1');
      else await voidGrant(made);
      const ended = round % 2 === 0 ? 'spent' : 'voided';
      expect((await grantsOf('live'))[0]).toMatchObject({ id: made.id, status: ended, remaining: '0', held: '0' });
      expect(await getGrant(made)).toMatchObject({ status: ended, remaining: '0', held: '0' });
    }
  });

  test('has all of them, newest first, each once, whatever the page', async () => {
    await customer('many');
    const ids: string[] = [];
    for (let count = 0; count < 7; count++) ids.push((await grant('many', '1', { priority: 50 - count })).id);
    const pages = await pagesOf(client, '/v1/customers/many/grants?limit=3');
    expect(pages.map((page) => page.length)).toEqual([3, 3, 1]);
    expect(pages.flat().map(({ id }) => id)).toEqual(ids.reverse());
  });
});

describe('a grant that ended while some of it was held', () => {
  test('shows what is held of it, live, until nothing is', async () => {
    await customer('ended-held');
    for (const end of ['release', 'settle', 'part', 'extend']) {
      const made = await grant('ended-held', '10');
      const { id } = await hold('ended-held', '4');
      await voidGrant(made);
      await entriesOf('ended-held');
      const held = async (expected: string) => {
        expect(await getGrant(made)).toMatchObject({ status: 'voided', remaining: '0', held: expected });
        expect((await grantsOf('ended-held'))[0]).toMatchObject({ id: made.id, status: 'voided', held: expected });
      };
      await held('4');
      if (end === 'part') {
        await client.post(`/v1/holds/${id}/settle`, { amount: '3', final: false });
        await held('1');
      }
      if (end === 'extend') expect((await client.post(`/v1/holds/${id}/extend`, { amount: '1' })).status).toBe(402);
      await client.post(
        `/v1/holds/${id}/${end === 'release' ? 'release' : 'settle'}`,
        end === 'release' ? {} : { amount: '1' },
      );
      await held('0');
    }
  });
});

describe('overage', () => {
  test('is repaid first, and only what is left is there to spend', async () => {
    await customer('owing', '1');
    const { id } = await hold('owing', '1');
    await client.post(`/v1/holds/${id}/settle`, { amount: '6' });
    expect(await accountOf('owing')).toMatchObject({ available: '0', overage: '5' });
    const small = await grant('owing', '2');
    expect(small).toMatchObject({ amount: '2', remaining: '0' });
    expect(await getGrant(small)).toMatchObject({ status: 'spent', remaining: '0' });
    expect(await accountOf('owing')).toMatchObject({ available: '0', overage: '3', grants: [] });
    const large = await grant('owing', '10');
    expect(large).toMatchObject({ amount: '10', remaining: '7', status: 'active' });
    expect(await accountOf('owing')).toMatchObject({
      available: '7',
      overage: '0',
      grants: [{ id: large.id, remaining: '7' }],
    });
    expect((await entriesOf('owing')).map(({ kind, amount }) => `${kind} ${amount}`)).toEqual([
      ...['grant 1', 'hold 0', 'settle -6', 'grant 2', 'grant 10'],
    ]);
  });
});

describe('a grant with an Idempotency-Key', () => {
  const post = (id: string, body: object, key: string) =>
    client.post(`/v1/customers/${id}/grants`, body, { 'idempotency-key': key });

  test('is given once, for ever: also after it was spent, and after an hour', async () => {
    await customer('for-ever');
    await customer('forgotten', '10');
    const first = await post('for-ever', { asset: 'USD', amount: '5' }, 'invoice 1');
    expect(first.status).toBe(201);
    expect(first.headers.get('idempotent-replayed')).toBeNull();
    const spend = { customer_id: 'forgotten', asset: 'USD', amount: '1' };
    const charged = await client.post('/v1/charge', spend, { 'idempotency-key': 'spend 1' });
    await charge('for-ever', '5');
    const replays = async () => {
      const again = await post('for-ever', { amount: '5', asset: 'USD' }, 'invoice 1');
      expect({ status: again.status, body: again.body }).toEqual({ status: first.status, body: first.body });
      expect(again.headers.get('idempotent-replayed')).toBe('true');
      expectProblem(await post('for-ever', { asset: 'USD', amount: '6' }, 'invoice 1'), 422, 'idempotency_conflict');
      expect(await accountOf('for-ever')).toMatchObject({ available: '0' });
    };
    await replays();
    await entriesOf('for-ever');
    // What an hour does: Redis forgets each operation.
    let forgotten = 0;
    for (const url of farebox.config.redisUrl.split(',')) {
      const redis = new Redis(url);
      for (const operation of await redis.keys('{p*}o:*')) forgotten += await redis.del(operation);
      await redis.quit();
    }
    expect(forgotten).toBeGreaterThan(0);
    await replays();
    const later = await client.post('/v1/charge', spend, { 'idempotency-key': 'spend 1' });
    expect(later.body.id).not.toBe(charged.body.id);
    expect(later.headers.get('idempotent-replayed')).toBeNull();
  });

  test('one that was refused may be asked for again', async () => {
    await customer('asked-again');
    expectProblem(await post('asked-again', { asset: 'LATER', amount: '5' }, 'k'), 422, 'unknown_asset');
    await client.post('/v1/assets', { code: 'LATER', scale: 2, kind: 'custom' });
    expect((await post('asked-again', { asset: 'LATER', amount: '5' }, 'k')).status).toBe(201);
  });

  test('of ten at once, one is given', async () => {
    await customer('once');
    const replies = await Promise.all(
      Array.from({ length: 10 }, () => post('once', { asset: 'USD', amount: '5' }, 'k')),
    );
    expect(replies.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 201));
    expect(new Set(replies.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    expect(replies.filter(({ headers }) => headers.get('idempotent-replayed') === 'true')).toHaveLength(9);
    expect((await accountOf('once')).available).toBe('5');
  });

  test('a repeated void says again what was taken back', async () => {
    await customer('void-again', '3');
    const [made] = await grantsOf('void-again');
    const path = `/v1/customers/void-again/grants/${made.id}/void`;
    const first = await client.post(path, {}, { 'idempotency-key': 'v' });
    const again = await client.post(path, undefined, { 'idempotency-key': 'v' });
    expect(again.body).toEqual(first.body);
    expect([first.status, again.status]).toEqual([200, 200]);
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    expect((await client.post(path, {}, { 'idempotency-key': 'w' })).status).toBe(409);
  });
});
