// Who is asking: keys by their secret, kept in the process so that no request waits for Postgres.
//
// A revoked key is refused everywhere within 5 s: revoking raises a counter in Redis, which is read every second, and a
// change empties the cache. With Postgres away, keys that were seen stay good for 15 minutes; with Redis away nothing is
// approved anyway.
import type { Redis } from 'ioredis';
import { keyCacheMs } from '../limits.ts';
import type { Key } from '../records.ts';
import { revocationsKey } from './keys.ts';

const secretsMax = 10_000;
const secretLengthMax = 256;
/** A key is looked up again after this, when Postgres answers: what changed in it shows. */
const freshMs = 60_000;

type Cached = { key: Key; seenAtMs: number };

export type KeyCache = {
  /** The key behind a secret; a promise only when it has to be looked up. */
  authenticate: (secret: string) => Key | undefined | Promise<Key | undefined>;
  /** Read the counter; a change forgets every key. Call every second. */
  poll: () => Promise<void>;
};

export function keyCache(redis: Redis, findKey: (secret: string) => Promise<Key | undefined>): KeyCache {
  const cached = new Map<string, Cached>();
  let revocations: string | null | undefined;
  const alive = (key: Key): Key | undefined =>
    key.expiresAtMs === undefined || key.expiresAtMs > Date.now() ? key : undefined;

  const lookUp = async (secret: string, known: Cached | undefined): Promise<Key | undefined> => {
    try {
      const key = await findKey(secret);
      if (!key) {
        cached.delete(secret);
        return undefined;
      }
      if (cached.size >= secretsMax) cached.clear();
      cached.set(secret, { key, seenAtMs: Date.now() });
      return alive(key);
    } catch (error) {
      if (known && Date.now() - known.seenAtMs < keyCacheMs) return alive(known.key);
      throw error;
    }
  };

  return {
    authenticate: (secret) => {
      if (secret.length > secretLengthMax) return undefined;
      const known = cached.get(secret);
      if (known && Date.now() - known.seenAtMs < freshMs) return alive(known.key);
      return lookUp(secret, known);
    },
    poll: async () => {
      const counter = await redis.get(revocationsKey);
      if (revocations !== undefined && counter !== revocations) cached.clear();
      revocations = counter;
    },
  };
}
