// What can be wrong with a catalog is refused when it is created, with the path of what is wrong.
import { describe, expect, test } from 'vitest';
import type { Price } from '../src/contract.ts';
import { pricesMax, quantitiesMax, shapesMax, tiersMax } from '../src/limits.ts';
import { assetCodesOf } from '../src/pricing/read-prices.ts';
import { readBody } from './pricing.catalogs.ts';

const unit = { id: 'p', event_type: 'call', asset: 'USD', model: 'unit', unit_amount: '1' };
const packages = { ...unit, model: 'package', package_size: 10 };
const percentage = { id: 'p', event_type: 'call', asset: 'USD', model: 'percentage', quantity: 'paid', rate: '0.029' };
const tiered = (...tiers: object[]) => ({ id: 'p', event_type: 'call', asset: 'USD', model: 'graduated', tiers });
const open = { up_to: null, unit_amount: '1' };
const upTo = (up_to: unknown) => ({ up_to, unit_amount: '2' });
const repeat = <T>(count: number, make: (no: number) => T): T[] => Array.from({ length: count }, (_, no) => make(no));
const fallback = (...assets: string[]) => ({ ...unit, fallback: assets.map((asset) => ({ asset, rate: '100' })) });

/** Name, prices, and the paths of all errors with a piece of what is said there. */
const table: [name: string, prices: unknown, errors: Record<string, string>][] = [
  ['no list', {}, { prices: 'array' }],
  ['no object', [7], { 'prices.0': 'object' }],
  ['a field that no price has', [{ ...unit, colour: 'red' }], { 'prices.0.colour': 'not a known field' }],
  ['no id', [{ ...unit, id: undefined }], { 'prices.0.id': 'required' }],
  ['an id with a space', [{ ...unit, id: 'a b' }], { 'prices.0.id': 'letters' }],
  ['an event type with a space', [{ ...unit, event_type: 'a b' }], { 'prices.0.event_type': 'letters' }],
  ['a quantity with a space', [{ ...unit, quantity: 'a b' }], { 'prices.0.quantity': 'letters' }],
  ['an unknown model', [{ ...unit, model: 'stairs' }], { 'prices.0.model': '' }],
  ['tiers on a unit price', [{ ...unit, tiers: [open] }], { 'prices.0.tiers': 'not a known field' }],
  ['a period on a unit price', [{ ...unit, tiers_over: 'month' }], { 'prices.0.tiers_over': 'not a known field' }],
  ['a period on a percentage', [{ ...percentage, tiers_over: 'day' }], { 'prices.0.tiers_over': 'not a known field' }],
  ['a unit amount on tiers', [{ ...tiered(open), unit_amount: '1' }], { 'prices.0.unit_amount': 'not a known field' }],
  ['per on a package', [{ ...packages, per: 10 }], { 'prices.0.per': 'not a known field' }],
  ['a year of tiers', [{ ...tiered(open), tiers_over: 'year' }], { 'prices.0.tiers_over': '' }],
  ['a percentage of nothing', [{ ...percentage, quantity: undefined }], { 'prices.0.quantity': 'required' }],
  ['a number for money', [{ ...unit, unit_amount: 1 }], { 'prices.0.unit_amount': 'string' }],
  ['a negative rate', [{ ...unit, unit_amount: '-1' }], { 'prices.0.unit_amount': 'decimal string' }],
  ['per zero', [{ ...unit, per: 0 }], { 'prices.0.per': '1' }],
  ['per a part', [{ ...unit, per: 0.5 }], { 'prices.0.per': 'int' }],
  ['per too much', [{ ...unit, per: 1_000_000_001 }], { 'prices.0.per': '1000000000' }],
  ['a package of nothing', [{ ...packages, package_size: 0 }], { 'prices.0.package_size': '1' }],
  ['an unknown asset', [{ ...unit, asset: 'XYZ' }], { 'prices.0.asset': 'no asset' }],
  ['an unknown asset to fall back on', [fallback('EUR', 'XYZ')], { 'prices.0.fallback.1.asset': 'no asset' }],
  ['a rate too fine for USD', [{ ...unit, unit_amount: '0.0000000000000001' }], { 'prices.0.unit_amount': '15' }],
  [
    'a rate too fine for TOKENS',
    [{ ...unit, asset: 'TOKENS', unit_amount: '0.0000001' }],
    { 'prices.0.unit_amount': 'more than 6 decimals' },
  ],
  ['more than an amount', [{ ...unit, unit_amount: '1000000.000000001' }], { 'prices.0.unit_amount': 'more USD' }],
  ['a percentage of 101', [{ ...percentage, rate: '101' }], { 'prices.0.rate': 'more than 100' }],
  [
    'a fixed amount finer than USD',
    [{ ...percentage, fixed_amount: '0.0000000001' }],
    { 'prices.0.fixed_amount': '9' },
  ],
  [
    'a minimum above the maximum',
    [{ ...percentage, minimum: '2', maximum: '1.99' }],
    { 'prices.0.maximum': 'less than the minimum' },
  ],
  ['no tiers', [tiered()], { 'prices.0.tiers': 'at least one' }],
  ['ten thousand tiers', [tiered(...repeat(9_999, upTo), open)], { 'prices.0.tiers': String(tiersMax) }],
  ['a missing last tier', [tiered(upTo(10), upTo(20))], { 'prices.0.tiers.1.up_to': 'must be null' }],
  ['an open tier that is not the last', [tiered(open, open)], { 'prices.0.tiers.0.up_to': 'only the last' }],
  ['overlapping tiers', [tiered(upTo(10), upTo(10), open)], { 'prices.0.tiers.1.up_to': 'more than' }],
  ['unsorted tiers', [tiered(upTo(20), upTo(5), upTo(30), open)], { 'prices.0.tiers.1.up_to': 'more than' }],
  ['a tier up to no end', [tiered({ unit_amount: '1' })], { 'prices.0.tiers.0.up_to': 'a number or' }],
  ['a tier up to less than none', [tiered(upTo(-1), open)], { 'prices.0.tiers.0.up_to': '0' }],
  ['a tier up to a word', [tiered(upTo('ten'), open)], { 'prices.0.tiers.0.up_to': 'decimal' }],
  ['an edge too fine', [tiered(upTo(0.0000001), open)], { 'prices.0.tiers.0.up_to': 'more than 6 decimals' }],
  ['an edge too far', [tiered(upTo('1000000000000.1'), open)], { 'prices.0.tiers.0.up_to': 'more than 1000000000000' }],
  [
    'pers without a small common multiple',
    [tiered({ ...upTo(10), per: 999_999_937 }, { ...open, per: 2 })],
    { 'prices.0.tiers': 'common multiple' },
  ],
  ['per for nothing', [tiered({ up_to: null, per: 5 })], { 'prices.0.tiers.0.per': 'unit_amount' }],
  [
    'a rate too fine in a tier',
    [unit, { ...tiered(upTo(1), { up_to: null, flat_amount: '0.0000000001' }), id: 'q', quantity: 'n' }],
    { 'prices.1.tiers.1.flat_amount': '9 decimals' },
  ],
  ['falling back on itself', [fallback('USD')], { 'prices.0.fallback.0.asset': 'price itself' }],
  [
    'a rate that no fraction up to 2^52 is',
    [{ ...unit, fallback: [{ asset: 'EUR', rate: '4.503599627370497' }] }],
    { 'prices.0.fallback.0.rate': 'too many digits' },
  ],
  ['falling back in a circle', [fallback('EUR', 'CREDITS', 'EUR')], { 'prices.0.fallback.2.asset': 'there already' }],
  [
    'falling back for nothing',
    [{ ...unit, fallback: [{ asset: 'EUR', rate: '0.0' }] }],
    { 'prices.0.fallback.0.rate': 'more than zero' },
  ],
  ['the same id', [unit, { ...unit, event_type: 'other' }], { 'prices.1.id': 'prices.0' }],
  [
    'the same match',
    [
      { ...unit, dimensions: { model: 'a', size: 5 } },
      { ...unit, id: 'q', dimensions: { size: '5', model: 'a' } },
    ],
    { 'prices.1': 'matches what prices.0' },
  ],
  ['an empty dimension', [{ ...unit, dimensions: { model: '' } }], { 'prices.0.dimensions.model': '' }],
  ['a dimension that is a list', [{ ...unit, dimensions: { model: ['a'] } }], { 'prices.0.dimensions.model': '' }],
  ['a dimension with a space', [{ ...unit, dimensions: { 'a b': 'c' } }], { 'prices.0.dimensions.a b': 'letters' }],
  [
    'nine dimensions',
    [{ ...unit, dimensions: Object.fromEntries(repeat(9, (no) => [`d${no}`, 'x'])) }],
    { 'prices.0.dimensions': '8' },
  ],
  [
    'too many fields that price one event',
    repeat(quantitiesMax + 1, (no) => ({ ...unit, id: `p${no}`, quantity: `q${no}` })),
    { [`prices.${quantitiesMax}.quantity`]: String(quantitiesMax) },
  ],
  [
    'too many shapes',
    repeat(shapesMax + 1, (no) => ({ ...unit, id: `p${no}`, dimensions: { [`d${no}`]: 'x' } })),
    { [`prices.${shapesMax}.dimensions`]: String(shapesMax) },
  ],
  [
    'too many prices',
    repeat(pricesMax + 1, (no) => ({ ...unit, id: `p${no}`, dimensions: { model: `m${no}` } })),
    { prices: String(pricesMax) },
  ],
  [
    'all that is wrong, at once',
    [
      { ...unit, unit_amount: '0.0000000000000001', fallback: [{ asset: 'USD', rate: '1' }] },
      { ...tiered(upTo(1)), id: 'q' },
    ],
    {
      'prices.0.unit_amount': 'decimals',
      'prices.0.fallback.0.asset': 'itself',
      'prices.1': 'matches',
      'prices.1.tiers.0.up_to': 'null',
    },
  ],
];

