// The legs of a hold, from the columns that `holds` and `entries` keep them in.
import type { HoldLeg, HoldLegs, SourcedLeg } from '../records.ts';
import { zeroAtoms, type Atoms } from '../units.ts';

/** One element for each leg; of the rates, one for each leg after the first. */
export type LegColumns = {
  assets: number[];
  amounts: Atoms[];
  held: Atoms[];
  settled: Atoms[];
  released: Atoms[];
  rateNums: Atoms[];
  rateDens: Atoms[];
};
/** Of all legs, one after the other. */
export type SourceColumns = { sourceGrants: number[]; sourceAtoms: Atoms[] };

const one = 1n as Atoms;

export function legsOf(row: LegColumns): HoldLegs {
  const [first, ...others] = row.assets.map((asset, i): HoldLeg => ({
    asset,
    amount: row.amounts[i] ?? zeroAtoms,
    held: row.held[i] ?? zeroAtoms,
    settled: row.settled[i] ?? zeroAtoms,
    released: row.released[i] ?? zeroAtoms,
    num: i === 0 ? one : (row.rateNums[i - 1] ?? zeroAtoms),
    den: i === 0 ? one : (row.rateDens[i - 1] ?? zeroAtoms),
  }));
  if (!first) throw new Error('a hold without legs: a CHECK of the table');
  return [first, ...others];
}

/** With its sources: each is of the leg in the asset of its grant. */
export function sourcedLegsOf(
  row: LegColumns & SourceColumns,
  grants: readonly { no: number; asset: number }[],
): HoldLegs<SourcedLeg> {
  const [first, ...others] = legsOf(row);
  // All are of the one leg that there is.
  const assets = others.length === 0 ? undefined : new Map(grants.map(({ no, asset }) => [no, asset]));
  const sources = row.sourceGrants.map((grantNo, i) => ({ grantNo, atoms: row.sourceAtoms[i] ?? zeroAtoms }));
  const sourced = (leg: HoldLeg): SourcedLeg => ({
    ...leg,
    sources: sources.filter(({ grantNo }) => (assets ? assets.get(grantNo) : leg.asset) === leg.asset),
  });
  return [sourced(first), ...others.map(sourced)];
}
