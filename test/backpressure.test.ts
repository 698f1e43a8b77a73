// Redis runs out of memory, or the ledger falls behind: new work is refused and says why, what was begun goes on, and
// nothing is lost.
import type { Redis } from 'ioredis';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { waitUntil } from '../scripts/stores/process.ts';
import { openDatabase, type Sql } from '../src/db/connect.ts';
import {
  backpressureRetryAfterMs,
  memoryShareLifted,
  memoryShareMax,
  outboxAgeLiftedMs,
  outboxAgeMaxMs,
} from '../src/limits.ts';
import { openLog } from '../src/log.ts';
import { runWorker } from '../src/run/worker.ts';
import { outboxKey, walletOf } from '../src/wallet/keys.ts';
import { noPressure, pressureOf } from '../src/wallet/pressure.ts';
import { readRedisState } from '../src/wallet/redis-state.ts';
import { startFarebox, type Client, type Farebox, type Reply } from './farebox.ts';
import { expectContiguous, expectSound, readBook, waitUntilDrained } from './faults/books.ts';
import { smallGateway } from './faults/small-gateway.ts';
import { openRedis } from './stores.ts';

let farebox: Farebox;
let client: Client;
let sql: Sql;
let redis: Redis;
let environmentId: string;
let worker: { stop: () => Promise<void> } | undefined;
let named = 0;

beforeAll(async () => {
  farebox = await startFarebox({ worker: false });
  ({ client } = farebox);
  sql = openDatabase(farebox.database.url, { connectionsMax: 2, name: 'test' });
  redis = await openRedis(farebox.redis.url);
  // What Redis writes anew after recovery takes memory for as long.
  const isWritten = async () => /aof_rewrite_in_progress:0/.test(await redis.info('persistence'));
  expect(await waitUntil(isWritten, 30_000, 50)).toBe(true);
  environmentId = (await sql<{ id: string }[]>`select id from environments`)[0]!.id;
}, 60_000);

// Until the gateway has seen it, too.
afterEach(async () => {
  await redis.config('SET', 'maxmemory', 0);
  expect(await waitUntil(isTakenOn, 15_000, 50)).toBe(true);
});

afterAll(async () => {
  await worker?.stop();
  redis.disconnect();
  await sql.end();
  await farebox.stop();
});

const customer = () => farebox.customer(`customer_${(named += 1)}`, '100');
const startWorker = async () => {
  worker ??= await runWorker(farebox.config, openLog(farebox.config.logLevel, 'test'));
};

/** Redis's limit is set so that it uses this share of it. */
async function useOfMemory(share: number): Promise<void> {
  await redis.config('SET', 'maxmemory', 1_000_000_000);
  const used = (await readRedisState(redis)).memoryShare! * 1_000_000_000;
  await redis.config('SET', 'maxmemory', Math.round(used / share));
}

const newWork = async () => (await client.get('/readyz')).body.dependencies.new_work;
const isRefused = async () => (await newWork()).status !== 'ok';
const isTakenOn = async () => !(await isRefused());
/** Gateways look every second. */
const looks = async (count: number) => sleep(count * 1_100);

const metric = async (name: string): Promise<number> => {
  const line = (await client.get('/metrics')).text.split('\n').find((text) => text.startsWith(name));
  return Number(line?.split(' ').at(-1));
};

function expectRefused({ status, body, headers }: Reply, detail: RegExp): void {
  expect([status, body.code, body.outcome, body.retryable]).toEqual([503, 'backpressure', 'not_applied', true]);
  expect(body.detail).toMatch(detail);
  expect(headers.get('retry-after')).toBe(String(backpressureRetryAfterMs / 1_000));
}

