// Backpressure: new work is refused before Redis has no memory left, or before entries wait for the ledger longer than Redis
// remembers their operations. What was begun goes on: settle, release, extending in time, expiry, and reads.
//
// Looked at every second. A request costs one comparison while all is well. Where it is lifted lies below where it begins, so
// that it does not come and go.
import { memoryShareLifted, memoryShareMax, outboxAgeLiftedMs, outboxAgeMaxMs, partitionsCount } from '../limits.ts';
import { leastNowMs } from './nodes.ts';
import type { Store } from './store.ts';

export const pressureReasons = ['memory', 'outbox_age'] as const;
export type PressureReason = (typeof pressureReasons)[number];

export type Pressure = {
  reasons: readonly PressureReason[];
  /** What who is refused is told: what is wrong and what would fix it. Undefined: nobody is refused. */
  detail: string | undefined;
};

export type PressureReading = {
  /** Of Redis's maxmemory; undefined where memory is not limited. */
  memoryShare: number | undefined;
  /** Of the oldest entry that waits for the ledger. */
  oldestEntryAgeMs: number;
};

export const noPressure: Pressure = { reasons: [], detail: undefined };

export function pressureOf(before: Pressure, { memoryShare = 0, oldestEntryAgeMs }: PressureReading): Pressure {
  const limitOf = (reason: PressureReason, begins: number, lifted: number) =>
    before.reasons.includes(reason) ? lifted : begins;
  const exceeds: Record<PressureReason, boolean> = {
    memory: memoryShare >= limitOf('memory', memoryShareMax, memoryShareLifted),
    outbox_age: oldestEntryAgeMs >= limitOf('outbox_age', outboxAgeMaxMs, outboxAgeLiftedMs),
  };
  const reasons = pressureReasons.filter((reason) => exceeds[reason]);
  if (reasons.length === 0) return noPressure;
  return { reasons, detail: reasons.map((reason) => details[reason]).join('; ') };
}

const percent = (share: number): string => `${Math.round(share * 100)} %`;
const minutes = (ms: number): string => `${ms / 60_000} minutes`;

// No figures of the moment: the same trouble is the same text.
const details: Record<PressureReason, string> = {
  memory:
    `Redis uses more than ${percent(memoryShareMax)} of its maxmemory: raise maxmemory, or see that workers run and Postgres ` +
    `answers, so that entries leave Redis; lifted below ${percent(memoryShareLifted)}`,
  outbox_age:
    `entries have waited more than ${minutes(outboxAgeMaxMs)} for the ledger: see that workers run and Postgres answers; ` +
    `lifted when none waits longer than ${minutes(outboxAgeLiftedMs)}`,
};

/** How many outboxes are looked at each time: an entry may weigh 64 KiB, and the bound is minutes. */
const outboxesPerLook = 64;

/**
 * The age of the oldest entry that waits, a part of the partitions each time, all of them the first time.
 * `oldestEntryAtMs` is the outbox's, handed in.
 */
export function outboxAges(
  store: Pick<Store, 'epochs' | 'nodes'>,
  oldestEntryAtMs: (place: { partition: number; epoch: number }) => Promise<number | undefined>,
): () => Promise<number> {
  const oldest: (number | undefined)[] = [];
  let next = 0;
  return async () => {
    const count = oldest.length < partitionsCount ? partitionsCount : outboxesPerLook;
    const looked = Array.from({ length: count }, (_, at) => (next + at) % partitionsCount);
    const found = await Promise.allSettled(
      looked.map((partition) => oldestEntryAtMs({ partition, epoch: store.epochs[partition]! })),
    );
    const [refused] = found.filter(({ status }) => status === 'rejected');
    if (refused?.status === 'rejected' && found.every(({ status }) => status === 'rejected')) throw refused.reason;
    looked.forEach((partition, at) => {
      // A node of a cluster that is away takes no new work by itself.
      oldest[partition] = found[at]?.status === 'fulfilled' ? found[at].value : undefined;
    });
    next = (next + count) % partitionsCount;
    const nowMs = leastNowMs(store.nodes);
    return oldest.reduce<number>((most, atMs) => (atMs === undefined ? most : Math.max(most, nowMs - atMs)), 0);
  };
}
