// Migrations that change what is there: a ledger that an earlier release wrote is the same ledger after them.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { audit } from '../scripts/audit/audit.ts';
import { isDatabaseUnavailable, openDatabase, type Sql } from '../src/db/connect.ts';
import { migrate } from '../src/db/migrate.ts';
import { loadWallet } from '../src/db/wallets.ts';
import { walletOf } from '../src/wallet/keys.ts';
import { endLockHolder } from './end-lock-holder.ts';
import { createDatabase, type TestDatabase } from './stores.ts';

const environmentId = 'environment1';
const customerId = 'c';
const { walletId, partition } = walletOf(environmentId, customerId);
const then = `'2026-01-01T00:00:00Z'`;
const wallet = `'${environmentId}', '${walletId}'`;
let database: TestDatabase;
let sql: Sql;

beforeAll(async () => {
  database = await createDatabase();
  sql = openDatabase(database.url, { connectionsMax: 1, name: 'test' });
});
afterAll(async () => {
  await sql.end();
  await database.drop();
});

test('a migration whose session Postgres ends says so, and does not wait for ever', async () => {
  const fresh = await createDatabase();
  const [other, locking] = [1, 2].map(() => openDatabase(fresh.url, { connectionsMax: 1, name: 'test' })) as [Sql, Sql];
  // The migration waits for this table, and has its own lock meanwhile.
  await locking`begin`;
  await locking`lock table drizzle.__drizzle_migrations in access exclusive mode`;
  const migrating = migrate(fresh.url)
    .then(() => undefined)
    .catch((error: unknown) => error);
  await expect.poll(() => endLockHolder(other), { timeout: 20_000 }).toBe(1);
  expect(isDatabaseUnavailable(await migrating)).toBe(true);
  await locking`rollback`;
  await locking.end();
  await other.end();
  await fresh.drop();
});

test('a hold was in one asset, and is a list of one: the ledger is sound, and the wallet what it was', async () => {
  await migrateUntil('_legs');
  await writeAsBefore();
  await migrate(database.url);
  const report = await audit(sql);
  expect(report.proofs.filter((proof) => proof.failed > 0)).toEqual([]);
  const leg = { asset: 1, amount: 4n, held: 4n, settled: 0n, released: 0n, num: 1n, den: 1n };
  expect((await loadWallet(sql, { environmentId, customerId }))?.holds).toEqual([
    {
      ref: '1.4',
      createdAtMs: Date.UTC(2026, 0, 1),
      expiresAtMs: Date.UTC(2026, 0, 1),
      legs: [{ ...leg, sources: [{ grantNo: 1, atoms: 4n }] }],
      tags: [],
    },
  ]);
  expect(
    (await sql`select hold_assets, hold_rate_nums from entries order by version`).map((row) => ({ ...row })),
  ).toEqual([
    { hold_assets: null, hold_rate_nums: null },
    ...Array.from({ length: 3 }, () => ({ hold_assets: [1], hold_rate_nums: [] })),
  ]);
});

/** All migrations before the one whose name ends so, as drizzle applies them. */
async function migrateUntil(end: string): Promise<void> {
  await sql.unsafe('drop schema public cascade; create schema public; delete from drizzle.__drizzle_migrations');
  const { entries } = JSON.parse(readFileSync('drizzle/meta/_journal.json', 'utf8')) as {
    entries: { tag: string; when: number }[];
  };
  const before = entries.slice(
    0,
    entries.findIndex(({ tag }) => tag.endsWith(end)),
  );
  for (const { tag, when } of before) {
    for (const statement of readFileSync(`drizzle/${tag}.sql`, 'utf8').split('--> statement-breakpoint'))
      await sql.unsafe(statement);
    await sql`insert into drizzle.__drizzle_migrations (hash, created_at) values (${tag}, ${when})`;
  }
}

