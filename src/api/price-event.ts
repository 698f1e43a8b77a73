// What an event costs a customer: a line for each price that matched, and what is due of each asset.
import { codes } from '../codes.gen.ts';
import type { PricedLine, UsageEvent } from '../contract.ts';
import type { Catalog as PricedCatalog } from '../pricing/catalog.ts';
import { costOf, mostOf } from '../pricing/cost.ts';
import { writeDecimal } from '../pricing/decimal.ts';
import { matchPrices, type MatchedLine } from '../pricing/match.ts';
import { fineDecimals, type PricedAsset } from '../pricing/price.ts';
import type { WalletConfig } from '../records.ts';
import { formatAmount, toAtoms, type Atoms } from '../units.ts';
import { scopesOf, type ScopedPart } from '../wallet/scopes.ts';
import { refuse, type Refused } from './answer.ts';

const amountMax = BigInt(codes.limit.amount_atoms);
/** They are kept with the answer, whose length has sixteen bits in an entry. */
const linesMax = 100;

/** What is due in one asset, over all lines in it. */
export type Due = { asset: PricedAsset; atoms: Atoms };

export type PricedEvent = {
  status: 'priced';
  lines: PricedLine[];
  dues: [Due, ...Due[]];
  /** The same by what scopes of grants cover it, in the order of lines. */
  parts: ScopedPart[];
};

/**
 * `most`: what any usage up to the event's can cost, which a hold sets aside; `exact`: what it costs. They differ for volume
 * prices alone. `behind`: this catalog is older than a subscription of the customer.
 */
export function priceEvent(
  catalog: PricedCatalog,
  { subscriptions, scopes }: WalletConfig,
  { event_type: eventType, data }: UsageEvent,
  how: 'exact' | 'most',
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
  how: 'exact' | 'most',
  scopesOfProduct: (productId: string) => number[],
): PricedEvent | Refused {
  const lines: PricedLine[] = [];
  const parts: ScopedPart[] = [];
  const dues: Due[] = [];
  for (const { productId, price, version, quantity } of matched) {
    const { asset, cost, id } = price;
    const line = how === 'most' ? mostOf(cost, quantity) : costOf(cost, quantity);
    const due = dues.find((known) => known.asset.number === asset.number);
    const atoms = line.status === 'ok' ? line.atoms + (due?.atoms ?? 0n) : undefined;
    if (line.status !== 'ok' || atoms === undefined || atoms > amountMax) {
      return refuse('amount_too_large', `price ${id}: this usage costs more than one amount may be`);
    }
    if (due) due.atoms = toAtoms(atoms);
    else dues.push({ asset, atoms: toAtoms(atoms) });
    addPart(parts, { asset: asset.number, atoms: line.atoms, scopes: scopesOfProduct(productId) });
    lines.push({
      price_id: id,
      price_version: version,
      quantity: writeDecimal(quantity, fineDecimals),
      amount: formatAmount(line.atoms, asset.scale),
      asset: asset.code,
    });
  }
  if (dues.length > codes.limit.hold_legs || lines.length > linesMax) {
    const most = `${codes.limit.hold_legs} assets and ${linesMax} lines`;
    return refuse(
      'amount_too_large',
      `this event costs in ${dues.length} assets, in ${lines.length} lines: ${most} at most`,
    );
  }
  return { status: 'priced', lines, dues: dues as [Due, ...Due[]], parts };
}

function addPart(parts: ScopedPart[], { asset, atoms, scopes }: ScopedPart): void {
  const known = parts.find((part) => part.asset === asset && part.scopes.join() === scopes.join());
  if (known) known.atoms = toAtoms(known.atoms + atoms);
  else parts.push({ asset, atoms, scopes });
}
