// Quarantine, from the shell: what waits there is shown, replayed once its cause is mended, or rejected and kept.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { audit } from '../scripts/audit/audit.ts';
import type { RedisServer } from '../scripts/stores/redis.ts';
import { codes } from '../src/codes.gen.ts';
import type { Config } from '../src/config.ts';
import { listWalletsToFreeze } from '../src/db/quarantine.ts';
import { replayWallet } from '../src/db/replay.ts';
import { loadWallet } from '../src/db/wallets.ts';
import { openLog } from '../src/log.ts';
import { connectStore } from '../src/run/connect-store.ts';
import { runQuarantine } from '../src/run/quarantine.ts';
import { holdsKey, outboxKey, walletKey, walletOf } from '../src/wallet/keys.ts';
import { hydrateWallet } from '../src/wallet/hydrate.ts';
import { oneNode } from '../src/wallet/nodes.ts';
import { walletDifferences } from '../src/wallet/stored-wallet.ts';
import type { DrainOptions } from '../src/worker/drain.ts';
import {
  addCustomer,
  charge,
  closeWorld,
  countOf,
  drainAll,
  freeze,
  grant,
  hold,
  openWorld,
  settle,
  walletInRedis,
  type World,
} from './ledger.world.ts';
import { createDatabase, createRedis, openRedis, type TestDatabase } from './stores.ts';

let database: TestDatabase;
let server: RedisServer;
let world: World;
beforeEach(async () => {
  database = await createDatabase();
  server = await createRedis();
  world = await openWorld({ databaseUrl: database.url, redisUrl: server.url });
});
afterEach(async () => {
  await closeWorld(world);
  await server.stop();
  await database.drop();
});

/** The command, with what it printed and the exit status that it would have. */
async function quarantine(...args: string[]): Promise<{ status: number; text: string }> {
  const config = { databaseUrl: database.url, redisUrl: server.url } as Config;
  const lines: string[] = [];
  const problem = await runQuarantine(config, args, (line) => void lines.push(line));
  const status = problem === undefined ? Number(process.exitCode ?? 0) : 2;
  process.exitCode = undefined;
  return { status, text: [...lines, ...(problem === undefined ? [] : [problem])].join('\n') };
}

/** Sets aside what does not prove, and freezes as the worker does. */
async function drain(): Promise<void> {
  const told: Partial<DrainOptions> = {
    onQuarantined: () => {},
    freezeWallet: async ({ walletId }) => {
      for (const id of ['a', 'b']) {
        if (walletOf(world.environment, id).walletId === walletId) {
          await freeze(world, id, codes.freeze.none, codes.freeze.quarantine);
        }
      }
      return true;
    },
  };
  await drainAll(world, told);
  await drainAll(world, told);
}

const addressOf = (customerId: string) => ({
  environmentId: world.environment,
  walletId: walletOf(world.environment, customerId).walletId,
});

async function isMarked(customerId: string): Promise<boolean> {
  const rows = await world.sql`
    select from wallets where customer_id = ${customerId} and quarantined_at is not null`;
  return rows.length === 1;
}

/** Redis and the ledger, and the ledger by itself. */
async function expectWhole(customerId: string): Promise<void> {
  const ledger = (await loadWallet(world.sql, addressOf(customerId)))!;
  expect(walletDifferences((await walletInRedis(world, customerId))!, ledger, 0)).toEqual([]);
  const report = await audit(world.sql);
  expect(report.proofs.flatMap(({ offenders }) => offenders)).toEqual([]);
}

/** Customer a's entries go to quarantine because a row of the ledger is gone; `mend` puts it back. */
async function loseGrant(): Promise<{ mend: () => Promise<void> }> {
  for (const id of ['a', 'b']) {
    await addCustomer(world, id);
    await grant(world, id, { amount: 100 });
  }
  await drain();
  const { walletId } = addressOf('a');
  await world.sql`create table lost_grants as select * from grants where wallet_id = ${walletId}`;
  await world.sql`delete from grants where wallet_id = ${walletId}`;
  const ref = await hold(world, 'a', 10);
  await charge(world, 'a', 5);
  await charge(world, 'b', 5);
  await settle(world, 'a', ref, 7);
  await drain();
  return { mend: async () => void (await world.sql`insert into grants select * from lost_grants`) };
}

