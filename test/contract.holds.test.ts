// The contract of holds: settle, release, extend, expiry, and what a look-up says in each state.
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { waitUntil } from '../scripts/stores/process.ts';
import {
  expectFieldError,
  expectProblem,
  expectReplied,
  instant,
  sleepUntil,
  startContract,
} from './contract.client.ts';

const { client, customer, entriesOf, grant, hold, walletOf } = await startContract();

const settle = (id: string, amount: string, more: object = {}) =>
  client.post(`/v1/holds/${id}/settle`, { amount, ...more });
const release = (id: string) => client.post(`/v1/holds/${id}/release`);
const extend = (id: string, body: object) => client.post(`/v1/holds/${id}/extend`, body);
const look = async (id: string) => {
  const reply = await client.get(`/v1/holds/${id}`);
  expectReplied(reply, 200);
  return reply.body;
};
const accountOf = async (id: string) => (await walletOf(id)).accounts[0];

/** The hold has ended before, and this is how. */
const expectClosed = (reply: any, hold_status: string, settled: string, released: string) =>
  expect({ httpStatus: reply.status, ...reply.body }).toMatchObject({
    ...{ httpStatus: 409, code: 'hold_closed', hold_status, settled, released, retryable: false },
  });

/** Its money is back within a second of its end. */
const sweepBoundMs = 1_000;
/** Of a hold that something is done with before it ends. */
const ttl_ms = 4_000;

/** Nothing is held any more. To read a wallet ends no hold. `expect.poll` is not for tests that run side by side. */
async function untilBack(id: string, available: string): Promise<void> {
  const isBack = async () => (await accountOf(id)).held === '0';
  expect(await waitUntil(isBack, 20_000, 50)).toBe(true);
  expect(await accountOf(id)).toMatchObject({ available, held: '0' });
}

