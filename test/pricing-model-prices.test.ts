// Lists of what models cost become price lists: exact, whole, and refused by name where they can't be right.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Price, UnitPrice } from '../src/contract.ts';
import { catalogOf, type Catalog } from '../src/pricing/catalog.ts';
import { costOf } from '../src/pricing/cost.ts';
import { matchPrices } from '../src/pricing/match.ts';
import { readModelList } from '../src/pricing/model-list.ts';
import { modelPrices, type ModelPricesOptions } from '../src/pricing/model-prices.ts';
import { changesText, priceChanges } from '../src/pricing/price-changes.ts';
import type { PricedAsset } from '../src/pricing/price.ts';
import { readPrices } from '../src/pricing/read-prices.ts';
import { tokenUsage } from '../src/sdk/farebox.ts';
import { formatAmount } from '../src/units.ts';

const plain: ModelPricesOptions = {
  providers: [],
  models: [],
  markup: '1',
  eventType: 'chat.completion',
  isByProvider: false,
  isFreeAllowed: false,
};

const ours: unknown = JSON.parse(readFileSync(new URL('../data/model-prices.json', import.meta.url), 'utf8'));
const listOf = (cost: object, model = 'm') => ({ providers: { acme: { [model]: { cost } } } });

function make(json: unknown, options: Partial<ModelPricesOptions> = {}) {
  const list = readModelList(json);
  if (list.status !== 'ok') throw new Error(list.message);
  return modelPrices(list, { ...plain, ...options });
}

function priced(json: unknown, options: Partial<ModelPricesOptions> = {}): UnitPrice[] {
  const made = make(json, options);
  if (made.status !== 'ok') throw new Error(JSON.stringify(made.flaws));
  return made.prices;
}

const usd: PricedAsset = { number: 1, code: 'USD', scale: 9 };

function catalogIn(json: unknown, options: Partial<ModelPricesOptions>): Catalog {
  const read = readPrices(priced(json, options), new Map([['USD', usd]]));
  if (read.status !== 'ok') throw new Error(JSON.stringify(read.errors));
  return catalogOf([{ productId: 'models', version: 1, isDefault: true, prices: read.prices }]);
}

function costIn(catalog: Catalog, data: { readonly [field: string]: unknown }): string {
  const match = matchPrices(catalog, { eventType: 'chat.completion', data, subscriptions: [] });
  if (match.status !== 'matched') throw new Error(match.status);
  const atoms = match.lines.map(({ price, quantity }) => {
    const line = costOf(price.cost, quantity);
    if (line.status !== 'ok') throw new Error(line.status);
    return line.atoms;
  });
  return formatAmount(
    atoms.reduce((sum, line) => sum + line, 0n),
    usd.scale,
  );
}

const amounts = (prices: readonly UnitPrice[]) => Object.fromEntries(prices.map((one) => [one.id, one.unit_amount]));

