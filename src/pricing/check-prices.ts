// The prices of one version against each other: each can be named, each can win, and matching an event stays cheap.
import type { Price as WrittenPrice } from '../contract.ts';
import { dimensionsMax, quantitiesMax, shapesMax } from '../limits.ts';
import { readDimensions, shapeOf } from './dimensions.ts';
import type { Flaw } from './read-amounts.ts';

export function checkAgainstEachOther(written: readonly WrittenPrice[], flaw: Flaw): void {
  const ids = new Map<string, number>();
  const matches = new Map<string, number>();
  /** Shapes by event type and by quantity. */
  const shapes = new Map<string, Map<string, Set<string>>>();
  for (const [no, price] of written.entries()) {
    const { event_type: eventType, quantity = '' } = price;
    const dimensions = readDimensions(price.dimensions);
    const sameId = firstWith(ids, price.id, no);
    if (sameId !== undefined) flaw(`prices.${no}.id`, `is that of prices.${sameId} too`);

    const match = JSON.stringify([eventType, quantity, dimensions.map(({ field, value }) => [field, value ?? null])]);
    const same = firstWith(matches, match, no);
    if (same !== undefined) flaw(`prices.${no}`, `matches what prices.${same} matches: only one could ever win`);

    if (dimensions.length > dimensionsMax) flaw(`prices.${no}.dimensions`, `has more than ${dimensionsMax} fields`);
    const byQuantity = getOr(shapes, eventType, () => new Map<string, Set<string>>());
    if (!byQuantity.has(quantity) && byQuantity.size === quantitiesMax) {
      flaw(`prices.${no}.quantity`, `is one more than the ${quantitiesMax} fields that may price one event_type`);
    }
    const known = getOr(byQuantity, quantity, () => new Set<string>());
    if (!known.has(shapeOf(dimensions)) && known.size === shapesMax) {
      flaw(`prices.${no}.dimensions`, `is one more than the ${shapesMax} sets of fields that may price one quantity`);
    }
    known.add(shapeOf(dimensions));
  }
}

/** The number of an earlier price with this key, if there is one. */
function firstWith(seen: Map<string, number>, key: string, no: number): number | undefined {
  const first = seen.get(key);
  if (first === undefined) seen.set(key, no);
  return first;
}

function getOr<T>(map: Map<string, T>, key: string, make: () => T): T {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = make();
  map.set(key, made);
  return made;
}
