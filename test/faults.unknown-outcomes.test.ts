// Replies are lost, requests held back and connections cut between gateways and Redis: nothing happens twice, no "no" is
// followed by a debit, and every unknown outcome can be resolved.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from 'vitest';
import type { Redis } from 'ioredis';
import { openDatabase, type Sql } from '../src/db/connect.ts';
import { openNudge, type Nudge } from '../src/outbox/nudge.ts';
import { walletOf } from '../src/wallet/keys.ts';
import { startFarebox, type Client, type Farebox, type Reply } from './farebox.ts';
import { resolve, verdictOf, type Asked } from './faults/asked.ts';
import {
  brief,
  expectBalances,
  expectContiguous,
  expectSound,
  expectToldTruth,
  readBook,
  waitUntilDrained,
} from './faults/books.ts';
import { askFor, live, tally, type World } from './faults/live.ts';
import { startProxy, type Fault, type Plan, type Proxy } from './faults/proxy.ts';
import { randomOf, rounds, seed, type Random } from './faults/seeded.ts';
import { smallGateway } from './faults/small-gateway.ts';
import { openRedis } from './stores.ts';

let farebox: Farebox;
/** Straight to Redis. */
let direct: Client;
let sql: Sql;
let redis: Redis;
let nudge: Nudge;
let environmentId: string;
const undo: (() => unknown)[] = [];

beforeAll(async () => {
  farebox = await startFarebox();
  undo.push(farebox.stop);
  sql = openDatabase(farebox.database.url, { connectionsMax: 12, name: 'test' });
  redis = await openRedis(farebox.redis.url);
  nudge = openNudge(farebox.redis.url, () => undefined);
  undo.push(
    () => sql.end(),
    () => redis.disconnect(),
    nudge.stop,
  );
  environmentId = (await sql<{ id: string }[]>`select id from environments`)[0]!.id;
  direct = await gatewayAt(farebox.redis.url);
});

afterAll(async () => {
  for (const step of undo.reverse()) await step();
});

async function gatewayAt(redisUrl: string): Promise<Client> {
  const gateway = await smallGateway({ sql, redisUrl, environmentId, markDirty: nudge.markDirty });
  undo.push(gateway.stop);
  return gateway;
}

async function proxyToRedis(): Promise<Proxy> {
  const proxy = await startProxy(farebox.redis.url);
  undo.push(proxy.stop);
  return proxy;
}

/** A gateway of which the first `count` calls of a script are held back until `deliver` is called. */
async function gatewayThatLoses(script: string, count: number): Promise<{ post: Post; deliver: () => Promise<void> }> {
  const proxy = await proxyToRedis();
  const gateway = await gatewayAt(proxy.url);
  let open = () => {};
  const until = new Promise<void>((done) => {
    open = done;
  });
  let left = count;
  proxy.follow(({ name }) => {
    if (name !== script || left === 0) return undefined;
    left -= 1;
    return { kind: 'hold_request', until };
  });
  return {
    post: (path, body, key) => gateway.post(path, body, { 'idempotency-key': key }),
    deliver: async () => {
      expect(left).toBe(0);
      open();
      // Delivered in this turn; what Redis makes of it is there well before this is over.
      await sleep(100);
    },
  };
}

type Post = (path: string, body: object, key: string) => Promise<Reply>;
const postAgain: Post = (path, body, key) => direct.post(path, body, { 'idempotency-key': key });

let named = 0;
const nextId = (of: string): string => `${of}_${(named += 1)}`;

async function account(customerId: string): Promise<{ available: string; held: string; overage: string }> {
  const { body } = await direct.get(`/v1/customers/${customerId}/wallet`);
  const { available, held, overage } = body.accounts[0];
  return { available, held, overage };
}

async function grant(customerId: string, amount: string): Promise<Reply> {
  return direct.post(`/v1/customers/${customerId}/grants`, { asset: 'USD', amount });
}

async function openHold(customerId: string, amount: string): Promise<string> {
  const { body } = await direct.post('/v1/authorize', { customer_id: customerId, asset: 'USD', amount });
  return body.id;
}

type Wish = 'authorize' | 'charge' | 'extend';

/** Somebody with 2 asks for ten. */
async function wishFor(script: Wish): Promise<{ customerId: string; path: string; body: object }> {
  const customerId = await farebox.customer(nextId('poor'), '2');
  if (script === 'extend') {
    return { customerId, path: `/v1/holds/${await openHold(customerId, '1')}/extend`, body: { amount: '10' } };
  }
  return { customerId, path: `/v1/${script}`, body: { customer_id: customerId, asset: 'USD', amount: '10' } };
}

