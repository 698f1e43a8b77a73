// What Redis has of catalog and configuration, asked outside of a script: before somebody is told that nothing prices an event.
import { catalogKey, walletKey } from './keys.ts';
import type { Stale } from './stale.ts';
import type { Store } from './store.ts';
import { retryAfterMs, type Target, type Trouble } from './target.ts';

/** As if a script had refused. */
export async function readStanding({ redis, clock }: Store, target: Target): Promise<Stale | Trouble> {
  try {
    const [catalogVersion, [configVersion, configText]] = await Promise.all([
      redis.hget(catalogKey(target.partition), target.environmentId),
      redis.hmget(walletKey(target), 'n', 'x'),
    ]);
    return {
      status: 'stale',
      catalogVersion: Number(catalogVersion ?? 0),
      configVersion: Number(configVersion ?? 0),
      configText: configText ?? '',
      redisMs: clock.nowMs(),
    };
  } catch (error) {
    const detail = `Redis cannot say which prices hold: ${error instanceof Error ? error.message : String(error)}`;
    return { status: 'unavailable', detail, retryAfterMs };
  }
}
