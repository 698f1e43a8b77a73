// Batches of events when Redis loses a wallet or is killed in the middle of one, and prices that change under load.
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, expect, test } from 'vitest';
import { openDatabase } from '../src/db/connect.ts';
import { walletKey, walletOf as addressOf } from '../src/wallet/keys.ts';
import { startContract } from './contract.client.ts';
import { expectStatus, type Client } from './farebox.ts';
import { expectSound } from './faults/books.ts';
import { startProxy, type Fault } from './faults/proxy.ts';
import { cuttingProxy, type CuttingProxy } from './ledger.proxy.ts';

let ledger: CuttingProxy | undefined;
// After the gateway that goes through it was stopped.
afterAll(() => ledger?.close());
const contract = await startContract();
const { client, customer, entriesOf, walletOf } = contract;
const sql = openDatabase(contract.database.url, { connectionsMax: 2, name: 'test' });
const redis = new Redis(contract.redis.url, { maxRetriesPerRequest: 0 });
redis.on('error', () => undefined);
afterAll(async () => {
  redis.disconnect();
  await sql.end();
});

/** Whose every event costs the number of the version that priced it. */
const priceOf = (version: number) => ({
  ...{ id: 'p', event_type: 'call', asset: 'USD', model: 'unit', unit_amount: String(version) },
});
await expectStatus(
  client.post('/v1/products', { id: 'calls', name: 'calls', default: true, prices: [priceOf(1)] }),
  201,
);
await expectStatus(client.post('/v1/products/calls/versions/1/publish'), 200);

const batch = (customer_id: string, count: number, prefix = 'e') =>
  Array.from({ length: count }, (_, i) => ({ id: `${prefix}${i}`, customer_id, event_type: 'call', data: { i } }));

async function send(events: object[], by: Client = client): Promise<any[]> {
  return (await expectStatus(by.post('/v1/events', { events }), 200)).body.results;
}

test('a batch whose wallet Redis has lost brings it back once, and is charged', async () => {
  const id = await customer('lost', '1000');
  ledger = await cuttingProxy(contract.database.url);
  const gateway = await contract.addGateway({ databaseUrl: ledger.url });
  await entriesOf(id);
  const [{ id: environmentId }] = await sql<[{ id: string }]>`select id from environments`;
  const key = walletKey(addressOf(environmentId, id));
  // Every command, with its first words.
  await redis.config('SET', 'slowlog-max-len', 10_000, 'slowlog-log-slower-than', 0);
  expect(await redis.del(key)).toBe(1);
  const results = await send(batch(id, 100), gateway);
  const logged = (await redis.slowlog('GET', 10_000)) as [number, number, number, string[]][];
  const seen = logged
    .filter(([, , , words]) => words[0]?.toLowerCase() === 'fcall' && words.includes(key))
    .map(([, , , [, name = '']]) => name.replace(/_[^_]*$/, ''));
  await redis.config('SET', 'slowlog-log-slower-than', -1);
  expect(new Set(results.map(({ status }) => status))).toEqual(new Set(['charged']));
  // All were told that it is absent, and waited for one load.
  expect(seen.filter((name) => name === 'charge').length).toBeGreaterThanOrEqual(200);
  expect(seen.filter((name) => name === 'hydrate')).toHaveLength(1);
  // Each was looked up in the ledger, by one query for all whose answers Redis sent in one piece.
  const lookUps = ledger.asked.filter((text) => /from "entries" where .*"operation_id"/.test(text));
  expect(lookUps.length).toBeGreaterThan(0);
  expect(lookUps.length).toBeLessThan(20);
  expect(await walletOf(id)).toMatchObject({ version: 101, accounts: [{ available: '900' }] });
});

