// A list of what models cost, as models.dev publishes it: read, and held against what such prices can be.
//
// USD per million tokens. Lists elsewhere are per token or per thousand, and a price that is off by a thousand is one digit
// group away from looking right; so what lies outside the bounds is refused by name, and nothing of the list is taken.
import { readDecimal } from './decimal.ts';

/** Digits behind the point: USD's nine, and the six by which a rate may be finer. */
export const usdDecimals = 15;

/** USD per million tokens, a whole number of the last of `usdDecimals`. */
export type Usd = bigint & { readonly brand: 'usd' };

/** The parts of a price that event data tells apart. */
export type ListedParts = {
  readonly input: Usd;
  readonly output: Usd;
  readonly cache_read: Usd | undefined;
  readonly cache_write: Usd | undefined;
};

export type ListedModel = {
  readonly provider: string;
  readonly model: string;
  readonly parts: ListedParts;
  /** What all tokens of a call cost whose context is larger than `size`, smallest first. */
  readonly tiers: readonly { readonly size: number; readonly parts: ListedParts }[];
  /** What it also lists, and event data does not tell apart: `reasoning 3`. */
  readonly others: readonly string[];
};

export type ListFlaw = { readonly provider: string; readonly model: string; readonly message: string };
export type ReadModelList =
  | { status: 'ok'; models: ListedModel[]; flaws: ListFlaw[] }
  | { status: 'no_list'; message: string };

const units = 'USD per 1,000,000 tokens';

/** All that is well, and all that is not: the caller refuses what it would have taken. */
export function readModelList(json: unknown): ReadModelList {
  if (!isFields(json) || !isFields(json['providers'])) {
    return { status: 'no_list', message: 'has no providers: it is not a list of models.dev' };
  }
  if (typeof json['units'] === 'string' && !json['units'].includes(units)) {
    return { status: 'no_list', message: `says that its units are ${json['units']}: must be ${units}` };
  }
  const models: ListedModel[] = [];
  const flaws: ListFlaw[] = [];
  for (const [provider, listed] of Object.entries(json['providers'])) {
    for (const [model, entry] of Object.entries(isFields(listed) ? listed : {})) {
      const read = readCost(isFields(entry) ? entry['cost'] : undefined);
      if (read.flaws.length === 0 && read.cost) models.push({ provider, model, ...read.cost });
      else flaws.push(...read.flaws.map((message) => ({ provider, model, message })));
    }
  }
  return { status: 'ok', models, flaws };
}

type Cost = Pick<ListedModel, 'parts' | 'tiers' | 'others'>;

function readCost(cost: unknown): { cost?: Cost; flaws: string[] } {
  if (!isFields(cost)) return { flaws: ['has no cost'] };
  const flaws: string[] = [];
  const parts = readParts(cost, '', flaws);
  const listedTiers = cost['tiers'] ?? [];
  const tiers = (Array.isArray(listedTiers) ? listedTiers : []).flatMap((listed: unknown) => {
    const size = isFields(listed) && isFields(listed['tier']) ? listed['tier']['size'] : undefined;
    if (!isFields(listed) || typeof size !== 'number' || !Number.isSafeInteger(size) || size <= 0) {
      flaws.push('has a tier without a size');
      return [];
    }
    const tierParts = readParts(listed, ` above a context of ${size}`, flaws);
    return tierParts ? [{ size, parts: tierParts }] : [];
  });
  if (!parts || flaws.length > 0) return { flaws };
  return {
    cost: { parts, tiers: tiers.toSorted((a, b) => a.size - b.size), others: othersOf(cost) },
    flaws,
  };
}

// What the dearest and cheapest models of 2026 cost, with room: 0.01 to 600 USD for a million tokens of input. A part that
// is far from its model's input, such as an output of a thousandth of it, is in another unit.
const bounds = {
  input: { least: 0.01, most: 2_000, leastOfInput: 1, mostOfInput: 1 },
  output: { least: 0.02, most: 2_000, leastOfInput: 0.1, mostOfInput: 500 },
  cache_read: { least: 0.001, most: 2_000, leastOfInput: 0.002, mostOfInput: 1 },
  cache_write: { least: 0.01, most: 2_000, leastOfInput: 0.02, mostOfInput: 10 },
};
export const partNames = ['input', 'output', 'cache_read', 'cache_write'] as const;
export type PartName = (typeof partNames)[number];

function readParts(cost: Fields, where: string, flaws: string[]): ListedParts | undefined {
  const flawsBefore = flaws.length;
  const read = (part: PartName, listed: unknown): Usd | undefined => {
    const flaw = flawOf(part, listed, cost['input']);
    if (flaw !== undefined) flaws.push(`${part}${where} ${flaw}`);
    return flaw === undefined ? usdOf(listed as number) : undefined;
  };
  const optional = (part: PartName, listed: unknown): Usd | undefined =>
    listed === undefined || listed === null ? undefined : read(part, listed);
  const parts = {
    input: read('input', cost['input']),
    output: read('output', cost['output']),
    // Two names for one thing.
    cache_read: optional('cache_read', cost['cache_read'] ?? cost['cached_input']),
    cache_write: optional('cache_write', cost['cache_write']),
  };
  return flaws.length > flawsBefore ? undefined : (parts as ListedParts);
}

function flawOf(part: PartName, listed: unknown, input: unknown): string | undefined {
  if (listed === undefined) return 'is missing';
  if (typeof listed !== 'number' || !Number.isFinite(listed) || listed < 0) {
    return `is ${JSON.stringify(listed)}, not a number from 0`;
  }
  // Free ones are told apart later.
  if (listed === 0) return undefined;
  const { least, most, leastOfInput, mostOfInput } = bounds[part];
  const said = `is ${listed} USD per million tokens`;
  if (listed > most) return `${said}: more than any model costs (${most})`;
  if (listed < least) {
    const scale = [1_000, 1_000_000].find((times) => listed * times >= least * 10) ?? 1_000_000;
    const unit = scale === 1_000 ? 'thousand' : 'token';
    return `${said}: less than any model costs (${least}). Is it per ${unit}?`;
  }
  if (typeof input !== 'number' || input === 0) return undefined;
  const share = listed / input;
  if (share < leastOfInput * 0.999 || share > mostOfInput * 1.001) {
    return `${said}, and input is ${input}: one of them seems to be in another unit`;
  }
  return undefined;
}

/** Lists are made by programs that reckon in floats: 0.049999999999999996 was 0.05. */
function usdOf(listed: number): Usd {
  const text = String(Number(listed.toPrecision(12)));
  const read = readDecimal(text, usdDecimals);
  if (read.status !== 'ok') throw new Error(`${text} is within bounds and is no decimal`);
  return read.value as Usd;
}

const told = new Set<string>([...partNames, 'cached_input', 'tiers']);

function othersOf(cost: Fields): string[] {
  return Object.entries(cost)
    .filter(([name, value]) => !told.has(name) && !(name === 'reasoning' && value === cost['output']))
    .map(([name, value]) => `${name} ${JSON.stringify(value)}`);
}

type Fields = { readonly [name: string]: unknown };

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
