// Redis walks tiers as TypeScript does, and both as rational numbers: digit for digit, over random prices and usages.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundle } from '../scripts/lua/bundle.ts';
import { readCodes } from '../scripts/lua/codes.ts';
import { parseLua } from '../scripts/lua/parse.ts';
import { costOf, mostOf, noUsage, type Counter } from '../src/pricing/cost.ts';
import { packPeriodLine } from '../src/pricing/pack.ts';
import type { Price, Quantity } from '../src/pricing/price.ts';
import { ceiling } from './model/price.ts';
import { goodPrice, quantityOf } from './pricing.catalogs.ts';
import { periodPrice, quantity } from './pricing.random.ts';
import { createRedis, openRedis } from './stores.ts';

/** Lines one after the other, the counter carried along: most and cost of each, -1 where it is too large. */
const walk = `#!lua
local tiers = require('tiers')
local units, millionths, billed = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local told = {}
for i = 4, #ARGV do
  told[#told + 1] = tiers.most(ARGV[i], units, millionths, billed) or -1
  local atoms, next_units, next_millionths = tiers.cost(ARGV[i], units, millionths, billed)
  told[#told + 1] = atoms or -1
  if atoms then
    units, millionths, billed = next_units, next_millionths, billed + atoms
  end
end
told[#told + 1], told[#told + 2], told[#told + 3] = units, millionths, billed
told[#told + 1] = tiers.total(ARGV[4], units, millionths) or -1
return told
`;

/** What atoms come to at a rate, and how many of them that many others pay for. */
const convert = `#!lua
local legs = require('legs')
local atoms, rate = tonumber(ARGV[1]), { num = tonumber(ARGV[2]), den = tonumber(ARGV[3]) }
return { legs.convert(rate, atoms), legs.covers(rate, atoms) }
`;

let redis: Redis;
let stop: () => Promise<void>;
let hash: string;

beforeAll(async () => {
  const server = await createRedis();
  stop = server.stop;
  redis = await openRedis(server.url);
  const folder = join('lua', 'lib');
  const files = readdirSync(folder).map((file) => [file.replace('.lua', ''), file] as const);
  const modules = new Map(
    files.map(([name, file]) => [name, parseLua(readFileSync(join(folder, file), 'utf8'), file)] as const),
  );
  const scripts = [parseLua(walk, 'walk.lua'), parseLua(convert, 'convert.lua')];
  const library = bundle(scripts, modules, readCodes(modules.get('codes')));
  ({ hash } = library);
  await redis.call('FUNCTION', 'LOAD', library.text);
});

afterAll(async () => {
  redis.disconnect();
  await stop();
});

type Walked = { lines: { most: bigint; cost: bigint }[]; counter: Counter; total: bigint };

async function walkInRedis({ cost }: Price, quantities: Quantity[], from: Counter): Promise<Walked> {
  if (cost.model === 'unit' || cost.model === 'percentage') throw new Error('it counts over no period');
  const lines = quantities.map((added) => Buffer.from(packPeriodLine(cost, added)));
  const start = [from.used / 1_000_000n, from.used % 1_000_000n, from.billed].map(String);
  const told = (await redis.fcall(`walk_${hash}`, 0, ...start, ...lines)) as number[];
  const [total, billed, millionths, units] = told.splice(-4).map(BigInt).reverse() as [bigint, bigint, bigint, bigint];
  return {
    lines: quantities.map((_, no) => ({ most: BigInt(told[2 * no]!), cost: BigInt(told[2 * no + 1]!) })),
    counter: { used: units * 1_000_000n + millionths, billed } as Counter,
    total,
  };
}

/** What all of it costs by itself; more than one amount may be, piece by piece. */
function totalOf(cost: Price['cost'], used: Quantity): bigint {
  let billed = 0n;
  for (;;) {
    const line = costOf(cost, used, { used: 0n, billed } as Counter);
    if (line.status === 'ok') return billed + line.atoms;
    if (billed > 2n ** 52n) return -1n;
    billed += 10n ** 15n;
  }
}

function walkHere({ cost }: Price, quantities: Quantity[], from: Counter): Walked {
  let counter = from;
  const lines = quantities.map((added) => {
    const most = mostOf(cost, added, counter);
    const line = costOf(cost, added, counter);
    if (line.status === 'ok') ({ counter } = line);
    return { most: most.status === 'ok' ? most.atoms : -1n, cost: line.status === 'ok' ? line.atoms : -1n };
  });
  return { lines, counter, total: totalOf(cost, counter.used) };
}

