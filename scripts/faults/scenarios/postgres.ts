// Postgres killed, silent, locked, and answering a commit that nobody hears of.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Scenario } from '../scenario.ts';

const mustHold = '0 missing, 0 twice; authorizing goes on';

export const postgresKilled: Scenario = {
  name: 'postgres-killed',
  fault: 'Postgres killed and started again',
  mustHold,
  inject: async ({ world, random, count, asked, blame }, rounds) => {
    for (let round = 0; round < 2 * rounds; round += 1) {
      await sleep(random.between(500, 1_500));
      await world.postgres.kill();
      count('Postgres killed');
      const before = asked();
      await sleep(random.between(500, 2_500));
      if (asked() === before) {
        blame({ check: 'scenario', who: 'gateways', what: 'nothing was asked while Postgres was away' });
      }
      await world.postgres.restart();
    }
    await sleep(1_500);
  },
};

export const commitUnheard: Scenario = {
  name: 'commit-unheard',
  fault: 'commit whose reply is lost; connections cut at any byte',
  mustHold,
  inject: async ({ world, random, count }, rounds) => {
    for (let round = 0; round < 12 * rounds; round += 1) {
      await sleep(random.between(50, 600));
      world.postgres.port.cut();
      count('connections cut');
    }
    await sleep(1_000);
  },
};

export const lockTimeout: Scenario = {
  name: 'lock-timeout',
  fault: 'checkpoints and wallets locked by somebody else',
  mustHold,
  inject: async ({ world, random, count }, rounds) => {
    for (let round = 0; round < 2 * rounds; round += 1) {
      await sleep(random.between(300, 1_000));
      const table = random.pick(['partitions', 'wallets', 'customers']);
      await world.sql.begin(async (transaction) => {
        await transaction`select 1 from ${transaction(table)} for update`;
        count('tables locked');
        await sleep(random.between(1_000, 3_500));
      });
    }
    await sleep(500);
  },
};
