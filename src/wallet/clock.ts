// Redis's clock as seen from here: each call says until when it may still be applied.
//
// A request that waits in front of a stalled Redis, or in a proxy's buffer, would otherwise debit after its caller has
// been told no. The bound is a lower one (reply's time − time of receipt), so a call is never valid for longer than meant.
//
// Between two looks time is counted by a clock that nobody can set: a call made just after this machine's was put forward an
// hour would otherwise be valid for an hour.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { commandTimeoutMs } from '../limits.ts';

const samplesMax = 10;

export type RedisClock = {
  /** In Redis's milliseconds: past this, the script refuses. */
  notAfterMs: () => number;
  /** What Redis's clock shows now, or a little less. */
  nowMs: () => number;
  /** Redis's clock less this machine's, in ms. */
  offsetMs: () => number;
  /** Resolves once Redis's clock is past this instant. */
  untilPast: (redisMs: number) => Promise<void>;
  /** Look again; call every second, and after a refusal. */
  sample: () => Promise<void>;
};

export function redisClock(redis: Redis): RedisClock {
  const samples: number[] = [];
  // Each sample is below the true offset, by the time that its reply took; the largest is the closest.
  const lowest = () => (samples.length > 0 ? Math.max(...samples) : 0);
  const nowMs = () => Math.floor(steadyMs() + lowest());
  return {
    notAfterMs: () => nowMs() + commandTimeoutMs,
    nowMs,
    offsetMs: () => nowMs() - Date.now(),
    untilPast: async (redisMs) => {
      const remainingMs = redisMs + 1 - nowMs();
      if (remainingMs > 0) await sleep(remainingMs);
    },
    sample: async () => {
      const [seconds = 0, micros = 0] = (await redis.time()).map(Number);
      const offset = seconds * 1000 + Math.floor(micros / 1000) - steadyMs();
      // A clock that was set, not one that drifts: what was seen before says nothing any more.
      if (samples.length > 0 && Math.abs(offset - Math.max(...samples)) > commandTimeoutMs) samples.length = 0;
      samples.push(offset);
      if (samples.length > samplesMax) samples.shift();
    },
  };
}

/** Counts from when this process began, by this machine's clock as it was then. */
const steadyMs = (): number => performance.timeOrigin + performance.now();
