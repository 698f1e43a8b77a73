// A version's prices as they were written, read and checked: what can be wrong with them once their shape is right.
//
// The shape (types, names, ranges of whole numbers) is the schema's to check, at the edge (src/api/price-schema.ts). Here is what
// depends on the assets, on another field or on another price. All flaws are found at once, each with its path.
import type { FieldError, PercentagePrice, Price as WrittenPrice } from '../contract.ts';
import { fallbacksMax, pricesMax } from '../limits.ts';
import { codes } from '../codes.gen.ts';
import { toAtoms, zeroAtoms } from '../units.ts';
import { checkAgainstEachOther } from './check-prices.ts';
import { readDimensions } from './dimensions.ts';
import { fine, type Fallback, type PercentageCost, type Price, type PricedAsset } from './price.ts';
import { readMoney, readRate, type Flaw } from './read-amounts.ts';
import { readTiers } from './read-tiers.ts';

export type ReadPrices =
  | { status: 'ok'; prices: Price[] }
  /** `unknown_asset`: that is among what is wrong. */
  | { status: 'refused'; code: 'invalid_request' | 'unknown_asset'; errors: FieldError[] };

export type Assets = ReadonlyMap<string, PricedAsset>;

/** `assets`: those of the environment, by code; `assetCodesOf` says which are asked for. */
export function readPrices(written: readonly WrittenPrice[], assets: Assets): ReadPrices {
  const errors: FieldError[] = [];
  const flaw: Flaw = (path, message) => errors.push({ path, message });
  if (written.length > pricesMax) {
    flaw('prices', `has more than ${pricesMax} prices`);
    return { status: 'refused', code: 'invalid_request', errors };
  }
  const prices: Price[] = [];
  let isAssetUnknown = false;
  for (const [no, price] of written.entries()) {
    const here: Flaw = (path, message) => flaw(`prices.${no}.${path}`, message);
    const unknown = unknownAssets(price, assets);
    for (const path of unknown) here(path, 'is no asset of this environment');
    isAssetUnknown ||= unknown.length > 0;
    const asset = assets.get(price.asset);
    if (asset) prices.push(readPrice(price, asset, assets, here));
  }
  checkAgainstEachOther(written, flaw);
  if (errors.length === 0) return { status: 'ok', prices };
  return { status: 'refused', code: isAssetUnknown ? 'unknown_asset' : 'invalid_request', errors };
}

/** Every asset that these prices name, once. */
export function assetCodesOf(written: readonly WrittenPrice[]): string[] {
  return [...new Set(written.flatMap(({ asset, fallback = [] }) => [asset, ...fallback.map((next) => next.asset)]))];
}

function unknownAssets(price: WrittenPrice, assets: Assets): string[] {
  const named = [
    ['asset', price.asset] as const,
    ...(price.fallback ?? []).map(({ asset }, no) => [`fallback.${no}.asset`, asset] as const),
  ];
  return named.filter(([, code]) => !assets.has(code)).map(([path]) => path);
}

function readPrice(price: WrittenPrice, asset: PricedAsset, assets: Assets, flaw: Flaw): Price {
  const common = {
    id: price.id,
    eventType: price.event_type,
    asset,
    dimensions: readDimensions(price.dimensions),
    quantity: price.quantity,
    fallback: readFallback(price, asset, assets, flaw),
  };
  switch (price.model) {
    case 'unit': {
      const rate = readRate(price.unit_amount, asset, 'unit_amount', flaw);
      return { ...common, over: 'event', cost: { model: 'unit', rate, per: BigInt(price.per ?? 1) } };
    }
    case 'percentage':
      return { ...common, over: 'event', cost: readPercentage(price, asset, flaw) };
    case 'package': {
      const rate = readRate(price.unit_amount, asset, 'unit_amount', flaw);
      const cost = { model: 'package', rate, size: BigInt(price.package_size) } as const;
      return { ...common, over: price.tiers_over ?? 'event', cost };
    }
    case 'graduated':
    case 'volume': {
      const cost = { model: price.model, ...readTiers(price.tiers, asset, flaw) };
      return { ...common, over: price.tiers_over ?? 'event', cost };
    }
  }
}

/** More than this of an amount is a rate that was meant as a percentage, or a mistake. */
const rateMax = 100n;

function readPercentage(price: PercentagePrice, asset: PricedAsset, flaw: Flaw): PercentageCost {
  const rate = readRate(price.rate, asset, 'rate', flaw, rateMax);
  const fixed = readMoney(price.fixed_amount, asset, 'fixed_amount', flaw) ?? zeroAtoms;
  const minimum = readMoney(price.minimum, asset, 'minimum', flaw) ?? zeroAtoms;
  const maximum = readMoney(price.maximum, asset, 'maximum', flaw);
  if (maximum !== undefined && maximum < minimum) flaw('maximum', 'is less than the minimum');
  return { model: 'percentage', rate, fixed, minimum, maximum };
}

function readFallback({ fallback = [] }: WrittenPrice, own: PricedAsset, assets: Assets, flaw: Flaw): Fallback[] {
  if (fallback.length > fallbacksMax) flaw('fallback', `has more than ${fallbacksMax} assets`);
  const seen = new Set([own.code]);
  return fallback.flatMap(({ asset: code, rate: text }, no) => {
    if (code === own.code) flaw(`fallback.${no}.asset`, 'is the asset of the price itself');
    else if (seen.has(code)) flaw(`fallback.${no}.asset`, 'is there already');
    seen.add(code);
    const asset = assets.get(code);
    if (!asset) return [];
    const rate = readRate(text, asset, `fallback.${no}.rate`, flaw);
    if (rate === 0n) flaw(`fallback.${no}.rate`, 'must be more than zero');
    // A rate is of a unit of the price's asset.
    const unit = fine * 10n ** BigInt(own.scale);
    const divisor = gcd(rate, unit);
    const [num, den] = [rate / divisor, unit / divisor];
    if (num <= numMax) return [{ asset, num: toAtoms(num), den: toAtoms(den) }];
    flaw(`fallback.${no}.rate`, 'has too many digits: fewer come out exact');
    return [];
  });
}

/** What scripts multiply by exactly; a unit is less. */
const numMax = BigInt(codes.limit.balance_atoms);

function gcd(a: bigint, b: bigint): bigint {
  return b === 0n ? a : gcd(b, a % b);
}
