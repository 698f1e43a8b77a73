// Drop counters of a wallet that can change nothing any more. Where it is not done now, the next look finds them again.
import { callPresent } from './call-present.ts';
import { dropCountersScript } from './scripts.gen.ts';
import type { Store } from './store.ts';
import type { Target, Trouble } from './target.ts';

const namesMax = 1_000;

/** The script sees for itself which of them are over. */
export async function dropCounters(
  store: Store,
  target: Target,
  names: readonly string[],
): Promise<{ status: 'dropped'; droppedCount: number } | Trouble> {
  return callPresent(store, target, dropCountersScript, { names: names.slice(0, namesMax).join(' ') });
}
