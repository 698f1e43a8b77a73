// The lock under which partitions are opened and recovered: one at a time, and what its holder came to is told.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openDatabase, type Sql } from '../src/db/connect.ts';
import { withPartitionsLocked } from '../src/db/installation.ts';
import { endLockHolder } from './end-lock-holder.ts';
import { createDatabase, type TestDatabase } from './stores.ts';

let database: TestDatabase;
/** Of which none is open yet. */
let connections: Sql;
let others: Sql;

beforeEach(async () => {
  database = await createDatabase();
  [connections, others] = [1, 2].map(() => openDatabase(database.url, { connectionsMax: 2, name: 'test' })) as [
    Sql,
    Sql,
  ];
});

afterEach(async () => {
  await connections.end({ timeout: 1 });
  await others.end({ timeout: 1 });
  await database.drop();
});

test('it may be the first use of its connections', async () => {
  expect(await withPartitionsLocked(connections, async () => 'done')).toBe('done');
});

test('one works at a time', async () => {
  let working = 0;
  const work = async () => {
    working += 1;
    expect(working).toBe(1);
    await others`select pg_sleep(0.05)`;
    working -= 1;
  };
  await Promise.all([connections, others, connections].map((sql) => withPartitionsLocked(sql, work)));
});

test('a session that was lost hides neither a result nor an error, and does not keep the lock', async () => {
  const lost = async () => {
    await endLockHolder(others);
    return withPartitionsLocked(others, async () => 'another has worked');
  };
  expect(await withPartitionsLocked(connections, lost)).toBe('another has worked');
  const failing = async () => {
    throw new Error(await lost());
  };
  await expect(withPartitionsLocked(connections, failing)).rejects.toThrow('another has worked');
  expect(await withPartitionsLocked(connections, async () => 'done')).toBe('done');
});
