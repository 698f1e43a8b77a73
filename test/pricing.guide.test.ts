// docs/pricing.md: each of its examples comes to what it says.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { catalogOf } from '../src/pricing/catalog.ts';
import { costOf, mostOf, noUsage, type Counter } from '../src/pricing/cost.ts';
import { matchPrices } from '../src/pricing/match.ts';
import { formatAmount } from '../src/units.ts';
import { readBody } from './pricing.catalogs.ts';

type Amounts = { [priceId: string]: string };
type Happened = { data: { [field: string]: unknown }; lines: Amounts; held?: Amounts };
type Example = { prices: { event_type: string }[]; events: Happened[] };

const examples: { title: string; example: Example }[] = [];
let title = '';
for (const [, heading, text] of readFileSync('docs/pricing.md', 'utf8').matchAll(
  /^#+ (.*)$|^```json example\n([\s\S]*?)^```$/gm,
)) {
  title = heading ?? title;
  if (text !== undefined) examples.push({ title, example: JSON.parse(text) as Example });
}

test.each(examples)('$title', ({ example }) => {
  const read = readBody(example.prices);
  if (read.status === 'refused') throw new Error(JSON.stringify(read.errors));
  const { prices } = read;
  const catalog = catalogOf([{ productId: 'guide', version: 1, isDefault: true, prices }]);
  const counters = new Map<string, Counter>();
  for (const { data, lines, held } of example.events) {
    const eventType = example.prices[0]!.event_type;
    const match = matchPrices(catalog, { eventType, data, subscriptions: [] });
    if (match.status !== 'matched') throw new Error(match.status);
    const [amounts, most]: [Amounts, Amounts] = [{}, {}];
    for (const { price, quantity } of match.lines) {
      const counter = price.over === 'event' ? noUsage : counters.get(price.id);
      const line = costOf(price.cost, quantity, counter);
      const bound = mostOf(price.cost, quantity, counter);
      if (line.status === 'too_large' || bound.status === 'too_large') throw new Error('too large');
      counters.set(price.id, line.counter);
      amounts[price.id] = formatAmount(line.atoms, price.asset.scale);
      most[price.id] = formatAmount(bound.atoms, price.asset.scale);
    }
    expect(amounts).toEqual(lines);
    if (held) expect(most).toEqual(held);
  }
});

test('each model has an example', () => {
  const models = new Set(examples.flatMap(({ example }) => example.prices.map((price) => Reflect.get(price, 'model'))));
  expect(models).toEqual(new Set(['unit', 'package', 'graduated', 'volume', 'percentage']));
});