describe('where it begins and where it is lifted', () => {
  const at = (memoryShare: number | undefined, oldestEntryAgeMs = 0) => ({ memoryShare, oldestEntryAgeMs });
  const [memory] = [pressureOf(noPressure, at(memoryShareMax))];

  test('begins at the bound', () => {
    expect(pressureOf(noPressure, at(memoryShareMax - 0.001))).toEqual(noPressure);
    expect(memory.reasons).toEqual(['memory']);
    expect(pressureOf(noPressure, at(0, outboxAgeMaxMs - 1))).toEqual(noPressure);
    expect(pressureOf(noPressure, at(0, outboxAgeMaxMs)).reasons).toEqual(['outbox_age']);
    expect(pressureOf(noPressure, at(1, outboxAgeMaxMs)).reasons).toEqual(['memory', 'outbox_age']);
  });

  test('is lifted lower, each reason by itself', () => {
    expect(pressureOf(memory, at(memoryShareLifted)).reasons).toEqual(['memory']);
    expect(pressureOf(memory, at(memoryShareLifted - 0.001))).toEqual(noPressure);
    const both = pressureOf(memory, at(memoryShareMax, outboxAgeMaxMs));
    expect(pressureOf(both, at(0, outboxAgeLiftedMs)).reasons).toEqual(['outbox_age']);
    expect(pressureOf(both, at(0, outboxAgeLiftedMs - 1))).toEqual(noPressure);
  });

  test('without a limit there is no share', () => {
    expect(pressureOf(memory, at(undefined))).toEqual(noPressure);
  });
});

test('Redis is four fifths full: new work is refused, what was begun goes on', { timeout: 60_000 }, async () => {
  const id = await customer();
  const spend = { customer_id: id, asset: 'USD', amount: '1' };
  const grants = `/v1/customers/${id}/grants`;
  const keyed = (key: string) => ({ 'idempotency-key': key });
  const [one, two, three] = await Promise.all(
    [1, 2, 3].map(async () => (await client.post('/v1/authorize', spend)).body.id),
  );
  const prices = [{ id: 'p', event_type: 'call', asset: 'USD', model: 'unit', unit_amount: '1' }];
  await client.post('/v1/products', { id: 'calls', name: 'calls', default: true, prices });
  expect((await client.post('/v1/products/calls/versions/1/publish')).status).toBe(200);
  const events = (...ids: string[]) =>
    client.post('/v1/events', {
      events: ids.map((one) => ({ id: one, customer_id: id, event_type: 'call', data: {} })),
    });
  expect((await events('before')).body.results).toMatchObject([{ status: 'charged' }]);
  const charged = await client.post('/v1/charge', spend, keyed('before'));
  const granted = await client.post(grants, { asset: 'USD', amount: '3' }, keyed('before'));
  const extended = await client.post(`/v1/holds/${one}/extend`, { amount: '1' }, keyed('before'));

  await useOfMemory(0.85);
  expect(await waitUntil(isRefused, 10_000, 50)).toBe(true);
  expect((await client.get('/readyz')).status).toBe(200);
  expect(await metric('farebox_backpressure{reason="memory"')).toBe(1);
  expect(await metric('farebox_redis_memory_ratio')).toBeGreaterThan(0.8);
  const detail = /more than 80 % of its maxmemory: raise maxmemory/;
  expectRefused(await client.post('/v1/authorize', spend), detail);
  expectRefused(await client.post('/v1/authorize', spend, keyed('new')), detail);
  expectRefused(await client.post('/v1/charge', spend), detail);
  expectRefused(await client.post(grants, { asset: 'USD', amount: '3' }), detail);
  expectRefused(await client.post(grants, { asset: 'USD', amount: '3' }, keyed('new')), detail);
  expectRefused(await client.post(`/v1/holds/${one}/extend`, { amount: '1', ttl_ms: 90_000 }), detail);

  expect((await events('new', 'before')).body.results).toMatchObject([
    { status: 'error', http_status: 503, code: 'backpressure', outcome: 'not_applied' },
    { status: 'duplicate' },
  ]);

  // Repeats are what happened before.
  const repeats = [
    await client.post('/v1/charge', spend, keyed('before')),
    await client.post(grants, { asset: 'USD', amount: '3' }, keyed('before')),
    await client.post(`/v1/holds/${one}/extend`, { amount: '1' }, keyed('before')),
  ];
  expect(repeats.map(({ status }) => status)).toEqual([200, 201, 200]);
  expect(repeats[0]!.body).toEqual(charged.body);
  expect(repeats[1]!.body).toEqual(granted.body);
  expect(repeats[2]!.body.version).toBe(extended.body.version);

  const goingOn = [
    await client.post('/v1/authorize', { ...spend, mode: 'shadow' }),
    await client.post(`/v1/holds/${one}/extend`, { ttl_ms: 90_000 }),
    await client.post(`/v1/holds/${one}/settle`, { amount: '1' }),
    await client.post(`/v1/holds/${two}/release`, {}),
    await client.post(`${grants}/${granted.body.id}/void`, {}),
    await client.post(`/v1/customers/${id}/wallet/freeze`, {}),
    await client.post(`/v1/customers/${id}/wallet/unfreeze`, {}),
    await client.get(`/v1/customers/${id}/wallet`),
    await client.get(`/v1/holds/${three}`),
  ];
  expect(goingOn.map(({ status }) => status)).toEqual(goingOn.map(() => 200));

  // Between both bounds, nearer to the upper: what a connection frees is a share of so small a Redis.
  await useOfMemory(0.79);
  await looks(2);
  expect(await isRefused()).toBe(true);
  await useOfMemory(0.7);
  expect(await waitUntil(isTakenOn, 10_000, 50)).toBe(true);
  expect((await client.post('/v1/authorize', spend)).status).toBe(200);
  expect((await client.post('/v1/charge', spend, keyed('new'))).status).toBe(200);
  expect(await metric('farebox_backpressure{reason="memory"')).toBe(0);
});

