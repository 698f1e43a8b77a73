// Redis is killed, flushed, put back and taken for another's: nothing is decided on what it lost, and it comes back by itself.
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { openDatabase } from '../src/db/connect.ts';
import { walletKey } from '../src/wallet/keys.ts';
import { recover, type RecoverStep } from '../src/worker/recover.ts';
import { clientOf, startFarebox } from './farebox.ts';
import { startGateway, startWorker } from './faults/processes.ts';
import { expectSound, waitUntilDrained } from './faults/books.ts';
import { someOf } from './faults/seeded.ts';
import { putOffPasses } from './reconciled.ts';
import { openScene, schedulesKept, type Scene } from './recover.scene.ts';
import { createRedis, openRedis } from './stores.ts';

let scene: Scene;

beforeAll(async () => {
  scene = await openScene();
});

afterAll(() => scene.close());

beforeEach(() => expect.poll(scene.takesDecisions, { timeout: 20_000 }).toBe(true));

async function dataDir(): Promise<string> {
  const [, dir = ''] = await scene.redis.config('GET', 'dir');
  return dir;
}

describe('after a restart', () => {
  test('balances, holds and what was answered are as before', async () => {
    const id = await scene.customer();
    const { body: held } = await scene.client.post('/v1/authorize', { customer_id: id, asset: 'USD', amount: '30' });
    const first = await scene.charge(id, '10', 'before the restart');
    const before = await scene.account(id);
    await scene.losing(scene.restart);
    expect(await scene.account(id)).toEqual(before);
    const again = await scene.charge(id, '10', 'before the restart');
    expect(again.body).toEqual(first.body);
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    expect((await scene.client.post(`/v1/holds/${held.id}/settle`, { amount: '25' })).status).toBe(200);
    expect(await scene.account(id)).toEqual({ available: '65', held: '0' });
    await scene.drained();
    await expectSound(scene.sql);
  });

  test('no decision is taken before the ledger has been asked, even where nobody recovers', async () => {
    const id = await scene.customer();
    const alone = await scene.farebox.addGateway();
    const stop = await scene.withDrainStopped(async () => {
      // Recovery waits for the same rows that the drain waits for.
      await scene.restart();
      await expect.poll(async () => (await alone.get('/livez')).status).toBe(200);
      for (let attempt = 1; attempt <= 20; attempt += 1) {
        const body = { customer_id: id, asset: 'USD', amount: '1' };
        expect((await alone.post('/v1/charge', body)).status).toBe(503);
      }
      return true;
    });
    expect(stop).toBe(true);
    await expect.poll(scene.takesDecisions, { timeout: 20_000 }).toBe(true);
    expect((await scene.charge(id, '1')).status).toBe(200);
  });
});

test('a key that Farebox gave out finds its operation, long after Redis has forgotten it', async () => {
  const id = await scene.customer();
  const key = 'req_0123456789ab7';
  const first = await scene.charge(id, '10', key);
  await scene.redis.del(await scene.redis.keys('{p*}o:*'));
  const again = await scene.charge(id, '10', key);
  expect(again.body).toEqual(first.body);
  expect(again.headers.get('idempotent-replayed')).toBe('true');
  expect(await scene.account(id)).toEqual({ available: '90', held: '0' });
});

