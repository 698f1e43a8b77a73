// Redis that is full, that forgets its scripts, that stands still; and a rolling deploy.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Scenario } from '../scenario.ts';

export const redisFull: Scenario = {
  name: 'redis-full',
  fault: 'Redis at maxmemory',
  mustHold: 'refusals only; settle, release and expiry go on',
  inject: async ({ world, random, count }, rounds) => {
    for (let round = 0; round < 2 * rounds; round += 1) {
      await sleep(random.between(500, 1_500));
      await world.redis.config('SET', 'maxmemory', '1mb');
      count('times full');
      await sleep(random.between(500, 1_500));
      await world.redis.config('SET', 'maxmemory', '0');
    }
    await sleep(500);
  },
};

export const scriptsFlushed: Scenario = {
  name: 'scripts-flushed',
  fault: 'FUNCTION FLUSH, SCRIPT FLUSH',
  mustHold: 'refusals only',
  inject: async ({ world, random, count }, rounds) => {
    for (let round = 0; round < 20 * rounds; round += 1) {
      await sleep(random.between(20, 300));
      await world.redis.call(random.pick(['FUNCTION', 'SCRIPT']), 'FLUSH');
      count('flushes');
    }
    await sleep(500);
  },
};

export const redisStands: Scenario = {
  name: 'redis-stands',
  fault: 'Redis stands still (SIGSTOP), shorter and longer than its deadline',
  mustHold: '0 lost, 0 twice; unknown outcomes resolve by retry',
  inject: async ({ world, random, count }, rounds) => {
    const { pid } = world.server;
    for (let round = 0; round < 3 * rounds; round += 1) {
      await sleep(random.between(300, 1_000));
      process.kill(pid, 'SIGSTOP');
      count('stops');
      try {
        await sleep(random.between(200, 2_500));
      } finally {
        process.kill(pid, 'SIGCONT');
      }
    }
    await sleep(1_000);
  },
};

export const rolling: Scenario = {
  name: 'rolling-deploy',
  fault: 'gateways and workers stopped in order and replaced, one by one',
  mustHold: '0 lost, 0 twice, no answer is lost',
  isCalm: true,
  inject: async ({ world, random, count, blame }, rounds) => {
    for (let round = 0; round < 2 * rounds; round += 1) {
      await sleep(random.between(300, 1_000));
      const [gateway] = world.gateways;
      await world.addGateway();
      if (gateway) {
        world.gateways.splice(0, 1);
        // Behind a balancer: what it has sent is there before the gateway is told to stop.
        await gateway.client.flushed();
        await exitOf(gateway.process.stop(), gateway.process.name);
      }
      const worker = world.workers.shift();
      await world.addWorker();
      if (worker) await exitOf(worker.stop(), worker.name);
      count('processes replaced', 2);
    }
    await sleep(500);

    async function exitOf(stopped: Promise<{ code: number | null }>, who: string): Promise<void> {
      const { code } = await stopped;
      if (code !== 0) blame({ check: 'scenario', who, what: `left with exit code ${code}` });
    }
  },
};
