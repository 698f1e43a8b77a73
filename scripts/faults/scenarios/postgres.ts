// Postgres killed, silent, locked, and answering a commit that nobody hears of.
import { setTimeout as sleep } from 'node:timers/promises';
import { waitUntil } from '../../stores/process.ts';
import { readBehind } from '../behind.ts';
import { isYes, type Request } from '../history.ts';
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

const awayMs = 600_000;
const awayBriefMs = 20_000;
const lookEveryMs = 5_000;
const catchUpBoundMs = 300_000;
/** Under load the last second's entries are always on their way. */
const entriesOnTheWay = 200;
const spending: ReadonlySet<Request['kind']> = new Set(['authorize', 'charge', 'settle', 'release']);

export const postgresAway: Scenario = {
  name: 'postgres-away',
  fault: 'Postgres away for ten minutes',
  mustHold: 'authorizing goes on all the time; then all drains, in order, 0 missing, 0 twice',
  long: { credit: '1000000', pauseMsMax: 300 },
  inject: async ({ world, requests, count, blame, isBrief }) => {
    await sleep(2_000);
    await world.postgres.kill();
    const backAtMs = performance.now() + (isBrief ? awayBriefMs : awayMs);
    let from = requests.length;
    while (performance.now() < backAtMs) {
      await sleep(lookEveryMs);
      const kinds = new Set(
        requests
          .slice(from)
          .flatMap(({ kind, attempts }) => (attempts.some(({ reply }) => isYes(reply)) ? [kind] : [])),
      );
      from = requests.length;
      for (const kind of spending) {
        if (!kinds.has(kind))
          blame({ check: 'scenario', who: kind, what: 'was not answered with yes for five seconds' });
      }
      count('looks while it was away');
    }
    await world.postgres.restart();
    const restartedMs = performance.now();
    let waited = 0;
    const isCaughtUp = async () => {
      // A connection that Postgres took along with it is noticed now.
      const behind = await readBehind(world).catch(() => undefined);
      waited = Math.max(waited, behind?.entries ?? 0);
      return behind !== undefined && behind.entries < entriesOnTheWay;
    };
    if (!(await waitUntil(isCaughtUp, catchUpBoundMs, 100))) {
      blame({ check: 'scenario', who: 'drain', what: 'is behind for five minutes' });
    }
    count('entries that waited', waited);
    count('ms until caught up', Math.round(performance.now() - restartedMs));
    await sleep(1_000);
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

/** Longer than a drain waits for its checkpoints (src/db/append.ts). */
const longLockMs = 6_000;

export const lockTimeout: Scenario = {
  name: 'lock-timeout',
  fault: 'checkpoints and wallets locked by somebody else',
  mustHold,
  inject: async ({ world, random, count }, rounds) => {
    for (let round = 0; round < 2 * rounds; round += 1) {
      await sleep(random.between(300, 1_000));
      // Every other lock outlasts whoever waits for it.
      const isLong = round % 2 === 1;
      const table = isLong ? 'partitions' : random.pick(['partitions', 'wallets', 'customers']);
      await world.sql.begin(async (transaction) => {
        await transaction`select 1 from ${transaction(table)} for update`;
        count('tables locked');
        if (isLong) count('of them for longer than a drain waits');
        await sleep(random.between(1_000, 3_500) + (isLong ? longLockMs : 0));
      });
    }
    await sleep(500);
  },
};
