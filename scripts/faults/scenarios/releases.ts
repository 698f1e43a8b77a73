// Two releases with different scripts on the same stores: side by side under load, and then rolling from one to the other.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { libraryHash } from '../../../src/wallet/scripts.gen.ts';
import { plant } from '../planted/plant.ts';
import type { Scenario } from '../scenario.ts';

export const twoReleases: Scenario = {
  name: 'two-releases',
  fault: 'two releases with different scripts side by side, then rolling over, and back',
  mustHold: '0 lost, 0 twice, no answer is lost',
  isCalm: true,
  inject: async ({ world, random, count, blame }, rounds) => {
    // The same scripts under another name, as after a change in any of them.
    const nextHash = libraryHash.split('').reverse().join('');
    const change = { file: 'wallet/scripts.gen.js', from: libraryHash, to: nextHash, everywhere: true } as const;
    const next = plant(join(world.folder, 'next-release'), [change]);
    for (const main of Array.from({ length: rounds }, () => [next, world.main]).flat()) {
      const leaving = [...world.gateways, ...world.workers];
      await world.addWorker({}, main);
      for (let i = 0; i < 2; i += 1) await world.addGateway({}, main);
      await sleep(random.between(1_500, 3_000));
      for (const member of leaving) {
        const left = 'process' in member ? member.process : member;
        if ('process' in member) world.gateways.splice(world.gateways.indexOf(member), 1);
        else world.workers.splice(world.workers.indexOf(member), 1);
        if ('client' in member) await member.client.flushed();
        const { code } = await left.stop();
        if (code !== 0) blame({ check: 'scenario', who: left.name, what: `left with exit code ${code}` });
        count('processes replaced');
      }
    }
    const libraries = (await world.redis.call('FUNCTION', 'LIST')) as string[][];
    const names = libraries.map(([, name]) => name);
    for (const hash of [libraryHash, nextHash]) {
      if (!names.includes(`farebox_${hash}`))
        blame({ check: 'scenario', who: 'Redis', what: `has no library ${hash}` });
    }
    await sleep(500);
  },
};
