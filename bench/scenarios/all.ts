// What is measured, and against what; each can be run by its name.
import { measureDrain } from './drain.ts';
import { measureExpiryStorm } from './expiry-storm.ts';
import { measureLatency } from './latency.ts';
import { measureMemory } from './memory.ts';
import { measureCluster } from './cluster.ts';
import { measureProcesses } from './processes.ts';
import { measurePairs, type Side, type Sides } from './pairs.ts';
import { measureTopUps } from './top-ups.ts';
import { measureRedisCost, redisCostWorlds } from './redis-cost.ts';
import {
  amounts,
  authorizeThenSettle,
  batches,
  events,
  holdIdIn,
  settles,
  twice,
  uniqueKey,
  type Choose,
  type Steps,
} from '../requests.ts';
import type { Scenario } from './scenario.ts';
import { worlds, type World } from '../world.ts';
import { anywhere, zipf } from '../choose.ts';

const authorizePath = '/v1/authorize';
const { plain, tenThousand } = worlds;

const floor: Side = {
  what: 'floor',
  load: (bench, connections, durationS) =>
    bench.load(plain, { to: 'floor', connections, durationS, steps: amounts(authorizePath, plain) }),
};

const side = (what: string, world: World, steps: () => Steps, expected: readonly number[] = [200]): Side => ({
  what,
  load: (bench, connections, durationS) => bench.load(world, { connections, durationS, steps: steps(), expected }),
});

const authorize = side('authorize', plain, () => amounts(authorizePath, plain));
const charge = side('charge', plain, () => amounts('/v1/charge', plain));
const pairOf = (what: string, world: World, choose?: () => Choose) =>
  side(what, world, () => authorizeThenSettle(world, choose?.()));

/** Holds are made first, outside the measurement. */
const settle: Side = {
  what: 'settle',
  load: async (bench, connections, durationS) => {
    const holdIds: string[] = [];
    const onReply = (body: string) => void holdIds.push(holdIdIn(body)!);
    await bench.load(plain, { connections: 64, durationS, steps: amounts(authorizePath, plain), onReply });
    return bench.load(plain, { connections, durationS, steps: settles(holdIds) });
  },
};

const batchSize = 100;
/** More would only wait for one another. */
const batchConnections = 4;
const batch: Side = {
  what: `events in batches of ${batchSize}`,
  perRequest: batchSize,
  load: (bench, connections, durationS) =>
    bench.load(worlds.fewPrices, {
      connections: Math.min(connections, batchConnections),
      durationS,
      steps: batches(worlds.fewPrices, batchSize),
    }),
};
const singleEvent = side('events one by one', worlds.fewPrices, () =>
  events('/v1/charge', worlds.fewPrices, uniqueKey),
);

const paired = (
  scenario: Pick<Scenario, 'name' | 'what' | 'isQuick'> & Partial<Pick<Scenario, 'worlds'>>,
  sides: Sides,
): Scenario => ({ worlds: [plain], ...scenario, sides, measure: (bench, run) => measurePairs(bench, run, sides) });

const overFloor = { base: floor, rate: { atLeast: 0.6 }, redis: { atMost: 3.2 } };

