// Money: a branded integer of an asset's smallest unit (atoms), and its decimal text.
import { codes } from './codes.gen.ts';

export type Atoms = bigint & { readonly brand: 'atoms' };

export const zeroAtoms = 0n as Atoms;

const balanceMax = BigInt(codes.limit.balance_atoms);
const amountMax = BigInt(codes.limit.amount_atoms);
const amountText = /^(0|[1-9][0-9]*)(\.[0-9]+)?$/;
const amountLengthMax = 40;
const powers = Array.from({ length: 10 }, (_, scale) => 10n ** BigInt(scale));

export type ParsedAmount =
  | { status: 'ok'; atoms: Atoms }
  | { status: 'malformed'; message: string }
  | { status: 'too_large' };

/** `"0.05"` at scale 9 → 50000000. Refuses more decimals than the asset has, and what is past 10^15 atoms. */
export function parseAmount(text: string, scale: number): ParsedAmount {
  if (text.length > amountLengthMax || !amountText.test(text)) {
    return { status: 'malformed', message: 'must be a decimal string such as "10" or "0.05"' };
  }
  const [whole = '0', fraction = ''] = text.split('.');
  if (fraction.length > scale) {
    return { status: 'malformed', message: `has more than the ${scale} decimals of its asset` };
  }
  const atoms = BigInt(whole + fraction.padEnd(scale, '0'));
  return atoms > amountMax ? { status: 'too_large' } : { status: 'ok', atoms: atoms as Atoms };
}

/** 50000000 at scale 9 → `"0.05"`; no trailing zeros. Negative only where a ledger shows a change. */
export function formatAmount(atoms: bigint, scale: number): string {
  const sign = atoms < 0n ? '-' : '';
  const magnitude = atoms < 0n ? -atoms : atoms;
  const power = powers[scale]!;
  const whole = magnitude / power;
  const fraction = magnitude % power;
  if (fraction === 0n) return `${sign}${whole}`;
  return `${sign}${whole}.${fraction.toString().padStart(scale, '0').replace(/0+$/, '')}`;
}

/** A whole number that a script or an entry carries: exact, or there is a bug worth stopping for. */
export function atomsFromRedis(value: unknown): Atoms {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
    throw new Error(`expected a whole number of atoms, got ${String(value)}`);
  }
  return BigInt(value) as Atoms;
}

/** What Postgres or a sum gives back as money. */
export function toAtoms(value: bigint | number | string): Atoms {
  const atoms = BigInt(value);
  if (atoms > balanceMax || atoms < -balanceMax) throw new Error(`${atoms} atoms are past the largest balance`);
  return atoms as Atoms;
}
