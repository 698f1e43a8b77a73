// The audit, on a ledger that a real Farebox wrote: it finds nothing there, and each thing that is planted.
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { audit, type Report } from '../scripts/audit/audit.ts';
import { reportText } from '../scripts/audit/report.ts';
import { openDatabase, type Sql } from '../src/db/connect.ts';
import { expectStatus, type Farebox, startFarebox } from './farebox.ts';

const kinds = [
  ...['grant', 'schedule_grant', 'activate_grant', 'expire_grant', 'void_grant', 'hold', 'extend', 'settle', 'release'],
  ...['expire_hold', 'charge', 'freeze', 'unfreeze', 'budget_alert'],
];
const tables = [
  ...['entries', 'transfers', 'wallets', 'accounts', 'environment_accounts', 'grants', 'holds', 'credits'],
  ...['partitions', 'quarantine', 'counters'],
];

let farebox: Farebox;
let sql: Sql;

beforeAll(async () => {
  farebox = await startFarebox();
  sql = openDatabase(farebox.database.url, { connectionsMax: 2, name: 'audit test' });
  await Promise.all([liveThrough('rich'), overspend('owing'), frozen('frozen'), quiet('quiet'), budgeted('counting')]);
  await untilDrained();
  await sql`create schema saved`;
  for (const table of tables) await sql`create table saved.${sql(table)} as select * from ${sql(table)}`;
});

afterAll(async () => {
  await sql.end();
  await farebox.stop();
});

describe('a ledger that nobody touched', () => {
  test('is sound, with every kind of entry in it', async () => {
    const found = await sql<{ kind: string }[]>`select distinct kind::text from entries`;
    expect(found.map(({ kind }) => kind).sort()).toEqual([...kinds].sort());
    expect((await sql`select 1 from entries where late`).length).toBeGreaterThan(0);
    expect((await sql`select 1 from credits where state = 'refused'`).length).toBeGreaterThan(0);
    const report = await audit(sql);
    expect(reportText(report)).toMatch(/^(ok .*\n){10}audit: the ledger is sound: 10 proofs in [\d.]+ s$/);
    // Nothing was bought here: test/refunds.test.ts plants what the last one finds.
    expect(report.proofs.filter(({ checked }) => checked === 0).map(({ name }) => name)).toEqual(['payments']);
  });

  test('is sound at any moment of live traffic', async () => {
    const traffic = Promise.all(Array.from({ length: 8 }, (_, i) => busy(`busy_${i}`)));
    let isOver = false;
    const ended = traffic.finally(() => (isOver = true));
    let checked = 0;
    do {
      const report = await audit(sql);
      expect(failuresOf(report)).toEqual([]);
      checked = report.proofs[0]!.checked;
    } while (!isOver);
    await ended;
    expect(checked).toBeGreaterThan(4);
    await untilDrained();
    for (const table of tables) {
      await sql`drop table saved.${sql(table)}`;
      await sql`create table saved.${sql(table)} as select * from ${sql(table)}`;
    }
  });
});

type Plant = {
  /** What is planted. */
  name: string;
  /** The proof that must fail. */
  proof: string;
  /** Plants it; returns what the offender's line must contain. */
  plant: () => Promise<string>;
};

