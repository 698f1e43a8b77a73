// Currencies as Stripe counts them: in their smallest unit, which for some is the whole, and for some comes in steps.
//
// https://docs.stripe.com/currencies#zero-decimal and #three-decimal; Icelandic króna and Ugandan shilling are counted in
// hundredths of which only whole hundreds can be charged (#special-cases).
const known = new Set(Intl.supportedValuesOf('currency'));
const wholeOnes = new Set('BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF'.split(' '));
const thousandths = new Set('BHD JOD KWD OMR TND'.split(' '));
const wholeHundreds = new Set(['ISK', 'UGX']);

export type Currency = { code: string; decimals: number; step: bigint };

export function currencyOf(code: string): Currency | undefined {
  if (!known.has(code)) return undefined;
  if (wholeOnes.has(code)) return { code, decimals: 0, step: 1n };
  if (thousandths.has(code)) return { code, decimals: 3, step: 10n };
  return { code, decimals: 2, step: wholeHundreds.has(code) ? 100n : 1n };
}