describe('settle', () => {
  test('takes what was used, gives the rest back, and says all that the contract names', async () => {
    const id = await customer('settle', '10');
    const held = await hold(id, '4');
    const reply = await settle(held.id, '1.5');
    expectReplied(reply, 200);
    expect(reply.body).toEqual({
      ...{ id: held.id, status: 'settled', settled: '1.5', released: '2.5', overage: '0', late: false },
      ...{ asset: 'USD', available: '8.5', held: '0', version: 3 },
    });
    expect(await accountOf(id)).toMatchObject({ available: '8.5', held: '0' });
  });

  test('all of it, or nothing of it', async () => {
    const id = await customer('settle-ends', '10');
    expect((await settle((await hold(id, '4')).id, '4')).body).toMatchObject({
      settled: '4',
      released: '0',
      available: '6',
    });
    expect((await settle((await hold(id, '4')).id, '0')).body).toMatchObject({
      settled: '0',
      released: '4',
      available: '6',
    });
  });

  test('once: then it is closed, and says how it ended, at once and later', async () => {
    const id = await customer('settle-once', '10');
    const held = await hold(id, '4');
    await settle(held.id, '1.5');
    const before = await walletOf(id);
    for (const again of [settle, release, () => extend(held.id, { ttl_ms: 1_000 })]) {
      expectClosed(await again(held.id, '1'), 'settled', '1.5', '2.5');
    }
    expect(await walletOf(id)).toEqual(before);
    await entriesOf(id);
    expectClosed(await settle(held.id, '1'), 'settled', '1.5', '2.5');
  });

  test('in parts, until one is final; each amount is that part, each reply the total', async () => {
    const id = await customer('parts', '10');
    const held = await hold(id, '4');
    const part = (amount: string) => settle(held.id, amount, { final: false });
    expect((await part('1')).body).toMatchObject({
      status: 'open',
      settled: '1',
      released: '0',
      available: '6',
      held: '3',
    });
    expect(await look(held.id)).toMatchObject({
      status: 'open',
      amount: '4',
      held: '3',
      settled: '1',
      released: '0',
      ended_at: null,
    });
    expect((await part('0.5')).body).toMatchObject({ status: 'open', settled: '1.5', released: '0', held: '2.5' });
    expect((await part('0')).body).toMatchObject({ status: 'open', settled: '1.5', held: '2.5' });
    const last = (await settle(held.id, '2')).body;
    expect(last).toMatchObject({
      status: 'settled',
      settled: '3.5',
      released: '0.5',
      overage: '0',
      available: '6.5',
      held: '0',
    });
    expectClosed(await part('1'), 'settled', '3.5', '0.5');
  });

  test('in parts of which one uses all that is held leaves the hold open until one is final', async () => {
    const id = await customer('parts-all', '10');
    const held = await hold(id, '4');
    expect((await settle(held.id, '4', { final: false })).body).toMatchObject({
      status: 'open',
      settled: '4',
      held: '0',
    });
    expect(await look(held.id)).toMatchObject({ status: 'open', held: '0', settled: '4' });
    expect((await settle(held.id, '1', { final: false })).body).toMatchObject({
      status: 'open',
      settled: '5',
      available: '5',
    });
    expect((await settle(held.id, '0')).body).toMatchObject({ status: 'settled', settled: '5', released: '0' });
  });

  test('more than is held is charged, from what is available, then as overage', async () => {
    const id = await customer('excess', '10');
    const one = await hold(id, '4');
    expect((await settle(one.id, '6')).body).toMatchObject({
      settled: '6',
      released: '0',
      overage: '0',
      available: '4',
      held: '0',
    });
    const two = await hold(id, '3');
    expect((await settle(two.id, '7', { on_excess: 'charge' })).body).toMatchObject({
      ...{ status: 'settled', settled: '7', released: '0', overage: '3', available: '0', held: '0' },
    });
    expect(await accountOf(id)).toMatchObject({ available: '0', held: '0', overage: '3' });
  });

  test('more than is held does not touch what others hold', async () => {
    const id = await customer('excess-others', '10');
    const other = await hold(id, '5');
    const mine = await hold(id, '5');
    expect((await settle(mine.id, '8')).body).toMatchObject({ settled: '8', overage: '3', available: '0', held: '5' });
    expect(await look(other.id)).toMatchObject({ status: 'open', held: '5' });
    // What comes back repays first.
    expect((await release(other.id)).body).toMatchObject({ released: '5', available: '2', held: '0' });
    expect(await accountOf(id)).toMatchObject({ available: '2', overage: '0' });
  });

  test('more than is held, capped, takes what is held', async () => {
    const id = await customer('cap', '10');
    const held = await hold(id, '4');
    expect((await settle(held.id, '9', { on_excess: 'cap' })).body).toMatchObject({
      ...{ status: 'settled', settled: '4', released: '0', overage: '0', available: '6', held: '0' },
    });
    const parts = await hold(id, '4');
    expect((await settle(parts.id, '3', { on_excess: 'cap', final: false })).body).toMatchObject({
      settled: '3',
      held: '1',
    });
    expect((await settle(parts.id, '3', { on_excess: 'cap' })).body).toMatchObject({ settled: '4', available: '2' });
  });

  test('more than is held, rejected, leaves the hold as it is', async () => {
    const id = await customer('reject', '10');
    const held = await hold(id, '4');
    const before = [await walletOf(id), await look(held.id)];
    expectProblem(await settle(held.id, '4.000000001', { on_excess: 'reject' }), 422, 'exceeds_hold');
    expect([await walletOf(id), await look(held.id)]).toEqual(before);
    await settle(held.id, '1', { final: false });
    expectProblem(await settle(held.id, '3.5', { on_excess: 'reject', final: false }), 422, 'exceeds_hold');
    expect((await settle(held.id, '3', { on_excess: 'reject' })).body).toMatchObject({
      status: 'settled',
      settled: '4',
    });
  });

  test('an account that owes more and more says how much', async () => {
    const id = await customer('deeper', '1');
    const held = await hold(id, '1');
    expect((await settle(held.id, '3', { final: false })).body).toMatchObject({
      status: 'open',
      settled: '3',
      overage: '2',
    });
    expect((await settle(held.id, '1000000', { final: false })).body).toMatchObject({ overage: '1000002' });
    expect((await settle(held.id, '0')).body).toMatchObject({ settled: '1000003', overage: '1000002', released: '0' });
  });

  test('keeps what the vendor costs with the entry', async () => {
    const id = await customer('costs', '10');
    const held = await hold(id, '4');
    const costs = [
      { vendor: 'openai', amount: '0.7', asset: 'USD' },
      { vendor: 'search', amount: '0.1', asset: 'EUR' },
    ];
    expectReplied(await settle(held.id, '1', { costs, metadata: { trace: 't' } }), 200);
    expect((await entriesOf(id)).at(-1)).toMatchObject({ kind: 'settle', costs });
  });

  test.each([
    [{ amount: undefined }, 'amount'],
    [{ amount: 1 }, 'amount'],
    [{ amount: '-1' }, 'amount'],
    [{ amount: '1.0000000000' }, 'amount'],
    [{ final: 'yes' }, 'final'],
    [{ on_excess: 'ignore' }, 'on_excess'],
    [{ costs: {} }, 'costs'],
    [{ costs: [{ vendor: 'v', amount: 1, asset: 'USD' }] }, 'costs'],
    [{ costs: [{ vendor: 'v', amount: '1' }] }, 'costs'],
    [{ costs: [{ vendor: 'v', amount: '1', asset: 'USD', model: 'm' }] }, 'costs'],
    [{ costs: [{ vendor: 'v', amount: '-1', asset: 'USD' }] }, 'costs'],
    [{ asset: 'USD' }, 'asset'],
    [{ customer_id: 'other' }, 'customer_id'],
  ])('with %j is refused, %s is named, and the hold is as it was', async (change, field) => {
    const id = (await client.post('/v1/customers', {})).body.id;
    await grant(id, '1');
    const held = await hold(id, '1');
    expectFieldError(await client.post(`/v1/holds/${held.id}/settle`, { amount: '1', ...change }), field);
    expect(await look(held.id)).toMatchObject({ status: 'open', held: '1' });
  });

  test('an amount past the limit is refused', async () => {
    const held = await hold(await customer('settle-limit', '1'), '1');
    expectProblem(await settle(held.id, '1000000.000000001'), 422, 'amount_too_large');
    expect(await look(held.id)).toMatchObject({ status: 'open', held: '1' });
  });

  test('by an event that no price matches is refused, and the hold is as it was', async () => {
    const held = await hold(await customer('settle-event', '1'), '1');
    const event = { event_type: 'chat.completion', data: { input_tokens: 12 } };
    expectProblem(await client.post(`/v1/holds/${held.id}/settle`, event), 422, 'no_price');
    expect(await look(held.id)).toMatchObject({ status: 'open', held: '1' });
  });

  test('of ten at once, one settles, and nine are told how', async () => {
    const id = await customer('settle-race', '10');
    const held = await hold(id, '4');
    const replies = await Promise.all(Array.from({ length: 10 }, (_, at) => settle(held.id, `0.${at + 1}`)));
    const [won, ...more] = replies.filter(({ status }) => status === 200);
    expect(more).toEqual([]);
    for (const lost of replies.filter(({ status }) => status !== 200)) {
      expectClosed(lost, 'settled', won!.body.settled, won!.body.released);
    }
    expect((await walletOf(id)).version).toBe(3);
  });
});

