// Wallets in a Redis Cluster: each primary is recovered by itself, and a slot that moves takes its wallets along.
import keySlot from 'cluster-key-slot';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { waitUntil } from '../scripts/stores/process.ts';
import type { RedisCluster } from '../scripts/stores/redis-cluster.ts';
import { openDatabase, type Sql } from '../src/db/connect.ts';
import { fenceKey, walletOf } from '../src/wallet/keys.ts';
import { connectNodes, type Nodes } from '../src/wallet/nodes.ts';
import { expectStatus, startFarebox, type Farebox } from './farebox.ts';
import { expectSound, waitUntilDrained } from './faults/books.ts';
import { createRedisCluster } from './stores.ts';

const nodesCount = 3;

let cluster: RedisCluster;
let farebox: Farebox;
let sql: Sql;
let nodes: Nodes;
/** Two customers on each node, with 100 to spend. */
let byNode: string[][];
const undo: (() => unknown)[] = [];

beforeAll(async () => {
  cluster = await createRedisCluster();
  undo.push(cluster.stop);
  farebox = await startFarebox({ over: { redisUrl: cluster.url } });
  undo.push(farebox.stop);
  sql = openDatabase(farebox.database.url, { connectionsMax: 3, name: 'test' });
  undo.push(() => sql.end());
  nodes = connectNodes(cluster.url, { onError: () => undefined });
  undo.push(nodes.disconnect);
  await isReady();
  byNode = Array.from({ length: nodesCount }, () => []);
  for (let no = 0; byNode.some((ids) => ids.length < 2); no += 1) {
    const ids = byNode[nodeOf(await partitionOf(`customer-${no}`))]!;
    if (ids.length < 2) ids.push(await farebox.customer(`customer-${no}`, '100'));
  }
}, 60_000);

afterAll(async () => {
  for (const step of undo.reverse()) await step();
});

beforeEach(isReady);

async function isReady(): Promise<void> {
  const answers = async () => (await farebox.client.get('/readyz')).status === 200;
  if (!(await waitUntil(answers, 20_000, 100))) throw new Error((await farebox.client.get('/readyz')).text);
}

async function partitionOf(customerId: string): Promise<number> {
  const [environment] = await sql<{ id: string }[]>`select id from environments`;
  return walletOf(environment!.id, customerId).partition;
}

/** As the slots were given out. */
const nodeOf = (partition: number): number => Math.floor((slotOf(partition) * nodesCount) / 16_384);
const slotOf = (partition: number): number => keySlot(fenceKey(partition));

const charge = async (id: string): Promise<number> =>
  (await farebox.client.post('/v1/charge', { customer_id: id, asset: 'USD', amount: '1' })).status;
const available = async (id: string): Promise<string> =>
  (await farebox.client.get(`/v1/customers/${id}/wallet`)).body.accounts[0].available;
const epochs = async (): Promise<number[]> =>
  (await sql<{ epoch: number }[]>`select epoch from partitions order by partition`).map(({ epoch }) => epoch);

/** Everything that the nodes have written is in the ledger, and adds up. */
async function expectKept(): Promise<void> {
  await nodes.waitUntilReady(5_000);
  await waitUntilDrained({ sql, redis: { getBuffer: (key) => nodes.ofKey(key).getBuffer(key) } });
  await expectSound(sql);
}

test('wallets on every node: a hold, its settlement, a batch over all of them', async () => {
  for (const [id] of byNode) {
    const held = await farebox.client.post('/v1/authorize', { customer_id: id, asset: 'USD', amount: '5' });
    expect(held.status, held.text).toBe(200);
    const settled = await farebox.client.post(`/v1/holds/${held.body.id}/settle`, { amount: '2' });
    expect(settled.status, settled.text).toBe(200);
  }
  const price = { id: 'call', event_type: 'call', asset: 'USD', model: 'unit', quantity: 'calls', unit_amount: '1' };
  await expectStatus(
    farebox.client.post('/v1/products', { id: 'calls', name: 'Calls', default: true, prices: [price] }),
    201,
  );
  // Heard of on every node before it is answered.
  await expectStatus(farebox.client.post('/v1/products/calls/versions/1/publish', {}), 200);
  const events = byNode
    .flat()
    .map((id) => ({ id: `event-${id}`, customer_id: id, event_type: 'call', data: { calls: 1 } }));
  const batch = await farebox.client.post('/v1/events', { events });
  expect(
    batch.body.results.map(({ status }: { status: string }) => status),
    batch.text,
  ).toEqual(events.map(() => 'charged'));
  expect(await Promise.all(byNode.flat().map(available))).toEqual(['97', '99', '97', '99', '97', '99']);
  await expectKept();
});

test('a node that is away closes its own wallets alone, and is recovered alone', async () => {
  const before = await epochs();
  const [away, ...others] = byNode;
  await cluster.nodes[0]!.kill();
  expect(await charge(away![0]!)).toBe(503);
  for (const [id] of others) expect(await charge(id!)).toBe(200);
  const readiness = async () => {
    const { status, body } = await farebox.client.get('/readyz');
    const { redis } = body.dependencies;
    return { status, open: redis.partitions_open, why: redis.status };
  };
  const open = (await epochs()).filter((_, partition) => nodeOf(partition) !== 0).length;
  const why = expect.stringContaining(`does not answer at 127.0.0.1:${cluster.nodes[0]!.port}`);
  await expect.poll(readiness, { timeout: 10_000 }).toEqual({ status: 503, open, why });
  await cluster.nodes[0]!.restart();
  await expect.poll(() => charge(away![0]!), { timeout: 20_000 }).toBe(200);
  const after = await epochs();
  expect(after).toEqual(before.map((epoch, partition) => (nodeOf(partition) === 0 ? epoch + 1 : epoch)));
  await expectKept();
});

test('a node that was emptied gets its wallets back from the ledger', async () => {
  await expectKept();
  const left = await Promise.all(byNode[1]!.map(available));
  const [node] = nodes.all().filter(({ redis }) => redis.options.port === cluster.nodes[1]!.port);
  await node!.redis.flushall();
  await expect.poll(() => charge(byNode[1]![0]!), { timeout: 20_000 }).toBe(200);
  expect(await Promise.all(byNode[1]!.map(available))).toEqual([String(Number(left[0]) - 1), left[1]]);
  await expectKept();
});

test('a slot that moves to another node: refused until the ledger knows it there, then as before', async () => {
  const [id] = byNode[2]!;
  const partition = await partitionOf(id!);
  const before = { epochs: await epochs(), available: Number(await available(id!)) };
  const answers: number[] = [];
  await cluster.moveSlot(slotOf(partition), 2, 0, async () => {
    answers.push(await charge(id!));
  });
  await expect
    .poll(
      async () => {
        const status = await charge(id!);
        answers.push(status);
        return status;
      },
      { timeout: 20_000 },
    )
    .toBe(200);
  expect(new Set(answers)).toEqual(new Set([503, 200]));
  const yes = answers.filter((status) => status === 200).length;
  expect(Number(await available(id!))).toBe(before.available - yes);
  // The fence of its new node's other partitions reads the same: that does not speak for this one.
  const after = await epochs();
  expect(after[partition]).toBe(before.epochs[partition]! + 1);
  expect(after.filter((epoch, no) => epoch !== before.epochs[no])).toHaveLength(1);
  await expectKept();
});
