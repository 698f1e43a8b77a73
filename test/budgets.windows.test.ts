// The windows of budgets, at their edges: time zones, changes of clocks, rolling periods, and holds that outlive a window.
//
// The partition's clock is moved, never backwards, to instants that are known beforehand: so many years from now, and not
// by what the code under test computes.
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { walletOf } from '../src/wallet/keys.ts';
import { openDatabase } from '../src/db/connect.ts';
import { expectStatus, startFarebox, type Farebox } from './farebox.ts';
import { idsApart, moveClock } from './frozen-clock.ts';
import { openRedis } from './stores.ts';

let farebox: Farebox;
let environmentId: string;
let nextApart: ReturnType<typeof idsApart>;
let redis: Redis;

beforeAll(async () => {
  farebox = await startFarebox();
  redis = await openRedis(farebox.redis.url);
  const sql = openDatabase(farebox.database.url, { connectionsMax: 1, name: 'test' });
  environmentId = (await sql<{ id: string }[]>`select id from environments`)[0]!.id;
  nextApart = idsApart(environmentId);
  await sql.end();
});

afterAll(async () => {
  redis.disconnect();
  await farebox.stop();
});

const next = new Date().getUTCFullYear() + 1;
const hourMs = 3_600_000;
const at = (...of: [month: number, day: number, hour?: number]) => Date.UTC(next, of[0] - 1, of[1], of[2] ?? 0);
/** Where clocks in Europe change: the last Sunday of a month with 31 days, at 01:00 UTC. */
const lastSunday = (month: number) => {
  const last = new Date(at(month, 31));
  return last.getTime() - last.getUTCDay() * 24 * hourMs;
};
const [spring, autumn] = [lastSunday(3), lastSunday(10)];
/** The first Monday of June. */
const monday = at(6, 1) + ((8 - new Date(at(6, 1)).getUTCDay()) % 7) * 24 * hourMs;

/** In a partition of its own: another's clock that was moved there would be this one's, too. */
const alone = (name: string): string => nextApart(name).id;
const moveTo = (id: string, toMs: number) => moveClock(redis, walletOf(environmentId, id).partition, toMs);

const { post, get } = {
  post: (path: string, body: object) => farebox.client.post(path, body),
  get: (path: string) => farebox.client.get(path),
};
const spend = (verb: 'charge' | 'authorize', id: string, amount: string, more: object = {}) =>
  post(`/v1/${verb}`, { customer_id: id, asset: 'USD', amount, ...more });
const charge = async (id: string, amount: string) => (await spend('charge', id, amount)).status;

/** Of a customer with enough, ten dollars in each window. */
async function budget(id: string, period: object): Promise<() => Promise<any>> {
  await farebox.customer(id, '1000');
  const terms = { name: 'b', asset: 'USD', limit: '10', period, match: {}, enforcement: 'hard' };
  const path = `/v1/customers/${id}/budgets`;
  const { body } = await expectStatus(post(path, terms), 201);
  return async () => (await expectStatus(get(`${path}/${body.id}`), 200)).body;
}

const berlin = { time_zone: 'Europe/Berlin' };
// Each window's first instant, and its end.
const windows: [name: string, period: object, ...edges: number[]][] = [
  ['an hour', { unit: 'hour' }, at(2, 3, 4), at(2, 3, 5), at(2, 3, 6)],
  ['a day of 23 hours', { unit: 'day', ...berlin }, spring - hourMs, spring + 22 * hourMs, spring + 46 * hourMs],
  ['a day of 25 hours', { unit: 'day', ...berlin }, autumn - 2 * hourMs, autumn + 23 * hourMs, autumn + 47 * hourMs],
  ['a week, from Monday', { unit: 'week' }, monday, monday + 7 * 24 * hourMs, monday + 14 * 24 * hourMs],
  // From the last day of February on, which day 0 of March is in any year.
  ['a month, over the change of clocks', { unit: 'month', ...berlin }, at(3, 0, 23), at(3, 31, 22), at(4, 30, 22)],
  [
    'a month, east of Greenwich',
    { unit: 'month', time_zone: 'Pacific/Kiritimati' },
    at(4, 30, 10),
    at(5, 31, 10),
    at(6, 30, 10),
  ],
];

