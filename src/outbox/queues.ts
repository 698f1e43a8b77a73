// The BullMQ queues: their names and what a job carries. Jobs carry ids only.
import { partitionsCount } from '../limits.ts';

export const queueNames = { ledger: 'ledger', holds: 'holds' } as const;

/** Drain one lane into the ledger. */
export type LedgerJob = { lane: number };
/** Expire holds and apply due events in one lane's partitions. */
export type HoldsJob = { lane: number };

export function laneOf(partition: number, lanesCount: number): number {
  return partition % lanesCount;
}

export function partitionsOfLane(lane: number, lanesCount: number): number[] {
  return Array.from({ length: partitionsCount }, (_, partition) => partition).filter(
    (partition) => laneOf(partition, lanesCount) === lane,
  );
}