test('of a batch in the middle of which Redis is killed, sent again with the same ids, each event is charged once', async () => {
  const ids = [await customer('killed.a', '1000'), await customer('killed.b', '1000')];
  const proxy = await startProxy(contract.redis.url);
  const gateway = await contract.addGateway({ redisUrl: proxy.url });
  // Else a slow disk may take what was answered along.
  await redis.config('SET', 'appendfsync', 'always');
  let isOver = () => {};
  const until = new Promise<void>((resolve) => (isOver = resolve));
  let calls = 0;
  // The first are charged and told, what became of the next nobody hears, the rest never reaches Redis.
  const faultAt: Record<number, Fault> = {
    20: { kind: 'delay_reply', ms: 600_000 },
    40: { kind: 'stall_request', until },
  };
  proxy.follow(({ name }) => (name === 'charge' ? faultAt[(calls += 1)] : undefined));
  const events = batch(ids[0]!, 50).flatMap((one, i) => [one, { ...one, id: `b${i}`, customer_id: ids[1]! }]);
  const sending = send(events, gateway);
  const versions = async () => (await Promise.all(ids.map((id) => walletOf(id)))).map(({ version }) => version);
  // A grant each, and 39 of the batch.
  await expect.poll(async () => sum(await versions()), { timeout: 20_000 }).toBe(2 + 39);
  await contract.redis.kill();
  const first = await sending;
  proxy.follow(undefined);
  isOver();
  await contract.redis.restart();
  for (const by of [client, gateway])
    await expect.poll(async () => (await by.get('/readyz')).status, { timeout: 60_000 }).toBe(200);
  const told = new Map(first.map((result) => [result.id, result]));
  const failed = first.filter(({ status }) => status !== 'charged');
  expect(failed.length).toBeGreaterThan(60);
  for (const one of failed) expect(one).toMatchObject({ status: 'error', http_status: 503, retryable: true });

  await expect.poll(async () => errorsOf(await send(events, gateway)), { timeout: 60_000 }).toEqual([]);
  const last = await send(events);
  for (const result of last) {
    expect(result.status).toBe('duplicate');
    const before = told.get(result.id);
    if (before.status === 'charged') expect({ ...result, status: 'charged' }).toEqual(before);
  }
  for (const id of ids) {
    const charged = (await entriesOf(id)).filter(({ kind }) => kind === 'charge');
    const named = events.filter(({ customer_id }) => customer_id === id).map((event) => event.id);
    expect(charged.map(({ event_id }) => event_id as string).toSorted()).toEqual(named.toSorted());
    expect(await walletOf(id)).toMatchObject({ accounts: [{ available: '950' }] });
  }
  await expectSound(sql);
  await proxy.stop();
}, 180_000);

const sum = (numbers: number[]) => numbers.reduce((total, one) => total + one, 0);
const errorsOf = (results: any[]) => results.filter(({ status }) => status === 'error');

test('in the middle of load, nothing is priced by a version that was replaced before its request began', async () => {
  const id = await customer('busy', '900000');
  const gateways = [client, await contract.addGateway()];
  /** Versions that may price what begins now, and what ended now. */
  let published = 1;
  let begun = 1;
  let isDone = false;
  const seen = new Map<string, { least: number; most: number; told: any }>();
  const load = async (by: Client, worker: number) => {
    for (let round = 0; !isDone; round += 1) {
      const least = published;
      const results = await send(batch(id, 5, `${worker}.${round}.`), by);
      for (const told of results) seen.set(told.id, { least, most: begun, told });
    }
  };
  const publishing = async () => {
    while (published < 9) {
      const version = published + 1;
      const by = gateways[version % 2]!;
      await expectStatus(by.post('/v1/products/calls/versions', { prices: [priceOf(version)] }), 201);
      begun = version;
      await expectStatus(by.post(`/v1/products/calls/versions/${version}/publish`), 200);
      published = version;
      // So that something is priced by each.
      const count = seen.size;
      while (seen.size < count + 20) await sleep(5);
    }
    isDone = true;
  };
  await Promise.all([publishing(), ...Array.from({ length: 8 }, (_, worker) => load(gateways[worker % 2]!, worker))]);
  const charged = new Map(
    (await entriesOf(id)).filter(({ kind }) => kind === 'charge').map((entry) => [entry.event_id, entry]),
  );
  expect(charged.size).toBe(seen.size);
  for (const [name, { least, most, told }] of seen) {
    expect(told, name).toMatchObject({ status: 'charged' });
    const version = told.lines[0].price_version;
    expect(version, name).toBeGreaterThanOrEqual(least);
    expect(version, name).toBeLessThanOrEqual(most);
    // One version alone, and all tell of the same.
    expect(told, name).toMatchObject({ amount: String(version), lines: [{ amount: String(version) }] });
    expect(charged.get(name), name).toMatchObject({ amount: `-${version}`, lines: told.lines });
  }
  expect(new Set([...seen.values()].map(({ told }) => told.amount)).size).toBe(9);
}, 120_000);