/** A grant of 10; of a hold of 3, 2 were settled; another one of 4 is open. */
async function writeAsBefore(): Promise<void> {
  await sql.unsafe(`
    insert into environments (id, name, mode) values ('${environmentId}', 'old', 'test');
    insert into assets (environment_id, number, code, name, scale, kind)
      values ('${environmentId}', 1, 'USD', 'USD', 9, 'fiat');
    insert into partitions (partition, epoch, seq) values (${partition}, 1, 4);
    insert into epochs (partition, epoch) values (${partition}, 1);
    insert into customers (environment_id, id, wallet_id, metadata, operation_id, fingerprint)
      values ('${environmentId}', '${customerId}', '${walletId}', '{}', 'o', 'f');
    insert into credits (environment_id, wallet_id, grant_no, customer_id, operation_id, fingerprint, state, asset,
        amount, purpose, priority, metadata)
      values (${wallet}, 1, '${customerId}', 'op1', 'f', 'applied', 1, 10, 'paid', 50, '{}');
    insert into wallets (environment_id, wallet_id, customer_id, partition, version)
      values (${wallet}, '${customerId}', ${partition}, 4);
    insert into accounts values (${wallet}, 1, 4, 4, 0, 0);
    insert into environment_accounts values ('${environmentId}', 1, 'funding:paid', ${partition}, -10),
      ('${environmentId}', 1, 'revenue', ${partition}, 2);
    insert into grants values (${wallet}, 1, 'active', 'paid', 50, false, 1, 10, 4, 4, ${then}, null, ${then});
    insert into holds values
      (${wallet}, '1.2', ${partition}, 'settled', false, 1, 3, 0, 2, 1, ${then}, ${then}, ${then}, '{}', '{}'),
      (${wallet}, '1.4', ${partition}, 'open', false, 1, 4, 4, 0, 0, ${then}, ${then}, null, '{1}', '{4}');
    insert into transfers
      select ${wallet}, version, no, ${then}, 1, debit::ledger_account, credit::ledger_account, amount
      from (values (1, 1, 'funding:paid', 'available', 10), (2, 1, 'available', 'held', 3),
        (3, 1, 'held', 'revenue', 2), (3, 2, 'held', 'available', 1), (4, 1, 'available', 'held', 4)
      ) as transfer (version, no, debit, credit, amount)`);
  await writeEntry(1, 'grant', [10, 10, 0], {
    ...{ grant_no: '1', grant_state: `'active'`, grant_purpose: `'paid'`, grant_priority: '50', grant_scoped: 'false' },
    ...{ grant_asset: '1', grant_amount: '10', grant_effective_at: then, grant_created_at: then },
    ...{ operation_id: `'op1'`, fingerprint: `'f'`, reply: `'\\x00'`, attached: `''` },
  });
  await writeEntry(2, 'hold', [0, 7, 3], held('1.2', 'open', [3, 3, 0, 0]));
  await writeEntry(3, 'settle', [-2, 8, 0], held('1.2', 'settled', [3, 0, 2, 1]));
  await writeEntry(4, 'hold', [0, 4, 4], held('1.4', 'open', [4, 4, 0, 0]));
}

type Columns = Record<string, string>;

function held(
  ref: string,
  status: string,
  [amount, still, settled, released]: [number, number, number, number],
): Columns {
  return {
    ...{ hold_ref: `'${ref}'`, hold_status: `'${status}'`, hold_asset: '1', hold_amount: `${amount}` },
    ...{ hold_held: `${still}`, hold_settled: `${settled}`, hold_released: `${released}` },
    ...{ hold_created_at: then, hold_expires_at: then },
    hold_source_grants: still === 0 ? `'{}'` : `'{1}'`,
    hold_source_atoms: still === 0 ? `'{}'` : `'{${still}}'`,
  };
}

async function writeEntry(
  version: number,
  kind: string,
  [amount, available, stillHeld]: [number, number, number],
  more: Columns,
): Promise<void> {
  const row: Columns = {
    ...{ environment_id: `'${environmentId}'`, wallet_id: `'${walletId}'`, version: String(version) },
    ...{ occurred_at: then, partition: String(partition), epoch: '1', seq: String(version) },
    ...{ kind: `'${kind}'`, late: 'false', freeze_reason: `'none'`, assets: `'{1}'`, amounts: `'{${amount}}'` },
    ...{ available_after: `'{${available}}'`, held_after: `'{${stillHeld}}'`, overage_after: `'{0}'` },
    ...{ scheduled_after: `'{0}'`, move_grants: `'{1}'`, move_remaining: `'{${available}}'` },
    ...{ move_held: `'{${stillHeld}}'`, ...more },
  };
  await sql.unsafe(`insert into entries (${Object.keys(row).join()}) values (${Object.values(row).join()})`);
}