describe('the list that comes with Farebox', () => {
  test('is taken whole: 748 models, each price good for the catalog', () => {
    const made = make(ours, { isByProvider: true, isFreeAllowed: true });
    if (made.status !== 'ok') throw new Error(JSON.stringify(made.flaws));
    expect(
      new Set(made.prices.map(({ dimensions }) => `${dimensions?.['provider']} ${dimensions?.['model']}`)).size,
    ).toBe(748);
    const read = readPrices(made.prices, new Map([['USD', { number: 1, code: 'USD', scale: 9 }]]));
    expect(read).toMatchObject({ status: 'ok' });
  });

  test('has the prices of a model, per million tokens', () => {
    expect(priced(ours, { providers: ['openai'], models: ['gpt-5'] })).toEqual([
      {
        id: 'openai/gpt-5:input',
        event_type: 'chat.completion',
        asset: 'USD',
        dimensions: { model: 'gpt-5' },
        model: 'unit',
        quantity: 'input_tokens',
        unit_amount: '1.25',
        per: 1_000_000,
      },
      expect.objectContaining({ id: 'openai/gpt-5:cache_read', quantity: 'cache_read_tokens', unit_amount: '0.125' }),
      expect.objectContaining({ id: 'openai/gpt-5:cache_write', quantity: 'cache_write_tokens', unit_amount: '1.25' }),
      expect.objectContaining({ id: 'openai/gpt-5:output', quantity: 'output_tokens', unit_amount: '10' }),
    ]);
  });

  test('prices Anthropic’s writes for an hour at twice the input', () => {
    const prices = amounts(priced(ours, { providers: ['anthropic'], models: ['claude-sonnet-4-6'] }));
    expect(prices).toEqual({
      'anthropic/claude-sonnet-4-6:input': '3',
      'anthropic/claude-sonnet-4-6:cache_read': '0.3',
      'anthropic/claude-sonnet-4-6:cache_write': '3.75',
      'anthropic/claude-sonnet-4-6:cache_write_1h': '6',
      'anthropic/claude-sonnet-4-6:output': '15',
    });
  });

  test('leaves no count of the shape without a price, of any model in any context, or in none that is said', () => {
    const all = { isByProvider: true, isFreeAllowed: true };
    const catalog = catalogIn(ours, all);
    const sold = new Map(priced(ours, all).map(({ dimensions = {} }) => [JSON.stringify(dimensions), dimensions]));
    for (const { provider, model } of sold.values()) {
      for (const cached of [1, 200_000, 200_001, 272_000, 272_001]) {
        const { context, ...counts } = tokenUsage({ model: String(model), cache_read_tokens: cached });
        for (const data of [
          { ...counts, provider, context },
          { ...counts, provider },
        ]) {
          const match = matchPrices(catalog, { eventType: 'chat.completion', data, subscriptions: [] });
          if (match.status !== 'matched') throw new Error(`${provider} ${model}: ${match.status}`);
          const counted = Object.keys(counts).filter((count) => count.endsWith('_tokens'));
          const wanted = counted.filter((count) => count !== 'cache_write_1h_tokens' || /claude/.test(String(model)));
          expect(match.lines.map(({ price }) => String(price.quantity)).toSorted()).toEqual(wanted.toSorted());
        }
      }
    }
  });

  // Reckoned by hand from the providers' pages, USD.
  test.each([
    ['gpt-5', { input_tokens: 86, cache_read_tokens: 1920, output_tokens: 300 }, '0.0033475'],
    ['gpt-5.5', { input_tokens: 272_000, output_tokens: 1_000 }, '1.39'],
    ['gpt-5.5', { input_tokens: 272_001, output_tokens: 1_000 }, '2.76501'],
    ['gpt-5.5', { input_tokens: 72_001, cache_read_tokens: 200_000, output_tokens: 1_000 }, '0.96501'],
    ['gemini-2.5-pro', { input_tokens: 200_000, output_tokens: 10_000 }, '0.35'],
    ['gemini-2.5-pro', { input_tokens: 200_001, output_tokens: 10_000 }, '0.6500025'],
    [
      'claude-sonnet-4-6',
      {
        input_tokens: 2048,
        cache_read_tokens: 1800,
        cache_write_tokens: 148,
        cache_write_1h_tokens: 100,
        output_tokens: 503,
      },
      '0.015384',
    ],
  ])('%s: %j costs %s', (model, counts, expected) => {
    const catalog = catalogIn(ours, { providers: ['openai', 'google', 'anthropic'] });
    expect(costIn(catalog, tokenUsage({ model, ...counts }))).toBe(expected);
  });

  test('costs as the largest context what does not say its own', () => {
    const catalog = catalogIn(ours, { providers: ['openai'] });
    const { context, ...unsaid } = tokenUsage({ model: 'gpt-5.5', input_tokens: 1_000 });
    expect(context).toBe('up_to_200k');
    expect([costIn(catalog, { ...unsaid, context }), costIn(catalog, unsaid)]).toEqual(['0.005', '0.01']);
  });
});

describe('a markup', () => {
  test.each([
    [0.15, '1.2', '0.18'],
    [1.25, '1', '1.25'],
    [0.049999999999999996, '1', '0.05'],
    [0.3, '1.1', '0.33'],
    // Rounded up at the fifteenth digit: six finer than a nano-dollar.
    [1.23456789012, '1.000001', '1.234569124687891'],
    [3, '0.5', '1.5'],
  ])('on %d of %s makes %s', (input, markup, expected) => {
    const [price] = priced(listOf({ input, output: input }), { markup });
    expect(price?.unit_amount).toBe(expected);
  });

  test('is exact where the digits suffice', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 20_000, max: 10 ** 9 }),
        fc.integer({ min: 100_000, max: 10 ** 7 }),
        (micros, factor) => {
          const input = micros / 10 ** 6;
          const markup = `${Math.floor(factor / 10 ** 6)}.${String(factor % 10 ** 6).padStart(6, '0')}`;
          const [price] = priced(listOf({ input, output: input }), { markup });
          const [whole = '', fraction = ''] = (price?.unit_amount ?? '').split('.');
          expect(fraction.length).toBeLessThanOrEqual(15);
          // Both sides in 10^-15: six digits of the price, six of the factor, three more.
          expect(BigInt(whole + fraction.padEnd(15, '0'))).toBe(BigInt(micros) * BigInt(factor) * 1_000n);
        },
      ),
    );
  });

  test.each(['0', '0.05', '20', '120%', '-1', '1.0000001', ''])('of %j is refused', (markup) => {
    expect(make(listOf({ input: 1, output: 2 }), { markup })).toMatchObject({
      status: 'refused',
      flaws: [{ message: expect.stringContaining('a factor from 0.1 to 10') }],
    });
  });
});

