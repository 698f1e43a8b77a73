// Stories: tables that show a whole scenario at once, and random ones, each on a real Redis beside the pure model.
import fc from 'fast-check';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { examples } from './stories/examples.ts';
import { randomStory } from './stories/random.ts';
import { runStory } from './stories/run-story.ts';
import { formatStep, parseStory } from './stories/text.ts';
import { connectForStories } from './stories/wallets.ts';
import { createRedis } from './stores.ts';

// Side by side on one connection: while Redis works on one story, another is compared.
const lanesCount = 4;
const storiesCount = 900;

let redis: Redis;
let stop: () => Promise<void>;

beforeAll(async () => {
  const server = await createRedis();
  stop = server.stop;
  redis = await connectForStories(server.url);
});

afterAll(async () => {
  redis.disconnect();
  await stop();
});

describe('a story', () => {
  test.each(Object.entries(examples))('%s', async (_, text) => {
    await runStory(redis, parseStory(text));
  });

  test('that expects something else fails, at its line', async () => {
    const wrong = parseStory('grant paid 100\nhold h1 60 -> approved 39\nrelease h1');
    await expect(runStory(redis, wrong)).rejects.toThrow(/part at line 2:[^]*> hold h1 60[^]*'39'/);
  });

  test('with another wallet in Redis than in the model fails', async () => {
    const tampered = new Proxy(redis, {
      get: (target, name) => {
        if (name !== 'callBuffer') return Reflect.get(target, name, target) as unknown;
        return (command: string, ...values: (string | number | Buffer)[]) =>
          target.callBuffer(command, ...values.map((value) => (value === '60' ? '61' : value)));
      },
    });
    const story = parseStory('grant paid 100\nhold h1 60');
    await expect(runStory(tampered, story)).rejects.toThrow(/part at line 2:[^]*takeAtoms[^]*"60"[^]*"61"/);
  });

  test('is told the same by its own text', () => {
    const retold = fc.property(randomStory(), (lines) => {
      const text = lines.map(({ step }) => formatStep(step)).join('\n');
      expect(parseStory(text).map(({ step }) => step)).toEqual(lines.map(({ step }) => step));
    });
    fc.assert(retold, { numRuns: 200 });
  });
});

test(`${storiesCount} random stories: every reply, entry and stored number is the model's`, async () => {
  const likeTheModel = fc.asyncProperty(randomStory(), (lines) => runStory(redis, lines));
  const lanes = Array.from({ length: lanesCount }, () =>
    fc.check(likeTheModel, { numRuns: storiesCount / lanesCount, includeErrorInReport: true }),
  );
  for (const lane of await Promise.all(lanes)) {
    if (lane.failed) throw new Error(`npm run stories -- --seed=${lane.seed}: ${fc.defaultReportMessage(lane)}`);
  }
}, 180_000);
