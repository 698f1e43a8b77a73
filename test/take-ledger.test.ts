// Taking the ledger's side: a wallet that Redis has otherwise works again, with the ledger's balance, and nobody else loses.
import type { Redis } from 'ioredis';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { audit } from '../scripts/audit/audit.ts';
import { reportText } from '../scripts/audit/report.ts';
import { openDatabase, type Sql } from '../src/db/connect.ts';
import { rejectEntries } from '../src/db/quarantine.ts';
import { openLog } from '../src/log.ts';
import { connectStore } from '../src/run/connect-store.ts';
import { runQuarantine } from '../src/run/quarantine.ts';
import { runReconcile } from '../src/run/reconcile.ts';
import { takeLedger, type TakeStep } from '../src/run/take-ledger.ts';
import { outboxKey, walletKey, walletOf } from '../src/wallet/keys.ts';
import { oneNode, sampleClocks } from '../src/wallet/nodes.ts';
import type { Store } from '../src/wallet/store.ts';
import { withDrainStopped } from './drain-stopped.ts';
import { startFarebox, type Farebox, type Reply } from './farebox.ts';
import { waitUntilDrained } from './faults/books.ts';
import { someOf } from './faults/seeded.ts';
import { askForPass } from './reconciled.ts';
import { openRedis } from './stores.ts';

let farebox: Farebox;
let sql: Sql;
let redis: Redis;
let store: Store;
let environmentId: string;
let named = 0;

beforeAll(async () => {
  farebox = await startFarebox();
  sql = openDatabase(farebox.database.url, { connectionsMax: 3, name: 'test' });
  redis = await openRedis(farebox.redis.url);
  const log = openLog('silent', 'test');
  store = await connectStore({ sql, nodes: oneNode(redis), log, markDirty: () => {}, onFenced: () => {} });
  await sampleClocks(store.nodes);
  environmentId = (await sql<{ id: string }[]>`select id from environments`)[0]!.id;
});

afterAll(async () => {
  redis.disconnect();
  await sql.end();
  await farebox.stop();
});

const walletCalled = (id: string) => ({ environmentId, ...walletOf(environmentId, id) });

/** Two customers whose wallets are in one partition. */
async function neighbours(): Promise<[string, string]> {
  const id = `customer_${(named += 1)}`;
  const { partition } = walletOf(environmentId, id);
  let other = 0;
  while (walletOf(environmentId, `${id}_${other}`).partition !== partition) other += 1;
  return [await farebox.customer(id, '100'), await farebox.customer(`${id}_${other}`, '100')];
}

function charge(id: string, amount: string, key = `key ${(named += 1)}`): Promise<Reply> {
  const body = { customer_id: id, asset: 'USD', amount };
  return farebox.client.post('/v1/charge', body, { 'idempotency-key': key });
}

async function hold(id: string, amount: string): Promise<string> {
  const body = { customer_id: id, asset: 'USD', amount, ttl_ms: 3_600_000 };
  return (await farebox.client.post('/v1/authorize', body)).body.id;
}

const settle = (holdId: string, amount: string) => farebox.client.post(`/v1/holds/${holdId}/settle`, { amount });

/** As soon as its partition is open. */
async function wallet(id: string): Promise<{ available: string; held: string; freeze: string | null }> {
  const read = () => farebox.client.get(`/v1/customers/${id}/wallet`);
  let { status, body } = await read();
  for (; status === 503; { status, body } = await read()) await sleep(100);
  return { available: body.accounts[0].available, held: body.accounts[0].held, freeze: body.freeze_reason };
}

type Command = (
  config: Farebox['config'],
  args: string[],
  print: (text: string) => void,
) => Promise<string | undefined>;

/** A command, with what it printed and the exit status that it would have. */
async function run(command: Command, ...args: string[]): Promise<{ status: number; text: string }> {
  const lines: string[] = [];
  const problem = await command(farebox.config, args, (line) => void lines.push(line));
  const status = problem === undefined ? Number(process.exitCode ?? 0) : 2;
  process.exitCode = undefined;
  return { status, text: [...lines, problem ?? ''].join('\n') };
}

const take = (id: string, ...args: string[]) => run(runReconcile, id, '--take', 'ledger', ...args);

async function epochOf(id: string): Promise<number> {
  const { partition } = walletCalled(id);
  return (await sql<{ epoch: number }[]>`select epoch from partitions where partition = ${partition}`)[0]!.epoch;
}

