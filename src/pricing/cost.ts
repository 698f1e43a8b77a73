// What usage costs: exact as a fraction of whole numbers, then rounded up, once.
//
// F(q) is what q units cost when all of them are priced together. A line costs roundUp(F(used + quantity)) − billed, and never
// less than nothing. Over a period used and billed are the counter, so that pieces cost what the whole does, with one rounding
// however many they are; an event that is priced by itself has nothing used and nothing billed before it.
//
// F of a volume price can fall: 100 units at 2 cost more than 101 at 1. Nothing is given back then; what follows is free until F
// has caught up with what was billed. And whoever sets money aside for "up to 101 units" needs what 100 cost: `mostOf`.
// `lua/lib/tiers.lua` is the same for the prices that count over a period, where Redis keeps the counter.
import { codes } from '../codes.gen.ts';
import { toAtoms, zeroAtoms, type Atoms } from '../units.ts';
import { fine, type Cost, type Quantity, type TieredCost } from './price.ts';

/** What a customer has used of a price in a period, and what that was billed. */
export type Counter = { used: Quantity; billed: Atoms };

/** Of an event by itself, and of a period in which nothing has happened. */
export const noUsage: Counter = { used: 0n as Quantity, billed: zeroAtoms };

export type Line =
  | { status: 'ok'; atoms: Atoms; counter: Counter }
  /** More than one amount may be, or than a period may count. */
  | { status: 'too_large' };

export type Most = { status: 'ok'; atoms: Atoms } | { status: 'too_large' };

type Fraction = { numerator: bigint; denominator: bigint };

// A rate is millionths of an atom, and a quantity of a unit.
const whole = fine * fine;
const lineMax = BigInt(codes.limit.amount_atoms);
const totalMax = BigInt(codes.limit.balance_atoms);
const usedMax = BigInt(codes.limit.counter_units) * fine;

/** A line, and the counter after it. */
export function costOf(cost: Cost, quantity: Quantity, counter: Counter = noUsage): Line {
  const used = (counter.used + quantity) as Quantity;
  const line = used > usedMax ? tooLarge : lineOf(roundedCost(cost, used), counter);
  if (line.status === 'too_large') return line;
  return { ...line, counter: { used, billed: toAtoms(counter.billed + line.atoms) } };
}

/** The most that any usage up to `quantity` can cost: what a hold has to set aside. */
export function mostOf(cost: Cost, quantity: Quantity, counter: Counter = noUsage): Most {
  const end = counter.used + quantity;
  if (end > usedMax) return tooLarge;
  return lineOf(greatest(peaksOf(cost, counter.used, end).map((used) => roundedCost(cost, used))), counter);
}

/** What a price whose count was billed by other terms takes for billed (lua/lib/usage.lua). */
export function billedFor(cost: Cost, used: Quantity): Atoms {
  return toAtoms(roundedCost(cost, used));
}

/** The smallest whole number that is not less: the one way in which money is ever rounded. */
function roundUp(numerator: bigint, denominator: bigint): bigint {
  return (numerator + denominator - 1n) / denominator;
}

function lineOf(total: bigint, { billed }: Counter): Most {
  const atoms = total > billed ? total - billed : 0n;
  return total > totalMax || atoms > lineMax ? tooLarge : { status: 'ok', atoms: toAtoms(atoms) };
}

function roundedCost(cost: Cost, used: bigint): bigint {
  const { numerator, denominator } = exactCost(cost, used);
  return roundUp(numerator, denominator);
}

function exactCost(cost: Cost, used: bigint): Fraction {
  switch (cost.model) {
    case 'unit':
      return { numerator: cost.rate * used, denominator: whole * cost.per };
    case 'package':
      return { numerator: cost.rate * roundUp(used, cost.size * fine), denominator: fine };
    case 'graduated':
      return graduatedCost(cost, used);
    case 'volume':
      return volumeCost(cost, used);
    case 'percentage': {
      const due = greatest([cost.rate * used + cost.fixed * whole, cost.minimum * whole]);
      const most = cost.maximum === undefined ? due : cost.maximum * whole;
      return { numerator: due < most ? due : most, denominator: whole };
    }
  }
}

/** Each tier prices the part of the usage that lies in it. */
function graduatedCost({ tiers, per }: TieredCost, used: bigint): Fraction {
  const denominator = whole * per;
  let numerator = 0n;
  let from = 0n;
  for (const { upTo, rate, flat } of tiers) {
    const to = upTo === undefined || used < upTo ? used : upTo;
    numerator += (to - from) * rate + flat * denominator;
    from = to;
    if (upTo === undefined || used <= upTo) break;
  }
  return { numerator, denominator };
}

/** The tier that the usage ends in prices all of it. */
function volumeCost({ tiers, per }: TieredCost, used: bigint): Fraction {
  const denominator = whole * per;
  const tier = tiers.find(({ upTo }) => upTo === undefined || used <= upTo)!;
  return { numerator: used * tier.rate + tier.flat * denominator, denominator };
}

/** Where between two quantities a price may cost most: at the end, and where a volume tier ends before it. */
function peaksOf(cost: Cost, from: bigint, end: bigint): bigint[] {
  if (cost.model !== 'volume') return [end];
  const edges = cost.tiers.flatMap(({ upTo }) => (upTo !== undefined && upTo >= from && upTo < end ? [upTo] : []));
  return [...edges, end];
}

const greatest = (values: readonly bigint[]): bigint => values.reduce((most, value) => (value > most ? value : most));

const tooLarge = { status: 'too_large' } as const;
