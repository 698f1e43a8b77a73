// A process that stands still between two messages to Postgres keeps its locks no longer than the bound.
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { openDatabase } from '../src/db/connect.ts';
import { endSilentSessions } from '../src/db/end-silent.ts';
import { createDatabase } from './stores.ts';

/** To Postgres, until it is silenced: one more message passes then, and nothing behind it. */
async function startLine(target: { host: string; port: number }) {
  let left = Infinity;
  const sockets: Socket[] = [];
  const server = createServer((near) => {
    const far = createConnection(target);
    sockets.push(near, far);
    for (const socket of [near, far]) socket.on('error', () => undefined);
    near.on('data', (chunk) => {
      left -= 1;
      if (left >= 0) far.write(chunk);
    });
    far.on('data', (chunk) => near.write(chunk));
    far.on('close', () => near.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    silence: () => {
      left = 1;
    },
    stop: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

test('a session that stands still between describing and binding is ended, one that works is not', async () => {
  const database = await createDatabase();
  const url = new URL(database.url);
  const line = await startLine({ host: url.hostname, port: Number(url.port) });
  url.port = String(line.port);
  const options = { connectionsMax: 3, name: 'test', idleInTransactionMsMax: 500, statementMsMax: 500 };
  const still = openDatabase(url.href, options);
  const sql = openDatabase(database.url, { connectionsMax: 3, name: 'test' });
  try {
    await sql`insert into partitions (partition, epoch) values (0, 1)`;
    const stands = still.begin(async (transaction) => {
      await transaction`select from partitions for update`;
      line.silence();
      await transaction`select ${1}::integer`;
    });
    stands.catch(() => undefined);
    const states = async () =>
      sql<{ state: string }[]>`
        select state from pg_stat_activity where datname = current_database() and xact_start < now() - interval '1 second'`;
    await expect.poll(states, { timeout: 10_000 }).toEqual([{ state: 'active' }]);
    const working = sql`select pg_sleep(4)`.execute();
    // Longer than all of its own bounds.
    await expect.poll(() => endSilentSessions(sql, 2_000), { timeout: 20_000 }).toBe(1);
    // A backend that was told to end takes a moment.
    const isFree = () => sql`select from partitions for update nowait`.then(Boolean, () => false);
    await expect.poll(isFree, { timeout: 5_000 }).toBe(true);
    await expect(stands).rejects.toThrow();
    expect(await working).toHaveLength(1);
  } finally {
    line.stop();
    await Promise.all([still.end({ timeout: 1 }), sql.end({ timeout: 5 })]);
    await database.drop();
  }
});
