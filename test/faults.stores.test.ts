// Real processes are killed under load, and the stores below them: afterwards everything that was acknowledged is in the
// ledger once, nothing is there twice, and the books are sound.
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { Agent } from 'node:http';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, inject, onTestFailed, onTestFinished, test } from 'vitest';
import type { Redis } from 'ioredis';
import { startPostgres, type PostgresServer } from '../scripts/stores/postgres.ts';
import { waitUntil } from '../scripts/stores/process.ts';
import { openDatabase, type Sql } from '../src/db/connect.ts';
import { walletOf } from '../src/wallet/keys.ts';
import { clientOf, expectStatus, type Client } from './farebox.ts';
import { resolve, verdictOf, yesOf, type Asked } from './faults/asked.ts';
import {
  brief,
  expectBalances,
  expectContiguous,
  expectSound,
  expectToldTruth,
  operationIdOf,
  readBook,
  waitUntilDrained,
} from './faults/books.ts';
import { askFor, live, tally, type World } from './faults/live.ts';
import { migrate, startGateway, startWorker, type ProcessOptions, type RoleProcess } from './faults/processes.ts';
import { requestOnce } from './faults/request-once.ts';
import { randomOf, rounds, seed } from './faults/seeded.ts';
import { startSwitch, type Switch } from './faults/switch.ts';
import { createRedis, openRedis } from './stores.ts';

let folder: string;
let postgres: PostgresServer;
let lead: Switch;
let server: Awaited<ReturnType<typeof createRedis>>;
let processes: ProcessOptions;
let sql: Sql;
let redis: Redis;
let environmentId: string;
const key = `fb_test_${randomBytes(24).toString('hex')}`;
const random = randomOf(seed);
const undo: (() => unknown)[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(inject('stores').folder, 'faults-'));
  // Not the run's own, which other files use: this one is stopped.
  postgres = await startPostgres({ dataDir: folder, database: 'farebox', throwaway: true });
  undo.push(() => postgres.stop());
  lead = await startSwitch(postgres.port);
  undo.push(lead.stop);
  server = await createRedis({ appendonly: 'everysec' });
  undo.push(server.stop);
  const databaseUrl = postgres.url.replace(`:${postgres.port}/`, `:${lead.port}/`);
  processes = {
    folder,
    env: {
      DATABASE_URL: databaseUrl,
      REDIS_URL: server.url,
      FAREBOX_BOOTSTRAP_KEY: key,
      FAREBOX_ADMIN_PASSWORD: 'operator',
    },
  };
  await migrate(processes);
  sql = openDatabase(databaseUrl, { connectionsMax: 2, name: 'test' });
  redis = await openRedis(server.url);
  undo.push(
    () => sql.end(),
    () => redis.disconnect(),
  );
  environmentId = (await sql<{ id: string }[]>`select id from environments`)[0]!.id;
  // The first one opens the partitions; without that no gateway gets ready.
  expect((await (await worker()).stop()).code).toBe(0);
}, 120_000);

afterAll(async () => {
  for (const role of ran) await role.kill();
  for (const step of undo.reverse()) await step();
}, 60_000);

/** All that were started, in order. */
const ran: RoleProcess[] = [];

async function gateway(): Promise<RoleProcess> {
  const started = await startGateway(processes);
  ran.push(started);
  return started;
}

async function worker(how: { isEarly?: boolean } = {}): Promise<RoleProcess> {
  const started = await startWorker(processes, how);
  ran.push(started);
  return started;
}

let named = 0;

/** Customers of a test's own, each with so many clients that ask any of these gateways until `stop`. */
async function startLoad(gateways: Client[], customersCount: number) {
  const customers = await Promise.all(
    Array.from({ length: customersCount }, async () => {
      const id = `customer_${(named += 1)}`;
      await expectStatus(gateways[0]!.post('/v1/customers', { id }), 201);
      return id;
    }),
  );
  let isOver = false;
  onTestFinished(() => {
    isOver = true;
  });
  const world: World = { gateways, random, all: [], isOver: () => isOver };
  const clients = customers.flatMap((id) => [live(world, id), live(world, id)]);
  return {
    customers,
    all: world.all,
    stop: async (): Promise<void> => {
      isOver = true;
      await Promise.all(clients);
    },
  };
}

