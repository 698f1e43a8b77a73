// The gateway's word to the workers: these lanes have new entries.
//
// A request only sets a bit in memory. A timer adds one job for each dirty lane, four times a second, and jobs for a lane
// that has one waiting are dropped by BullMQ; so the cost is in proportion to time, not to requests. When the queue's
// Redis does not answer, the bits stay, and the workers' watchdog drains meanwhile: no request ever hears of it.
import { setTimeout as sleep } from 'node:timers/promises';
import { Queue } from 'bullmq';
import { lanesCount, nudgeIntervalMs } from '../limits.ts';
import {
  jobOptions,
  laneOf,
  queueConnection,
  queueNames,
  queuePrefix,
  type HoldsJob,
  type LedgerJob,
  type ReconcileJob,
  type RenewalsJob,
  type TopUpJob,
} from './queues.ts';

export type Nudge = {
  markDirty: (partition: number) => void;
  /** For the dashboard. */
  queues: Queue[];
  stop: () => Promise<void>;
};

// What is not added by then, the watchdog sees to.
const stopBoundMs = 1_000;

/** `onError` hears of the first failure of a row of them. */
export function openNudge(queueRedisUrl: string, onError: (error: Error) => void): Nudge {
  const options = { connection: queueConnection(queueRedisUrl, { waits: false }), prefix: queuePrefix };
  const ledger = new Queue<LedgerJob>(queueNames.ledger, options);
  const holds = new Queue<HoldsJob>(queueNames.holds, options);
  const reconcile = new Queue<ReconcileJob>(queueNames.reconcile, options);
  const renewals = new Queue<RenewalsJob>(queueNames.renewals, options);
  const topUp = new Queue<TopUpJob>(queueNames.topUp, options);
  const queues = [ledger, holds, reconcile, renewals, topUp];
  let failing = false;
  const fail = (error: unknown) => {
    if (!failing) onError(error instanceof Error ? error : new Error(String(error)));
    failing = true;
  };
  for (const queue of queues) queue.on('error', fail);

  const dirty = new Set<number>();
  const add = async () => {
    const lanes = [...dirty];
    dirty.clear();
    try {
      await ledger.addBulk(lanes.map((lane) => ({ name: 'drain', data: { lane }, opts: jobOptions(lane) })));
      failing = false;
    } catch (error) {
      for (const lane of lanes) dirty.add(lane);
      fail(error);
    }
  };
  let adding: Promise<void> | undefined;
  const flush = () => {
    if (dirty.size === 0 || adding) return;
    adding = add().finally(() => {
      adding = undefined;
    });
  };
  const timer = setInterval(flush, nudgeIntervalMs);

  return {
    markDirty: (partition) => void dirty.add(laneOf(partition, lanesCount)),
    queues,
    stop: async () => {
      clearInterval(timer);
      flush();
      await Promise.race([adding, sleep(stopBoundMs)]);
      await Promise.race([Promise.allSettled(queues.map((queue) => queue.close())), sleep(stopBoundMs)]);
    },
  };
}
