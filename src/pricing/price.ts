// A price as it is reckoned with: read once (read-prices.ts), exact from then on.
//
// Nothing is a fraction of a float. Rates are whole numbers of a millionth of an atom, quantities of a millionth of a unit, so
// that what usage costs is a fraction of two whole numbers, rounded up once (cost.ts).
import type { Atoms } from '../units.ts';
import type { CalendarUnit } from './period.ts';

/** Millionths of an atom: six digits finer than the asset. */
export type Rate = bigint & { readonly brand: 'rate' };

/** Millionths of a unit. */
export type Quantity = bigint & { readonly brand: 'quantity' };

/** Digits of both behind the point. */
export const fineDecimals = 6;
export const fine = 10n ** BigInt(fineDecimals);

/** What an event counts whose price names no field. */
export const oneUnit = fine as Quantity;

export type PricedAsset = { number: number; code: string; scale: number };

export type Tier = {
  /** Inclusive; undefined: the last tier has no end. */
  upTo: Quantity | undefined;
  /** For each `per` units of the price. */
  rate: Rate;
  /** Due once usage enters the tier. */
  flat: Atoms;
};

export type TieredCost = {
  model: 'graduated' | 'volume';
  /** One for all tiers: their rates were brought to it. */
  per: bigint;
  tiers: readonly Tier[];
};
export type PackageCost = { model: 'package'; rate: Rate; size: bigint };
export type UnitCost = { model: 'unit'; rate: Rate; per: bigint };
export type PercentageCost = {
  model: 'percentage';
  /** For each unit of the amount. */
  rate: Rate;
  fixed: Atoms;
  minimum: Atoms;
  maximum: Atoms | undefined;
};

/** What usage costs, whoever uses it. */
export type Cost = UnitCost | PackageCost | TieredCost | PercentageCost;
/** The ones that may count over a period. */
export type PeriodCost = PackageCost | TieredCost;

export type Dimension = {
  field: string;
  /** As text, numbers and booleans as in JSON; undefined: any value. */
  value: string | undefined;
};

/** What the price's own asset does not cover, in another: `num` atoms of it for `den`, in lowest terms. */
export type Fallback = { asset: PricedAsset; num: Atoms; den: Atoms };

type PriceTerms = {
  id: string;
  eventType: string;
  asset: PricedAsset;
  /** By field name. */
  dimensions: readonly Dimension[];
  /** The field that says how much; undefined: 1 for each event. */
  quantity: string | undefined;
  fallback: readonly Fallback[];
};
/** What counts over a period is priced by the script that counts it. */
export type PeriodPrice = PriceTerms & { over: CalendarUnit; cost: PeriodCost };
export type Price = (PriceTerms & { over: 'event'; cost: Cost }) | PeriodPrice;
