// Rows of a query one after the other, however many: a cursor in Postgres, some thousands of rows here.
import type { Transaction } from '../../src/db/connect.ts';

export type Stream<T> = {
  /** The row that is next; undefined after the last. */
  readonly head: () => T | undefined;
  /** Goes on to the row after it; there is something to wait for only where more must be fetched. */
  readonly next: () => Promise<void> | undefined;
};

const fetchRows = 2_000;

/** `name` is the cursor's, which lives as long as the transaction. */
export async function openStream<T extends object>(
  sql: Transaction,
  name: string,
  query: ReturnType<Transaction>,
): Promise<Stream<T>> {
  await sql`declare ${sql(name)} no scroll cursor for ${query}`;
  let rows: readonly T[] = [];
  let at = 0;
  const fetchMore = async () => {
    rows = await sql<T[]>`fetch ${sql.unsafe(String(fetchRows))} from ${sql(name)}`;
    at = 0;
  };
  await fetchMore();
  return {
    head: () => rows[at],
    next: () => {
      at += 1;
      return at >= rows.length && rows.length > 0 ? fetchMore() : undefined;
    },
  };
}
