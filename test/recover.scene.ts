// A Farebox whose Redis is lost in every way, and what a test of that asks for again and again.
import { expect } from 'vitest';
import { openDatabase } from '../src/db/connect.ts';
import { fenceKey, walletOf } from '../src/wallet/keys.ts';
import { waitUntilReady } from '../src/wallet/redis.ts';
import { withDrainStopped } from './drain-stopped.ts';
import { startFarebox, type Reply } from './farebox.ts';
import { waitUntilDrained } from './faults/books.ts';
import { openRedis } from './stores.ts';

export type Scene = Awaited<ReturnType<typeof openScene>>;

const patience = { timeout: 20_000 };

/** What BullMQ keeps of a worker's schedules. */
export const schedulesKept = [
  { key: 'farebox:holds:repeat', count: 8 },
  ...['reconcile', 'renewals', 'top-up'].map((queue) => ({ key: `farebox:${queue}:repeat`, count: 1 })),
];

export async function openScene(options: Parameters<typeof startFarebox>[0] = {}) {
  const farebox = await startFarebox(options);
  const { client } = farebox;
  const sql = openDatabase(farebox.database.url, { connectionsMax: 3, name: 'test' });
  const redis = await openRedis(farebox.redis.url);
  await farebox.customer('probe');
  const environmentId = (await sql<{ id: string }[]>`select id from environments`)[0]!.id;
  let named = 0;

  const isReady = async () => (await fetch(`${client.url}/readyz`)).status === 200;

  const epochNow = async () => (await sql<{ epoch: number }[]>`select max(epoch) as epoch from partitions`)[0]!.epoch;

  const charge = (id: string, amount: string, key = `key ${(named += 1)}`): Promise<Reply> =>
    client.post('/v1/charge', { customer_id: id, asset: 'USD', amount }, { 'idempotency-key': key });

  const areFencesOpen = async () => {
    const fences = await Promise.all(Array.from({ length: 256 }, (_, partition) => redis.get(fenceKey(partition))));
    const epochs = await sql<{ epoch: number }[]>`select epoch from partitions order by partition`;
    return fences.every((fence, partition) => fence?.endsWith(`:${epochs[partition]?.epoch}`));
  };

  /** Not what /readyz saw a second ago. */
  const takesDecisions = async () =>
    (await areFencesOpen()) && (await isReady()) && (await charge('probe', '0')).status === 200;

  /** Does it to Redis, and waits until every partition is open in a later epoch. */
  const losing = async (damage: () => Promise<unknown>, isBack: () => Promise<boolean> = takesDecisions) => {
    const before = await epochNow();
    await damage();
    await expect.poll(epochNow, patience).toBeGreaterThan(before);
    await waitUntilReady(redis, 5_000);
    await expect.poll(isBack, patience).toBe(true);
  };

  return {
    farebox,
    client,
    sql,
    redis,
    environmentId,
    charge,
    epochNow,
    isReady,
    takesDecisions,
    losing,
    areOpen: async () => (await areFencesOpen()) && (await isReady()),
    walletOf: (id: string) => walletOf(environmentId, id),
    customer: (amount = '100') => farebox.customer(`customer_${(named += 1)}`, amount),
    hold: async (id: string, amount: string, ttlMs = 60_000): Promise<string> => {
      const body = { customer_id: id, asset: 'USD', amount, ttl_ms: ttlMs };
      return (await client.post('/v1/authorize', body)).body.id;
    },
    account: async (id: string): Promise<{ available: string; held: string }> => {
      const { body } = await client.get(`/v1/customers/${id}/wallet`);
      return { available: body.accounts[0].available, held: body.accounts[0].held };
    },
    drained: () => waitUntilDrained({ sql, redis }),
    /** Killed; what is done meanwhile finds its files as the kill left them. */
    restart: async (between: () => unknown = () => undefined) => {
      await farebox.redis.kill();
      await between();
      await farebox.redis.restart();
    },
    withDrainStopped: <T>(work: () => Promise<T>) => withDrainStopped(sql, work),
    /** How many acknowledged operations were lost, as /readyz tells. */
    lost: async (): Promise<number> => {
      const { body } = await client.get('/readyz');
      return body.dependencies.redis.acknowledged_lost?.fast ?? 0;
    },
    close: async () => {
      redis.disconnect();
      await sql.end();
      await farebox.stop();
    },
  };
}
