// Decimal text as a whole number of its last digit: '1.25' with six decimals is 1250000.

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
