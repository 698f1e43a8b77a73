// Brings a database to this release's schema: safe to run again, and from several processes at once.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { migrate as applyMigrations } from 'drizzle-orm/postgres-js/migrator';
import { closeDatabase, openDatabase, orm } from './connect.ts';
import { makeLedgerPartitions } from './ledger-partitions.ts';

// One number for all of Farebox: who has this advisory lock migrates, the others wait.
const migrationLock = 7_205_759_403;

export async function migrate(databaseUrl: string): Promise<void> {
  const sql = openDatabase(databaseUrl, { connectionsMax: 1, name: 'migrate' });
  try {
    await sql`select pg_advisory_lock(${migrationLock})`;
    await applyMigrations(orm(sql), { migrationsFolder: findMigrations() });
    await makeLedgerPartitions(sql);
  } finally {
    // Ends the session, and with it the lock.
    await closeDatabase(sql);
  }
}

/** `drizzle/` lies beside `src/`, and the compiled code one folder deeper. */
function findMigrations(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); dirname(folder) !== folder; folder = dirname(folder)) {
    const migrations = join(folder, 'drizzle');
    if (existsSync(join(migrations, 'meta', '_journal.json'))) return migrations;
  }
  throw new Error('the migrations are missing: there is no folder drizzle/ above this file');
}
