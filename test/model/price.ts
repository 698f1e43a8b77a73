// What usage costs, by a model that shares nothing with what it is compared with: rational numbers, one unit after the other
// rule, prices read as they are written.
import type { Price, Quantity, Rate } from '../../src/contract.ts';

/** A fraction in lowest terms is not needed: only comparing and rounding up are. */
export type Rational = { over: bigint; under: bigint };

export function rational(written: Rate | Quantity): Rational {
  const [whole = '', part = ''] = String(written).split('.');
  return { over: BigInt(whole + part), under: 10n ** BigInt(part.length) };
}

const integer = (over: bigint): Rational => ({ over, under: 1n });
const zero = integer(0n);
const add = (a: Rational, b: Rational): Rational => ({
  over: a.over * b.under + b.over * a.under,
  under: a.under * b.under,
});
const times = (a: Rational, b: Rational): Rational => ({ over: a.over * b.over, under: a.under * b.under });
const minus = (a: Rational, b: Rational): Rational => add(a, { over: -b.over, under: b.under });
const isLess = (a: Rational, b: Rational): boolean => a.over * b.under < b.over * a.under;
const least = (a: Rational, b: Rational): Rational => (isLess(b, a) ? b : a);
const greatest = (a: Rational, b: Rational): Rational => (isLess(a, b) ? b : a);
const divided = (a: Rational, by: Rational): Rational => times(a, { over: by.under, under: by.over });

export function ceiling({ over, under }: Rational): bigint {
  const floor = over / under;
  return floor * under === over ? floor : floor + 1n;
}

/** What this usage costs when all of it is priced together, in the asset's unit. */
export function modelCost(price: Price, used: Rational): Rational {
  switch (price.model) {
    case 'unit':
      return divided(times(used, rational(price.unit_amount)), integer(BigInt(price.per ?? 1)));
    case 'package':
      return times(integer(ceiling(divided(used, integer(BigInt(price.package_size))))), rational(price.unit_amount));
    case 'percentage': {
      const fee = add(times(used, rational(price.rate)), rational(price.fixed_amount ?? '0'));
      const due = greatest(fee, rational(price.minimum ?? '0'));
      return price.maximum === undefined ? due : least(due, rational(price.maximum));
    }
    case 'volume':
    case 'graduated':
      return tieredCost(price, used);
  }
}

function tieredCost({ model, tiers }: Extract<Price, { model: 'graduated' | 'volume' }>, used: Rational): Rational {
  let total = zero;
  for (const [no, tier] of tiers.entries()) {
    const from = no === 0 ? zero : rational(tiers[no - 1]!.up_to!);
    const isEntered = no === 0 || isLess(from, used);
    const isLast = tier.up_to === null || !isLess(rational(tier.up_to), used);
    const rate = divided(rational(tier.unit_amount ?? '0'), integer(BigInt(tier.per ?? 1)));
    const flat = rational(tier.flat_amount ?? '0');
    if (model === 'volume' && isEntered && isLast) return add(times(used, rate), flat);
    if (model === 'graduated' && isEntered) {
      const to = tier.up_to === null ? used : least(used, rational(tier.up_to));
      total = add(total, add(times(minus(to, from), rate), flat));
    }
  }
  return total;
}

/** A line in atoms, and what is billed with it. */
export function modelLine(price: Price, scale: number, { used, billed }: { used: Rational; billed: bigint }): bigint {
  const due = ceiling(times(modelCost(price, used), integer(10n ** BigInt(scale)))) - billed;
  return due < 0n ? 0n : due;
}

export { add as addRational };
