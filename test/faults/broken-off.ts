// Work that breaks off at its n-th word to Postgres, to Redis or to Stripe: before it is heard, or after it is done, unheard.
//
// Whoever was about it is dead from then on: its other ways are cut, too.
import type { Redis } from 'ioredis';
import type { Config } from '../../src/config.ts';
import { openDatabase, type Sql } from '../../src/db/connect.ts';
import { oneNode } from '../../src/wallet/nodes.ts';
import type { Store } from '../../src/wallet/store.ts';
import type { Paying } from '../stripe/paying.ts';
import { startBreakingHttp } from './breaking-http.ts';
import { startBreakingLink } from './breaking-link.ts';
import { breakingRedis } from './breaking-redis.ts';

export type Parts = { sql: Sql; store: Store; config: Pick<Config, 'stripe'> };
export type Point = { to: 'Postgres' | 'Redis' | 'Stripe'; at: number; when: 'before' | 'after' };
type Whole = { paying: Paying; redis: Redis; store: Store };

/** False: it has fewer words to say than `at`, and came to its end. */
export async function breakOff(
  { to, at, when }: Point,
  { paying, redis, store }: Whole,
  work: (parts: Parts) => Promise<void>,
): Promise<boolean> {
  const onBroken = () => void sql.end({ timeout: 0 });
  const breaking = { at, when, onBroken };
  const database = paying.database.url;
  const link = to === 'Postgres' ? await startBreakingLink(database, breaking) : undefined;
  const http = to === 'Stripe' ? await startBreakingHttp(paying.standIn.url, breaking) : undefined;
  const broken = to === 'Redis' ? breakingRedis(redis, breaking) : undefined;
  const sql: Sql = openDatabase(link?.url ?? database, { connectionsMax: 1, name: 'dying' });
  const config = http ? { stripe: { ...paying.config.stripe!, apiBase: http.url } } : paying.config;
  await work({ sql, config, store: broken ? { ...store, nodes: oneNode(broken.redis) } : store }).catch(() => {});
  await sql.end({ timeout: 0 });
  await Promise.all([link?.stop(), http?.stop()]);
  return [link, http, broken].some((way) => way?.isBroken());
}
