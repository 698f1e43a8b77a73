// Two releases with different scripts on the same stores, as in a rolling deploy: each has its own library in Redis.
import type { Redis } from 'ioredis';
import { randomBytes } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDatabase, type Sql } from '../src/db/connect.ts';
import { libraryHash } from '../src/wallet/scripts.gen.ts';
import { clientOf, expectStatus, type Client } from './farebox.ts';
import { expectSound, waitUntilDrained } from './faults/books.ts';
import { migrate, startGateway, startWorker, type ProcessOptions, type RoleProcess } from './faults/processes.ts';
import { createDatabase, createRedis, openRedis, type TestDatabase } from './stores.ts';

const key = `fb_test_${randomBytes(24).toString('hex')}`;
const nextHash = libraryHash.split('').reverse().join('');
// Inside the project, so that the packages are found.
const nextRelease = resolve('.cache', `release-${randomBytes(6).toString('hex')}`);
let database: TestDatabase;
let server: Awaited<ReturnType<typeof createRedis>>;
let sql: Sql;
let redis: Redis;
let options: ProcessOptions;
const running: RoleProcess[] = [];

beforeAll(async () => {
  database = await createDatabase();
  server = await createRedis({ appendonly: 'everysec' });
  sql = openDatabase(database.url, { connectionsMax: 2, name: 'test' });
  redis = await openRedis(server.url);
  mkdirSync(nextRelease, { recursive: true });
  cpSync('dist', join(nextRelease, 'dist'), { recursive: true });
  cpSync('package.json', join(nextRelease, 'package.json'));
  const scripts = join(nextRelease, 'dist/src/wallet/scripts.gen.js');
  writeFileSync(scripts, readFileSync(scripts, 'utf8').replaceAll(libraryHash, nextHash));
  options = {
    folder: mkdtempSync(join(tmpdir(), 'farebox-releases-')),
    env: {
      DATABASE_URL: database.url,
      REDIS_URL: server.url,
      FAREBOX_BOOTSTRAP_KEY: key,
      FAREBOX_ADMIN_PASSWORD: 'operator',
    },
  };
  await migrate(options);
});

afterAll(async () => {
  for (const role of running) await role.kill();
  redis.disconnect();
  await sql.end();
  await server.stop();
  await database.drop();
  rmSync(nextRelease, { recursive: true });
  rmSync(options.folder, { recursive: true });
});

async function keep(starting: Promise<RoleProcess>): Promise<RoleProcess> {
  const role = await starting;
  running.push(role);
  return role;
}

