// Prices and usages at random, as they are written on the wire, with the edges that bugs like.
import fc from 'fast-check';
import type { Price, PriceTier } from '../src/contract.ts';

/** Decimal text up to `most` of the last digit, often small or round, with fewer decimals at times. */
function decimal(decimals: number, most: bigint): fc.Arbitrary<string> {
  const digits = fc.oneof(
    fc.bigInt(0n, 20n),
    fc.bigInt(0n, most),
    fc.integer({ min: 0, max: most.toString().length - 1 }).map((power) => 10n ** BigInt(power)),
    fc.constant(most),
  );
  const cut = fc.oneof(fc.constant(0), fc.nat(decimals));
  return fc.tuple(digits, cut).map(([value, gone]) => decimalText(value / 10n ** BigInt(gone), decimals - gone));
}

export function decimalText(digits: bigint, decimals: number): string {
  const text = digits.toString().padStart(decimals + 1, '0');
  return decimals === 0 ? text : `${text.slice(0, -decimals)}.${text.slice(-decimals)}`;
}

export const scales = { USD: 9, CREDITS: 2, TOKENS: 0 } as const;
export type Code = keyof typeof scales;

// Up to what one amount may be, though mostly far from it, so that lines are not all too large.
const rate = (code: Code) => fc.oneof(decimal(scales[code] + 6, 10n ** 15n), decimal(scales[code] + 6, 10n ** 21n));
const amount = (code: Code) => fc.oneof(decimal(scales[code], 10n ** 9n), decimal(scales[code], 10n ** 15n));
export const quantity = fc.oneof(decimal(6, 10n ** 9n), decimal(6, 10n ** 18n));
const divisor = fc.oneof(fc.integer({ min: 1, max: 12 }), fc.constantFrom(1_000, 1_000_000, 1_000_000_000));
const codes = fc.constantFrom<Code>('USD', 'CREDITS', 'TOKENS');

function tier(code: Code): fc.Arbitrary<Omit<PriceTier, 'up_to'>> {
  const per = fc.constantFrom(1, 2, 5, 1_000, 1_000_000);
  const rates = fc.oneof(
    fc.constant({}),
    fc.record({ unit_amount: rate(code) }),
    fc.record({ unit_amount: rate(code), per }),
  );
  return fc
    .tuple(rates, fc.option(amount(code)))
    .map(([rates, flat]) => ({ ...rates, ...(flat && { flat_amount: flat }) }));
}

const edges = fc
  .uniqueArray(fc.oneof(fc.bigInt(0n, 30n), fc.bigInt(0n, 10n ** 12n)), { maxLength: 6 })
  .map((found) => found.sort((a, b) => (a < b ? -1 : 1)));

function tiered(model: 'graduated' | 'volume', code: Code): fc.Arbitrary<Price> {
  const parts = fc.tuple(fc.array(tier(code), { minLength: 7, maxLength: 7 }), edges, fc.nat(6));
  return parts.map(([terms, found, decimals]) => ({
    ...common(code),
    model,
    tiers_over: 'month',
    tiers: terms.slice(0, found.length + 1).map((term, no) => ({
      ...term,
      up_to: no === found.length ? null : decimalText(found[no]!, decimals),
    })),
  }));
}

const common = (code: Code) => ({ id: 'p', event_type: 'call', asset: code, quantity: 'n' });

/** Prices that count over a period. */
export const periodPrice: fc.Arbitrary<Price> = codes.chain((code) =>
  fc.oneof(
    tiered('graduated', code),
    tiered('volume', code),
    fc
      .record({ unit_amount: rate(code), package_size: divisor })
      .map((terms): Price => ({ ...common(code), model: 'package', tiers_over: 'month', ...terms })),
  ),
);

export const eventPrice: fc.Arbitrary<Price> = codes.chain((code) =>
  fc.oneof(
    fc
      .record({ unit_amount: rate(code), per: divisor })
      .map((terms): Price => ({ ...common(code), model: 'unit', ...terms })),
    fc
      .record({
        rate: decimal(scales[code] + 6, 100n * 10n ** BigInt(scales[code] + 6)),
        fixed_amount: amount(code),
        minimum: decimal(scales[code], 10n ** 12n),
        more: fc.option(fc.bigInt(0n, 1_000n)),
      })
      .map(({ more, ...terms }): Price => {
        const maximum = more === null ? {} : { maximum: above(terms.minimum, more) };
        return { ...common(code), model: 'percentage', ...terms, ...maximum };
      }),
  ),
);

/** So much more, in the last digit that is written. */
function above(text: string, more: bigint): string {
  const decimals = text.split('.')[1]?.length ?? 0;
  return decimalText(BigInt(text.replace('.', '')) + more, decimals);
}
