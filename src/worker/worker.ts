// The worker's work: BullMQ says when, plain timers make sure.
//
// Queue `ledger` drains a lane when gateways say that it has entries; queue `holds` sweeps a lane on a schedule; queue
// `reconcile` compares wallets with the ledger; queue `renewals` asks for the next instances of recurring grants; queue
// `top-up` looks at what Stripe says of payments under way. A watchdog on plain timers drains, sweeps and looks where no
// job has seen to it for a while: money does not depend on the queues' own keys, nor on the Redis that holds them.
// Comparing waits until they are back: it finds what is wrong, and moves nothing. So do renewals, which are asked for
// long before.
import { setTimeout as sleep } from 'node:timers/promises';
import { Queue, Worker } from 'bullmq';
import { z } from 'zod';
import { drainAgeMaxMs, laneTurnMs, lanesCount, sweepIntervalMs } from '../limits.ts';
import { queueConnection, queueNames, queuePrefix } from '../outbox/queues.ts';

export type WorkerOptions = {
  queueRedisUrl: string;
  /** Of the queue; default: all. */
  lanesAtOnce?: number;
  drainLane: (lane: number) => Promise<unknown>;
  sweepLane: (lane: number) => Promise<unknown>;
  /** Compares the wallets that come next with the ledger: one second's worth of them. */
  reconcilePage: () => Promise<unknown>;
  /** Asks for the next instances of recurring grants. */
  renew: () => Promise<unknown>;
  /** Looks at the top-ups that are due, and sees to automatic ones. */
  lookAtTopUps: () => Promise<unknown>;
  onError: (error: Error, what: string) => void;
};

const watchdogIntervalMs = 250;
const stopBoundMs = 7_000;
const closeBoundMs = 1_000;
const reconcileIntervalMs = 1_000;
/** Instances are asked for long before they are due. */
const renewalsIntervalMs = 2_000;
const topUpsIntervalMs = 1_000;
const topUpsAgeMaxMs = 3_000;
const schedulesIntervalMs = 2_000;
/** Of work that has none. */
const onlyLane = 0;
const scheduledJobs = { attempts: 1, removeOnComplete: { count: 50 }, removeOnFail: { count: 500 } };
const lanes = Array.from({ length: lanesCount }, (_, lane) => lane);
const laneJob = z.object({
  lane: z
    .int()
    .min(0)
    .max(lanesCount - 1),
});

export type RunningWorker = {
  /** At once, rather than with the next look: Redis was flushed, or put back, with schedulers of then. */
  schedule: () => Promise<void>;
  /** Something is known to be due. */
  topUpsNow: () => void;
  stop: () => Promise<void>;
};

export function startWorker(options: WorkerOptions): RunningWorker {
  const { onError } = options;
  const drained = watched(drainAgeMaxMs, options.drainLane);
  const swept = watched(drainAgeMaxMs, options.sweepLane);
  const topUps = watched(topUpsAgeMaxMs, options.lookAtTopUps);
  const shared = { connection: queueConnection(options.queueRedisUrl, { waits: true }), prefix: queuePrefix };
  const stopping = new AbortController();
  const drainInTurn = async (lane: number) => {
    const delayMs = untilTurnMs(lane, drained.sinceStartMs(lane));
    if (delayMs > 0) await sleep(delayMs, undefined, { signal: stopping.signal }).catch(() => undefined);
    await drained.now(lane);
  };
  const workers = [
    new Worker(queueNames.ledger, (job) => drainInTurn(laneJob.parse(job.data).lane), {
      ...shared,
      concurrency: options.lanesAtOnce ?? lanesCount,
    }),
    new Worker(queueNames.holds, (job) => swept.now(laneJob.parse(job.data).lane), { ...shared, concurrency: 2 }),
    new Worker(queueNames.reconcile, () => options.reconcilePage(), { ...shared, concurrency: 1 }),
    new Worker(queueNames.renewals, () => options.renew(), { ...shared, concurrency: 1 }),
    new Worker(queueNames.topUp, () => topUps.now(onlyLane), { ...shared, concurrency: 1 }),
  ];
  for (const worker of workers) {
    worker.on('error', (error) => onError(error, `queue ${worker.name}`));
    worker.on('failed', (_, error) => onError(error, `job of queue ${worker.name}`));
  }
  const schedules = [
    { queue: new Queue(queueNames.holds, shared), put: scheduleSweeps, count: lanesCount },
    { queue: new Queue(queueNames.reconcile, shared), put: scheduleReconcile, count: 1 },
    { queue: new Queue(queueNames.renewals, shared), put: scheduleRenewals, count: 1 },
    { queue: new Queue(queueNames.topUp, shared), put: scheduleTopUps, count: 1 },
  ];
  for (const { queue } of schedules) queue.on('error', (error) => onError(error, 'queue schedule'));
  const schedule = async () => {
    await Promise.all(schedules.map(({ queue, put }) => put(queue))).catch((error: Error) =>
      onError(error, 'scheduling'),
    );
  };
  // Where queues have a Redis of their own, nobody recovers it: what it has forgotten is put there again.
  let looking: Promise<void> | undefined = schedule().finally(() => (looking = undefined));
  const look = async () => {
    const standing = await Promise.all(schedules.map(({ queue }) => queue.getJobSchedulersCount()));
    if (schedules.some(({ count }, at) => standing[at]! < count)) await schedule();
  };
  const schedulesLook = setInterval(() => {
    looking ??= look()
      .catch((error: Error) => onError(error, 'looking for schedules'))
      .finally(() => (looking = undefined));
  }, schedulesIntervalMs);

  const watchdog = setInterval(() => {
    if (topUps.isOverdue(onlyLane)) {
      topUps.now(onlyLane).catch((error: Error) => onError(error, 'watchdog, top-ups'));
    }
    for (const work of [drained, swept]) {
      for (const lane of lanes) {
        if (work.isOverdue(lane)) work.now(lane).catch((error: Error) => onError(error, `watchdog, lane ${lane}`));
      }
    }
  }, watchdogIntervalMs);

  return {
    schedule,
    topUpsNow: () => void topUps.now(onlyLane).catch((error: Error) => onError(error, 'top-ups')),
    stop: async () => {
      clearInterval(watchdog);
      clearInterval(schedulesLook);
      // Those that wait for their turn have it now.
      stopping.abort();
      await sleep(0);
      const closed = Promise.allSettled([
        ...workers.map((worker) => worker.close()),
        Promise.resolve(looking).then(() => Promise.allSettled(schedules.map(({ queue }) => queue.close()))),
      ]);
      const idle = Promise.allSettled([
        topUps.idle(onlyLane),
        ...lanes.flatMap((lane) => [drained.idle(lane), swept.idle(lane)]),
      ]);
      // Queues whose Redis is away would never close; what they ran is done by then.
      await within(stopBoundMs, Promise.race([closed, idle.then(() => sleep(closeBoundMs))]));
      // What came in meanwhile goes to the ledger now rather than after the next start.
      await within(stopBoundMs, Promise.allSettled(lanes.map((lane) => drained.now(lane))));
    },
  };
}

