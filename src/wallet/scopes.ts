// Which scopes of a wallet's grants cover a line of an event, and how that stands in a script's argument (lua/lib/scopes.lua).
import type { DimensionValue, GrantScope } from '../contract.ts';
import { fieldText } from '../pricing/dimensions.ts';
import type { NumberedScope } from '../records.ts';
import type { Atoms } from '../units.ts';
import { doubles, uint16 } from './packed.ts';

/** What is due of one asset for lines that the same scopes cover, in the order of lines. */
export type ScopedPart = { asset: number; atoms: Atoms; scopes: readonly number[] };

type Line = { eventType: string; data: Readonly<Record<string, unknown>>; productId: string };

/** Their numbers, smallest first; most wallets have none. */
export function scopesOf(scopes: readonly NumberedScope[], line: Line): number[] {
  if (scopes.length === 0) return [];
  return scopes.filter((scope) => covers(scope, line)).map(({ no }) => no);
}

function covers({ event_types, products, dimensions = {} }: GrantScope, { eventType, data, productId }: Line): boolean {
  if (event_types && !event_types.includes(eventType)) return false;
  if (products && !products.includes(productId)) return false;
  return Object.entries(dimensions).every(([field, wanted]) => isOneOf(fieldText(data, field), wanted));
}

function isOneOf(text: string | undefined, wanted: DimensionValue | DimensionValue[]): boolean {
  if (text === undefined) return false;
  return [wanted].flat().some((value) => value === '*' || String(value) === text);
}

const isUnscoped = ({ scopes }: Pick<ScopedPart, 'scopes'>): boolean => scopes.length === 0;

/**
 * Empty where no scope covers any of it: then only unscoped grants are asked. `lines` go by their own (fallbacks.ts), and matter
 * for what covers all of it.
 */
export function packScopes(
  parts: readonly ScopedPart[] = [],
  lines: readonly Pick<ScopedPart, 'scopes'>[] = [],
): Buffer | '' {
  if (parts.every(isUnscoped) && lines.every(isUnscoped)) return '';
  const [first, ...others] = [...parts, ...lines];
  const common = first!.scopes.filter((no) => others.every(({ scopes }) => scopes.includes(no)));
  const numbers = (scopes: readonly number[]) => Buffer.from([scopes.length, ...scopes]);
  return Buffer.concat([
    numbers(common),
    ...parts.flatMap(({ asset, atoms, scopes }) => [uint16(asset), doubles(atoms), numbers(scopes)]),
  ]);
}
