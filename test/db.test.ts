// The ledger's queries: what is remembered, found and listed; what the schema refuses; how partitions are opened.
import { readFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { RedisServer } from '../scripts/stores/redis.ts';
import type { Ledger } from '../src/api/deps.ts';
import { codes } from '../src/codes.gen.ts';
import { isDatabaseUnavailable, openDatabase, orm, type Sql } from '../src/db/connect.ts';
import { claimPendingCredits, isCreditPending } from '../src/db/credits.ts';
import type { NewCredit } from '../src/records.ts';
import { bootstrap, createEnvironment, listEnvironments } from '../src/db/environments.ts';
import { installationOf, readCheckpoint, readPartitions } from '../src/db/installation.ts';
import { hashSecret, makeSecret } from '../src/db/key-secret.ts';
import { createKey, findKey } from '../src/db/keys.ts';
import { openLedger } from '../src/db/ledger.ts';
import { makeLedgerPartitions } from '../src/db/ledger-partitions.ts';
import { migrate } from '../src/db/migrate.ts';
import { forgetReplies } from '../src/db/replies.ts';
import { environments } from '../src/db/schema.ts';
import { tlsModeOf } from '../src/db/steady-socket.ts';
import { loadWallet, readWalletVersion } from '../src/db/wallets.ts';
import type { Atoms } from '../src/units.ts';
import { clockKey, fenceKey, outboxKey, walletOf } from '../src/wallet/keys.ts';
import { openPartitions } from '../src/worker/open-partitions.ts';
import { cuttingProxy } from './ledger.proxy.ts';
import { addCustomer, closeWorld, drainAll, grant, liveThrough, openWorld } from './ledger.world.ts';
import { createDatabase, createRedis, type TestDatabase } from './stores.ts';

let database: TestDatabase;
let sql: Sql;
let ledger: Ledger;
let environment: string;
const announced: string[] = [];
const first = { limit: 50, cursor: undefined };

beforeAll(async () => {
  database = await createDatabase();
  sql = openDatabase(database.url, { connectionsMax: 8, name: 'test' });
  ledger = openLedger(sql, { announceRevocation: async () => void announced.push('revoked') });
});
afterAll(async () => {
  await sql.end({ timeout: 5 });
  await database.drop();
});
beforeEach(async () => {
  environment = (await createEnvironment(sql, { name: 'each test its own', mode: 'test' })).id;
});

const customer = (id: string | undefined, operationId: string, fingerprint = 'same') => ({
  ...{ id, name: undefined, email: undefined, metadata: { plan: 'pro', '\0': '\u0000' }, operationId, fingerprint },
});
const credit = (customerId: string, operationId: string, change: Partial<NewCredit> = {}): NewCredit => ({
  ...{ customerId, operationId, fingerprint: 'same', asset: 1, amount: 10n as Atoms, purpose: 'paid', priority: 50 },
  ...{ effectiveAtMs: undefined, expiresAtMs: undefined, description: undefined, metadata: {} },
  ...change,
});

describe('the schema', () => {
  test('is migrated by several processes at once, and again', async () => {
    const empty = await createDatabase();
    const fresh = openDatabase(empty.url, { connectionsMax: 1, name: 'test' });
    await fresh.unsafe('drop schema public cascade; create schema public; drop schema drizzle cascade');
    await Promise.all([migrate(empty.url), migrate(empty.url), migrate(empty.url)]);
    await migrate(empty.url);
    const [count] = await fresh<{ count: bigint }[]>`select count(*) from drizzle.__drizzle_migrations`;
    const { entries } = JSON.parse(readFileSync('drizzle/meta/_journal.json', 'utf8')) as { entries: unknown[] };
    expect(count?.count).toBe(BigInt(entries.length));
    expect(await fresh`select 1 from pg_tables where tablename = 'entries_default'`).toHaveLength(1);
    await fresh.end();
    await empty.drop();
  });

  test('says what the scripts say: every code has its label', async () => {
    const labels = async (type: string) => {
      const rows = await sql<{ label: string }[]>`
        select enumlabel as label from pg_enum join pg_type on pg_type.oid = enumtypid
        where typname = ${type} order by enumsortorder`;
      return rows.map(({ label }) => label);
    };
    expect(await labels('entry_kind')).toEqual(Object.keys(codes.kind));
    expect(await labels('grant_state')).toEqual(Object.keys(codes.grant_state));
    expect(await labels('hold_status')).toEqual(Object.keys(codes.hold_status));
    expect(await labels('freeze_reason')).toEqual(Object.keys(codes.freeze));
    expect(await labels('purpose')).toEqual(Object.keys(codes.purpose));
    const accounts = Object.keys(codes.account).flatMap((account) =>
      account === 'funding' ? Object.keys(codes.purpose).map((purpose) => `funding:${purpose}`) : account,
    );
    expect((await labels('ledger_account')).sort()).toEqual(accounts.sort());
  });

  test('has a partition for this month and the months ahead, made once', async () => {
    expect(await makeLedgerPartitions(sql)).toBe(0);
    const nextYear = new Date(Date.UTC(new Date().getUTCFullYear() + 1, 6));
    const [made] = await sql<{ made: number }[]>`select make_ledger_partitions(${nextYear.toISOString()}, 2) as made`;
    expect(made?.made).toBe(4);
  });
});

describe('what happened', () => {
  test.each(['entries', 'transfers'])('%s can be added, and neither changed nor removed', async (table) => {
    const server = await createRedis();
    const world = await openWorld({ databaseUrl: database.url, redisUrl: server.url });
    await addCustomer(world, 'u');
    await grant(world, 'u', { amount: 10 });
    await drainAll(world);
    const [row] = await sql<{ partition: string }[]>`select tableoid::regclass::text as partition from ${sql(table)}`;
    for (const name of [table, row?.partition ?? '', `${table}_default`]) {
      await expect(sql.unsafe(`truncate ${name}`)).rejects.toThrow('only ever added to');
    }
    for (const name of [table, row?.partition ?? '']) {
      await expect(sql.unsafe(`update ${name} set version = 7`)).rejects.toThrow('only ever added to');
      await expect(sql.unsafe(`delete from ${name}`)).rejects.toThrow('only ever added to');
    }
    await closeWorld(world);
    await server.stop();
    // The next world opens partitions of its own.
    await sql`update partitions set opened_at = null, seq = 0`;
  });
});

describe('keys', () => {
  test('a secret has its form, and carries its checksum', () => {
    const { secret, keyId } = makeSecret('live');
    expect(secret).toMatch(/^fb_live_[0-9A-Za-z]{50}$/);
    expect(secret).toContain(keyId.slice('key_'.length));
    // The last six are the CRC-32 of the rest, in base 62: leaked secrets can be told from noise, typos from secrets.
    const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
    const sum = Array.from(secret.slice(-6)).reduce((value, digit) => value * 62 + digits.indexOf(digit), 0);
    expect(sum).toBe(crc32(secret.slice(0, -6)));
    expect(new Set(Array.from({ length: 100 }, () => makeSecret('test').secret)).size).toBe(100);
  });

  test('a key is found by the hash of its secret until it expires or is revoked', async () => {
    const soon = Date.now() + 3_600_000;
    const { key, secret } = await createKey(sql, environment, { name: 'k', scopes: ['read'], expiresAtMs: soon });
    expect(await findKey(sql, hashSecret(secret))).toEqual(key);
    expect(key).toMatchObject({ environmentId: environment, scopes: ['read'], expiresAtMs: soon });
    expect(await findKey(sql, hashSecret(`${secret}x`))).toBeUndefined();
    await sql`update keys set expires_at = now() - interval '1 second' where id = ${key.id}`;
    expect(await findKey(sql, hashSecret(secret))).toBeUndefined();
    expect(JSON.stringify(await sql`select * from keys`)).not.toContain(secret);
  });

  test('revoking is announced, also when the first announcement was lost', async () => {
    const { key, secret } = await createKey(sql, environment, { name: 'k', scopes: ['read'], expiresAtMs: undefined });
    const failing = openLedger(sql, { announceRevocation: () => Promise.reject(new Error('Redis is away')) });
    await expect(failing.revokeKey(environment, key.id)).rejects.toThrow('away');
    expect(await findKey(sql, hashSecret(secret))).toBeUndefined();
    announced.length = 0;
    expect(await ledger.revokeKey(environment, key.id)).toBe(true);
    expect(announced).toHaveLength(1);
    expect(await ledger.revokeKey(environment, 'key_unknown')).toBe(false);
    const other = await createEnvironment(sql, { name: 'other', mode: 'live' });
    expect(await ledger.revokeKey(other.id, key.id)).toBe(false);
    expect(await ledger.listKeys(environment, first)).toMatchObject({ items: [] });
  });

  test('a retry finds the first reply, and makes no second key', async () => {
    const request = (fingerprint: string) => ({
      ...{ name: 'k', scopes: ['read' as const], expiresAtMs: undefined, operationId: 'op', fingerprint },
      replyOf: async ({ secret }: { secret: string }) => `sealed ${secret}`,
    });
    const made = await Promise.all([1, 2, 3].map(() => ledger.createKey(environment, request('same'))));
    expect(made.map(({ status }) => status).sort()).toEqual(['created', 'replayed', 'replayed']);
    const created = made.find((reply) => reply.status === 'created');
    for (const reply of made) if (reply.status === 'replayed') expect(reply.reply).toBe(`sealed ${created?.secret}`);
    expect(await ledger.createKey(environment, request('other'))).toEqual({ status: 'conflict' });
    const listed = await ledger.listKeys(environment, first);
    expect(listed === 'bad_cursor' ? 0 : listed.items.length).toBe(1);
  });
});

describe('the first start', () => {
  test('makes one default environment with one key, from several processes at once', async () => {
    const empty = await createDatabase();
    const pools = [1, 2, 3].map(() => openDatabase(empty.url, { connectionsMax: 2, name: 'start' }));
    const starts = await Promise.all(pools.map((pool) => bootstrap(pool, { bootstrapKey: undefined })));
    const secrets = starts.flatMap(({ secret }) => secret ?? []);
    expect(secrets).toHaveLength(1);
    const [pool] = pools as [Sql, ...Sql[]];
    expect(await findKey(pool, hashSecret(secrets[0] ?? ''))).toMatchObject({
      scopes: ['authorize', 'read', 'credit', 'catalog', 'admin'],
    });
    const all = await listEnvironments(pool);
    expect(all).toMatchObject([{ mode: 'test' }]);
    expect(await openLedger(pool, { announceRevocation: async () => {} }).listAssets(all[0]?.id ?? '')).toMatchObject([
      { number: 1, code: 'USD', scale: 9, kind: 'fiat' },
      { number: 2, code: 'EUR', scale: 9, kind: 'fiat' },
    ]);
    await Promise.all(pools.map((one) => one.end()));
    await empty.drop();
  });

  test('takes a given key as it is, and does not bring it back once it was revoked', async () => {
    const empty = await createDatabase();
    const pool = openDatabase(empty.url, { connectionsMax: 2, name: 'start' });
    const given = { bootstrapKey: 'fb_test_given_by_the_operator' };
    expect(await bootstrap(pool, given)).toMatchObject({ secret: undefined });
    const key = await findKey(pool, hashSecret(given.bootstrapKey));
    await openLedger(pool, { announceRevocation: async () => {} }).revokeKey(key?.environmentId ?? '', key?.id ?? '');
    await bootstrap(pool, given);
    expect(await findKey(pool, hashSecret(given.bootstrapKey))).toBeUndefined();
    await pool.end();
    await empty.drop();
  });
});

describe('customers and assets', () => {
  test('an operation makes one customer, however often and at once it is tried', async () => {
    const made = await Promise.all(
      [1, 2, 3, 4].map(() => ledger.createCustomer(environment, customer(undefined, 'op'))),
    );
    expect(made.map(({ status }) => status).sort()).toEqual(['created', 'replayed', 'replayed', 'replayed']);
    expect(new Set(made.map((reply) => ('customer' in reply ? reply.customer.id : ''))).size).toBe(1);
    expect(await ledger.createCustomer(environment, customer(undefined, 'op', 'other'))).toEqual({
      status: 'conflict',
    });
  });

  test('an id in use is refused, in its environment', async () => {
    expect(await ledger.createCustomer(environment, customer('u', 'op 1'))).toMatchObject({ status: 'created' });
    expect(await ledger.createCustomer(environment, customer('u', 'op 2'))).toEqual({ status: 'exists' });
    const other = await createEnvironment(sql, { name: 'other', mode: 'test' });
    expect(await ledger.createCustomer(other.id, customer('u', 'op 1'))).toMatchObject({ status: 'created' });
    expect(await readWalletVersion(sql, environment, walletOf(environment, 'u').walletId)).toBe(0);
    expect(
      await loadWallet(sql, { environmentId: undefined, walletId: walletOf(other.id, 'u').walletId }),
    ).toMatchObject({
      environmentId: other.id,
      version: 0,
      accounts: [],
    });
  });

  test('an operation is remembered for an hour, and its id may serve again after that', async () => {
    await ledger.createCustomer(environment, customer('u', 'op'));
    await sql`update customers set created_at = created_at - interval '61 minutes' where environment_id = ${environment}`;
    expect(await ledger.createCustomer(environment, customer('v', 'op', 'other'))).toMatchObject({ status: 'created' });
  });

  test('a change touches what it names', async () => {
    await ledger.createCustomer(environment, { ...customer('u', 'op'), name: 'Ada', email: 'ada@example.com' });
    expect(await ledger.updateCustomer(environment, 'u', { name: null, metadata: { a: [1, '1'] } })).toMatchObject({
      name: undefined,
      email: 'ada@example.com',
      metadata: { a: [1, '1'] },
    });
    expect(await ledger.updateCustomer(environment, 'u', {})).toMatchObject({ email: 'ada@example.com' });
    expect(await ledger.updateCustomer(environment, 'nobody', { name: 'x' })).toBeUndefined();
  });

  test('a list goes on where its page ended, whatever is added meanwhile', async () => {
    for (let i = 0; i < 5; i++) await ledger.createCustomer(environment, customer(`u${i}`, `op ${i}`));
    // Several in one millisecond: the id decides.
    await sql`update customers set created_at = '2026-01-01' where environment_id = ${environment} and id in ('u1', 'u2', 'u3')`;
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await ledger.listCustomers(environment, { limit: 2, cursor });
      if (page === 'bad_cursor') throw new Error(page);
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.nextCursor;
      await ledger.createCustomer(environment, customer(undefined, `later ${seen.length}`));
    } while (cursor !== undefined);
    expect(seen).toEqual(['u4', 'u0', 'u3', 'u2', 'u1']);
    for (const bad of ['', 'x', 'bnVsbA', Buffer.from('["a","b"]').toString('base64url')]) {
      expect(await ledger.listCustomers(environment, { limit: 2, cursor: bad })).toBe('bad_cursor');
    }
  });

  test('assets count up, each code once', async () => {
    const asset = (code: string, operationId: string, fingerprint = 'same') => ({
      ...{ code, name: undefined, scale: 0, kind: 'custom' as const, operationId, fingerprint },
    });
    const made = await Promise.all(
      ['A', 'B', 'C', 'A'].map((code, i) => ledger.createAsset(environment, asset(code, `op ${i}`))),
    );
    expect(made.map(({ status }) => status).sort()).toEqual(['created', 'created', 'created', 'exists']);
    expect((await ledger.listAssets(environment)).map(({ number }) => number)).toEqual([1, 2, 3, 4, 5]);
    expect(await ledger.createAsset(environment, asset('B', 'op 1'))).toMatchObject({
      status: 'replayed',
      asset: { code: 'B' },
    });
    expect(await ledger.createAsset(environment, asset('D', 'op 1', 'other'))).toEqual({ status: 'conflict' });
    expect(await ledger.createAsset(environment, asset('USD', 'op 9'))).toEqual({ status: 'exists' });
  });
});

