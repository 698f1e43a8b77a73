// A test's own time: the drain waits for the ledger, and entries stay in Redis.
import type { Sql } from '../src/db/connect.ts';

/** While `work` runs, no lane can be drained, nor Redis recovered. */
export async function withDrainStopped<T>(sql: Sql, work: () => Promise<T>): Promise<T> {
  let outcome: Promise<T> | undefined;
  await sql.begin(async (session) => {
    await session`select from partitions for update`;
    await (outcome = work());
  });
  return outcome!;
}