describe('after FLUSHALL', () => {
  test('wallets and holds come back from the ledger, and what was answered is remembered', async () => {
    const id = await scene.customer();
    const first = await scene.charge(id, '10', 'before the flush');
    const { body: held } = await scene.client.post('/v1/authorize', { customer_id: id, asset: 'USD', amount: '30' });
    await scene.drained();
    await scene.losing(() => scene.redis.flushall());
    const again = await scene.charge(id, '10', 'before the flush');
    expect(again.body).toEqual(first.body);
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    expect((await scene.charge(id, '11', 'before the flush')).body.code).toBe('idempotency_conflict');
    expect(await scene.account(id)).toEqual({ available: '60', held: '30' });
    const settled = await scene.client.post(`/v1/holds/${held.id}/settle`, { amount: '20' });
    expect(settled.body).toMatchObject({ status: 'settled', released: '10', available: '70', held: '0' });
    const kept = () => Promise.all(schedulesKept.map(({ key }) => scene.redis.zcard(key)));
    await expect.poll(kept, { timeout: 20_000 }).toEqual(schedulesKept.map(({ count }) => count));
    await scene.drained();
    await expectSound(scene.sql);
  });

  test('a hold that nobody touches expires all the same', async () => {
    const id = await scene.customer();
    const body = { customer_id: id, asset: 'USD', amount: '30', ttl_ms: 1_000 };
    const { body: held } = await scene.client.post('/v1/authorize', body);
    await scene.drained();
    await scene.losing(() => scene.redis.flushall());
    const status = async () =>
      (
        await scene.sql<{ status: string }[]>`select status from holds where wallet_id = ${scene.walletOf(id).walletId}`
      )[0]?.status;
    await expect.poll(status, { timeout: 20_000 }).toBe('expired');
    expect((await scene.client.get(`/v1/holds/${held.id}`)).body.status).toBe('expired');
  });

  test('grants that nobody touches start and expire all the same', async () => {
    const id = await scene.customer('5');
    const inMs = (ms: number) => new Date(Date.now() + ms).toISOString();
    const grant = (terms: object) =>
      scene.client.post(`/v1/customers/${id}/grants`, { asset: 'USD', amount: '7', ...terms });
    // Due while nobody looks: the flush comes before.
    await grant({ effective_at: inMs(3_000) });
    await grant({ expires_at: inMs(3_000) });
    await scene.drained();
    await scene.losing(async () => {
      await scene.redis.flushall();
      // From here on it comes back only with what is due in it.
      expect(await scene.redis.exists(walletKey(scene.walletOf(id)))).toBe(0);
    });
    const states = async () =>
      (
        await scene.sql<{ state: string }[]>`
          select state::text from grants where wallet_id = ${scene.walletOf(id).walletId} order by grant_no`
      ).map(({ state }) => state);
    await expect.poll(states, { timeout: 20_000 }).toEqual(['active', 'active', 'expired']);
    await scene.drained();
    await expectSound(scene.sql);
  });

  test('what was acknowledged and not in the ledger yet is lost, counted and told', async () => {
    const id = await scene.customer();
    await scene.drained();
    const lostBefore = await scene.lost();
    await scene.losing(() =>
      scene.withDrainStopped(async () => {
        for (let n = 1; n <= 7; n += 1) expect((await scene.charge(id, '1')).status).toBe(200);
        await scene.redis.flushall();
        // Gateways look every second, and say then what they have acknowledged.
        await expect.poll(scene.isReady, { timeout: 5_000 }).toBe(false);
      }),
    );
    // A drain that had read some of them before the flush writes them after it.
    const kept = 100 - Number((await scene.account(id)).available);
    await expect.poll(async () => (await scene.lost()) - lostBefore + kept, { timeout: 5_000 }).toBe(7);
    const lost = await scene.lost();
    const metric = async () => {
      const { text } = await scene.client.get('/metrics');
      return Number(/^farebox_acknowledged_lost\{.*durability="fast".*\} (\d+)$/m.exec(text)?.[1] ?? 0);
    };
    await expect.poll(metric, { timeout: 10_000 }).toBe(lost);
    // A worker that starts later tells of it, too: whoever recovered may have died.
    const { databaseUrl, redisUrl } = scene.farebox.config;
    const env = { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl };
    const later = await startWorker({ folder: mkdtempSync(join(inject('stores').folder, 'worker-')), env });
    try {
      const says = new RegExp(
        `"durability":"fast","operations":${lost},"msg":"at least so many acknowledged operations`,
      );
      if (lost > 0) await expect.poll(later.log, { timeout: 10_000 }).toMatch(says);
    } finally {
      await later.stop();
    }
    await scene.drained();
    await expectSound(scene.sql);
  });
  test('what a gateway acknowledged that dies together with Redis is counted, too', { timeout: 60_000 }, async () => {
    const id = await scene.customer();
    await scene.drained();
    const lostBefore = await scene.lost();
    const { databaseUrl, redisUrl, bootstrapKey = '' } = scene.farebox.config;
    const env = { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl, FAREBOX_BOOTSTRAP_KEY: bootstrapKey };
    const gateway = await startGateway({ folder: mkdtempSync(join(inject('stores').folder, 'gateway-')), env });
    const told = async () =>
      (
        await scene.sql<{ seqs: number }[]>`
        select coalesce(sum(epochs.acknowledged_seq - partitions.seq), 0)::integer as seqs
        from epochs join partitions using (partition, epoch) where epochs.acknowledged_seq > partitions.seq`
      )[0]!.seqs;
    await scene.losing(() =>
      scene.withDrainStopped(async () => {
        const { post } = clientOf(gateway.url, scene.farebox.key);
        for (let n = 1; n <= 7; n += 1) {
          expect((await post('/v1/charge', { customer_id: id, asset: 'USD', amount: '1' })).status).toBe(200);
        }
        // It tells every second; in the second before its end nobody would know.
        await expect.poll(told, { timeout: 10_000 }).toBe(7);
        await gateway.kill();
        await scene.redis.flushall();
        await expect.poll(scene.isReady, { timeout: 5_000 }).toBe(false);
      }),
    );
    // A drain that had read some of them before the flush writes them after it.
    const kept = 100 - Number((await scene.account(id)).available);
    await expect.poll(async () => (await scene.lost()) - lostBefore + kept, { timeout: 5_000 }).toBe(7);
  });

  test('what was acknowledged by a repeat alone is counted, too', { timeout: 60_000 }, async () => {
    const id = await scene.customer();
    await scene.drained();
    const lostBefore = await scene.lost();
    const { databaseUrl, redisUrl, bootstrapKey = '' } = scene.farebox.config;
    const env = { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl, FAREBOX_BOOTSTRAP_KEY: bootstrapKey };
    const gateway = await startGateway({ folder: mkdtempSync(join(inject('stores').folder, 'gateway-')), env });
    const body = { customer_id: id, asset: 'USD', amount: '1' };
    const key = { 'idempotency-key': 'heard the second time' };
    await scene.losing(() =>
      scene.withDrainStopped(async () => {
        // It dies before it can say that it has acknowledged anything.
        await clientOf(gateway.url, scene.farebox.key).post('/v1/charge', body, key);
        await gateway.kill();
        const repeated = await scene.farebox.client.post('/v1/charge', body, key);
        expect(repeated.headers.get('idempotent-replayed')).toBe('true');
        await scene.redis.flushall();
        await expect.poll(scene.isReady, { timeout: 5_000 }).toBe(false);
      }),
    );
    // A drain that had read it before the flush writes it after it.
    const kept = 100 - Number((await scene.account(id)).available);
    await expect.poll(async () => (await scene.lost()) - lostBefore + kept, { timeout: 5_000 }).toBe(1);
  });
});

