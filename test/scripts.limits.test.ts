// The limits of a wallet, each exactly: the balance at 2^52, an amount at 10^15, 1,000 grants, 10,000 open holds, and
// what one call does at most.
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { codes } from '../src/codes.gen.ts';
import { walletKey } from '../src/wallet/keys.ts';
import { legsOf, type Hold } from './model/wallet.ts';
import { sendAll, stage } from './stories/attempts.ts';
import { runStory } from './stories/run-story.ts';
import { newScene, play } from './stories/scene.ts';
import { parseStory } from './stories/text.ts';
import { connectForStories, newWallet } from './stories/wallets.ts';
import { createRedis } from './stores.ts';

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

const repeat = (count: number, line: (no: number) => string) => Array.from({ length: count }, (_, no) => line(no + 1));

describe('at the largest balance, 2^52 atoms,', () => {
  test.each(
    Object.entries({
      'a grant fits to the last atom': `
        grant paid 4503599627370495  -> granted
        grant paid 2                 -> out_of_bounds balance |
        grant paid 1                 -> granted remaining=1
        grant paid 1                 -> out_of_bounds balance
        grant paid 4503599627370496 asset 2 -> granted
        grant paid 1 asset 2         -> out_of_bounds
      `,
      'what is held and what is scheduled counts': `
        grant paid 4503599627370494
        hold h1 4503599627370493     -> approved 1 held=4503599627370493
        grant g9 paid 2 from 1h      -> granted scheduled
        grant paid 1                 -> out_of_bounds balance
        grant paid 1 from 2h         -> out_of_bounds balance
        void g9                      -> voided taken=2
        grant paid 2                 -> granted
        release h1                   -> released 4503599627370496
        charge 4503599627370496      -> charged 0
      `,
      'what repays does not count, unless it comes later': `
        grant g1 paid 4503599627370496
        hold h0 0
        hold h1 4503599627370496
        settle h0 7                  -> settled overage=7
        settle h1 4503599627370496   -> settled settled=4503599627370496
        grant paid 4503599627370504  -> out_of_bounds
        grant paid 4503599627370503 from 1h -> out_of_bounds
        grant paid 4503599627370503  -> granted remaining=4503599627370496
      `,
      'single atoms are not lost': `
        grant g1 bundled 4503599627370495
        hold h1 4503599627370494     -> approved 1
        settle h1 1 part             -> settled held=4503599627370493
        extend h1 1                  -> out_of_bounds amount
        settle h1 4503599627370492   -> settled settled=4503599627370493 released=1 2
        charge 1                     -> charged 1
        hold h2 2                    -> declined balance affordable=1
        hold h2 1                    -> approved 0
      `,
      'a hold settles no more in all than that': `
        grant paid 4503599627370496
        hold h1 0
        settle h1 4503599627370495 part -> settled open 1
        grant paid 10
        settle h1 2                  -> out_of_bounds balance |
        settle h1 1 part             -> settled settled=4503599627370496 overage=0
        settle h1 1                  -> out_of_bounds balance
        settle h1 0                  -> settled settled=4503599627370496
      `,
      'an account owes no more than that': `
        hold h1 0
        settle h1 4503599627370495 part -> settled overage=4503599627370495
        hold h2 0
        settle h2 2                  -> out_of_bounds balance |
        settle h2 1                  -> settled overage=4503599627370496
        settle h1 1                  -> out_of_bounds balance
      `,
      'a late settle is bound in the same way': `
        grant paid 10
        hold h1 10
        hold h2 0
        settle h2 4503599627370490   -> settled overage=4503599627370490
        to h1
        settle h1 4503599627370497   -> out_of_bounds |
        settle h1 17                 -> out_of_bounds |
        settle h1 16                 -> settled late overage=4503599627370496
      `,
    }),
  )('%s', async (_, story) => {
    await runStory(redis, parseStory(story));
  });
});

test('a hold grows to 10^15 atoms, and not further', async () => {
  const story = `
    grant paid 2000000000000000
    hold h1 999999999999990
    extend h1 11             -> out_of_bounds amount |
    settle h1 999999999999990 part -> settled open
    extend h1 11             -> out_of_bounds amount
    extend h1 10             -> extended total=1000000000000000
    extend h1 1              -> out_of_bounds amount
    extend h1 0 ttl 1h       -> extended
  `;
  await runStory(redis, parseStory(story));
});

