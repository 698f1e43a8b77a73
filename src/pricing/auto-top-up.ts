// How much an automatic top-up buys: one charge closes the gap, counting what is already on its way.
import type { Atoms } from '../units.ts';

type Terms = { threshold: Atoms; amount: Atoms | undefined; target: Atoms | undefined };

/**
 * The account tells when it has less than this: at the threshold, that is, or below. A target that is the threshold itself is
 * reached by filling up, so then only what is below counts.
 */
export function firesBelow({ threshold, target }: Pick<Terms, 'threshold' | 'target'>): Atoms {
  return (target === threshold ? threshold : threshold + 1n) as Atoms;
}

/**
 * `balance`: what is available less what is owed; `pending`: what other top-ups are about to bring. An amount is bought as
 * often as it takes to get above the threshold. Zero: nothing is missing.
 */
export function amountToBuy(terms: Terms, { balance, pending }: { balance: bigint; pending: bigint }): Atoms {
  const { threshold, amount, target } = terms;
  const coming = balance + pending;
  if (coming >= firesBelow(terms)) return 0n as Atoms;
  if (target !== undefined) return (target - coming) as Atoms;
  return (amount! * ((threshold - coming) / amount! + 1n)) as Atoms;
}
