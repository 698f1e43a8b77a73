// Class `replicated`, on a real Redis with a real replica: what is confirmed is on the replica, what is not says so, and a
// replica that takes over has every confirmed write.
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Redis } from 'ioredis';
import { waitUntil } from '../scripts/stores/process.ts';
import { openDatabase, type Sql } from '../src/db/connect.ts';
import { parseRedisState } from '../src/wallet/redis-state.ts';
import { openLog } from '../src/log.ts';
import { runWorker } from '../src/run/worker.ts';
import { walletOf } from '../src/wallet/keys.ts';
import { readStoredWallet } from '../src/wallet/stored-wallet.ts';
import { startFarebox, type Client, type Farebox, type Reply } from './farebox.ts';
import { startSwitch, type Switch } from './faults/switch.ts';
import { createRedis, openRedis } from './stores.ts';

let farebox: Farebox;
let replica: Awaited<ReturnType<typeof createRedis>>;
let onReplica: Redis;
let client: Client;
let environmentId: string;
/** Between replica and primary. */
let link: Switch;
let sql: Sql;
let named = 0;
const undo: (() => unknown)[] = [];

beforeAll(async () => {
  // No worker on the primary: it would go on looking for it when it is dead.
  farebox = await startFarebox({ worker: false });
  undo.push(farebox.stop);
  const { password } = new URL(farebox.redis.url);
  link = await startSwitch(farebox.redis.port);
  undo.push(link.stop);
  replica = await createRedis({
    appendonly: 'everysec',
    extraArgs: ['--replicaof', '127.0.0.1', String(link.port), '--masterauth', password],
  });
  // Gateways of the last test are on it.
  undo.unshift(replica.stop);
  onReplica = await openRedis(replica.url);
  undo.push(() => onReplica.disconnect());
  const isLinked = async () => (await onReplica.info('replication')).includes('master_link_status:up');
  expect(await waitUntil(isLinked, 20_000, 50)).toBe(true);
  sql = openDatabase(farebox.database.url, { connectionsMax: 1, name: 'test' });
  undo.push(() => sql.end());
  environmentId = (await sql<{ id: string }[]>`select id from environments`)[0]!.id;
  client = await farebox.addGateway({ durability: 'replicated' });
  expect(await waitUntil(async () => (await client.get('/readyz')).status === 200, 10_000, 50)).toBe(true);
}, 60_000);

afterAll(async () => {
  process.kill(replica.pid, 'SIGCONT');
  for (const step of undo.reverse()) await step();
});

const customer = (amount = '100') => farebox.customer(`customer_${(named += 1)}`, amount);
const charge = (customerId: string, headers: Record<string, string> = {}) =>
  client.post('/v1/charge', { customer_id: customerId, asset: 'USD', amount: '1' }, headers);

/** While it stands still nothing reaches it, and nothing is confirmed. */
async function whileFrozen(work: () => Promise<void>): Promise<void> {
  process.kill(replica.pid, 'SIGSTOP');
  try {
    await work();
  } finally {
    process.kill(replica.pid, 'SIGCONT');
  }
  const isConfirmed = async () => (await charge(await customer())).body.durability === undefined;
  expect(await waitUntil(isConfirmed, 20_000, 100)).toBe(true);
}

const versionOnReplica = async (id: string): Promise<number> =>
  (await readStoredWallet(onReplica, walletOf(environmentId, id)))?.wallet.version ?? 0;