const plants: Plant[] = [
  {
    name: 'an entry is gone',
    proof: 'versions',
    plant: async () => {
      const { wallet, version } = await entryOf(`kind = 'charge'`);
      await corrupt(`delete from entries where wallet_id = '${wallet}' and version = ${version}`);
      return `wallet ${wallet}: version ${version + 1} where ${version} is due`;
    },
  },
  {
    name: 'an entry is there twice, in two months',
    proof: 'versions',
    plant: async () => {
      const { wallet, version } = await entryOf(`kind = 'charge'`);
      await copyEntry(wallet, version, { occurred_at: `occurred_at - interval '1 year'`, seq: '1000000' });
      return `wallet ${wallet}: version ${version} where ${version + 1} is due`;
    },
  },
  {
    name: 'a wallet says a later version than its entries',
    proof: 'versions',
    plant: async () => {
      const wallet = await walletOf('rich');
      await corrupt(`update wallets set version = version + 1 where wallet_id = '${wallet}'`);
      return `wallet ${wallet}: is at version`;
    },
  },
  {
    name: 'a wallet is gone',
    proof: 'versions',
    plant: async () => {
      const wallet = await walletOf('rich');
      await corrupt(`delete from wallets where wallet_id = '${wallet}'`);
      return `wallet ${wallet}: has entries, but is not there`;
    },
  },
  {
    name: 'the last entries of a wallet are gone, and its row is set back',
    proof: 'seqs',
    plant: async () => {
      const { wallet, version, partition, seq } = await entryOf(`kind = 'unfreeze'`);
      await corrupt(`delete from entries where wallet_id = '${wallet}' and version = ${version}`);
      return `partition ${partition} epoch 1: entry ${seq + 1} follows ${seq - 1}`;
    },
  },
  {
    name: 'two entries bear one seq',
    proof: 'seqs',
    plant: async () => {
      const { wallet, version, partition, seq } = await entryOf(`kind = 'charge'`);
      await corrupt(`update entries set seq = seq - 1 where wallet_id = '${wallet}' and version = ${version}`);
      return `partition ${partition} epoch 1: entry ${seq - 1} is there twice`;
    },
  },
  {
    name: 'an entry is of an epoch that never was',
    proof: 'seqs',
    plant: async () => {
      const { wallet, version, partition, seq } = await entryOf(`kind = 'charge'`);
      await corrupt(`update entries set epoch = 7 where wallet_id = '${wallet}' and version = ${version}`);
      return `partition ${partition} epoch 7: entry ${seq} is of an epoch to come`;
    },
  },
  {
    name: 'a checkpoint lies ahead of the entries',
    proof: 'seqs',
    plant: async () => {
      const { partition } = await entryOf(`kind = 'charge'`);
      await corrupt(`update partitions set seq = seq + 2 where partition = ${partition}`);
      return `partition ${partition} epoch 1: no entries from`;
    },
  },
  {
    name: 'a checkpoint lies behind the entries',
    proof: 'seqs',
    plant: async () => {
      const { partition } = await entryOf(`kind = 'charge'`);
      await corrupt(`update partitions set seq = seq - 1 where partition = ${partition}`);
      return `partition ${partition} epoch 1: entry`;
    },
  },
  {
    name: 'a transfer is larger than it was',
    proof: 'balances',
    plant: async () => {
      const { wallet, version } = await entryOf(`kind = 'charge'`);
      await corrupt(`update transfers set amount = amount + 1 where wallet_id = '${wallet}' and version = ${version}`);
      return `wallet ${wallet} asset 1: available, held, overage, scheduled are`;
    },
  },
  {
    name: 'a transfer is gone',
    proof: 'balances',
    plant: async () => {
      const { wallet, version } = await entryOf(`kind = 'release'`);
      await corrupt(`delete from transfers where wallet_id = '${wallet}' and version = ${version}`);
      return `wallet ${wallet} asset 1: available, held, overage, scheduled are`;
    },
  },
  {
    name: 'an account has an atom more',
    proof: 'balances',
    plant: async () => {
      const wallet = await walletOf('rich');
      await corrupt(`update accounts set available = available + 1 where wallet_id = '${wallet}' and asset = 1`);
      return `wallet ${wallet} asset 1: available, held, overage, scheduled are`;
    },
  },
  {
    name: 'an account has another scheduled sum',
    proof: 'balances',
    plant: async () => {
      const wallet = await walletOf('rich');
      await corrupt(`update accounts set scheduled = scheduled + 1 where wallet_id = '${wallet}' and asset = 1`);
      return `wallet ${wallet} asset 1: available, held, overage, scheduled are`;
    },
  },
  {
    name: 'an account is gone',
    proof: 'balances',
    plant: async () => {
      const wallet = await walletOf('rich');
      await corrupt(`delete from accounts where wallet_id = '${wallet}' and asset = 2`);
      return `wallet ${wallet} asset 2: available, held, overage, scheduled are not there`;
    },
  },
  {
    name: 'the last entry says another balance',
    proof: 'balances',
    plant: async () => {
      const wallet = await walletOf('quiet');
      await corrupt(`
        update entries set available_after[1] = available_after[1] + 1
        where wallet_id = '${wallet}' and version = (select version from wallets where wallet_id = '${wallet}')`);
      return `wallet ${wallet} asset 1: available, held, overage, scheduled are`;
    },
  },
  {
    name: 'an account owes less',
    proof: 'zero',
    plant: async () => {
      const { environment } = await entryOf(`kind = 'charge'`);
      await corrupt(`update accounts set overage = overage - 1 where wallet_id = '${await walletOf('owing')}'`);
      return `env_${environment} asset 1: all accounts sum up to 1`;
    },
  },
  {
    name: 'an environment earned more than was spent',
    proof: 'zero',
    plant: async () => {
      const { environment, partition } = await entryOf(`kind = 'charge'`);
      await corrupt(`
        update environment_accounts set balance = balance + 5
        where account = 'revenue' and asset = 1 and partition = ${partition}`);
      return `env_${environment} asset 1 revenue partition ${partition}: has`;
    },
  },
  {
    name: 'what one partition earned is with another',
    proof: 'zero',
    plant: async () => {
      const { environment, partition } = await entryOf(`kind = 'charge'`);
      await corrupt(`
        update environment_accounts set partition = (
          select min(free) from generate_series(0, 255) free where free not in (select partition from environment_accounts))
        where account = 'revenue' and asset = 1 and partition = ${partition}`);
      return `env_${environment} asset 1 revenue partition ${partition}: has no row`;
    },
  },
  {
    name: 'a grant has less left',
    proof: 'holdings',
    plant: async () => {
      const wallet = await walletOf('quiet');
      await corrupt(`update grants set remaining = remaining - 1 where wallet_id = '${wallet}' and remaining > 0`);
      return `wallet ${wallet} asset 1: available, held, scheduled are`;
    },
  },
  {
    name: 'a scheduled grant is gone',
    proof: 'holdings',
    plant: async () => {
      const wallet = await walletOf('rich');
      await corrupt(`delete from grants where wallet_id = '${wallet}' and state = 'scheduled'`);
      return `wallet ${wallet} asset 1: available, held, scheduled are`;
    },
  },
  {
    name: 'an open hold holds less',
    proof: 'holdings',
    plant: async () => {
      const { wallet, ref } = await openHold();
      await corrupt(`update holds set held[1] = held[1] - 1 where wallet_id = '${wallet}' and ref = '${ref}'`);
      return `wallet ${wallet} asset 1: available, held, scheduled are`;
    },
  },
  {
    name: 'an open hold took from another grant',
    proof: 'holdings',
    plant: async () => {
      const { wallet, ref, grantNo } = await openHold();
      await corrupt(`update holds set source_grants[1] = 99 where wallet_id = '${wallet}' and ref = '${ref}'`);
      return `wallet ${wallet} grant ${grantNo}: holds`;
    },
  },
  {
    name: 'a hold ends twice',
    proof: 'ends',
    plant: async () => {
      const { wallet, ref } = await entryOf(`kind = 'release'`);
      const other = await entryOf(`kind = 'expire_hold'`);
      await corrupt(`
        update entries set hold_ref = '${ref}' where wallet_id = '${wallet}' and version = ${other.version}`);
      return `wallet ${wallet} hold ${ref}: ends 2 times`;
    },
  },
  {
    name: 'a hold is settled late that never expired',
    proof: 'ends',
    plant: async () => {
      const { wallet, ref, version } = await entryOf(`kind = 'settle' and not late and hold_status = 'settled'`);
      await corrupt(`update entries set late = true where wallet_id = '${wallet}' and version = ${version}`);
      return `wallet ${wallet} hold ${ref}: is settled late`;
    },
  },
  {
    name: 'a hold is settled late twice',
    proof: 'ends',
    plant: async () => {
      const { wallet, ref, version } = await entryOf('late');
      await copyEntry(wallet, version, { version: '1000000', seq: '1000000' });
      return `wallet ${wallet} hold ${ref}: is settled late 2 times`;
    },
  },
  {
    name: 'a hold is opened twice',
    proof: 'ends',
    plant: async () => {
      const { wallet, ref, version } = await entryOf(`kind = 'hold'`);
      await copyEntry(wallet, version, { version: '1000000', seq: '1000000' });
      return `wallet ${wallet} hold ${ref}: is opened 2 times`;
    },
  },
  {
    name: 'an entry in the middle says another balance',
    proof: 'rebuild',
    plant: async () => {
      const { wallet, version } = await entryOf(`kind = 'charge'`);
      await corrupt(`
        update entries set available_after[1] = available_after[1] + 1
        where wallet_id = '${wallet}' and version = ${version}`);
      return `wallet ${wallet}: version ${version}: available after it is`;
    },
  },
  {
    name: 'an entry in the middle says another amount',
    proof: 'rebuild',
    plant: async () => {
      const { wallet, version } = await entryOf(`kind = 'charge'`);
      await corrupt(`
        update entries set amounts[1] = amounts[1] + 1 where wallet_id = '${wallet}' and version = ${version}`);
      return `wallet ${wallet}: version ${version}: its amount is`;
    },
  },
  {
    name: 'an entry in the middle says that a grant has more left',
    proof: 'rebuild',
    plant: async () => {
      const { wallet, version } = await entryOf(`kind = 'charge'`);
      await corrupt(`
        update entries set move_remaining[1] = move_remaining[1] + 1
        where wallet_id = '${wallet}' and version = ${version}`);
      return `wallet ${wallet}: version ${version}: its grants do not move as asset 1 does`;
    },
  },
  {
    name: 'an entry in the middle says that a hold took more',
    proof: 'rebuild',
    plant: async () => {
      const { wallet, ref, version } = await entryOf(`kind = 'hold' and hold_held[1] > 0`);
      await corrupt(`
        update entries set hold_source_atoms[1] = hold_source_atoms[1] + 1
        where wallet_id = '${wallet}' and version = ${version}`);
      return `wallet ${wallet}: version ${version}: hold ${ref} holds other than it took from grants`;
    },
  },
  {
    name: 'a grant changes its terms on the way',
    proof: 'rebuild',
    plant: async () => {
      const { wallet, version, grantNo } = await entryOf(`kind = 'activate_grant'`);
      await corrupt(`
        update entries set grant_priority = grant_priority + 1 where wallet_id = '${wallet}' and version = ${version}`);
      return `wallet ${wallet}: version ${version}: grant ${grantNo} changes its priority`;
    },
  },
  {
    name: 'a charge freezes its wallet',
    proof: 'rebuild',
    plant: async () => {
      const { wallet, version } = await entryOf(`kind = 'charge'`);
      await corrupt(`
        update entries set freeze_reason = 'dispute' where wallet_id = '${wallet}' and version = ${version}`);
      return `wallet ${wallet}: version ${version}: a charge that changes the freeze`;
    },
  },
  {
    name: 'a transfer lies in another month than its entry',
    proof: 'rebuild',
    plant: async () => {
      const { wallet, version } = await entryOf(`kind = 'charge'`);
      await corrupt(`
        update transfers set occurred_at = occurred_at - interval '1 year'
        where wallet_id = '${wallet}' and version = ${version}`);
      return `wallet ${wallet}: version ${version}: a transfer at another instant`;
    },
  },
  {
    name: 'transfers belong to no entry',
    proof: 'rebuild',
    plant: async () => {
      const { wallet, version } = await entryOf(`kind = 'charge'`);
      await corrupt(`
        insert into transfers
        select environment_id, wallet_id, 1000000, no, occurred_at, asset, debit, credit, amount
        from transfers where wallet_id = '${wallet}' and version = ${version}`);
      return `wallet ${wallet}: transfers of version 1000000, which has no entry`;
    },
  },
  ...(
    [
      ['another priority', 'grants', `priority = (priority + 1) % 100`, `state = 'active'`],
      ['another state', 'grants', `state = 'voided'`, `state = 'expired'`],
      ['another expiry', 'grants', `expires_at = expires_at + interval '1 second'`, `expires_at is not null`],
      ['another deadline', 'holds', `expires_at = expires_at + interval '1 second'`, `status = 'open'`],
      ['another settled sum', 'holds', `settled[1] = settled[1] + 1`, `status = 'open'`],
      ['another sum after its end', 'holds', `settled[1] = settled[1] + 1`, `status = 'settled'`],
      ['another end', 'holds', `ended_at = ended_at + interval '1 second'`, `late`],
      ['another outcome', 'holds', `status = 'released'`, `status = 'expired'`],
      ['another freeze', 'wallets', `freeze_reason = 'none'`, `freeze_reason = 'operator'`],
      ['another partition', 'wallets', `partition = (partition + 1) % 256`, `version > 0`],
      ['another customer', 'wallets', `customer_id = 'somebody'`, `version > 0`],
    ] as const
  ).map(([what, table, change, where]): Plant => ({
    name: `one of ${table} has ${what}`,
    proof: 'rebuild',
    plant: async () => {
      const [row] = await sql.unsafe<{ wallet_id: string; ctid: string }[]>(
        `select wallet_id, ctid::text from ${table} where ${where} limit 1`,
      );
      await corrupt(`update ${table} set ${change} where ctid = '${row!.ctid}'`);
      return `wallet ${row!.wallet_id}`;
    },
  })),
  {
    name: 'an ended hold is gone',
    proof: 'rebuild',
    plant: async () => {
      const { wallet, ref } = await entryOf(`kind = 'release'`);
      await corrupt(`delete from holds where wallet_id = '${wallet}' and ref = '${ref}'`);
      return `wallet ${wallet} hold ${ref}: is not there`;
    },
  },
  {
    name: 'an applied credit says that it was refused',
    proof: 'credits',
    plant: async () => {
      const { wallet, version, grantNo } = await entryOf(`kind = 'schedule_grant'`);
      await corrupt(`update credits set state = 'refused' where wallet_id = '${wallet}' and grant_no = ${grantNo}`);
      return `wallet ${wallet} grant ${grantNo}: is refused, and has an entry at version ${version}`;
    },
  },
  {
    name: 'a refused credit says that it was applied',
    proof: 'credits',
    plant: async () => {
      const [row] = await sql<{ wallet_id: string; grant_no: number }[]>`
        select wallet_id, grant_no from credits where state = 'refused'`;
      await corrupt(`update credits set state = 'applied' where state = 'refused'`);
      return `wallet ${row!.wallet_id} grant ${row!.grant_no}: is applied, and has 0 entries`;
    },
  },
  {
    name: 'a credit was of another amount',
    proof: 'credits',
    plant: async () => {
      const { wallet, version, grantNo } = await entryOf(`kind = 'grant'`);
      await corrupt(`update credits set amount = amount + 1 where wallet_id = '${wallet}' and grant_no = ${grantNo}`);
      return `wallet ${wallet} grant ${grantNo}: was applied at version ${version} on other terms`;
    },
  },
  {
    name: 'a grant came unasked',
    proof: 'credits',
    plant: async () => {
      const { wallet, version, grantNo } = await entryOf(`kind = 'grant'`);
      await corrupt(`delete from credits where wallet_id = '${wallet}' and grant_no = ${grantNo}`);
      return `wallet ${wallet} grant ${grantNo}: its entry at version ${version} was never asked for`;
    },
  },
  {
    name: 'a credit was applied twice',
    proof: 'credits',
    plant: async () => {
      const { wallet, version, grantNo } = await entryOf(`kind = 'grant'`);
      await copyEntry(wallet, version, { version: '1000000', seq: '1000000' });
      return `wallet ${wallet} grant ${grantNo}: is applied, and has 2 entries`;
    },
  },
];