describe('replies', () => {
  test('the first one stays for an hour', async () => {
    expect(await ledger.findReply(environment, 'op', 'f')).toEqual({ status: 'none' });
    const kept = await Promise.all(['a', 'b', 'c'].map((reply) => ledger.rememberReply(environment, 'op', 'f', reply)));
    expect(new Set(kept).size).toBe(1);
    expect(await ledger.findReply(environment, 'op', 'f')).toEqual({ status: 'found', reply: kept[0] });
    expect(await ledger.findReply(environment, 'op', 'other')).toEqual({ status: 'conflict' });
    await sql`update replies set created_at = now() - interval '61 minutes' where environment_id = ${environment}`;
    expect(await ledger.findReply(environment, 'op', 'f')).toEqual({ status: 'none' });
    expect(await ledger.rememberReply(environment, 'op', 'g', 'later')).toBe('later');
    await forgetReplies(sql);
    expect(await ledger.findReply(environment, 'op', 'g')).toEqual({ status: 'found', reply: 'later' });
  });
});

describe('credits', () => {
  beforeEach(async () => {
    await ledger.createCustomer(environment, customer('u', 'make u'));
  });

  test('an operation begins one credit, however often and at once it is tried', async () => {
    const begun = await Promise.all([1, 2, 3, 4].map(() => ledger.beginCredit(environment, credit('u', 'op'))));
    expect(begun.map((reply) => reply.status === 'begun' && reply.credit.grantNo)).toEqual([1, 1, 1, 1]);
    expect(await ledger.beginCredit(environment, credit('u', 'op', { fingerprint: 'other' }))).toEqual({
      status: 'conflict',
    });
    expect(await ledger.beginCredit(environment, credit('nobody', 'op'))).toEqual({ status: 'no_customer' });
    expect(await ledger.beginCredit(environment, credit('u', 'op 2'))).toMatchObject({ credit: { grantNo: 2 } });
  });

  test('one that was refused is in no list, and is begun anew by its own operation', async () => {
    const { walletId } = walletOf(environment, 'u');
    const first = await ledger.beginCredit(environment, credit('u', 'op', { expiresAtMs: 4_000_000_000_123 }));
    expect(await ledger.hasCredit(environment, 'op')).toBe(true);
    expect(await ledger.findGrant(environment, walletId, 1)).toMatchObject({
      state: undefined,
      expiresAtMs: 4_000_000_000_123,
    });
    if (first.status !== 'begun') throw new Error(first.status);
    await sql`update credits set attempted_at = attempted_at + interval '1 second'`;
    // Somebody else has begun to apply it since: nobody can say that it will not be.
    expect(await ledger.refuseCredit(environment, first.credit)).toBe(false);
    const again = await ledger.beginCredit(environment, credit('u', 'op', { expiresAtMs: 4_000_000_000_123 }));
    if (again.status !== 'begun') throw new Error(again.status);
    expect(await ledger.refuseCredit(environment, again.credit)).toBe(true);
    expect(await ledger.hasCredit(environment, 'op')).toBe(false);
    expect(await ledger.findGrant(environment, walletId, 1)).toBeUndefined();
    expect(await isCreditPending(sql, environment, walletId, 1)).toBe(false);
    expect(await ledger.beginCredit(environment, credit('u', 'op'))).toMatchObject({
      status: 'begun',
      credit: { grantNo: 1 },
    });
    expect(await isCreditPending(sql, environment, walletId, 1)).toBe(true);
  });

  test('a pending one is claimed once it is old, by one worker, unless its wallet is in quarantine', async () => {
    const ofMine = async () =>
      (await claimPendingCredits(sql, { ageMs: 5_000, limit: 100 })).filter(
        ({ environmentId }) => environmentId === environment,
      );
    await ledger.beginCredit(environment, credit('u', 'op'));
    expect(await ofMine()).toEqual([]);
    const age = () =>
      sql`update credits set attempted_at = now() - interval '6 seconds' where environment_id = ${environment}`;
    await age();
    const claimed = await Promise.all([ofMine(), ofMine(), ofMine()]);
    expect(claimed.flat()).toMatchObject([{ credit: { operationId: 'op', grantNo: 1 } }]);
    expect(await ofMine()).toEqual([]);
    await age();
    await sql`update wallets set quarantined_at = now() where environment_id = ${environment}`;
    expect(await ofMine()).toEqual([]);
  });
});