const metric = async (name: string): Promise<number> => {
  const { text } = await client.get('/metrics');
  return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (.*)$`, 'm').exec(text)?.[1]);
};

test('with a replica that is heard of, a gateway that asks for it is ready in class replicated', async () => {
  const { redis } = (await client.get('/readyz')).body.dependencies;
  expect(redis).toMatchObject({ status: 'ok', durability: 'replicated', required: 'replicated', replicas: 1 });
  expect(await metric('farebox_durability')).toBe(3);
  expect(await metric('farebox_redis_replicas')).toBe(1);
  // Where nobody waits for it, a replica promises nothing.
  const other = async () => (await farebox.client.get('/readyz')).body.dependencies.redis;
  expect(await waitUntil(async () => (await other()).replicas === 1, 5_000, 50)).toBe(true);
  expect(await other()).toMatchObject({ durability: 'fast', required: 'fast', replicas: 1 });
});

test('what is answered is on the replica, and says nothing of it', async () => {
  const id = await customer('10000');
  // What is confirmed is there, always. All of it is confirmed, unless the machine stood still for longer than a wait.
  const areConfirmed = async () => {
    const replies = await Promise.all(Array.from({ length: 40 }, () => charge(id)));
    expect(replies.map(({ status }) => status)).toEqual(replies.map(() => 200));
    const confirmed = replies.filter(({ body }) => body.durability === undefined);
    expect(await versionOnReplica(id)).toBeGreaterThanOrEqual(
      Math.max(0, ...confirmed.map(({ body }) => body.version)),
    );
    return confirmed.length === replies.length;
  };
  expect(await waitUntil(areConfirmed, 20_000, 50)).toBe(true);
  const before = await onReplica.dbsize();
  expect(before).toBeGreaterThan(0);
  const [primary, copy] = await Promise.all([digest(farebox.redis.url), digest(replica.url)]);
  expect(copy).toEqual(primary);
});

test(
  'each reply to what moved something says so when no replica confirmed it in time',
  { timeout: 60_000 },
  async () => {
    const id = await customer();
    const spend = { customer_id: id, asset: 'USD', amount: '1' };
    const [one, two] = await Promise.all([1, 2].map(async () => (await client.post('/v1/authorize', spend)).body.id));
    const prices = [{ id: 'p', event_type: 'call', asset: 'USD', model: 'unit', unit_amount: '1' }];
    await client.post('/v1/products', { id: 'calls', name: 'calls', default: true, prices });
    expect((await client.post('/v1/products/calls/versions/1/publish')).status).toBe(200);
    const event = (eventId: string) => ({ id: eventId, customer_id: id, event_type: 'call', data: {} });
    const before = await metric('farebox_unconfirmed_waits_total');
    await whileFrozen(async () => {
      const granted = await client.post(`/v1/customers/${id}/grants`, { asset: 'USD', amount: '5' });
      const replies = await Promise.all([
        client.post('/v1/authorize', spend),
        client.post('/v1/charge', spend),
        client.post(`/v1/holds/${one}/extend`, { amount: '1', ttl_ms: 120_000 }),
        client.post(`/v1/holds/${two}/release`, {}),
        client.post(`/v1/customers/${id}/grants/${granted.body.id}/void`, {}),
      ]);
      const settled = await client.post(`/v1/holds/${one}/settle`, { amount: '1' });
      const batch = await client.post('/v1/events', { events: [event('a'), event('a')] });
      const told = batch.body.results.map((result: any) => [result.status, result.durability]);
      expect(told).toEqual([
        ['charged', 'unconfirmed'],
        ['duplicate', 'unconfirmed'],
      ]);
      const frozen = await client.post(`/v1/customers/${id}/wallet/freeze`, {});
      const all = [granted, ...replies, settled, frozen];
      expect(all.map(({ status }) => status)).toEqual([201, 200, 200, 200, 200, 200, 200, 200]);
      expect(all.map(({ body }) => body.durability)).toEqual(all.map(() => 'unconfirmed'));
      // What moved nothing has nothing to confirm.
      expect((await client.get(`/v1/customers/${id}/wallet`)).body.durability).toBeUndefined();
    });
    expect(await metric('farebox_unconfirmed_waits_total')).toBeGreaterThan(before);
  },
);

test(
  'under load with a frozen replica nothing fails: all of it is done, once, and unconfirmed',
  { timeout: 60_000 },
  async () => {
    const id = await customer('1000');
    await whileFrozen(async () => {
      // Over several waits: who asks while one is under way shares the next.
      const replies: Reply[] = [];
      await Promise.all(
        Array.from({ length: 60 }, async (_, at) => {
          await sleep(20 * at);
          replies.push(await charge(id));
        }),
      );
      expect(new Set(replies.map(({ status, body }) => `${status} ${body.durability}`))).toEqual(
        new Set(['200 unconfirmed']),
      );
    });
    expect((await client.get(`/v1/customers/${id}/wallet`)).body.accounts[0].available).toBe('940');
  },
);

test(
  'a repeat waits, too: unconfirmed while the replica is, confirmed when it is back',
  { timeout: 60_000 },
  async () => {
    const id = await customer();
    const headers = { 'idempotency-key': 'the same' };
    const frozen = { 'idempotency-key': 'frozen' };
    const freeze = () => client.post(`/v1/customers/${id}/wallet/freeze`, {}, frozen);
    await whileFrozen(async () => {
      const replies = [await charge(id, headers), await charge(id, headers)];
      expect(replies.map(({ body }) => body.durability)).toEqual(['unconfirmed', 'unconfirmed']);
      expect(replies[1]!.headers.get('idempotent-replayed')).toBe('true');
      expect((await freeze()).body.durability).toBe('unconfirmed');
      // Through another gateway, whose connection wrote nothing of it.
      const other = await farebox.addGateway({ durability: 'replicated' });
      const body = { customer_id: id, asset: 'USD', amount: '1' };
      expect((await other.post('/v1/charge', body, headers)).body.durability).toBe('unconfirmed');
    });
    const isConfirmed = async () => {
      const again = await charge(id, headers);
      expect([again.status, again.headers.get('idempotent-replayed')]).toEqual([200, 'true']);
      return again.body.durability === undefined;
    };
    expect(await waitUntil(isConfirmed, 20_000, 50)).toBe(true);
    expect((await freeze()).body).toMatchObject({ status: 'frozen' });
    expect(await waitUntil(async () => (await freeze()).body.durability === undefined, 20_000, 50)).toBe(true);
  },
);

test('a lagging, loading or missing replica is none; neither is a replica taken for a primary', () => {
  const info = (...lines: string[]) => parseRedisState(['# Replication', ...lines, ''].join('\r\n'));
  const line = (state: string, lag: number) => `slave0:ip=127.0.0.1,port=1,state=${state},offset=9,lag=${lag}`;
  expect(info('role:master', line('online', 1))).toMatchObject({ isReplica: false, replicas: 1 });
  expect(info('role:master', line('online', 11)).replicas).toBe(0);
  expect(info('role:master', line('send_bulk', 0)).replicas).toBe(0);
  expect(info('role:slave', 'slave_repl_offset:14', 'slave_priority:100')).toMatchObject({
    isReplica: true,
    replicas: 0,
  });
  expect(parseRedisState('used_memory:90\r\nmem_not_counted_for_evict:10\r\nmaxmemory:100\r\n').memoryShare).toBe(0.8);
  expect(parseRedisState('used_memory:90\r\nmaxmemory:0\r\n').memoryShare).toBeUndefined();
});

test(
  'a replica that fell behind takes over: it has every confirmed write, and of the others some are lost',
  { timeout: 90_000 },
  async () => {
    const ids = await Promise.all(Array.from({ length: 10 }, () => customer()));
    const confirmed = new Map<string, number>(ids.map((id) => [id, 0]));
    const unconfirmed = new Map<string, number>(ids.map((id) => [id, 0]));
    const other = await farebox.addGateway({ durability: 'replicated' });
    let answered = 0;
    let isOver = false;
    const asking = Promise.all(
      ids.flatMap((id) =>
        [client, other].map(async (through) => {
          while (!isOver) {
            const { status, body } = await through.post('/v1/charge', {
              customer_id: id,
              asset: 'USD',
              amount: '0.01',
            });
            if (status !== 200) return;
            answered += 1;
            const told = body.durability === undefined ? confirmed : unconfirmed;
            told.set(id, Math.max(told.get(id)!, body.version));
          }
        }),
      ),
    );
    const areConfirmed = () => answered > 400 && [...confirmed.values()].every((version) => version > 1);
    expect(await waitUntil(areConfirmed, 30_000, 5)).toBe(true);
    link.silence();
    // What is unconfirmed may have arrived all the same: this goes on until some of each has not.
    const areBehind = async () => {
      const versions = await Promise.all(ids.map(versionOnReplica));
      return ids.every((id, at) => versions[at]! < unconfirmed.get(id)!);
    };
    expect(await waitUntil(areBehind, 30_000, 50)).toBe(true);
    await farebox.redis.kill('SIGKILL');
    isOver = true;
    await asking;
    await onReplica.call('REPLICAOF', 'NO', 'ONE');
    // Not ready: what is left is no class that was asked for, and not even there.
    expect(await waitUntil(async () => (await client.get('/readyz')).status === 503, 10_000, 50)).toBe(true);
    let lost = 0;
    for (const id of ids) {
      const version = await versionOnReplica(id);
      expect(version, `${id}, of ${answered} answered`).toBeGreaterThanOrEqual(confirmed.get(id)!);
      lost += Math.max(0, unconfirmed.get(id)! - version);
    }
    expect(lost).toBeGreaterThan(0);

    // Recovery asks the gateways what they have acknowledged, and finds all of it: the others were promised nothing.
    const over = { redisUrl: replica.url, queueRedisUrl: replica.url };
    const worker = await runWorker({ ...farebox.config, ...over }, openLog(farebox.config.logLevel, 'test'));
    undo.push(worker.stop);
    const promoted = await farebox.addGateway(over);
    expect(await waitUntil(async () => (await promoted.get('/readyz')).status === 200, 20_000, 50)).toBe(true);
    const hasReported = async () =>
      (await sql`select 1 from epochs where sealed_seq > 0 and acknowledged_seq > 0`).length;
    expect(await waitUntil(async () => (await hasReported()) > 0, 10_000, 50)).toBe(true);
    expect((await promoted.get('/readyz')).body.dependencies.redis.acknowledged_lost).toEqual({});
    const spend = { customer_id: ids[0], asset: 'USD', amount: '1' };
    expect((await promoted.post('/v1/charge', spend)).status).toBe(200);
  },
);

/** Every key of Farebox's partitions, with what it holds. */
async function digest(url: string): Promise<Map<string, string>> {
  const redis = await openRedis(url);
  try {
    const keys = (await redis.keys('{p*')).filter((key) => !key.includes(':outbox:')).toSorted();
    const dumps = await Promise.all(keys.map((key) => redis.dumpBuffer(key)));
    return new Map(
      keys.map((key, at) => [
        key,
        createHash('sha256')
          .update(dumps[at] ?? '')
          .digest('hex'),
      ]),
    );
  } finally {
    redis.disconnect();
  }
}
