// What usage costs: against a model of rational numbers, digit for digit, and what must hold of any price.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { codes } from '../src/codes.gen.ts';
import { costOf, mostOf, noUsage, type Counter } from '../src/pricing/cost.ts';
import type { Cost, Quantity } from '../src/pricing/price.ts';
import type { Atoms } from '../src/units.ts';
import { readQuantity } from '../src/pricing/quantity.ts';
import { addRational, modelLine, rational } from './model/price.ts';
import { goodPrice, quantityOf } from './pricing.catalogs.ts';
import { decimalText, eventPrice, periodPrice, quantity, scales, type Code } from './pricing.random.ts';

const anyPrice = fc.oneof(eventPrice, periodPrice);
const many = { numRuns: 400 } as const;

const costIn = (cost: Cost, used: string, counter?: Counter): bigint | 'too_large' => {
  const line = costOf(cost, quantityOf(used), counter);
  return line.status === 'ok' ? line.atoms : 'too_large';
};

/** As much as can be billed: what the model says beyond it is too large. */
const bounded = (line: bigint, billed: bigint): bigint | 'too_large' =>
  line > codes.limit.amount_atoms || line + billed > codes.limit.balance_atoms ? 'too_large' : line;

test('a price costs to the last digit what rational numbers say', () => {
  fc.assert(
    fc.property(anyPrice, fc.array(quantity, { minLength: 1, maxLength: 6 }), (written, quantities) => {
      const { cost } = goodPrice(written);
      const scale = scales[written.asset as Code];
      let counter = noUsage;
      let used = rational('0');
      for (const added of quantities) {
        const after = addRational(used, rational(added));
        const line = costOf(cost, quantityOf(added), counter);
        const expected = bounded(modelLine(written, scale, { used: after, billed: counter.billed }), counter.billed);
        expect(line.status === 'ok' ? line.atoms : 'too_large').toBe(expected);
        if (line.status === 'too_large') continue;
        ({ counter } = line);
        used = after;
      }
      expect(rational(decimalText(counter.used, 6)).over * used.under).toBe(used.over * 10n ** 6n);
    }),
    many,
  );
});

describe('charging in pieces', () => {
  const monotonic = anyPrice.filter(({ model }) => model !== 'volume');

  test('costs what charging at once does, however it is cut', () => {
    fc.assert(
      fc.property(monotonic, fc.array(quantity, { minLength: 1, maxLength: 8 }), (written, quantities) => {
        const { cost } = goodPrice(written);
        const whole = quantities.reduce((sum, added) => (sum + quantityOf(added)) as Quantity, 0n as Quantity);
        const atOnce = costOf(cost, whole);
        fc.pre(atOnce.status === 'ok');
        let counter = noUsage;
        for (const added of quantities) {
          const line = costOf(cost, quantityOf(added), counter);
          if (line.status === 'too_large') throw new Error('a piece is larger than the whole');
          ({ counter } = line);
        }
        expect(counter).toEqual(atOnce.counter);
      }),
      many,
    );
  });

  test('never costs less than the whole, and never gives money back', () => {
    fc.assert(
      fc.property(anyPrice, quantity, quantity, (written, first, second) => {
        const { cost } = goodPrice(written);
        const before = costOf(cost, quantityOf(first));
        const whole = costOf(cost, (quantityOf(first) + quantityOf(second)) as Quantity);
        fc.pre(before.status === 'ok' && whole.status === 'ok');
        const after = costOf(cost, quantityOf(second), before.counter);
        if (after.status === 'too_large') throw new Error('a piece is larger than the whole');
        expect(after.atoms >= 0n && before.atoms + after.atoms >= whole.atoms).toBe(true);
      }),
      many,
    );
  });
});

