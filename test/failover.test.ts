// A replica is promoted while the old primary still serves, and a primary is promoted again that had been made a replica: each is
// another run of Redis, on which nothing is decided before the ledger has been asked.
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { openPair, type Pair } from '../scripts/faults/pair.ts';
import { openDatabase, type Sql } from '../src/db/connect.ts';
import { openLog } from '../src/log.ts';
import { runWorker } from '../src/run/worker.ts';
import { connectRedis, waitUntilReady } from '../src/wallet/redis.ts';
import { recover } from '../src/worker/recover.ts';
import { startFarebox, type Client, type Farebox } from './farebox.ts';
import { expectSound, waitUntilDrained } from './faults/books.ts';
import { createRedis } from './stores.ts';

let farebox: Farebox;
let client: Client;
let pair: Pair;
let sql: Sql;
let redis: ReturnType<typeof connectRedis>;
let worker: Awaited<ReturnType<typeof runWorker>> | undefined;
const undo: (() => unknown)[] = [];

beforeAll(async () => {
  const server = await createRedis({ appendonly: 'everysec' });
  undo.push(server.stop);
  const dataDir = mkdtempSync(join(inject('stores').folder, 'replica-'));
  pair = await openPair(server, { dataDir, appendonly: 'everysec' });
  undo.push(pair.stop);
  farebox = await startFarebox({ worker: false, over: { redisUrl: pair.url, queueRedisUrl: pair.url } });
  undo.push(farebox.stop);
  client = farebox.client;
  sql = openDatabase(farebox.database.url, { connectionsMax: 3, name: 'test' });
  undo.push(() => sql.end());
  redis = connectRedis(pair.url, () => undefined);
  undo.push(() => redis.disconnect());
  undo.push(stopWorker);
}, 60_000);

afterAll(async () => {
  for (const step of undo.reverse()) await step();
});

beforeEach(async () => {
  await startWorker();
  await expect.poll(async () => (await fetch(`${client.url}/readyz`)).status, { timeout: 20_000 }).toBe(200);
});

async function startWorker(): Promise<void> {
  worker ??= await runWorker(farebox.config, openLog(farebox.config.logLevel, 'test'));
}

async function stopWorker(): Promise<void> {
  await worker?.stop();
  worker = undefined;
}

const charge = async (id: string) =>
  (await client.post('/v1/charge', { customer_id: id, asset: 'USD', amount: '1' })).status;
const available = async (id: string): Promise<string> =>
  (await client.get(`/v1/customers/${id}/wallet`)).body.accounts[0].available;

async function isDrained(): Promise<void> {
  await waitUntilReady(redis, 5_000);
  await waitUntilDrained({ sql, redis });
}

test('a worker that is still connected to the old primary leaves the wallets where they are', async () => {
  const id = await farebox.customer('ada', '100');
  const late = connectRedis(pair.lateUrl, () => undefined);
  try {
    await waitUntilReady(late, 5_000);
    await pair.failOver();
    await expect.poll(() => charge(id), { timeout: 20_000 }).toBe(200);
    const epochs = await sql`select partition, epoch from partitions order by partition`;
    const [{ id: installation } = { id: '' }] = await sql<{ id: string }[]>`select id from installation`;
    const options = {
      ...{ sql, redis: late, installation },
      drainLane: async () => ({ status: 'drained' as const, written: 0, quarantined: 0 }),
      readDurability: async () => 'fast',
      onWarning: () => undefined,
    };
    expect(await recover(options)).toEqual({ status: 'replaced', partitions: 256 });
    expect(await sql`select partition, epoch from partitions order by partition`).toEqual(epochs);
    expect(await charge(id)).toBe(200);
  } finally {
    late.disconnect();
    pair.tellLatecomers();
    await pair.rejoin();
  }
  // It is taken back where it is promoted again.
  await pair.failOver();
  await pair.rejoin();
  await expect.poll(() => charge(id), { timeout: 20_000 }).toBe(200);
  expect(await available(id)).toBe('97');
  await isDrained();
  await expectSound(sql);
});

test('a primary that comes back by way of a replica that lagged is not believed, though it never stopped', async () => {
  const id = await farebox.customer('bob', '100');
  await isDrained();
  await stopWorker();
  pair.lag(60_000);
  for (let n = 1; n <= 7; n += 1) expect(await charge(id)).toBe(200);
  for (let way = 1; way <= 2; way += 1) {
    await pair.failOver();
    await pair.rejoin();
  }
  // Nobody recovers.
  for (let attempt = 1; attempt <= 20; attempt += 1) expect(await charge(id)).toBe(503);
  await startWorker();
  await expect.poll(() => charge(id), { timeout: 20_000 }).toBe(200);
  expect(await available(id)).toBe('99');
  const lost = async () =>
    (await client.get('/readyz')).body.dependencies.redis.acknowledged_lost?.fast as number | undefined;
  await expect.poll(lost, { timeout: 10_000 }).toBe(7);
  await isDrained();
  await expectSound(sql);
});
