// Prices that count over a period, as the documents describe them: what usage costs after what was used before.
import { codes } from '../../src/codes.gen.ts';
import type { Price } from '../../src/contract.ts';
import type { Draft } from './draft.ts';
import { ceiling, modelCost } from './price.ts';
import type { Parts } from './wallet.ts';

export type StoryWindow = 'hour' | 'day' | 'month';
/** What was used of a price in one window, in millionths, and what that was billed by the terms that billed last. */
export type UsageBucket = { from: number; till: number; terms: number; used: bigint; billed: bigint };
/** Of an asset whose smallest unit is 1. `quantity` in millionths. */
export type Use = { counter: string; terms: number; asset: number; price: Price; over: StoryWindow; quantity: bigint };
/** With the windows of the instant that the gateway believes in. */
export type Uses = { list: readonly Use[]; knownMs: number };

type PricedUse = { use: Use; atoms: bigint; after: UsageBucket };
export type PricedUses = PricedUse[] | 'stale' | { tooLarge: number };

const fine = 1_000_000n;
const dayMs = 86_400_000;

/** Nothing is counted yet. `most`: what any usage up to this can cost. */
export function priceUses(
  draft: Draft,
  { list, knownMs }: Uses,
  { atMs, how }: { atMs: number; how: 'exact' | 'most' },
): PricedUses {
  const priced: PricedUse[] = [];
  for (const use of list) {
    const window = windowOf(use.over, atMs);
    if (windowOf(use.over, knownMs).from !== window.from) return 'stale';
    const known = draft.wallet.usage.get(use.counter)?.find(({ from, till }) => isSame(window, { from, till }));
    const used = known?.used ?? 0n;
    // By other terms, what was used counts as billed by these.
    const billed = known && known.terms !== use.terms ? costOf(use, used) : (known?.billed ?? 0n);
    const end = used + use.quantity;
    // Where prices fall they do so right after a whole unit: the prices of stories have no other edges.
    const points = [end];
    if (how === 'most') for (let at = ceilingTo(used); at < end; at += fine) points.push(at);
    const total = points.map((at) => costOf(use, at)).reduce((most, cost) => (cost > most ? cost : most));
    const atoms = total > billed ? total - billed : 0n;
    if (atoms > BigInt(codes.limit.amount_atoms)) return { tooLarge: priced.length + 1 };
    priced.push({ use, atoms, after: { ...window, terms: use.terms, used: end, billed: billed + atoms } });
  }
  return priced;
}

/** The legs, asked for what their assets' lines cost besides; or the line with which one is too large. */
export function addUses<Leg extends { asset: number; amount: bigint }>(
  legs: readonly Leg[],
  priced: PricedUse[],
): Leg[] | { tooLarge: number } {
  const added = legs.map((leg) => ({ ...leg }));
  for (const [i, { use, atoms }] of priced.entries()) {
    const leg = added.find(({ asset }) => asset === use.asset);
    if (!leg) throw new Error(`a story uses a price in asset ${use.asset} and has no leg in it`);
    leg.amount += atoms;
    if (leg.amount > BigInt(codes.limit.amount_atoms)) return { tooLarge: i + 1 };
  }
  return added;
}

/** In stories the first part of an asset is the lines'; those that fall back are in none. */
export function addToParts(
  parts: Parts | undefined,
  priced: PricedUse[],
  fallbacks: readonly { use: number }[] = [],
): Parts | undefined {
  if (!parts) return undefined;
  const added = parts.map((part) => ({ ...part }));
  for (const [i, { use, atoms }] of priced.entries()) {
    if (fallbacks.some((line) => line.use === i + 1)) continue;
    added.find(({ asset }) => asset === use.asset)!.atoms += atoms;
  }
  return added;
}

/** Windows that ended more than a day ago are forgotten. */
export function countUses(draft: Draft, priced: PricedUse[]): void {
  for (const { use, after } of priced) {
    const kept = (draft.wallet.usage.get(use.counter) ?? []).filter(({ till }) => till > draft.nowMs - dayMs);
    const at = kept.findIndex((bucket) => isSame(bucket, after));
    if (at < 0) kept.push(after);
    else kept[at] = after;
    draft.wallet.usage.set(use.counter, kept);
    draft.used.add(use.counter);
  }
}

export function usesText(priced: PricedUse[], requested: bigint): string {
  return priced.length === 0 ? '' : [requested, ...priced.map(({ atoms }) => atoms)].join(' ');
}

/** When the usage of a hold happened. */
export function instantOf({ nowMs }: Draft, { createdAtMs }: { createdAtMs: number }): number {
  return Math.max(createdAtMs, nowMs - dayMs);
}

function costOf({ price }: Use, used: bigint): bigint {
  return ceiling(modelCost(price, { over: used, under: fine }));
}

const ceilingTo = (used: bigint): bigint => ((used + fine - 1n) / fine) * fine;

type Window = { from: number; till: number };
const isSame = (a: Window, b: Window) => a.from === b.from && a.till === b.till;

function windowOf(over: StoryWindow, atMs: number): Window {
  if (over === 'month') {
    const date = new Date(atMs);
    const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
    return { from: Date.UTC(year, month), till: Date.UTC(year, month + 1) };
  }
  const length = over === 'hour' ? 3_600_000 : dayMs;
  const from = Math.floor(atMs / length) * length;
  return { from, till: from + length };
}
