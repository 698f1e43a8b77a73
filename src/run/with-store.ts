// The wallet store for one command of an operator's.
import type { Config } from '../config.ts';
import type { Sql } from '../db/connect.ts';
import { openLog } from '../log.ts';
import { connectRedis, waitUntilReady } from '../wallet/redis.ts';
import type { Store } from '../wallet/store.ts';
import { connectStore } from './connect-store.ts';

const redisWaitMs = 5_000;

export async function withStore<T>(
  { config, sql }: { config: Config; sql: Sql },
  work: (store: Store) => Promise<T>,
): Promise<T | 'unreachable'> {
  const redis = connectRedis(config.redisUrl, () => undefined);
  try {
    if (!(await waitUntilReady(redis, redisWaitMs))) return 'unreachable';
    const log = openLog('silent', 'operator');
    const store = await connectStore({ sql, redis, log, markDirty: () => {}, onFenced: () => {} });
    await store.clock.sample();
    return await work(store);
  } finally {
    redis.disconnect();
  }
}
