// Events priced one after the other as a customer of some configuration would have been charged for them: what counts over a
// period goes on from how the counters stood before the first of them, as the scripts count it (lua/lib/usage.lua).
import { codes } from '../codes.gen.ts';
import type { Catalog as PricedCatalog } from '../pricing/catalog.ts';
import { billedFor, costOf, noUsage, type Counter } from '../pricing/cost.ts';
import { readDecimal } from '../pricing/decimal.ts';
import { fineDecimals, type PeriodPrice, type Quantity } from '../pricing/price.ts';
import type { UsedEntries, UsedEntry, WalletConfig } from '../records.ts';
import { parseAmount, toAtoms } from '../units.ts';
import { markOf, usageWindow, type SentLine } from '../wallet/lines.ts';
import { readUsageBuckets, type UsageBucket } from '../wallet/usage-buckets.ts';
import type { Refused } from './answer.ts';
import { readTold } from './asked.ts';
import { readAttached } from './attached.ts';
import { priceEvent, refuseTooLarge, type Due } from './price-event.ts';

export type Walked = { status: 'priced'; dues: Due[] } | Refused;

/** In the order of `used.entries`. */
export function walkUsage(catalog: PricedCatalog, config: WalletConfig, used: UsedEntries): Walked[] {
  const counters = new Map<string, UsageBucket[]>();
  const oldestFirst = used.entries.toReversed();
  const bucketsOf = (line: SentLine): UsageBucket[] => {
    const name = counterName(line);
    const known = counters.get(name) ?? bucketsBefore(catalog, line, oldestFirst, used.counters);
    counters.set(name, known);
    return known;
  };
  return oldestFirst.map((entry) => priceEntry(catalog, config, entry, bucketsOf)).toReversed();
}

function priceEntry(
  catalog: PricedCatalog,
  config: WalletConfig,
  entry: UsedEntry,
  bucketsOf: (line: SentLine) => UsageBucket[],
): Walked {
  const { event_type = '', data = {} } = readAttached(entry.attached);
  const priced = priceEvent(catalog, config, { event_type, data }, 'exact');
  if (priced.status === 'behind') throw new Error('a version is published that the catalog does not have');
  if (priced.status === 'refused') return priced;
  const counted = [];
  const dues = priced.dues.map((due) => ({ ...due }));
  for (const line of priced.sentLines) {
    const { price, quantity } = line;
    const { startMs: fromMs, endMs: tillMs } = usageWindow(price, instantOf(entry));
    const { terms } = markOf(line.productId, price);
    const buckets = bucketsOf(line);
    const at = buckets.findIndex((bucket) => bucket.fromMs === fromMs && bucket.tillMs === tillMs);
    const cost = costOf(price.cost, quantity, counterOf(line, buckets[at], terms));
    const due = dues.find(({ asset }) => asset.number === price.asset.number)!;
    if (cost.status === 'too_large' || due.atoms + cost.atoms > amountMax) return refuseTooLarge(price.id);
    due.atoms = toAtoms(due.atoms + cost.atoms);
    counted.push({ buckets, at: at < 0 ? buckets.length : at, bucket: { fromMs, tillMs, terms, ...cost.counter } });
  }
  // All of an event is counted, or nothing.
  for (const { buckets, at, bucket } of counted) buckets[at] = bucket;
  return { status: 'priced', dues };
}

const amountMax = BigInt(codes.limit.amount_atoms);

const counterName = ({ productId, price }: SentLine): string => `u${markOf(productId, price).name}`;

/** When its usage happened, as far as windows go. */
function instantOf({ occurredAtMs, heldSinceMs }: UsedEntry): number {
  return heldSinceMs === undefined ? occurredAtMs : Math.max(heldSinceMs, occurredAtMs - codes.limit.usage_keep_ms);
}

function counterOf({ price }: SentLine, bucket: UsageBucket | undefined, terms: number): Counter {
  if (!bucket) return noUsage;
  return bucket.terms === terms ? bucket : { used: bucket.used, billed: billedFor(price.cost, bucket.used) };
}

/** The first of these that counted it shows the counter as it left it; what none has counted is as it stands. */
function bucketsBefore(
  catalog: PricedCatalog,
  line: SentLine,
  oldestFirst: readonly UsedEntry[],
  standing: UsedEntries['counters'],
): UsageBucket[] {
  const name = counterName(line);
  const packedIn = (counters: UsedEntries['counters']) => counters.find((counter) => counter.name === name)?.packed;
  const first = oldestFirst.find(({ counters }) => packedIn(counters));
  const packed = packedIn(first?.counters ?? standing);
  const buckets = packed ? readUsageBuckets(packed) : [];
  const part = first && partOf(catalog, line, first);
  if (!part) return buckets;
  const { startMs, endMs } = usageWindow(part.price, instantOf(first));
  return buckets.flatMap((bucket) => {
    if (bucket.fromMs !== startMs || bucket.tillMs !== endMs) return [bucket];
    const [used, billed] = [(bucket.used - part.used) as Quantity, toAtoms(bucket.billed - part.billed)];
    // Nothing was counted before it: there was no bucket.
    return used === 0n && billed === 0n ? [] : [{ ...bucket, used, billed }];
  });
}

/** What one entry added to a counter, by what it told of the line, and by which version of the price. */
function partOf(
  catalog: PricedCatalog,
  line: SentLine,
  { told }: UsedEntry,
): (Counter & { price: PeriodPrice }) | undefined {
  const { id, asset } = line.price;
  for (const { price_id, price_version, quantity: counted, amount: cost } of readTold(told).lines ?? []) {
    const prices = price_id === id ? catalog.candidatesOf(line.productId, price_version) : undefined;
    const price = prices?.find((candidate) => candidate.price.id === id)?.price;
    if (!price || price.over === 'event' || price.asset.number !== asset.number) continue;
    const [quantity, amount] = [readDecimal(counted, fineDecimals), parseAmount(cost, asset.scale)];
    if (quantity.status !== 'ok' || amount.status !== 'ok')
      throw new Error(`line ${price_id} of an entry is malformed`);
    return { used: quantity.value as Quantity, billed: amount.atoms, price };
  }
  return undefined;
}