/** Changes a wallet in Redis past every script, and waits until reconcile has frozen it. */
async function alter(id: string): Promise<void> {
  await waitUntilDrained({ sql, redis });
  const key = walletKey(walletCalled(id));
  const balances = (await redis.hgetBuffer(key, 'a1'))!;
  balances.writeDoubleBE(balances.readDoubleBE(0) + 1_000_000_000, 0);
  await redis.hset(key, 'a1', balances);
  await askForPass(sql);
  await expect.poll(async () => (await wallet(id)).freeze, { timeout: 20_000 }).toBe('reconcile');
  await waitUntilDrained({ sql, redis });
}

/** Entries of the wallet go to quarantine, because Postgres has lost a row for a while; returns a hold among them. */
async function quarantined(id: string): Promise<string> {
  await waitUntilDrained({ sql, redis });
  const { walletId } = walletCalled(id);
  await sql`create table lost_grants as select * from grants where wallet_id = ${walletId}`;
  await sql`delete from grants where wallet_id = ${walletId}`;
  const held = await hold(id, '10');
  expect((await charge(id, '5')).status).toBe(200);
  await expect.poll(async () => (await wallet(id)).freeze, { timeout: 20_000 }).toBe('quarantine');
  await waitUntilDrained({ sql, redis });
  await sql`insert into grants select * from lost_grants`;
  await sql`drop table lost_grants`;
  return held;
}

/** It decides again, on what the ledger has; and the books are right. */
async function expectWorking(id: string, available: string, held = '0'): Promise<void> {
  expect(await wallet(id)).toEqual({ available, held, freeze: null });
  expect((await charge(id, '1')).status).toBe(200);
  await waitUntilDrained({ sql, redis });
  expect((await run(runReconcile, id)).text).toContain('Redis and the ledger agree');
  const report = await audit(sql);
  expect(report.isSound, reportText(report)).toBe(true);
}

describe('a wallet that was altered behind our back', () => {
  test("is rebuilt from the ledger, settles its holds, and the partition's other wallets lose nothing", async () => {
    const [id, neighbour] = await neighbours();
    const held = await hold(id, '30');
    const theirs = await hold(neighbour, '10');
    await alter(id);
    const before = await epochOf(id);
    const asked = await take(id);
    expect(asked.text).toMatch(/^≠ asset 1 available +71 USD +70 USD$/m);
    expect(asked.text).toContain('nothing is lost that was acknowledged');
    expect(asked).toMatchObject({ status: 2, text: expect.stringMatching(/for ever: say --yes$/) });
    expect((await wallet(id)).freeze).toBe('reconcile');
    expect(await epochOf(id)).toBe(before);
    // The neighbour goes on all the while, and comes back when it is told to.
    let isOver = false;
    let spent = 0;
    const spending = (async () => {
      while (!isOver) {
        const key = `neighbour ${(named += 1)}`;
        let reply = await charge(neighbour, '1', key);
        for (; reply.status === 503; reply = await charge(neighbour, '1', key)) await sleep(100);
        expect(reply.status).toBe(200);
        spent += 1;
        await sleep(50);
      }
    })();
    const taken = await take(id, '--yes');
    isOver = true;
    await spending;
    expect(taken.text).toMatch(/the freeze \(reconcile\) is lifted/);
    expect(taken.text).toMatch(/^ {2}asset 1 available +70 USD +70 USD$/m);
    expect(taken.status).toBe(0);
    expect(await epochOf(id)).toBe(before + 1);
    expect(spent).toBeGreaterThan(0);
    expect(await wallet(neighbour)).toEqual({ available: String(90 - spent), held: '10', freeze: null });
    expect((await settle(theirs, '4')).body).toMatchObject({ status: 'settled', released: '6' });
    expect((await settle(held, '25')).body).toMatchObject({ status: 'settled', released: '5', available: '75' });
    await expectWorking(id, '75');
    // Nothing is left to do, and it does nothing.
    expect((await take(id, '--yes')).text).toContain('the wallet is not frozen');
    expect(await epochOf(id)).toBe(before + 1);
  });

  test('is rebuilt once by two who take the ledger at the same time', async () => {
    const [id] = await neighbours();
    await alter(id);
    const before = await epochOf(id);
    for (const { text } of await Promise.all([take(id, '--yes'), take(id, '--yes')])) {
      expect(text).toContain('Redis and the ledger agree');
    }
    expect(await epochOf(id)).toBe(before + 1);
    await expectWorking(id, '100');
  });

  test.each(someOf<TakeStep>(['compared', 'forgotten', 'opened', 'unmarked', 'loaded', 'lifted'], 2))(
    'is rebuilt by the next run when one was ended after "%s"',
    async (step) => {
      const [id, neighbour] = await neighbours();
      const held = await hold(id, '30');
      await alter(id);
      await endAt(id, step);
      expect((await take(id, '--yes')).status).toBe(0);
      expect((await settle(held, '30')).body).toMatchObject({ status: 'settled', available: '70' });
      await expectWorking(id, '70');
      await expectWorking(neighbour, '100');
    },
  );
});