describe('the ledger, read', () => {
  test('entries, holds and grants are found and listed as they happened', async () => {
    const server = await createRedis();
    const world = await openWorld({ databaseUrl: database.url, redisUrl: server.url });
    const of = world.environment;
    await addCustomer(world, 'u');
    await liveThrough(world, 'u');
    await drainAll(world);
    const { walletId, partition } = walletOf(of, 'u');
    const filter = { asset: undefined, kind: undefined, fromMs: undefined, toMs: undefined };
    const all = await ledger.listEntries(of, walletId, filter, first);
    if (all === 'bad_cursor') throw new Error(all);
    const count = await readWalletVersion(sql, of, walletId);
    expect(all.items.map(({ version }) => version)).toEqual(
      Array.from({ length: count ?? 0 }, (_, i) => (count ?? 0) - i),
    );
    const page = await ledger.listEntries(of, walletId, filter, { limit: 3, cursor: undefined });
    const next = await ledger.listEntries(of, walletId, filter, {
      limit: 3,
      cursor: page === 'bad_cursor' ? undefined : page.nextCursor,
    });
    expect(next).toMatchObject({ items: all.items.slice(3, 6) });
    const listed = async (change: Partial<typeof filter>) => {
      const found = await ledger.listEntries(of, walletId, { ...filter, ...change }, first);
      return found === 'bad_cursor' ? [] : found.items.map(({ version }) => version);
    };
    // Where two assets moved, an entry is listed for the second as well.
    const inTwoAssets = Array.from({ length: 13 }, (_, i) => 40 - i);
    expect(await listed({ asset: 2 } as never)).toEqual([...inTwoAssets, 13, 5]);
    expect(await listed({ kind: 'void_grant' } as never)).toEqual([17]);
    const at = all.items.at(-3)?.occurredAtMs ?? 0;
    expect(await listed({ fromMs: at } as never)).not.toContain(1);
    expect(await listed({ toMs: at } as never)).not.toContain(3);
    expect(all.items.find(({ kind, legs }) => kind === 'hold' && legs.length === 2)).toMatchObject({
      attached: '{"subject":"agent:\\"planner\\"","labels":{"team":"rød"}}',
      legs: [
        { asset: 1, amount: 0n, heldAfter: 30n },
        { asset: 2, amount: 0n, heldAfter: 540n },
      ],
    });

    const late = all.items.find((entry) => entry.late);
    expect(await ledger.findHold(of, walletId, late?.holdRef ?? '')).toMatchObject({
      ...{ customerId: 'u', status: 'settled', late: true },
      legs: [
        { asset: 1, settled: 30n, held: 0n },
        { asset: 2, settled: 30n, released: 10n, num: 2n, den: 1n },
      ],
    });
    expect(await ledger.findHold(of, walletId, '1.999')).toBeUndefined();
    expect(await ledger.findGrant(of, walletId, 2)).toMatchObject({ state: 'expired', remaining: 0n });
    const grants = await ledger.listGrants(of, walletId, { limit: 2, cursor: undefined });
    expect(grants).toMatchObject({
      items: [{ grantNo: 6, state: 'active' }, { grantNo: 5 }],
      nextCursor: expect.any(String),
    });

    // A credit that the ledger has comes back with what the script answered.
    const begun = await ledger.beginCredit(of, {
      ...credit('u', all.items.at(-1)?.operationId ?? '', { fingerprint: 'fingerprint' }),
    });
    expect(begun).toMatchObject({
      credit: {
        grantNo: 1,
        applied: { remaining: 100n, state: 'active', version: 1, atMs: all.items.at(-1)?.occurredAtMs },
      },
    });
    expect(await readCheckpoint(sql, partition)).toEqual({ partition, epoch: 1, seq: count });
    await closeWorld(world);
    await server.stop();
    await sql`update partitions set opened_at = null, seq = 0`;
  });
});