describe.each(windows)('%s', (name, period, ...edges) => {
  test('counts from its first instant to its last', async () => {
    const id = alone(`edges:${name.replaceAll(/[^a-z0-9]/g, '_')}`);
    const shown = await budget(id, period);
    for (const [no, start] of edges.slice(0, -1).entries()) {
      const end = edges[no + 1]!;
      await moveTo(id, start);
      expect(await shown()).toMatchObject({ spent: '0', remaining: '10', resets_at: new Date(end).toISOString() });
      expect(await charge(id, '6')).toBe(200);
      await moveTo(id, end - 1);
      expect(await charge(id, '4.1')).toBe(402);
      expect(await shown()).toMatchObject({ spent: '6', remaining: '4', resets_at: new Date(end).toISOString() });
      expect(await charge(id, '4')).toBe(200);
    }
  });
});

describe('a hold', () => {
  test('that was opened in one window and settled in the next counts, and gives back, where it was opened', async () => {
    const id = alone('outlives');
    const shown = await budget(id, { unit: 'day', ...berlin });
    await moveTo(id, spring + 21 * hourMs);
    const opened = await expectStatus(spend('authorize', id, '7', { ttl_ms: 24 * hourMs }), 200);
    const released = await expectStatus(spend('authorize', id, '3', { ttl_ms: 24 * hourMs }), 200);
    expect(await charge(id, '0.1')).toBe(402);
    await moveTo(id, spring + 22 * hourMs);
    expect(await shown()).toMatchObject({ spent: '0', held: '0', remaining: '10' });
    expect(await charge(id, '10')).toBe(200);
    await expectStatus(post(`/v1/holds/${opened.body.id}/settle`, { amount: '9' }), 200);
    await expectStatus(post(`/v1/holds/${released.body.id}/release`, {}), 200);
    expect(await shown()).toMatchObject({ spent: '10', held: '0', remaining: '0' });
    expect(await charge(id, '0.1')).toBe(402);
  });
});

test('what a hold counts goes along with its extension, into the bucket of then', async () => {
  const id = alone('extended');
  const shown = await budget(id, { rolling_ms: 59 * 60_000 });
  await moveTo(id, at(2, 3, 4));
  const { body } = await expectStatus(spend('authorize', id, '4', { ttl_ms: 24 * hourMs }), 200);
  await moveTo(id, at(2, 3, 4) + 30 * 60_000);
  await expectStatus(post(`/v1/holds/${body.id}/extend`, { amount: '2' }), 200);
  // The bucket that it was opened in counts no longer.
  await moveTo(id, at(2, 3, 5));
  expect(await shown()).toMatchObject({ held: '6', remaining: '4' });
  await expectStatus(post(`/v1/holds/${body.id}/release`, {}), 200);
  expect(await shown()).toMatchObject({ spent: '0', held: '0', remaining: '10' });
});

test('a rolling budget lets go, bit by bit, of what is older than its period, and of nothing younger', async () => {
  const id = alone('rolling');
  const shown = await budget(id, { rolling_ms: 59 * 60_000 });
  await moveTo(id, at(2, 3, 4));
  expect(await charge(id, '6')).toBe(200);
  await moveTo(id, at(2, 3, 4) + 30 * 60_000);
  expect(await charge(id, '4')).toBe(200);
  await moveTo(id, at(2, 3, 4) + 59 * 60_000);
  expect(await shown()).toMatchObject({ spent: '10', remaining: '0', resets_at: null });
  expect(await charge(id, '0.1')).toBe(402);
  await moveTo(id, at(2, 3, 5));
  expect(await shown()).toMatchObject({ spent: '4', remaining: '6' });
  expect(await charge(id, '6.1')).toBe(402);
  expect(await charge(id, '6')).toBe(200);
  await moveTo(id, at(2, 3, 5) + 30 * 60_000);
  expect(await shown()).toMatchObject({ spent: '6', remaining: '4' });
});

test('a lifetime never ends', async () => {
  const id = alone('lifetime');
  const shown = await budget(id, { unit: 'lifetime' });
  expect(await charge(id, '6')).toBe(200);
  await moveTo(id, at(12, 31, 23));
  expect(await charge(id, '4.1')).toBe(402);
  expect(await shown()).toMatchObject({ spent: '6', remaining: '4', resets_at: null });
});