test('a wallet that changes between being compared and being forgotten is compared anew', async () => {
  const [id] = await neighbours();
  await alter(id);
  const key = walletKey(walletCalled(id));
  const head = (await redis.hgetBuffer(key, 'w'))!;
  head.writeDoubleBE(head.readDoubleBE(0) + 1, 0);
  const steps: TakeStep[] = [];
  const reached = (step: TakeStep) => {
    // On the connection that forgetting goes over, and before it.
    if (steps.length === 0) void store.nodes.of(0).redis.hset(key, 'w', head);
    steps.push(step);
  };
  const told: string[] = [];
  const print = (text: string) => void told.push(text);
  expect(await takeLedger({ sql, store, wallet: walletCalled(id), isSure: true, print, reached })).toMatchObject({
    status: 'taken',
  });
  expect(steps.slice(0, 3)).toEqual(['compared', 'compared', 'forgotten']);
  expect(told).toContain('LOST: what was acknowledged after version 2, up to 3; the ledger does not have it');
  await expectWorking(id, '100');
});

/** A run that ends right after a step. */
async function endAt(id: string, step: TakeStep): Promise<void> {
  const reached = (at: TakeStep) => {
    if (at === step) throw new Error(`ended at ${at}`);
  };
  const broken = takeLedger({ sql, store, wallet: walletCalled(id), isSure: true, print: () => {}, reached });
  await expect(broken).rejects.toThrow(`ended at ${step}`);
}

test('what Redis has and the ledger never got is named before it is given up', async () => {
  const [id, neighbour] = await neighbours();
  await waitUntilDrained({ sql, redis });
  const { partition } = walletCalled(id);
  const held = await withDrainStopped(sql, async () => {
    // The lane's drain waits with this one, and reads nothing that comes after it.
    expect((await charge(neighbour, '1')).status).toBe(200);
    const waits = async () =>
      (await sql`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`).length;
    await expect.poll(waits, { timeout: 5_000, interval: 20 }).toBeGreaterThan(0);
    expect((await charge(id, '10', 'lost')).status).toBe(200);
    const held = await hold(id, '20');
    const outbox = outboxKey(partition, await epochOf(id));
    for (const [entry] of (await redis.xrange(outbox, '-', '+')).slice(-2)) await redis.xdel(outbox, entry);
    expect((await charge(neighbour, '1')).status).toBe(200);
    return held;
  });
  await waitUntilDrained({ sql, redis });
  const asked = await take(id);
  expect(asked.text).toContain('LOST: what was acknowledged after version 1, up to 3; the ledger does not have it');
  expect(asked.text).toContain(`LOST: ${held}, which nobody can settle then`);
  expect(asked.status).toBe(2);
  expect((await wallet(id)).available).toBe('70');
  expect((await take(id, '--yes')).status).toBe(0);
  expect((await settle(held, '20')).status).toBe(404);
  // What was lost is applied anew when it is asked for again. The same version is given again, and the hold has another id.
  const again = await charge(id, '10', 'lost');
  expect(again.status).toBe(200);
  expect(again.headers.get('idempotent-replayed')).not.toBe('true');
  expect(await hold(id, '20')).not.toBe(held);
  await expectWorking(id, '70', '20');
  await sql`update quarantine set resolved_at = now(), resolution = 'rejected' where resolved_at is null`;
});

