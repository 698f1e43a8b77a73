// A test's own time: the drain waits for the ledger, and entries stay in Redis.
import type { Sql } from '../src/db/connect.ts';

/** While `work` runs, no lane can be drained, nor Redis recovered. */
export function withDrainStopped<T>(sql: Sql, work: () => Promise<T>): Promise<T> {
  return sql.begin(async (session) => {
    await session`select from partitions for update`;
    return work();
  }) as Promise<T>;
}
