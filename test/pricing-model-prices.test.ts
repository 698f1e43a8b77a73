// Lists of what models cost become price lists: exact, whole, and refused by name where they can't be right.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Price, UnitPrice } from '../src/contract.ts';
import { readModelList } from '../src/pricing/model-list.ts';
import { modelPrices, type ModelPricesOptions } from '../src/pricing/model-prices.ts';
import { changesText, priceChanges } from '../src/pricing/price-changes.ts';
import { readPrices } from '../src/pricing/read-prices.ts';
import { tokenUsage } from '../src/sdk/farebox.ts';

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

  test('never leaves a count of the shape without a price, in any context', () => {
    const prices = priced(ours, { isByProvider: true, isFreeAllowed: true });
    const byModel = new Map<string, UnitPrice[]>();
    for (const price of prices) {
      const name = `${price.dimensions?.['provider']}/${price.dimensions?.['model']}`;
      byModel.set(name, [...(byModel.get(name) ?? []), price]);
    }
    for (const [name, of] of byModel) {
      for (const tokens of [1, 200_000, 200_001, 272_000, 272_001]) {
        const { model: _, context, ...counts } = tokenUsage({ model: 'm', cache_read_tokens: tokens });
        const found = of.filter(({ dimensions }) =>
          [context, undefined].includes(dimensions?.['context'] as undefined),
        );
        const counted = Object.keys(counts).filter((count) => /claude/.test(name) || count !== 'cache_write_1h_tokens');
        expect(found.map(({ quantity }) => String(quantity)).toSorted(), name).toEqual(counted.toSorted());
      }
    }
  });

  test.each([
    ['openai', 'gpt-5.5', 272_000, '5', '30', '0.5'],
    ['openai', 'gpt-5.5', 272_001, '10', '45', '1'],
    ['google', 'gemini-2.5-pro', 200_000, '1.25', '10', '0.125'],
    ['google', 'gemini-2.5-pro', 200_001, '2.5', '15', '0.25'],
    ['google', 'gemini-2.5-pro', 300_000, '2.5', '15', '0.25'],
  ])(
    '%s/%s with a context of %d: input %s, output %s, from the cache %s',
    (provider, model, tokens, input, output, cached) => {
      const { context } = tokenUsage({ model, input_tokens: tokens, output_tokens: 10 ** 6 });
      const prices = amounts(priced(ours, { providers: [provider], models: [model] }));
      expect(prices).toMatchObject({
        [`${provider}/${model}:input:${context}`]: input,
        [`${provider}/${model}:output:${context}`]: output,
        [`${provider}/${model}:cache_read:${context}`]: cached,
      });
    },
  );
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
