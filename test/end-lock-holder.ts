// Postgres ends the session of whoever holds the advisory lock in its own database, as it does with one that stands still.
import type { Sql } from '../src/db/connect.ts';

/** The sessions that were ended: none where nobody holds it. */
export async function endLockHolder(sql: Sql): Promise<number> {
  const ended = await sql`
    select pg_terminate_backend(pid) from pg_locks join pg_database on pg_database.oid = pg_locks.database
    where locktype = 'advisory' and granted and pid <> pg_backend_pid() and datname = current_database()`;
  return ended.length;
}