/** Every doubt is resolved, the ledger has all of it, and what clients were told is what happened. */
async function expectTruth(load: Awaited<ReturnType<typeof startLoad>>, at: Client): Promise<void> {
  const { all } = load;
  const inDoubt = all.filter((asked) => verdictOf(asked) === 'open');
  await Promise.all(inDoubt.map((asked) => resolve(at, asked)));
  expect(inDoubt.filter((asked) => verdictOf(asked) === 'open').map(brief)).toEqual([]);
  expect(all.filter(({ answers }) => answers.some((reply) => reply?.status === 500)).map(brief)).toEqual([]);
  await waitUntilDrained({ sql, redis });
  await expectSound(sql);
  const own = new Set(load.customers.map((id) => walletOf(environmentId, id).walletId));
  const book = (await readBook(sql)).filter(({ walletId }) => own.has(walletId));
  expectContiguous(book);
  expectToldTruth(environmentId, all, book);
  await expectBalances(at, all);
  console.log(`${tally(all)}; ${inDoubt.length} in doubt at the end`);
}

function sayHowToRepeat(): void {
  const before = ran.length;
  onTestFailed(() => {
    console.error(`run it again with FAULT_SEED=${seed}`);
    for (const { name, log } of ran.slice(before).slice(-4)) console.error(`${name}: …${log().slice(-1_500)}`);
  });
}

test('workers are killed again and again', { timeout: rounds(150_000) }, async () => {
  sayHowToRepeat();
  const [one, spare] = [await gateway(), await worker()];
  const client = clientOf(one.url, key);
  const load = await startLoad([client], 10);
  await spare.kill();
  let kills = 0;
  const killed = rounds(3);
  await Promise.all(
    [1, 2].map(async () => {
      while (kills < killed) {
        kills += 1;
        // Some die before they are up.
        const victim = await worker({ isEarly: random.chance(0.2) });
        await sleep(random.between(0, 500));
        await victim.kill();
      }
    }),
  );
  await load.stop();
  const last = await worker();
  await expectTruth(load, client);
  console.log(`${kills + 1} workers killed`);
  expect((await last.stop()).code).toBe(0);
  await one.kill();
});

test(
  'a worker that is asked to stop in the middle of a drain leaves nothing half done',
  { timeout: 90_000 },
  async () => {
    sayHowToRepeat();
    const one = await gateway();
    const client = clientOf(one.url, key);
    const starter = await worker();
    const load = await startLoad([client], 10);
    await starter.kill();
    // What this writes waits in Redis.
    await waitUntil(() => load.all.length > 500, 15_000);
    await load.stop();
    const entries = async () => Number((await sql<{ count: bigint }[]>`select count(*) from entries`)[0]!.count);
    const before = await entries();
    const stopped = await worker({ isEarly: true });
    expect(await waitUntil(async () => (await entries()) > before, 30_000, 2)).toBe(true);
    expect((await stopped.stop()).code).toBe(0);
    await expectSound(sql);
    expectContiguous(await readBook(sql));
    const next = await worker();
    await expectTruth(load, client);
    await next.stop();
    await one.kill();
  },
);

test('gateways are killed, and clients retry on another', { timeout: 90_000 }, async () => {
  sayHowToRepeat();
  const [steady, keeper] = [await gateway(), await worker()];
  const clients: Client[] = [clientOf(steady.url, key)];
  let victim = await gateway();
  clients.push(clientOf(victim.url, key));
  const load = await startLoad(clients, 10);
  for (let kill = 1; kill <= rounds(2); kill += 1) {
    await sleep(random.between(500, 1_500));
    await victim.kill();
    victim = await gateway();
    clients[1] = clientOf(victim.url, key);
  }
  await load.stop();
  await expectTruth(load, clients[0]!);
  for (const role of [keeper, victim, steady]) expect((await role.stop()).code).toBe(0);
});