describe('the connection', () => {
  test('lost inside a transaction, it rejects, and both the process and the pool live on', async () => {
    const proxy = await cuttingProxy(database.url);
    const pool = openDatabase(proxy.url, { connectionsMax: 1, name: 'cut' });
    await pool`select 1`;
    for (let i = 0; i < 3; i++) {
      proxy.cutAfter('select 12345');
      const lost = orm(pool).transaction(async (transaction) => {
        await transaction.select().from(environments);
        await transaction.execute('select 12345');
        await transaction.select().from(environments);
      });
      const error = await lost.catch((reason: unknown) => reason);
      expect(isDatabaseUnavailable(error)).toBe(true);
      proxy.cutAfter('nothing');
      expect(await pool`select 1 as alive`).toEqual([{ alive: 1 }]);
    }
    await pool.end({ timeout: 1 });
    await proxy.close();
  });

  test('refused, it says that Postgres is away; a wrong query does not', async () => {
    const away = openDatabase('postgres://nobody:x@127.0.0.1:1/none', { connectionsMax: 1, name: 'away' });
    expect(isDatabaseUnavailable(await away`select 1`.catch((error: unknown) => error))).toBe(true);
    expect(isDatabaseUnavailable(await sql`select nonsense`.catch((error: unknown) => error))).toBe(false);
    expect(isDatabaseUnavailable(new Error('anything'))).toBe(false);
    await away.end({ timeout: 1 });
  });

  test('is encrypted as the URL asks', () => {
    const modes = ['', '?sslmode=disable', '?sslmode=prefer', '?sslmode=require', '?sslmode=verify-full', '?ssl=true'];
    expect(modes.map((query) => tlsModeOf(`postgres://u:p@h/d${query}`))).toEqual([
      ...['off', 'off', 'preferred', 'required', 'verified', 'verified'],
    ]);
  });
});

