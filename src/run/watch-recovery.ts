// The worker's look, every second, at whether Redis is the one that the ledger knows; recovery where it is not.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { Sql } from '../db/connect.ts';
import { noteDurability, readLosses } from '../db/epochs.ts';
import type { Config } from '../config.ts';
import type { Log } from '../log.ts';
import type { workerMetrics } from '../metrics.ts';
import { readDurability } from '../wallet/durability.ts';
import type { Store } from '../wallet/store.ts';
import { applyForgotten, expireForgotten } from '../worker/expire-forgotten.ts';
import { recover, type RecoverOptions } from '../worker/recover.ts';
import { every } from './every.ts';

const lookIntervalMs = 1_000;
/** Gateways look every second, and say then what they have acknowledged. */
const reportDelayMs = 2_000;
const forgottenIntervalMs = 5_000;

export async function watchRecovery(options: {
  sql: Sql;
  redis: Redis;
  store: Store;
  installation: string;
  /** FAREBOX_DURABILITY: a replica counts only where it is waited for. */
  required: Config['durability'];
  drainLane: RecoverOptions['drainLane'];
  /** What a flushed Redis has forgotten besides: the queues' schedulers. */
  afterRecovery: () => Promise<void>;
  metrics: ReturnType<typeof workerMetrics>;
  log: Log;
}): Promise<{ stop: () => void }> {
  const { sql, redis, store, installation, drainLane, metrics, log } = options;
  const durability = async () =>
    options.required === 'replicated' ? 'replicated' : (await readDurability(redis)).class;
  let foreign = '';
  let isReplaced = false;
  let reportAtMs = Infinity;
  const look = async () => {
    const epochs = await store.refresh();
    const outcome = await recover({
      epochs,
      sql,
      redis,
      installation,
      drainLane,
      readDurability: durability,
      onWarning: (message, fields) => log.warn(fields, message),
    });
    if (outcome.status === 'recovered') {
      await store.refresh();
      const { partitions, tookMs } = outcome;
      log.warn(
        { partitions, tookMs },
        'Redis was restarted, replaced or flushed, or partitions were closed: recovered from the ledger',
      );
      metrics.recoveries.inc();
      reportAtMs = performance.now() + reportDelayMs;
      await options.afterRecovery();
    }
    const fence = outcome.status === 'foreign' ? outcome.fence : '';
    if (fence !== '' && fence !== foreign) {
      log.error(
        { fence, installation },
        'this Redis has the data of another installation, or this is another Postgres: point REDIS_URL and DATABASE_URL at ' +
          'stores that belong together, or give this one an empty Redis',
      );
    }
    foreign = fence;
    if (outcome.status === 'replaced' && !isReplaced) {
      log.error(
        { partitions: outcome.partitions },
        'this Redis was replaced by another one, and has not got what happened there: point REDIS_URL at the other one; or, if ' +
          'this one is to take over again, restart it',
      );
    }
    isReplaced = outcome.status === 'replaced';
    if (performance.now() < reportAtMs) return;
    reportAtMs = Infinity;
    const { lost } = await readLosses(sql);
    for (const { durability, operations } of lost) {
      metrics.operationsLost.labels(durability).set(operations);
      log.error({ durability, operations }, 'at least so many acknowledged operations were lost with Redis');
    }
  };
  const onError = (error: Error) => log.error({ error }, 'looking whether Redis lost writes');
  // Nothing else may begin before Redis is known. What hinders it passes: another worker that stands still in the midst of it.
  while (!(await look().then(() => true, onError))) await sleep(lookIntervalMs);
  await noteDurability(sql, await durability());
  const looking = every(lookIntervalMs, look, onError);
  const applyDueGrants = applyForgotten(sql, store);
  const expiring = every(
    forgottenIntervalMs,
    async () => metrics.swept.inc((await expireForgotten(sql, store)) + (await applyDueGrants())),
    (error) => log.error({ error }, 'seeing to forgotten holds and grants'),
  );
  return {
    stop: () => {
      looking.stop();
      expiring.stop();
    },
  };
}
