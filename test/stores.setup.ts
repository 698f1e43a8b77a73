// Before all tests: one Postgres for the run, with a template database that has the schema; after them: nothing left.
//
// Whatever a test file starts lies in the run's folder under the system's temporary one, and whatever runs there
// is stopped at the end, even if the file never came to stop it. A run that was killed itself leaves its folder
// behind; the next run stops what still runs in it, and removes it.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import type { TestProject } from 'vitest/node';
import { beganAt } from '../scripts/stores/process.ts';
import { startPostgres, stopLeftPostgres } from '../scripts/stores/postgres.ts';
import { findRedis } from '../scripts/stores/redis-binaries.ts';
import { stopLeftRedis } from '../scripts/stores/redis.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** What `test/stores.ts` needs to know of the run. */
    readonly stores: { readonly folder: string; readonly adminUrl: string; readonly template: string };
  }
}

const PREFIX = 'farebox-test-';
const TEMPLATE = 'farebox_template';
const say = (line: string) => console.log(line);

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await removeLeftRuns();
  const folder = mkdtempSync(join(tmpdir(), PREFIX));
  writeFileSync(join(folder, 'run.json'), JSON.stringify({ pid: process.pid, beganAt: beganAt(process.pid) }));
  const removeOnSignal = () => void removeRun(folder);
  process.once('SIGTERM', removeOnSignal);
  // Files run side by side: where Redis must be fetched first, once is enough.
  await findRedis({ path: process.env['PATH'] ?? '', cacheDir: '.cache', say });
  const server = await startPostgres({ dataDir: join(folder, 'postgres'), database: TEMPLATE, throwaway: true, say });
  await makeTemplate(server.url);
  const adminUrl = server.url.replace(/[^/]*$/, 'postgres');
  project.provide('stores', { folder, adminUrl, template: TEMPLATE });
  return async () => {
    process.removeListener('SIGTERM', removeOnSignal);
    await server.stop();
    await removeRun(folder);
  };
}

async function makeTemplate(url: string): Promise<void> {
  const file = new URL('../src/db/migrate.ts', import.meta.url);
  if (existsSync(file)) {
    const { migrate } = (await import(file.href)) as { migrate: (databaseUrl: string) => Promise<void> };
    await migrate(url);
  }
  const admin = postgres(url.replace(/[^/]*$/, 'postgres'), { max: 1 });
  // A database can be copied only while nobody is connected to it.
  await admin.unsafe(`alter database ${TEMPLATE} with is_template true allow_connections false`);
  await admin`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${TEMPLATE}`;
  await admin.end();
}

async function removeLeftRuns(): Promise<void> {
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(PREFIX))) {
    const folder = join(tmpdir(), name);
    if (isLeft(folder)) await removeRun(folder);
  }
}

function isLeft(folder: string): boolean {
  try {
    const run = JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8')) as { pid: number; beganAt: string };
    return beganAt(run.pid) !== run.beganAt;
  } catch {
    // Another user's, or just being made.
    return false;
  }
}

async function removeRun(folder: string): Promise<void> {
  // A store of a file's own, or the two of a launcher that the file started.
  const folders = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  for (const store of folders.flatMap(({ name }) => [name, join(name, 'redis'), join(name, 'postgres')])) {
    await stopLeftRedis(join(folder, store));
    await stopLeftPostgres(join(folder, store));
  }
  rmSync(folder, { recursive: true, force: true });
}
