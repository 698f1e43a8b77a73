// What was used of a price over its periods, read from its counter (lua/lib/usage.lua).
import type { Counter } from '../pricing/cost.ts';
import { fine, type Quantity } from '../pricing/price.ts';
import { cursor } from './packed.ts';

/** What was used in one window, and billed by which terms. */
export type UsageBucket = Counter & { fromMs: number; tillMs: number; terms: number };

export function readUsageBuckets(packed: Buffer): UsageBucket[] {
  const from = cursor(packed);
  const buckets: UsageBucket[] = [];
  while (!from.atEnd()) {
    const [fromMs, tillMs, terms] = [from.whole(), from.whole(), from.uint32()];
    const used = (BigInt(from.whole()) * fine + BigInt(from.uint32())) as Quantity;
    buckets.push({ fromMs, tillMs, terms, used, billed: from.atoms() });
  }
  return buckets;
}
