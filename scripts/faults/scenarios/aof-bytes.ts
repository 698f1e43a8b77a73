// The append-only file of one kill, cut at one byte after the other of its last kilobyte; each cut on copies of its own.
//
// With `everysec` a machine that goes down loses what was not written yet, acknowledged or not: the file ends anywhere.
// With `always` a reply leaves when the file is on disk, so what a machine can tear is only what nobody has been told of.
// There the replies of all gateways are dropped before the kill, and only what was appended from then on is cut.
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitUntil } from '../../stores/process.ts';
import { appendOnlyFile } from '../append-only-file.ts';
import { copiesOf } from '../copy-database.ts';
import type { Scenario, Trial } from '../scenario.ts';
import { tryCut, type Torn } from '../try-cut.ts';
import { epochOf, untilOpen } from './until-open.ts';

const cutBytesMax = 1_024;
/** Of a run of one round: `--rounds 100` takes all of them. */
const cutsPerRound = 11;
const cutsShownEvery = 100;
/** Gateways look every second, and say then what they have acknowledged. */
const reportedWithinMs = 2_500;
const appendedBoundMs = 10_000;

function everyByte(name: string, appendonly: 'everysec' | 'always', mustHold: string): Scenario {
  const isAlways = appendonly === 'always';
  return {
    name,
    fault: `AOF (${appendonly}) cut at every byte of its last kilobyte, then two restarts, each on copies`,
    mustHold,
    world: { appendonly, durability: isAlways ? 'durable' : 'fast', proxied: isAlways },
    inject: async (trial, rounds) => {
      const { world, random, count } = trial;
      await sleep(random.between(1_500, 3_000));
      const epoch = await epochOf(world);
      const unheardBytes = isAlways ? await untilUnheard(trial) : Infinity;
      await world.server.kill();
      world.proxy?.follow(undefined);
      count('entries in the last kilobyte', entriesAtEnd(join(world.folder, 'redis')));
      await sleep(reportedWithinMs);
      for (const role of [...world.workers.splice(0), ...world.gateways.splice(0).map(({ process }) => process)]) {
        await role.kill();
      }
      await tryCuts(trial, { appendonly, unheardBytes, cutsMax: cutsPerRound * rounds });
      await world.server.restart();
      await world.addWorker();
      await Promise.all([world.addGateway(), world.addGateway()]);
      await untilOpen(trial, epoch);
      await sleep(500);
    },
  };
}

export const aofBytes: Scenario = everyByte(
  'aof-every-byte',
  'everysec',
  'nothing half-applied; what was lost is reported; nothing lost at the second restart',
);
export const aofBytesAlways: Scenario = everyByte(
  'aof-every-byte-always',
  'always',
  'nothing half-applied; 0 lost, also at the second restart',
);

/** From some instant on nobody hears anything. Returns how much was appended after it. */
async function untilUnheard({ world }: Trial): Promise<number> {
  const file = () => appendOnlyFile(join(world.folder, 'redis'));
  world.proxy?.follow(() => ({ kind: 'drop_reply' }));
  // Calls that were on their way then are answered still.
  await sleep(200);
  const heardBytes = statSync(file()).size;
  await waitUntil(() => statSync(file()).size > heardBytes + cutBytesMax, appendedBoundMs, 1);
  return statSync(file()).size - heardBytes;
}

function entriesAtEnd(dataDir: string): number {
  return readFileSync(appendOnlyFile(dataDir)).subarray(-cutBytesMax).toString('latin1').split('XADD').length - 1;
}

async function tryCuts(
  trial: Trial,
  { appendonly, unheardBytes, cutsMax }: { appendonly: Torn['appendonly']; unheardBytes: number; cutsMax: number },
): Promise<void> {
  const { world, random, count, blame, say, requests } = trial;
  const { folder, environmentId, postgres } = world;
  const copies = await copiesOf(postgres, world.env['DATABASE_URL'] ?? '');
  const torn: Torn = {
    ...{ appendonly, copies, environmentId, dataDir: join(folder, 'redis') },
    mayLose: appendonly !== 'always',
    customers: [...new Set(requests.map(({ customerId }) => customerId))],
    requests: requests.filter(({ attempts }) => attempts.length > 0),
  };
  const choice = Array.from({ length: Math.min(cutBytesMax, unheardBytes) }, (_, at) => at + 1);
  while (choice.length > cutsMax) choice.splice(random.between(0, choice.length - 1), 1);
  let done = 0;
  const work = async (dataDir: string) => {
    for (let bytes = choice.shift(); bytes !== undefined; bytes = choice.shift()) {
      const { lost, reported, violations } = await tryCut(torn, bytes, dataDir);
      count('cuts');
      count('lost by cuts', lost);
      count('reported lost after cuts', reported);
      for (const { check, who, what } of violations) blame({ check, who, what: `${bytes} bytes cut off: ${what}` });
      done += 1;
      if (done % cutsShownEvery === 0) say(`        ${done} cuts`);
    }
  };
  try {
    await Promise.all(['torn', 'torn-too'].map((name) => work(join(folder, name))));
  } finally {
    await copies.close();
  }
}
