// Redis is killed, flushed, put back and taken for another's: nothing is decided on what it lost, and it comes back by itself.
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openDatabase, type Sql } from '../src/db/connect.ts';
import { fenceKey, walletKey, walletOf } from '../src/wallet/keys.ts';
import { connectRedis, waitUntilReady } from '../src/wallet/redis.ts';
import { recover, type RecoverStep } from '../src/worker/recover.ts';
import { startFarebox, type Client, type Farebox, type Reply } from './farebox.ts';
import { expectSound, waitUntilDrained } from './faults/books.ts';
import { createRedis } from './stores.ts';

let farebox: Farebox;
let client: Client;
let sql: Sql;
let redis: ReturnType<typeof connectRedis>;
let environmentId: string;
let named = 0;

beforeAll(async () => {
  farebox = await startFarebox();
  client = farebox.client;
  sql = openDatabase(farebox.database.url, { connectionsMax: 3, name: 'test' });
  redis = connectRedis(farebox.redis.url, () => undefined);
  await waitUntilReady(redis, 5_000);
  await farebox.customer('probe');
  environmentId = (await sql<{ id: string }[]>`select id from environments`)[0]!.id;
});

afterAll(async () => {
  redis.disconnect();
  await sql.end();
  await farebox.stop();
});

beforeEach(() => expect.poll(takesDecisions, { timeout: 20_000 }).toBe(true));

const customer = (amount = '100') => farebox.customer(`customer_${(named += 1)}`, amount);

function charge(id: string, amount: string, key = `key ${(named += 1)}`): Promise<Reply> {
  return client.post('/v1/charge', { customer_id: id, asset: 'USD', amount }, { 'idempotency-key': key });
}

async function account(id: string): Promise<{ available: string; held: string }> {
  const { body } = await client.get(`/v1/customers/${id}/wallet`);
  return { available: body.accounts[0].available, held: body.accounts[0].held };
}

async function epochNow(): Promise<number> {
  return (await sql<{ epoch: number }[]>`select max(epoch) as epoch from partitions`)[0]!.epoch;
}

async function isReady(): Promise<boolean> {
  return (await fetch(`${client.url}/readyz`)).status === 200;
}

/** Does it to Redis, and waits until every partition takes decisions in a later epoch. */
async function losing(damage: () => Promise<unknown>): Promise<void> {
  const before = await epochNow();
  await damage();
  await expect.poll(epochNow, { timeout: 20_000 }).toBeGreaterThan(before);
  await waitUntilReady(redis, 5_000);
  await expect.poll(takesDecisions, { timeout: 20_000 }).toBe(true);
}

/** Not what /readyz saw a second ago. */
async function takesDecisions(): Promise<boolean> {
  const fences = await Promise.all(Array.from({ length: 256 }, (_, partition) => redis.get(fenceKey(partition))));
  const epochs = await sql<{ epoch: number }[]>`select epoch from partitions order by partition`;
  const isOpen = fences.every((fence, partition) => fence?.endsWith(`:${epochs[partition]?.epoch}`));
  return isOpen && (await isReady()) && (await charge('probe', '0')).status === 200;
}

async function restart(between: () => unknown = () => undefined): Promise<void> {
  await farebox.redis.kill();
  await between();
  await farebox.redis.restart();
}

async function dataDir(): Promise<string> {
  const [, dir = ''] = await redis.config('GET', 'dir');
  return dir;
}

/** While this runs, entries stay in Redis. */
async function withDrainStopped<T>(work: () => Promise<T>): Promise<T> {
  const session = await sql.reserve();
  try {
    await session`begin`;
    await session`select from partitions for update`;
    return await work();
  } finally {
    await session`rollback`;
    session.release();
  }
}