const countedPlants: Plant[] = [
  {
    name: 'a budget has counted something else',
    proof: 'counted',
    plant: async () => {
      await corrupt(`update counters set packed = set_byte(packed, length(packed) - 9, 7) where name = 'b1'`);
      return `counter b1: is not what the entry of version`;
    },
  },
  {
    name: 'a counter is gone',
    proof: 'counted',
    plant: async () => {
      await corrupt(`delete from counters where name = 'b2'`);
      return `counter b2: is not there, and is in the entry of version`;
    },
  },
  {
    name: 'a counter is in no entry',
    proof: 'counted',
    plant: async () => {
      await corrupt(`update counters set name = 'b9' where name = 'b2'`);
      return `counter b9: is in no entry`;
    },
  },
  ...(['charge', 'hold', 'settle', 'release'] as const).flatMap((kind) =>
    (kind === 'charge' || kind === 'settle' ? ['b', 'u'] : ['b']).map((letter): Plant => ({
      name: `a ${kind} counts in a ${letter === 'b' ? 'budget' : 'price'} what a later entry does`,
      proof: 'counted',
      plant: async () => {
        const [row] = await sql.unsafe<{ name: string; version: string }[]>(`
            select name, version::text from entries, unnest(counter_names) as name
            where kind = '${kind}' and starts_with(name, '${letter}') order by version limit 1`);
        const { name, version } = row!;
        const last = `(select packed from counters where name = '${name}')`;
        await corrupt(`
            update entries set counter_states[array_position(counter_names, '${name}')] = ${last}
            where version = ${version} and array_position(counter_names, '${name}') is not null`);
        return `counter ${name}: version ${version}: counts`;
      },
    })),
  ),
];

