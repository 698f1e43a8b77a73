// Reads a lane round by round, each from where the one before it ended, and decodes what it finds.
//
// A wide round asks all streams for an equal share of a batch. Streams that had all of their share are asked again by
// themselves, for all of a batch, in the round that follows; then it is everybody's turn again. So a single busy
// partition drains at full speed and starves nobody. Where no stream had all that it was asked for, nothing is left of
// what was there when the lane's turn began.
import type { Reading } from '../db/append.ts';
import { decode, type BadEntry, type DecodedEntry } from '../outbox/flaw.ts';
import { isOurFence, readOutboxes, type OutboxRedis, type Position, type RawEntry } from '../outbox/read.ts';

/** Entries of one transaction, over all streams: enough to spread its costs, few enough for memory and short locks. */
const batchEntriesMax = 4_096;
/** What a batch may weigh, judging by the one before it: entries may carry 64 KiB each. */
const batchBytesMax = 16 * 1_024 * 1_024;
const entryBytesUsual = 1_024;

/** Where a lane is read on, and how. */
export type LaneReader = {
  positions: Map<number, Position>;
  /** Streams that may have more to give; empty before a wide round. */
  busy: number[];
  /** Whether a stream had all that the last round asked it for. */
  hasMore: boolean;
  /** Partitions behind a fence that is missing or another's: they are left alone. */
  foreign: number[];
  entryBytes: number;
};

export function laneReader(positions: readonly Position[]): LaneReader {
  return {
    positions: new Map(positions.map((position) => [position.partition, position])),
    busy: [],
    hasMore: false,
    foreign: [],
    entryBytes: entryBytesUsual,
  };
}

/** The next round that has something, or undefined: nothing is left. */
export async function readRound(
  reader: LaneReader,
  redis: OutboxRedis,
  { installation, isOfCluster = false }: { installation: string; isOfCluster?: boolean | undefined },
): Promise<Reading | undefined> {
  for (;;) {
    const isWide = reader.busy.length === 0;
    const asked = isWide ? [...reader.positions.values()] : positionsOf(reader, reader.busy);
    const share = Math.max(1, Math.floor(batchSize(reader) / Math.max(1, asked.length)));
    const { entries, fences } = await readOutboxes(redis, asked, share, isOfCluster);
    asked.forEach(({ partition, epoch }, i) => {
      if (isOurFence(fences[i] ?? null, installation, epoch)) return;
      reader.foreign.push(partition);
      reader.positions.delete(partition);
    });
    const ours = entries.filter(({ partition }) => reader.positions.has(partition));
    const full = partitionsWith(ours, share);
    reader.hasMore = full.length > 0;
    reader.busy = isWide ? full : [];
    if (ours.length > 0) return decodeRound(reader, ours);
    if (isWide) return undefined;
  }
}

function batchSize({ entryBytes }: LaneReader): number {
  return Math.min(batchEntriesMax, Math.floor(batchBytesMax / entryBytes));
}

function decodeRound(reader: LaneReader, entries: readonly RawEntry[]): Reading {
  const good: DecodedEntry[] = [];
  const bad: BadEntry[] = [];
  const reached = new Map<number, Position>();
  let bytes = 0;
  for (const raw of entries) {
    const { partition, epoch, seq } = raw;
    const before = reached.get(partition) ?? reader.positions.get(partition);
    if (before && seq > before.seq + 1) bad.push(missing(before, seq));
    const decoded = decode(raw);
    if (decoded.status === 'good') good.push(decoded.entry);
    else bad.push(decoded.entry);
    reached.set(partition, { partition, epoch, seq });
    bytes += raw.packed.length;
  }
  const from = positionsOf(reader, [...reached.keys()]);
  const to = [...reached.values()];
  for (const position of to) reader.positions.set(position.partition, position);
  reader.entryBytes = Math.max(1, Math.ceil(bytes / entries.length));
  return { from, to, good, bad };
}

/** Seqs count without gaps: what lies between two of them was lost, and that is told where bad entries are told. */
function missing(before: Position, nextSeq: number): BadEntry {
  const seq = before.seq + 1;
  const standsFor = nextSeq - seq;
  const reason = standsFor === 1 ? `entry ${seq} is missing` : `entries ${seq} to ${nextSeq - 1} are missing`;
  return { ...before, seq, standsFor, reason, packed: Buffer.alloc(0) };
}

function positionsOf({ positions }: LaneReader, partitions: readonly number[]): Position[] {
  return partitions.flatMap((partition) => positions.get(partition) ?? []);
}

function partitionsWith(entries: readonly RawEntry[], count: number): number[] {
  const counts = new Map<number, number>();
  for (const { partition } of entries) counts.set(partition, (counts.get(partition) ?? 0) + 1);
  return [...counts].filter(([, found]) => found >= count).map(([partition]) => partition);
}
