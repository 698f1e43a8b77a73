// The wallet store for one command of an operator's.
import type { Config } from '../config.ts';
import type { Sql } from '../db/connect.ts';
import { openLog } from '../log.ts';
import { connectNodes, sampleClocks } from '../wallet/nodes.ts';
import type { Store } from '../wallet/store.ts';
import { connectStore } from './connect-store.ts';

const redisWaitMs = 5_000;

export async function withStore<T>(
  { config, sql }: { config: Config; sql: Sql },
  work: (store: Store) => Promise<T>,
): Promise<T | 'unreachable'> {
  const nodes = connectNodes(config.redisUrl, { onError: () => undefined });
  try {
    if (!(await nodes.waitUntilReady(redisWaitMs))) return 'unreachable';
    const log = openLog('silent', 'operator');
    const store = await connectStore({ sql, nodes, log, markDirty: () => {}, onFenced: () => {} });
    await sampleClocks(nodes);
    return await work(store);
  } finally {
    nodes.disconnect();
  }
}