describe('what is planted is found', () => {
  test.each([...plants, ...countedPlants].map((each) => [each.proof, each.name, each.plant] as const))(
    '%s: %s',
    async (proof, _, plant) => {
      try {
        const offender = await plant();
        const report = await audit(sql);
        expect(report.isSound).toBe(false);
        const found = report.proofs.find(({ name }) => name === proof)!;
        expect(failuresOf(report)).toContain(proof);
        expect(found.offenders.map(({ who, what }) => `${who}: ${what}`).join('\n')).toContain(offender);
      } finally {
        await restore();
      }
    },
  );

  test('what was planted before is gone again', async () => {
    expect(failuresOf(await audit(sql))).toEqual([]);
  });

  test('an entry in quarantine is no gap in its partition, but one in its wallet', async () => {
    try {
      const { wallet, version, partition, seq } = await entryOf(`kind = 'charge'`);
      await corrupt(`delete from entries where wallet_id = '${wallet}' and version = ${version}`);
      await corrupt(`
        insert into quarantine (partition, epoch, seq, raw, reason) values (${partition}, 1, ${seq}, '\\x00', 'planted')`);
      const failures = failuresOf(await audit(sql));
      expect(failures).not.toContain('seqs');
      expect(failures).toContain('versions');
    } finally {
      await restore();
    }
  });

  test('a fault that is everywhere is told ten times and counted', async () => {
    try {
      await corrupt('delete from transfers');
      const report = await audit(sql);
      const rebuilt = report.proofs.find(({ name }) => name === 'balances')!;
      expect(rebuilt.failed).toBeGreaterThan(10);
      expect(rebuilt.offenders).toHaveLength(10);
      expect(reportText(report)).toContain(`and ${rebuilt.failed - 10} more`);
    } finally {
      await restore();
    }
  });
});