describe('what can’t be right is refused by name', () => {
  test.each([
    [{ input: 0.00000125, output: 0.00001 }, /^input is 0.00000125 USD per million .* Is it per token\?/],
    [{ input: 0.00125, output: 0.01 }, /^input is 0.00125 .* Is it per thousand\?/],
    [{ input: 1.25, output: 0.01 }, /^output is 0.01 .* per thousand/],
    [{ input: 0.15, output: 600 }, /^output is 600 .*input is 0.15: one of them seems to be in another unit/],
    [{ input: 150, output: 0.6 }, /another unit/],
    [{ input: 1_250_000, output: 10_000_000 }, /^input is 1250000 .*more than any model costs/],
    [{ input: 1.25, output: 10, cache_read: 0.000125 }, /^cache_read is 0.000125 .* per thousand/],
    [{ input: 1.25, output: 10, cache_read: 2 }, /^cache_read is 2 .*input is 1.25/],
    [{ input: 1.25 }, /^output is missing/],
    [{ input: '1.25', output: 10 }, /^input is "1.25", not a number/],
    [{ input: -1, output: 10 }, /^input is -1/],
    [{ input: null, output: 10 }, /^input is null/],
    [{ input: 1, output: 2, tiers: [{ input: 2, output: 3 }] }, /^has a tier without a size/],
    [
      { input: 1, output: 2, tiers: [{ input: 2, output: 0.003, tier: { size: 200_000 } }] },
      /^output above a context of 200000 is 0.003/,
    ],
    [
      { input: 1, output: 2, tiers: [{ input: 2, output: 3, tier: { size: 128_000 } }] },
      /^changes its price at a context of 128000/,
    ],
  ])('%j', (cost, message) => {
    const made = make(listOf(cost));
    if (made.status !== 'refused') throw new Error('it was taken');
    expect(made.flaws[0]).toEqual({ provider: 'acme', model: 'm', message: expect.stringMatching(message) });
  });

  test('and nothing else of the list is taken, but where it was not asked for', () => {
    const json = {
      providers: { acme: { good: { cost: { input: 1, output: 2 } }, bad: { cost: { input: 1e-6, output: 2 } } } },
    };
    expect(make(json)).toMatchObject({ status: 'refused' });
    expect(make(json, { models: ['good'] })).toMatchObject({ status: 'ok' });
  });

  test.each([
    [{}, 'has no providers'],
    [[], 'has no providers'],
    [{ providers: {}, units: 'cost: USD per token' }, 'units'],
  ])('a file that is no such list: %j', (json, message) => {
    expect(readModelList(json)).toEqual({ status: 'no_list', message: expect.stringContaining(message) });
  });
});

