// The drain: every entry reaches the ledger once, whatever ends between any two of its steps; what does not prove is set aside.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import pLimit from 'p-limit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { audit } from '../scripts/audit/audit.ts';
import type { RedisServer } from '../scripts/stores/redis.ts';
import { codes } from '../src/codes.gen.ts';
import { openDatabase } from '../src/db/connect.ts';
import { loadWallet } from '../src/db/wallets.ts';
import type { BadEntry } from '../src/outbox/flaw.ts';
import { openNudge } from '../src/outbox/nudge.ts';
import { zeroAtoms, type Atoms } from '../src/units.ts';
import { fenceKey, holdsKey, outboxKey, walletOf } from '../src/wallet/keys.ts';
import { decodeHold, packHold } from '../src/wallet/packed.ts';
import { drainLane, type DrainStep } from '../src/worker/drain.ts';
import { freezeQuarantined } from '../src/worker/freeze-quarantined.ts';
import { startWorker } from '../src/worker/worker.ts';
import { cuttingProxy } from './ledger.proxy.ts';
import {
  addCustomer,
  advanceClock,
  charge,
  closeWorld,
  countOf,
  drainAll,
  drainOptions,
  expireHolds,
  freeze,
  grant,
  hold,
  liveThrough,
  openWorld,
  release,
  settle,
  until,
  waitingCount,
  walletInRedis,
  type World,
} from './ledger.world.ts';
import { schedulesKept } from './recover.scene.ts';
import { createDatabase, createRedis, type TestDatabase } from './stores.ts';

let server: RedisServer;
let database: TestDatabase;
let world: World;

beforeAll(async () => {
  server = await createRedis();
});
afterAll(() => server.stop());

beforeEach(async () => {
  const redis = new Redis(server.url);
  await redis.flushall();
  redis.disconnect();
  database = await createDatabase();
  world = await openWorld({ databaseUrl: database.url, redisUrl: server.url });
});
afterEach(async () => {
  await closeWorld(world);
  await database.drop();
});

/** Ends sessions of this name, by another process: when it returns they are gone, and nobody here has heard of it yet. */
function endSessions(name: string): void {
  const program = `
    import postgres from 'postgres';
    const sql = postgres(process.argv[1], { max: 1 });
    const ended = await sql\`select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = \${process.argv[2]}\`;
    await sql.end();
    process.exit(ended.length > 0 ? 0 : 1);`;
  execFileSync(process.execPath, ['--input-type=module', '-e', program, database.url, name]);
}

/** Everything that was written proves, and a wallet in the ledger is the one in Redis. */
async function expectSound(customers: string[]): Promise<void> {
  const report = await audit(world.sql);
  expect(report.proofs.filter((proof) => proof.failed > 0)).toEqual([]);
  for (const customerId of customers) {
    const inLedger = await loadWallet(world.sql, { environmentId: world.environment, customerId });
    expect(inLedger).toEqual(await walletInRedis(world, customerId));
  }
}

