// A worker that is killed or frozen at each step of what it does: before a request reaches its store, or before the reply
// reaches the worker.
//
// The worker reaches Redis and Postgres through a gate that knows each message by name (test/faults/gate.ts). First it is
// watched at its work; then it is stopped at each message that was seen, one after the other, in an order that the seed
// chooses. What was on its way is lost, or arrives when another worker has long gone on.
import { hash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { startGate, type Gate, type Stopped } from '../../../test/faults/gate.ts';
import type { RoleProcess } from '../../../test/faults/processes.ts';
import type { Random } from '../../../test/faults/seeded.ts';
import { waitUntil } from '../../stores/process.ts';
import { clockKey } from '../../../src/wallet/keys.ts';
import { cursor } from '../../../src/wallet/packed.ts';
import type { Scenario, Trial } from '../scenario.ts';
import { holdsNothingBack } from '../world.ts';
import { epochOf, untilOpen } from './until-open.ts';

const mustHold = '0 lost, 0 twice, the ledger drains to its end; another worker goes on';
const watchedMs = 3_000;
const endMs = 500;
/** In the short selection: each of recovery's costs a restart. */
const briefStepsCounts = { work: 2, recovery: 1 };
/** All steps take a quarter of an hour: a load without pauses would be half a million operations, too many to check. */
const long = { credit: '50', pauseMsMax: 400 };
/** A step of ordinary work comes every few seconds; one of recovery, as soon as Redis is back. */
const reachedBoundMs = 6_000;

type Fate = { readonly isKilled: boolean; readonly frozenMs: number };

/** Beside an ordinary one, workers that are stopped: between them at each step, each at one after the other. */
async function tryEachStep(
  trial: Trial,
  { rounds, victims, fateOf }: { rounds: number; victims: number; fateOf: (random: Random) => Fate },
): Promise<void> {
  const gates = await Promise.all(Array.from({ length: victims }, () => openGate(trial)));
  const gated = await Promise.all(gates.map(async (gate) => ({ gate, victim: await gatedWorker(trial, gate) })));
  for (const gate of gates) gate.watch();
  await sleep(watchedMs);
  const known = [...new Set(gates.flatMap((gate) => gate.steps()))];
  const steps = stepsOf(trial, known, rounds, briefStepsCounts.work);
  await Promise.all(
    gated.map(async ({ gate, victim: first }, no) => {
      let victim = first;
      for (const step of steps.filter((_, turn) => turn % victims === no)) {
        const { isKilled, frozenMs } = fateOf(trial.random);
        const skipped = trial.random.between(0, 2);
        const stopped = await stopAt(trial, gate, victim, { step, skipped, isKilled });
        if (!stopped) continue;
        if (isKilled) {
          await leaveDead(trial, victim, stopped);
          victim = await gatedWorker(trial, gate);
        } else {
          await thaw(trial, victim, stopped, () => sleep(frozenMs));
        }
      }
    }),
  );
  await sleep(endMs);
}

export const workerSteps: Scenario = {
  name: 'worker-each-step',
  fault: 'worker killed or frozen at each step of drain and sweep',
  mustHold,
  isShort: true,
  long,
  inject: (trial, rounds) =>
    tryEachStep(trial, {
      rounds,
      victims: 1,
      fateOf: (random) => ({ isKilled: random.chance(0.7), frozenMs: random.between(300, 2_500) }),
    }),
};

const minuteMs = 60_000;
/** An hour and more: few operations, and few grants, since the checker keeps each version of a wallet with all that it ever had. */
const sparse = { credit: '2000', pauseMsMax: 1_000 };

export const workerFrozenSteps: Scenario = {
  name: 'worker-frozen-each-step',
  fault: 'worker frozen for a minute at each step of drain and sweep',
  mustHold,
  long: sparse,
  // Several at once: a minute each for one after the other would be more than an hour.
  inject: (trial, rounds) =>
    tryEachStep(trial, { rounds, victims: 5, fateOf: () => ({ isKilled: false, frozenMs: minuteMs }) }),
};

/** Recovery's first step and its last. */
const lock = 'postgres select pg_advisory_lock($1) asked';

/** A single worker, stopped at each step of its recovery; another one has to reopen. */
async function tryEachStepOfRecovery(trial: Trial, rounds: number, fateOf: (random: Random) => Fate): Promise<void> {
  const { world, random } = trial;
  await withGate(trial, async (gate) => {
    await world.workers.shift()?.stop();
    let victim = await gatedWorker(trial, gate);
    gate.watch(lock);
    await restartRedis(trial, untilOpen);
    const seen = gate.steps();
    const all = seen.slice(0, seen.findIndex((step) => step.includes('pg_advisory_unlock')) + 2);
    for (const step of stepsOf(trial, all, rounds, briefStepsCounts.recovery)) {
      await sleep(random.between(100, 600));
      const { isKilled, frozenMs } = fateOf(random);
      await restartRedis(
        trial,
        async (_, epoch) => {
          const stopped = await stopAt(trial, gate, victim, { step, skipped: 0, isKilled });
          if (stopped && isKilled) {
            const left = leaveDead(trial, victim, stopped);
            victim = await gatedWorker(trial, gate);
            await untilOpen(trial, epoch);
            await left;
          } else if (stopped) {
            const other = await world.addWorker();
            await thaw(trial, victim, stopped, () => Promise.all([untilOpen(trial, epoch), sleep(frozenMs)]));
            await sleep(random.between(0, 1_500));
            world.workers.splice(world.workers.indexOf(other), 1);
            await other.stop();
          } else {
            await untilOpen(trial, epoch);
          }
        },
        () => gate.watch(lock),
      );
    }
  });
}

export const recoverySteps: Scenario = {
  name: 'recovery-each-step',
  fault: 'worker killed or frozen at each step of recovery',
  mustHold: `${mustHold}, and reopens`,
  world: holdsNothingBack,
  isShort: true,
  long,
  inject: (trial, rounds) =>
    tryEachStepOfRecovery(trial, rounds, (random) => ({ isKilled: random.chance(0.6), frozenMs: 0 })),
};

export const recoveryFrozenSteps: Scenario = {
  name: 'recovery-frozen-each-step',
  fault: 'worker frozen for a minute at each step of recovery',
  mustHold: `${mustHold}, and another reopens`,
  world: holdsNothingBack,
  long: sparse,
  inject: (trial, rounds) => tryEachStepOfRecovery(trial, rounds, () => ({ isKilled: false, frozenMs: minuteMs })),
};

/** Postgres ends a transaction that idles so long, and gives its lane to another worker (src/db/connect.ts). */
const goesOnWithinMs = 45_000;

export const workerFrozenMinute: Scenario = {
  name: 'worker-frozen-minute',
  fault: 'worker frozen for a minute, in the midst of a transaction or of recovery',
  mustHold: `${mustHold} within ${goesOnWithinMs / 1_000} s`,
  world: holdsNothingBack,
  inject: async (trial, rounds) => {
    const { world, random } = trial;
    await withGate(trial, async (gate) => {
      const victim = await gatedWorker(trial, gate);
      for (let round = 0; round < rounds; round += 1) {
        await sleep(random.between(300, 1_500));
        const isInRecovery = random.chance(0.5);
        const epoch = await epochOf(world);
        if (isInRecovery) {
          // Alone, it is the one that recovers.
          await world.workers.splice(0, 1)[0]?.stop();
          await world.server.kill();
          await world.server.restart();
        }
        gate.watch();
        const step = isInRecovery ? lock.replace('asked', 'answered') : 'postgres begin asked';
        const stopped = await stopAt(trial, gate, victim, { step, skipped: 0, isKilled: false });
        if (isInRecovery) await world.addWorker();
        if (!stopped) continue;
        const frozenAtMs = performance.now();
        trial.count(isInRecovery ? 'minutes frozen in recovery' : 'minutes frozen in a transaction');
        await thaw(trial, victim, stopped, async () => {
          if (isInRecovery) await untilOpen(trial, epoch, goesOnWithinMs);
          await expectDrained(trial);
          await sleep(Math.max(0, frozenAtMs + minuteMs - performance.now()));
        });
        await sleep(1_000);
      }
    });
  },
};

async function withGate(trial: Trial, work: (gate: Gate) => Promise<void>): Promise<void> {
  await work(await openGate(trial));
  await sleep(endMs);
}

async function openGate({ world }: Trial): Promise<Gate> {
  const gate = await startGate({ redisUrl: world.server.url, databaseUrl: world.env['DATABASE_URL'] ?? '' });
  // Once everything has been checked, and those behind it are gone.
  world.onClose(gate.stop);
  return gate;
}

function gatedWorker({ world }: Trial, { redisUrl, databaseUrl }: Gate): Promise<RoleProcess> {
  return world.addWorker({ REDIS_URL: redisUrl, DATABASE_URL: databaseUrl });
}

function stepsOf(
  { random, isBrief, part, count }: Trial,
  all: readonly string[],
  rounds: number,
  briefCount: number,
): string[] {
  count('steps known', all.length);
  if (isBrief) return shuffled(random, all).slice(0, briefCount);
  // By name, since each run may know of a few that others do not.
  const own = all.filter((step) => Number.parseInt(hash('sha256', step).slice(0, 8), 16) % part.of === part.no - 1);
  return Array.from({ length: rounds }, () => shuffled(random, own)).flat();
}

function shuffled(random: Random, all: readonly string[]): string[] {
  return all
    .map((one) => ({ one, place: random.next() }))
    .sort((a, b) => a.place - b.place)
    .map(({ one }) => one);
}

/** Stops the victim in the moment in which it comes to the step; undefined: it did not come to it. */
async function stopAt(
  { count }: Trial,
  gate: Gate,
  victim: RoleProcess,
  { step, skipped, isKilled }: { step: string; skipped: number; isKilled: boolean },
): Promise<Stopped | undefined> {
  const reached = new Promise<Stopped>((resolve) => {
    gate.stopAt(step, skipped, (stopped) => {
      victim.signal(isKilled ? 'SIGKILL' : 'SIGSTOP');
      resolve(stopped);
    });
  });
  const stopped = await Promise.race([reached, sleep(reachedBoundMs, undefined, { ref: false })]);
  gate.forget();
  count(!stopped ? 'steps that did not come' : isKilled ? 'workers killed' : 'workers frozen');
  return stopped;
}

/** What it sent last is lost with it, or arrives when others have gone on. */
async function leaveDead({ world, random }: Trial, victim: RoleProcess, stopped: Stopped): Promise<void> {
  world.workers.splice(world.workers.indexOf(victim), 1);
  const isLate = random.chance(0.5);
  const lateMs = random.between(0, 3_000);
  await victim.kill();
  if (!isLate) return stopped.drop();
  await sleep(lateMs);
  stopped.pass();
}

/** Its message arrives while it stands, or after. */
async function thaw({ random }: Trial, victim: RoleProcess, stopped: Stopped, meanwhile: () => Promise<unknown>) {
  const isEarly = random.chance(0.5);
  if (isEarly) stopped.pass();
  try {
    await meanwhile();
  } finally {
    victim.signal('SIGCONT');
  }
  if (!isEarly) stopped.pass();
}

async function restartRedis(
  trial: Trial,
  whenBack: (trial: Trial, epoch: number) => Promise<void>,
  whenDown: () => void = () => {},
): Promise<void> {
  const { world, count } = trial;
  const epoch = await epochOf(world);
  await world.server.kill();
  count('Redis killed');
  whenDown();
  const back = whenBack(trial, epoch);
  await Promise.all([world.server.restart(), back]);
}

/** What Redis has written by now reaches the ledger, whoever stands. */
async function expectDrained({ world, blame }: Trial): Promise<void> {
  const { sql, redis } = world;
  const now = await sql<{ partition: number; epoch: number }[]>`select partition, epoch from partitions`;
  const ends = new Map<string, bigint>();
  for (const { partition, epoch } of now) {
    const packed = await redis.getBuffer(clockKey(partition));
    if (packed) ends.set(`${partition}.${epoch}`, BigInt(cursor(packed).whole()));
  }
  const isDone = async () => {
    const rows = await sql<
      { partition: number; epoch: number; seq: bigint }[]
    >`select partition, epoch, seq from partitions`;
    return rows.every(({ partition, epoch, seq }) => seq >= (ends.get(`${partition}.${epoch}`) ?? 0n));
  };
  if (!(await waitUntil(isDone, goesOnWithinMs, 200)))
    blame({ check: 'scenario', who: 'drain', what: `stands for ${goesOnWithinMs / 1_000} s while a worker stands` });
}
