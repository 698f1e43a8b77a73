// What Redis has of catalog and configuration, asked outside of a script: before somebody is told that nothing prices an event.
import { hydrateWallet } from './hydrate.ts';
import { catalogKey, walletKey } from './keys.ts';
import type { Stale } from './stale.ts';
import type { Store } from './store.ts';
import { retryAfterMs, type Target, type Trouble } from './target.ts';

const environmentLength = 12;

/** As if a script had refused. A wallet that Redis has lost is brought back first. */
export async function readStanding(store: Store, target: Target): Promise<Stale | Trouble> {
  const { redis, clock } = store.nodes.of(target.partition);
  const read = () => redis.hmgetBuffer(walletKey(target), 'w', 'n', 'x');
  try {
    const [catalogVersion, known] = await Promise.all([
      redis.hget(catalogKey(target.partition), target.environmentId),
      read(),
    ]);
    const brought = known[0] ? 'ready' : await hydrateWallet(store, target);
    if (brought !== 'ready') return brought;
    const [meta, configVersion, configText] = known[0] ? known : await read();
    if (meta?.toString('latin1', meta.length - environmentLength) !== target.environmentId) {
      return { status: 'no_customer' };
    }
    return {
      status: 'stale',
      catalogVersion: Number(catalogVersion ?? 0),
      configVersion: Number(configVersion ?? 0),
      configText: configText?.toString() ?? '',
      redisMs: clock.nowMs(),
    };
  } catch (error) {
    const detail = `Redis cannot say which prices hold: ${error instanceof Error ? error.message : String(error)}`;
    return { status: 'unavailable', detail, retryAfterMs };
  }
}
