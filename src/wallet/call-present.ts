// Call a script that needs its wallet in Redis: the epoch is learned where it is fenced, the wallet loaded where it is absent.
import { call, type Failure } from './call.ts';
import { hydrateWallet } from './hydrate.ts';
import { clockKey, fenceKey, walletKey } from './keys.ts';
import type { Script } from './script.ts';
import type { Store } from './store.ts';
import { fencedDetail, retryAfterMs, type Target, type Trouble } from './target.ts';

type Keys = { fenceKey: string; clockKey: string; walletKey: string };
type Handled = { status: 'fenced' | 'unverified' | 'absent' };

// Fenced once, absent once, and once more for what comes of those.
const roundsMax = 4;

/** For scripts that are safe to repeat: whatever became of a call, asking again does no harm. */
export async function callPresent<Args extends { fence: string }, Reply extends { status: string }>(
  store: Store,
  target: Target,
  script: Script<Keys, Args, Reply>,
  ownArgs: Omit<Args, 'fence'>,
): Promise<Exclude<Reply, Handled> | Trouble> {
  const { partition } = target;
  const keys = { fenceKey: fenceKey(partition), clockKey: clockKey(partition), walletKey: walletKey(target) };
  for (let round = 1; round <= roundsMax; round += 1) {
    const args = { ...ownArgs, fence: store.fences[partition]! } as Args;
    const reply = await call(store.nodes.of(partition).redis, script, keys, args);
    switch (reply.status) {
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
        return { status: 'unavailable', detail: (reply as Failure).detail, retryAfterMs };
      default:
        return reply as Exclude<Reply, Handled>;
    }
  }
  return { status: 'unavailable', detail: fencedDetail, retryAfterMs };
}
