// What an amount of an asset costs in money: at a rate for one unit, rounded up once to what can be charged.
import { currencyOf, type Currency } from './currencies.ts';
import { readDecimal } from './decimal.ts';

/** Finer than any currency: a token may cost a millionth of a cent. */
const rateDecimals = 12;
const rateMost = 10n ** 9n * 10n ** BigInt(rateDecimals);

export type ReadRate = { status: 'ok'; rate: bigint } | { status: 'wrong'; message: string };

/** In 10^-12 of the currency for one unit of the asset. */
export function readAssetRate(text: string): ReadRate {
  const read = readDecimal(text, rateDecimals);
  if (read.status === 'malformed')
    return { status: 'wrong', message: 'must be a decimal string such as "10" or "0.05"' };
  if (read.status === 'too_fine') return { status: 'wrong', message: `has more than ${rateDecimals} decimals` };
  if (read.value === 0n) return { status: 'wrong', message: 'must be more than zero' };
  return read.value > rateMost ? { status: 'wrong', message: 'is more than 10^9' } : { status: 'ok', rate: read.value };
}

/** In the currency's smallest unit. `rate` is what `readAssetRate` gives; one unit of a currency itself costs 1. */
export function priceOfAsset(
  { atoms, scale, rate }: { atoms: bigint; scale: number; rate: bigint },
  { decimals, step }: Currency,
): bigint {
  const divisor = 10n ** BigInt(scale + rateDecimals) * step;
  const exact = atoms * rate * 10n ** BigInt(decimals);
  return ((exact + divisor - 1n) / divisor) * step;
}

export const rateOfOne = 10n ** BigInt(rateDecimals);

export type Price = { currency: string; minor: number; rate: string | undefined };

/** At the rate that was published last, if any; a currency costs what it is. */
export function priceToCharge(
  asset: { code: string; scale: number; kind: 'custom' | 'fiat' },
  atoms: bigint,
  published: { currency: string; rate: string } | undefined,
): { status: 'ok'; price: Price } | { status: 'no_rate' } | { status: 'too_large' } {
  const currency = currencyOf(published?.currency ?? (asset.kind === 'fiat' ? asset.code : ''));
  if (!currency) return { status: 'no_rate' };
  const read = published ? readAssetRate(published.rate) : { status: 'ok' as const, rate: rateOfOne };
  if (read.status === 'wrong') throw new Error(`a published rate cannot be read: ${read.message}`);
  const minor = priceOfAsset({ atoms, scale: asset.scale, rate: read.rate }, currency);
  if (minor > BigInt(Number.MAX_SAFE_INTEGER)) return { status: 'too_large' };
  return { status: 'ok', price: { currency: currency.code, minor: Number(minor), rate: published?.rate } };
}
