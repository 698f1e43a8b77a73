// A list of what models cost → the prices of a product, for events in the shape of docs/token-usage.md.
//
// Each model gets a price for each count of the shape: what it reads (plainly, from a cache, into one) and what it generates. What
// the list leaves out costs as input does, never nothing; Anthropic's writes for an hour, which it never names, cost twice the
// input, as Anthropic says.
//
// Where a call's context decides what all of its tokens cost, output among them, volume tiers would not do: they look at one
// count, and the output's price hangs on the input. So the event says how large its context is, `context`, and is a
// dimension of the prices of smaller ones. Those of the largest have none: an event that doesn't say it costs as the largest,
// for to match nothing beside a fee per call would make its tokens free.
//
// Prices look at the model alone, as API.md's do: one that two providers sell has to be chosen, or they look at `provider` too.
import type { UnitPrice } from '../contract.ts';
import { readDecimal } from './decimal.ts';
import {
  type ListedModel,
  type ListedParts,
  type ListFlaw,
  type PartName,
  partNames,
  usdDecimals,
} from './model-list.ts';

export type ModelPricesOptions = {
  /** Names; none: all. */
  readonly providers: readonly string[];
  /** Names, in which `*` stands for anything; none: all. */
  readonly models: readonly string[];
  /** A factor as a decimal string, `'1.2'` for a fifth more. */
  readonly markup: string;
  readonly eventType: string;
  /** Prices look at the fields `provider` and `model`. */
  readonly isByProvider: boolean;
  /** Take models of which a part is free. */
  readonly isFreeAllowed: boolean;
};

export type ModelPrices =
  | {
      status: 'ok';
      prices: UnitPrice[];
      /** Models of which a part costs nothing: taken only where that is allowed. */
      free: { provider: string; model: string; parts: PartName[] }[];
      /** What was filled in, or left out. */
      notes: ListFlaw[];
    }
  | { status: 'refused'; flaws: ListFlaw[] };

export function modelPrices(
  list: { readonly models: readonly ListedModel[]; readonly flaws: readonly ListFlaw[] },
  options: ModelPricesOptions,
): ModelPrices {
  const markup = readMarkup(options.markup);
  if (markup === undefined) return refused([general(`a markup is a factor from 0.1 to 10, not ${options.markup}`)]);
  const isChosen = chooser(options);
  const chosen = list.models.filter(isChosen).toSorted(byName);
  const flaws = [...list.flaws.filter(isChosen), ...unknownNames([...list.models, ...list.flaws], options)];
  if (chosen.length === 0 && flaws.length === 0) flaws.push(general('no model matches'));
  if (!options.isByProvider) flaws.push(...soldTwice(chosen));
  flaws.push(...chosen.flatMap(unknownTiers));
  if (flaws.length > 0) return refused(flaws);

  const free = chosen.flatMap(freeParts);
  const freeModels = new Set(free.map(({ provider, model }) => `${provider}/${model}`));
  const taken = chosen.filter(
    ({ provider, model }) => options.isFreeAllowed || !freeModels.has(`${provider}/${model}`),
  );
  const prices = taken.flatMap((listed) => pricesOf(listed, { ...options, markup }));
  const ids = new Set<string>();
  for (const { id } of prices) {
    if (ids.has(id) || id.length > priceIdMax)
      return refused([general(`two prices, or too long a one, would be ${id}`)]);
    ids.add(id);
  }
  return { status: 'ok', prices, free, notes: taken.flatMap(notesOf) };
}

const priceIdMax = 128;

function refused(flaws: ListFlaw[]): ModelPrices {
  return { status: 'refused', flaws };
}

function general(message: string): ListFlaw {
  return { provider: '', model: '', message };
}

const markupDecimals = 6;

function readMarkup(text: string): bigint | undefined {
  const read = readDecimal(text, markupDecimals);
  if (read.status !== 'ok') return undefined;
  const one = 10n ** BigInt(markupDecimals);
  return read.value * 10n >= one && read.value <= 10n * one ? read.value : undefined;
}

type Named = { readonly provider: string; readonly model: string };

function chooser({ providers, models }: ModelPricesOptions): (named: Named) => boolean {
  const patterns = models.map(toPattern);
  return ({ provider, model }) =>
    (providers.length === 0 || providers.includes(provider)) &&
    (patterns.length === 0 || patterns.some((pattern) => pattern.test(model)));
}

function toPattern(name: string): RegExp {
  return new RegExp(`^${name.split('*').map(escaped).join('.*')}$`);
}

