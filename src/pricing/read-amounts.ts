// What a price says in its asset's unit: rates, up to six digits finer than the asset, and amounts that are due as they stand.
import { codes } from '../codes.gen.ts';
import { parseAmount, type Atoms } from '../units.ts';
import { readDecimal } from './decimal.ts';
import { fine, fineDecimals, type PricedAsset, type Rate } from './price.ts';

/** Notes what is wrong, and where. What was read is then of no use. */
export type Flaw = (path: string, message: string) => void;

// A rate past that could not price a single `per`.
const atomsMax = BigInt(codes.limit.amount_atoms);

/** `most`: in the asset's unit. */
export function readRate(text: string, { code, scale }: PricedAsset, path: string, flaw: Flaw, most?: bigint): Rate {
  const decimals = scale + fineDecimals;
  const read = readDecimal(text, decimals);
  switch (read.status) {
    case 'malformed':
      flaw(path, 'must be a decimal string such as "10" or "0.05"');
      break;
    case 'too_fine':
      flaw(path, `has more than ${decimals} decimals: six more than ${code} has`);
      break;
    case 'ok':
      if (read.value > atomsMax * fine) flaw(path, `is more ${code} than one amount may be`);
      else if (most !== undefined && read.value > most * 10n ** BigInt(decimals)) flaw(path, `is more than ${most}`);
      return read.value as Rate;
  }
  return 0n as Rate;
}

/** Amounts that are due as they stand are whole atoms, so that they never need rounding. */
export function readMoney(text: string | undefined, asset: PricedAsset, path: string, flaw: Flaw): Atoms | undefined {
  if (text === undefined) return undefined;
  const parsed = parseAmount(text, asset.scale);
  switch (parsed.status) {
    case 'ok':
      return parsed.atoms;
    case 'malformed':
      flaw(path, parsed.message);
      return undefined;
    case 'too_large':
      flaw(path, `is more ${asset.code} than one amount may be`);
      return undefined;
  }
}
