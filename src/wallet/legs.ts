// Several assets in one hold or charge: what a request asks for beside its first asset, and what a reply says of each.
import { codes } from '../codes.gen.ts';
import type { HoldLeg } from '../records.ts';
import { atomsFromRedis, type Atoms } from '../units.ts';
import { packAskedLegs } from './packed.ts';

/**
 * `num` atoms of it stand in for `den` of the first asset's, when the hold is settled; both 0: its amount is due in its own
 * asset. Whole numbers up to 2^52.
 */
export type AskedLeg = Pick<HoldLeg, 'asset' | 'amount' | 'num' | 'den'>;

/** One asset of a hold or charge after a call, and the account in that asset. */
export type ToldLeg = Pick<HoldLeg, 'asset' | 'amount' | 'held' | 'settled' | 'released'> & {
  account: { available: Atoms; held: Atoms; overage: Atoms };
};

/** What goes with the first asset, as the scripts take it: other assets, each once. */
export function packLegs(first: { asset: number }, others: readonly AskedLeg[] | undefined): Buffer | string {
  if (others === undefined || others.length === 0) return '';
  if (others.length >= codes.limit.hold_legs) throw new Error(`a request in ${others.length + 1} assets`);
  if (new Set([first, ...others].map(({ asset }) => asset)).size <= others.length)
    throw new Error('a request with two legs in one asset');
  return packAskedLegs(others);
}

const numbersOfLeg = 8;

/** Each asset's part, the first one's too; undefined where there is only one. */
export function readLegsText(text: string): ToldLeg[] | undefined {
  if (text === '') return undefined;
  const numbers = text.split(' ').map((number) => atomsFromRedis(Number(number)));
  return Array.from({ length: numbers.length / numbersOfLeg }, (_, i) => {
    const number = (no: number) => numbers[i * numbersOfLeg + no]!;
    return {
      asset: Number(number(0)),
      amount: number(1),
      held: number(2),
      settled: number(3),
      released: number(4),
      account: { available: number(5), held: number(6), overage: number(7) },
    };
  });
}