describe('a catalog is refused that has', () => {
  test.each(table)('%s', (_, prices, expected) => {
    const read = readBody(prices);
    if (read.status !== 'refused') throw new Error('it was accepted');
    expect(read.errors.map(({ path }) => path).sort()).toEqual(Object.keys(expected).sort());
    for (const { path, message } of read.errors) expect(message).toContain(expected[path]);
  });
});

test('the assets that a catalog names are those to be looked up', () => {
  expect(assetCodesOf([fallback('EUR', 'XYZ') as Price, unit as Price])).toEqual(['USD', 'EUR', 'XYZ']);
});

test('an unknown asset is told apart, for it has a code of its own', () => {
  expect(readBody([{ ...unit, asset: 'XYZ' }])).toMatchObject({ code: 'unknown_asset' });
  expect(readBody([{ ...unit, per: 0 }])).toMatchObject({ code: 'invalid_request' });
});

test('a catalog is taken that is as large as it may be, and prices that are as large and as fine', () => {
  const tiers = [...repeat(tiersMax - 1, (no) => upTo(no / 1e6)), { up_to: null, unit_amount: '0.000000000000001' }];
  const large = { ...tiered(...tiers), dimensions: Object.fromEntries(repeat(8, (no) => [`d${no}`, '*'])) };
  const many = repeat(pricesMax - 1, (no) => ({ ...unit, id: `p${no}`, dimensions: { model: `m${no}` } }));
  expect(readBody([{ ...large, id: 'q' }, ...many])).toMatchObject({ status: 'ok', prices: { length: pricesMax } });
});
