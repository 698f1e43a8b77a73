// The connection to Postgres, and Drizzle on top of it.
import { drizzle } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import { steadySocket, tlsModeOf } from './steady-socket.ts';

/** Connections to the primary; int8 is read as bigint. */
export type Sql = postgres.Sql<{ bigint: bigint }>;
export type Transaction = postgres.TransactionSql<{ bigint: bigint }>;

export type DatabaseOptions = {
  connectionsMax: number;
  /** Shown in pg_stat_activity. */
  name: string;
  /** A session that hangs inside a transaction must not keep a lane from others: longer than any batch takes. */
  idleInTransactionMsMax?: number;
  /** Postgres ends a statement that takes longer; no bound where it is absent. */
  statementMsMax?: number;
};

// A server that is there answers, or ends the statement, before its connection is given up.
const silenceMarginMs = 2_000;
/** For statements without a bound: an index on a large table, an audit. */
const silenceMsMax = 3_600_000;

export function openDatabase(url: string, options: DatabaseOptions): Sql {
  const tls = tlsModeOf(url);
  const { statementMsMax } = options;
  const silence = statementMsMax === undefined ? silenceMsMax : statementMsMax + silenceMarginMs;
  let attempts = 0;
  // Where the URL names several hosts, each attempt goes to the next.
  const socket = ({ host, port, path }: { host: string[]; port: number[]; path: string | false }) => {
    const turn = attempts++ % host.length;
    const address = path ? { path } : { host: host[turn] ?? 'localhost', port: port[turn] ?? 5432 };
    return steadySocket(address, tls, silence);
  };
  const settings: postgres.Options<{ bigint: postgres.PostgresType<bigint> }> & { socket: typeof socket } = {
    socket,
    ssl: false,
    max: options.connectionsMax,
    types: { bigint: postgres.BigInt, ...arrayTypes },
    // The driver's own query for them ends the process when the connection is lost in it.
    fetch_types: false,
    onnotice: () => {},
    connect_timeout: 5,
    // In seconds. Its own pauses grow to 20: requests would wait for them, long after Postgres is back.
    backoff: (attempt: number) => Math.min(0.05 * 2 ** attempt, 1),
    connection: {
      application_name: `farebox ${options.name}`,
      TimeZone: 'UTC',
      DateStyle: 'ISO',
      // Redis lets go of what has been committed, whatever the database's default.
      synchronous_commit: 'on',
      // Compiling a query that runs for milliseconds costs more than it saves.
      jit: false,
      idle_in_transaction_session_timeout: options.idleInTransactionMsMax ?? 30_000,
      ...(statementMsMax === undefined ? {} : { statement_timeout: statementMsMax }),
    },
  };
  return postgres(url, settings);
}

const endMsMax = 5_000;

/**
 * Ends its connections, each after the query that is under way. The driver waits for ever for one that was lost in the midst of
 * a query, and a command would end without a word.
 */
export function closeDatabase(sql: Sql): Promise<void> {
  return sql.end({ timeout: endMsMax / 1_000 });
}

// Arrays of whole numbers by their type's number in Postgres (smallint, integer, bigint); others stay text.
const arrayTypes = Object.fromEntries(
  (
    [
      [1005, Number],
      [1007, Number],
      [1016, BigInt],
    ] as const
  ).map(([oid, read]) => [
    `array_${oid}`,
    {
      to: oid,
      from: [oid],
      serialize: (text: string) => text,
      parse: (text: string) => elementsOf<number | bigint>(text, read),
    },
  ]),
);

function elementsOf<T>(text: string, read: (element: string) => T): (T | null)[] {
  if (text === '{}') return [];
  return text
    .slice(1, -1)
    .split(',')
    .map((element) => (element === 'NULL' ? null : read(element)));
}

export type Orm = ReturnType<typeof makeOrm>;

const orms = new WeakMap<Sql, Orm>();

/** Drizzle on these connections: for the queries that name columns one by one. */
export function orm(sql: Sql): Orm {
  const known = orms.get(sql);
  if (known) return known;
  const made = makeOrm(sql);
  orms.set(sql, made);
  return made;
}

function makeOrm(sql: Sql) {
  return drizzle(sql, { casing: 'snake_case' });
}

const unavailableCodes = new Set([
  ...['CONNECTION_CLOSED', 'CONNECTION_ENDED', 'CONNECTION_DESTROYED', 'CONNECT_TIMEOUT', 'CONNECTION_CONNECT_TIMEOUT'],
  ...['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'],
]);
// Connection exceptions; shutting down, crashed, starting up; ended because it took too long; too many connections;
// read-only: a primary that is one no more.
const unavailableStates = /^(08...|57P0[1-4]|57014|53300|25006)$/;

/** Whether an error says that Postgres cannot be reached or takes no writes now, rather than that a query is wrong. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error ? String(error.code) : '';
  return unavailableCodes.has(code) || unavailableStates.test(code) || isDatabaseUnavailable(error.cause);
}
