// Clocks of gateways and workers that are put forward or back by an hour, or stand still, while they run; and put right again.
//
// Money goes by Redis's clock. That one is left alone: all clocks but Redis's being off is Redis's being off against ours.
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { clockSkewMaxMs } from '../../../src/limits.ts';
import { waitUntil } from '../../stores/process.ts';
import type { Scenario, Trial } from '../scenario.ts';
import type { WrongClock } from '../wrong-clock.ts';
import type { Member } from '../world.ts';

const hourMs = 3_600_000;
const faults: readonly (WrongClock & { name: string })[] = [
  { name: 'an hour ahead', offsetMs: hourMs, isFrozen: false },
  { name: 'an hour behind', offsetMs: -hourMs, isFrozen: false },
  { name: 'frozen', offsetMs: 0, isFrozen: true },
];
const right: WrongClock = { offsetMs: 0, isFrozen: false };
const whose = ['one gateway', 'the worker', 'all'] as const;

const roundsPerRun = 4;
/** Gateways look every second. */
const noticedBoundMs = 6_000;
const frozenMs = clockSkewMaxMs + 500;

export const clocks: Scenario = {
  name: 'clocks',
  fault: "clocks ±1 h, frozen: one gateway's, the worker's, all but Redis's; and right again",
  mustHold: 'no early expiry, no lost entry; a gateway that is 5 s off is not ready, the others go on',
  world: { gateways: 1, workers: 1 },
  inject: async (trial, rounds) => {
    const { world, random, count } = trial;
    const hook = fileURLToPath(new URL('../wrong-clock.js', import.meta.url));
    if (!existsSync(hook)) throw new Error(`the clocks' hook is not built: ${hook}`);
    const file = (name: string) => join(world.folder, `clock-${name}`);
    const over = (name: string) => ({ NODE_OPTIONS: `--import=${hook}`, FAREBOX_FAULTS_CLOCK: file(name) });
    const [{ process: first }, worker] = [world.gateways.shift()!, world.workers.shift()!];
    await Promise.all([first.kill(), worker.kill()]);
    const one = await world.addGateway(over('one'));
    const other = await world.addGateway(over('other'));
    await world.addWorker(over('worker'));
    const start = random.between(0, faults.length * whose.length - 1);
    for (let round = 0; round < roundsPerRun * rounds; round += 1) {
      // All nine come by within three runs; neighbours differ in both.
      const at = (start + 4 * round) % (faults.length * whose.length);
      const fault = faults[at % faults.length]!;
      const of = whose[Math.floor(at / faults.length)]!;
      const names = { 'one gateway': ['one'], 'the worker': ['worker'], all: ['one', 'other', 'worker'] }[of];
      const off: readonly Member[] = { 'one gateway': [one], 'the worker': [], all: [one, other] }[of];
      await sleep(random.between(300, 1_000));
      for (const name of names) set(file(name), fault);
      count(`clocks ${fault.isFrozen ? 'frozen' : 'off'}`, names.length);
      if (fault.isFrozen) await sleep(frozenMs);
      for (const gateway of [one, other]) await expectReady(trial, gateway, !off.includes(gateway), fault.name);
      await sleep(random.between(500, 2_000));
      for (const name of names) set(file(name), right);
      for (const gateway of [one, other]) await expectReady(trial, gateway, true, 'right again');
    }
    await sleep(500);
  },
};

/** At once, so that nobody reads half of it. */
function set(file: string, { offsetMs, isFrozen }: WrongClock): void {
  writeFileSync(`${file}.new`, JSON.stringify({ offsetMs, isFrozen }));
  renameSync(`${file}.new`, file);
}

async function expectReady(
  { blame }: Trial,
  { client, process }: Member,
  ready: boolean,
  state: string,
): Promise<void> {
  const expected = ready ? 200 : 503;
  const isSo = async () => (await client.get('/readyz')).status === expected;
  if (await waitUntil(isSo, noticedBoundMs, 50)) return;
  const what = `/readyz is not ${expected} within ${noticedBoundMs / 1_000} s; its clock is ${ready ? 'right' : state}`;
  blame({ check: 'scenario', who: process.name, what });
}
