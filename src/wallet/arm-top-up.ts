// Arm a top-up: the account tells, once, when it falls below a bound. Postgres has bound and number by then.
import type { Atoms } from '../units.ts';
import { callPresent } from './call-present.ts';
import { armTopUpScript } from './scripts.gen.ts';
import type { Store } from './store.ts';
import type { Target, Trouble } from './target.ts';

/** `firesBelow` 0: it never does. `crossed`: it is below already, or this crossing was told before. Safe to repeat. */
export async function armTopUp(
  store: Store,
  target: Target,
  { asset, firesBelow, crossingNo }: { asset: number; firesBelow: Atoms; crossingNo: number },
): Promise<{ status: 'armed' | 'crossed' } | Trouble> {
  return callPresent(store, target, armTopUpScript, { asset, firesBelowAtoms: firesBelow, crossingNo });
}
