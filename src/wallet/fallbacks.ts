// The lines of an event that fall back on other assets, as a script spreads them over accounts (lua/lib/fallback.lua).
import type { Atoms } from '../units.ts';
import { doubles, uint16 } from './packed.ts';

export type FallbackLine = {
  asset: number;
  /** What it costs; of one that the script prices, nothing yet. */
  atoms: Atoms;
  /** Which of the lines that the script prices it is, from 1; 0: none. */
  sentNo: number;
  /** In this order: `num` atoms of it for `den` of the line's. */
  rates: readonly { asset: number; num: Atoms; den: Atoms }[];
  /** Which of the wallet's scopes cover it. */
  scopes: readonly number[];
};

/** `H asset, d atoms, B line, B rates × { H asset, dd rate }, B scopes × B number` each. */
export function packFallbacks(lines: readonly FallbackLine[] = []): Buffer | '' {
  if (lines.length === 0) return '';
  return Buffer.concat(
    lines.flatMap(({ asset, atoms, sentNo, rates, scopes }) => [
      ...[uint16(asset), doubles(atoms), Buffer.from([sentNo, rates.length])],
      ...rates.flatMap((rate) => [uint16(rate.asset), doubles(rate.num, rate.den)]),
      Buffer.from([scopes.length, ...scopes]),
    ]),
  );
}