async function within(boundMs: number, work: Promise<unknown>): Promise<void> {
  const bound = new AbortController();
  await Promise.race([work, sleep(boundMs, undefined, { signal: bound.signal }).catch(() => undefined)]);
  bound.abort();
}

async function scheduleSweeps(queue: Queue): Promise<void> {
  for (const lane of lanes) {
    await queue.upsertJobScheduler(
      `sweep-lane-${lane}`,
      { every: sweepIntervalMs },
      {
        name: 'sweep',
        data: { lane },
        opts: scheduledJobs,
      },
    );
  }
}

async function scheduleReconcile(queue: Queue): Promise<void> {
  await queue.upsertJobScheduler('reconcile', { every: reconcileIntervalMs }, { name: 'compare', opts: scheduledJobs });
}

async function scheduleRenewals(queue: Queue): Promise<void> {
  await queue.upsertJobScheduler('renewals', { every: renewalsIntervalMs }, { name: 'renew', opts: scheduledJobs });
}

async function scheduleTopUps(queue: Queue): Promise<void> {
  await queue.upsertJobScheduler('top-up', { every: topUpsIntervalMs }, { name: 'look', opts: scheduledJobs });
}

/**
 * A lane that has been quiet is drained at once. A busy one has its turn once in a while, each lane at an instant of its
 * own: so batches are large, and lanes don't all begin at once. A turn that comes too soon after the last is left out.
 */
function untilTurnMs(lane: number, sinceStartMs: number): number {
  if (sinceStartMs >= laneTurnMs) return 0;
  const soonestMs = Math.max(0, laneTurnMs / 2 - sinceStartMs);
  const sinceTurnMs = (Date.now() + soonestMs - (lane * laneTurnMs) / lanesCount) % laneTurnMs;
  return soonestMs + laneTurnMs - sinceTurnMs;
}

/** Work on lanes that is never done twice at once on one lane, and that knows when it was done last. */
function watched(boundMs: number, work: (lane: number) => Promise<unknown>) {
  const running = new Map<number, Promise<unknown>>();
  const startedAtMs = new Map<number, number>();
  const doneAtMs = new Map<number, number>();
  const start = async (lane: number) => {
    startedAtMs.set(lane, performance.now());
    await work(lane).finally(() => {
      running.delete(lane);
      doneAtMs.set(lane, performance.now());
    });
  };
  return {
    /** After a run that is under way, one more: it may have passed what this call is about. */
    now: async (lane: number): Promise<void> => {
      await running.get(lane)?.catch(() => undefined);
      const started = running.get(lane) ?? start(lane);
      running.set(lane, started);
      await started;
    },
    sinceStartMs: (lane: number) => performance.now() - (startedAtMs.get(lane) ?? -Infinity),
    isOverdue: (lane: number) => !running.has(lane) && performance.now() - (doneAtMs.get(lane) ?? -Infinity) > boundMs,
    idle: (lane: number) => running.get(lane) ?? Promise.resolve(),
  };
}
