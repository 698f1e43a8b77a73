// Tells the scripts of a test that this run of Redis is the ledger's, as a gateway does when it connects.
import type { Redis } from 'ioredis';
import { partitionsCount } from '../src/limits.ts';
import { fenceKey } from '../src/wallet/keys.ts';
import { verifyRunScript } from '../src/wallet/scripts.gen.ts';

/** The fence must stand there: in one partition, or in all of them. */
export async function verifyRun(
  redis: Redis,
  {
    partition,
    fence,
    functionName = verifyRunScript.functionName,
  }: { partition?: number; fence: string; functionName?: string },
): Promise<void> {
  const runId = /run_id:(\w+)/.exec(await redis.info('server'))?.[1] ?? '';
  const asked = partition === undefined ? Array.from({ length: partitionsCount }, (_, no) => no) : [partition];
  const replies = await Promise.all(asked.map((no) => redis.fcall(functionName, 1, fenceKey(no), fence, runId)));
  for (const [status] of replies as string[][]) {
    if (status !== 'verified') throw new Error(`the run is not verified: ${status}`);
  }
}