describe('the program', () => {
  test('ends with 0 on a sound ledger and 1 on another', async () => {
    const env = { DATABASE_URL: farebox.database.url };
    expect(await program(env)).toMatchObject({ status: 0, stderr: '', stdout: expect.stringContaining('is sound') });
    try {
      await corrupt('update accounts set available = available + 1 where available > 0');
      expect(await program(env)).toMatchObject({ status: 1, stdout: expect.stringContaining('FAILED  balances') });
    } finally {
      await restore();
    }
  });

  test('ends with 2 where there is no ledger, and says what would help', async () => {
    const nowhere = { FAREBOX_DATA_DIR: '/nowhere' };
    expect(await program(nowhere)).toMatchObject({ status: 2, stderr: expect.stringContaining('set DATABASE_URL') });
    const empty = { DATABASE_URL: farebox.database.url.replace(/[^/]*$/, 'absent') };
    expect(await program(empty)).toMatchObject({ status: 2, stderr: expect.stringContaining('could not run') });
  });
});

// ── Traffic, through the API ──

/** Every kind of entry, on one wallet. */
async function liveThrough(id: string): Promise<void> {
  await farebox.customer(id, '100');
  await grant(id, '20', { purpose: 'promotional', expires_at: fromNow(4_000), priority: 10 });
  await grant(id, '7', { purpose: 'bundled', effective_at: fromNow(1_500) });
  const future = await grant(id, '9', { effective_at: fromNow(500_000) });
  await grant(id, '11', { effective_at: fromNow(500_000), expires_at: fromNow(900_000) });
  const voided = await grant(id, '30', { priority: 5 });
  await grant(id, '1000', { asset: 'EUR' });
  for (let i = 0; i < 4; i++) await grant(id, '1000000', { asset: 'EUR' });
  await grant(id, '1000000', { asset: 'EUR' }, 422);
  await expectStatus(farebox.client.post(`/v1/customers/${id}/grants/${future}/void`), 200);

  // From three grants, of which one is voided and one expires before it returns.
  const wide = await hold(id, '60');
  await expectStatus(farebox.client.post(`/v1/customers/${id}/grants/${voided}/void`), 200);
  await settle(wide, { amount: '12', final: false });
  await expectStatus(farebox.client.post(`/v1/holds/${wide}/extend`, { amount: '5', ttl_ms: 90_000 }), 200);
  await expectStatus(farebox.client.post('/v1/charge', { customer_id: id, asset: 'USD', amount: '3' }), 200);
  await settle(await hold(id, '4'), { amount: '10', on_excess: 'cap' });
  await settle(await hold(id, '4'), { amount: '6' });
  await settle(await hold(id, '0'), { amount: '0' });
  await expectStatus(farebox.client.post(`/v1/holds/${await hold(id, '4')}/release`), 200);
  await expectStatus(farebox.client.post(`/v1/customers/${id}/wallet/freeze`), 200);
  await expectStatus(farebox.client.post(`/v1/customers/${id}/wallet/unfreeze`), 200);
  const late = await hold(id, '2', { ttl_ms: 1_000 });
  await hold(id, '2', { ttl_ms: 1_000 });
  await hold(id, '1', { ttl_ms: 3_600_000 });
  await hold(id, '500', { asset: 'EUR', ttl_ms: 3_600_000 });
  await sleep(1_500);
  await settle(late, { amount: '1' });
  await untilKind(id, 'expire_grant');
  await settle(wide, { amount: '2' });
}

