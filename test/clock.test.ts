// Redis's clock as a process sees it, while somebody sets the clock of the machine that it runs on.
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { clockSkewMaxMs, commandTimeoutMs } from '../src/limits.ts';
import { redisClock } from '../src/wallet/clock.ts';
import { createRedis, openRedis } from './stores.ts';

const hourMs = 3_600_000;

let server: Awaited<ReturnType<typeof createRedis>>;
let redis: Redis;

beforeAll(async () => {
  server = await createRedis();
  redis = await openRedis(server.url);
});

afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

afterEach(() => {
  vi.useRealTimers();
});

async function redisMs(): Promise<number> {
  const [seconds = 0, micros = 0] = (await redis.time()).map(Number);
  return seconds * 1_000 + micros / 1_000;
}

test.each([
  ['ahead', hourMs],
  ['behind', -hourMs],
])('a call is valid for as long as ever when the clock is put an hour %s', async (_, byMs) => {
  const clock = redisClock(redis);
  await clock.sample();
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + byMs });
  const before = await redisMs();
  const notAfterMs = clock.notAfterMs();
  const nowMs = clock.nowMs();
  const after = await redisMs();
  expect(notAfterMs).toBeGreaterThan(before - commandTimeoutMs);
  expect(notAfterMs).toBeLessThanOrEqual(after + commandTimeoutMs);
  expect(nowMs).toBeLessThanOrEqual(after);
  // Seen at once: a gateway is not ready with it.
  expect(Math.abs(clock.offsetMs())).toBeGreaterThan(clockSkewMaxMs);
});

test('who waits for an instant of Redis waits for no longer because the clock was put back', async () => {
  const clock = redisClock(redis);
  await clock.sample();
  const instantMs = clock.nowMs() + 50;
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - hourMs });
  await clock.untilPast(instantMs);
  expect(await redisMs()).toBeGreaterThan(instantMs);
});
