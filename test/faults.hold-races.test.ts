// Settle, release, extend and expiry race for one hold: one of them ends it, all replies agree with one order, and the money
// adds up; whatever becomes of the grants meanwhile.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from 'vitest';
import type { Redis } from 'ioredis';
import { openDatabase, type Sql } from '../src/db/connect.ts';
import { openLog } from '../src/log.ts';
import { openNudge } from '../src/outbox/nudge.ts';
import { connectStore } from '../src/run/connect-store.ts';
import { oneNode, sampleClocks } from '../src/wallet/nodes.ts';
import type { Store } from '../src/wallet/store.ts';
import { sweepPartition } from '../src/wallet/sweep.ts';
import { startFarebox, type Client, type Farebox, type Reply } from './farebox.ts';
import { expectContiguous, expectSound, readBook, waitUntilDrained } from './faults/books.ts';
import { idsApart, moveClock, stopClock } from './frozen-clock.ts';
import { apply, findOrder, permutationsOf, type Act, type Hold, type Told } from './faults/one-hold.ts';
import { randomOf, rounds, seed, type Random } from './faults/seeded.ts';
import { smallGateway } from './faults/small-gateway.ts';
import { openRedis } from './stores.ts';

let farebox: Farebox;
/** Each on a connection of its own. */
let gateways: Client[];
let sql: Sql;
let redis: Redis;
let store: Store;
let nextApart: ReturnType<typeof idsApart>;
const undo: (() => unknown)[] = [];

beforeAll(async () => {
  farebox = await startFarebox();
  undo.push(farebox.stop);
  sql = openDatabase(farebox.database.url, { connectionsMax: 12, name: 'test' });
  redis = await openRedis(farebox.redis.url);
  const { markDirty, stop } = openNudge(farebox.redis.url, () => undefined);
  const log = openLog('silent', 'test');
  store = await connectStore({ sql, nodes: oneNode(redis), log, markDirty, onFenced: () => undefined });
  await sampleClocks(store.nodes);
  const [environment] = await sql<{ id: string }[]>`select id from environments`;
  nextApart = idsApart(environment!.id);
  const options = { sql, redisUrl: farebox.redis.url, environmentId: environment!.id, markDirty };
  const small = await Promise.all(Array.from({ length: 6 }, () => smallGateway(options)));
  gateways = small;
  undo.push(
    () => sql.end(),
    () => redis.disconnect(),
    stop,
    ...small.map((gateway) => gateway.stop),
  );
});

afterAll(async () => {
  for (const step of undo.reverse()) await step();
});

/** A customer alone in a partition whose clock stands still. */
type Payer = { id: string; partition: number; nowMs: number };

async function payer(of: string): Promise<Payer> {
  const { id, partition } = nextApart(of);
  await farebox.customer(id);
  return { id, partition, nowMs: await stopClock(redis, partition) };
}

async function moveTo(of: Payer, toMs: number): Promise<void> {
  of.nowMs = Math.max(of.nowMs, toMs);
  await moveClock(redis, of.partition, toMs);
}

/** Posts until the answer is not that the ledger is behind; a 503 did nothing. */
async function post(gateway: Client, path: string, body: object): Promise<Reply> {
  for (let attempt = 1; ; attempt += 1) {
    const reply = await gateway.post(path, body);
    if (reply.status !== 503 || attempt === 20) return reply;
  }
}

const first = (path: string, body: object = {}) => post(gateways[0]!, path, body);

async function grant(to: Payer, amount: number, terms: object = {}): Promise<string> {
  const reply = await first(`/v1/customers/${to.id}/grants`, { asset: 'USD', amount: String(amount), ...terms });
  expect(reply.status, reply.text).toBe(201);
  return reply.body.id;
}

async function openHold(of: Payer, amount: number, ttlMs = 60_000): Promise<string> {
  const body = { customer_id: of.id, asset: 'USD', amount: String(amount), ttl_ms: ttlMs };
  const reply = await first('/v1/authorize', body);
  expect(reply.status, reply.text).toBe(200);
  return reply.body.id;
}

async function balances(of: Payer): Promise<{ available: number; held: number; overage: number }> {
  const { body } = await gateways[0]!.get(`/v1/customers/${of.id}/wallet`);
  const { available, held, overage } = body.accounts[0];
  return { available: Number(available), held: Number(held), overage: Number(overage) };
}

const at = (ms: number) => new Date(ms).toISOString();

