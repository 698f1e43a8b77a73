// Arm a top-up: the account tells, once, when it falls below a bound. Postgres has bound and number by then.
import type { Atoms } from '../units.ts';
import { call } from './call.ts';
import { hydrateWallet } from './hydrate.ts';
import { clockKey, fenceKey, walletKey } from './keys.ts';
import { armTopUpScript } from './scripts.gen.ts';
import type { Store } from './store.ts';
import { fencedDetail, retryAfterMs, type Target, type Trouble } from './target.ts';

// Fenced once, absent once, and once more for what comes of those.
const roundsMax = 4;

/** `firesBelow` 0: it never does. `crossed`: it is below already, or this crossing was told before. Safe to repeat. */
export async function armTopUp(
  store: Store,
  target: Target,
  trigger: { asset: number; firesBelow: Atoms; crossingNo: number },
): Promise<{ status: 'armed' | 'crossed' } | Trouble> {
  const { partition } = target;
  const keys = { fenceKey: fenceKey(partition), clockKey: clockKey(partition), walletKey: walletKey(target) };
  for (let round = 1; round <= roundsMax; round += 1) {
    const { asset, firesBelow, crossingNo } = trigger;
    const args = { fence: store.fences[partition]!, asset, firesBelowAtoms: firesBelow, crossingNo };
    const reply = await call(store.redis, armTopUpScript, keys, args);
    switch (reply.status) {
      case 'armed':
      case 'crossed':
        return reply;
      case 'fenced':
      case 'unverified':
        await store.onFenced(partition);
        break;
      case 'absent': {
        const loaded = await hydrateWallet(store, target);
        if (loaded !== 'ready') return loaded;
        break;
      }
      case 'not_applied':
      case 'unknown':
        return { status: 'unavailable', detail: reply.detail, retryAfterMs };
    }
  }
  return { status: 'unavailable', detail: fencedDetail, retryAfterMs };
}
