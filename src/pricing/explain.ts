// Why an event has the prices that it has: every price of its type, and what became of it. For people, so it may look at all.
import type { Candidate, Catalog } from './catalog.ts';
import { fieldText } from './dimensions.ts';
import { findWinners, type PricedEvent, type Subscription } from './match.ts';
import type { Price } from './price.ts';

export type Reason =
  | { status: 'won' }
  /** It fits, and another one is closer or comes before it. */
  | { status: 'lost'; to: { productId: string; version: number; priceId: string } }
  /** Of a default product that the customer has a subscription to. */
  | { status: 'replaced' }
  /** The first field that differs; `found` is undefined where the event does not have it. */
  | { status: 'no_match'; field: string; wanted: string; found: string | undefined };

export type Explained = {
  productId: string;
  version: number;
  priceId: string;
  price: Price;
  /** By a subscription of the customer, not because its product prices everybody. */
  isSubscribed: boolean;
  reason: Reason;
};

export type Explanation =
  | { status: 'explained'; prices: Explained[] }
  | { status: 'unknown_version'; productId: string; version: number };

/** Nobody reads more. */
const explainedMax = 100;
const order = { won: 0, lost: 1, replaced: 2, no_match: 3 } as const;

/** Those that won first, then those that came closest. */
export function explainMatch(catalog: Catalog, event: PricedEvent): Explanation {
  const found = findWinners(catalog, event);
  if (found.status === 'unknown_version') return found;
  const prices = [
    ...event.subscriptions.flatMap(({ productId, version }) => catalog.candidatesOf(productId, version) ?? []),
    ...catalog.defaultCandidates,
  ]
    .filter(({ price }) => price.eventType === event.eventType)
    .map((candidate) => ({
      ...named(candidate),
      price: candidate.price,
      isSubscribed: event.subscriptions.some((own) => isOf(own, candidate)),
      reason: reasonOf(candidate, found.winners, event),
    }))
    .sort((a, b) => order[a.reason.status] - order[b.reason.status]);
  return { status: 'explained', prices: prices.slice(0, explainedMax) };
}

function reasonOf(candidate: Candidate, winners: readonly Candidate[], event: PricedEvent): Reason {
  const { price, productId, version } = candidate;
  const own = event.subscriptions.filter((subscription) => subscription.productId === productId);
  if (own.length > 0 && !own.some((subscription) => subscription.version === version)) return { status: 'replaced' };
  for (const { field, value } of price.dimensions) {
    const found = fieldText(event.data, field);
    if (found === undefined || (value !== undefined && value !== found)) {
      return { status: 'no_match', field, wanted: value ?? '*', found };
    }
  }
  const winner = winners.find((won) => won.price.quantity === price.quantity)!;
  return winner.price === price ? { status: 'won' } : { status: 'lost', to: named(winner) };
}

const isOf = (subscription: Subscription, { productId, version }: Candidate): boolean =>
  subscription.productId === productId && subscription.version === version;

const named = ({ productId, version, price }: Candidate) => ({ productId, version, priceId: price.id });
