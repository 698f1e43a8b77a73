// A Farebox that takes money and has no worker: a test takes a worker's steps itself, as many as it likes, and breaks them off.
// What Stripe tells nobody hears, unless the test has it told.
import type { Redis } from 'ioredis';
import { openDatabase, type Sql } from '../../src/db/connect.ts';
import { installationOf } from '../../src/db/installation.ts';
import { lanesCount } from '../../src/limits.ts';
import { openLog } from '../../src/log.ts';
import { laneOf } from '../../src/outbox/queues.ts';
import { connectStore } from '../../src/run/connect-store.ts';
import { walletOf } from '../../src/wallet/keys.ts';
import { oneNode, sampleClocks } from '../../src/wallet/nodes.ts';
import type { Store } from '../../src/wallet/store.ts';
import { drainLane } from '../../src/worker/drain.ts';
import type { Parts } from '../faults/broken-off.ts';
import { startPaying, type Paying } from './paying.ts';
import { openRedis } from '../stores.ts';

export type ByHand = {
  paying: Paying;
  redis: Redis;
  sql: Sql;
  store: Store;
  whole: Parts;
  /** What a customer's wallet has written is in the ledger. */
  drain: (customer: string) => Promise<unknown>;
  /** Whoever had it is dead: what they had claimed comes to others, and pending credits grow old. */
  endClaims: () => Promise<void>;
  stop: () => Promise<void>;
};

export async function startByHand({ markDirty = () => {} }: { markDirty?: () => void } = {}): Promise<ByHand> {
  const paying = await startPaying({ worker: false });
  paying.standIn.webhooks.faults.lose = 1_000_000;
  const redis = await openRedis(paying.redis.url);
  const sql = openDatabase(paying.database.url, { connectionsMax: 4, name: 'test' });
  const nodes = oneNode(redis);
  const store = await connectStore({ sql, nodes, log: openLog('silent', 'test'), markDirty, onFenced: () => {} });
  await sampleClocks(nodes);
  const installation = await installationOf(sql);
  return {
    ...{ paying, redis, sql, store, whole: { sql, store, config: paying.config } },
    drain: (customer) =>
      drainLane({
        ...{ sql, redis, lanesCount, installation, freezeWallet: async () => false },
        lane: laneOf(walletOf(paying.environmentId, customer).partition, lanesCount),
        ...{ onBatch: () => {}, onQuarantined: () => {}, onForeignFence: () => {}, onWarning: () => {} },
      }),
    endClaims: async () => {
      await sql`update auto_top_ups set look_at = now() - interval '1 second' where look_at is not null`;
      await sql`update top_ups set look_at = now() - interval '1 second' where look_at is not null`;
      await sql`update credits set attempted_at = now() - interval '1 minute' where state = 'pending'`;
    },
    stop: async () => {
      redis.disconnect();
      await sql.end();
      await paying.stop();
    },
  };
}