const asQuantity = quantity.map(quantityOf);

test('random prices and usages come out alike', async () => {
  const quantities = fc.array(asQuantity, { minLength: 1, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(periodPrice, quantities, async (written, added) => {
      const price = goodPrice(written);
      expect(await walkInRedis(price, added, noUsage)).toEqual(walkHere(price, added, noUsage));
    }),
    { numRuns: 500 },
  );
});

test('from any counter on, up to where counting ends', async () => {
  const counter = fc.record({
    used: fc.oneof(fc.bigInt(0n, 10n ** 9n), fc.bigInt(10n ** 21n - 10n ** 18n, 10n ** 21n)),
    billed: fc.oneof(fc.constant(0n), fc.bigInt(0n, 2n ** 52n)),
  }) as fc.Arbitrary<Counter>;
  await fc.assert(
    fc.asyncProperty(periodPrice, asQuantity, counter, async (written, added, from) => {
      const price = goodPrice(written);
      expect(await walkInRedis(price, [added], from)).toEqual(walkHere(price, [added], from));
    }),
    { numRuns: 300 },
  );
});

test('a hundred tiers of the finest and largest rates', async () => {
  const per = [1, 2, 4, 5, 1_000, 1_000_000_000];
  const tiers = Array.from({ length: 100 }, (_, no) => ({
    up_to: no === 99 ? null : `${no}.${String(no + 1).padStart(6, '0')}`,
    unit_amount: no % 2 === 0 ? '0.000000000000001' : '40000.123456789012345',
    per: per[no % per.length]!,
    flat_amount: '0.000000001',
  }));
  for (const model of ['graduated', 'volume']) {
    const price = goodPrice({ model, tiers, tiers_over: 'day' });
    const added = ['0', '0.000001', '30.5', '69.000001', '1000', '1000000'].map(quantityOf);
    const walked = await walkInRedis(price, added, noUsage);
    expect(walked).toEqual(walkHere(price, added, noUsage));
    expect(walked.lines.filter(({ cost }) => cost > 0n).length).toBeGreaterThan(2);
  }
});

test('a period bills 2^52 atoms, and not one more', async () => {
  // Four units and a half, less what a flat amount is due beside them.
  const used = quantityOf('4');
  for (const [flat, last] of [
    ['0', '0.503599'],
    ['0.000000001', '0.503599'],
    ['500000', '0.003599'],
  ]) {
    const tiers = [{ up_to: null, unit_amount: '1000000', flat_amount: flat }];
    const price = goodPrice({ model: 'graduated', tiers, tiers_over: 'day' });
    const from = { used, billed: 4_400_000_000_000_000n as Counter['billed'] };
    const most = quantityOf(last);
    const more = (most + 1n) as Quantity;
    const walked = await walkInRedis(price, [more, most], from);
    expect(walked.lines.map(({ cost }) => cost >= 0n)).toEqual([false, true]);
    expect(walked).toEqual(walkHere(price, [more, most], from));
  }
});

test('converting from one asset into another is exact: rounded up there, down on the way back', async () => {
  const anyAtoms = fc.oneof(fc.bigInt(0n, 10n ** 7n), fc.bigInt(0n, 2n ** 52n), fc.constant(2n ** 52n));
  const anyPart = fc.oneof(fc.bigInt(1n, 1_000n), fc.bigInt(1n, 2n ** 52n), fc.constantFrom(10n ** 15n, 2n ** 52n));
  await fc.assert(
    fc.asyncProperty(anyAtoms, anyPart, anyPart, async (atoms, num, den) => {
      const told = await redis.fcall(`convert_${hash}`, 0, String(atoms), String(num), String(den));
      const due = ceiling({ over: atoms * num, under: den });
      const paid = (atoms * den) / num;
      const [most, balance] = [2n ** 53n - 1n, 2n ** 52n];
      const [toldDue, toldPaid] = (told as number[]).map(BigInt);
      expect(toldPaid).toBe(paid > balance ? balance : paid);
      // Past 2^53 it is more than there can be of anything, and that is all that is said.
      if (due <= most) expect(toldDue).toBe(due);
      else expect(toldDue! > balance).toBe(true);
    }),
    { numRuns: 500 },
  );
});
