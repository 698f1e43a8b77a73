// Redis killed, cut, emptied, put back, or exchanged for a replica that lagged: what it may have lost, recovery brings back.
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { appendOnlyFolder, cutAppendOnlyFile } from '../append-only-file.ts';
import type { Scenario } from '../scenario.ts';
import { holdsNothingBack } from '../world.ts';
import { epochOf, untilOpen } from './until-open.ts';

const nothingLost = '0 acknowledged lost, 0 twice';
const lossesReported = 'no decision on a balance older than the ledger; what was lost is reported';

/**
 * With `everysec` Redis answers, and keeps what it is to append to itself, while a sync of its file is under way: for two
 * seconds at most, on a disk that is busy so long (aof.c, flushAppendOnlyFile). A process that is killed takes that along.
 */
const heldBackMsMax = 2_000;
/** Until the answer of a Redis that was killed is with its client. */
const slackMs = 300;

function killed(name: string, appendonly: 'everysec' | 'always', durability: 'fast' | 'durable'): Scenario {
  const mayHoldBack = appendonly === 'everysec';
  return {
    name,
    fault: `Redis kill -9 and restart (AOF ${appendonly})`,
    mustHold: mayHoldBack
      ? '0 twice; 0 acknowledged lost, but for what Redis held back while its disk was busy, which is reported'
      : nothingLost,
    mayLose: mayHoldBack,
    world: { appendonly, durability },
    inject: async (trial, rounds) => {
      for (let round = 0; round < 2 * rounds; round += 1) {
        await sleep(trial.random.between(400, 1_500));
        const epoch = await epochOf(trial.world);
        const killedAtMs = performance.now();
        await trial.world.server.kill();
        if (mayHoldBack) trial.mayLoseBetween(killedAtMs - heldBackMsMax - slackMs, performance.now() + slackMs);
        trial.count('Redis killed');
        await sleep(trial.random.between(0, 500));
        await trial.world.server.restart();
        await untilOpen(trial, epoch);
      }
      await sleep(800);
    },
  };
}

export const redisKilled: Scenario = killed('redis-killed', 'everysec', 'fast');
export const redisKilledAlways: Scenario = killed('redis-killed-always', 'always', 'durable');

export const bothKilled: Scenario = {
  name: 'redis-and-worker-killed',
  fault: 'worker killed, Redis kill -9 with what nobody drained, both again',
  mustHold: nothingLost,
  world: holdsNothingBack,
  inject: async (trial, rounds) => {
    const { world, random, count } = trial;
    for (let round = 0; round < 2 * rounds; round += 1) {
      await sleep(random.between(300, 1_000));
      await world.workers.shift()?.kill();
      await sleep(random.between(100, 800));
      const epoch = await epochOf(world);
      await world.server.kill();
      await world.server.restart();
      count('both killed');
      await world.addWorker();
      await untilOpen(trial, epoch);
    }
    await sleep(800);
  },
};

const cutBytesMax = 1_024;

function cut(name: string, more: { fault: string; inRecovery: boolean }): Scenario {
  const { fault, inRecovery } = more;
  return {
    name,
    fault,
    mustHold: `nothing half-applied; ${lossesReported}; nothing more is lost at the second restart`,
    mayLose: true,
    inject: async (trial, rounds) => {
      const { world, random, count } = trial;
      for (let round = 0; round < 2 * rounds; round += 1) {
        await sleep(random.between(400, 1_200));
        let epoch = await epochOf(world);
        await world.server.kill();
        cutAppendOnlyFile(join(world.folder, 'redis'), random.between(1, cutBytesMax));
        count('AOF cut');
        await world.server.restart();
        if (inRecovery) {
          await sleep(random.between(0, 1_500));
        } else {
          await untilOpen(trial, epoch);
          await sleep(random.between(300, 800));
          epoch = await epochOf(world);
        }
        await world.server.kill();
        await world.server.restart();
        count('second restarts');
        await untilOpen(trial, epoch);
      }
      await sleep(800);
    },
  };
}

export const aofCut: Scenario = cut('aof-cut', {
  fault: 'AOF cut at a byte of its last kilobyte, then two restarts',
  inRecovery: false,
});
export const aofCutTwice: Scenario = cut('aof-cut-in-recovery', {
  fault: 'the same, the second restart in the midst of recovery',
  inRecovery: true,
});

export const flushed: Scenario = {
  name: 'flushall',
  fault: 'FLUSHALL under load',
  mustHold: lossesReported,
  mayLose: true,
  inject: async (trial, rounds) => {
    for (let round = 0; round < 2 * rounds; round += 1) {
      await sleep(trial.random.between(400, 1_500));
      const epoch = await epochOf(trial.world);
      await trial.world.redis.flushall();
      trial.count('flushes');
      await untilOpen(trial, epoch);
    }
    await sleep(800);
  },
};

export const emptied: Scenario = {
  name: 'redis-empty',
  fault: 'Redis starts empty',
  mustHold: lossesReported,
  mayLose: true,
  inject: async (trial, rounds) => {
    const { world, random, count } = trial;
    for (let round = 0; round < 2 * rounds; round += 1) {
      await sleep(random.between(400, 1_500));
      const epoch = await epochOf(world);
      await world.server.kill();
      rmSync(appendOnlyFolder(join(world.folder, 'redis')), { recursive: true, force: true });
      count('Redis emptied');
      await world.server.restart();
      await untilOpen(trial, epoch);
    }
    await sleep(800);
  },
};

export const putBack: Scenario = {
  name: 'old-snapshot',
  fault: "yesterday's snapshot put back",
  mustHold: lossesReported,
  mayLose: true,
  inject: async (trial, rounds) => {
    const { world, random, count } = trial;
    const kept = join(world.folder, 'yesterday');
    for (let round = 0; round < 2 * rounds; round += 1) {
      await sleep(random.between(400, 1_000));
      // Every other time an even older one, of an epoch that was sealed long ago; else one that passes for today's.
      if (round % 2 === 0) {
        rmSync(kept, { recursive: true, force: true });
        cpSync(appendOnlyFolder(join(world.folder, 'redis')), kept, { recursive: true });
      }
      await sleep(random.between(400, 1_500));
      const epoch = await epochOf(world);
      await world.server.kill();
      rmSync(appendOnlyFolder(join(world.folder, 'redis')), { recursive: true, force: true });
      cpSync(kept, appendOnlyFolder(join(world.folder, 'redis')), { recursive: true });
      count('snapshots put back');
      await world.server.restart();
      await untilOpen(trial, epoch);
    }
    await sleep(800);
  },
};
