// How old the oldest entry is that a partition's outbox still holds.
import { outboxKey } from '../wallet/keys.ts';
import { cursor } from '../wallet/packed.ts';
import type { OutboxRedis } from './read.ts';

// Before an entry's time: four single bytes (outbox/entry.ts).
const headBytes = 4;

/** When the oldest entry was made; undefined when the outbox is empty. */
export async function oldestEntryAtMs(
  redis: OutboxRedis,
  { partition, epoch }: { partition: number; epoch: number },
): Promise<number | undefined> {
  const found = await redis.callBuffer('XRANGE', [outboxKey(partition, epoch), '-', '+', 'COUNT', 1]);
  const [first] = found as [id: Buffer, fields: Buffer[]][];
  const packed = first?.[1][1];
  if (!packed) return undefined;
  const from = cursor(packed);
  from.bytes(headBytes);
  from.whole();
  return from.whole();
}