// The entry breaks two rules that count the same.
const ofItsGrant = '(a grant that the ledger does not have|its grants do not add up to its balances)';

describe('a wallet whose grant is gone from Postgres', () => {
  test('is listed and shown, with what waits behind the first entry', async () => {
    await loseGrant();
    expect((await walletInRedis(world, 'a'))!.freeze).toBe('quarantine');
    const { walletId } = addressOf('a');
    const listed = await quarantine('list');
    expect(listed.status).toBe(0);
    expect(listed.text).toMatch(
      new RegExp(`^\\S+Z  a of env_${world.environment}, wallet ${walletId}: 4 waiting; first 1: ${ofItsGrant}$`),
    );
    const shown = await quarantine('show', '1');
    expect(shown.text).toMatch(new RegExp(`^reason: ${ofItsGrant}$`, 'm'));
    expect(shown.text).toMatch(
      / 2 {2}\S+Z {2}hold {12}0 USD: available 0.00000009, held 0.00000001, overage 0; hold 1\.2/,
    );
    expect(shown.text).toMatch(/in the ledger, beside it\n +1 {2}\S+Z {2}grant/);
    expect(shown.text).toContain('in quarantine of this wallet: 1, 2, 3, 4');
    const [row] = await world.sql<{ raw: Buffer }[]>`select raw from quarantine where id = 1`;
    expect(shown.text.replaceAll('\n', '')).toContain(row!.raw.toString('hex'));
  });

  test('stays as it is when it is replayed before its cause is mended', async () => {
    await loseGrant();
    expect(await quarantine('replay', 'a')).toEqual({
      status: 1,
      text: expect.stringMatching(new RegExp(`^0 replayed, 4 stay: ${ofItsGrant}$`)),
    });
    expect(await isMarked('a')).toBe(true);
    expect(await countOf(world.sql, 'entries')).toBe(3);
    expect((await walletInRedis(world, 'a'))!.freeze).toBe('quarantine');
  });

  test('is whole again once its cause is mended and it is replayed', async () => {
    const { mend } = await loseGrant();
    await mend();
    expect(await quarantine('replay', '2')).toEqual({ status: 0, text: '4 replayed; the freeze is lifted' });
    expect(await isMarked('a')).toBe(false);
    await drain();
    await charge(world, 'a', 1);
    await drain();
    expect((await walletInRedis(world, 'a'))!.freeze).toBe('none');
    await expectWhole('a');
    expect((await quarantine('list')).text).toBe('nothing is in quarantine');
    // What was decided stays to be seen.
    expect(await world.sql`select from quarantine where resolution = 'replayed'`).toHaveLength(4);
    expect((await quarantine('show', '1')).text).toMatch(/^entry 1: .* replayed \S+Z$/m);
    expect(await quarantine('replay', 'a')).toEqual({ status: 0, text: '0 replayed; the wallet is not frozen' });
  });

  test('is replayed as far as it proves, and the rest follows later, in order', async () => {
    const { mend } = await loseGrant();
    await mend();
    await world.sql`create table spoilt as select id, raw from quarantine where id = 3`;
    await world.sql`update quarantine set raw = overlay(raw placing '\\xff'::bytea from 2) where id = 3`;
    const half = await quarantine('replay', 'a');
    expect(half).toEqual({ status: 1, text: expect.stringMatching(/^2 replayed, 2 stay: does not decode: /) });
    expect(await isMarked('a')).toBe(true);
    expect((await walletInRedis(world, 'a'))!.freeze).toBe('quarantine');
    expect((await quarantine('show', '3')).text).toMatch(/format: 1\nthen: /);
    // What comes meanwhile waits behind them.
    await grant(world, 'a', { amount: 1 });
    await drain();
    await world.sql`update quarantine set raw = spoilt.raw from spoilt where spoilt.id = quarantine.id`;
    expect((await quarantine('replay', 'a')).status).toBe(0);
    await drain();
    await expectWhole('a');
  });

  test('is replayed while a drain goes on: each entry is in the ledger once', async () => {
    const { mend } = await loseGrant();
    await mend();
    let isOver = false;
    const draining = (async () => {
      while (!isOver) await drain();
    })();
    const living = (async () => {
      // A frozen wallet still changes: freezing and lifting are entries, too.
      for (let i = 0; i < 20; i += 1) await grant(world, 'a', { amount: 1 });
    })();
    await replayWallet(world.sql, addressOf('a'));
    await living;
    isOver = true;
    await draining;
    await drain();
    expect((await quarantine('replay', 'a')).status).toBe(0);
    await drain();
    await expectWhole('a');
    expect((await walletInRedis(world, 'a'))!.freeze).toBe('none');
  });

  test('whose replay ended before its freeze was lifted is lifted by the next', async () => {
    const { mend } = await loseGrant();
    await mend();
    await replayWallet(world.sql, addressOf('a'));
    expect((await walletInRedis(world, 'a'))!.freeze).toBe('quarantine');
    expect(await quarantine('replay', 'a')).toEqual({ status: 0, text: '0 replayed; the freeze is lifted' });
  });

  test('comes back frozen when Redis loses it', async () => {
    await loseGrant();
    const wallet = walletOf(world.environment, 'a');
    await world.redis.del(walletKey(wallet), holdsKey(wallet));
    const redis = await openRedis(server.url);
    try {
      const log = openLog('silent', 'test');
      const store = await connectStore({
        sql: world.sql,
        nodes: oneNode(redis),
        log,
        markDirty: () => {},
        onFenced: () => {},
      });
      expect(await hydrateWallet(store, { ...wallet, environmentId: world.environment })).toBe('ready');
    } finally {
      redis.disconnect();
    }
    expect(await walletInRedis(world, 'a')).toMatchObject({ version: 1, freeze: 'quarantine' });
  });

  test('of which some entries are rejected stays frozen and marked while others wait, and all are kept', async () => {
    const { mend } = await loseGrant();
    await mend();
    expect(await quarantine('reject', 'a')).toEqual({
      status: 2,
      text: 'this gives up 4 entries (1, 2, 3, 4) for ever: say --yes',
    });
    expect(await world.sql`select from quarantine where resolved_at is not null`).toHaveLength(0);
    // The last two: those before them can still be replayed. How the wallet is rebuilt then: take-ledger.test.ts.
    expect(await quarantine('reject', '3', '--yes')).toEqual({
      status: 1,
      text: expect.stringMatching(
        /^2 rejected, and kept\n2 of its entries wait in quarantine: replay or reject them first/,
      ),
    });
    expect(await isMarked('a')).toBe(true);
    expect((await walletInRedis(world, 'a'))!.freeze).toBe('quarantine');
    expect((await quarantine('list')).text).toMatch(/a of .*: 2 waiting, 2 rejected; first 1: /);
    expect(await countOf(world.sql, 'quarantine')).toBe(4);
    // Nobody else notices.
    await charge(world, 'b', 1);
    await drain();
    await expectWhole('b');
  });
});

