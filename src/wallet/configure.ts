// Tell a wallet its customer's subscriptions and budgets: Postgres has them by then, and the next request goes by them.
import type { WalletConfig } from '../records.ts';
import { call } from './call.ts';
import { configText } from './config.ts';
import { hydrateWallet } from './hydrate.ts';
import { clockKey, fenceKey, walletKey } from './keys.ts';
import { configureScript } from './scripts.gen.ts';
import type { Store } from './store.ts';
import { fencedDetail, retryAfterMs, type Target, type Trouble } from './target.ts';

// Fenced once, absent once, and once more for what comes of those.
const roundsMax = 4;

/** `version`: the one that the wallet has now; a newer one than this may have been there. Safe to repeat. */
export async function configureWallet(
  store: Store,
  target: Target,
  config: WalletConfig,
): Promise<{ status: 'configured'; version: number } | Trouble> {
  const { partition } = target;
  const keys = { fenceKey: fenceKey(partition), clockKey: clockKey(partition), walletKey: walletKey(target) };
  for (let round = 1; round <= roundsMax; round += 1) {
    const args = { fence: store.fences[partition]!, version: config.version, configText: configText(config) };
    const reply = await call(store.redis, configureScript, keys, args);
    switch (reply.status) {
      case 'configured':
        return { status: 'configured', version: reply.configVersion };
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
        // Whatever became of it, asking again is safe.
        return { status: 'unavailable', detail: reply.detail, retryAfterMs };
    }
  }
  return { status: 'unavailable', detail: fencedDetail, retryAfterMs };
}