/** Does one act, and says in the model's words what was answered. */
async function does(gateway: Client, of: Payer, holdId: string, act: Act): Promise<Told> {
  const path = `/v1/holds/${holdId}`;
  switch (act.act) {
    case 'clock':
      await moveClock(redis, of.partition, act.toMs);
      return { told: 'nothing' };
    case 'sweep':
      await sweepPartition(store, of.partition);
      return { told: 'nothing' };
    case 'release':
      return toldBy(await post(gateway, `${path}/release`, {}));
    case 'extend':
      return toldBy(await post(gateway, `${path}/extend`, { amount: String(act.amount), ttl_ms: act.ttlMs }));
    case 'settle':
      return toldBy(
        await post(gateway, `${path}/settle`, { amount: String(act.amount), on_excess: act.onExcess ?? 'charge' }),
      );
  }
}

function toldBy({ status, body, text }: Reply): Told {
  const [settled, released] = [Number(body.settled), Number(body.released)];
  const [available, held] = [Number(body.available), Number(body.held)];
  if (body.status === 'settled') {
    return { told: 'settled', settled, released, overage: Number(body.overage), late: body.late, available, held };
  }
  if (body.status === 'released') return { told: 'released', settled, released, available, held };
  if (body.status === 'approved') {
    const expiresAtMs = Date.parse(body.expires_at);
    return { told: 'extended', amount: Number(body.amount), available, held, expiresAtMs };
  }
  if (body.code === 'hold_closed') return { told: 'closed', how: body.hold_status, settled, released };
  if (body.code === 'exceeds_hold') return { told: 'exceeds_hold' };
  if (status === 402) return { told: 'declined' };
  throw new Error(`${status} ${text}`);
}

describe('at the very deadline', () => {
  const hold = { amount: 10, ttlMs: 60_000 };
  const settled = (late: boolean) => ({ told: 'settled', settled: 4, released: 6, late });
  const expired = { told: 'closed', how: 'expired', settled: 0, released: 10 };
  const settle: Act = { act: 'settle', amount: 4 };
  const release: Act = { act: 'release' };
  const extend: Act = { act: 'extend', amount: 5, ttlMs: 60_000 };
  const cases: [string, number, 'swept' | 'not swept', Act, object][] = [
    ['settles', -1, 'not swept', settle, settled(false)],
    ['settles', -1, 'swept', settle, settled(false)],
    ['settles late', 0, 'not swept', settle, settled(true)],
    ['settles late', 0, 'swept', settle, settled(true)],
    ['settles late', 1, 'swept', settle, settled(true)],
    ['releases', -1, 'swept', release, { told: 'released', settled: 0, released: 10 }],
    ['has expired', 0, 'not swept', release, expired],
    ['has expired', 0, 'swept', release, expired],
    ['has expired', 1, 'not swept', release, expired],
    ['is extended', -1, 'swept', extend, { told: 'extended', amount: 15, held: 15 }],
    ['has expired', 0, 'not swept', extend, expired],
    ['has expired', 0, 'swept', extend, expired],
    ['has expired', 1, 'swept', extend, expired],
  ];

  test.concurrent.each(cases)('a hold %s: %i ms after its deadline, %s', async (_, afterMs, isSwept, act, told) => {
    const one = await payer('deadline');
    await grant(one, 100);
    const id = await openHold(one, hold.amount, hold.ttlMs);
    await moveTo(one, one.nowMs + hold.ttlMs + afterMs);
    if (isSwept === 'swept') await sweepPartition(store, one.partition);
    expect(await does(gateways[1]!, one, id, act)).toMatchObject(told);
  });

  test('a grant can be spent until the instant before it expires', async () => {
    const one = await payer('grant');
    await grant(one, 10, { expires_at: at(one.nowMs + 1_000) });
    await moveTo(one, one.nowMs + 999);
    const charge = { customer_id: one.id, asset: 'USD', amount: '4' };
    expect((await first('/v1/charge', charge)).status).toBe(200);
    await moveTo(one, one.nowMs + 1);
    expect((await first('/v1/charge', charge)).status).toBe(402);
    expect(await balances(one)).toEqual({ available: 0, held: 0, overage: 0 });
  });
});