describe('an entry of nobody', () => {
  test('cannot be replayed, and is rejected by itself', async () => {
    await addCustomer(world, 'a');
    const { partition } = walletOf(world.environment, 'a');
    await world.redis.xadd(outboxKey(partition, 1), '1-0', 'e', 'noise');
    await drain();
    expect((await quarantine('list')).text).toMatch(/nobody known, partition \d+: 1 waiting; first 1: does not decode/);
    expect(await quarantine('replay', '1')).toEqual({
      status: 2,
      text: 'entry 1 says of no wallet whose it is: it can only be rejected',
    });
    expect((await quarantine('reject', '1', '--yes')).text).toBe('1 rejected, and kept');
    expect((await quarantine('list')).text).toBe('nothing is in quarantine');
    expect(await listWalletsToFreeze(world.sql)).toEqual([]);
  });

  test('what nobody knows is said, with status 2', async () => {
    expect(await quarantine('replay', 'nobody')).toEqual({
      status: 2,
      text: expect.stringContaining('no customer nobody'),
    });
    expect(await quarantine('show', '17')).toMatchObject({ status: 2, text: 'there is no entry 17 in quarantine' });
    expect((await quarantine('mend')).text).toContain('use: farebox quarantine list');
    expect((await quarantine('replay')).status).toBe(2);
  });
});
