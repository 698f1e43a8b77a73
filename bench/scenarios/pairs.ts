// Closed loop: base and subject take turns (A B A B …), so that a machine that gets slower slows both.
import type { Bench } from '../bench.ts';
import type { Measured } from '../load.ts';
import { compared, type Figure, type Outcome, type Run, type Wanted } from './scenario.ts';

export type Side = {
  /** For people. */
  what: string;
  load: (bench: Bench, connections: number, seconds: number) => Promise<Measured>;
  /** What counts as many: the events of a batch. Default: 1. */
  perRequest?: number;
};

export type Sides = {
  base: Side;
  subject: Side;
  /** Wanted at 64 connections. */
  rate?: Wanted;
  /** Of Redis's time in scripts. */
  redis?: Wanted;
  /** Whether the worker carries entries to Postgres meanwhile. */
  isDrained?: boolean;
};

type Pair = { base: Measured; subject: Measured };

const mainConnections = 64;

export async function measurePairs(bench: Bench, run: Run, sides: Sides): Promise<Outcome> {
  const figures: Figure[] = [];
  const raw: unknown[] = [];
  for (const connections of run.connections) {
    const pairs: Pair[] = [];
    for (let no = 1; no <= run.pairs; no += 1) {
      const base = await measureSide(bench, run, { ...sides, side: sides.base, connections });
      const subject = await measureSide(bench, run, { ...sides, side: sides.subject, connections });
      pairs.push({ base, subject });
      const both = `${sides.base.what} ${perSecond(base)}, ${sides.subject.what} ${perSecond(subject)}`;
      const ratio = (subject.requestsPerSecond / base.requestsPerSecond).toFixed(2);
      run.say(`  × ${connections}, pair ${no} of ${run.pairs}: ${both}, ratio ${ratio}`);
    }
    figures.push(...figuresOf(sides, connections, pairs));
    raw.push({ connections, base: sides.base.what, subject: sides.subject.what, pairs });
  }
  return { figures, raw };
}

async function measureSide(
  bench: Bench,
  run: Run,
  { side, connections, isDrained = false }: { side: Side; connections: number; isDrained?: boolean },
): Promise<Measured> {
  if (isDrained) bench.worker.thaw();
  const measured = await side.load(bench, connections, run.seconds);
  await bench.emptyOutboxes();
  const each = side.perRequest ?? 1;
  const cpuUs = Object.fromEntries(Object.entries(measured.cpuUs).map(([name, us]) => [name, us / each]));
  return {
    ...measured,
    requestsPerSecond: measured.requestsPerSecond * each,
    redisUs: measured.redisUs / each,
    cpuUs,
  };
}

function figuresOf(sides: Sides, connections: number, pairs: Pair[]): Figure[] {
  const of = (value: (measured: Measured) => number) =>
    pairs.map(({ base, subject }) => ({ base: value(base), subject: value(subject) }));
  const isMain = connections === mainConnections;
  const rate = compared(
    `rate, ${connections} connections: ${sides.subject.what} ÷ ${sides.base.what}`,
    '/s',
    of(({ requestsPerSecond }) => requestsPerSecond),
    isMain ? sides.rate : undefined,
  );
  if (!isMain) return [rate];
  const redis = compared(
    'Redis, in scripts',
    'µs',
    of(({ redisUs }) => redisUs),
    sides.redis,
  );
  const whole = compared(
    'Redis, its whole process',
    'µs',
    of(({ cpuUs }) => cpuUs['redis']!),
  );
  return [rate, redis, whole];
}

function perSecond({ requestsPerSecond }: Measured): string {
  return `${Math.round(requestsPerSecond).toLocaleString('en')}/s`;
}
