// The BullMQ queues: their names, what a job carries, and how jobs are added. Jobs carry ids only.
import type { JobsOptions } from 'bullmq';
import { partitionsCount } from '../limits.ts';

export const queueNames = {
  ledger: 'ledger',
  holds: 'holds',
  reconcile: 'reconcile',
  renewals: 'renewals',
  topUp: 'top-up',
} as const;

/** Before all of BullMQ's keys. */
export const queuePrefix = 'farebox';

/** Drain one lane into the ledger. */
export type LedgerJob = { lane: number };
/** Expire holds and apply due events in one lane's partitions. */
export type HoldsJob = { lane: number };
/** Compare the wallets that come next with the ledger: where that is, Postgres knows. */
export type ReconcileJob = Record<string, never>;

/** Ask for the next instances of recurring grants: which, Postgres knows. */
export type RenewalsJob = Record<string, never>;

/** Look at the top-ups that are due: which they are, Postgres knows. */
export type TopUpJob = Record<string, never>;

/**
 * A lane has at most one job that waits and one that runs. Entries that come while it runs are seen to by the next, so
 * none is overlooked; `keepLastIfActive` is what keeps that one. A job that fails is not repeated by BullMQ: the next
 * nudge, or the watchdog, is.
 */
export function jobOptions(lane: number): JobsOptions {
  return {
    deduplication: { id: `lane-${lane}`, keepLastIfActive: true },
    attempts: 1,
    // A few to look at; what counts is in the metrics.
    removeOnComplete: { count: 50 },
    removeOnFail: { count: 500 },
  };
}

/** How BullMQ connects. `waits`: a worker waits for Redis for as long as it takes, a gateway never does. */
export function queueConnection(url: string, { waits }: { waits: boolean }) {
  return {
    url,
    maxRetriesPerRequest: waits ? null : 0,
    enableOfflineQueue: waits,
    retryStrategy: (attempt: number) => Math.min(50 * attempt, 1_000),
    // Redis's own guess of how long it will load its data can be far too long.
    maxLoadingRetryTime: 1_000,
  };
}

export function laneOf(partition: number, lanesCount: number): number {
  return partition % lanesCount;
}

export function partitionsOfLane(lane: number, lanesCount: number): number[] {
  return Array.from({ length: partitionsCount }, (_, partition) => partition).filter(
    (partition) => laneOf(partition, lanesCount) === lane,
  );
}
