// The worker: opens what is new, carries entries to the ledger, expires holds; wired, started and stopped here.
import type { Config } from '../config.ts';
import { openDatabase } from '../db/connect.ts';
import { lanesCount } from '../limits.ts';
import type { Log } from '../log.ts';
import { openMetrics } from '../metrics.ts';
import { partitionsOfLane } from '../outbox/queues.ts';
import { freezeBySystem } from '../wallet/freeze.ts';
import { connectRedis, waitUntilReady } from '../wallet/redis.ts';
import { sweepPartition } from '../wallet/sweep.ts';
import { drainLane } from '../worker/drain.ts';
import { openPartitions } from '../worker/open-partitions.ts';
import { connectStore } from './connect-store.ts';
import { every } from './every.ts';

export async function runWorker(config: Config, log: Log): Promise<{ stop: () => Promise<void> }> {
  const metrics = openMetrics('worker');
  const sql = openDatabase(config.databaseUrl, { connectionsMax: 10, name: 'worker' });
  const redis = connectRedis(config.redisUrl, (error) => log.warn({ error }, 'Redis connection'));
  await waitUntilReady(redis, 10_000);
  const opened = await openPartitions({ sql, redis, onWarning: (message, fields) => log.warn(fields, message) });
  const store = await connectStore({ sql, redis, log, markDirty: () => {}, onFenced: () => metrics.fenced.inc() });
  await store.clock.sample();
  const loops = Array.from({ length: lanesCount }, (_, lane) =>
    every(50, async () => {
      await drainLane({
        sql,
        redis,
        installation: opened.installation,
        lane,
        lanesCount,
        freezeWallet: async (wallet) => {
          const outcome = await freezeBySystem(store, wallet, 'quarantine');
          return outcome.status === 'changed' || (outcome.status === 'unchanged' && outcome.freeze !== 'operator');
        },
        onBatch: ({ written }) => metrics.entriesDrained.inc(written),
        onQuarantined: (entries) => log.error({ entries: entries.length }, 'entries quarantined'),
        onForeignFence: (partitions) => log.error({ partitions }, 'foreign fence'),
        onWarning: (message, fields) => log.warn(fields, message),
      });
      for (const partition of partitionsOfLane(lane, lanesCount)) await sweepPartition(store, partition);
    }),
  );
  const clock = every(1000, () => store.clock.sample());
  return {
    stop: async () => {
      clock.stop();
      for (const loop of loops) loop.stop();
      await Promise.allSettled(loops.map((loop) => loop.now()));
      redis.disconnect();
      await sql.end({ timeout: 5 });
    },
  };
}
