// Reading outboxes: one XREAD over a lane's streams, and cutting off what the ledger has.
//
// A stream's entry IDs are `<seq>-0`, so that a checkpoint, a seq, is also where to read on. The fences are read along
// with the entries: a stream counts only where the fence names our installation and the epoch that is asked for.
import { fenceKey, outboxKey } from '../wallet/keys.ts';

/** How far a partition was read. */
export type Position = { partition: number; epoch: number; seq: number };
/** An entry as it stands in the stream. */
export type RawEntry = Position & { packed: Buffer };

/** The connection, as far as an outbox needs it; ioredis's is one. */
export type OutboxRedis = {
  callBuffer: (command: string, args: (string | number)[]) => Promise<unknown>;
  call: (command: string, args: (string | number)[]) => Promise<unknown>;
};

type Stream = [key: Buffer, entries: [id: Buffer, fields: Buffer[]][]];

/** What follows the given positions, at most `countMax` entries of each stream; and the fences, in the same order. In a cluster each stream by itself. */
export async function readOutboxes(
  redis: OutboxRedis,
  positions: readonly Position[],
  countMax: number,
  isOfCluster = false,
): Promise<{ entries: RawEntry[]; fences: (string | null)[] }> {
  if (positions.length === 0) return { entries: [], fences: [] };
  const keys = positions.map(({ partition, epoch }) => outboxKey(partition, epoch));
  const after = positions.map(({ seq }) => `${seq}-0`);
  const read = (from: readonly string[], ids: readonly string[]) =>
    redis.callBuffer('XREAD', ['COUNT', countMax, 'STREAMS', ...from, ...ids]) as Promise<Stream[] | null>;
  const readFences = (of: readonly Position[]) =>
    redis.call(
      'MGET',
      of.map(({ partition }) => fenceKey(partition)),
    ) as Promise<(string | null)[]>;
  const [replies, fences] = await Promise.all(
    isOfCluster
      ? [
          Promise.all(keys.map((key, i) => read([key], [after[i]!]))),
          Promise.all(positions.map((position) => readFences([position]))).then((each) => each.flat()),
        ]
      : [read(keys, after).then((streams) => [streams]), readFences(positions)],
  );
  const byKey = new Map(keys.map((key, i) => [key, positions[i]]));
  const streams = replies.flatMap((streams) => streams ?? []);
  const entries = streams.flatMap(([key, found]) => {
    const position = byKey.get(key.toString());
    if (!position) throw new Error(`XREAD answered with ${key.toString()}, which nobody asked for`);
    return found.map(([id, fields]) => ({ ...position, seq: seqOf(id), packed: packedOf(fields) }));
  });
  return { entries, fences };
}

/** Cuts off all entries up to these positions. */
export async function trimOutboxes(redis: OutboxRedis, upTo: readonly Position[]): Promise<void> {
  await Promise.all(
    upTo.map(({ partition, epoch, seq }) =>
      redis.call('XTRIM', [outboxKey(partition, epoch), 'MINID', '=', `${seq + 1}-0`]),
    ),
  );
}

/**
 * Whether a fence says that the partition's data are this installation's, of this epoch. A marker before it, as in
 * `closed:<installation>:<epoch>`, stops scripts; the entries behind it are ours all the same.
 */
export function isOurFence(fence: string | null, installation: string, epoch: number): boolean {
  const open = `${installation}:${epoch}`;
  return fence !== null && (fence === open || fence.endsWith(`:${open}`));
}

function seqOf(id: Buffer): number {
  const [seq] = id.toString().split('-');
  return Number(seq);
}

/** Empty for what no script wrote: no entry is. */
function packedOf(fields: Buffer[]): Buffer {
  return fields.length === 2 && fields[0]?.toString() === 'e' && fields[1] ? fields[1] : Buffer.alloc(0);
}
