// The prices that stories use, each in two versions, and their counters as scripts pack them (lua/lib/usage.lua).
import type { Price, PriceTier } from '../../src/contract.ts';
import { readPrices } from '../../src/pricing/read-prices.ts';
import type { PeriodPrice, PricedAsset } from '../../src/pricing/price.ts';
import type { Counter as Packed } from '../../src/records.ts';
import { packLines, type SentLine } from '../../src/wallet/lines.ts';
import { cursor } from '../../src/wallet/packed.ts';
import type { Use, UsageBucket, StoryWindow } from '../model/usage.ts';
import { quantityOf } from '../pricing.catalogs.ts';

export type StoryPriceName = keyof typeof written;
/** `quantity` as written. */
export type StoryUse = { price: StoryPriceName; quantity: string };

const assets = new Map<string, PricedAsset>(
  [1, 2, 3].map((number) => [`A${number}`, { number, code: `A${number}`, scale: 0 }]),
);

const common = { event_type: 'story', quantity: 'n' };
const written = {
  steps: [
    tiered('steps', 'graduated', 'day', 'A1', [
      { up_to: 5, unit_amount: '2', flat_amount: '1' },
      { up_to: 20, unit_amount: '0.5' },
      { up_to: null, unit_amount: '1.25' },
    ]),
    tiered('steps', 'graduated', 'day', 'A1', [
      { up_to: 10, unit_amount: '1' },
      { up_to: null, unit_amount: '3', per: 7 },
    ]),
  ],
  bulk: [
    tiered('bulk', 'volume', 'hour', 'A1', [
      { up_to: 10, unit_amount: '2' },
      { up_to: 20, unit_amount: '1', flat_amount: '3' },
      { up_to: null, unit_amount: '0.333333' },
    ]),
    tiered('bulk', 'volume', 'hour', 'A1', [
      { up_to: 4, unit_amount: '3' },
      { up_to: null, unit_amount: '1' },
    ]),
  ],
  packs: [
    { ...common, id: 'packs', asset: 'A2', model: 'package', tiers_over: 'month', unit_amount: '3', package_size: 4 },
    { ...common, id: 'packs', asset: 'A2', model: 'package', tiers_over: 'month', unit_amount: '2.5', package_size: 3 },
  ],
} satisfies Record<string, [Price, Price]>;

export const priceNames = Object.keys(written) as StoryPriceName[];

function tiered(
  id: string,
  model: 'graduated' | 'volume',
  tiers_over: StoryWindow,
  asset: string,
  tiers: PriceTier[],
): Price {
  return { ...common, id, asset, model, tiers_over, tiers };
}

const read = new Map(
  priceNames.map((name) => {
    const prices = written[name].map((price) => {
      const one = readPrices([price], assets);
      if (one.status === 'refused') throw new Error(JSON.stringify(one.errors));
      return one.prices[0] as PeriodPrice;
    });
    return [name, prices] as const;
  }),
);

/** As the gateway sends them, and as the model takes them. `versionOf`: the version that a price has by now, from 0. */
export function usesOf(
  uses: readonly StoryUse[],
  versionOf: (price: StoryPriceName) => number,
): { lines: SentLine[]; list: Use[] } {
  const lines = uses.map(({ price, quantity }) => ({
    productId: 'stories',
    price: read.get(price)![versionOf(price)]!,
    quantity: quantityOf(quantity),
    part: 1,
  }));
  const list = uses.map(({ price }, i) => {
    const line = lines[i]!;
    // What the counter is called, and what its terms are, nobody else needs to know.
    const packed = packLines([line], 0) as Buffer;
    return {
      counter: `u${packed.toString('latin1', 0, 8)}`,
      terms: packed.readUInt32BE(27),
      asset: line.price.asset.number,
      price: written[price][versionOf(price)]!,
      over: line.price.over as StoryWindow,
      quantity: line.quantity,
    };
  });
  return { lines, list };
}

export type SeenUsage = Record<string, UsageBucket[]>;

export const isUsage = (name: string): boolean => name.startsWith('u');

export function readUsage(counters: readonly Packed[]): SeenUsage {
  return Object.fromEntries(
    counters.filter(({ name }) => isUsage(name)).map(({ name, packed }) => [name, readBuckets(packed)]),
  );
}

function readBuckets(packed: Buffer): UsageBucket[] {
  const from = cursor(packed);
  const buckets: UsageBucket[] = [];
  while (!from.atEnd()) {
    const [start, till, terms] = [from.whole(), from.whole(), from.uint32()];
    const [units, millionths] = [BigInt(from.whole()), BigInt(from.uint32())];
    buckets.push({ from: start, till, terms, used: units * 1_000_000n + millionths, billed: from.atoms() });
  }
  return buckets;
}

export function writeUsage(usage: SeenUsage): Packed[] {
  return Object.entries(usage).map(([name, buckets]) => ({
    name,
    packed: Buffer.concat(
      buckets.map(({ from, till, terms, used, billed }) => {
        const packed = Buffer.alloc(40);
        packed.writeDoubleBE(from, 0);
        packed.writeDoubleBE(till, 8);
        packed.writeUInt32BE(terms, 16);
        packed.writeDoubleBE(Number(used / 1_000_000n), 20);
        packed.writeUInt32BE(Number(used % 1_000_000n), 28);
        packed.writeDoubleBE(Number(billed), 32);
        return packed;
      }),
    ),
  }));
}
