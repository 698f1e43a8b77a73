// Stops what a test run started and removes its folder, once the run has ended: by itself, by Ctrl-C or by kill -9.
//
// A process of its own, since the test runner leaves at the first signal without tidying up. It learns of the end by
// its standard input closing, which no kind of death can prevent.
import { type Dirent, existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stopLeftPostgres } from '../scripts/stores/postgres.ts';
import { stopLeftRedis } from '../scripts/stores/redis.ts';

// After a sudden end the run's other processes still need a moment to notice it, and may start something until then.
const GRACE_MS = 1_500;
const ATTEMPTS_MAX = 5;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});

let isOrderly = false;
for await (const word of process.stdin) isOrderly = String(word).includes('done');
const folder = process.argv[2] ?? '';
for (let attempt = 0; attempt < ATTEMPTS_MAX && existsSync(folder); attempt++) {
  if (!isOrderly) await sleep(GRACE_MS);
  await removeRun();
}
process.exit(existsSync(folder) ? 1 : 0);

function pathOf({ parentPath, name }: Dirent): string {
  return join(parentPath, name);
}

function foldersIn(path: string): Dirent[] {
  return readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory());
}

async function removeRun(): Promise<void> {
  // A store of a file's own, the two of a launcher that the file started, or the nodes of a cluster.
  for (const store of foldersIn(folder).flatMap((entry) => [entry, ...foldersIn(pathOf(entry))])) {
    await stopLeftRedis(pathOf(store));
    await stopLeftPostgres(pathOf(store));
  }
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch (error) {
    // Somebody wrote into it meanwhile: look again.
    if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error;
  }
}