describe('entries reach the ledger', () => {
  test('all that can happen to a wallet arrives once, in order, and leaves the outbox', async () => {
    for (const customerId of ['a', 'b', 'c']) {
      await addCustomer(world, customerId);
      await liveThrough(world, customerId);
    }
    const waiting = await waitingCount(world);
    expect(waiting).toBeGreaterThan(75);
    expect(await drainAll(world)).toEqual({ status: 'drained', written: waiting, quarantined: 0 });
    expect(await countOf(world.sql, 'entries')).toBe(waiting);
    expect(await waitingCount(world)).toBe(0);
    await expectSound(['a', 'b', 'c']);
  });

  test('what is drained in many rounds comes to the same as in one', async () => {
    await addCustomer(world, 'a');
    await grant(world, 'a', { amount: 1_000 });
    for (let round = 0; round < 5; round++) {
      const ref = await hold(world, 'a', 100);
      await drainAll(world);
      await settle(world, 'a', ref, 30 + round);
      await drainAll(world);
    }
    expect(await countOf(world.sql, 'entries')).toBe(11);
    await expectSound(['a']);
  });

  test('a partition with more than its share is drained to its end', async () => {
    await addCustomer(world, 'a');
    await grant(world, 'a', { amount: 1_000 });
    for (let i = 0; i < 100; i++) await charge(world, 'a', 1);
    const batches: number[] = [];
    await drainLane({ ...drainOptions(world), onBatch: ({ written }) => batches.push(written) });
    // A share of 16 with 256 streams in the lane, then all the rest by itself.
    expect(batches).toEqual([16, 85]);
    await expectSound(['a']);
  });

  test('a drain ends with what was there when it began, however much comes meanwhile', async () => {
    await addCustomer(world, 'a');
    await grant(world, 'a', { amount: 1_000 });
    let coming: Promise<unknown> | undefined;
    const reached = (step: DrainStep) => {
      if (step === 'read') coming = charge(world, 'a', 1);
    };
    expect(await drainLane({ ...drainOptions(world), reached })).toMatchObject({ status: 'drained', written: 1 });
    await coming;
    expect(await waitingCount(world)).toBe(1);
    expect(await drainAll(world)).toMatchObject({ written: 1 });
    await expectSound(['a']);
  });

  test('two drains of a lane at once write everything once', async () => {
    for (const customerId of ['a', 'b', 'c', 'd']) {
      await addCustomer(world, customerId);
      await grant(world, customerId, { amount: 1_000 });
      for (let i = 0; i < 40; i++) await charge(world, customerId, 1);
    }
    const other = openDatabase(database.url, { connectionsMax: 4, name: 'other worker' });
    const drained = await Promise.all([
      drainLane(drainOptions(world)),
      drainLane({ ...drainOptions(world), sql: other }),
      drainLane({ ...drainOptions(world), sql: other }),
    ]);
    await other.end();
    expect(drained.map(({ status }) => status)).toEqual(['drained', 'drained', 'drained']);
    expect(drained.reduce((sum, { written }) => sum + written, 0)).toBe(164);
    expect(await countOf(world.sql, 'entries')).toBe(164);
    await expectSound(['a', 'b', 'c', 'd']);
  });

  test.each(['in one round', 'in rounds of their own'])(
    'a late settle, %s, leaves the end of its hold where it was',
    async (rounds) => {
      await addCustomer(world, 'a');
      await grant(world, 'a', { amount: 100 });
      const ref = await hold(world, 'a', 10, { ttlMs: 1_000 });
      const terms = await world.redis.hgetBuffer(holdsKey(walletOf(world.environment, 'a')), ref);
      await advanceClock(world, 'a', 60_000);
      await expireHolds(world, 'a', [ref]);
      if (rounds === 'in rounds of their own') await drainAll(world);
      await advanceClock(world, 'a', 120_000);
      const { legs, ...times } = decodeHold(terms ?? Buffer.alloc(0));
      const [leg] = legs;
      await settle(world, 'a', ref, 4, {
        expiredHold: packHold({ ...times, legs: [{ ...leg, held: zeroAtoms, released: 10n as Atoms, sources: [] }] }),
      });
      await drainAll(world);
      const [kept] = await world.sql<{ endedMs: number; late: boolean; settled: bigint }[]>`
      select extract(epoch from ended_at)::float8 * 1000 as "endedMs", late, settled[1] as settled from holds`;
      expect(kept).toMatchObject({ late: true, settled: 4n });
      expect((kept?.endedMs ?? 0) - Date.now()).toBeLessThan(61_000);
      await expectSound(['a']);
    },
  );

  test('a credit is applied once the ledger has its entry', async () => {
    await addCustomer(world, 'a');
    await grant(world, 'a', { amount: 5 });
    const states = () => world.sql<{ state: string }[]>`select state from credits`;
    expect(await states()).toEqual([{ state: 'pending' }]);
    await drainAll(world);
    expect(await states()).toEqual([{ state: 'applied' }]);
  });
});