describe('which models', () => {
  const names = (options: Partial<ModelPricesOptions>) =>
    [...new Set(priced(ours, options).map(({ dimensions }) => String(dimensions?.['model'])))].toSorted();

  test('are those of the providers whose names fit', () => {
    expect(names({ providers: ['anthropic'], models: ['claude-opus-4-*', '*haiku-4-5'] })).toEqual([
      ...['claude-haiku-4-5', 'claude-opus-4-0', 'claude-opus-4-1', 'claude-opus-4-1-20250805'],
      ...['claude-opus-4-20250514', 'claude-opus-4-5', 'claude-opus-4-5-20251101', 'claude-opus-4-6'],
      ...['claude-opus-4-7', 'claude-opus-4-8'],
    ]);
  });

  test('sold by two providers have to be chosen, or told apart', () => {
    const both = { providers: ['azure', 'openai'], models: ['gpt-5.5'] };
    expect(make(ours, both)).toMatchObject({
      status: 'refused',
      flaws: [{ provider: 'openai', model: 'gpt-5.5', message: expect.stringContaining('sold by azure too') }],
    });
    const dimensions = priced(ours, { ...both, isByProvider: true }).map((price) => price.dimensions?.['provider']);
    expect(new Set(dimensions)).toEqual(new Set(['azure', 'openai']));
  });

  test('are free are listed, and taken only where that is allowed', () => {
    const some = {
      providers: ['mistral', 'cohere'],
      models: ['labs-devstral*', 'north-mini*', 'mistral-embed', 'command-a*'],
    };
    const free = [
      { provider: 'cohere', model: 'north-mini-code-1-0', parts: ['input', 'output'] },
      { provider: 'mistral', model: 'labs-devstral-small-2512', parts: ['input', 'output'] },
      { provider: 'mistral', model: 'mistral-embed', parts: ['output'] },
    ];
    expect(make(ours, some)).toMatchObject({ status: 'ok', free });
    expect(names(some).some((name) => /devstral|north|embed/.test(name))).toBe(false);
    expect(make(ours, { ...some, isFreeAllowed: true })).toMatchObject({ status: 'ok', free });
    expect(names({ ...some, isFreeAllowed: true })).toContain('mistral-embed');
  });

  test('are none is said', () => {
    expect(make(ours, { providers: ['opanai'] })).toMatchObject({
      flaws: [{ message: expect.stringMatching(/^there is no provider opanai: amazon-bedrock, anthropic/) }],
    });
    expect(make(ours, { models: ['gpt-6'] })).toMatchObject({ flaws: [{ message: 'there is no model gpt-6' }] });
    expect(make(ours, { providers: ['cohere'], models: ['gpt-5'] })).toMatchObject({
      flaws: [{ message: 'no model matches' }],
    });
  });
});

test('what was filled in or left out is noted', () => {
  const made = make(listOf({ input: 2, output: 8, reasoning: 3, request: 5 }));
  expect(made).toMatchObject({
    notes: [
      { model: 'm', message: 'cache_read is not listed: as input' },
      { model: 'm', message: 'cache_write is not listed: as input' },
      { model: 'm', message: "reasoning 3 is left out: events don't tell it apart" },
      { model: 'm', message: "request 5 is left out: events don't tell it apart" },
    ],
  });
});

describe('changes', () => {
  const before = priced({
    providers: { acme: { a: { cost: { input: 1.5, output: 3 } }, b: { cost: { input: 1, output: 2 } } } },
  });
  const after = priced({
    providers: { acme: { a: { cost: { input: 1.8, output: 1 } }, c: { cost: { input: 1, output: 2 } } } },
  });
  const fee: Price = { id: 'fee', event_type: 'chat.completion', asset: 'USD', model: 'unit', unit_amount: '0.010' };

  test('are a table: added, removed, changed with how much', () => {
    const changed: Price = { ...fee, event_type: 'image' };
    expect(changesText(priceChanges([...before, fee], [...after, changed]))).toEqual([
      '+ acme/c:input        1 USD per 1000000',
      '+ acme/c:cache_read   1 USD per 1000000',
      '+ acme/c:cache_write  1 USD per 1000000',
      '+ acme/c:output       2 USD per 1000000',
      '- acme/b:input        1 USD per 1000000',
      '- acme/b:cache_read   1 USD per 1000000',
      '- acme/b:cache_write  1 USD per 1000000',
      '- acme/b:output       2 USD per 1000000',
      '~ acme/a:input        1.5 → 1.8 USD per 1000000  +20 %',
      '~ acme/a:cache_read   1.5 → 1.8 USD per 1000000  +20 %',
      '~ acme/a:cache_write  1.5 → 1.8 USD per 1000000  +20 %',
      '~ acme/a:output       3 → 1 USD per 1000000      -66.7 %',
      '~ fee                 differs in event_type',
      '4 added, 4 removed, 5 changed, 0 as before',
    ]);
  });

  test('are none where prices say the same in other words', () => {
    const { event_type, ...rest } = fee;
    const same = { ...rest, unit_amount: '0.01', per: 1, event_type } as Price;
    expect(priceChanges([...before, fee], [same, ...before.toReversed()])).toEqual({
      added: [],
      removed: [],
      changed: [],
      unchanged: before.length + 1,
    });
  });
});