/** What was made at one is spent, held and settled at the other, each by the same scopes, instances, budgets and counts. */
async function scopedAndRecurring(one: Client, other: Client): Promise<void> {
  const tiers = [
    { up_to: 10, unit_amount: '1' },
    { up_to: null, unit_amount: '0.5' },
  ];
  const price = { id: 'p', event_type: 'image', asset: 'USD', model: 'graduated', quantity: 'n', tiers_over: 'month' };
  const product = { id: 'images', name: 'images', default: true, prices: [{ ...price, tiers }] };
  await expectStatus(one.post('/v1/products', product), 201);
  await expectStatus(other.post('/v1/products/images/versions/1/publish'), 200);
  await expectStatus(other.post('/v1/customers', { id: 'two' }), 201);
  const grants = '/v1/customers/two/grants';
  const scope = { event_types: ['image'] };
  await expectStatus(one.post(grants, { asset: 'USD', amount: '6', scope }), 201);
  const recurrence = { each: 'month' };
  const made = await expectStatus(other.post(grants, { asset: 'USD', amount: '20', recurrence }), 201);
  const terms = { name: 'b', asset: 'USD', limit: '15', period: { unit: 'month' }, match: {}, enforcement: 'hard' };
  const budget = (await expectStatus(one.post('/v1/customers/two/budgets', terms), 201)).body;
  const event = (n: number) => ({ customer_id: 'two', event_type: 'image', data: { n } });
  // 4 of the scoped 6.
  expect((await other.post('/v1/charge', event(4))).body).toMatchObject({ amount: '4', available: '22' });
  const held = await expectStatus(one.post('/v1/authorize', event(8)), 200);
  // 4 were used: 6 at 1, 2 at a half.
  expect(held.body).toMatchObject({ amount: '7' });
  expect((await other.post('/v1/authorize', event(8))).body).toMatchObject({ code: 'budget_exceeded' });
  const settled = await other.post(`/v1/holds/${held.body.id}/settle`, { event_type: 'image', data: { n: 8 } });
  expect(settled.body).toMatchObject({ settled: '7', available: '15' });
  for (const by of [one, other]) {
    const { accounts } = (await by.get('/v1/customers/two/wallet')).body;
    expect(accounts).toMatchObject([{ available: '15', held: '0', grants: [{ id: made.body.id, remaining: '15' }] }]);
    expect((await by.get(`/v1/customers/two/budgets/${budget.id}`)).body).toMatchObject({
      spent: '11',
      remaining: '4',
    });
    const all = (await by.get(`${grants}?limit=100`)).body.data as { status: string; recurrence?: object }[];
    expect(all.filter(({ status }) => status === 'scheduled').length).toBeGreaterThan(1);
  }
  // One release cancels what the other began.
  await expectStatus(one.post(`${grants}/${made.body.id}/cancel`, {}), 200);
  const left = (await other.get(`${grants}?limit=100`)).body.data as { status: string }[];
  expect(left.filter(({ status }) => status === 'scheduled')).toEqual([]);
}

test('share wallets, holds and what was answered; the old one leaves in the middle of it', async () => {
  const next = { ...options, main: join(nextRelease, 'dist/src/main.js') };
  const oldWorker = await keep(startWorker(options));
  const oldGateway = await keep(startGateway(options));
  const [newGateway, newWorker] = [await keep(startGateway(next)), await keep(startWorker(next))];
  const [before, after] = [clientOf(oldGateway.url, key), clientOf(newGateway.url, key)];
  await expectStatus(before.post('/v1/customers', { id: 'one' }), 201);
  await expectStatus(after.post('/v1/customers/one/grants', { asset: 'USD', amount: '100' }), 201);
  const spend = { customer_id: 'one', asset: 'USD', amount: '1' };
  const first = await before.post('/v1/charge', spend, { 'idempotency-key': 'across' });
  const again = await after.post('/v1/charge', spend, { 'idempotency-key': 'across' });
  expect(again.body).toEqual(first.body);
  const held = await expectStatus(before.post('/v1/authorize', spend), 200);
  await expectStatus(after.post(`/v1/holds/${held.body.id}/settle`, { amount: '0.5' }), 200);
  const names = (await redis.call('FUNCTION', 'LIST')) as string[][];
  expect(new Set(names.map(([, name]) => name))).toEqual(new Set([`farebox_${libraryHash}`, `farebox_${nextHash}`]));

  await scopedAndRecurring(before, after);

  const charges = Array.from({ length: 60 }, async (_, n) => {
    const [one, other] = n % 2 === 0 ? [before, after] : [after, before];
    const headers = { 'idempotency-key': `charge ${n}` };
    const asked = () => one.post('/v1/charge', spend, headers).catch(() => undefined);
    const reply = (await asked()) ?? (await other.post('/v1/charge', spend, headers));
    return reply.status;
  });
  const stopped = Promise.all([oldGateway.stop(), oldWorker.stop()]);
  expect(new Set(await Promise.all(charges))).toEqual(new Set([200]));
  expect((await stopped).map(({ code }) => code)).toEqual([0, 0]);
  const { body } = await after.get('/v1/customers/one/wallet');
  expect(body.accounts[0]).toMatchObject({ available: '38.5', held: '0' });
  await waitUntilDrained({ sql, redis });
  await expectSound(sql);
  expect((await newWorker.stop()).code).toBe(0);
});