describe('a drain that is ended', () => {
  const steps: DrainStep[] = ['read', 'locked', 'proven', 'written', 'moved', 'committed', 'trimmed'];
  test.each(steps)('after step "%s" neither loses nor doubles an entry', async (ended) => {
    await addCustomer(world, 'a');
    await liveThrough(world, 'a');
    const waiting = await waitingCount(world);
    const reached = (step: DrainStep) => {
      if (step === ended) throw new Error('ended here');
    };
    await expect(drainLane({ ...drainOptions(world), reached })).rejects.toThrow('ended here');
    await drainAll(world);
    expect(await countOf(world.sql, 'entries')).toBe(waiting);
    expect(await waitingCount(world)).toBe(0);
    await expectSound(['a']);
  });

  test('between commit and its reply has written, and the next one goes on', async () => {
    await addCustomer(world, 'a');
    await grant(world, 'a', { amount: 100 });
    const proxy = await cuttingProxy(database.url);
    const sql = openDatabase(proxy.url, { connectionsMax: 2, name: 'cut' });
    const reached = (step: DrainStep) => {
      if (step === 'moved') proxy.cutAfter('commit');
    };
    await expect(drainLane({ ...drainOptions(world), sql, reached })).rejects.toThrow();
    await until(async () => (await countOf(world.sql, 'entries')) === 1);
    // Still in the outbox: nobody knew that it was written.
    expect(await waitingCount(world)).toBe(1);
    await charge(world, 'a', 1);
    expect(await drainAll(world)).toMatchObject({ written: 1 });
    await expectSound(['a']);
    await sql.end({ timeout: 1 });
    await proxy.close();
  });

  test.each(['locked', 'proven', 'written', 'moved'] as const)(
    'by Postgres, which ends its session after step "%s", leaves nothing behind',
    async (at) => {
      await addCustomer(world, 'a');
      await grant(world, 'a', { amount: 100 });
      const sql = openDatabase(database.url, { connectionsMax: 2, name: 'to be ended' });
      const reached = (step: DrainStep) => {
        if (step === at) endSessions('farebox to be ended');
      };
      await expect(drainLane({ ...drainOptions(world), sql, reached })).rejects.toThrow();
      await sql.end({ timeout: 1 });
      expect(await countOf(world.sql, 'entries')).toBe(0);
      expect(await drainAll(world)).toMatchObject({ written: 1 });
      await expectSound(['a']);
    },
  );

  test('by Postgres in the midst of a statement gives its place in line to the next one', async () => {
    await addCustomer(world, 'a');
    await grant(world, 'a', { amount: 100 });
    const inLine = pLimit(1);
    const sql = openDatabase(database.url, { connectionsMax: 2, name: 'to be ended' });
    await world.sql.begin(async (transaction) => {
      await transaction`lock table entries in exclusive mode`;
      const drained = drainLane({ ...drainOptions(world), sql, inLine });
      // Heard of below; until then it must not count as unheard.
      drained.catch(() => {});
      await until(async () => {
        const [waiting] = await world.sql`
          select from pg_stat_activity where application_name = 'farebox to be ended' and wait_event_type = 'Lock'`;
        return waiting !== undefined;
      });
      // What was sent after the statement that hears of it is never answered.
      endSessions('farebox to be ended');
      await expect(drained).rejects.toThrow();
    });
    await sql.end({ timeout: 1 });
    expect(await drainAll(world, { inLine })).toMatchObject({ written: 1 });
    await expectSound(['a']);
  });

  test('while another one has the lane for long gives way', async () => {
    await addCustomer(world, 'a');
    await grant(world, 'a', { amount: 100 });
    const { partition } = walletOf(world.environment, 'a');
    await world.sql.begin(async (transaction) => {
      await transaction`select from partitions where partition = ${partition} for update`;
      expect(await drainLane(drainOptions(world))).toEqual({ status: 'busy', written: 0, quarantined: 0 });
    });
    expect(await drainAll(world)).toMatchObject({ status: 'drained', written: 1 });
  });
});

describe('delivered again', () => {
  test('entries that the ledger has are cut off and not written again', async () => {
    await addCustomer(world, 'a');
    await grant(world, 'a', { amount: 100 });
    const key = outboxKey(walletOf(world.environment, 'a').partition, 1);
    const [[id, fields]] = (await world.redis.xrangeBuffer(key, '-', '+')) as [[Buffer, Buffer[]]];
    await drainAll(world);
    await world.redis.del(key);
    await world.redis.xadd(key, id, ...fields);
    expect(await drainAll(world)).toMatchObject({ written: 0, quarantined: 0 });
    expect(await world.redis.xlen(key)).toBe(0);
    await expectSound(['a']);
  });

  test('the same entry under a new seq is set aside, and spends nothing', async () => {
    await addCustomer(world, 'a');
    await grant(world, 'a', { amount: 100 });
    await charge(world, 'a', 40);
    const key = outboxKey(walletOf(world.environment, 'a').partition, 1);
    const found = (await world.redis.xrangeBuffer(key, '-', '+')) as [Buffer, Buffer[]][];
    await world.redis.xadd(key, '3-0', ...(found[1]?.[1] ?? []));
    const alarms = await drainWithAlarm();
    expect(alarms.map(({ reason }) => reason)).toEqual(['version 2 where 3 is due']);
    const wallet = await loadWallet(world.sql, { environmentId: world.environment, customerId: 'a' });
    expect(wallet?.accounts).toMatchObject([{ available: 60n }]);
  });
});