/** What budgets and a price over a period count, by every kind of entry that does. */
async function budgeted(id: string): Promise<void> {
  await farebox.customer(id, '1000');
  const tiers = [
    { up_to: 10, unit_amount: '1' },
    { up_to: null, unit_amount: '0.3' },
  ];
  const price = {
    id: 'p',
    event_type: 'counted',
    asset: 'USD',
    model: 'graduated',
    quantity: 'n',
    tiers_over: 'month',
  };
  const product = { id: 'counted', name: 'counted', default: true, prices: [{ ...price, tiers }] };
  await expectStatus(farebox.client.post('/v1/products', product), 201);
  await expectStatus(farebox.client.post('/v1/products/counted/versions/1/publish'), 200);
  for (const period of [{ unit: 'lifetime' }, { rolling_ms: 3_600_000 }, { unit: 'month' }]) {
    const terms = { name: 'b', asset: 'USD', limit: '100', period, match: {}, enforcement: 'alert', alert_at: ['0.2'] };
    await expectStatus(farebox.client.post(`/v1/customers/${id}/budgets`, terms), 201);
  }
  const event = (n: number) => ({ event_type: 'counted', data: { n } });
  for (const n of [4, 8, 16])
    await expectStatus(farebox.client.post('/v1/charge', { customer_id: id, ...event(n) }), 200);
  for (const body of [event(5), { amount: '9' }, { amount: '1', final: false }])
    await settle(await hold(id, '6'), body);
  const longer = await hold(id, '3', { ttl_ms: 3_600_000 });
  await expectStatus(farebox.client.post(`/v1/holds/${longer}/extend`, { amount: '2' }), 200);
  await expectStatus(farebox.client.post(`/v1/holds/${await hold(id, '4')}/release`), 200);
  await hold(id, '2', { ttl_ms: 1_000 });
  await untilKind(id, 'expire_hold');
  await expectStatus(farebox.client.post('/v1/charge', { customer_id: id, ...event(1) }), 200);
}