export const scenarios: Scenario[] = [
  paired(
    { name: 'authorize', what: 'a plain amount, against the floor', isQuick: true },
    { ...overFloor, subject: authorize },
  ),
  paired(
    { name: 'settle', what: 'of open holds, against the floor', isQuick: true },
    { ...overFloor, subject: settle },
  ),
  paired(
    { name: 'charge', what: 'a plain amount, against the floor', isQuick: true },
    { ...overFloor, subject: charge },
  ),
  paired(
    { name: 'pair', what: 'authorize, then settle, against the floor', isQuick: true },
    { ...overFloor, subject: pairOf('authorize and settle', plain) },
  ),
  paired(
    { name: 'drained', what: 'authorize while a worker carries entries to Postgres', isQuick: true },
    { base: floor, subject: authorize, rate: { atLeast: 0.45 }, isDrained: true },
  ),
  {
    name: 'durable',
    what: 'authorize in class `durable`, against the floor on the same Redis',
    worlds: [plain],
    isQuick: true,
    measure: async (bench, run) => {
      await bench.redis.config('SET', 'appendfsync', 'always');
      try {
        return await measurePairs(bench, run, { base: floor, subject: authorize });
      } finally {
        await bench.redis.config('SET', 'appendfsync', 'everysec');
      }
    },
  },
  {
    name: 'latency',
    what: 'authorize at 70 % of the maximum, and one at a time, against the floor',
    worlds: [plain],
    isQuick: true,
    measure: measureLatency,
  },
  {
    name: 'redis',
    what: 'time in scripts by authorize: one grant, eight, a thousand',
    worlds: redisCostWorlds,
    measure: measureRedisCost,
  },
  paired(
    {
      name: 'priced',
      what: 'an event with three prices, four budgets, two grants, against a plain amount',
      worlds: [plain, worlds.priced],
    },
    {
      base: authorize,
      subject: side('priced', worlds.priced, () => events(authorizePath, worlds.priced)),
      rate: { atLeast: 0.85 },
      redis: { atMost: 1.6 },
    },
  ),
  paired(
    {
      name: 'catalog',
      what: 'an event with a catalog of 10,000 prices, against one of ten',
      worlds: [worlds.fewPrices, worlds.manyPrices],
    },
    {
      base: side('ten prices', worlds.fewPrices, () => events(authorizePath, worlds.fewPrices)),
      subject: side('10,000 prices', worlds.manyPrices, () => events(authorizePath, worlds.manyPrices)),
      rate: { atLeast: 0.97 },
    },
  ),
  paired(
    { name: 'events', what: 'batches of 100 events, against single charges', worlds: [worlds.fewPrices] },
    { base: singleEvent, subject: batch, rate: { atLeast: 8 } },
  ),
  paired(
    { name: 'hot', what: 'authorize and settle on one wallet, against a thousand' },
    {
      base: pairOf('a thousand wallets', plain),
      subject: pairOf('one wallet', plain, () => () => 0),
      rate: { atLeast: 0.9 },
    },
  ),
  paired(
    { name: 'zipf', what: 'authorize and settle, Zipf over 10,000 wallets, against evenly', worlds: [tenThousand] },
    {
      base: pairOf('evenly', tenThousand),
      subject: pairOf('Zipf', tenThousand, () => zipf(tenThousand.customersCount)),
    },
  ),
  paired(
    { name: 'declined', what: 'authorize, every other one declined, against none', worlds: [plain, worlds.halfFunded] },
    {
      base: authorize,
      subject: side('half declined', worlds.halfFunded, () => amounts(authorizePath, worlds.halfFunded), [200, 402]),
    },
  ),
  paired(
    { name: 'duplicates', what: 'each charge twice under one key, against charges with no key' },
    { base: charge, subject: side('every other one a repeat', plain, () => twice(plain)) },
  ),
  {
    name: 'storm',
    what: '100,000 holds due within a second, while others authorize',
    worlds: [tenThousand],
    measure: measureExpiryStorm,
  },
  {
    name: 'drain',
    what: 'half the floor’s rate, a worker beside, stopped, back',
    worlds: [worlds.ledger],
    measure: measureDrain,
  },
  {
    name: 'processes',
    what: 'a gateway of one process, two, four: time by request, of gateway and Redis',
    worlds: [plain],
    measure: measureProcesses,
  },
  {
    name: 'cluster',
    what: 'authorize with wallets in a Redis Cluster of three primaries, against one Redis',
    worlds: [plain],
    measure: measureCluster,
  },
  {
    name: 'top-ups',
    what: 'automatic top-ups, from the request that makes one due to the credit',
    // Made in the midst of it.
    worlds: [],
    measure: measureTopUps,
  },
  {
    name: 'memory',
    what: 'bytes of Redis: wallet, hold, operation, entry',
    // Made in the midst of it.
    worlds: [],
    measure: measureMemory,
  },
  paired(
    {
      name: 'million',
      what: 'authorize and settle over a million wallets, against over a thousand of them',
      worlds: [plain, worlds.million],
    },
    {
      base: pairOf('a thousand wallets', plain),
      subject: pairOf('a million', worlds.million, () => anywhere(worlds.million.customersCount)),
      rate: { atLeast: 0.9 },
    },
  ),
];
