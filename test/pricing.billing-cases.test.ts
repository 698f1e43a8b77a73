// What other billing systems' public tests say usage costs, wherever our prices can say the same; test/cases/README.md has
// the sources. A case that they can't, or don't mean to, is skipped with the reason.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { costOf, noUsage, type Counter } from '../src/pricing/cost.ts';
import { formatAmount } from '../src/units.ts';
import { moneyGroups } from './cases/money-groups.ts';
import { goodPrice, quantityOf } from './pricing.catalogs.ts';

/** As their file has them: each group has fields of its own. */
type Case = { id: string; group: string; title: string; setup: any; operations: any[]; expected: any };
type Tier = { to?: string | null; up_to?: string | null; unit?: string; flat?: string; rate?: string };

const file = JSON.parse(readFileSync('test/cases/billing-cases.json', 'utf8')) as { cases: Case[] };
const cases = file.cases.filter(({ group }) => !moneyGroups.includes(group));

/** What usage costs that comes in these pieces. */
function cost(price: object, ...pieces: string[]): string {
  const { cost: ofPrice, asset } = goodPrice({ ...price, quantity: 'units' });
  let counter: Counter = noUsage;
  for (const units of pieces) {
    const line = costOf(ofPrice, quantityOf(units), counter);
    if (line.status === 'too_large') throw new Error('too large');
    ({ counter } = line);
  }
  return formatAmount(counter.billed, asset.scale);
}

/** Of events that are priced one by one. */
const costOfEach = (price: object, amounts: string[]): string[] => amounts.map((amount) => cost(price, amount));

/** Ranges `0-10, 11-20` mean what tiers up to 10 and 20 do: a range begins where the one before it ends. */
const tiersOf = (tiers: Tier[]) =>
  tiers.map(({ to, up_to: upTo = to ?? null, unit, flat }) => ({
    up_to: upTo,
    ...(unit !== undefined && { unit_amount: unit }),
    ...(flat !== undefined && { flat_amount: flat }),
  }));

function tiered({ setup, operations: [{ units, pre_units: before }] }: Case): string {
  const price = { model: setup.model, tiers: tiersOf(setup.ranges ?? setup.tiers) };
  return before === undefined ? cost(price, units) : add(cost(price, before, units), cost(price, before));
}

function packages({ setup, operations: [{ units, pre_units: before }] }: Case): string {
  const price = { model: 'package', unit_amount: setup.amount, package_size: Number(setup.package_size) };
  return add(cost(price, before, units), cost(price, before));
}

/** The second is what was billed before. */
const add = (whole: string, before: string): string => formatAmount(atomsOf(whole) - atomsOf(before), 9);

const atomsOf = (text: string): bigint => {
  const [whole = '', part = ''] = text.split('.');
  return BigInt(whole + part.padEnd(9, '0'));
};

const percentage = ({ rate, fixed_amount: fixed, per_transaction_min: least, per_transaction_max: most }: any) => ({
  model: 'percentage',
  // They say 2.9 for 2.9 %.
  rate: formatAmount(atomsOf(rate) / 100n, 9),
  ...(fixed && { fixed_amount: fixed }),
  ...(least && { minimum: least }),
  ...(most && { maximum: most }),
});

const sum = (amounts: string[]): string =>
  formatAmount(
    amounts.reduce((total, one) => total + atomsOf(one), 0n),
    9,
  );

/** Blocks of a tier as units up to where the tier ends, at a price for each block. */
function blocks({ setup, operations: [{ units }] }: Case): string {
  let end = 0;
  const tiers = setup.tiers.map((tier: any, no: number) => {
    end += Number(tier.block) * Number(tier.max_blocks);
    const isLast = no === setup.tiers.length - 1;
    return { up_to: isLast ? null : end, unit_amount: tier.price, per: Number(tier.block) };
  });
  return cost({ model: 'volume', tiers }, units);
}