/** Overage, repaid in part. */
async function overspend(id: string): Promise<void> {
  await farebox.customer(id, '10');
  await settle(await hold(id, '10'), { amount: '25' });
  await grant(id, '5');
}

async function frozen(id: string): Promise<void> {
  await farebox.customer(id, '10');
  await expectStatus(farebox.client.post(`/v1/customers/${id}/wallet/freeze`), 200);
}

async function quiet(id: string): Promise<void> {
  await farebox.customer(id, '10');
  await settle(await hold(id, '4'), { amount: '1' });
}

async function busy(id: string): Promise<void> {
  await farebox.customer(id, '10');
  for (let i = 0; i < 40; i++) {
    const held = await hold(id, '0.2');
    if (i % 10 === 3) await grant(id, '1', { purpose: 'promotional' });
    if (i % 3 === 0) await expectStatus(farebox.client.post(`/v1/holds/${held}/release`), 200);
    else await settle(held, { amount: i % 3 === 1 ? '0.15' : '0.25' });
  }
}

async function grant(id: string, amount: string, more: object = {}, status = 201): Promise<string> {
  const body = { asset: 'USD', amount, purpose: 'paid', ...more };
  return (await expectStatus(farebox.client.post(`/v1/customers/${id}/grants`, body), status)).body.id;
}