describe('what does not prove', () => {
  // Where things stand in an entry of kind `hold` or `charge`: lua/lib/entry.lua.
  const at = { format: 0, kind: 1, version: 4, epoch: 20, environment: 24, wallet: 36, leg: 59, transfer: 94 } as const;
  const edit = (change: (packed: Buffer) => void) => (packed: Buffer) => {
    const copy = Buffer.from(packed);
    change(copy);
    return copy;
  };
  const corruptions: { name: string; corrupt: (packed: Buffer) => Buffer; reason: RegExp }[] = [
    {
      name: 'cut short',
      corrupt: (packed) => packed.subarray(0, packed.length - 70),
      reason: /^does not decode: ends at/,
    },
    { name: 'of noise', corrupt: () => randomBytes(300).fill(9, 0, 1), reason: /^does not decode/ },
    { name: 'without bytes', corrupt: () => Buffer.alloc(0), reason: /^does not decode/ },
    { name: 'of a format to come', corrupt: edit((packed) => packed.writeUInt8(2, at.format)), reason: /format 2/ },
    { name: 'of an unknown kind', corrupt: edit((packed) => packed.writeUInt8(99, at.kind)), reason: /99/ },
    {
      name: 'of a later version',
      corrupt: edit((packed) => packed.writeDoubleBE(9, at.version)),
      reason: /version 9 where 3/,
    },
    { name: 'of a broken version', corrupt: edit((packed) => packed.writeDoubleBE(2.5, at.version)), reason: /whole/ },
    { name: 'of another epoch', corrupt: edit((packed) => packed.writeUInt32BE(7, at.epoch)), reason: /epoch 7/ },
    {
      name: 'of another environment',
      corrupt: edit((packed) => packed.write('aaaaaaaaaaaa', at.environment)),
      reason: /no such wallet/,
    },
    {
      name: 'of a wallet elsewhere',
      corrupt: edit((packed) => packed.write(walletElsewhere(), at.wallet)),
      reason: /does not belong to partition/,
    },
    {
      name: 'with a balance of its own',
      corrupt: edit((packed) => packed.writeDoubleBE(packed.readDoubleBE(at.leg + 2) + 1, at.leg + 2)),
      reason: /transfers do not lead/,
    },
    {
      name: 'with another amount',
      corrupt: edit((packed) => packed.writeDoubleBE(packed.readDoubleBE(at.transfer + 2) + 1, at.transfer + 2)),
      reason: /transfers do not lead/,
    },
    {
      name: 'with a transfer of nothing',
      corrupt: edit((packed) => packed.writeDoubleBE(0, at.transfer + 2)),
      reason: /transfer of nothing/,
    },
    {
      name: 'that takes from another grant than it says',
      corrupt: edit((packed) => packed.writeUInt32BE(77, at.transfer + 12)),
      reason: /grant that the ledger does not have/,
    },
    {
      name: 'that leaves more in its grant',
      corrupt: edit((packed) => packed.writeDoubleBE(packed.readDoubleBE(at.transfer + 16) + 1, at.transfer + 16)),
      reason: /grants do not add up/,
    },
    {
      name: 'with attachments that are no text',
      corrupt: (packed) => Buffer.concat([packed, Buffer.from([0xff])]),
      reason: /UTF-8/,
    },
    {
      name: 'with a zero byte attached',
      corrupt: (packed) => Buffer.concat([packed, Buffer.from([0])]),
      reason: /zero byte/,
    },
  ];

  test.each(corruptions)(
    'an entry $name goes to quarantine as it came, and the others pass',
    async ({ corrupt, reason }) => {
      for (const customerId of ['bad', 'good']) {
        await addCustomer(world, customerId);
        await grant(world, customerId, { amount: 100 });
        await charge(world, customerId, 10);
      }
      await drainAll(world);
      await charge(world, 'bad', 1);
      await charge(world, 'good', 2);
      await charge(world, 'bad', 3);
      await charge(world, 'bad', 4);
      const bad = await corruptEntry('bad', 0, corrupt);
      const frozen: string[] = [];
      const alarms = await drainWithAlarm(async ({ walletId }) => {
        frozen.push(walletId);
        return true;
      });
      // All of the wallet from there on, in order.
      expect(alarms.map(({ seq }) => seq)).toEqual([3, 4, 5]);
      expect(alarms[0]?.reason).toMatch(reason);
      const kept = await world.sql<
        { seq: bigint; raw: Buffer; reason: string }[]
      >`select seq, raw, reason from quarantine order by id`;
      expect(kept.map(({ seq }) => seq)).toEqual([3n, 4n, 5n]);
      expect(kept[0]?.raw.equals(bad)).toBe(true);
      expect(kept[0]?.reason).toMatch(reason);
      // The others pass, the wallet stays at what proved, and Redis is told to freeze it.
      const find = (customerId: string) => loadWallet(world.sql, { environmentId: world.environment, customerId });
      expect(await find('good')).toEqual(await walletInRedis(world, 'good'));
      expect(await find('bad')).toMatchObject({ version: 2, accounts: [{ available: 90n }] });
      expect(frozen).toContain(walletOf(world.environment, 'bad').walletId);
      expect(await waitingCount(world)).toBe(0);

      // What comes later follows it into quarantine: nothing is skipped, nothing passes it.
      await charge(world, 'bad', 5);
      await charge(world, 'good', 5);
      const later = await drainWithAlarm();
      expect(later.map(({ seq, reason: why }) => ({ seq, why }))).toEqual([
        { seq: 6, why: 'follows an entry in quarantine' },
      ]);
      expect(await find('good')).toEqual(await walletInRedis(world, 'good'));
      const report = await audit(world.sql);
      expect(
        report.proofs.filter(({ failed, name }) => failed > 0 && name !== 'credits').map(({ name }) => name),
      ).toEqual([]);
    },
  );

  test('an entry that is missing is told, and its wallet waits', async () => {
    await addCustomer(world, 'a');
    await grant(world, 'a', { amount: 100 });
    await charge(world, 'a', 1);
    await charge(world, 'a', 2);
    await charge(world, 'a', 3);
    const { partition } = walletOf(world.environment, 'a');
    await world.redis.xdel(outboxKey(partition, 1), '2-0', '3-0');
    const alarms = await drainWithAlarm();
    expect(alarms.map(({ seq, reason }) => ({ seq, reason }))).toEqual([
      { seq: 2, reason: 'entries 2 to 3 are missing' },
      { seq: 4, reason: 'version 4 where 2 is due' },
    ]);
    expect(await waitingCount(world)).toBe(0);
  });

  test('what Postgres itself refuses is narrowed down to its wallet', async () => {
    const customers = Array.from({ length: 9 }, (_, i) => `c${i}`);
    for (const customerId of customers) {
      await addCustomer(world, customerId);
      await grant(world, customerId, { amount: 100 });
    }
    await charge(world, 'c4', 34);
    await world.sql.unsafe('alter table accounts add constraint unlucky check (available <> 66)');
    const alarms = await drainWithAlarm();
    expect(alarms).toHaveLength(2);
    expect(alarms.map(({ reason }) => reason)).toEqual([
      expect.stringMatching(/^Postgres refuses it: .*unlucky/),
      expect.stringMatching(/^Postgres refuses it: .*unlucky/),
    ]);
    await world.sql.unsafe('alter table accounts drop constraint unlucky');
    for (const customerId of customers.filter((id) => id !== 'c4')) {
      const wallet = await loadWallet(world.sql, { environmentId: world.environment, customerId });
      expect(wallet).toEqual(await walletInRedis(world, customerId));
    }
  });

  test('a wallet that could not be frozen is frozen later', async () => {
    await addCustomer(world, 'a');
    await grant(world, 'a', { amount: 100 });
    await corruptEntry('a', 0, () => Buffer.from('noise'));
    await charge(world, 'a', 1);
    await drainWithAlarm(() => Promise.reject(new Error('Redis is away')));
    const { walletId } = walletOf(world.environment, 'a');
    const frozen: string[] = [];
    const options = {
      sql: world.sql,
      onWarning: () => {},
      freezeWallet: async (wallet: { walletId: string }) => frozen.push(wallet.walletId) > 0,
    };
    await freezeQuarantined(options);
    await freezeQuarantined(options);
    expect(frozen).toEqual([walletId]);
  });

  test('the freeze itself goes to quarantine, and the drain does not go round in circles', async () => {
    await addCustomer(world, 'a');
    await grant(world, 'a', { amount: 100 });
    await charge(world, 'a', 1);
    await corruptEntry('a', 1, () => Buffer.from('noise'));
    await charge(world, 'a', 1);
    const alarms = await drainWithAlarm(async () => {
      const reply = await freeze(world, 'a', codes.freeze.none, codes.freeze.quarantine);
      return reply.status === 'changed';
    });
    expect(alarms.map(({ seq }) => seq)).toEqual([2, 3]);
    expect((await drainWithAlarm()).map(({ seq }) => seq)).toEqual([4]);
    expect(await drainAll(world)).toMatchObject({ written: 0, quarantined: 0 });
  });

  test('a hold that ends twice is set aside at its second end', async () => {
    await addCustomer(world, 'a');
    await grant(world, 'a', { amount: 100 });
    const ref = await hold(world, 'a', 0);
    await release(world, 'a', ref);
    await drainAll(world);
    // A second release of nothing: every balance agrees with it.
    await hold(world, 'a', 0);
    const { partition } = walletOf(world.environment, 'a');
    const second = '1.4';
    await release(world, 'a', second);
    await corruptEntry('a', 1, (packed) =>
      Buffer.from(packed.toString('latin1').replace(`\x03${second}`, `\x03${ref}`), 'latin1'),
    );
    const alarms = await drainWithAlarm();
    expect(alarms.map(({ partition: of, reason }) => ({ of, reason }))).toEqual([
      { of: partition, reason: 'a hold that has ended: released' },
    ]);
  });

  // The second leg of a hold as it lies in an entry, from its mark on: the asset, then amount, held, settled, released,
  // rate, and its only source.
  const inLeg = { asset: 4, held: 14, num: 38, den: 46, source: 58 } as const;
  const editLeg = (packed: Buffer, change: (leg: Buffer) => void) => {
    const copy = Buffer.from(packed);
    const mark = Buffer.alloc(14);
    mark.writeUInt16BE(2, 4);
    mark.writeDoubleBE(40, 6);
    change(copy.subarray(copy.indexOf(mark)));
    return copy;
  };
  const takeFromLeg = (leg: Buffer, at: number) => leg.writeDoubleBE(leg.readDoubleBE(at) - 1, at);

  test.each<{ name: string; nth: number; change: (leg: Buffer) => void; reason: string }>([
    {
      name: 'holds less than its account does',
      nth: 0,
      change: (leg) => [inLeg.held, inLeg.source].forEach((at) => takeFromLeg(leg, at)),
      reason: 'its hold does not add up to what is held',
    },
    {
      name: 'has less than before, though no money moved',
      nth: 1,
      change: (leg) => [inLeg.held, inLeg.source].forEach((at) => takeFromLeg(leg, at)),
      reason: 'its hold does not add up to what is held',
    },
    {
      name: 'holds other than it took from its grants',
      nth: 0,
      change: (leg) => takeFromLeg(leg, inLeg.held),
      reason: 'what a hold holds is not what it took from grants',
    },
    {
      name: 'is of another asset than before',
      nth: 1,
      change: (leg) => leg.writeUInt16BE(3, inLeg.asset),
      reason: 'a hold that changes its assets',
    },
    {
      name: 'is of the asset of the first',
      nth: 0,
      change: (leg) => leg.writeUInt16BE(1, inLeg.asset),
      reason: 'a hold with two legs in one asset',
    },
    {
      name: 'stands in for nothing, and costs something',
      nth: 0,
      change: (leg) => leg.writeDoubleBE(0, inLeg.num),
      reason: 'a leg with half a rate',
    },
  ])('a hold whose second leg $name is set aside', async ({ nth, change, reason }) => {
    for (const drainsBetween of [false, true]) {
      const customerId = String(drainsBetween);
      const drain = async () => drainsBetween && drainAll(world);
      await addCustomer(world, customerId);
      await grant(world, customerId, { amount: 100 });
      await grant(world, customerId, { amount: 100, asset: 2 });
      await drain();
      const legs = [{ asset: 2, amount: 40n as Atoms, num: 2n as Atoms, den: 1n as Atoms }];
      const ref = await hold(world, customerId, 30, { legs });
      if (nth === 1) await drain();
      await settle(world, customerId, ref, 10, { final: false });
      await corruptEntry(customerId, drainsBetween ? 0 : 2 + nth, (packed) => editLeg(packed, change));
      expect((await drainWithAlarm())[0]?.reason).toBe(reason);
    }
  });

  /** Puts what `corrupt` makes of it in the place of the nth entry that waits in this customer's outbox. */
  async function corruptEntry(customerId: string, nth: number, corrupt: (packed: Buffer) => Buffer): Promise<Buffer> {
    const { partition } = walletOf(world.environment, customerId);
    const key = outboxKey(partition, 1);
    const found = (await world.redis.xrangeBuffer(key, '-', '+')) as [Buffer, Buffer[]][];
    await world.redis.del(key);
    let made: Buffer = Buffer.alloc(0);
    for (const [i, [id, fields]] of found.entries()) {
      const packed = fields[1] ?? Buffer.alloc(0);
      if (i === nth) made = corrupt(packed);
      await world.redis.xadd(key, id, 'e', i === nth ? made : packed);
    }
    return made;
  }

  function walletElsewhere(): string {
    const { walletId } = walletOf(world.environment, 'bad');
    const bytes = Buffer.from(walletId, 'base64url');
    bytes[15] = (bytes[15] ?? 0) ^ 1;
    return bytes.toString('base64url');
  }
});

