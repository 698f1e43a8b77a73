// Which prices an event has: as the table says, and as a look at every price says for random catalogs.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { catalogOf, type PricedVersion } from '../src/pricing/catalog.ts';
import { explainMatch } from '../src/pricing/explain.ts';
import { matchPrices, type PricedEvent, type Subscription } from '../src/pricing/match.ts';
import type { Price } from '../src/pricing/price.ts';
import { goodPrices } from './pricing.catalogs.ts';

const product = (productId: string, prices: object[], more: Partial<PricedVersion> = {}): PricedVersion => ({
  productId,
  version: 1,
  isDefault: true,
  ...more,
  prices: goodPrices(...prices),
});

const event = (data: object, subscriptions: Subscription[] = [], eventType = 'call'): PricedEvent => ({
  eventType,
  data: data as PricedEvent['data'],
  subscriptions,
});

/** `product@version/price×quantity`, or what the matter is. */
function linesOf(published: readonly PricedVersion[], happened: PricedEvent): string[] | string {
  const match = matchPrices(catalogOf(published), happened);
  if (match.status !== 'matched') return match.status;
  return match.lines.map(
    ({ productId, version, price, quantity }) => `${productId}@${version}/${price.id}×${Number(quantity) / 1e6}`,
  );
}

const models = product('chat', [
  { id: 'any', quantity: 'tokens' },
  { id: 'model', quantity: 'tokens', dimensions: { model: 'gpt-5' } },
  { id: 'star', quantity: 'tokens', dimensions: { model: '*' } },
  { id: 'team', quantity: 'tokens', dimensions: { team: 'red' } },
  { id: 'team_star', quantity: 'tokens', dimensions: { team: 'red', model: '*' } },
  { id: 'both', quantity: 'tokens', dimensions: { team: 'red', model: 'gpt-5' } },
  { id: 'size', quantity: 'tokens', dimensions: { size: 5, fast: true } },
  { id: 'fee' },
  { id: 'fee_fast', dimensions: { fast: true } },
]);

describe('in one product', () => {
  test.each([
    ['what looks at nothing fits all', { tokens: 3 }, ['any×3', 'fee×1']],
    ['an exact value is closer', { tokens: 3, model: 'gpt-5' }, ['model×3', 'fee×1']],
    ['"*" fits any value', { tokens: 3, model: 'claude' }, ['star×3', 'fee×1']],
    ['"*" fits the text "*" too', { tokens: 3, model: '*' }, ['star×3', 'fee×1']],
    ['"*" fits an empty text', { tokens: 3, model: '' }, ['star×3', 'fee×1']],
    ['"*" wants the field', { tokens: 3, model: null }, ['any×3', 'fee×1']],
    ['"*" wants a plain value', { tokens: 3, model: ['gpt-5'] }, ['any×3', 'fee×1']],
    ['exact beats "*", and "*" beats nothing', { tokens: 3, model: 'x', team: 'red' }, ['team_star×3', 'fee×1']],
    ['two exact beat one', { tokens: 3, model: 'gpt-5', team: 'red' }, ['both×3', 'fee×1']],
    ['of equals the first listed wins', { tokens: 3, model: 'gpt-5', team: 'blue' }, ['model×3', 'fee×1']],
    ['numbers and booleans by their text', { tokens: 3, size: 5, fast: true }, ['size×3', 'fee_fast×1']],
    ['the text of a number, too', { tokens: 3, size: '5', fast: 'true' }, ['size×3', 'fee_fast×1']],
    ['text to the letter', { tokens: 3, model: 'GPT-5', team: 'Red' }, ['star×3', 'fee×1']],
    ['a field of every object is none', { tokens: 3, toString: 'x' }, ['any×3', 'fee×1']],
    ['a quantity as text', { tokens: '0.5' }, ['any×0.5', 'fee×1']],
  ])('%s', (_, data, expected) => {
    expect(linesOf([models], event(data))).toEqual(expected.map((line) => `chat@1/${line}`));
  });

  test('of equals the first listed wins, whatever fields its neighbours look at', () => {
    const [blue, red] = [{ team: 'blue' }, { team: 'red' }];
    const published = [product('p', [{ dimensions: blue }, { dimensions: { model: 'x' } }, { dimensions: red }])];
    expect(linesOf(published, event({ model: 'x', ...red }))).toEqual(['p@1/p1×1']);
    expect(linesOf(published, event({ model: 'x', ...blue }))).toEqual(['p@1/p0×1']);
  });

  test.each([
    ['missing', {}, 'data.tokens, which price any counts, is missing'],
    ['negative', { tokens: -1 }, 'data.tokens, which price any counts, is negative'],
    ['null', { tokens: null }, 'data.tokens, which price any counts, is neither a number nor a decimal string'],
    ['too fine', { tokens: 0.0000001, model: 'x' }, 'data.tokens, which price star counts, has more than 6 decimals'],
  ])('a quantity that is %s is named with its price', (_, data, message) => {
    const match = matchPrices(catalogOf([models]), event(data));
    expect(match).toMatchObject({ status: 'missing_quantity', field: 'tokens', message });
  });

  test('a field of every object is no quantity', () => {
    const catalog = catalogOf([product('p', [{ quantity: 'constructor' }])]);
    expect(matchPrices(catalog, event({}))).toMatchObject({ status: 'missing_quantity', field: 'constructor' });
  });

  test('nothing fits another event, or another value', () => {
    expect(linesOf([models], event({ tokens: 1 }, [], 'image'))).toBe('no_price');
    expect(linesOf([product('p', [{ dimensions: { model: 'a' } }])], event({ model: 'b' }))).toBe('no_price');
    expect(linesOf([], event({}))).toBe('no_price');
  });
});

