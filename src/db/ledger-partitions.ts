// Months of the ledger, made before their first entry comes.
import type { Sql } from './connect.ts';

/** With the month that is running and the one before it: late entries and clocks that differ find theirs. */
const monthsAhead = 3;

/** Another session may hold the ledger for long; then the default partition will do until the next try. */
const lockTimeoutMs = 3_000;

/** Makes what is missing; returns how many partitions that were. */
export async function makeLedgerPartitions(sql: Sql): Promise<number> {
  return sql.begin(async (transaction) => {
    await transaction`select set_config('lock_timeout', ${String(lockTimeoutMs)}, true)`;
    const rows = await transaction<{ made: number }[]>`
      select make_ledger_partitions(now() - interval '1 month', ${monthsAhead + 2}::integer) as made`;
    return rows[0]?.made ?? 0;
  });
}