async function drainWithAlarm(
  freezeWallet: (wallet: { walletId: string }) => Promise<boolean> = async () => true,
): Promise<BadEntry[]> {
  const alarms: BadEntry[] = [];
  const onQuarantined = (entries: BadEntry[]) => void alarms.push(...entries);
  await drainLane({ ...drainOptions(world), freezeWallet, onQuarantined, onWarning: () => {} });
  return alarms;
}

describe('behind a fence', () => {
  test.each([
    { name: 'that is missing', fence: undefined },
    { name: 'of another installation', fence: '00000000-0000-0000-0000-000000000000:1' },
    { name: 'of another epoch', fence: 'ours:2' },
  ])('$name entries stay where they are, and it is told', async ({ fence }) => {
    await addCustomer(world, 'a');
    await grant(world, 'a', { amount: 100 });
    const { partition } = walletOf(world.environment, 'a');
    const key = fenceKey(partition);
    if (fence === undefined) await world.redis.del(key);
    else await world.redis.set(key, fence.replace('ours', world.installation));
    const told: number[] = [];
    const drained = await drainLane({
      ...drainOptions(world),
      onForeignFence: (partitions) => void told.push(...partitions),
    });
    expect(drained).toEqual({ status: 'drained', written: 0, quarantined: 0 });
    expect(told).toEqual([partition]);
    expect(await waitingCount(world)).toBe(1);
  });

  test('that is closed for now entries are drained all the same', async () => {
    await addCustomer(world, 'a');
    await grant(world, 'a', { amount: 100 });
    const { partition } = walletOf(world.environment, 'a');
    await world.redis.set(fenceKey(partition), `closed:${world.installation}:1`);
    expect(await drainAll(world)).toMatchObject({ written: 1 });
  });
});