describe('among products', () => {
  const listed = [
    product('base', [{ id: 'b', quantity: 'n' }, { id: 'fee' }]),
    product('extra', [{ id: 'e', quantity: 'n' }]),
    product('plan', [{ id: 'old', quantity: 'n' }], { isDefault: false }),
    product('plan', [{ id: 'new', quantity: 'n' }], { isDefault: false, version: 2 }),
    product('special', [{ id: 's', quantity: 'n', dimensions: { model: 'x' } }], { isDefault: false }),
    product('base', [{ id: 'b2', quantity: 'n', dimensions: { model: '*' } }, { id: 'fee' }], { version: 2 }),
  ];
  const sub = (productId: string, version = 1): Subscription => ({ productId, version });

  test.each([
    ['defaults price everyone, by their latest version', [], {}, ['extra@1/e×7', 'base@2/fee×1']],
    ['the more specific default wins', [], { model: 'x' }, ['base@2/b2×7', 'base@2/fee×1']],
    ['a subscribed product beats an equal default', [sub('plan')], {}, ['plan@1/old×7', 'base@2/fee×1']],
    ['at the version that was subscribed to', [sub('plan', 2)], {}, ['plan@2/new×7', 'base@2/fee×1']],
    ['a more specific default beats a subscribed one', [sub('plan')], { model: 'x' }, ['base@2/b2×7', 'base@2/fee×1']],
    [
      'the more specific of two subscribed',
      [sub('plan'), sub('special')],
      { model: 'x' },
      ['special@1/s×7', 'base@2/fee×1'],
    ],
    ['a subscription to a default takes its place', [sub('base')], { model: 'x' }, ['base@1/b×7', 'base@1/fee×1']],
  ])('%s', (_, subscriptions, data, expected) => {
    const lines = linesOf(listed, event({ n: 7, ...data }, subscriptions));
    expect(new Set(lines)).toEqual(new Set(expected));
  });

  test('lines come in the order of listing, whoever is subscribed to what', () => {
    const three = [
      product('z', [{ id: '1', quantity: 'c' }, { id: '2' }], { isDefault: false }),
      product('a', [
        { id: '3', quantity: 'b' },
        { id: '4', quantity: 'a' },
      ]),
    ];
    const lines = linesOf(three, event({ a: 1, b: 1, c: 1 }, [sub('z')]));
    expect(lines).toEqual(['z@1/1×1', 'z@1/2×1', 'a@1/3×1', 'a@1/4×1']);
  });

  test('a version that the catalog does not have is told, not passed over', () => {
    const match = matchPrices(catalogOf(listed), event({ n: 1 }, [sub('plan', 3)]));
    expect(match).toEqual({ status: 'unknown_version', productId: 'plan', version: 3 });
    expect(matchPrices(catalogOf(listed), event({ n: 1 }, [sub('none')])).status).toBe('unknown_version');
  });

  test('what became of each price can be explained', () => {
    const explained = explainMatch(catalogOf(listed), event({ n: 7, model: 'y' }, [sub('plan'), sub('special')]));
    if (explained.status !== 'explained') throw new Error(explained.status);
    expect(
      explained.prices.map(({ productId, version, priceId, reason }) => [`${productId}@${version}/${priceId}`, reason]),
    ).toEqual([
      ['base@2/b2', { status: 'won' }],
      ['base@2/fee', { status: 'won' }],
      ['plan@1/old', { status: 'lost', to: { productId: 'base', version: 2, priceId: 'b2' } }],
      ['extra@1/e', { status: 'lost', to: { productId: 'base', version: 2, priceId: 'b2' } }],
      ['special@1/s', { status: 'no_match', field: 'model', wanted: 'x', found: 'y' }],
    ]);
  });
});

// ── Random catalogs, against a look at every price ──

