// Dimensions: which fields of an event a price looks at, and what it wants to find there.
import type { PriceTerms } from '../contract.ts';
import type { Dimension } from './price.ts';

/** As a price writes them, by name. */
export function readDimensions(written: PriceTerms['dimensions'] = {}): Dimension[] {
  return Object.entries(written)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([field, value]) => ({ field, value: value === '*' ? undefined : String(value) }));
}

/** The same for prices that look at the same fields in the same way: exactly, or for any value. Fields have no spaces. */
export function shapeOf(dimensions: readonly Dimension[]): string {
  return dimensions.map(({ field, value }) => (value === undefined ? `${field} *` : field)).join(' ');
}

/** What a field of an event says, to be compared as text; undefined where it says nothing that can be compared. */
export function fieldText(data: Readonly<Record<string, unknown>>, field: string): string | undefined {
  const value = data[field];
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

/** One text for several, another one for any others. */
export function valuesKey(values: readonly string[]): string {
  return values.length === 1 ? values[0]! : values.map((value) => `${value.length}:${value}`).join('');
}
