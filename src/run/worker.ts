// The worker: opens what is new, carries entries to the ledger, expires holds; wired, started and stopped here.
import pLimit from 'p-limit';
import type { Config } from '../config.ts';
import { findUnnoticed } from '../db/auto-top-ups.ts';
import { closeDatabase, openDatabase } from '../db/connect.ts';
import { endSilentSessions } from '../db/end-silent.ts';
import { installationOf } from '../db/installation.ts';
import { makeLedgerPartitions } from '../db/ledger-partitions.ts';
import { forgetReplies } from '../db/replies.ts';
import { batchesAtOnce, lanesCount, partitionsCount, sweepsAtOnce } from '../limits.ts';
import type { Log } from '../log.ts';
import { workerMetrics } from '../metrics.ts';
import { oldestEntryAtMs } from '../outbox/age.ts';
import { laneOf, partitionsOfLane } from '../outbox/queues.ts';
import { openPayments } from '../payments/payments.ts';
import { freezeBySystem } from '../wallet/freeze.ts';
import { allDone, connectNodes, leastNowMs, onEachNode, sampleClocks, type Node } from '../wallet/nodes.ts';
import { otherNodesMissing, readRedisState } from '../wallet/redis-state.ts';
import type { Store } from '../wallet/store.ts';
import { sweepPartition, type InLine } from '../wallet/sweep.ts';
import { applyPendingCredits } from '../worker/apply-credits.ts';
import { drainLane, type DrainOptions } from '../worker/drain.ts';
import { freezeQuarantined } from '../worker/freeze-quarantined.ts';
import { lookAtEvents } from '../worker/look-at-events.ts';
import { lookAtRefunds } from '../worker/look-at-refunds.ts';
import { lookAtTopUps } from '../worker/look-at-top-ups.ts';
import { openPartitions } from '../worker/open-partitions.ts';
import { pushConfigs } from '../worker/push-configs.ts';
import { raiseCatalogs } from '../worker/raise-catalogs.ts';
import { renew } from '../worker/renewals.ts';
import { seeToAutoTopUps, type AutoTopUpParts } from '../worker/see-to-auto-top-ups.ts';
import { startWorker } from '../worker/worker.ts';
import { connectStore } from './connect-store.ts';
import { every } from './every.ts';
import { lineByNode } from './line-by-node.ts';
import { paymentStore } from './payment-store.ts';
import { reconcilePages } from './reconcile-page.ts';
import { retryFor } from './retry.ts';
import { forgetMetrics, leaveMetrics } from './shared-metrics.ts';
import { tellOfRefund } from './tell-of-refund.ts';
import { tellOfTopUp } from './tell-of-top-up.ts';
import { watchRecovery } from './watch-recovery.ts';

const databaseConnectionsMax = lanesCount + 4;
/** Far longer than a batch takes. */
const statementMsMax = 10_000;
/** A worker that stands still in the midst of a batch gives its lane to another. */
const idleInTransactionMsMax = 10_000;
const redisWaitMs = 10_000;
const lookIntervalMs = 1_000;
const repairIntervalMs = 2_000;
const silentIntervalMs = 2_000;
/** It looks at all automatic top-ups. */
const unnoticedIntervalMs = 10_000;
/** Whether any list is due to be read. */
const eventsIntervalMs = 2_000;
const housekeepingIntervalMs = 3_600_000;
const sweepRoundsMax = 100;