describe('release', () => {
  test('gives everything back and says all that the contract names', async () => {
    const id = await customer('release', '10');
    const held = await hold(id, '4');
    const reply = await release(held.id);
    expectReplied(reply, 200);
    expect(reply.body).toEqual({
      ...{ id: held.id, status: 'released', released: '4', settled: '0', asset: 'USD' },
      ...{ available: '10', held: '0', version: 3 },
    });
    for (const again of [release, () => settle(held.id, '1'), () => extend(held.id, { amount: '1' })]) {
      expectClosed(await again(held.id), 'released', '0', '4');
    }
    expect(await look(held.id)).toMatchObject({ status: 'released', settled: '0', released: '4', held: '0' });
  });

  test('after a part gives the rest back', async () => {
    const id = await customer('release-part', '10');
    const held = await hold(id, '4');
    await settle(held.id, '1.5', { final: false });
    expect((await release(held.id)).body).toMatchObject({
      released: '2.5',
      settled: '1.5',
      available: '8.5',
      held: '0',
    });
    expect(await look(held.id)).toMatchObject({ status: 'released', amount: '4', settled: '1.5', released: '2.5' });
    expectClosed(await settle(held.id, '1'), 'released', '1.5', '2.5');
  });

  test.each([
    ['no body', undefined, {}],
    ['an empty body', '', { 'content-type': 'application/json' }],
    ['{}', '{}', { 'content-type': 'application/json; charset=utf-8' }],
  ])('takes %s', async (_, body, headers) => {
    const id = (await client.post('/v1/customers', {})).body.id;
    await grant(id, '1');
    const held = await hold(id, '1');
    expectReplied(await client.post(`/v1/holds/${held.id}/release`, body, headers), 200);
  });

  test('takes no field', async () => {
    const held = await hold(await customer('release-field', '1'), '1');
    expectFieldError(await client.post(`/v1/holds/${held.id}/release`, { amount: '1' }), 'amount');
    expect((await look(held.id)).status).toBe('open');
  });
});

