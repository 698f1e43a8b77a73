// Where the ledger is: what DATABASE_URL names, else the Postgres that a running launcher has started.
//
// The launcher keeps no URL, but its Postgres keeps all that makes one: port and state in its pid file, the password beside it.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { advice } from '../stores/advice.ts';

export function findDatabase(env: NodeJS.ProcessEnv): string {
  const given = env['DATABASE_URL']?.trim();
  if (given) return given;
  const dataDir = resolve(env['FAREBOX_DATA_DIR']?.trim() || '.data');
  for (const folder of foldersOf(join(dataDir, 'postgres'))) {
    const url = urlOf(folder);
    if (url !== undefined) return url;
  }
  throw advice(
    'no Postgres of a running Farebox found: set DATABASE_URL, or FAREBOX_DATA_DIR to the folder of one that runs',
  );
}

/** Root's Postgres may have its data elsewhere: scripts/stores/postgres.ts. */
function foldersOf(dataDir: string): string[] {
  if (!existsSync(dataDir)) return [];
  const wanted = realpathSync(dataDir);
  const name = createHash('sha256').update(wanted).digest('hex').slice(0, 16);
  return [wanted, join(tmpdir(), `farebox-postgres-${name}`)];
}

function urlOf(folder: string): string | undefined {
  try {
    const lines = readFileSync(join(folder, 'data', 'postmaster.pid'), 'utf8').split('\n');
    const port = Number(lines[3]);
    const password = readFileSync(join(folder, 'password'), 'utf8').trim();
    return port > 0 ? `postgres://farebox:${password}@127.0.0.1:${port}/farebox` : undefined;
  } catch {
    return undefined;
  }
}
