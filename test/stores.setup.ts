// Before all tests: one Postgres for the run, with a template database that has the schema; after them: nothing left.
//
// Whatever a test file starts lies in the run's folder: in memory where there is room, otherwise under the system's temporary
// one. A guard stops what runs there and removes it, at the end of the run or when the run is no more.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, statfsSync } from 'node:fs';
import { freemem, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import postgres from 'postgres';
import type { TestProject } from 'vitest/node';
import { startPostgres } from '../scripts/stores/postgres.ts';
import { findRedis } from '../scripts/stores/redis-binaries.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** What `test/stores.ts` needs to know of the run. */
    readonly stores: { readonly folder: string; readonly adminUrl: string; readonly template: string };
  }
}

const TEMPLATE = 'farebox_template';
const say = (line: string) => console.log(line);

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  // One for all files, which run in processes of their own: see test/faults/seeded.ts.
  const seed = (process.env['FAULT_SEED'] ??= String(Math.floor(Math.random() * 2 ** 31)));
  say(`random cases: FAULT_SEED=${seed} npm test tries the same ones again, FAULT_ROUNDS=6 all of them`);
  const folder = mkdtempSync(join(roomyFolder(), 'farebox-test-'));
  const removeRun = guard(folder);
  try {
    // Files run side by side: where Redis must be fetched first, once is enough.
    await findRedis({ path: process.env['PATH'] ?? '', cacheDir: '.cache', say });
    const server = await startPostgres({
      dataDir: join(folder, 'postgres'),
      database: TEMPLATE,
      throwaway: true,
      // Files run side by side, each with workers and gateways.
      settings: { max_connections: '300' },
      say,
    });
    await makeTemplate(server.url);
    project.provide('stores', { folder, adminUrl: onDatabase(server.url, 'postgres'), template: TEMPLATE });
  } catch (error) {
    await removeRun();
    throw error;
  }
  return removeRun;
}

const inMemory = '/dev/shm';
const roomBytes = 8 * 2 ** 30;

/**
 * A Redis that keeps a file stands still for up to two seconds while a busy disk syncs it, which is longer than a command
 * waits: in memory no test meets that which is not about it.
 */
function roomyFolder(): string {
  if (!existsSync(inMemory)) return tmpdir();
  const { bavail, bsize } = statfsSync(inMemory);
  return Math.min(bavail * bsize, freemem()) > roomBytes ? inMemory : tmpdir();
}

function guard(folder: string): () => Promise<void> {
  const file = fileURLToPath(new URL('stores.guard.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', file, folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  return async () => {
    child.stdin.end('done');
    if ((await exited) !== 0) throw new Error(`the stores in ${folder} did not stop`);
  };
}

async function makeTemplate(url: string): Promise<void> {
  const file = new URL('../src/db/migrate.ts', import.meta.url);
  if (existsSync(file)) {
    const { migrate } = (await import(file.href)) as { migrate: (databaseUrl: string) => Promise<void> };
    await migrate(url);
  }
  const admin = postgres(onDatabase(url, 'postgres'), { max: 1 });
  // A database can be copied only while nobody is connected to it.
  await admin.unsafe(`alter database ${TEMPLATE} with is_template true allow_connections false`);
  await admin`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${TEMPLATE}`;
  await admin.end();
}

function onDatabase(url: string, database: string): string {
  return url.replace(/[^/]*$/, database);
}
