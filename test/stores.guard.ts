// Stops what a test run started and removes its folder, once the run has ended: by itself, by Ctrl-C or by kill -9.
//
// A process of its own, since the test runner leaves at the first signal without tidying up. It learns of the end by
// its standard input closing, which no kind of death can prevent.
import { existsSync, readdirSync, rmSync } from 'node:fs';
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

async function removeRun(): Promise<void> {
  // A store of a file's own, or the two of a launcher that the file started.
  const folders = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  for (const store of folders.flatMap(({ name }) => [name, join(name, 'redis'), join(name, 'postgres')])) {
    await stopLeftRedis(join(folder, store));
    await stopLeftPostgres(join(folder, store));
  }
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch (error) {
    // Somebody wrote into it meanwhile: look again.
    if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error;
  }
}
