// Amounts of a request as atoms, once the asset and with it the number of decimals is known.
import type { Asset } from '../records.ts';
import { formatAmount, parseAmount, type Atoms } from '../units.ts';
import { refuse, refuseFields, type Refused } from './answer.ts';

/** `path` is where the amount stands in the body. */
export function readAmount(text: string, asset: Asset, path: string): Atoms | Refused {
  const parsed = parseAmount(text, asset.scale);
  switch (parsed.status) {
    case 'ok':
      return parsed.atoms;
    case 'malformed':
      return refuseFields([{ path, message: parsed.message }]);
    case 'too_large':
      return refuse('amount_too_large', `${path}: ${text} ${asset.code} is more than one amount may be`);
  }
}

/** An amount of a request as replies write it: without trailing zeros. */
export function normalized(text: string, atoms: Atoms, asset: Asset): string {
  return text.endsWith('0') && text.includes('.') ? format(atoms, asset) : text;
}

export const format = (atoms: bigint, asset: Pick<Asset, 'scale'>): string => formatAmount(atoms, asset.scale);
