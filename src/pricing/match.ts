// Which prices an event has for one customer: a line for each field that counts, by the price that fits it most closely.
//
// Pooled are the default products and the versions that the customer subscribed to; a subscription to a default product takes its
// place. Of the prices that count the same field of the same event type, one wins: with more dimensions matched exactly, then with
// more matched by "*", then of a subscribed product rather than a default one, then the one listed first.
import type { Candidate, Catalog, Group, Index, Shape } from './catalog.ts';
import { fieldText, valuesKey } from './dimensions.ts';
import { oneUnit, type Price, type Quantity } from './price.ts';
import { readQuantity } from './quantity.ts';

export type Subscription = { productId: string; version: number };

/** What happened, and to whose customer. `data` is the event's, as it came. */
export type PricedEvent = {
  eventType: string;
  data: Readonly<Record<string, unknown>>;
  subscriptions: readonly Subscription[];
};

export type MatchedLine = { productId: string; version: number; price: Price; quantity: Quantity };

export type Match =
  /** In the order of listing. */
  | { status: 'matched'; lines: MatchedLine[] }
  | { status: 'no_price' }
  /** `message` is a sentence. */
  | { status: 'missing_quantity'; field: string; priceId: string; message: string }
  /** The catalog is older than the subscription: it has to be loaded again. */
  | { status: 'unknown_version'; productId: string; version: number };

/** How closely a price fits: compared from left to right, more is closer. */
type Won = { candidate: Candidate; exact: number; any: number; isSubscribed: boolean };

export function matchPrices(catalog: Catalog, event: PricedEvent): Match {
  const found = findWinners(catalog, event);
  if (found.status === 'unknown_version') return found;
  if (found.winners.length === 0) return { status: 'no_price' };
  const lines: MatchedLine[] = [];
  for (const { productId, version, price } of found.winners) {
    const counted = countedBy(price, event);
    if (counted.status === 'missing_quantity') return counted;
    lines.push({ productId, version, price, quantity: counted.quantity });
  }
  return { status: 'matched', lines };
}

/** One for each field that counts, in the order of listing; what they count is not looked at yet. */
export function findWinners(
  catalog: Catalog,
  event: PricedEvent,
): { status: 'found'; winners: Candidate[] } | Extract<Match, { status: 'unknown_version' }> {
  const won = new Map<string | undefined, Won>();
  for (const { productId, version } of event.subscriptions) {
    const index = catalog.indexOf(productId, version);
    if (!index) return { status: 'unknown_version', productId, version };
    findIn(index, event, true, won);
  }
  findIn(catalog.defaults, event, false, won);
  const winners = [...won.values()].map(({ candidate }) => candidate).sort((a, b) => a.place - b.place);
  return { status: 'found', winners };
}

function findIn(index: Index, event: PricedEvent, isSubscribed: boolean, won: Map<string | undefined, Won>): void {
  for (const group of index.get(event.eventType) ?? []) {
    const found = closestOf(group, event, isSubscribed);
    const before = won.get(group.quantity);
    if (found && (!before || isCloser(found, before))) won.set(group.quantity, found);
  }
}

function closestOf({ shapes }: Group, event: PricedEvent, isSubscribed: boolean): Won | undefined {
  let closest: Won | undefined;
  for (const shape of shapes) {
    const [exact, any] = [shape.exact.length, shape.any.length];
    // What follows is less specific. Shapes that are equally so are looked at: the one listed first wins.
    if (closest && (exact < closest.exact || any < closest.any)) break;
    const candidate = lookUp(shape, event, isSubscribed);
    if (!candidate) continue;
    const found = { candidate, exact, any, isSubscribed };
    if (!closest || isCloser(found, closest)) closest = found;
  }
  return closest;
}

function lookUp({ exact, any, byValues }: Shape, { data, subscriptions }: PricedEvent, isSubscribed: boolean) {
  const values: string[] = [];
  for (const field of exact) {
    const text = fieldText(data, field);
    if (text === undefined) return undefined;
    values.push(text);
  }
  if (any.some((field) => fieldText(data, field) === undefined)) return undefined;
  const candidates = byValues.get(valuesKey(values));
  if (isSubscribed || subscriptions.length === 0) return candidates?.[0];
  return candidates?.find(({ productId }) => !subscriptions.some((own) => own.productId === productId));
}

function isCloser(a: Won, b: Won): boolean {
  if (a.exact !== b.exact) return a.exact > b.exact;
  if (a.any !== b.any) return a.any > b.any;
  if (a.isSubscribed !== b.isSubscribed) return a.isSubscribed;
  return a.candidate.place < b.candidate.place;
}

function countedBy({ id, quantity: field }: Price, { data }: PricedEvent) {
  if (field === undefined) return { status: 'ok', quantity: oneUnit } as const;
  const read = readQuantity(data[field]);
  if (read.status === 'ok') return read;
  const flaw = data[field] === undefined ? 'is missing' : read.message;
  const message = `data.${field}, which price ${id} counts, ${flaw}`;
  return { status: 'missing_quantity', field, priceId: id, message } as const;
}
