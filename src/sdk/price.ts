// Exact arithmetic for amounts: what a number of tokens costs, and what several costs are together.
//
// Amounts are decimal strings because binary fractions are not exact: 0.1 + 0.2 is not 0.3. Inside, they are
// bigints of 10^-scale.
import type { Amount } from '../contract.ts';

// USD and EUR have 9 decimals, and no asset has more.
const SCALE_MAX = 9;

/**
 * What `quantity` units cost at `unitAmount` for each `per` of them, rounded up once, at `scale` decimals:
 * `price(1200, '1.25', 1_000_000)` is `'0.0015'`. For an asset with fewer decimals than 9, give its scale.
 * Throws a RangeError for a quantity that is not a whole number from 0, or an amount that is not a decimal string.
 */
export function price(
  quantity: number | bigint,
  unitAmount: Amount,
  per: number | bigint = 1_000_000,
  scale: number = SCALE_MAX,
): Amount {
  const units = whole(quantity, 0);
  const rate = parse(unitAmount);
  const divisor = whole(per, 1) * 10n ** BigInt(rate.scale);
  const dividend = units * rate.digits * 10n ** whole(scale, 0);
  return format((dividend + divisor - 1n) / divisor, scale);
}

/** All of them together, exactly: `sum('0.1', '0.2')` is `'0.3'`. */
export function sum(...amounts: readonly Amount[]): Amount {
  const parts = amounts.map(parse);
  const scale = Math.max(0, ...parts.map((part) => part.scale));
  const total = parts.reduce((digits, part) => digits + part.digits * 10n ** BigInt(scale - part.scale), 0n);
  return format(total, scale);
}

/** Whether an amount is nothing, however many zeros it is written with. */
export function isZero(amount: Amount): boolean {
  return parse(amount).digits === 0n;
}

type Decimal = { readonly digits: bigint; readonly scale: number };

function parse(amount: Amount): Decimal {
  const match = /^(0|[1-9][0-9]*)(?:\.([0-9]+))?$/.exec(amount);
  if (!match || amount.length > 40)
    throw new RangeError(`not an amount: ${JSON.stringify(amount)} (a decimal string such as "0.05")`);
  const fraction = match[2] ?? '';
  return { digits: BigInt(`${match[1]}${fraction}`), scale: fraction.length };
}

function whole(value: number | bigint, min: number): bigint {
  // Past 2^53 a number is no longer the one that was meant.
  const isExact = typeof value === 'bigint' || Number.isSafeInteger(value);
  if (!isExact || value < min) throw new RangeError(`not a whole number from ${min}: ${value}`);
  return BigInt(value);
}

function format(digits: bigint, scale: number): Amount {
  const text = digits.toString().padStart(scale + 1, '0');
  const point = text.length - scale;
  const fraction = text.slice(point).replace(/0+$/, '');
  return fraction === '' ? text.slice(0, point) : `${text.slice(0, point)}.${fraction}`;
}
