// Decimal text as a whole number of its last digit: '1.25' with six decimals is 1250000. And back, without zeros at the end.

const decimalText = /^(0|[1-9][0-9]*)(?:\.([0-9]+))?$/;
// No limit has more digits, and a longer text is work for nothing.
const lengthMax = 40;

export type ReadDecimal = { status: 'ok'; value: bigint } | { status: 'malformed' } | { status: 'too_fine' };

/** Zeros at the end count as decimals, as they do in amounts. */
export function readDecimal(text: string, decimals: number): ReadDecimal {
  const match = text.length <= lengthMax ? decimalText.exec(text) : null;
  if (!match) return { status: 'malformed' };
  const [, whole = '', fraction = ''] = match;
  if (fraction.length > decimals) return { status: 'too_fine' };
  return { status: 'ok', value: BigInt(whole + fraction.padEnd(decimals, '0')) };
}

export function writeDecimal(value: bigint, decimals: number): string {
  const digits = String(value).padStart(decimals + 1, '0');
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, '');
  const whole = digits.slice(0, digits.length - decimals);
  return fraction === '' ? whole : `${whole}.${fraction}`;
}
