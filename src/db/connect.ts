// The connection to Postgres, and Drizzle on top of it.
import { drizzle } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';

/** Connections to the primary; int8 is read as bigint. */
export type Sql = postgres.Sql<{ bigint: bigint }>;
export type Transaction = postgres.TransactionSql<{ bigint: bigint }>;

export type DatabaseOptions = {
  connectionsMax: number;
  /** Shown in pg_stat_activity. */
  name: string;
};

export function openDatabase(url: string, options: DatabaseOptions): Sql {
  return postgres(url, {
    max: options.connectionsMax,
    types: { bigint: postgres.BigInt },
    onnotice: () => {},
    connection: {
      application_name: `farebox ${options.name}`,
      TimeZone: 'UTC',
      DateStyle: 'ISO',
      // Compiling a query that runs for milliseconds costs more than it saves.
      jit: false,
      // A worker that hangs must not keep a lane from the others; longer than any batch takes.
      idle_in_transaction_session_timeout: 30_000,
    },
  });
}

const orms = new WeakMap<Sql, ReturnType<typeof makeOrm>>();

/** Drizzle on this connection pool: for the queries that name columns one by one. */
export function orm(sql: Sql): ReturnType<typeof makeOrm> {
  const known = orms.get(sql) ?? makeOrm(sql);
  orms.set(sql, known);
  return known;
}

function makeOrm(sql: Sql) {
  return drizzle(sql, { casing: 'snake_case' });
}