const value = fc.constantFrom('a', 'b', '*');
const dimensions = fc.dictionary(fc.constantFrom('x', 'y', 'z'), value, { maxKeys: 3 });
const anyPrice = fc.record({
  event_type: fc.constantFrom('call', 'call', 'image'),
  quantity: fc.constantFrom('n', 'n', undefined),
  dimensions,
});
const pricesOf = fc.uniqueArray(anyPrice, {
  selector: ({ event_type, quantity, dimensions: { x, y, z } }) =>
    JSON.stringify([event_type, quantity ?? '', x, y, z]),
  maxLength: 24,
});
const versions = fc.array(
  fc.record({ productId: fc.constantFrom('p', 'q', 'r'), version: fc.integer({ min: 1, max: 3 }), prices: pricesOf }),
  { maxLength: 6 },
);
const happened = fc.record({
  n: fc.constant(2),
  ...Object.fromEntries(['x', 'y', 'z'].map((field) => [field, fc.constantFrom('a', 'b', 'c', null)])),
});

/** Every price of every product that applies, sorted by what makes one win. */
function lookAtAll(
  published: readonly PricedVersion[],
  { eventType, data, subscriptions }: PricedEvent,
): string[] | string {
  const order = [...new Set(published.map(({ productId }) => productId))];
  const latest = (id: string) => Math.max(...published.flatMap((one) => (one.productId === id ? one.version : [])));
  const pool = published.flatMap(({ productId, version, isDefault, prices }) => {
    const own = subscriptions.filter((one) => one.productId === productId);
    const applies =
      own.length > 0 ? own.some((one) => one.version === version) : isDefault && version === latest(productId);
    return applies ? prices.map((price, no) => ({ productId, version, price, no, isOwn: own.length > 0 })) : [];
  });
  const exact = ({ dimensions }: Price) => dimensions.filter((one) => one.value !== undefined).length;
  const fitting = pool
    .filter(({ price }) => price.eventType === eventType)
    .filter(({ price }) =>
      price.dimensions.every(
        (one) => typeof data[one.field] === 'string' && [undefined, data[one.field]].includes(one.value),
      ),
    )
    .sort(
      (a, b) =>
        exact(b.price) - exact(a.price) ||
        b.price.dimensions.length - a.price.dimensions.length ||
        Number(b.isOwn) - Number(a.isOwn) ||
        order.indexOf(a.productId) - order.indexOf(b.productId) ||
        a.no - b.no,
    );
  const won = fitting.filter(
    (one, place) => fitting.findIndex((other) => other.price.quantity === one.price.quantity) === place,
  );
  if (won.length === 0) return 'no_price';
  return won
    .sort((a, b) => order.indexOf(a.productId) - order.indexOf(b.productId) || a.no - b.no)
    .map(
      ({ productId, version, price }) =>
        `${productId}@${version}/${price.id}×${price.quantity ? Number(data[price.quantity]) : 1}`,
    );
}

test('a random catalog matches as a look at every price does', () => {
  const picks = fc.array(fc.nat(), { maxLength: 3 });
  fc.assert(
    fc.property(versions, picks, happened, fc.boolean(), (found, subscribed, data, isDefault) => {
      const published = found
        .filter(
          (one, no) =>
            found.findIndex((other) => other.productId === one.productId && other.version === one.version) === no,
        )
        .map(({ productId, version, prices }) =>
          product(productId, prices, { version, isDefault: productId === 'p' || isDefault }),
        );
      const own = published.length === 0 ? [] : subscribed.map((pick) => published[pick % published.length]!);
      const subscriptions = own
        .filter((one, no) => own.findIndex((other) => other.productId === one.productId) === no)
        .map(({ productId, version }) => ({ productId, version }));
      for (const eventType of ['call', 'image']) {
        const what = event(data, subscriptions, eventType);
        expect(linesOf(published, what)).toEqual(lookAtAll(published, what));
      }
    }),
    { numRuns: 500 },
  );
});

test('ten thousand prices take as many looks at an event as ten do', () => {
  const looks = (count: number): number => {
    const prices = Array.from({ length: count }, (_, no) => ({ quantity: 'tokens', dimensions: { model: `m${no}` } }));
    const catalog = catalogOf([product('p', [...prices, { id: 'any', quantity: 'tokens' }].slice(-count))]);
    let looked = 0;
    const data = new Proxy(
      { model: 'm7', tokens: 3 },
      {
        get: (target, field) => {
          looked += 1;
          return Reflect.get(target, field);
        },
      },
    );
    const match = matchPrices(catalog, event(data));
    expect(match).toMatchObject({ status: 'matched', lines: [{ price: { id: 'p6' } }] });
    return looked;
  };
  expect(looks(10_000)).toBe(looks(10));
});