describe('a wallet whose entries in quarantine were rejected', () => {
  test('is rebuilt, and works again', async () => {
    const [id, neighbour] = await neighbours();
    const held = await quarantined(id);
    expect((await take(id, '--yes')).text).toMatch(/3 of its entries wait in quarantine: replay or reject them first/);
    const rejected = await run(runQuarantine, 'reject', id, '--yes');
    expect(rejected.text).toContain('3 rejected, and kept');
    expect(rejected.text).toContain('LOST: what was acknowledged after version 1, up to 4');
    expect(rejected.text).toContain('Redis and the ledger agree; the wallet is not frozen');
    expect(rejected.status).toBe(0);
    expect((await run(runQuarantine, 'list')).text.trim()).toBe('nothing is in quarantine');
    expect((await settle(held, '10')).status).toBe(404);
    expect(await hold(id, '10')).not.toBe(held);
    await expectWorking(id, '90', '10');
    await expectWorking(neighbour, '100');
    // What comes into quarantine later has nothing to do with those: it is replayed as ever.
    await waitUntilDrained({ sql, redis });
    await quarantined(id);
    expect(await run(runQuarantine, 'replay', id)).toEqual({ status: 0, text: '3 replayed; the freeze is lifted\n' });
    await expectWorking(id, '74', '20');
  });

  test('waits while others of it can still be replayed, and is rebuilt when they are', async () => {
    const [id] = await neighbours();
    await quarantined(id);
    const [, last] = await sql<{ id: bigint }[]>`
      select id from quarantine where wallet_id = ${walletCalled(id).walletId} order by id`;
    const half = await run(runQuarantine, 'reject', String(last!.id), '--yes');
    expect(half).toMatchObject({ status: 1, text: expect.stringContaining('1 of its entries wait in quarantine') });
    expect((await wallet(id)).freeze).toBe('quarantine');
    const rest = await run(runQuarantine, 'replay', id);
    expect(rest).toMatchObject({ status: 0, text: expect.stringContaining('1 replayed; Redis and the ledger agree') });
    // The hold was replayed, the charge was not.
    await expectWorking(id, '90', '10');
  });

  test.each(someOf<TakeStep>(['compared', 'forgotten', 'opened', 'unmarked', 'loaded'], 2))(
    'is rebuilt by the next run when one was ended after "%s"',
    async (step) => {
      const [id, neighbour] = await neighbours();
      await quarantined(id);
      const rows = await sql<
        { id: bigint }[]
      >`select id from quarantine where wallet_id = ${walletCalled(id).walletId}`;
      await rejectEntries(
        sql,
        rows.map((row) => Number(row.id)),
      );
      await endAt(id, step);
      const next = await (step === 'opened' ? run(runQuarantine, 'reject', id, '--yes') : take(id, '--yes'));
      expect(next.status).toBe(0);
      await expectWorking(id, '100');
      await expectWorking(neighbour, '100');
    },
  );

  test('takes no entry of the time before it was rebuilt, though it would prove', async () => {
    const [id] = await neighbours();
    await quarantined(id);
    await run(runQuarantine, 'reject', id, '--yes');
    // What was rejected as version 2 comes once more, and version 2 is due.
    const { walletId } = walletCalled(id);
    await sql`
      insert into quarantine (partition, epoch, seq, raw, reason, environment_id, wallet_id, version)
      select partition, epoch, seq, raw, 'late', environment_id, wallet_id, version
      from quarantine where wallet_id = ${walletId} order by id limit 1`;
    await sql`update wallets set quarantined_at = now() where wallet_id = ${walletId}`;
    const replayed = await run(runQuarantine, 'replay', id);
    expect(replayed.text).toContain('0 replayed, 1 stay: written before its wallet was rebuilt');
    expect(replayed.status).toBe(1);
    await expect.poll(async () => (await wallet(id)).freeze, { timeout: 20_000 }).toBe('quarantine');
    await waitUntilDrained({ sql, redis });
    expect((await run(runQuarantine, 'reject', id, '--yes')).status).toBe(0);
    await expectWorking(id, '100');
  });
});

test('where no worker runs it says so, and the next run goes on', async () => {
  const [id] = await neighbours();
  await alter(id);
  await withDrainStopped(sql, async () => {
    const one = { sql, store, wallet: walletCalled(id), isSure: true, print: () => {}, workerWaitMs: 500 };
    // The worker waits for the rows that this test holds.
    expect(await takeLedger(one)).toMatchObject({
      status: 'stays',
      text: expect.stringMatching(/is closed, and no worker opens it/),
    });
  });
  expect((await take(id, '--yes')).status).toBe(0);
  await expectWorking(id, '100');
});
