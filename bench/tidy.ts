// Between scenarios: none pays for what another has left.
//
// A remembered operation stays for an hour, some 200 bytes of Redis each, and every automatic rewriting of the append-only file
// writes all of them: after forty minutes of load that was a process at work beside most of what was measured.
import { waitUntil } from '../scripts/stores/process.ts';
import type { Redis } from './servers.ts';

const keysAtOnce = 5_000;
const rewriteBoundMs = 120_000;

/** Forget what no request repeats, and have Redis write its file anew. */
export async function tidy(redis: Redis): Promise<void> {
  await forgetOperations(redis);
  await untilWritten(redis);
  await redis.bgrewriteaof();
  await untilWritten(redis);
}

export async function forgetOperations(redis: Redis): Promise<void> {
  const found: AsyncIterable<string[]> = redis.scanStream({ match: '{p*}o:*', count: keysAtOnce });
  for await (const keys of found) if (keys.length > 0) await redis.del(...keys);
}

async function untilWritten(redis: Redis): Promise<void> {
  const isDone = async () => /^aof_rewrite_in_progress:0/m.test(await redis.info('persistence'));
  if (!(await waitUntil(isDone, rewriteBoundMs, 100))) throw new Error('Redis does not come to an end with its file');
}
