// Postgres refuses connections, or falls silent as a lost host does: spending does not notice, what needs it is told so in
// time, and the drain goes on by itself.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import type { Redis } from 'ioredis';
import { waitUntil } from '../scripts/stores/process.ts';
import { openDatabase, type Sql } from '../src/db/connect.ts';
import { openLog } from '../src/log.ts';
import { runWorker } from '../src/run/worker.ts';
import { startFarebox, type Client, type Farebox, type Reply } from './farebox.ts';
import { expectContiguous, expectSound, readBook, waitUntilDrained } from './faults/books.ts';
import { startSwitch, type Switch } from './faults/switch.ts';
import { openRedis } from './stores.ts';

// What a caller waits at most where Postgres says nothing: longer than any lock, shorter than a client's patience.
const silenceMsMax = 15_000;
// Nothing listens there.
const nowhere = 1;

let farebox: Farebox;
let lead: Switch;
let port: number;
/** Its Postgres is behind the switch. */
let gateway: Client;
let sql: Sql;
let redis: Redis;
let named = 0;
const undo: (() => unknown)[] = [];

beforeAll(async () => {
  farebox = await startFarebox({ worker: false });
  undo.push(farebox.stop);
  const { url } = farebox.database;
  port = Number(new URL(url).port);
  lead = await startSwitch(port);
  undo.push(lead.stop);
  const databaseUrl = url.replace(`:${port}/`, `:${lead.port}/`);
  gateway = await farebox.addGateway({ databaseUrl });
  const worker = await runWorker({ ...farebox.config, databaseUrl }, openLog('silent', 'test'));
  undo.push(worker.stop);
  sql = openDatabase(url, { connectionsMax: 2, name: 'test' });
  redis = await openRedis(farebox.redis.url);
  undo.push(
    () => sql.end(),
    () => redis.disconnect(),
  );
});

afterEach(() => {
  vi.useRealTimers();
  lead.leadTo(port);
});

afterAll(async () => {
  for (const step of undo.reverse()) await step();
});

const customer = () => farebox.customer(`customer_${(named += 1)}`, '100');

function charge(customerId: string): Promise<Reply> {
  return gateway.post('/v1/charge', { customer_id: customerId, asset: 'USD', amount: '1' });
}

function grant(customerId: string): Promise<Reply> {
  return gateway.post(`/v1/customers/${customerId}/grants`, { asset: 'USD', amount: '1' });
}

test('a key that was seen is good at once, for minutes after Postgres went away', async () => {
  const id = await customer();
  expect((await charge(id)).status).toBe(200);
  lead.leadTo(nowhere);
  lead.cut();
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 120_000 });
  // The driver reconnects in growing pauses: whoever waits for that waits longer from wave to wave.
  for (let wave = 1; wave <= 6; wave += 1) {
    const startedMs = performance.now();
    const replies = await Promise.all(Array.from({ length: 10 }, () => charge(id)));
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200]));
    expect(performance.now() - startedMs).toBeLessThan(3_000);
  }
});

test(
  'a grant is refused in time while Postgres is away, and applied once when it is back',
  { timeout: 60_000 },
  async () => {
    const id = await customer();
    lead.leadTo(nowhere);
    lead.cut();
    const startedMs = performance.now();
    const replies = await Promise.all(Array.from({ length: 12 }, () => grant(id)));
    expect(performance.now() - startedMs).toBeLessThan(silenceMsMax);
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([503]));
    lead.leadTo(port);
    const isBack = async () => (await grant(id)).status === 201;
    expect(await waitUntil(isBack, 10_000, 100)).toBe(true);
  },
);

test(
  'Postgres falls silent: spending goes on, grants are answered, the drain goes on',
  { timeout: 90_000 },
  async () => {
    const ids = await Promise.all(Array.from({ length: 24 }, customer));
    await waitUntilDrained({ sql, redis });
    lead.silence();
    for (const id of ids) expect((await charge(id)).status).toBe(200);
    const startedMs = performance.now();
    const granted = Promise.all(ids.map(grant));
    await waitUntilDrained({ sql, redis }, 2 * silenceMsMax);
    const replies = await granted;
    expect(performance.now() - startedMs).toBeLessThan(2 * silenceMsMax);
    expect(replies.filter(({ status }) => status !== 201 && status !== 503)).toEqual([]);
    // Those that were refused with an outcome unknown are seen to by the worker.
    await sleep(100);
    await waitUntilDrained({ sql, redis });
    await expectSound(sql);
    expectContiguous(await readBook(sql));
  },
);
