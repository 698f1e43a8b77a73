// A disk that is full, for Postgres: its files may grow no more.
//
// Done by the limit on a process's file size, which needs no rights and no disk of its own: Postgres ignores the signal that
// comes with it, and a table that would grow past the limit fails with an error, as when no space is left. The campaign's
// Postgres has a log of small files (postgres.ts), so that tables meet the limit and the log goes on.
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitUntil } from '../../stores/process.ts';
import type { Scenario, Trial } from '../scenario.ts';

const limitBytes = 1_024 * 1_024;
const grownBoundMs = 40_000;

export const diskFull: Scenario = {
  name: 'disk-full',
  fault: 'disk full for Postgres',
  mustHold: '0 missing, 0 twice; authorizing goes on, and all drains once there is space',
  inject: async (trial, rounds) => {
    const { world, random, count, asked, blame } = trial;
    if (!(await waitUntil(() => isGrown(trial), grownBoundMs, 200)))
      return blame({ check: 'scenario', who: 'entries', what: 'did not grow to the limit' });
    for (let round = 0; round < rounds; round += 1) {
      await sleep(random.between(200, 800));
      limitFiles(trial, String(limitBytes));
      count('times full');
      const [before, storedBefore] = [asked(), await storedCount(trial)];
      await sleep(random.between(3_000, 6_000));
      if (asked() === before)
        blame({ check: 'scenario', who: 'gateways', what: 'nothing was asked while the disk was full' });
      const stored = (await storedCount(trial)) - storedBefore;
      // What still fits into pages that are there.
      count('entries stored while full', stored);
      count('refused for want of space', refusedCount(trial));
      limitFiles(trial, 'unlimited');
      if (!isRunning(world.postgres.server().pid)) await world.postgres.restart();
      await sleep(1_000);
    }
    if (refusedCount(trial) === 0) blame({ check: 'scenario', who: 'Postgres', what: 'never lacked space' });
  },
  heal: async (trial) => limitFiles(trial, 'unlimited'),
};

async function isGrown({ world }: Trial): Promise<boolean> {
  const [row] = await world.sql<{ bytes: bigint }[]>`
    select max(pg_relation_size(oid)) as bytes from pg_class where relname like 'entries%' and relkind = 'r'`;
  return (row?.bytes ?? 0n) >= BigInt(limitBytes);
}

async function storedCount({ world }: Trial): Promise<number> {
  const [row] = await world.sql<{ count: bigint }[]>`select count(*) as count from entries`;
  return Number(row?.count ?? 0n);
}

/** Of the postmaster, whose children to come inherit it, and of those that are there. */
function limitFiles({ world }: Trial, limit: string): void {
  const { pid } = world.postgres.server();
  if (!isRunning(pid)) return;
  // As the user that it runs as: root without all of root's rights may not do it, and its owner may.
  const { uid, gid } = statSync(`/proc/${pid}`);
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  for (const process of [String(pid), ...children]) {
    try {
      execFileSync('prlimit', ['--pid', process, `--fsize=${limit}:`], { stdio: 'pipe', uid, gid });
    } catch (error) {
      // A child that has just gone.
      if (process === String(pid)) throw error;
    }
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function refusedCount({ world }: Trial): number {
  const log = readFileSync(`${world.postgres.server().dataDir}/log`, 'utf8');
  return log.split('File too large').length - 1;
}