describe("when yesterday's Redis is put back", () => {
  test('wallets are what the ledger says, and an operation of today is not applied again', async () => {
    const id = await scene.customer();
    const untouched = await scene.customer('7');
    await scene.drained();
    const dir = await dataDir();
    const aside = `${dir}-aside`;
    await scene.redis.call('BGREWRITEAOF');
    await expect.poll(() => scene.redis.info('persistence'), { timeout: 20_000 }).toMatch(/aof_rewrite_in_progress:0/);
    await scene.losing(() => scene.restart(() => cpSync(join(dir, 'appendonlydir'), aside, { recursive: true })));
    const first = await scene.charge(id, '60', 'today');
    await scene.drained();
    await scene.losing(() =>
      scene.restart(() => {
        rmSync(join(dir, 'appendonlydir'), { recursive: true });
        cpSync(aside, join(dir, 'appendonlydir'), { recursive: true });
      }),
    );
    expect((await scene.charge(id, '60', 'today')).body).toEqual(first.body);
    expect((await scene.charge(id, '60')).status).toBe(402);
    expect(await scene.account(id)).toEqual({ available: '40', held: '0' });
    expect(await scene.account(untouched)).toEqual({ available: '7', held: '0' });
    await scene.drained();
    await expectSound(scene.sql);
  });
});

describe('a wallet that differs from the ledger at an equal version', () => {
  async function differencesTold(): Promise<number> {
    const { text } = await scene.client.get('/metrics');
    return Number(/farebox_reconcile_differences_total\{role="gateway"\} (\d+)/.exec(text)?.[1]);
  }

  test('is frozen when it is next used', async () => {
    const id = await scene.customer();
    await scene.drained();
    await putOffPasses(scene.sql);
    const key = walletKey(scene.walletOf(id));
    const balances = await scene.redis.hgetBuffer(key, 'a1');
    balances!.writeDoubleBE(balances!.readDoubleBE(0) + 1, 0);
    await scene.redis.hset(key, 'a1', balances!);
    await scene.losing(scene.restart);
    const before = await differencesTold();
    expect((await scene.charge(id, '1')).body.code).toBe('wallet_frozen');
    expect((await scene.client.get(`/v1/customers/${id}/wallet`)).body.freeze_reason).toBe('reconcile');
    expect(await differencesTold()).toBe(before + 1);
    // At the next loss it is still frozen, and nobody is told again.
    await scene.losing(scene.restart);
    expect((await scene.charge(id, '1')).body.code).toBe('wallet_frozen');
    expect(await differencesTold()).toBe(before + 1);
  });
});

test('a wallet that agrees with the ledger, but has lost its consumption order, is rebuilt when it is next used', async () => {
  const id = await scene.customer();
  await scene.drained();
  const key = walletKey(scene.walletOf(id));
  const order = await scene.redis.hgetBuffer(key, 'o1');
  await scene.losing(scene.restart);
  await scene.redis.hset(key, 'o1', '');
  expect((await scene.charge(id, '1')).status).toBe(200);
  expect(await scene.redis.hgetBuffer(key, 'o1')).toEqual(order);
  expect(await scene.account(id)).toEqual({ available: '99', held: '0' });
});

describe('recovery that is ended', () => {
  test.each(someOf<RecoverStep>(['closed', 'drained', 'begun', 'opened'], 2))(
    'after step "%s" is finished by the next',
    async (step) => {
      const id = await scene.customer();
      expect((await scene.charge(id, '1')).status).toBe(200);
      await scene.drained();
      const other = await createRedis({ appendonly: 'everysec' });
      const own = await startFarebox({ over: { redisUrl: other.url, queueRedisUrl: other.url } });
      const there = await openRedis(other.url);
      const books = openDatabase(own.database.url, { connectionsMax: 2, name: 'test' });
      try {
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
    const id = await scene.customer();
    await scene.drained();
    const stranger = await startFarebox({
      over: { redisUrl: scene.farebox.redis.url, queueRedisUrl: scene.farebox.redis.url },
    });
    try {
      expect((await fetch(`${stranger.client.url}/readyz`)).status).toBe(503);
      const created = await stranger.client.post('/v1/customers', { id });
      expect(created.status).toBe(503);
      expect((await scene.charge(id, '1')).status).toBe(200);
    } finally {
      await stranger.stop();
    }
  });
});