const covered: Record<string, (one: Case) => unknown> = {
  ...Object.fromEntries(
    `grad-lago-01 grad-lago-03 grad-lago-05 grad-lago-07 grad-lago-09 grad-om-01 grad-om-03 grad-om-05 grad-om-07 grad-om-09
     vol-lago-1 vol-lago-3 vol-lago-5 vol-lago-7 vol-om-2 vol-om-4 vol-om-6`
      .split(/\s+/)
      .map((id) => [id, tiered]),
  ),
  // Units below the range cost nothing here, so that its share is the whole.
  'grad-lago-range-2': ({ setup: { range }, operations: [{ total_units: units }] }) =>
    cost({ model: 'graduated', tiers: tiersOf([{ to: '10' }, { ...range, to: null }]) }, units),
  'unitcfg-om-1': ({ setup: { unit, convert }, operations: [{ raw_units: units }] }) =>
    cost({ model: 'package', unit_amount: unit, package_size: Number(convert.divide) }, units),
  'kb-4': blocks,
  'kb-6': blocks,
  'pkg-om-1': packages,
  'pkg-om-3': packages,
  'pkg-om-7': ({ setup, operations: [{ units }] }) =>
    costOfEach({ model: 'package', unit_amount: '1', package_size: Number(setup.package_size) }, units),
  // Four events of a quarter each: only their number and their sum are given.
  'pct-lago-05': ({ setup }) => sum(costOfEach(percentage(setup), ['200', '200', '200', '200'])),
  'pct-lago-09': ({ setup }) => sum(costOfEach(percentage(setup), ['1', '1', '1', '1'])),
  'pct-lago-11': ({ setup, operations: [{ event_amounts: amounts }] }) => sum(costOfEach(percentage(setup), amounts)),
  // What the caller has priced, in cents, is due as it is.
  'dyn-lago-1': ({ operations: [{ precise_total_amount_cents: cents }] }) =>
    cost({ model: 'percentage', rate: '0.01' }, cents),
  'std-lago-1': ({ setup, operations: [{ units }] }) => cost({ model: 'unit', unit_amount: setup.unit }, units),
  // A percentage in tiers is a graduated price that counts the amount.
  ...Object.fromEntries(
    ['gradpct-lago-1', 'gradpct-lago-3', 'gradpct-lago-5'].map((id) => [
      id,
      ({ setup, operations: [{ units }] }: Case) => {
        const ranges = setup.ranges.map((range: Tier) => ({ ...range, unit: `0.0${range.rate}` }));
        return cost({ model: 'graduated', tiers: tiersOf(ranges) }, units);
      },
    ]),
  ),
};

const skipped: Record<string, string> = {
  'grad-om-11': 'a maximum over a period is a budget: billing-cases.money.test.ts has it',
  'grad-om-13': 'a price has no minimum over a period: nothing is billed that was not used',
  'unitcfg-om-3': 'tiers count units as they come, pro rata: packages and tiers do not combine',
  'vol-lago-9': 'no proration: usage is charged when it happens',
  'vol-om-8': 'usage is charged when it happens, not with a last line; a hold takes the most that it can cost',
  'vol-om-10': 'a price has no minimum over a period: nothing is billed that was not used',
  'kb-2': 'one size of package for a price: blocks of several sizes are not started tier by tier',
  'pkg-lago-2': 'free units are a grant: billing-cases.money.test.ts has it',
  'pkg-om-5': 'a maximum over a period is a budget: billing-cases.money.test.ts has it',
  'dyn-om-1':
    'they round to the nearest cent, we up to the smallest unit: 13.3333 here, and 13.34 where an asset has two decimals',
  'pct-lago-01':
    'a percentage has no free events or amounts: a grant is an allowance of an asset, whatever it pays for',
  'pct-lago-03':
    'a percentage has no free events or amounts: a grant is an allowance of an asset, whatever it pays for',
  'pct-lago-07':
    'a percentage has no free events or amounts: a grant is an allowance of an asset, whatever it pays for',
  'pct-lago-13':
    'a percentage has no free events or amounts: a grant is an allowance of an asset, whatever it pays for',
  'pct-lago-15':
    'a percentage has no free events or amounts: a grant is an allowance of an asset, whatever it pays for',
};

const skippedGroups: Record<string, string> = {
  prorated_graduated: 'no proration by time and no negative usage: usage is charged when it happens',
  auto_top_up: 'auto-top-ups.test.ts has them',
};

const reasonOf = ({ id, group }: Case): string | undefined =>
  id in covered ? undefined : (skipped[id] ?? skippedGroups[group]);

describe('usage costs what others say it does', () => {
  for (const one of cases) {
    const reason = reasonOf(one);
    test.skipIf(reason !== undefined)(`${one.id}: ${one.title}${reason === undefined ? '' : ` (${reason})`}`, () => {
      const { amount, packages: counts, total_with_flat: total } = one.expected;
      const wanted = counts ?? [amount ?? total];
      expect([covered[one.id]!(one)].flat().map((text) => atomsOf(String(text)))).toEqual(wanted.map(atomsOf));
    });
  }
});

test('every reason to skip is of a case, and every case that is not covered has one', () => {
  const ids = new Set(cases.map(({ id }) => id));
  expect([...Object.keys(covered), ...Object.keys(skipped)].filter((id) => !ids.has(id))).toEqual([]);
  const groups = new Set(cases.filter(({ id }) => !(id in covered)).map(({ group }) => group));
  expect(Object.keys(skippedGroups).filter((group) => !groups.has(group))).toEqual([]);
  expect(cases.filter((one) => reasonOf(one) === undefined).length).toBe(Object.keys(covered).length);
});
