// Redis fails over to a replica that lagged, while the old primary still serves who has not heard of it.
//
// One gateway and one worker hear of the failover late, at an instant of the seed's choosing: until then the old primary
// takes their calls, and says yes to them. In class `fast` that and what the replica lacked is lost, and must be reported;
// in class `replicated` it may be lost where the answer said `unconfirmed`.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pair } from '../pair.ts';
import type { Scenario, Trial } from '../scenario.ts';
import { epochOf, untilOpen } from './until-open.ts';

const lagsMs = [0, 500, 3_000];
const hearsLateMsMax = 2_500;
/** Bytes on their way through ports and event loops of a busy machine; and an answer that waited for a replica, twice. */
const slackMs = 300;
const answerMsMax = 1_200;

function failover(name: string, durability: 'fast' | 'replicated', mustHold: string): Scenario {
  return {
    name,
    fault: `failover to a replica that lagged 0, 0.5, 3 s; the old primary still serves (class ${durability})`,
    mustHold,
    mayLose: true,
    keepsConfirmed: durability === 'replicated',
    world: { paired: true, durability },
    inject: async (trial, rounds) => {
      const { world, random, count } = trial;
      const pair = pairOf(trial);
      const late = { REDIS_URL: pair.lateUrl, QUEUE_REDIS_URL: pair.lateUrl };
      await Promise.all([world.addGateway(late), world.addWorker(late)]);
      const first = random.between(0, lagsMs.length - 1);
      for (let round = 0; round < (trial.isBrief ? 1 : lagsMs.length) * rounds; round += 1) {
        const lagMs = lagsMs[(first + round) % lagsMs.length]!;
        await sleep(random.between(400, 1_200));
        pair.lag(lagMs);
        await sleep(lagMs + random.between(0, 700));
        const epoch = await epochOf(world);
        const failedAtMs = performance.now();
        await pair.failOver();
        count('failovers');
        await sleep(random.between(0, hearsLateMsMax));
        pair.tellLatecomers();
        trial.mayLoseBetween(failedAtMs - lagMs - slackMs, performance.now() + answerMsMax);
        await pair.rejoin();
        await untilOpen(trial, epoch);
      }
      await sleep(800);
    },
  };
}

export const failedOver = failover(
  'failover',
  'fast',
  'what is lost was acknowledged within the lag, or by the old primary, and is reported; no row of the old epoch after sealing',
);
export const failedOverReplicated = failover(
  'failover-replicated',
  'replicated',
  'what is not marked unconfirmed loses 0; no row of the old epoch after sealing',
);

export const failedBack: Scenario = {
  name: 'failover-and-back',
  fault: 'failover to a replica that lagged, and back again before a worker has looked',
  mustHold: 'no decision on a balance older than the ledger; what was lost is reported',
  mayLose: true,
  world: { paired: true },
  inject: async (trial, rounds) => {
    const { world, random, count } = trial;
    const pair = pairOf(trial);
    for (let round = 0; round < 2 * rounds; round += 1) {
      await sleep(random.between(400, 1_200));
      pair.lag(random.pick([500, 3_000]));
      await sleep(random.between(500, 3_500));
      const epoch = await epochOf(world);
      for (const worker of world.workers) worker.signal('SIGSTOP');
      try {
        for (const _ of ['there', 'and back']) {
          await pair.failOver();
          pair.tellLatecomers();
          await pair.rejoin();
          count('failovers');
        }
        // Gateways have looked.
        await sleep(random.between(500, 2_000));
      } finally {
        for (const worker of world.workers) worker.signal('SIGCONT');
      }
      await untilOpen(trial, epoch);
    }
    await sleep(800);
  },
};

function pairOf({ world: { pair } }: Trial): Pair {
  if (!pair) throw new Error('this scenario needs a replica');
  return pair;
}
