// What the drain reads of the ledger does not grow with the ledger, whatever Postgres knows of its tables.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RedisServer } from '../scripts/stores/redis.ts';
import { appendEntries } from '../src/db/append.ts';
import type { Sql, Transaction } from '../src/db/connect.ts';
import { readPositions } from '../src/db/installation.ts';
import { partitionsOfLane } from '../src/outbox/queues.ts';
import { walletOf } from '../src/wallet/keys.ts';
import { laneReader, readRound } from '../src/worker/lane-reader.ts';
import { addCustomer, closeWorld, drainAll, grant, hold, openWorld, settle, type World } from './ledger.world.ts';
import { createDatabase, createRedis, type TestDatabase } from './stores.ts';

const many = 20_000;
/** Of each table: what the batch itself touches, a few times over. */
const readMost = 40;

let server: RedisServer;
let database: TestDatabase;
let world: World;

beforeAll(async () => {
  server = await createRedis();
  database = await createDatabase();
  world = await openWorld({ databaseUrl: database.url, redisUrl: server.url });
});
afterAll(async () => {
  await closeWorld(world);
  await database.drop();
  await server.stop();
});

/** How many rows of each table a drain of everything that waits has read, its writes included. */
async function rowsRead(): Promise<Record<string, number>> {
  const { sql, redis, installation } = world;
  const reader = laneReader(await readPositions(sql, partitionsOfLane(0, 1)));
  const round = await readRound(reader, redis, { installation });
  if (!round) throw new Error('nothing waits');
  return sql.begin(async (transaction) => {
    // What this session did before may not have been counted elsewhere yet.
    const before = await countRead(transaction);
    const within = { begin: (work: (sql: typeof transaction) => unknown) => work(transaction) } as unknown as Sql;
    expect(await appendEntries(within, round, () => {})).toMatchObject({ status: 'appended', quarantined: [] });
    const after = await countRead(transaction);
    return Object.fromEntries(Object.entries(after).map(([table, read]) => [table, read - (before[table] ?? 0)]));
  });
}

async function countRead(sql: Transaction): Promise<Record<string, number>> {
  const rows = await sql<{ table: string; read: string }[]>`
    select relname as table, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) as read
    from pg_stat_xact_user_tables where relname in ('wallets', 'accounts', 'grants', 'holds', 'credits')`;
  return Object.fromEntries(rows.map(({ table, read }) => [table, Number(read)]));
}

/** The wallet's holds, grants and credits become many, and so do the wallets beside it. */
async function fill(customerId: string): Promise<void> {
  const { sql, environment } = world;
  const { walletId } = walletOf(environment, customerId);
  const copies = (table: string, changed: Record<string, string>) =>
    sql.unsafe(
      `insert into ${table} select copy.* from generate_series(1001, ${1000 + many}) no, lateral (select * from jsonb_populate_record(
         null::${table}, (select to_jsonb(one) from ${table} one where wallet_id = $1 limit 1) || jsonb_build_object(${Object.entries(
           changed,
         )
           .map(([column, value]) => `'${column}', ${value}`)
           .join()}))) copy`,
      [walletId],
    );
  const other = `'${customerId}' || no`;
  await copies('customers', { id: other, wallet_id: other });
  await copies('wallets', { wallet_id: other, customer_id: other });
  await copies('accounts', { wallet_id: other });
  await copies('holds', { ref: `'ref' || no` });
  await copies('grants', { grant_no: 'no' });
  await copies('credits', { grant_no: 'no', operation_id: other });
}

test.each(['that Postgres knows nothing of', 'that Postgres has looked at'])(
  'entries of a wallet with many holds, grants and neighbours, %s, are proven and written by a few look-ups',
  async (knowing) => {
    const customerId = knowing === 'that Postgres has looked at' ? 'known' : 'unknown';
    await addCustomer(world, customerId);
    await grant(world, customerId, { amount: 1_000 });
    const ref = await hold(world, customerId, 100);
    await drainAll(world);
    await fill(customerId);
    if (customerId === 'known') await world.sql`analyze`;
    await settle(world, customerId, ref, 60);
    await hold(world, customerId, 10);
    await grant(world, customerId, { amount: 5 });
    for (const [table, read] of Object.entries(await rowsRead())) {
      expect.soft(read, `rows of ${table}`).toBeLessThan(readMost);
    }
  },
);
