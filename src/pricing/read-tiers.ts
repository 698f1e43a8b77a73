// The tiers of a price: ascending, without gaps, the last one open.
import type { PriceTier } from '../contract.ts';
import { divisorMax, tiersMax } from '../limits.ts';
import { zeroAtoms } from '../units.ts';
import type { PricedAsset, Quantity, Rate, Tier } from './price.ts';
import { readQuantity } from './quantity.ts';
import { readMoney, readRate, type Flaw } from './read-amounts.ts';

export function readTiers(
  written: readonly PriceTier[],
  asset: PricedAsset,
  flaw: Flaw,
): { per: bigint; tiers: Tier[] } {
  if (written.length === 0) flaw('tiers', 'must have at least one tier');
  if (written.length > tiersMax) {
    flaw('tiers', `has more than ${tiersMax} tiers`);
    return { per: 1n, tiers: [] };
  }
  const per = commonPer(written);
  if (per > BigInt(divisorMax)) flaw('tiers', `the \`per\` of its tiers have no common multiple up to ${divisorMax}`);
  let end = -1n;
  const tiers = written.map((tier, no): Tier => {
    const here: Flaw = (path, message) => flaw(`tiers.${no}.${path}`, message);
    const upTo = readUpTo(tier, { isLast: no === written.length - 1, end }, here);
    end = upTo ?? end;
    if (tier.unit_amount === undefined && tier.per !== undefined) here('per', 'says nothing without a unit_amount');
    const rate = readRate(tier.unit_amount ?? '0', asset, 'unit_amount', here);
    const flat = readMoney(tier.flat_amount, asset, 'flat_amount', here) ?? zeroAtoms;
    return { upTo, rate: (rate * (per / perOf(tier))) as Rate, flat };
  });
  return { per, tiers };
}

/** `end`: where the tier before it ends, −1 before the first. */
function readUpTo(
  tier: PriceTier,
  { isLast, end }: { isLast: boolean; end: bigint },
  flaw: Flaw,
): Quantity | undefined {
  if (tier.up_to === null) {
    if (!isLast) flaw('up_to', 'is null, which only the last tier is');
    return undefined;
  }
  const read = readQuantity(tier.up_to);
  if (isLast) flaw('up_to', 'must be null: the last tier has no end, or usage past it would have no price');
  else if (read.status === 'unusable') flaw('up_to', read.message);
  else if (read.quantity <= end) flaw('up_to', 'must be more than where the tier before it ends');
  return read.status === 'ok' ? read.quantity : undefined;
}

const perOf = ({ unit_amount: rate, per = 1 }: PriceTier): bigint => (rate === undefined ? 1n : BigInt(per));

/** What all tiers are brought to, so that a script divides once. */
function commonPer(tiers: readonly PriceTier[]): bigint {
  return tiers.map(perOf).reduce((common, per) => (common / commonDivisor(common, per)) * per, 1n);
}

function commonDivisor(a: bigint, b: bigint): bigint {
  return b === 0n ? a : commonDivisor(b, a % b);
}