describe('opening partitions', () => {
  let server: RedisServer;
  let redis: Redis;
  const warnings: string[] = [];
  const open = (reached?: (step: string) => void) =>
    openPartitions({ sql, redis, onWarning: (message) => warnings.push(message), ...(reached && { reached }) });

  beforeAll(async () => {
    server = await createRedis();
    redis = new Redis(server.url, { protocol: 2 });
  });
  afterAll(async () => {
    redis.disconnect();
    await server.stop();
  });
  beforeEach(async () => {
    await redis.flushall();
    warnings.length = 0;
    await readPartitions(sql);
    await sql`update partitions set opened_at = null, seq = 0`;
    await sql`update epochs set opened_at = null`;
  });

  test('the first start opens all of them, and the second changes nothing', async () => {
    const installation = await installationOf(sql);
    expect(await open()).toEqual({ installation, epochs: Array.from({ length: 256 }, () => 1), lost: [] });
    expect(await redis.get(fenceKey(255))).toBe(`${installation}:1`);
    const clock = (await redis.getBuffer(clockKey(7))) ?? Buffer.alloc(0);
    expect([clock.readDoubleBE(0), clock.readDoubleBE(8), clock.readDoubleBE(16)]).toEqual([0, 0, 1]);
    const [epoch] = await sql`select * from epochs where partition = 7`;
    expect(epoch).toMatchObject({ run_id: expect.stringMatching(/^[0-9a-f]{40}$/), sealed_at: null });
    expect((await open()).lost).toEqual([]);
    expect(warnings).toEqual([]);
  });

  test('two workers at once open all of them', async () => {
    const other = openDatabase(database.url, { connectionsMax: 4, name: 'other' });
    const opened = await Promise.all([open(), openPartitions({ sql: other, redis, onWarning: () => {} }), open()]);
    expect(opened.map(({ lost }) => lost)).toEqual([[], [], []]);
    await other.end();
  });

  test.each(['closed', 'marked', 'opened'])(
    'a start that ends after step "%s" is finished by the next',
    async (ended) => {
      const reached = (step: string) => {
        if (step === ended) throw new Error('ended here');
      };
      await expect(open(reached)).rejects.toThrow('ended here');
      if (ended !== 'opened') {
        // Nothing can be written yet.
        expect(await redis.get(fenceKey(3))).toMatch(/^closed:/);
      }
      expect((await open()).lost).toEqual([]);
      expect(await redis.get(fenceKey(3))).toBe(`${await installationOf(sql)}:1`);
    },
  );

  test('a fence that goes missing after the first start is a loss, and is left as it is', async () => {
    await open();
    await redis.del(fenceKey(9));
    expect((await open()).lost).toEqual([{ partition: 9, fence: null }]);
    expect(await redis.get(fenceKey(9))).toBeNull();
    expect(warnings).toHaveLength(1);
    await redis.flushall();
    expect((await open()).lost).toHaveLength(256);
    expect(await redis.dbsize()).toBe(0);
  });

  test('a loss between marking and opening does not pass for a first start', async () => {
    await expect(
      open((step) => {
        if (step === 'marked') throw new Error('ended here');
      }),
    ).rejects.toThrow();
    await redis.flushall();
    expect((await open()).lost).toHaveLength(256);
  });

  test("another installation's Redis is not taken over", async () => {
    const foreign = '00000000-0000-0000-0000-000000000000:1';
    await redis.set(fenceKey(1), foreign);
    await redis.xadd(outboxKey(2, 1), '5-0', 'e', 'left over');
    expect((await open()).lost).toEqual([
      { partition: 1, fence: null },
      { partition: 2, fence: null },
    ]);
    expect(await redis.get(fenceKey(1))).toBe(foreign);
    expect(await redis.exists(fenceKey(2))).toBe(0);
    expect((await readPartitions(sql)).filter(({ openedAtMs }) => openedAtMs === undefined)).toHaveLength(2);
  });
});