describe.concurrent('a "no" stands, whatever arrives after it', () => {
  test.each<Wish>(['authorize', 'charge', 'extend'])('%s: the gateway repeats and is declined', async (script) => {
    const { customerId, path, body } = await wishFor(script);
    const { post, deliver } = await gatewayThatLoses(script, 1);
    expect((await post(path, body, nextId('key'))).status).toBe(402);
    await grant(customerId, '100');
    const before = await account(customerId);
    await deliver();
    expect(await account(customerId)).toEqual(before);
  });

  test.each<Wish>(['authorize', 'charge', 'extend'])(
    '%s: the outcome is unknown, the client retries and is declined',
    async (script) => {
      const { customerId, path, body } = await wishFor(script);
      const key = nextId('key');
      const { post, deliver } = await gatewayThatLoses(script, 2);
      const first = await post(path, body, key);
      expect(first.body).toMatchObject({ status: 503, outcome: 'unknown', idempotency_key: key });
      expect((await postAgain(path, body, key)).status).toBe(402);
      await grant(customerId, '100');
      const before = await account(customerId);
      await deliver();
      expect(await account(customerId)).toEqual(before);
    },
  );

  test.each(['authorize', 'charge'])('%s: there is no such customer, and then there is', async (script) => {
    const customerId = nextId('later');
    const { post, deliver } = await gatewayThatLoses(script, 1);
    const body = { customer_id: customerId, asset: 'USD', amount: '10' };
    expect((await post(`/v1/${script}`, body, nextId('key'))).status).toBe(404);
    await farebox.customer(customerId, '100');
    await deliver();
    expect(await account(customerId)).toEqual({ available: '100', held: '0', overage: '0' });
  });

  test('settle: more than is held, and then the hold is extended', async () => {
    const customerId = await farebox.customer(nextId('c'), '100');
    const holdId = await openHold(customerId, '10');
    const { post, deliver } = await gatewayThatLoses('settle', 1);
    const settled = await post(`/v1/holds/${holdId}/settle`, { amount: '15', on_excess: 'reject' }, nextId('key'));
    expect(settled.body).toMatchObject({ status: 422, code: 'exceeds_hold' });
    expect((await direct.post(`/v1/holds/${holdId}/extend`, { amount: '20' })).status).toBe(200);
    await deliver();
    expect(await account(customerId)).toEqual({ available: '70', held: '30', overage: '0' });
  });

  test('a grant: too much for one balance, and then there is room', async () => {
    const customerId = await farebox.customer(nextId('rich'), '1000000');
    for (let i = 0; i < 3; i += 1) await grant(customerId, '1000000');
    const { post, deliver } = await gatewayThatLoses('credit', 1);
    const more = await post(`/v1/customers/${customerId}/grants`, { asset: 'USD', amount: '1000000' }, nextId('key'));
    expect(more.body).toMatchObject({ status: 422, code: 'balance_limit' });
    await direct.post('/v1/charge', { customer_id: customerId, asset: 'USD', amount: '900000' });
    await deliver();
    expect(await account(customerId)).toEqual({ available: '3100000', held: '0', overage: '0' });
  });

  test('a freeze: the wallet is frozen already, and then thawed', async () => {
    const customerId = await farebox.customer(nextId('c'), '1');
    const wallet = `/v1/customers/${customerId}/wallet`;
    await direct.post(`${wallet}/freeze`);
    const { post, deliver } = await gatewayThatLoses('freeze', 1);
    await post(`${wallet}/freeze`, {}, nextId('key'));
    expect((await direct.post(`${wallet}/unfreeze`)).status).toBe(200);
    await deliver();
    expect((await direct.get(wallet)).body.status).toBe('active');
  });

  test('what arrives after its time is refused, and a retry decides anew', async () => {
    const customerId = await farebox.customer(nextId('c'), '100');
    const body = { customer_id: customerId, asset: 'USD', amount: '10' };
    const key = nextId('key');
    const { post, deliver } = await gatewayThatLoses('charge', 2);
    expect((await post('/v1/charge', body, key)).body.outcome).toBe('unknown');
    await sleep(1_200);
    await deliver();
    expect(await account(customerId)).toMatchObject({ available: '100' });
    const again = await postAgain('/v1/charge', body, key);
    expect(again.status).toBe(200);
    expect(again.headers.get('idempotent-replayed')).toBeNull();
    expect(await account(customerId)).toMatchObject({ available: '90' });
  });
});

