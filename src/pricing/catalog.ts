// The catalog that customers are priced by, arranged so that finding an event's prices takes the same few look-ups among ten
// prices as among ten thousand: by event type, by the field that counts, then one look-up for each set of dimension names.
import { pricesMax } from '../limits.ts';
import { shapeOf, valuesKey } from './dimensions.ts';
import type { Price } from './price.ts';

/** A published version; `prices` as `readPrices` gave them. */
export type PricedVersion = {
  productId: string;
  version: number;
  /** Prices every customer, with the highest version that is published. */
  isDefault: boolean;
  prices: readonly Price[];
};

export type Candidate = {
  productId: string;
  version: number;
  price: Price;
  /** Where it is listed: by product, then by price. */
  place: number;
};

/** Prices that look at the same dimensions, by the values that they want. */
export type Shape = { exact: string[]; any: string[]; byValues: Map<string, Candidate[]> };

/** Prices that count the same field, the most specific shapes first. */
export type Group = { quantity: string | undefined; shapes: Shape[] };

export type Index = ReadonlyMap<string, Group[]>;

export type Catalog = {
  /** Of the products that price every customer. */
  defaults: Index;
  /** Undefined: this catalog does not have that version. */
  indexOf: (productId: string, version: number) => Index | undefined;
  candidatesOf: (productId: string, version: number) => readonly Candidate[] | undefined;
  /** In the order of listing. */
  defaultCandidates: readonly Candidate[];
};

/** `published`: all versions, in the order in which products are to be listed. */
export function catalogOf(published: readonly PricedVersion[]): Catalog {
  const productNos = new Map<string, number>();
  const versions = new Map<string, Map<number, PricedVersion>>();
  for (const version of published) {
    if (!productNos.has(version.productId)) productNos.set(version.productId, productNos.size);
    const ofProduct = versions.get(version.productId) ?? new Map<number, PricedVersion>();
    versions.set(version.productId, ofProduct.set(version.version, version));
  }
  const candidatesOf = (productId: string, number: number): Candidate[] | undefined => {
    const from = productNos.get(productId)! * pricesMax;
    const found = versions.get(productId)?.get(number);
    return found?.prices.map((price, no) => ({ productId, version: number, price, place: from + no }));
  };
  // A version is indexed when the first of its customers is priced.
  const indexes = new Map<string, Map<number, Index>>();
  const indexOf = (productId: string, number: number): Index | undefined => {
    const known = indexes.get(productId)?.get(number);
    const candidates = known ? undefined : candidatesOf(productId, number);
    if (!candidates) return known;
    const index = indexCandidates(candidates);
    indexes.set(productId, (indexes.get(productId) ?? new Map<number, Index>()).set(number, index));
    return index;
  };
  const defaultCandidates = [...versions.values()].flatMap((ofProduct) => {
    const latest = [...ofProduct.values()].reduce((a, b) => (a.version > b.version ? a : b));
    return latest.isDefault ? candidatesOf(latest.productId, latest.version)! : [];
  });
  return { defaults: indexCandidates(defaultCandidates), indexOf, candidatesOf, defaultCandidates };
}

function indexCandidates(candidates: readonly Candidate[]): Index {
  const shapes = new Map<string, Map<string | undefined, Map<string, Shape>>>();
  for (const candidate of candidates) {
    const { eventType, quantity, dimensions } = candidate.price;
    const byQuantity = shapes.get(eventType) ?? new Map<string | undefined, Map<string, Shape>>();
    const byShape = byQuantity.get(quantity) ?? new Map<string, Shape>();
    const name = shapeOf(dimensions);
    const shape = byShape.get(name) ?? {
      exact: dimensions.filter(({ value }) => value !== undefined).map(({ field }) => field),
      any: dimensions.filter(({ value }) => value === undefined).map(({ field }) => field),
      byValues: new Map<string, Candidate[]>(),
    };
    const key = valuesKey(dimensions.flatMap(({ value }) => value ?? []));
    shape.byValues.set(key, [...(shape.byValues.get(key) ?? []), candidate]);
    shapes.set(eventType, byQuantity.set(quantity, byShape.set(name, shape)));
  }
  const index = new Map<string, Group[]>();
  for (const [eventType, byQuantity] of shapes) {
    const groups = [...byQuantity].map(([quantity, byShape]) => ({
      quantity,
      shapes: [...byShape.values()].sort((a, b) => b.exact.length - a.exact.length || b.any.length - a.any.length),
    }));
    index.set(eventType, groups);
  }
  return index;
}