export async function runWorker(config: Config, log: Log): Promise<{ stop: () => Promise<void> }> {
  const metrics = workerMetrics();
  const sql = openDatabase(config.databaseUrl, {
    connectionsMax: databaseConnectionsMax,
    name: 'worker',
    statementMsMax,
    idleInTransactionMsMax,
  });
  const nodes = connectNodes(config.redisUrl, { onError: (error) => log.warn({ error }, 'Redis connection') });
  const onWarning = (message: string, fields: Record<string, unknown>) => log.warn(fields, message);
  const onError = (error: Error, what: string) => log.error({ error }, what);
  if (!(await nodes.waitUntilReady(redisWaitMs))) throw new Error('Redis cannot be reached: check REDIS_URL');
  // From the start: what others keep that stand still, a worker that starts waits for.
  const ending = every(
    silentIntervalMs,
    async () => {
      const ended = await endSilentSessions(sql, idleInTransactionMsMax);
      if (ended > 0) log.warn({ ended }, 'ended sessions of workers that stood still in a transaction');
    },
    (error) => onError(error, 'looking for silent sessions'),
  );
  const installation = await installationOf(sql);
  const isOn = (node: Node) => (partition: number) => nodes.of(partition) === node;
  const open = async (): Promise<string | undefined> => {
    const states = await Promise.all(
      nodes.all().map(async ({ redis, isOfCluster }) => ({ isOfCluster, said: await readRedisState(redis) })),
    );
    if (states.some(({ isOfCluster, said }) => said.isOfCluster && !isOfCluster)) return otherNodesMissing;
    await onEachNode(nodes, (node) => openPartitions({ sql, redis: node.redis, isHere: isOn(node), onWarning }));
    await sampleClocks(nodes);
    return undefined;
  };
  const problem = await retryFor(redisWaitMs, open, (error) =>
    log.warn({ error }, 'opening what is new: trying again'),
  );
  if (problem !== undefined) throw new Error(problem);
  const store = await connectStore({
    sql,
    nodes,
    log,
    markDirty: () => {},
    onFenced: () => metrics.fenced.inc(),
    onDifference: () => metrics.reconcileDifferences.inc(),
  });

  let topUpsNow = (): void => {};
  const drain: Omit<DrainOptions, 'lane' | 'redis' | 'isHere' | 'isOfCluster'> = {
    sql,
    installation,
    lanesCount,
    inLine: pLimit(batchesAtOnce),
    freezeWallet: async (wallet) => {
      const outcome = await freezeBySystem(store, wallet, 'quarantine');
      return outcome.status === 'changed' || (outcome.status === 'unchanged' && outcome.freeze !== 'operator');
    },
    onBatch: ({ written, tookMs }) => {
      metrics.entriesDrained.inc(written);
      metrics.drainDuration.observe(tookMs / 1000);
    },
    onQuarantined: (entries) => {
      metrics.quarantined.inc(entries.length);
      log.error({ entries: entries.length, first: entries[0] }, 'entries did not prove and were set aside');
    },
    onForeignFence: (partitions) => metrics.fenced.inc(partitions.length),
    onCrossed: () => topUpsNow(),
    onWarning,
  };
  // Each node's part of a lane by itself: one that is away holds up nobody else's entries.
  const drainOn = (lane: number, node: Node) => {
    const { redis, isOfCluster } = node;
    return drainLane({ ...drain, lane, redis, isOfCluster, isHere: isOn(node) });
  };
  const sweepsInLine = lineByNode(sweepsAtOnce);
  let afterRecovery = async (): Promise<void> => {};
  const recovery = await watchRecovery({
    sql,
    store,
    installation,
    required: config.durability,
    drainLane: drainOn,
    afterRecovery: () => afterRecovery(),
    metrics,
    log,
  });
  const payments = openPayments(
    paymentStore({
      ...{ sql, config, store, onWarning },
      ...{ onTopUp: tellOfTopUp(metrics.topUps, log), onRefundEnded: tellOfRefund(metrics.refunds, log) },
    }),
  );
  const worker = startWorker({
    queueRedisUrl: config.queueRedisUrl,
    // So that each of several gets its share.
    lanesAtOnce: Math.ceil(lanesCount / config.processes),
    drainLane: (lane) => onEachNode(nodes, (node) => drainOn(lane, node)),
    sweepLane: async (lane) => metrics.swept.inc(await sweepLane(store, lane, sweepsInLine)),
    lookAtTopUps: () =>
      Promise.all([
        lookAtTopUps(sql, payments, onError),
        lookAtRefunds(sql, payments, onError),
        seeToAutoTopUps({ sql, store, payments, onError, onEnd: tellOfAutoTopUps(metrics, log) }),
      ]),
    reconcilePage: reconcilePages({ sql, store, metrics, log }),
    renew: () => renew(sql, store),
    onError,
  });
  afterRecovery = worker.schedule;
  topUpsNow = worker.topUpsNow;
  const repeated = [
    every(
      lookIntervalMs,
      async () => {
        const setLag = (lane: number, seconds: number) => metrics.drainLag.labels(String(lane)).set(seconds);
        // With one node of several away the others' are told.
        try {
          await allDone([sampleClocks(nodes), measureLag(store, setLag)]);
        } finally {
          await leaveMetrics(nodes, metrics.registry);
        }
      },
      (error) => onError(error, 'looking at Redis'),
    ),
    every(
      repairIntervalMs,
      async () => {
        await applyPendingCredits(sql, store);
        await raiseCatalogs(sql, store);
        await freezeQuarantined(drain);
        await pushConfigs(sql, store);
      },
      (error) => onError(error, 'repairing'),
    ),
    every(
      unnoticedIntervalMs,
      async () => {
        if ((await findUnnoticed(sql)) > 0) worker.topUpsNow();
      },
      (error) => onError(error, 'looking for accounts below their bound'),
    ),
    every(
      eventsIntervalMs,
      () => lookAtEvents(sql, payments, onWarning),
      (error) => onError(error, "reading Stripe's events"),
    ),
    every(
      housekeepingIntervalMs,
      async () => {
        await makeLedgerPartitions(sql);
        await forgetReplies(sql);
      },
      (error) => onError(error, 'housekeeping'),
    ),
  ];
  log.info({ lanes: lanesCount }, 'worker runs');
  return {
    stop: async () => {
      for (const work of [recovery, ending, ...repeated]) work.stop();
      await worker.stop();
      await forgetMetrics(nodes).catch((error: Error) => onError(error, 'forgetting metrics'));
      nodes.disconnect();
      await closeDatabase(sql);
      log.info('worker stopped');
    },
  };
}