test('a repeat of what Redis has lost is found in the ledger, under pressure too', { timeout: 60_000 }, async () => {
  await startWorker();
  const id = await customer();
  const spend = { customer_id: id, asset: 'USD', amount: '1' };
  const post = (key: string) => client.post('/v1/charge', spend, { 'idempotency-key': key });
  const charged = await post('lost with Redis');
  await waitUntilDrained({ sql, redis });
  await redis.flushall();
  expect(await waitUntil(async () => (await post('another')).status === 200, 20_000, 50)).toBe(true);
  // Not looked at yet since: the wallet alone is back.
  expect(await redis.del(await redis.keys('*:w:*'))).toBeGreaterThan(0);
  await useOfMemory(0.85);
  expect(await waitUntil(isRefused, 10_000, 50)).toBe(true);
  expectRefused(await post('new'), /maxmemory/);
  const again = await post('lost with Redis');
  expect([again.status, again.body]).toEqual([200, charged.body]);
  await redis.config('SET', 'maxmemory', 0);
  expect(await waitUntil(isTakenOn, 10_000, 50)).toBe(true);
});

test(
  'Redis has no memory left: it takes nothing on, lets go of what it has, and loses nothing',
  { timeout: 60_000 },
  async () => {
    // One that does not look ahead: Redis itself says no.
    const gateway = await smallGateway({ sql, redisUrl: farebox.redis.url, environmentId, markDirty: () => undefined });
    const id = await customer();
    const spend = { customer_id: id, asset: 'USD', amount: '1' };
    const hold = async (ttlMs: number) => (await gateway.post('/v1/authorize', { ...spend, ttl_ms: ttlMs })).body.id;
    const [settled, released, expiring] = [await hold(60_000), await hold(60_000), await hold(1_000)];
    const grant = await gateway.post(`/v1/customers/${id}/grants`, { asset: 'USD', amount: '5', priority: 90 });
    await startWorker();
    await useOfMemory(1.5);
    for (const path of ['/v1/authorize', '/v1/charge', `/v1/customers/${id}/grants`]) {
      const { status, body } = await gateway.post(
        path,
        path.endsWith('grants') ? { asset: 'USD', amount: '5' } : spend,
      );
      expect([status, body.code, body.outcome]).toEqual([503, 'unavailable', 'not_applied']);
      expect(body.detail).toMatch(/no memory left.*raise its maxmemory/);
    }
    const goingOn = [
      await gateway.post(`/v1/holds/${settled}/settle`, { amount: '2' }),
      await gateway.post(`/v1/holds/${released}/release`, {}),
      await gateway.post(`/v1/customers/${id}/grants/${grant.body.id}/void`, {}),
      await gateway.post(`/v1/customers/${id}/wallet/freeze`, {}),
    ];
    expect(goingOn.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    const isExpired = async () => (await gateway.get(`/v1/holds/${expiring}`)).body.status === 'expired';
    expect(await waitUntil(isExpired, 15_000, 100)).toBe(true);
    await waitUntilDrained({ sql, redis });
    const account = (await gateway.get(`/v1/customers/${id}/wallet`)).body.accounts[0];
    expect([account.available, account.held]).toEqual(['98', '0']);
    await redis.config('SET', 'maxmemory', 0);
    expect((await gateway.post('/v1/charge', spend)).status).toBe(403);
    expect((await gateway.post(`/v1/customers/${id}/wallet/unfreeze`, {})).status).toBe(200);
    expect((await gateway.post('/v1/charge', spend)).status).toBe(200);
    gateway.stop();
    await waitUntilDrained({ sql, redis });
    await expectSound(sql);
    expectContiguous(await readBook(sql));
  },
);

test(
  'entries wait too long for the ledger: new work is refused until they are there',
  { timeout: 60_000 },
  async () => {
    await worker?.stop();
    worker = undefined;
    const id = await customer();
    const spend = { customer_id: id, asset: 'USD', amount: '1' };
    const hold = await client.post('/v1/authorize', spend);
    await makeOlder(walletOf(environmentId, id).partition, outboxAgeMaxMs + 60_000);
    expect(await waitUntil(isRefused, 15_000, 50)).toBe(true);
    expect(await metric('farebox_backpressure{reason="outbox_age"')).toBe(1);
    expect(await metric('farebox_oldest_entry_age_seconds')).toBeGreaterThan(outboxAgeMaxMs / 1_000);
    const detail = /waited more than 30 minutes for the ledger: see that workers run/;
    expectRefused(await client.post('/v1/authorize', spend), detail);
    expectRefused(await client.post(`/v1/customers/${id}/grants`, { asset: 'USD', amount: '3' }), detail);
    expect((await client.post(`/v1/holds/${hold.body.id}/settle`, { amount: '1' })).status).toBe(200);
    await startWorker();
    expect(await waitUntil(isTakenOn, 20_000, 50)).toBe(true);
    expect((await client.post('/v1/authorize', spend)).status).toBe(200);
    await waitUntilDrained({ sql, redis });
    await expectSound(sql);
    expectContiguous(await readBook(sql));
  },
);

/** The entries that wait in a partition, as they would be if they had waited so long. */
async function makeOlder(partition: number, byMs: number): Promise<void> {
  const [{ epoch }] = await sql<[{ epoch: bigint }]>`select epoch from partitions where partition = ${partition}`;
  const key = outboxKey(partition, Number(epoch));
  const waiting = await redis.xrangeBuffer(key, '-', '+');
  expect(waiting.length).toBeGreaterThan(0);
  await redis.del(key);
  for (const [entryId, [field, packed]] of waiting) {
    // After four single bytes and the seq: outbox/entry.ts.
    const timeAt = 12;
    packed!.writeDoubleBE(packed!.readDoubleBE(timeAt) - byMs, timeAt);
    await redis.xadd(key, entryId, field!, packed!);
  }
}