describe('after a restart', () => {
  test('balances, holds and what was answered are as before', async () => {
    const id = await customer();
    const { body: held } = await client.post('/v1/authorize', { customer_id: id, asset: 'USD', amount: '30' });
    const first = await charge(id, '10', 'before the restart');
    const before = await account(id);
    await losing(restart);
    expect(await account(id)).toEqual(before);
    const again = await charge(id, '10', 'before the restart');
    expect(again.body).toEqual(first.body);
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    expect((await client.post(`/v1/holds/${held.id}/settle`, { amount: '25' })).status).toBe(200);
    expect(await account(id)).toEqual({ available: '65', held: '0' });
    await waitUntilDrained({ sql, redis });
    await expectSound(sql);
  });

  test('no decision is taken before the ledger has been asked, even where nobody recovers', async () => {
    const id = await customer();
    const alone = await farebox.addGateway();
    const stop = await withDrainStopped(async () => {
      // Recovery waits for the same rows that the drain waits for.
      await restart();
      await expect.poll(async () => (await alone.get('/livez')).status).toBe(200);
      for (let attempt = 1; attempt <= 20; attempt += 1) {
        const body = { customer_id: id, asset: 'USD', amount: '1' };
        expect((await alone.post('/v1/charge', body)).status).toBe(503);
      }
      return true;
    });
    expect(stop).toBe(true);
    await expect.poll(takesDecisions, { timeout: 20_000 }).toBe(true);
    expect((await charge(id, '1')).status).toBe(200);
  });
});

test('a key that Farebox gave out finds its operation, long after Redis has forgotten it', async () => {
  const id = await customer();
  const key = 'req_0123456789ab7';
  const first = await charge(id, '10', key);
  await redis.del(await redis.keys('*:o:*'));
  const again = await charge(id, '10', key);
  expect(again.body).toEqual(first.body);
  expect(again.headers.get('idempotent-replayed')).toBe('true');
  expect(await account(id)).toEqual({ available: '90', held: '0' });
});

describe('after FLUSHALL', () => {
  test('wallets and holds come back from the ledger, and what was answered is remembered', async () => {
    const id = await customer();
    const first = await charge(id, '10', 'before the flush');
    const { body: held } = await client.post('/v1/authorize', { customer_id: id, asset: 'USD', amount: '30' });
    await waitUntilDrained({ sql, redis });
    await losing(() => redis.flushall());
    const again = await charge(id, '10', 'before the flush');
    expect(again.body).toEqual(first.body);
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    expect((await charge(id, '11', 'before the flush')).body.code).toBe('idempotency_conflict');
    expect(await account(id)).toEqual({ available: '60', held: '30' });
    const settled = await client.post(`/v1/holds/${held.id}/settle`, { amount: '20' });
    expect(settled.body).toMatchObject({ status: 'settled', released: '10', available: '70', held: '0' });
    await waitUntilDrained({ sql, redis });
    await expectSound(sql);
  });

  test('a hold that nobody touches expires all the same', async () => {
    const id = await customer();
    const body = { customer_id: id, asset: 'USD', amount: '30', ttl_ms: 1_000 };
    const { body: held } = await client.post('/v1/authorize', body);
    await waitUntilDrained({ sql, redis });
    await losing(() => redis.flushall());
    const status = async () =>
      (
        await sql<
          { status: string }[]
        >`select status from holds where wallet_id = ${walletOf(environmentId, id).walletId}`
      )[0]?.status;
    await expect.poll(status, { timeout: 20_000 }).toBe('expired');
    expect((await client.get(`/v1/holds/${held.id}`)).body.status).toBe('expired');
  });

  test('what was acknowledged and not in the ledger yet is lost, counted and told', async () => {
    const id = await customer();
    await waitUntilDrained({ sql, redis });
    const lostBefore = await lost();
    await losing(() =>
      withDrainStopped(async () => {
        for (let n = 1; n <= 7; n += 1) expect((await charge(id, '1')).status).toBe(200);
        await redis.flushall();
        // Gateways look every second, and say then what they have acknowledged.
        await expect.poll(isReady, { timeout: 5_000 }).toBe(false);
      }),
    );
    expect(await account(id)).toEqual({ available: '100', held: '0' });
    await expect.poll(async () => (await lost()) - lostBefore, { timeout: 5_000 }).toBe(7);
    await waitUntilDrained({ sql, redis });
    await expectSound(sql);
  });

  async function lost(): Promise<number> {
    const { body } = await client.get('/readyz');
    return body.dependencies.redis.acknowledged_lost?.fast ?? 0;
  }
});