describe('extend', () => {
  test('adds time, from now, and never shortens', async () => {
    const id = await customer('extend-time', '10');
    const held = await hold(id, '1', { ttl_ms: 60_000 });
    const same = await extend(held.id, { ttl_ms: 1_000 });
    expectReplied(same, 200);
    expect(same.body.expires_at).toBe(held.expires_at);
    expect(same.body.remaining_ttl_ms).toBeGreaterThan(50_000);
    const longer = (await extend(held.id, { ttl_ms: 120_000 })).body;
    expect(longer).toMatchObject({ id: held.id, status: 'approved', amount: '1', available: '9', held: '1' });
    expect(longer.remaining_ttl_ms).toBeGreaterThan(119_000);
    expect(longer.remaining_ttl_ms).toBeLessThanOrEqual(120_000);
    expect(Date.parse(longer.expires_at)).toBeGreaterThan(Date.parse(held.expires_at));
    expect((await look(held.id)).expires_at).toBe(longer.expires_at);
  });

  test('adds money, and says all that authorize says', async () => {
    const id = await customer('extend-money', '10');
    const held = await hold(id, '1', { ttl_ms: 60_000 });
    const reply = await extend(held.id, { amount: '2.5' });
    expectReplied(reply, 200);
    expect(reply.body).toMatchObject({
      ...{ id: held.id, status: 'approved', customer_id: id, asset: 'USD', amount: '3.5' },
      ...{ available: '6.5', held: '3.5', expires_at: held.expires_at, version: 3 },
    });
    expect(Object.keys(reply.body).sort()).toEqual(Object.keys(held).sort());
    expect(await look(held.id)).toMatchObject({ status: 'open', amount: '3.5', held: '3.5' });
    expect((await settle(held.id, '3')).body).toMatchObject({ settled: '3', released: '0.5', available: '7' });
  });

  test('after a part, adds to what is left', async () => {
    const id = await customer('extend-part', '10');
    const held = await hold(id, '4');
    await settle(held.id, '3', { final: false });
    expect((await extend(held.id, { amount: '1' })).body).toMatchObject({ amount: '5', available: '5', held: '2' });
    expect((await settle(held.id, '0')).body).toMatchObject({ settled: '3', released: '2', available: '7' });
  });

  test('with too much money changes nothing, not even the time', async () => {
    const id = await customer('extend-no', '10');
    const held = await hold(id, '4');
    const before = [await walletOf(id), await look(held.id)];
    const reply = await extend(held.id, { amount: '6.5', ttl_ms: 600_000 });
    expectReplied(reply, 402);
    expect(reply.body).toMatchObject({
      ...{
        status: 'declined',
        code: 'insufficient_balance',
        asset: 'USD',
        requested: '6.5',
        available: '6',
        held: '4',
      },
      ...{ affordable: '6', shortfall: '0.5', limit_source: 'held_in_flight' },
    });
    expect([await walletOf(id), await look(held.id)]).toEqual(before);
    expect((await extend(held.id, { amount: '10.5' })).body).toMatchObject({ limit_source: 'balance' });
  });

  test.each([
    [{ ttl_ms: 999 }, 'ttl_ms'],
    [{ ttl_ms: 86_400_001 }, 'ttl_ms'],
    [{ ttl_ms: '60000' }, 'ttl_ms'],
    [{ amount: 1 }, 'amount'],
    [{ amount: '-1' }, 'amount'],
    [{ amount: '0.0000000001' }, 'amount'],
    [{ asset: 'USD' }, 'asset'],
  ])('with %j is refused, %s is named', async (body, field) => {
    const id = (await client.post('/v1/customers', {})).body.id;
    const held = await hold(id, '0');
    expectFieldError(await extend(held.id, body), field);
  });
});