describe.concurrent('a hold and its grants', () => {
  test('a hold outlives its grant: it can be settled, and what comes back is gone', async () => {
    const one = await payer('outlive');
    await grant(one, 10, { expires_at: at(one.nowMs + 1_000) });
    await grant(one, 100, { priority: 90 });
    const hold = await openHold(one, 6);
    await moveTo(one, one.nowMs + 1_000);
    expect(await balances(one)).toEqual({ available: 100, held: 6, overage: 0 });
    const settled = await first(`/v1/holds/${hold}/settle`, { amount: '4' });
    expect(settled.body).toMatchObject({ settled: '4', released: '2', available: '100', held: '0' });
    expect(await balances(one)).toEqual({ available: 100, held: 0, overage: 0 });
  });

  test('a hold outlives its grant: what was taken in two steps leaves once', async () => {
    const one = await payer('twice');
    await grant(one, 20, { expires_at: at(one.nowMs + 1_000) });
    const hold = await openHold(one, 10);
    await first(`/v1/holds/${hold}/extend`, { amount: '5' });
    await moveTo(one, one.nowMs + 1_000);
    const released = await first(`/v1/holds/${hold}/release`);
    expect(released.body).toMatchObject({ released: '15', available: '0', held: '0' });
    // A wallet that lost count of its grants would refuse this one.
    await grant(one, 7);
    expect(await balances(one)).toEqual({ available: 7, held: 0, overage: 0 });
  });

  test('a grant is voided while some of it is held: that can be spent, the rest goes', async () => {
    const one = await payer('void');
    const voided = await grant(one, 10);
    const [spent, released] = [await openHold(one, 4), await openHold(one, 3)];
    const reply = await first(`/v1/customers/${one.id}/grants/${voided}/void`);
    expect(reply.body).toMatchObject({ status: 'voided', voided: '3', held: '7' });
    await first(`/v1/holds/${spent}/settle`, { amount: '4' });
    const back = await first(`/v1/holds/${released}/release`);
    expect(back.body).toMatchObject({ released: '3', available: '0', held: '0' });
    const ended = await gateways[0]!.get(`/v1/customers/${one.id}/grants/${voided}`);
    expect(ended.body).toMatchObject({ status: 'voided', remaining: '0', held: '0' });
  });

  test('a scheduled grant starts between hold and settle, and pays what the hold does not', async () => {
    const one = await payer('schedule');
    await grant(one, 10);
    await grant(one, 5, { effective_at: at(one.nowMs + 1_000) });
    const hold = await openHold(one, 10);
    await moveTo(one, one.nowMs + 1_000);
    const settled = await first(`/v1/holds/${hold}/settle`, { amount: '13' });
    expect(settled.body).toMatchObject({ settled: '13', released: '0', overage: '0', available: '2' });
  });

  test('a scheduled grant that starts after the settle repays what was owed', async () => {
    const one = await payer('schedule');
    await grant(one, 10);
    await grant(one, 5, { effective_at: at(one.nowMs + 1_000) });
    const hold = await openHold(one, 10);
    const settled = await first(`/v1/holds/${hold}/settle`, { amount: '13' });
    expect(settled.body).toMatchObject({ overage: '3', available: '0' });
    await moveTo(one, one.nowMs + 1_000);
    expect(await balances(one)).toEqual({ available: 2, held: 0, overage: 0 });
  });

  test('a scheduled grant starts and expires before anybody looks, and all of it repays', async () => {
    const one = await payer('schedule');
    await grant(one, 10);
    const hold = await openHold(one, 10);
    await first(`/v1/holds/${hold}/settle`, { amount: '50' });
    await grant(one, 5, { effective_at: at(one.nowMs + 1_000), expires_at: at(one.nowMs + 2_000) });
    await moveTo(one, one.nowMs + 3_000);
    expect(await balances(one)).toEqual({ available: 0, held: 0, overage: 35 });
    await grant(one, 100);
    expect(await balances(one)).toEqual({ available: 65, held: 0, overage: 0 });
  });

  test.each(['release', 'expiry'])('what is owed is repaid by a %s first', async (how) => {
    const one = await payer('repay');
    await grant(one, 10);
    const [spent, back] = [await openHold(one, 6), await openHold(one, 4, 30_000)];
    const settled = await first(`/v1/holds/${spent}/settle`, { amount: '9' });
    expect(settled.body).toMatchObject({ overage: '3', available: '0', held: '4' });
    expect((await first('/v1/charge', { customer_id: one.id, asset: 'USD', amount: '1' })).body).toMatchObject({
      code: 'wallet_in_overage',
    });
    if (how === 'release') {
      const released = await first(`/v1/holds/${back}/release`);
      expect(released.body).toMatchObject({ released: '4', available: '1', held: '0' });
    } else {
      await moveTo(one, one.nowMs + 30_000);
      await sweepPartition(store, one.partition);
    }
    expect(await balances(one)).toEqual({ available: 1, held: 0, overage: 0 });
  });

  test('what is owed is repaid even by money whose grant has expired', async () => {
    const one = await payer('repay');
    await grant(one, 10, { expires_at: at(one.nowMs + 1_000) });
    const [spent, back] = [await openHold(one, 6), await openHold(one, 4)];
    await moveTo(one, one.nowMs + 1_000);
    await first(`/v1/holds/${spent}/settle`, { amount: '9' });
    expect(await balances(one)).toEqual({ available: 0, held: 4, overage: 3 });
    const released = await first(`/v1/holds/${back}/release`);
    expect(released.body).toMatchObject({ released: '4', held: '0' });
    expect(await balances(one)).toEqual({ available: 0, held: 0, overage: 0 });
  });

  test('more overdue holds than one call expires: a decline gives all of them back first', async () => {
    const one = await payer('overdue');
    await grant(one, 150);
    await Promise.all(Array.from({ length: 150 }, () => openHold(one, 1, 1_000)));
    await moveTo(one, one.nowMs + 1_000);
    const all = { customer_id: one.id, asset: 'USD', amount: '150' };
    expect((await first('/v1/charge', all)).status).toBe(200);
  });
});