function tellOfAutoTopUps(metrics: ReturnType<typeof workerMetrics>, log: Log): AutoTopUpParts['onEnd'] {
  return ({ auto, outcome, tookMs }) => {
    metrics.autoTopUps.labels(outcome).inc();
    if (tookMs !== undefined) metrics.autoTopUpDuration.observe(tookMs / 1000);
    const { environmentId, customerId, asset, crossedNo, topUp, error } = auto;
    const of = { environment: environmentId, customer: customerId, asset, crossing: crossedNo, top_up: topUp?.id };
    log.info({ ...of, outcome, took_ms: tookMs, error: error?.code }, 'automatic top-up');
  };
}

async function sweepLane(store: Store, lane: number, inLine: (node: Node) => InLine): Promise<number> {
  const swept = await Promise.all(
    partitionsOfLane(lane, lanesCount).map(async (partition) => {
      let done = 0;
      for (let round = 0; round < sweepRoundsMax; round += 1) {
        const step = await sweepPartition(store, partition, inLine(store.nodes.of(partition)));
        done += step.done;
        if (!step.more) break;
      }
      return done;
    }),
  );
  return swept.reduce((sum, done) => sum + done, 0);
}

async function measureLag(store: Store, set: (lane: number, seconds: number) => void): Promise<void> {
  const nowMs = leastNowMs(store.nodes);
  const oldest = Array.from({ length: lanesCount }, () => nowMs);
  const measuring = allDone(
    Array.from({ length: partitionsCount }, async (_, partition) => {
      const atMs = await oldestEntryAtMs(store.nodes.of(partition).redis, {
        partition,
        epoch: store.epochs[partition]!,
      });
      const lane = laneOf(partition, lanesCount);
      oldest[lane] = Math.min(oldest[lane]!, atMs ?? nowMs);
    }),
  );
  return measuring.finally(() => oldest.forEach((atMs, lane) => set(lane, (nowMs - atMs) / 1000)));
}