const gatewaysCount = 64;
const customersCount = 40;
const clientsPerCustomer = 8;
const comersCount = 60;
// Enough on two cores of their own; a machine that is busy otherwise does as many as it can in the time.
const operationsMax = rounds(6_000);
const workMs = rounds(8_000);

test('thousands of operations, each told the truth', { timeout: workMs + 60_000 }, async () => {
  onTestFailed(() => console.error(`run it again with FAULT_SEED=${seed}`));
  const random = randomOf(seed);
  const proxy = await proxyToRedis();
  const shaky = await Promise.all(Array.from({ length: gatewaysCount }, () => gatewayAt(proxy.url)));
  const customers = await Promise.all(Array.from({ length: customersCount }, () => farebox.customer(nextId('many'))));
  const comers = Array.from({ length: comersCount }, () => nextId('comer'));
  const all: Asked[] = [];
  const untilMs = performance.now() + workMs;
  const world = {
    gateways: shaky,
    random,
    all,
    isOver: () => all.length >= operationsMax || performance.now() > untilMs,
  };
  proxy.follow(randomPlan(proxy, random));
  const clients = customers.flatMap((id) => Array.from({ length: clientsPerCustomer }, () => live(world, id)));
  await Promise.all([...clients, arrive(world, comers)]);
  proxy.follow(undefined);

  const inDoubt = all.filter((asked) => verdictOf(asked) === 'open');
  await Promise.all(inDoubt.map((asked) => resolve(direct, asked)));
  expect(inDoubt.filter((asked) => verdictOf(asked) === 'open').map(brief)).toEqual([]);
  expect(all.filter(({ answers }) => answers.some((reply) => reply?.status === 500)).map(brief)).toEqual([]);

  // What is held back still arrives, and is refused or found done.
  while (proxy.waiting() > 0) await sleep(50);
  await waitUntilDrained({ sql, redis });
  const own = new Set([...customers, ...comers].map((id) => walletOf(environmentId, id).walletId));
  const book = (await readBook(sql)).filter(({ walletId }) => own.has(walletId));
  await expectSound(sql);
  expectContiguous(book);
  expectToldTruth(environmentId, all, book);
  await expectBalances(direct, all);
  console.log(`${tally(all)}; ${inDoubt.length} in doubt at the end; faults ${JSON.stringify(proxy.counts)}`);
});

/** Requests for customers who are not there yet, while they come and get credit. */
async function arrive(world: World, comers: readonly string[]): Promise<void> {
  for (const customerId of comers) {
    if (world.isOver()) return;
    const body = { customer_id: customerId, asset: 'USD', amount: '1' };
    // Longer than the longest run.
    const lasting = { ...body, ttl_ms: 3_600_000 };
    const authorized = askFor(world, { kind: 'authorize', customerId, path: '/v1/authorize', body: lasting });
    const charged = askFor(world, { kind: 'charge', customerId, path: '/v1/charge', body });
    await sleep(world.random.between(0, 100));
    await farebox.customer(customerId);
    const credit = { asset: 'USD', amount: '10' };
    await askFor(world, { kind: 'grant', customerId, path: `/v1/customers/${customerId}/grants`, body: credit });
    await Promise.all([authorized, charged]);
  }
}

/** Every fault, each as often as leaves the connections some time to live. */
function randomPlan(proxy: Proxy, random: Random): Plan {
  const overtaken = async (operationId: string) => {
    if (random.chance(0.5)) await proxy.answered(operationId, 900);
    await sleep(random.between(0, 400));
  };
  return ({ operationId }): Fault | undefined => {
    const dice = random.next();
    if (dice < 0.12) return { kind: 'drop_reply' };
    if (dice < 0.27) return { kind: 'hold_request', until: overtaken(operationId) };
    if (dice < 0.29) return { kind: 'cut_request' };
    if (dice < 0.31) return { kind: 'delay_reply', ms: random.between(1, 60) };
    if (dice < 0.312) return { kind: 'delay_reply', ms: random.between(900, 1_400) };
    if (dice < 0.314) return { kind: 'stall_request', until: sleep(random.between(900, 1_400)) };
    return undefined;
  };
}
