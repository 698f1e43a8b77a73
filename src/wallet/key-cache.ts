// Who is asking: keys by their secret, kept in the process so that no request waits for Postgres.
//
// A revoked key is refused everywhere within 5 s: revoking raises a counter in Redis, which is read every second, and a
// change empties the cache. With Postgres away, keys that were seen stay good for 15 minutes; with Redis away nothing is
// approved anyway.
import { setTimeout as sleep } from 'node:timers/promises';
import { keyCacheMs } from '../limits.ts';
import type { Key } from '../records.ts';
import { revocationsKey } from './keys.ts';
import type { Nodes } from './nodes.ts';

const secretsMax = 10_000;
const secretLengthMax = 256;
/** A key is looked up again after this, when Postgres answers: what changed in it shows. */
const freshMs = 60_000;
/** What the first to ask after that waits for the answer; the others don't. */
const graceMs = 250;

type Cached = { key: Key; seenAtMs: number };

export type KeyCache = {
  /** The key behind a secret; a promise only when it has to be looked up. */
  authenticate: (secret: string) => Key | undefined | Promise<Key | undefined>;
  /** Read the counter; a change forgets every key. Call every second. */
  poll: () => Promise<void>;
};

export function keyCache(nodes: Nodes, findKey: (secret: string) => Promise<Key | undefined>): KeyCache {
  const cached = new Map<string, Cached>();
  let revocations: string | null | undefined;
  let emptied = 0;
  const alive = (key: Key): Key | undefined =>
    key.expiresAtMs === undefined || key.expiresAtMs > Date.now() ? key : undefined;

  const pending = new Map<string, Promise<Key | undefined>>();
  // All who ask for one key at once share a look-up.
  const lookUp = (secret: string): Promise<Key | undefined> => {
    const running = pending.get(secret);
    if (running) return running;
    const emptiedBefore = emptied;
    const started = findKey(secret)
      .then((key) => {
        if (!key) {
          cached.delete(secret);
          return undefined;
        }
        if (cached.size >= secretsMax) cached.clear();
        // What was read before a key was revoked is not kept after it.
        if (emptied === emptiedBefore) cached.set(secret, { key, seenAtMs: Date.now() });
        return alive(key);
      })
      .finally(() => pending.delete(secret));
    pending.set(secret, started);
    return started;
  };
  // Postgres may be away: whoever has been seen does not wait for it.
  const lookAgain = async (secret: string, known: Cached): Promise<Key | undefined> => {
    const stale = () => alive(known.key);
    const isRunning = pending.has(secret);
    const found = lookUp(secret).catch(stale);
    return isRunning ? stale() : Promise.race([found, sleep(graceMs).then(stale)]);
  };

  return {
    authenticate: (secret) => {
      if (secret.length > secretLengthMax) return undefined;
      const known = cached.get(secret);
      const ageMs = known ? Date.now() - known.seenAtMs : Infinity;
      if (known && ageMs < freshMs) return alive(known.key);
      return known && ageMs < keyCacheMs ? lookAgain(secret, known) : lookUp(secret);
    },
    poll: async () => {
      const counter = await nodes.ofKey(revocationsKey).get(revocationsKey);
      if (revocations !== undefined && counter !== revocations) {
        cached.clear();
        emptied += 1;
      }
      revocations = counter;
    },
  };
}