function escaped(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

function unknownNames(models: readonly Named[], { providers, models: names }: ModelPricesOptions): ListFlaw[] {
  const known = new Set(models.map(({ provider }) => provider));
  const unknown = providers.filter((provider) => !known.has(provider));
  return [
    ...unknown.map((provider) => general(`there is no provider ${provider}: ${[...known].toSorted().join(', ')}`)),
    ...names
      .filter((name) => !models.some(({ model }) => toPattern(name).test(model)))
      .map((name) => general(`there is no model ${name}`)),
  ];
}

function byName(a: Named, b: Named): number {
  const [nameA, nameB] = [`${a.provider}/${a.model}`, `${b.provider}/${b.model}`];
  return nameA < nameB ? -1 : nameA > nameB ? 1 : 0;
}

function soldTwice(models: readonly ListedModel[]): ListFlaw[] {
  const first = new Map<string, string>();
  return models.flatMap(({ provider, model }) => {
    const other = first.get(model);
    if (other === undefined) first.set(model, provider);
    return other === undefined
      ? []
      : [{ provider, model, message: `is sold by ${other} too: choose one, or tell them apart` }];
  });
}

/** The contexts that events tell apart (sdk/token-usage.ts), with the size that each is larger than. */
const contexts = [
  { context: 'up_to_200k', above: 0 },
  { context: 'up_to_272k', above: 200_000 },
  { context: 'over_272k', above: 272_000 },
] as const;

function unknownTiers({ provider, model, tiers }: ListedModel): ListFlaw[] {
  return tiers
    .filter(({ size }) => !contexts.some(({ above }) => above === size))
    .map(({ size }) => ({
      provider,
      model,
      message: `changes its price at a context of ${size}, which events don't tell`,
    }));
}

function freeParts({
  provider,
  model,
  parts,
  tiers,
}: ListedModel): { provider: string; model: string; parts: PartName[] }[] {
  const free = partNames.filter((part) =>
    [parts, ...tiers.map((tier) => tier.parts)].some((each) => each[part] === 0n),
  );
  return free.length === 0 ? [] : [{ provider, model, parts: free }];
}

type Making = Pick<ModelPricesOptions, 'eventType' | 'isByProvider'> & { readonly markup: bigint };

function pricesOf(listed: ListedModel, making: Making): UnitPrice[] {
  const partsAbove = (size: number): ListedParts =>
    listed.tiers.findLast((tier) => tier.size <= size)?.parts ?? listed.parts;
  const largest = partsAbove(Number.POSITIVE_INFINITY);
  return [
    ...contexts
      .filter(({ above }) => partsAbove(above) !== largest)
      .flatMap(({ context, above }) => partPrices(listed, partsAbove(above), making, context)),
    ...partPrices(listed, largest, making, undefined),
  ];
}

function partPrices(
  { provider, model }: ListedModel,
  parts: ListedParts,
  { markup, eventType, isByProvider }: Making,
  context: string | undefined,
): UnitPrice[] {
  const cacheWrite = parts.cache_write ?? parts.input;
  const hour = 2n * parts.input > cacheWrite ? 2n * parts.input : cacheWrite;
  const costs = [
    ['input', parts.input],
    ['cache_read', parts.cache_read ?? parts.input],
    ['cache_write', cacheWrite],
    ['cache_write_1h', hour],
    ['output', parts.output],
  ] as const;
  const name = `${provider}/${model}`.replaceAll(/[^A-Za-z0-9_.:/-]/g, '_');
  const known = costs.filter(([part]) => part !== 'cache_write_1h' || isAnthropic(model));
  return known.map(([part, cost]) => ({
    id: [name, part, ...(context === undefined ? [] : [context])].join(':'),
    event_type: eventType,
    asset: 'USD',
    dimensions: { ...(isByProvider ? { provider } : {}), model, ...(context === undefined ? {} : { context }) },
    model: 'unit',
    quantity: `${part}_tokens`,
    unit_amount: decimalText(roundUp(cost * markup)),
    per: 1_000_000,
  }));
}

/** Only its caches keep for an hour. Bedrock and others write its name before the model's. */
function isAnthropic(model: string): boolean {
  return /claude/.test(model);
}

/** To the last digit that a rate may have. */
function roundUp(marked: bigint): bigint {
  const one = 10n ** BigInt(markupDecimals);
  return (marked + one - 1n) / one;
}

function decimalText(usd: bigint): string {
  const text = usd.toString().padStart(usdDecimals + 1, '0');
  const fraction = text.slice(-usdDecimals).replace(/0+$/, '');
  return fraction === '' ? text.slice(0, -usdDecimals) : `${text.slice(0, -usdDecimals)}.${fraction}`;
}

function notesOf({ provider, model, parts, tiers, others }: ListedModel): ListFlaw[] {
  const everyParts = [parts, ...tiers.map((tier) => tier.parts)];
  const unlisted = (['cache_read', 'cache_write'] as const).filter((part) =>
    everyParts.some((each) => each[part] === undefined),
  );
  return [
    ...unlisted.map((part) => ({ provider, model, message: `${part} is not listed: as input` })),
    ...others.map((other) => ({ provider, model, message: `${other} is left out: events don't tell it apart` })),
  ];
}