describe('what never was', () => {
  test('is not found, whatever is asked of it', async () => {
    const held = await hold(await customer('near', '1'), '1');
    const last = held.id.at(-1) === '0' ? '1' : '0';
    for (const id of [
      'hold_x',
      'x',
      `${held.id}0`,
      held.id.slice(0, -1) + last,
      held.id.slice(0, -1),
      'hold_',
      '%20',
    ]) {
      expectProblem(await client.get(`/v1/holds/${id}`), 404, 'hold_not_found');
      expectProblem(await settle(id, '1'), 404, 'hold_not_found');
      expectProblem(await release(id), 404, 'hold_not_found');
      expectProblem(await extend(id, { ttl_ms: 60_000 }), 404, 'hold_not_found');
    }
    expect(await look(held.id)).toMatchObject({ status: 'open', held: '1' });
  });
});

describe('a look-up', () => {
  test('says all that the contract names of an open hold', async () => {
    const id = await customer('look-open', '10');
    const held = await hold(id, '4', { ttl_ms: 60_000 });
    const body = await look(held.id);
    expect(body).toMatchObject({
      ...{ id: held.id, status: 'open', customer_id: id, asset: 'USD', amount: '4', held: '4' },
      ...{ settled: '0', released: '0', late: false, expires_at: held.expires_at, ended_at: null },
      created_at: expect.stringMatching(instant),
    });
    expect(Date.parse(held.expires_at) - Date.parse(body.created_at)).toBe(60_000);
  });

  test('says how it ended, at once and after it is in the ledger', async () => {
    const id = await customer('look-ended', '10');
    for (let round = 0; round < 5; round++) {
      const settled = await hold(id, '1');
      const opened = await look(settled.id);
      await settle(settled.id, '0.4');
      const released = await hold(id, '1');
      await release(released.id);
      const [one, two] = [await look(settled.id), await look(released.id)];
      expect(one).toMatchObject({
        status: 'settled',
        held: '0',
        settled: '0.4',
        released: '0.6',
        late: false,
        amount: '1',
      });
      expect(two).toMatchObject({ status: 'released', held: '0', settled: '0', released: '1', late: false });
      expect(one).toMatchObject({ created_at: opened.created_at, expires_at: opened.expires_at, customer_id: id });
      expect(one.ended_at >= one.created_at).toBe(true);
      if (round === 0) {
        await entriesOf(id);
        expect([await look(settled.id), await look(released.id)]).toEqual([one, two]);
      }
    }
  });
});

