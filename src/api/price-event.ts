// What an event costs a customer: a line for each price that matched, and what is due of each asset.
import { codes } from '../codes.gen.ts';
import type { PricedLine, UsageEvent } from '../contract.ts';
import type { Catalog as PricedCatalog } from '../pricing/catalog.ts';
import { costOf, mostOf } from '../pricing/cost.ts';
import { writeDecimal } from '../pricing/decimal.ts';
import { matchPrices, type MatchedLine } from '../pricing/match.ts';
import { fineDecimals, type PricedAsset } from '../pricing/price.ts';
import type { WalletConfig } from '../records.ts';
import { formatAmount, toAtoms, zeroAtoms, type Atoms } from '../units.ts';
import type { FallbackLine } from '../wallet/fallbacks.ts';
import type { SentLine } from '../wallet/lines.ts';
import { scopesOf, type ScopedPart } from '../wallet/scopes.ts';
import { refuse, type Refused } from './answer.ts';

const amountMax = BigInt(codes.limit.amount_atoms);
/** They are kept with the answer, whose length has sixteen bits in an entry. */
const linesMax = 100;

/** What is due in one asset, over all lines in it. */
export type Due = { asset: PricedAsset; atoms: Atoms };

/** `sentLines` have no amount yet: what it costs depends on what was used before, which the script knows. */
export type PricedEvent = {
  status: 'priced';
  lines: ToldLine[];
  dues: [Due, ...Due[]];
  sentLines: SentLine[];
  /** What is due, by what scopes of grants cover it, in the order of lines; but for `fallbacks`. */
  parts: ScopedPart[];
  /** The lines that fall back on other assets. */
  fallbacks: FallbackLine[];
};
/** Where a line's amount is yet to be reckoned, its asset's scale stands in its place. */
export type ToldLine = PricedLine | (Omit<PricedLine, 'amount'> & { scale: number });

export const isPriced = (line: ToldLine): line is PricedLine => 'amount' in line;

/** See priceEvent. */
type How = 'exact' | 'most';

/**
 * `most`: what any usage up to the event's can cost, which a hold sets aside; `exact`: what it costs. They differ for volume
 * prices alone. `behind`: this catalog is older than a subscription of the customer.
 */
export function priceEvent(
  catalog: PricedCatalog,
  { subscriptions, scopes }: WalletConfig,
  { event_type: eventType, data }: UsageEvent,
  how: How,
): PricedEvent | { status: 'behind' } | Refused {
  const match = matchPrices(catalog, { eventType, data, subscriptions });
  switch (match.status) {
    case 'unknown_version':
      return { status: 'behind' };
    case 'no_price':
      return refuse('no_price', `no price of this customer's products is for ${eventType} with these fields`);
    case 'missing_quantity':
      return refuse('missing_quantity', match.message);
    case 'matched':
      return sumUp(match.lines, how, (productId) => scopesOf(scopes, { eventType, data, productId }));
  }
}

function sumUp(
  matched: readonly MatchedLine[],
  how: How,
  scopesOfProduct: (productId: string) => number[],
): PricedEvent | Refused {
  const lines: ToldLine[] = [];
  const dues: Due[] = [];
  const sentLines: SentLine[] = [];
  const parts: ScopedPart[] = [];
  const fallbacks: FallbackLine[] = [];
  const assetNumbers = new Set<number>();
  for (const { productId, price, version, quantity } of matched) {
    const { asset, id } = price;
    const told = writeDecimal(quantity, fineDecimals);
    let due = dues.find((known) => known.asset.number === asset.number);
    if (!due) dues.push((due = { asset, atoms: zeroAtoms }));
    const scopes = scopesOfProduct(productId);
    const rates = ratesOf(price);
    assetNumbers.add(asset.number);
    for (const next of rates) assetNumbers.add(next.asset);
    if (price.over !== 'event') {
      const part = rates.length > 0 ? 0 : addPart(parts, asset.number, zeroAtoms, scopes);
      sentLines.push({ productId, price, quantity, part });
      if (rates.length > 0) {
        fallbacks.push({ asset: asset.number, atoms: zeroAtoms, scopes, rates, sentNo: sentLines.length });
      }
      lines.push({ price_id: id, price_version: version, quantity: told, asset: asset.code, scale: asset.scale });
      continue;
    }
    const line = how === 'most' ? mostOf(price.cost, quantity) : costOf(price.cost, quantity);
    if (line.status !== 'ok' || line.atoms + due.atoms > amountMax) return refuseTooLarge(id);
    const { atoms } = line;
    if (rates.length > 0) fallbacks.push({ asset: asset.number, atoms, scopes, rates, sentNo: 0 });
    else addPart(parts, asset.number, atoms, scopes);
    due.atoms = toAtoms(atoms + due.atoms);
    const amount = formatAmount(atoms, asset.scale);
    lines.push({ price_id: id, price_version: version, quantity: told, amount, asset: asset.code });
  }
  const assetsCount = assetNumbers.size;
  if (assetsCount > codes.limit.hold_legs || lines.length > linesMax) {
    const most = `${codes.limit.hold_legs} assets and ${linesMax} lines`;
    return refuse(
      'amount_too_large',
      `this event costs in ${assetsCount} assets, in ${lines.length} lines: ${most} at most`,
    );
  }
  return { status: 'priced', lines, dues: dues as [Due, ...Due[]], sentLines, parts, fallbacks };
}

const noRates: FallbackLine['rates'] = [];

function ratesOf({ fallback }: MatchedLine['price']): FallbackLine['rates'] {
  return fallback.length === 0 ? noRates : fallback.map(({ asset, num, den }) => ({ asset: asset.number, num, den }));
}

/** Returns which part of its asset it is, from 1. */
function addPart(parts: ScopedPart[], asset: number, atoms: Atoms, scopes: readonly number[]): number {
  const common = scopes.join();
  let no = 1;
  for (const part of parts) {
    if (part.asset !== asset) continue;
    if (part.scopes.join() === common) {
      part.atoms = toAtoms(part.atoms + atoms);
      return no;
    }
    no += 1;
  }
  parts.push({ asset, atoms, scopes });
  return no;
}

export function refuseTooLarge(priceId: string): Refused {
  return refuse('amount_too_large', `price ${priceId}: this usage costs more than one amount may be`);
}
