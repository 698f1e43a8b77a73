// Tells the scripts of a test that this run of Redis is the ledger's, as a gateway does when it connects.
import type { Redis } from 'ioredis';
import { fenceKey } from '../src/wallet/keys.ts';
import { verifyRunScript } from '../src/wallet/scripts.gen.ts';

/** The fence must stand in that partition; it is good in all others then. */
export async function verifyRun(
  redis: Redis,
  {
    partition = 0,
    fence,
    functionName = verifyRunScript.functionName,
  }: { partition?: number; fence: string; functionName?: string },
): Promise<void> {
  const runId = /run_id:(\w+)/.exec(await redis.info('server'))?.[1] ?? '';
  const [status] = (await redis.fcall(functionName, 1, fenceKey(partition), fence, runId)) as string[];
  if (status !== 'verified') throw new Error(`the run is not verified: ${status}`);
}
