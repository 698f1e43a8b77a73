// Partitions whose clocks stand still, an hour ahead, and move when a test says so: instants are exact, and nobody waits.
import type { Redis } from 'ioredis';
import { call } from '../src/wallet/call.ts';
import { clockKey, fenceKey, walletOf } from '../src/wallet/keys.ts';
import { advanceClockScript } from '../src/wallet/scripts.gen.ts';

const aheadMs = 3_600_000;

/** Moves a partition's clock to an instant; never back. */
export async function moveClock(redis: Redis, partition: number, toMs: number): Promise<void> {
  const fence = (await redis.get(fenceKey(partition))) ?? '';
  const keys = { fenceKey: fenceKey(partition), clockKey: clockKey(partition) };
  const reply = await call(redis, advanceClockScript, keys, { fence, toMs });
  if (reply.status !== 'advanced') throw new Error(`the clock of partition ${partition} did not move: ${reply.status}`);
}

/** Stops the clock of a partition: returns at which instant. */
export async function stopClock(redis: Redis, partition: number): Promise<number> {
  const nowMs = Date.now() + aheadMs;
  await moveClock(redis, partition, nowMs);
  return nowMs;
}

/** Ids of customers that share no partition with each other, nor with those asked for before. */
export function idsApart(environmentId: string): (of: string) => { id: string; partition: number } {
  const taken = new Set<number>();
  let no = 0;
  return (of) => {
    for (;;) {
      no += 1;
      const id = `${of}_${no}`;
      const { partition } = walletOf(environmentId, id);
      if (taken.has(partition)) continue;
      taken.add(partition);
      return { id, partition };
    }
  };
}
