// The client's arithmetic is exact, rounds up once, and refuses what is no amount.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { price, sum } from '../src/sdk/farebox.ts';

describe('price', () => {
  test.each([
    [1_200, '1.25', undefined, '0.0015'],
    [0, '1.25', undefined, '0'],
    [1, '0.15', undefined, '0.00000015'],
    [1, '0.0001', undefined, '0.000000001'],
    [3, '1', 3, '1'],
    [1, '1', 3, '0.333333334'],
    [2, '1', 3, '0.666666667'],
    [9_007_199_254_740_993n, '1', 1, '9007199254740993'],
    [7, '10', 1, '70'],
  ])('of %s at %s for each %s is %s', (quantity, unitAmount, per, expected) => {
    expect(price(quantity, unitAmount, per)).toBe(expected);
  });

  test('is never less than exact, and by less than one unit of the scale more', () => {
    const decimals = fc.tuple(fc.bigInt(0n, 10n ** 12n), fc.nat(12));
    fc.assert(
      fc.property(
        fc.bigInt(0n, 10n ** 15n),
        decimals,
        fc.integer({ min: 1, max: 10 ** 9 }),
        fc.nat(9),
        (quantity, [digits, decimal], per, scale) => {
          const unitAmount = price(digits, '1', 10n ** BigInt(decimal), decimal);
          const got = price(quantity, unitAmount, per, scale);
          const [units = '', fraction = ''] = got.split('.');
          const gotAtoms = BigInt(units + fraction.padEnd(scale, '0'));
          // got / 10^scale against quantity × digits / (per × 10^decimal), without dividing.
          const divisor = BigInt(per) * 10n ** BigInt(decimal);
          const excess = gotAtoms * divisor - quantity * digits * 10n ** BigInt(scale);
          expect(excess >= 0n && excess < divisor).toBe(true);
          expect(got).toMatch(/^(0|[1-9][0-9]*)(\.[0-9]*[1-9])?$/);
        },
      ),
    );
  });

  test.each([[-1], [0.5], [2 ** 53], [Number.NaN]])('refuses %d of anything', (quantity) => {
    expect(() => price(quantity, '1')).toThrow(RangeError);
  });
});

describe('sum', () => {
  test.each([
    [[], '0'],
    [['0.1', '0.2'], '0.3'],
    [['1', '0.000000001', '2.50'], '3.500000001'],
    [['999.9', '0.1'], '1000'],
  ])('of %j is %s', (amounts, expected) => {
    expect(sum(...amounts)).toBe(expected);
  });

  test.each(['.5', '01', '-1', '1e3', '1.', ' 1'])('refuses %j', (amount) => {
    expect(() => sum(amount)).toThrow(RangeError);
  });
});
