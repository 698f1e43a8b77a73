// Have Redis write its append-only file anew, from what it has in memory.
//
// A file that was cut off in the middle of a script is loaded up to its last whole command, an open MULTI included. What is
// written behind that is swallowed by it at the next start: so nothing may be acknowledged before the file is whole.
import { setTimeout as sleep } from 'node:timers/promises';
import type { OutboxRedis } from '../outbox/read.ts';

const pollMs = 50;
/** A million wallets take seconds. Longer than this, it goes on by itself. */
const waitMsMax = 60_000;

/** Resolves when it is written, when it takes too long to wait for, or when Redis keeps none or does not let us. */
export async function rewriteAppendOnlyFile(redis: OutboxRedis): Promise<void> {
  const before = await persistence(redis);
  if (before('aof_enabled') !== '1') return;
  try {
    await redis.call('BGREWRITEAOF', []);
  } catch (error) {
    // Managed services forbid it; one that is under way will do.
    const isRefused = error instanceof Error && error.name === 'ReplyError';
    if (!isRefused) throw error;
    if (!/in progress/i.test(error.message)) return;
  }
  for (const endMs = performance.now() + waitMsMax; performance.now() < endMs; await sleep(pollMs)) {
    const now = await persistence(redis);
    if (now('aof_rewrite_in_progress') === '0' && now('aof_rewrite_scheduled') === '0') return;
  }
}

async function persistence(redis: OutboxRedis): Promise<(field: string) => string | undefined> {
  const text = String(await redis.call('INFO', ['persistence']));
  return (field) => new RegExp(`^${field}:(\\S+)`, 'm').exec(text)?.[1];
}