test('a wallet has 1,000 grants, live or scheduled; one that ends makes room', async () => {
  const story = [
    ...repeat(600, (no) => `grant g${no} paid 2`),
    ...repeat(400, (no) => `grant s${no} paid 2 from 1h`),
    'grant g0 paid 1       -> out_of_bounds grants',
    'void g7               -> voided',
    'grant g0 paid 1       -> granted',
    'grant paid 1          -> out_of_bounds grants',
    'hold h1 1199          -> approved 0',
    'grant paid 1          -> out_of_bounds grants',
    'settle h1 1199        -> settled',
    'grant paid 1          -> granted',
  ];
  await runStory(redis, parseStory(story.join('\n')), { looksAtEnd: true });
});

test('a hold of 1,000 grants is extended, settled in part, and released', async () => {
  const story = [
    ...repeat(1_000, (no) => `grant g${no} paid 3 priority ${no % 100}`),
    'hold h1 2000          -> approved 1000',
    'hold h2 500           -> approved 500',
    'extend h1 400         -> extended total=2400 100',
    'settle h1 700 part    -> settled held=2200',
    'release h1            -> released released=1700',
    'settle h2 100         -> settled',
    'charge 2200           -> charged 0',
  ];
  await runStory(redis, parseStory(story.join('\n')), { looksAtEnd: true });
});

test('a hold that is extended a thousand times has the sources of one', async () => {
  const story = [
    'grant paid 10000',
    'hold h1 1',
    ...repeat(1_000, () => 'extend h1 1'),
    'release h1 -> released 10000',
  ];
  await runStory(redis, parseStory(story.join('\n')), { looksAtEnd: true });
});

test('more overdue holds than one call expires: the rest keeps its deadlines', async () => {
  const story = [
    'grant paid 150',
    ...repeat(150, (no) => `hold h${no} 1`),
    'to h150',
    'hold big 100          -> approved 0',
    'sweep',
    'charge 50             -> charged 0',
  ];
  await runStory(redis, parseStory(story.join('\n')), { looksAtEnd: true });
});

test('a wallet holds 10,000 times, and is loaded with as many', async () => {
  const scene = newScene(newWallet());
  const { world, ledger } = scene;
  for (let no = 1; no < codes.limit.open_holds; no += 1) {
    const expiresAtMs = world.nowMs + (no <= 3 ? 30_000 : 3_600_000);
    const hold: Hold = {
      ref: `1.${no}`,
      createdAtMs: world.nowMs,
      expiresAtMs,
      legs: legsOf({ asset: 1, amount: 0n }),
      tags: [],
    };
    world.wallet.holds.set(hold.ref, hold);
    ledger.holds.set(hold.ref, hold);
  }
  world.wallet.version = ledger.version = codes.limit.open_holds;
  const story = `
    reload
    hold h1 0              -> approved
    hold h2 0              -> declined too_many_holds
    hold h3 0 shadow       -> shadow_declined too_many_holds
    charge 0               -> charged
    release h1             -> released
    hold h2 0              -> approved
    wait 30s
    hold h3 0              -> approved  | expire_hold expire_hold expire_hold hold
  `;
  await runStory(redis, parseStory(story), { scene, looksAtEnd: true });
});

test('events of grants that have ended do not pile up, and the others are kept', async () => {
  const spent = repeat(60, () => 'grant paid 1 until 1h\ncharge 1').join('\n');
  const scene = await stage(redis, `grant g1 paid 5 until 2h priority 100\n${spent}`);
  const stored = walletKey(scene.wallet);
  const eventBytes = 12;
  const eventsMax = 2 * (1 + codes.limit.due_events) + 1;
  expect(await redis.hstrlen(stored, 'd')).toBeLessThanOrEqual(eventsMax * eventBytes);
  expect(await redis.hexists(stored, 'g1')).toBe(1);
  const end = 'to g1.end\napply_due\napply_due\napply_due';
  for (const { step } of parseStory(end)) await sendAll(redis, play(scene, step).calls);
  expect(await redis.hexists(stored, 'g1')).toBe(0);
  expect(await redis.hstrlen(stored, 'd')).toBe(0);
});