describe.concurrent('expiry', () => {
  test('gives the money back by itself, within a second', async () => {
    const id = await customer('expired', '10');
    // A second apart, and all but one in time: the machine may stand still for a moment.
    const held = [];
    for (const ttl of [1_000, 2_000, 3_000]) held.push(await hold(id, '2', { ttl_ms: ttl }));
    await untilBack(id, '10');
    const lateMs: number[] = [];
    for (const each of held) {
      const body = await look(each.id);
      expect(body).toMatchObject({ status: 'expired', held: '0', settled: '0', released: '2', late: false });
      expect(body).toMatchObject({ amount: '2', expires_at: each.expires_at });
      lateMs.push(Date.parse(body.ended_at) - Date.parse(body.expires_at));
    }
    expect(Math.min(...lateMs)).toBeGreaterThanOrEqual(0);
    expect(lateMs.toSorted((a, b) => a - b).at(-2)).toBeLessThanOrEqual(sweepBoundMs);
    const kinds = (await entriesOf(id)).map(({ kind, amount }) => `${kind} ${amount}`);
    expect(kinds.toSorted()).toEqual([
      ...['expire_hold 0', 'expire_hold 0', 'expire_hold 0', 'grant 10', 'hold 0', 'hold 0', 'hold 0'],
    ]);
  });

  test('frees money for who asks next, at once', async () => {
    const id = await customer('freed', '10');
    const held = await hold(id, '10', { ttl_ms });
    const spend = { customer_id: id, asset: 'USD', amount: '10' };
    expect((await client.post('/v1/authorize', spend)).body.limit_source).toBe('held_in_flight');
    await sleepUntil(held.expires_at, 1);
    expectReplied(await client.post('/v1/authorize', spend), 200);
  });

  test('is seen at once by who looks', async () => {
    const id = await customer('seen', '10');
    const held = await hold(id, '4', { ttl_ms: 1_000 });
    await sleepUntil(held.expires_at, 1);
    expect(await look(held.id)).toMatchObject({ status: 'expired' });
  });

  test('after a part gives back the rest', async () => {
    const id = await customer('expired-part', '10');
    const held = await hold(id, '4', { ttl_ms });
    await settle(held.id, '1', { final: false });
    await untilBack(id, '9');
    expect(await look(held.id)).toMatchObject({ status: 'expired', settled: '1', released: '3', held: '0' });
    expectClosed(await release(held.id), 'expired', '1', '3');
  });

  test('is put off by extending', async () => {
    const id = await customer('put-off', '10');
    const held = await hold(id, '4', { ttl_ms: 3_000 });
    const { expires_at } = (await extend(held.id, { ttl_ms: 7_000 })).body;
    await sleepUntil(held.expires_at, 500);
    expect(await look(held.id)).toMatchObject({ status: 'open', held: '4', expires_at });
    await sleepUntil(expires_at, 1);
    expect(await look(held.id)).toMatchObject({ status: 'expired' });
  });

  test('closes the hold to all but a late settle', async () => {
    const id = await customer('closed', '10');
    const held = await hold(id, '4', { ttl_ms: 1_000 });
    await sleepUntil(held.expires_at, 1);
    expectClosed(await extend(held.id, { ttl_ms: 60_000 }), 'expired', '0', '4');
    expectClosed(await release(held.id), 'expired', '0', '4');
    await sleep(sweepBoundMs);
    expectClosed(await extend(held.id, { amount: '1' }), 'expired', '0', '4');
    expectClosed(await release(held.id), 'expired', '0', '4');
    expectReplied(await settle(held.id, '1'), 200);
  });
});

