// What changes from one list of prices to another, by the prices' ids, as facts and as a table.
import type { Price } from '../contract.ts';
import { readDecimal } from './decimal.ts';

export type PriceChange = {
  readonly before: Price;
  readonly after: Price;
  /** How much more an amount is, `'+20'` or `'-33.4'`; undefined where more than the amount differs, or it was nothing. */
  readonly percent: string | undefined;
};

export type PriceChanges = {
  readonly added: readonly Price[];
  readonly removed: readonly Price[];
  readonly changed: readonly PriceChange[];
  readonly unchanged: number;
};

export function priceChanges(before: readonly Price[], after: readonly Price[]): PriceChanges {
  const old = new Map(before.map((price) => [price.id, price]));
  const ids = new Set(after.map(({ id }) => id));
  const kept = after.flatMap((price) => {
    const was = old.get(price.id);
    return was ? [{ before: was, after: price }] : [];
  });
  const changed = kept.filter((pair) => differingFields(pair.before, pair.after).length > 0);
  return {
    added: after.filter(({ id }) => !old.has(id)),
    removed: before.filter(({ id }) => !ids.has(id)),
    changed: changed.map((pair) => ({ ...pair, percent: percentOf(pair.before, pair.after) })),
    unchanged: kept.length - changed.length,
  };
}

/** A line for each, `+` added, `-` removed, `~` changed, and one that counts them. */
export function changesText({ added, removed, changed, unchanged }: PriceChanges): string[] {
  const lines = [
    ...added.map((price) => ['+', price.id, termsText(price), '']),
    ...removed.map((price) => ['-', price.id, termsText(price), '']),
    ...changed.map(({ before, after, percent }) => [
      '~',
      after.id,
      changeText(before, after),
      percent && `${percent} %`,
    ]),
  ];
  const width = (column: number): number => Math.max(0, ...lines.map((line) => line[column]?.length ?? 0));
  const [idWidth, termsWidth] = [width(1), width(2)];
  return [
    ...lines.map(([sign = '', id = '', terms = '', percent = '']) =>
      `${sign} ${id.padEnd(idWidth)}  ${terms.padEnd(termsWidth)}  ${percent}`.trimEnd(),
    ),
    `${added.length} added, ${removed.length} removed, ${changed.length} changed, ${unchanged} as before`,
  ];
}

function termsText(price: Price): string {
  if (price.model !== 'unit') return `${price.model}, ${price.asset}`;
  return `${price.unit_amount} ${price.asset} per ${price.per ?? 1}`;
}

function changeText(before: Price, after: Price): string {
  const fields = differingFields(before, after);
  return fields.join() === 'unit_amount'
    ? `${amountOf(before)} → ${termsText(after)}`
    : `differs in ${fields.join(', ')}`;
}

function amountOf(price: Price): string | undefined {
  return price.model === 'unit' ? price.unit_amount : undefined;
}

// More than any price has.
const decimals = 30;

function percentOf(before: Price, after: Price): string | undefined {
  if (differingFields(before, after).join() !== 'unit_amount') return undefined;
  const [from, to] = [amountOf(before), amountOf(after)].map((text) => readDecimal(text ?? '', decimals));
  if (from?.status !== 'ok' || to?.status !== 'ok' || from.value === 0n) return undefined;
  // Tenths, away from zero: a change is never shown as none.
  const difference = to.value - from.value;
  const size = difference < 0n ? -difference : difference;
  const tenths = (size * 1_000n + from.value - 1n) / from.value;
  const fraction = tenths % 10n === 0n ? '' : `.${tenths % 10n}`;
  return `${difference < 0n ? '-' : '+'}${tenths / 10n}${fraction}`;
}

function differingFields(before: Price, after: Price): string[] {
  const [old, young] = [fieldsOf(before), fieldsOf(after)];
  return [...new Set([...old.keys(), ...young.keys()])]
    .filter((field) => old.get(field) !== young.get(field))
    .toSorted();
}

/** Each as text, the same for prices that say the same, however they are written. */
function fieldsOf(price: Price): Map<string, string> {
  const written =
    price.model === 'unit' ? { ...price, unit_amount: plain(price.unit_amount), per: price.per ?? 1 } : price;
  const fields = Object.entries(written).filter(([, value]) => value !== undefined);
  return new Map(fields.map(([field, value]) => [field, JSON.stringify(sorted(value))]));
}

function plain(amount: string): string {
  return amount.includes('.') ? amount.replace(/\.?0+$/, '') : amount;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([key, each]) => [key, sorted(each)]));
}