describe('the worker', () => {
  const idle = {
    drainLane: async () => {},
    sweepLane: async () => {},
    reconcilePage: async () => {},
    renew: async () => {},
    lookAtTopUps: async () => {},
    onError: () => {},
  };
  const drainOfEight = (lane: number) => drainLane({ ...drainOptions(world), lane, lanesCount: 8 });

  test('drains when it is nudged', async () => {
    await addCustomer(world, 'a');
    await grant(world, 'a', { amount: 100 });
    const errors: Error[] = [];
    const drains: number[] = [];
    const worker = startWorker({
      queueRedisUrl: server.url,
      drainLane: async (lane) => {
        drains.push(lane);
        return drainLane({ ...drainOptions(world), lane, lanesCount: 8 });
      },
      sweepLane: async () => {},
      reconcilePage: async () => {},
      renew: async () => {},
      lookAtTopUps: async () => {},
      onError: (error) => errors.push(error),
    });
    const nudge = openNudge(server.url, (error) => errors.push(error));
    await until(async () => (await countOf(world.sql, 'entries')) === 1);
    for (let i = 0; i < 20; i++) {
      await charge(world, 'a', 1);
      nudge.markDirty(walletOf(world.environment, 'a').partition);
    }
    await until(async () => (await countOf(world.sql, 'entries')) === 21);
    // Not by the watchdog alone.
    await until(async () => ((await nudge.queues[0]?.getCompletedCount()) ?? 0) > 0);
    await nudge.stop();
    await worker.stop();
    expect(errors).toEqual([]);
  });

  test('drains each lane twice a second, however often it is nudged', async () => {
    const drains = new Map<number, number>();
    const worker = startWorker({
      ...idle,
      queueRedisUrl: server.url,
      drainLane: async (lane) => drains.set(lane, 1 + (drains.get(lane) ?? 0)),
    });
    const nudge = openNudge(server.url, () => {});
    const nudgeAll = async () => {
      for (let partition = 0; partition < 8; partition++) nudge.markDirty(partition);
      await sleep(50);
    };
    // The worker takes jobs.
    await until(async () => {
      await nudgeAll();
      return ((await nudge.queues[0]?.getCompletedCount()) ?? 0) > 0;
    });
    drains.clear();
    const startedAtMs = performance.now();
    for (let i = 0; i < 60; i++) await nudgeAll();
    const turns = (performance.now() - startedAtMs) / 500;
    const counts = [...drains.values()];
    await nudge.stop();
    await worker.stop();
    expect(counts).toHaveLength(8);
    // One more at the start; and after one that came late the next comes sooner.
    expect(Math.max(...counts)).toBeLessThanOrEqual(turns + 3);
    // The watchdog alone would come to less than that.
    expect(Math.min(...counts)).toBeGreaterThan(0.6 * turns);
  });

  test('that is stopped takes what has come in to the ledger first', async () => {
    await addCustomer(world, 'a');
    await grant(world, 'a', { amount: 100 });
    const worker = startWorker({ ...idle, queueRedisUrl: server.url, drainLane: drainOfEight });
    await until(async () => (await countOf(world.sql, 'entries')) === 1);
    await charge(world, 'a', 1);
    await worker.stop();
    expect(await countOf(world.sql, 'entries')).toBe(2);
  });

  test('goes by its schedules again when the Redis of its queues, and no other, has forgotten them', async () => {
    const queues = await createRedis();
    let [compared, renewed] = [0, 0];
    const worker = startWorker({
      ...idle,
      queueRedisUrl: queues.url,
      reconcilePage: async () => (compared += 1),
      renew: async () => (renewed += 1),
    });
    try {
      await until(async () => compared > 0);
      const redis = new Redis(queues.url);
      await redis.flushall();
      const before = { compared, renewed };
      // One of each may have been under way.
      await until(async () => compared > before.compared + 1 && renewed > before.renewed + 1, 20_000);
      expect(await Promise.all(schedulesKept.map(({ key }) => redis.zcard(key)))).toEqual(
        schedulesKept.map(({ count }) => count),
      );
      redis.disconnect();
    } finally {
      await worker.stop();
      await queues.stop();
    }
  });

  test('drains and sweeps when its queues are dead', async () => {
    await addCustomer(world, 'a');
    await grant(world, 'a', { amount: 100 });
    const swept = new Set<number>();
    const worker = startWorker({
      queueRedisUrl: 'redis://127.0.0.1:1',
      drainLane: (lane) => drainLane({ ...drainOptions(world), lane, lanesCount: 8 }),
      sweepLane: async (lane) => swept.add(lane),
      reconcilePage: async () => {},
      renew: async () => {},
      lookAtTopUps: async () => {},
      onError: () => {},
    });
    await until(async () => (await countOf(world.sql, 'entries')) === 1);
    await charge(world, 'a', 1);
    await until(async () => (await countOf(world.sql, 'entries')) === 2);
    expect(swept.size).toBe(8);
    await worker.stop();
  });

  test('an enqueueing gateway never hears of queues that are dead', async () => {
    const errors: Error[] = [];
    const nudge = openNudge('redis://127.0.0.1:1', (error) => errors.push(error));
    for (let partition = 0; partition < 256; partition++) nudge.markDirty(partition);
    await until(async () => errors.length > 0);
    nudge.markDirty(0);
    await nudge.stop();
    // Told once, not at every attempt.
    expect(errors).toHaveLength(1);
  });
});