describe("when yesterday's Redis is put back", () => {
  test('wallets are what the ledger says, and an operation of today is not applied again', async () => {
    const id = await customer();
    const untouched = await customer('7');
    await waitUntilDrained({ sql, redis });
    const dir = await dataDir();
    const aside = `${dir}-aside`;
    await redis.call('BGREWRITEAOF');
    await expect.poll(() => redis.info('persistence')).toMatch(/aof_rewrite_in_progress:0/);
    await losing(() => restart(() => cpSync(join(dir, 'appendonlydir'), aside, { recursive: true })));
    const first = await charge(id, '60', 'today');
    await waitUntilDrained({ sql, redis });
    await losing(() =>
      restart(() => {
        rmSync(join(dir, 'appendonlydir'), { recursive: true });
        cpSync(aside, join(dir, 'appendonlydir'), { recursive: true });
      }),
    );
    expect((await charge(id, '60', 'today')).body).toEqual(first.body);
    expect((await charge(id, '60')).status).toBe(402);
    expect(await account(id)).toEqual({ available: '40', held: '0' });
    expect(await account(untouched)).toEqual({ available: '7', held: '0' });
    await waitUntilDrained({ sql, redis });
    await expectSound(sql);
  });
});

describe('a wallet that differs from the ledger at an equal version', () => {
  async function differencesTold(): Promise<number> {
    const { text } = await client.get('/metrics');
    return Number(/farebox_reconcile_differences_total\{role="gateway"\} (\d+)/.exec(text)?.[1]);
  }

  test('is frozen when it is next used', async () => {
    const id = await customer();
    await waitUntilDrained({ sql, redis });
    const key = walletKey(walletOf(environmentId, id));
    const balances = await redis.hgetBuffer(key, 'a1');
    balances!.writeDoubleBE(balances!.readDoubleBE(0) + 1, 0);
    await redis.hset(key, 'a1', balances!);
    await losing(restart);
    const before = await differencesTold();
    expect((await charge(id, '1')).body.code).toBe('wallet_frozen');
    expect((await client.get(`/v1/customers/${id}/wallet`)).body.freeze_reason).toBe('reconcile');
    expect(await differencesTold()).toBe(before + 1);
    // At the next loss it is still frozen, and nobody is told again.
    await losing(restart);
    expect((await charge(id, '1')).body.code).toBe('wallet_frozen');
    expect(await differencesTold()).toBe(before + 1);
  });
});

describe('recovery that is ended', () => {
  test.each<RecoverStep>(['closed', 'drained', 'begun', 'opened'])(
    'after step "%s" is finished by the next',
    async (step) => {
      const id = await customer();
      expect((await charge(id, '1')).status).toBe(200);
      await waitUntilDrained({ sql, redis });
      const other = await createRedis({ appendonly: 'everysec' });
      const own = await startFarebox({ over: { redisUrl: other.url, queueRedisUrl: other.url } });
      const there = connectRedis(other.url, () => undefined);
      const books = openDatabase(own.database.url, { connectionsMax: 2, name: 'test' });
      try {
        await waitUntilReady(there, 5_000);
        await own.customer('one', '5');
        await waitUntilDrained({ sql: books, redis: there });
        const [{ id: installation } = { id: '' }] = await books<{ id: string }[]>`select id from installation`;
        await there.flushall();
        const broken = recover({
          sql: books,
          redis: there,
          installation,
          drainLane: async () => ({ status: 'drained', written: 0, quarantined: 0 }),
          readDurability: async () => 'fast',
          onWarning: () => undefined,
          reached: (at) => {
            if (at === step) throw new Error(`ended at ${at}`);
          },
        });
        await broken.catch((error: Error) => expect(error.message).toBe(`ended at ${step}`));
        const spend = { customer_id: 'one', asset: 'USD', amount: '1' };
        await expect
          .poll(async () => (await own.client.post('/v1/charge', spend)).status, { timeout: 20_000 })
          .toBe(200);
        await waitUntilDrained({ sql: books, redis: there });
        await expectSound(books);
      } finally {
        there.disconnect();
        await books.end();
        await own.stop();
        await other.stop();
      }
    },
  );
});

describe("another installation's Redis", () => {
  test('is left as it is, and nothing is decided on it', async () => {
    const id = await customer();
    await waitUntilDrained({ sql, redis });
    const stranger = await startFarebox({ over: { redisUrl: farebox.redis.url, queueRedisUrl: farebox.redis.url } });
    try {
      expect((await fetch(`${stranger.client.url}/readyz`)).status).toBe(503);
      const created = await stranger.client.post('/v1/customers', { id });
      expect(created.status).toBe(503);
      expect((await charge(id, '1')).status).toBe(200);
    } finally {
      await stranger.stop();
    }
  });
});