async function hold(id: string, amount: string, more: object = {}): Promise<string> {
  const body = { customer_id: id, asset: 'USD', amount, ...more };
  return (await expectStatus(farebox.client.post('/v1/authorize', body), 200)).body.id;
}

async function settle(holdId: string, body: object): Promise<void> {
  await expectStatus(farebox.client.post(`/v1/holds/${holdId}/settle`, body), 200);
}

const fromNow = (ms: number): string => new Date(Date.now() + ms).toISOString();

// ── The ledger, for the one who plants ──

async function untilDrained(): Promise<void> {
  const customers = await sql<{ id: string }[]>`select id from customers`;
  await until(async () => {
    const versions = await Promise.all(
      customers.map(async ({ id }) => (await farebox.client.get(`/v1/customers/${id}/wallet`)).body.version as number),
    );
    const [row] = await sql<{ sum: string }[]>`select sum(version)::text as sum from wallets`;
    return Number(row!.sum) === versions.reduce((sum, version) => sum + version, 0);
  });
}

function untilKind(id: string, kind: string): Promise<void> {
  return until(async () => (await farebox.client.get(`/v1/customers/${id}/entries?kind=${kind}`)).body.data.length > 0);
}

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  const deadlineMs = Date.now() + 20_000;
  while (!(await isTrue())) {
    if (Date.now() > deadlineMs) throw new Error('it did not happen in time');
    await sleep(50);
  }
}

async function walletOf(customerId: string): Promise<string> {
  const [row] = await sql<{ wallet_id: string }[]>`select wallet_id from wallets where customer_id = ${customerId}`;
  return row!.wallet_id;
}

/** The first such entry of the wallet that has lived through everything. */
async function entryOf(where: string) {
  const [row] = await sql.unsafe<
    {
      environment: string;
      wallet: string;
      version: bigint;
      partition: number;
      seq: bigint;
      ref: string | null;
      grant_no: number | null;
    }[]
  >(`select environment_id as environment, wallet_id as wallet, version, partition, seq, hold_ref as ref, grant_no
    from entries where wallet_id = '${await walletOf('rich')}' and ${where} order by version limit 1`);
  const { version, seq, ref, grant_no, ...rest } = row!;
  return { ...rest, version: Number(version), seq: Number(seq), ref: ref ?? '', grantNo: grant_no ?? 0 };
}

async function openHold() {
  const [row] = await sql<{ wallet: string; ref: string; grant_no: number }[]>`
    select wallet_id as wallet, ref, source_grants[1] as grant_no from holds
    where status = 'open' and assets[1] = 1 and held[1] > 0 limit 1`;
  const { wallet, ref, grant_no } = row!;
  return { wallet, ref, grantNo: grant_no };
}

/** With triggers and foreign keys off, as a fault of the disk or of an operator would have it. */
async function corrupt(statement: string): Promise<void> {
  await sql.begin(async (transaction) => {
    await transaction`set local session_replication_role = replica`;
    const result = await transaction.unsafe(statement);
    if (result.count === 0) throw new Error(`nothing was planted: ${statement}`);
  });
}

async function copyEntry(wallet: string, version: number, changes: Record<string, string>): Promise<void> {
  const columns = await sql<{ name: string }[]>`
    select column_name as name from information_schema.columns
    where table_schema = 'public' and table_name = 'entries' order by ordinal_position`;
  const values = columns.map(({ name }) => changes[name] ?? name).join(', ');
  await corrupt(
    `insert into entries select ${values} from entries where wallet_id = '${wallet}' and version = ${version}`,
  );
}

async function restore(): Promise<void> {
  await sql.begin(async (transaction) => {
    await transaction`set local session_replication_role = replica`;
    for (const table of tables) {
      await transaction`delete from ${sql(table)}`;
      if (table !== 'quarantine') await transaction`insert into ${sql(table)} select * from saved.${sql(table)}`;
    }
  });
}

function failuresOf({ proofs }: Report): string[] {
  return proofs.filter(({ failed }) => failed > 0).map(({ name }) => name);
}

function program(env: Record<string, string>): Promise<{ status: number; stdout: string; stderr: string }> {
  const { DATABASE_URL: _, ...rest } = process.env;
  return new Promise((resolve) => {
    const args = ['--import', 'tsx', 'scripts/audit.ts'];
    execFile(process.execPath, args, { env: { ...rest, ...env } }, (error, stdout, stderr) => {
      resolve({ status: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}
