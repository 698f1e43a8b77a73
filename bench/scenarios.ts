// What is measured, and against what: each scenario has a base that takes turns with it in the same run.
import type { Measured } from './load.ts';
import { amounts, events, settles } from './requests.ts';
import type { Bench } from './servers.ts';
import { worlds, type World } from './world.ts';

export type Scenario = {
  name: string;
  /** What the base is, for the report. */
  against: string;
  worlds: readonly World[];
  /** What is wanted of the ratio of rates, at 64 connections; and at most of the ratio of Redis's time. */
  bar: { rate: number; redis?: number };
  base: Run;
  subject: Run;
};

type Run = (bench: Bench, connections: number, seconds: number) => Promise<Measured>;

const authorizePath = '/v1/authorize';

const floor: Run = (bench, connections, seconds) =>
  bench.load(worlds.plain, { url: bench.floorUrl, connections, durationS: seconds, next: amounts(authorizePath) });

const plain: Run = (bench, connections, seconds) =>
  bench.load(worlds.plain, { connections, durationS: seconds, next: amounts(authorizePath) });

const priced =
  (world: World): Run =>
  (bench, connections, seconds) =>
    bench.load(world, { connections, durationS: seconds, next: events(authorizePath, world) });

const charge: Run = (bench, connections, seconds) =>
  bench.load(worlds.plain, { connections, durationS: seconds, next: amounts('/v1/charge') });

/** Holds are made first, outside the measurement. */
const settle: Run = async (bench, connections, seconds) => {
  const holdIds: string[] = [];
  await bench.load(worlds.plain, {
    connections: 64,
    durationS: seconds,
    next: amounts(authorizePath),
    onReply: (status, body) => {
      if (status === 200) holdIds.push((JSON.parse(body) as { id: string }).id);
    },
  });
  return bench.load(worlds.plain, { connections, durationS: seconds, next: settles(holdIds) });
};

const againstFloor = { against: 'floor', worlds: [worlds.plain], bar: { rate: 0.6, redis: 3.2 }, base: floor };

export const scenarios: Scenario[] = [
  { ...againstFloor, name: 'authorize', subject: plain },
  { ...againstFloor, name: 'settle', subject: settle },
  { ...againstFloor, name: 'charge', subject: charge },
  {
    name: 'priced',
    against: 'authorize',
    worlds: [worlds.plain, worlds.priced],
    bar: { rate: 0.85, redis: 1.6 },
    base: plain,
    subject: priced(worlds.priced),
  },
  {
    name: 'catalog',
    against: 'ten prices',
    worlds: [worlds.fewPrices, worlds.manyPrices],
    bar: { rate: 0.97 },
    base: priced(worlds.fewPrices),
    subject: priced(worlds.manyPrices),
  },
];
