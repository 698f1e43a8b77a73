// Ends sessions of our kind that have said nothing for long in the midst of a transaction: their process stands still.
//
// `idle_in_transaction_session_timeout` ends most of them. But a driver that has a statement described before it binds its
// parameters may stand between the two; then Postgres counts the session as active, and no timeout of its own ends it before
// Postgres 17's `transaction_timeout`, which would end long work, too. It keeps its locks: a lane, or recovery's.
import type { Sql } from './connect.ts';

/** Returns how many were ended. Whose role is ours may be ended without further rights. */
export async function endSilentSessions(sql: Sql, silentMsMax: number): Promise<number> {
  const ended = await sql`
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and usename = current_user and pid <> pg_backend_pid()
      and application_name = current_setting('application_name')
      and xact_start is not null and wait_event = 'ClientRead'
      and state_change < clock_timestamp() - ${silentMsMax} * interval '1 millisecond'`;
  return ended.length;
}
