// The worker's look, every second, at whether Redis is the one that the ledger knows; recovery where it is not.
import type { Sql } from '../db/connect.ts';
import { noteDurability, readLosses } from '../db/epochs.ts';
import type { Config } from '../config.ts';
import type { Log } from '../log.ts';
import type { workerMetrics } from '../metrics.ts';
import { lowerClass, readDurability } from '../wallet/durability.ts';
import type { EpochRow } from '../wallet/fences.ts';
import type { Node } from '../wallet/nodes.ts';
import type { Store } from '../wallet/store.ts';
import type { Drained } from '../worker/drain.ts';
import { applyForgotten, expireForgotten } from '../worker/expire-forgotten.ts';
import { recover, type Recovered } from '../worker/recover.ts';
import { every } from './every.ts';
import { retryFor } from './retry.ts';

const lookIntervalMs = 1_000;
/** Gateways say every second what they have acknowledged; one that Postgres was away from, later. */
const lossesIntervalMs = 3_000;
const forgottenIntervalMs = 5_000;

export async function watchRecovery(options: {
  sql: Sql;
  store: Store;
  installation: string;
  /** FAREBOX_DURABILITY: a replica counts only where it is waited for. */
  required: Config['durability'];
  drainLane: (lane: number, node: Node) => Promise<Drained>;
  /** What a flushed Redis has forgotten besides: the queues' schedulers. */
  afterRecovery: () => Promise<void>;
  metrics: ReturnType<typeof workerMetrics>;
  log: Log;
}): Promise<{ stop: () => void }> {
  const { sql, store, installation, drainLane, metrics, log } = options;
  const { nodes } = store;
  const durabilityOf = async ({ redis }: Node) =>
    options.required === 'replicated' ? 'replicated' : (await readDurability(redis)).class;
  const recoverNode = (node: Node, epochs: EpochRow[]) =>
    recover({
      epochs,
      sql,
      redis: node.redis,
      isHere: (partition) => nodes.of(partition) === node,
      installation,
      drainLane: (lane) => drainLane(lane, node),
      readDurability: () => durabilityOf(node),
      onWarning: (message, fields) => log.warn(fields, message),
    });
  let foreign = '';
  let isReplaced = false;
  const look = async () => {
    const epochs = await store.refresh();
    // None waits for another: a node that is away keeps nobody else's partitions closed.
    const looks = await Promise.allSettled(nodes.all().map((node) => recoverNode(node, epochs)));
    await tell(combined(looks.flatMap((look) => (look.status === 'fulfilled' ? [look.value] : []))));
    const failed = looks.find((look) => look.status === 'rejected');
    if (failed) throw failed.reason;
  };
  const tell = async (outcome: Recovered) => {
    if (outcome.status === 'recovered') {
      await store.refresh();
      const { partitions, tookMs } = outcome;
      log.warn(
        { partitions, tookMs },
        'Redis was restarted, replaced or flushed, or partitions were closed: recovered from the ledger',
      );
      metrics.recoveries.inc();
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
  };
  const told = new Map<string, number>();
  // Of a worker that recovered, and died before it could tell, the next one tells.
  const tellLosses = async () => {
    for (const { durability, operations } of (await readLosses(sql)).lost) {
      metrics.operationsLost.labels(durability).set(operations);
      if (told.get(durability) === operations) continue;
      told.set(durability, operations);
      log.error({ durability, operations }, 'at least so many acknowledged operations were lost with Redis, in all');
    }
  };
  const onError = (error: Error) => log.error({ error }, 'looking whether Redis lost writes');
  // Nothing else may begin before Redis is known. What hinders it passes: another worker that stands still in the midst of it.
  const begin = async () => {
    await look();
    const classes = await Promise.all(nodes.all().map(durabilityOf));
    await noteDurability(sql, classes.reduce(lowerClass));
  };
  await retryFor(Infinity, begin, onError);
  const looking = every(lookIntervalMs, look, onError);
  const telling = every(lossesIntervalMs, tellLosses, (error) => log.error({ error }, 'reading what was lost'));
  void telling.now();
  const applyDueGrants = applyForgotten(sql, store);
  const expiring = every(
    forgottenIntervalMs,
    async () => metrics.swept.inc((await expireForgotten(sql, store)) + (await applyDueGrants())),
    (error) => log.error({ error }, 'seeing to forgotten holds and grants'),
  );
  return {
    stop: () => {
      for (const work of [looking, telling, expiring]) work.stop();
    },
  };
}

/** Of all nodes: what most needs to be told, and how many partitions it concerns. */
function combined(outcomes: readonly Recovered[]): Recovered {
  const recovered = outcomes.filter((outcome) => outcome.status === 'recovered');
  const partitions = recovered.reduce((sum, outcome) => sum + outcome.partitions, 0);
  const tookMs = Math.max(...recovered.map((outcome) => outcome.tookMs));
  const refused = outcomes.find(({ status }) => status === 'foreign' || status === 'replaced');
  return recovered.length > 0 ? { status: 'recovered', partitions, tookMs } : (refused ?? { status: 'healthy' });
}