describe.concurrent('a late settle', () => {
  // At once: before anything else noticed the end. Later: when the sweep and the ledger have it.
  test.each([
    ['at once', 1],
    ['when the money is back', sweepBoundMs],
    ['when the ledger has it', sweepBoundMs + 1_000],
  ])('counts, once, %s; from then on the hold is closed', async (_, afterMs) => {
    const id = await customer(`late-${afterMs}`, '10');
    const held = await hold(id, '4', { ttl_ms: 1_000 });
    await sleepUntil(held.expires_at, afterMs);
    const reply = await settle(held.id, '3');
    expectReplied(reply, 200);
    expect(reply.body).toMatchObject({
      ...{ id: held.id, status: 'settled', settled: '3', overage: '0', late: true },
      ...{ asset: 'USD', available: '7', held: '0' },
    });
    const after = await walletOf(id);
    expect(after.accounts[0]).toMatchObject({ available: '7', held: '0' });
    const again = () => Promise.all([settle(held.id, '3'), release(held.id), extend(held.id, { ttl_ms: 1_000 })]);
    for (const closed of [...(await again()), ...(await entriesOf(id).then(again))]) {
      expect({ httpStatus: closed.status, ...closed.body }).toMatchObject({
        httpStatus: 409,
        code: 'hold_closed',
        settled: '3',
      });
    }
    expect(await look(held.id)).toMatchObject({ settled: '3', late: true, held: '0' });
    expect(await walletOf(id)).toEqual(after);
    const entries = await entriesOf(id);
    expect(entries.at(-1)).toMatchObject({ kind: 'settle', amount: '-3', late: true, hold_id: held.id });
    expect(entries.filter(({ kind }) => kind === 'settle')).toHaveLength(1);
  });

  test('of money that is gone is owed', async () => {
    const id = await customer('late-owed', '4');
    const held = await hold(id, '4', { ttl_ms: 1_000 });
    await sleepUntil(held.expires_at, 1);
    await client.post('/v1/charge', { customer_id: id, asset: 'USD', amount: '3' });
    expect((await settle(held.id, '4')).body).toMatchObject({ settled: '4', overage: '3', late: true, available: '0' });
  });

  test('adds to the parts that came in time, and is final', async () => {
    const id = await customer('late-part', '10');
    const held = await hold(id, '4', { ttl_ms });
    await settle(held.id, '1', { final: false });
    await sleepUntil(held.expires_at, 1);
    const reply = await settle(held.id, '2', { final: false });
    expectReplied(reply, 200);
    expect(reply.body).toMatchObject({ status: 'settled', settled: '3', late: true, available: '7', held: '0' });
    expect((await settle(held.id, '1')).status).toBe(409);
    expect(await look(held.id)).toMatchObject({ settled: '3', late: true });
  });

  test('of ten at once, one counts', async () => {
    const id = await customer('late-race', '10');
    const held = await hold(id, '4', { ttl_ms: 1_000 });
    await sleepUntil(held.expires_at, 700);
    const replies = await Promise.all(Array.from({ length: 10 }, () => settle(held.id, '3')));
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(replies.filter(({ status }) => status === 409)).toHaveLength(9);
    expect(await accountOf(id)).toMatchObject({ available: '7', held: '0' });
  });

  test('repeated with its Idempotency-Key is told the same', async () => {
    const id = await customer('late-replay', '10');
    const held = await hold(id, '4', { ttl_ms: 1_000 });
    await sleepUntil(held.expires_at, 1);
    const send = () => client.post(`/v1/holds/${held.id}/settle`, { amount: '3' }, { 'idempotency-key': 'late' });
    const first = await send();
    expectReplied(first, 200);
    const again = await send();
    expect([again.status, again.body]).toEqual([first.status, first.body]);
    expect(again.headers.get('idempotent-replayed')).toBe('true');
  });
});
