// How much was used, as an event or a price says it: a JSON number or a decimal string.
//
// A number is read through its shortest decimal text, which is what the caller wrote: 0.1 is a tenth, and not the double beside it.
import { codes } from '../codes.gen.ts';
import { readDecimal } from './decimal.ts';
import { fine, fineDecimals, type Quantity } from './price.ts';

const quantityMax = BigInt(codes.limit.quantity_units) * fine;

export type ReadQuantity = { status: 'ok'; quantity: Quantity } | { status: 'unusable'; message: string };

/** `message` completes the sentence that begins with where it stood. */
export function readQuantity(value: unknown): ReadQuantity {
  if (typeof value !== 'number' && typeof value !== 'string')
    return unusable('is neither a number nor a decimal string');
  if (typeof value === 'number' && value < 0) return unusable('is negative');
  // Only numbers from 10^21 and below 10^-6 are written with an exponent.
  if (typeof value === 'number' && value >= 1e21) return tooLarge;
  if (typeof value === 'number' && value > 0 && value < 1e-6) return tooFine;
  const read = readDecimal(String(value), fineDecimals);
  switch (read.status) {
    case 'malformed':
      return unusable('is no decimal number from 0');
    case 'too_fine':
      return tooFine;
    case 'ok':
      return read.value > quantityMax ? tooLarge : { status: 'ok', quantity: read.value as Quantity };
  }
}

const unusable = (message: string): ReadQuantity => ({ status: 'unusable', message });
const tooFine = unusable(`has more than ${fineDecimals} decimals`);
const tooLarge = unusable(`is more than ${codes.limit.quantity_units}`);
