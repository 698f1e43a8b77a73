// From one asset into another, at so many units of the other for one.
//
// atoms × rate ÷ 10^(6 + scale of the first): exact until the one rounding. `lua/lib/convert.lua` is the same for legs that a script
// takes: there the rate is limbs, of the divisor six digits are a limb that is dropped, and the rest is at most 10^9.
import { codes } from '../codes.gen.ts';
import { toAtoms, type Atoms } from '../units.ts';
import { roundUp } from './cost.ts';
import { fine, type Rate } from './price.ts';

const atomsMax = BigInt(codes.limit.balance_atoms);

/** What is due in the other asset for `atoms` of the first. `too_large`: more than any balance. */
export function convertUp(atoms: Atoms, rate: Rate, scale: number): Atoms | 'too_large' {
  const due = roundUp(atoms * rate, fine * 10n ** BigInt(scale));
  return due > atomsMax ? 'too_large' : toAtoms(due);
}

/** The most of the first asset that `atoms` of the other pay for: the largest whose `convertUp` is no more than that. */
export function convertDown(atoms: Atoms, rate: Rate, scale: number): Atoms {
  const paid = (atoms * fine * 10n ** BigInt(scale)) / rate;
  return toAtoms(paid > atomsMax ? atomsMax : paid);
}