const roundsPerOrder = rounds(4);

// Who races; the last of each moves the clock past the deadline and sweeps.
const races: Record<string, (random: Random) => Act[]> = {
  'settle, release, extend, expiry': (random) => [settleBy(random), { act: 'release' }, extendBy(random)],
  'two settles, release, expiry': (random) => [settleBy(random), settleBy(random), { act: 'release' }],
  'settle, two extends, expiry': (random) => [settleBy(random), extendBy(random), extendBy(random)],
};

function settleBy(random: Random): Act {
  return { act: 'settle', amount: random.pick([0, 4, 10, 13, 40]), onExcess: random.pick(['charge', 'cap', 'reject']) };
}

function extendBy(random: Random): Act {
  return { act: 'extend', amount: random.pick([0, 3, 30]), ttlMs: random.pick([1_000, 60_000, 90_000]) };
}

test.each(Object.keys(races))('whoever comes first: %s', { timeout: rounds(60_000) }, async (name) => {
  onTestFailed(() => console.error(`run it again with FAULT_SEED=${seed}`));
  const random = randomOf(seed);
  // Each order has its own customer, and all of them race at once.
  const orders = permutationsOf([0, 1, 2, 3]);
  const ended: Told['told'][] = [];
  await Promise.all(
    orders.map(async (order) => {
      const one = await payer('race');
      for (let round = 0; round < roundsPerOrder; round += 1) {
        ended.push(...(await race(one, order, races[name]!(random), random)));
      }
    }),
  );
  console.log(`${orders.length * roundsPerOrder} rounds: ${tally(ended)}`);
});

/** One hold, raced for in this order by everybody at once. Returns what they were told. */
async function race(one: Payer, order: readonly number[], racers: Act[], random: Random): Promise<Told['told'][]> {
  await grant(one, random.between(20, 40));
  const left = await balances(one);
  if (left.available < 10) await grant(one, left.overage + 20);
  const id = await openHold(one, 10);
  const deadlineMs = one.nowMs + 60_000;
  const { available } = await balances(one);
  const before: Hold = {
    nowMs: one.nowMs,
    expiresAtMs: deadlineMs,
    status: 'open',
    amount: 10,
    held: 10,
    settled: 0,
    released: 0,
    available,
    overage: 0,
  };
  const clock: Act = { act: 'clock', toMs: deadlineMs + random.pick([-1, 0, 1, 30_000]) };
  const sweep: Act = { act: 'sweep' };
  const given: { act: Act; told: Told }[] = [];
  const run = async (gateway: Client, act: Act) => {
    given.push({ act, told: await does(gateway, one, id, act) });
  };
  const isSpread = random.chance(0.5);
  await Promise.all(
    order.map(async (who, place) => {
      if (isSpread) await sleep(random.between(0, 4));
      const gateway = gateways[(place + 1) % gateways.length]!;
      if (who < racers.length) return run(gateway, racers[who]!);
      await run(gateway, clock);
      return run(gateway, sweep);
    }),
  );
  one.nowMs = Math.max(one.nowMs, clock.toMs);
  await sweepPartition(store, one.partition);
  const is = await balances(one);
  // Nothing but the sweep can have come after the last reply.
  const isEnd = (hold: Hold) => {
    const { available: left, held, overage } = apply(hold, sweep).hold;
    return JSON.stringify({ available: left, held, overage }) === JSON.stringify(is);
  };
  if (!findOrder(before, given, isEnd)) expect.fail(`no order explains ${JSON.stringify({ before, given, is })}`);
  const ends = given.filter(({ told }) => told.told === 'settled' || told.told === 'released');
  expect(ends.length).toBeLessThanOrEqual(1);
  // What still runs is out of the way of the next round.
  if (is.held > 0) await first(`/v1/holds/${id}/release`);
  return given.map(({ told }) => told.told);
}

function tally(told: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const one of told) counts.set(one, (counts.get(one) ?? 0) + 1);
  return [...counts].map(([name, count]) => `${name} ${count}`).join(', ');
}

test('after all of that the ledger is sound', async () => {
  await waitUntilDrained({ sql, redis });
  await expectSound(sql);
  expectContiguous(await readBook(sql));
});