test('a gateway that is asked to stop answers all that it has accepted', { timeout: 90_000 }, async () => {
  sayHowToRepeat();
  const [one, keeper] = [await gateway(), await worker()];
  const client = clientOf(one.url, key);
  const id = `customer_${(named += 1)}`;
  await expectStatus(client.post('/v1/customers', { id }), 201);
  await expectStatus(client.post(`/v1/customers/${id}/grants`, { asset: 'USD', amount: '10000' }), 201);
  const spend = { customer_id: id, asset: 'USD', amount: '1' };

  // Clients that keep their connections and never wait; each until it is cut off.
  const agent = new Agent({ keepAlive: true });
  const all: Asked[] = [];
  const keepAsking = async () => {
    for (;;) {
      const asked: Asked = {
        kind: 'charge',
        customerId: id,
        path: '/v1/charge',
        body: spend,
        key: randomUUID(),
        answers: [],
      };
      all.push(asked);
      const reply = await requestOnce(one.url, { agent, key, asked });
      asked.answers.push(reply);
      if (!reply) return;
    }
  };
  const asking = Array.from({ length: 24 }, keepAsking);
  const slow = slowRequest(one.url, spend);
  await sleep(500);
  // Nobody gets an answer while Redis stands still: when the signal comes, everybody waits for one.
  await redis.call('CLIENT', 'PAUSE', 400, 'ALL');
  await sleep(150);
  const inFlight = all.filter(({ answers }) => answers.length === 0);
  const askedAtMs = performance.now();
  one.signal('SIGTERM');
  await sleep(100);
  expect(await slow.finish()).toContain('HTTP/1.1 200 OK');
  const { code } = await one.exited;
  const tookMs = performance.now() - askedAtMs;
  await Promise.all(asking);
  agent.destroy();
  expect(code).toBe(0);
  expect(tookMs).toBeLessThan(10_000);
  expect(inFlight).toHaveLength(24);
  expect(inFlight.filter((asked) => !yesOf(asked)).map(brief)).toEqual([]);
  // A connection that was closed under a request had not taken it.
  await waitUntilDrained({ sql, redis });
  const book = await readBook(sql);
  const done = new Set(book.map(({ operationId }) => operationId));
  const unanswered = all.filter((asked) => !yesOf(asked));
  expect(unanswered.filter((asked) => done.has(operationIdOf(environmentId, asked))).map(brief)).toEqual([]);
  console.log(`${all.length} operations, ${unanswered.length} refused by closing; stopped in ${Math.round(tookMs)} ms`);
  expect((await keeper.stop()).code).toBe(0);
});

/** A POST of which half is there, for a while. */
function slowRequest(url: string, body: object): { finish: () => Promise<string> } {
  const text = JSON.stringify(body);
  const socket = createConnection({ port: Number(new URL(url).port), host: '127.0.0.1' });
  let reply = '';
  const closed = new Promise<string>((done) => {
    socket.on('data', (bytes) => {
      reply += String(bytes);
    });
    socket.on('error', (error) => done(error.message));
    socket.on('close', () => done(reply));
  });
  const head = ['POST /v1/charge HTTP/1.1', 'host: gateway', `authorization: Bearer ${key}`];
  head.push('content-type: application/json', `content-length: ${text.length}`, '', '');
  socket.write(head.join('\r\n') + text.slice(0, 10));
  return {
    finish: () => {
      socket.write(text.slice(10));
      return closed;
    },
  };
}

test('Redis is killed and comes back', { timeout: 120_000 }, async () => {
  sayHowToRepeat();
  const [one, keeper] = [await gateway(), await worker()];
  const client = clientOf(one.url, key);
  const load = await startLoad([client], 10);
  for (let kill = 1; kill <= rounds(2); kill += 1) {
    await sleep(random.between(800, 1_600));
    await server.kill();
    await sleep(random.between(0, 500));
    await server.restart();
  }
  await sleep(1_000);
  await load.stop();
  await expectTruth(load, client);
  for (const role of [keeper, one]) expect((await role.stop()).code).toBe(0);
});

test('Postgres goes away and comes back: spending goes on', { timeout: 120_000 }, async () => {
  sayHowToRepeat();
  const [one, keeper] = [await gateway(), await worker()];
  const client = clientOf(one.url, key);
  const load = await startLoad([client], 10);
  for (let cut = 1; cut <= 3; cut += 1) {
    await sleep(random.between(300, 700));
    await sql`select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()`;
  }
  await postgres.stop();
  const spent: Asked[] = [];
  const spending: World = { gateways: [client], random, all: spent, isOver: () => false };
  const untilMs = performance.now() + 3_000;
  await Promise.all(
    load.customers.map(async (customerId) => {
      const body = { customer_id: customerId, asset: 'USD', amount: '0.5' };
      while (performance.now() < untilMs)
        await askFor(spending, { kind: 'charge', customerId, path: '/v1/charge', body });
    }),
  );
  postgres = await startPostgres({ dataDir: folder, database: 'farebox', throwaway: true });
  lead.leadTo(postgres.port);
  await sleep(1_000);
  await load.stop();
  load.all.push(...spent);
  expect(spent.filter(yesOf).length).toBeGreaterThan(20);
  expect(spent.filter(({ answers }) => ![200, 402].includes(answers[0]?.status ?? 0)).map(brief)).toEqual([]);
  await expectTruth(load, client);
  for (const role of [keeper, one]) expect((await role.stop()).code).toBe(0);
});
