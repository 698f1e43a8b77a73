// Workers that are killed or frozen in the midst of what they do, and two of them at the same work.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Scenario } from '../scenario.ts';

const mustHold = '0 lost, 0 twice, the ledger drains to its end';

export const workerKilled: Scenario = {
  name: 'worker-killed',
  fault: 'worker killed',
  mustHold,
  inject: async ({ world, random, count }, rounds) => {
    for (let round = 0; round < 3 * rounds; round += 1) {
      await sleep(random.between(200, 1_500));
      const victim = world.workers.shift();
      await victim?.kill();
      count('workers killed');
      if (random.chance(0.5)) await sleep(random.between(0, 1_500));
      await world.addWorker();
    }
    await sleep(500);
  },
};

export const workerFrozen: Scenario = {
  name: 'worker-frozen',
  fault: 'worker frozen (SIGSTOP), another beside it',
  mustHold,
  world: { workers: 2 },
  inject: async ({ world, random, count }, rounds) => {
    for (let round = 0; round < 2 * rounds; round += 1) {
      await sleep(random.between(200, 900));
      const victim = random.pick(world.workers);
      victim.signal('SIGSTOP');
      count('workers frozen');
      try {
        // Once in a while longer than Postgres lets a transaction idle.
        await sleep(random.between(500, 3_000));
      } finally {
        victim.signal('SIGCONT');
      }
    }
    await sleep(500);
  },
};

export const manyWorkers: Scenario = {
  name: 'many-workers',
  fault: 'four workers at once',
  mustHold,
  world: { workers: 4 },
  inject: async (_, rounds) => sleep(6_000 * rounds),
};
