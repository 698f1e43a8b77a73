// How far the ledger is behind Redis.
import { partitionsCount } from '../../src/limits.ts';
import { clockKey } from '../../src/wallet/keys.ts';
import { cursor } from '../../src/wallet/packed.ts';
import type { World } from './world.ts';

/** Entries that Redis has and the ledger does not, and whose partitions they are. */
export async function readBehind({
  sql,
  redis,
}: Pick<World, 'sql' | 'redis'>): Promise<{ entries: number; partitions: number[] }> {
  const rows = await sql<{ partition: number; seq: bigint }[]>`select partition, seq from partitions`;
  const clocks = await Promise.all(
    Array.from({ length: partitionsCount }, (_, partition) => redis.getBuffer(clockKey(partition))),
  );
  const late = rows.flatMap(({ partition, seq }) => {
    const packed = clocks[partition];
    const entries = packed ? Number(BigInt(cursor(packed).whole()) - seq) : 0;
    return entries > 0 ? [{ partition, entries }] : [];
  });
  return {
    entries: late.reduce((sum, { entries }) => sum + entries, 0),
    partitions: late.map(({ partition }) => partition),
  };
}
