// What a gateway is not ready with, and how it says what would mend it: a Redis that keeps less than is asked for, or
// evicts, and a clock that is off.
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { clockSkewMaxMs } from '../src/limits.ts';
import { startFarebox, type Client, type Farebox } from './farebox.ts';
import { openRedis } from './stores.ts';

let farebox: Farebox;
let redis: Redis;

beforeAll(async () => {
  farebox = await startFarebox({ worker: false });
  redis = await openRedis(farebox.redis.url);
});

afterAll(async () => {
  redis.disconnect();
  await farebox.stop();
});

afterEach(() => {
  vi.useRealTimers();
});

/** What /readyz answers, and says of Redis, within a look or two. */
const expectSoon = (client: Client, answered: number, redisIs: object) =>
  expect
    .poll(
      async () => {
        const { status, body } = await client.get('/readyz');
        return { answered: status, redis: body.dependencies.redis };
      },
      { timeout: 15_000 },
    )
    .toMatchObject({ answered, redis: redisIs });

const like = (text: RegExp) => expect.stringMatching(text) as string;

test('a gateway that asks for a class is ready only while Redis is in it, or in a better one', async () => {
  const durable = await farebox.addGateway({ durability: 'durable' });
  const replicated = await farebox.addGateway({ durability: 'replicated' });
  await expectSoon(farebox.client, 200, { status: 'ok', durability: 'fast', required: 'fast' });
  const less = /class fast, and FAREBOX_DURABILITY asks for durable: set appendonly yes and appendfsync always$/;
  await expectSoon(durable, 503, { status: like(less), durability: 'fast', required: 'durable' });
  await expectSoon(replicated, 503, { status: like(/asks for replicated: connect a replica/), replicas: 0 });

  await redis.config('SET', 'appendfsync', 'always');
  await expectSoon(durable, 200, { status: 'ok', durability: 'durable' });
  await expectSoon(farebox.client, 200, { status: 'ok', durability: 'durable', required: 'fast' });
  await expectSoon(replicated, 503, { status: like(/class durable, .* asks for replicated/) });
  expect((await durable.get('/metrics')).text).toMatch(/^farebox_durability\{.*\} 2$/m);

  await redis.config('SET', 'appendfsync', 'everysec');
  await expectSoon(durable, 503, { status: like(less) });
});

test.each<[what: string, ...set: [name: string, bad: string, good: string], says: RegExp]>([
  [
    'evicts keys',
    'maxmemory-policy',
    'allkeys-lru',
    'noeviction',
    /evicts keys \(.*allkeys-lru\): set it to noeviction/,
  ],
  ['keeps no file', 'appendonly', 'no', 'yes', /keeps no append-only file, .* asks for fast: set appendonly yes/],
])('a gateway is not ready on a Redis that %s', async (_, name, bad, good, says) => {
  await redis.config('SET', name, bad);
  await expectSoon(farebox.client, 503, { status: like(says) });
  await redis.config('SET', name, good);
  await expectSoon(farebox.client, 200, { status: 'ok' });
});

test('a gateway is not ready while its clock and Redis’s are too far apart', async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 2 * clockSkewMaxMs });
  await expectSoon(farebox.client, 503, { status: like(/clock and ours differ by \d+ ms: synchronise them/) });
  vi.useRealTimers();
  await expectSoon(farebox.client, 200, { status: 'ok' });
});