describe('the most that usage can cost', () => {
  test('is what some usage costs, and no smaller one costs more', () => {
    fc.assert(
      fc.property(
        anyPrice,
        quantity,
        quantity,
        fc.array(fc.double({ min: 0, max: 1, noNaN: true })),
        (written, used, most, shares) => {
          const { cost } = goodPrice(written);
          const before = costOf(cost, quantityOf(used));
          fc.pre(before.status === 'ok');
          const { counter } = before;
          const bound = mostOf(cost, quantityOf(most), counter);
          fc.pre(bound.status === 'ok');
          const end = quantityOf(most);
          const edges = 'tiers' in cost ? cost.tiers.flatMap(({ upTo }) => upTo ?? []) : [];
          const inside = [
            ...shares.map((share) => (end * BigInt(Math.round(share * 1e6))) / 1_000_000n),
            ...edges.flatMap((edge) => [edge - counter.used, edge - counter.used + 1n]),
            0n,
            end,
          ].filter((some) => some >= 0n && some <= end);
          const costs = inside.map((some) => {
            const line = costOf(cost, some as Quantity, counter);
            if (line.status === 'too_large') throw new Error('too large below what is not');
            return line.atoms;
          });
          expect(costs.reduce((a, b) => (a > b ? a : b))).toBe(bound.atoms);
        },
      ),
      many,
    );
  });

  test('is too large where any of it is', () => {
    const { cost } = goodPrice({
      model: 'volume',
      tiers: [
        { up_to: 10, unit_amount: '1000000' },
        { up_to: null, unit_amount: '1' },
      ],
    });
    expect([costIn(cost, '1'), costIn(cost, '10'), costIn(cost, '11')]).toEqual([
      10n ** 15n,
      'too_large',
      11n * 10n ** 9n,
    ]);
    expect(mostOf(cost, quantityOf(11))).toEqual({ status: 'too_large' });
  });
});

describe('at the limits', () => {
  const perUnit = goodPrice({ model: 'unit', unit_amount: '1000000' }).cost;

  test('one amount is 10^15 atoms, and not one more', () => {
    expect(costIn(perUnit, '1')).toBe(10n ** 15n);
    expect(costIn(perUnit, '1.000001')).toBe('too_large');
  });

  test('a period bills 2^52 atoms, and not one more', () => {
    const counter = { used: quantityOf(4), billed: (4n * 10n ** 15n) as Atoms };
    expect(costIn(perUnit, '0.503599', counter)).toBe(503_599n * 10n ** 9n);
    expect(costIn(perUnit, '0.503600', counter)).toBe('too_large');
  });

  test('a period counts 10^15 units, and not a millionth more', () => {
    const free = goodPrice({ model: 'unit', unit_amount: '0' }).cost;
    const used = (10n ** 21n - 1n) as Quantity;
    expect(costIn(free, '0.000001', { ...noUsage, used })).toBe(0n);
    expect(costIn(free, '0.000002', { ...noUsage, used })).toBe('too_large');
    expect(mostOf(free, quantityOf('0.000002'), { ...noUsage, used })).toEqual({ status: 'too_large' });
  });
});

describe('a quantity', () => {
  test.each([
    [0, 0n],
    [-0, 0n],
    [1, 1_000_000n],
    [0.1, 100_000n],
    [0.3, 300_000n],
    [1.005, 1_005_000n],
    [0.000001, 1n],
    ['0.000001', 1n],
    ['12.50', 12_500_000n],
    [1e12, 10n ** 18n],
    ['1000000000000.000000', 10n ** 18n],
  ])('%j is read to the last digit', (written, expected) => {
    expect(readQuantity(written)).toEqual({ status: 'ok', quantity: expected });
  });

  test.each([
    [undefined, 'neither'],
    [null, 'neither'],
    [true, 'neither'],
    [[1], 'neither'],
    ['', 'no decimal'],
    ['ten', 'no decimal'],
    ['1e3', 'no decimal'],
    ['+1', 'no decimal'],
    [' 1', 'no decimal'],
    ['01', 'no decimal'],
    ['.5', 'no decimal'],
    ['0x10', 'no decimal'],
    [`0.${'0'.repeat(50)}`, 'no decimal'],
    [NaN, 'no decimal'],
    [-1, 'negative'],
    [-1e-9, 'negative'],
    [Infinity, 'more than 1000000000000'],
    [0.1 + 0.2, 'more than 6 decimals'],
    [1e-7, 'more than 6 decimals'],
    ['1.0000000', 'more than 6 decimals'],
    [1_000_000_000_000.1, 'more than 1000000000000'],
    [1e21, 'more than 1000000000000'],
    ['1000000000000.000001', 'more than 1000000000000'],
  ])('%j is none', (written, message) => {
    expect(readQuantity(written)).toMatchObject({ status: 'unusable', message: expect.stringContaining(message) });
  });
});
