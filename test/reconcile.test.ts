// Reconcile finds what differs, and only that: planted in Redis and in Postgres, at rest and under load.
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { claimPage, dropClaim, finishPage, listWalletsAfter, rollForward } from '../src/db/reconcile.ts';
import { openDatabase, type Sql } from '../src/db/connect.ts';
import { loadWallet } from '../src/db/wallets.ts';
import { codes } from '../src/codes.gen.ts';
import type { Config } from '../src/config.ts';
import { runReconcile } from '../src/run/reconcile.ts';
import type { Seen } from '../src/wallet/freeze.ts';
import {
  clockKey,
  deadlinesKey,
  holdsKey,
  outboxKey,
  walletKey,
  walletOf,
  type WalletRef,
} from '../src/wallet/keys.ts';
import { oneNode } from '../src/wallet/nodes.ts';
import { walletDifferences } from '../src/wallet/stored-wallet.ts';
import { lookAtWallet, lookOn } from '../src/worker/reconcile-wallet.ts';
import {
  reconcilePage,
  type Difference,
  type ReconcileOptions,
  type ReconcileOutcome,
} from '../src/worker/reconcile.ts';
import { packLines } from '../src/wallet/lines.ts';
import { zeroAtoms } from '../src/units.ts';
import { startFarebox, type Client } from './farebox.ts';
import { usesOf } from './stories/prices.ts';
import { live, type World as Load } from './faults/live.ts';
import { randomOf, seed } from './faults/seeded.ts';
import {
  addCustomer,
  advanceClock,
  applyDue,
  charge,
  closeWorld,
  drainAll,
  extend,
  freeze,
  grant,
  hold,
  liveThrough,
  mend,
  openWorld,
  settle,
  until,
  voidGrant,
  walletInRedis,
  type World,
} from './ledger.world.ts';
import { askForPass } from './reconciled.ts';
import { createDatabase, createRedis, type TestDatabase } from './stores.ts';
import type { RedisServer } from '../scripts/stores/redis.ts';

const claimMs = 30_000;

/** Everything that a page found. */
function options(world: Pick<World, 'sql' | 'redis'>, over: Partial<ReconcileOptions> = {}) {
  const found = {
    outcomes: new Map<string, ReconcileOutcome>(),
    differences: [] as Difference[],
    mended: [] as { customerId: string; damage: string[] }[],
    unreadable: [] as string[],
    passes: 0,
  };
  const all: ReconcileOptions = {
    sql: world.sql,
    store: storeOf(world),
    freezeWallet: async () => {
      throw new Error('nothing was to be frozen');
    },
    mendWallet: async () => {
      throw new Error('nothing was to be mended');
    },
    dropCounters: async () => {
      throw new Error('nothing was to be dropped');
    },
    onMended: ({ customerId, damage }) => void found.mended.push({ customerId, damage }),
    onLooked: (outcome, { customerId }) => void found.outcomes.set(customerId, outcome),
    onDifference: (difference) => void found.differences.push(difference),
    onUnreadable: ({ customerId }) => void found.unreadable.push(customerId),
    onProgress: () => {},
    onPassEnd: () => void (found.passes += 1),
    passPauseMs: 0,
    waitMs: 150,
    ...over,
  };
  return { found, all };
}

function storeOf({ sql, redis }: Pick<World, 'sql' | 'redis'>): ReconcileOptions['store'] {
  const epochs = Array.from({ length: 256 }, () => 1);
  return { nodes: oneNode(redis), epochs, ledger: { loadWallet: (by) => loadWallet(sql, by) } };
}

/** Pages until the pass has ended. */
async function pass(reconcile: ReconcileOptions): Promise<void> {
  for (;;) {
    const done = await reconcilePage(reconcile);
    if (done.status === 'idle') throw new Error('somebody else has the page');
    if (done.isLast) return;
  }
}

describe('with wallets at rest', () => {
  let database: TestDatabase;
  let server: RedisServer;
  let world: World;
  beforeAll(async () => {
    database = await createDatabase();
    server = await createRedis();
    world = await openWorld({ databaseUrl: database.url, redisUrl: server.url });
  });
  afterAll(async () => {
    await closeWorld(world);
    await server.stop();
    await database.drop();
  });

  /** Freezes as the worker does. */
  const freezing = {
    freezeWallet: async ({ customerId }: { customerId: string }, seen?: Seen) => {
      const seenAt = seen ? `${seen.epoch}.${seen.version}` : '';
      const reply = await freeze(world, customerId, codes.freeze.none, codes.freeze.reconcile, seenAt);
      if (reply.status === 'moved') return reply;
      if (reply.status !== 'changed') throw new Error(reply.status);
      return { status: 'changed' as const, version: reply.version };
    },
  };

  test('a wallet that lived through everything is equal, and so is an empty one', async () => {
    await addCustomer(world, 'lived');
    await addCustomer(world, 'empty');
    await liveThrough(world, 'lived');
    await drainAll(world);
    const { all, found } = options(world);
    await pass(all);
    expect(Object.fromEntries(found.outcomes)).toEqual({ lived: 'equal', empty: 'equal' });
  });

  test("the ledger's picture rolled forward over entries of every kind is the one that it comes to", async () => {
    const ref = await addCustomer(world, 'rolled');
    const address = { environmentId: world.environment, walletId: ref.walletId };
    const before = (await loadWallet(world.sql, address))!;
    await liveThrough(world, 'rolled');
    await drainAll(world);
    const after = (await loadWallet(world.sql, address))!;
    expect(after.version).toBeGreaterThan(20);
    const rolled = (await rollForward(world.sql, before, after.version))!;
    expect(walletDifferences(rolled, after, 0)).toEqual([]);
    // And in two steps, from each version on.
    for (let version = 1; version < after.version; version += 1) {
      const half = (await rollForward(world.sql, before, version))!;
      expect(walletDifferences((await rollForward(world.sql, half, after.version))!, after, 0)).toEqual([]);
    }
  });

  test('a wallet that is ahead of the ledger is compared once the ledger has what came between', async () => {
    const ref = await addCustomer(world, 'ahead');
    await grant(world, 'ahead', { amount: 100 });
    await drainAll(world);
    const store = storeOf(world);
    await charge(world, 'ahead', 3);
    const behind = await lookAtWallet(world.sql, store, ref);
    if (behind.status !== 'behind') throw new Error(behind.status);
    expect(await lookOn(world.sql, behind)).toMatchObject({ status: 'behind' });
    // It goes on meanwhile: the version that was read is the one that is compared.
    await charge(world, 'ahead', 4);
    await drainAll(world);
    expect(await lookOn(world.sql, behind)).toMatchObject({
      status: 'equal',
      redis: { version: 2 },
      ledger: { version: 2 },
    });
  });

  test('one whose entries do not come in time is left to the next pass, and so is one that Redis does not have', async () => {
    const ref = await addCustomer(world, 'gone');
    await world.redis.del(walletKey(ref));
    await addCustomer(world, 'waits');
    await grant(world, 'waits', { amount: 100 });
    const { all, found } = options(world);
    await pass(all);
    expect(found.outcomes.get('waits')).toBe('behind');
    expect(found.outcomes.get('gone')).toBe('absent');
    await drainAll(world);
  });

  const atom = 1;
  /** Adds to a big-endian double. */
  const add = (packed: Buffer, at: number, amount: number): Buffer => {
    const changed = Buffer.from(packed);
    changed.writeDoubleBE(changed.readDoubleBE(at) + amount, at);
    return changed;
  };
  const changeField = async (key: string, field: string, at: number, amount: number) => {
    await world.redis.hset(key, field, add((await world.redis.hgetBuffer(key, field))!, at, amount));
  };
  const planted: { name: string; says: RegExp; plant: (customerId: string, ref: string) => Promise<unknown> }[] = [
    {
      name: 'an atom more in an account',
      says: /^asset 1 available: Redis 91, ledger 90$/,
      plant: (customerId) => changeField(walletKey(walletOf(world.environment, customerId)), 'a1', 0, atom),
    },
    {
      name: 'an atom less held',
      says: /^asset 1 held: Redis 9, ledger 10$/,
      plant: (customerId) => changeField(walletKey(walletOf(world.environment, customerId)), 'a1', 8, -atom),
    },
    {
      name: 'more left of a grant',
      says: /^grant 1 remaining: Redis 97, ledger 90$/,
      plant: (customerId) => changeField(walletKey(walletOf(world.environment, customerId)), 'g1', 0, 7),
    },
    {
      name: 'another amount of a hold',
      says: /^hold 1\.2 amount: Redis 15, ledger 10$/,
      plant: (customerId, ref) => changeField(holdsKey(walletOf(world.environment, customerId)), ref, 2, 5),
    },
    {
      name: 'a hold that was lost',
      says: /^hold 1\.2 amount: Redis nothing, ledger 10$/,
      plant: (customerId, ref) => world.redis.hdel(holdsKey(walletOf(world.environment, customerId)), ref),
    },
    {
      name: 'a version set back',
      says: /^version: Redis 1, ledger 2$/,
      plant: (customerId) => changeField(walletKey(walletOf(world.environment, customerId)), 'w', 0, -1),
    },
    {
      name: 'a count of what was used, changed',
      says: /^counter u.{8}: Redis [0-9a-f]+, ledger [0-9a-f]+$/,
      plant: async (customerId) => {
        // Two units in a month.
        const packed = packLines(usesOf([{ price: 'packs', quantity: '2' }], () => 0).lines, Date.now()) as Buffer;
        await grant(world, customerId, { asset: 2, amount: 10 });
        await charge(
          world,
          customerId,
          0,
          [{ asset: 2, amount: zeroAtoms, num: zeroAtoms, den: zeroAtoms }],
          '',
          packed,
        );
        await drainAll(world);
        await changeField(
          walletKey(walletOf(world.environment, customerId)),
          `u${packed.toString('latin1', 0, 8)}`,
          20,
          1,
        );
      },
    },
    {
      name: 'an account changed in Postgres',
      says: /^asset 1 available: Redis 90, ledger 89$/,
      plant: (customerId) =>
        world.sql`update accounts set available = available - 1 where wallet_id = ${walletOf(world.environment, customerId).walletId}`,
    },
    {
      name: 'a hold gone from Postgres',
      says: /^hold 1\.2 amount: Redis 10, ledger nothing$/,
      plant: (customerId) =>
        world.sql`delete from holds where wallet_id = ${walletOf(world.environment, customerId).walletId}`,
    },
    {
      name: 'a grant gone from Postgres',
      says: /^grant 1 remaining: Redis 90, ledger nothing$/,
      plant: (customerId) =>
        world.sql`delete from grants where wallet_id = ${walletOf(world.environment, customerId).walletId}`,
    },
  ];

  test.each(planted)('$name is found, freezes the wallet, and is told once', async ({ name, says, plant }) => {
    await addCustomer(world, name);
    await grant(world, name, { amount: 100 });
    const ref = await hold(world, name, 10, { ttlMs: 3_600_000 });
    await drainAll(world);
    await plant(name, ref);
    const { all, found } = options(world, freezing);
    await pass(all);
    expect(found.outcomes.get(name)).toBe('differs');
    expect(found.differences.map(({ customerId }) => customerId)).toEqual([name]);
    expect(
      found.differences[0]!.differences.some((line) => says.test(line)),
      found.differences[0]!.differences.join('\n'),
    ).toBe(true);
    expect((await walletInRedis(world, name))!.freeze).toBe('reconcile');
    const again = options(world);
    await pass(again.all);
    expect(again.found.differences).toEqual([]);
    expect(['frozen', 'behind']).toContain(again.found.outcomes.get(name));
    // Out of the way of the tests that follow.
    await world.redis.del(walletKey(walletOf(world.environment, name)));
    await world.sql`update wallets set quarantined_at = now(), quarantine_frozen_at = now() where customer_id = ${name}`;
    await drainAll(world, { onQuarantined: () => {}, freezeWallet: async () => true });
  });

  /** Mends as the worker does. */
  const mending = {
    mendWallet: async (wallet: WalletRef, seen?: Seen) => {
      const reply = await mend(world, wallet, seen ? `${seen.epoch}.${seen.version}` : '');
      if (reply.status !== 'mended' && reply.status !== 'moved') throw new Error(reply.status);
      return { status: reply.status };
    },
  };
  const never = Number.MAX_SAFE_INTEGER;
  const hour = 3_600_000;
  /** Three grants in the order 2 1 3, one to come, one in another asset, one that ended but holds; three open holds. */
  async function addBusy(customerId: string): Promise<WalletRef> {
    const wallet = await addCustomer(world, customerId);
    await grant(world, customerId, { amount: 100 });
    await grant(world, customerId, { amount: 100, expiresAtMs: Date.now() + 3 * hour });
    await grant(world, customerId, { amount: 100, priority: 90 });
    await grant(world, customerId, { amount: 7, effectiveAtMs: Date.now() + hour, expiresAtMs: Date.now() + 2 * hour });
    await grant(world, customerId, { amount: 50, asset: 2 });
    await hold(world, customerId, 10, { ttlMs: hour });
    const ended = await grant(world, customerId, { amount: 5, priority: 0 });
    await hold(world, customerId, 5, { ttlMs: hour });
    await voidGrant(world, customerId, ended.grantNo);
    await hold(world, customerId, 20, { ttlMs: hour, asset: 2 });
    await drainAll(world);
    return wallet;
  }
  const numbers = (...all: number[]) => {
    const packed = Buffer.alloc(4 * all.length);
    all.forEach((no, i) => packed.writeUInt32BE(no, 4 * i));
    return packed;
  };
  /** All that is stored of a wallet, with its own deadlines. */
  async function snapshot(wallet: WalletRef) {
    const { redis } = world;
    const scores = await redis.zrange(deadlinesKey(wallet.partition), 0, '-1', 'WITHSCORES');
    return {
      fields: await redis.hgetallBuffer(walletKey(wallet)),
      holds: await redis.hgetallBuffer(holdsKey(wallet)),
      deadlines: scores.filter((_, i) => scores[i - (i % 2)]!.startsWith(wallet.walletId)),
      outbox: await redis.xlen(outboxKey(wallet.partition, 1)),
      clock: await redis.getBuffer(clockKey(wallet.partition)),
    };
  }

  const damages: { name: string; says: RegExp; plant: (wallet: WalletRef) => Promise<unknown> }[] = [
    {
      name: 'an order turned round',
      says: /^order of asset 1: 3 1 2, should be 2 1 3$/,
      plant: (wallet) => world.redis.hset(walletKey(wallet), 'o1', numbers(3, 1, 2)),
    },
    {
      name: 'an order that lacks a grant',
      says: /^order of asset 1: 2 3, should be 2 1 3$/,
      plant: (wallet) => world.redis.hset(walletKey(wallet), 'o1', numbers(2, 3)),
    },
    {
      name: "an order with another asset's grant",
      says: /^order of asset 1: 5 2 1 3, should be 2 1 3$/,
      plant: (wallet) => world.redis.hset(walletKey(wallet), 'o1', numbers(5, 2, 1, 3)),
    },
    {
      name: 'an order that is gone',
      says: /^order of asset 2: nothing, should be 5$/,
      plant: (wallet) => world.redis.hdel(walletKey(wallet), 'o2'),
    },
    {
      name: 'an order that ends inside a number',
      says: /^order of asset 1: 11 bytes, should be 2 1 3$/,
      plant: (wallet) => world.redis.hset(walletKey(wallet), 'o1', numbers(2, 1, 3).subarray(0, 11)),
    },
    {
      name: 'an order of an asset that it does not have',
      says: /^order of asset 9: 1, should be nothing$/,
      plant: (wallet) => world.redis.hset(walletKey(wallet), 'o9', numbers(1)),
    },
    {
      name: 'nothing that falls due',
      says: /^due: nothing, should be the end of grant 2 at \d+$/,
      plant: (wallet) => world.redis.hdel(walletKey(wallet), 'd'),
    },
    {
      name: 'a start that was forgotten',
      says: /^due: nothing, should be the start of grant 4 at \d+$/,
      plant: async (wallet) => {
        const due = (await world.redis.hgetBuffer(walletKey(wallet), 'd'))!;
        await world.redis.hset(walletKey(wallet), 'd', due.subarray(12));
      },
    },
    {
      name: 'what falls due out of order',
      says: /^due: not a list of instants, soonest first$/,
      plant: async (wallet) => {
        const due = (await world.redis.hgetBuffer(walletKey(wallet), 'd'))!;
        await world.redis.hset(walletKey(wallet), 'd', Buffer.concat([due.subarray(12), due.subarray(0, 12)]));
      },
    },
    {
      name: 'never due',
      says: /^due_at: 9007199254740991, should be \d+$/,
      plant: async (wallet) => {
        const meta = (await world.redis.hgetBuffer(walletKey(wallet), 'w'))!;
        meta.writeDoubleBE(never, 8);
        await world.redis.hset(walletKey(wallet), 'w', meta);
      },
    },
    {
      name: 'a hold too many',
      says: /^open holds: 4, should be 3$/,
      plant: async (wallet) => {
        const meta = (await world.redis.hgetBuffer(walletKey(wallet), 'w'))!;
        meta.writeUInt16BE(4, 20);
        await world.redis.hset(walletKey(wallet), 'w', meta);
      },
    },
    {
      name: 'a grant too few',
      says: /^live grants: 5, should be 6$/,
      plant: async (wallet) => {
        const meta = (await world.redis.hgetBuffer(walletKey(wallet), 'w'))!;
        meta.writeUInt16BE(5, 22);
        await world.redis.hset(walletKey(wallet), 'w', meta);
      },
    },
    {
      name: "a hold's deadline that is gone",
      says: /^deadline of hold 1\.6: nothing, should be \d+$/,
      plant: (wallet) => world.redis.zrem(deadlinesKey(wallet.partition), `${wallet.walletId}1.6`),
    },
    {
      name: "a hold's deadline too late",
      says: /^deadline of hold 1\.6: 9007199254740991, should be \d+$/,
      plant: (wallet) => world.redis.zadd(deadlinesKey(wallet.partition), never, `${wallet.walletId}1.6`),
    },
    {
      name: "the wallet's own deadline gone",
      says: /^deadline of the wallet: nothing, should be \d+$/,
      plant: (wallet) => world.redis.zrem(deadlinesKey(wallet.partition), wallet.walletId),
    },
  ];

  test.each(damages)('$name is mended where it stands, with nothing else', async ({ name, says, plant }) => {
    const wallet = await addBusy(name);
    const before = await snapshot(wallet);
    await plant(wallet);
    const { all, found } = options(world, mending);
    await pass(all);
    expect(found.outcomes.get(name)).toBe('mended');
    expect(found.differences).toEqual([]);
    expect(found.mended.map(({ customerId }) => customerId)).toEqual([name]);
    const { damage } = found.mended[0]!;
    expect(
      damage.some((line) => says.test(line)),
      damage.join('\n'),
    ).toBe(true);
    const { fields, ...rest } = await snapshot(wallet);
    // An asset that it does not have keeps an order of nothing.
    if (!('o9' in before.fields)) delete fields['o9'];
    expect({ fields, ...rest }).toEqual(before);
    const again = options(world);
    await pass(again.all);
    expect(again.found.outcomes.get(name)).toBe('equal');
  });

  test('where freezing fails on what is damaged, that is mended, and the page begun again', async () => {
    const wallet = await addBusy('both');
    await changeField(walletKey(wallet), 'a1', 0, atom);
    // The end of grant 2 is due, and nobody finds it in an order that stops inside a number.
    await world.redis.hset(walletKey(wallet), 'o1', numbers(1, 3, 2).subarray(0, 11));
    await advanceClock(world, 'both', 3 * hour + 60_000);
    const { all, found } = options(world, {
      ...mending,
      freezeWallet: async (one, seen) => {
        try {
          return await freezing.freezeWallet(one, seen);
        } catch (error) {
          return { status: 'unavailable', detail: String(error), retryAfterMs: 1 };
        }
      },
    });
    await expect(pass(all)).rejects.toThrow('could not be frozen');
    expect(found.mended.map(({ customerId }) => customerId)).toEqual(['both']);
    await pass(all);
    expect(found.outcomes.get('both')).toBe('differs');
    expect((await walletInRedis(world, 'both'))!.freeze).toBe('reconcile');
    await world.redis.del(walletKey(wallet), holdsKey(wallet));
    await world.sql`update wallets set quarantined_at = now(), quarantine_frozen_at = now() where customer_id = 'both'`;
    await drainAll(world, { onQuarantined: () => {}, freezeWallet: async () => true });
  });

  test('a damaged wallet that moved meanwhile is compared anew, and one that never stands still is mended where it is', async () => {
    const wallet = await addBusy('restive');
    await world.redis.hset(walletKey(wallet), 'o1', numbers(1, 2, 3));
    let tries = 0;
    const { all, found } = options(world, {
      mendWallet: async (one, seen) => {
        tries += 1;
        if (seen) {
          await freeze(world, 'restive', codes.freeze.none, codes.freeze.operator);
          await freeze(world, 'restive', codes.freeze.operator, codes.freeze.none);
          await drainAll(world);
        }
        return mending.mendWallet(one, seen);
      },
    });
    await pass(all);
    expect(tries).toBeGreaterThan(1);
    expect(found.outcomes.get('restive')).toBe('mended');
    const again = options(world);
    await pass(again.all);
    expect(again.found.outcomes.get('restive')).toBe('equal');
  });

  test('no script takes by an order that does not reach: it fails, and changes nothing', async () => {
    const wallet = await addBusy('short');
    for (const order of [
      numbers(2, 1),
      numbers(),
      numbers(2, 1, 77),
      numbers(2, 1, 4),
      numbers(2, 1, 3).subarray(0, 10),
    ]) {
      await world.redis.hset(walletKey(wallet), 'o1', order);
      const before = await snapshot(wallet);
      await expect(charge(world, 'short', 250)).rejects.toThrow(/ERR/);
      await expect(hold(world, 'short', 250)).rejects.toThrow(/ERR/);
      await expect(extend(world, 'short', '1.6', { amount: 250 })).rejects.toThrow(/ERR/);
      await expect(settle(world, 'short', '1.6', 260)).rejects.toThrow(/ERR/);
      expect(await snapshot(wallet)).toEqual(before);
    }
    const { all, found } = options(world, mending);
    await pass(all);
    expect(found.outcomes.get('short')).toBe('mended');
    await charge(world, 'short', 250);
    await drainAll(world);
  });

  test('a grant never starts before its time, nor outlives its end, whatever the list of what falls due says', async () => {
    const wallet = await addCustomer(world, 'untimely');
    const [start, end] = [Date.now() + 10_000_000, Date.now() + 20_000_000];
    const { grantNo } = await grant(world, 'untimely', { amount: 7, effectiveAtMs: start, expiresAtMs: end });
    const event = (atMs: number) => {
      const packed = Buffer.alloc(12);
      packed.writeDoubleBE(atMs);
      packed.writeUInt32BE(grantNo, 8);
      return packed;
    };
    const setDue = async (...events: number[]) => {
      const meta = (await world.redis.hgetBuffer(walletKey(wallet), 'w'))!;
      meta.writeDoubleBE(events[0]!, 8);
      await world.redis.hset(walletKey(wallet), 'w', meta, 'd', Buffer.concat(events.map(event)));
    };
    await setDue(1, end);
    await applyDue(world, 'untimely');
    expect((await walletInRedis(world, 'untimely'))!.grants).toMatchObject([{ state: 'scheduled' }]);
    // Its start was lost: it starts and ends at once, when its end comes.
    await advanceClock(world, 'untimely', 30_000_000);
    await applyDue(world, 'untimely');
    expect(await walletInRedis(world, 'untimely')).toMatchObject({
      grants: [],
      accounts: [{ available: 0n, scheduled: 0n }],
    });
    await drainAll(world);
    const { all, found } = options(world);
    await pass(all);
    expect(found.outcomes.get('untimely')).toBe('equal');
  });

  test('a wallet that moved on after it was compared is compared anew, and frozen only if it differs still', async () => {
    for (const id of ['mended', 'restless']) {
      await addCustomer(world, id);
      await grant(world, id, { amount: 100 });
    }
    await drainAll(world);
    const plant = (id: string, amount: number) =>
      changeField(walletKey(walletOf(world.environment, id)), 'a1', 0, amount);
    for (const id of ['mended', 'restless']) await plant(id, 1);
    const move = async (id: string) => {
      for (const [from, to] of [
        [codes.freeze.none, codes.freeze.operator],
        [codes.freeze.operator, codes.freeze.none],
      ] as const) {
        await freeze(world, id, from, to);
      }
      await drainAll(world);
    };
    const tries = { mended: 0, restless: 0 };
    const { all, found } = options(world, {
      freezeWallet: async (wallet, seen) => {
        const id = wallet.customerId as keyof typeof tries;
        tries[id] += 1;
        // It is mended in the very moment in which it would have been frozen; or it merely goes on.
        if (id === 'mended') await plant(id, -1);
        if (id === 'mended' || seen) await move(id);
        return freezing.freezeWallet(wallet, seen);
      },
    });
    await pass(all);
    expect(tries.mended).toBe(1);
    expect(found.outcomes.get('mended')).toBe('equal');
    expect((await walletInRedis(world, 'mended'))!.freeze).toBe('none');
    // One that never stands still is frozen where it is.
    expect(tries.restless).toBeGreaterThan(1);
    expect(found.outcomes.get('restless')).toBe('differs');
    expect((await walletInRedis(world, 'restless'))!.freeze).toBe('reconcile');
    await drainAll(world);
  });

  test('a wallet of an earlier epoch, one in quarantine and one that cannot be read are not compared, and nobody is frozen', async () => {
    const earlier = await addCustomer(world, 'earlier');
    const meta = (await world.redis.hgetBuffer(walletKey(earlier), 'w'))!;
    meta.writeUInt32BE(7, 16);
    await world.redis.hset(walletKey(earlier), 'w', meta);
    const unreadable = await addCustomer(world, 'unreadable');
    await world.redis.hset(walletKey(unreadable), 'a1', 'not a balance');
    const apart = await addCustomer(world, 'apart');
    await world.redis.hset(walletKey(apart), 'a1', Buffer.alloc(32, 1));
    await world.sql`update wallets set quarantined_at = now() where wallet_id = ${apart.walletId}`;
    const { all, found } = options(world);
    await pass(all);
    expect(found.outcomes.get('earlier')).toBe('other_epoch');
    expect(found.outcomes.get('unreadable')).toBe('unreadable');
    expect(found.unreadable).toEqual(['unreadable']);
    expect(found.outcomes.get('apart')).toBe('quarantined');
    for (const ref of [unreadable, earlier]) await world.redis.del(walletKey(ref));
  });

  test('a wallet that cannot be frozen is not passed over: its page is begun again', async () => {
    const ref = await addCustomer(world, 'stubborn');
    await world.redis.hset(walletKey(ref), 'a1', add(Buffer.alloc(32), 0, atom));
    const { all, found } = options(world, {
      freezeWallet: async () => ({ status: 'unavailable', detail: 'away', retryAfterMs: 1 }),
    });
    await expect(pass(all)).rejects.toThrow('could not be frozen');
    await expect(pass(all)).rejects.toThrow('could not be frozen');
    expect(found.differences).toEqual([]);
    await world.redis.del(walletKey(ref));
    await pass(all);
    expect(found.outcomes.get('stubborn')).toBe('absent');
  });

  test('a pass goes on where it was when its worker ended, and no wallet is left out', async () => {
    const { all } = options(world, { walletsMax: 4 });
    await pass(all);
    const wallets = (await listWalletsAfter(world.sql, '', 1_000)).map(({ walletId }) => walletId);
    expect(wallets.length).toBeGreaterThan(9);
    const seen: string[] = [];
    const watching = (sql: Sql): ReconcileOptions => ({
      ...all,
      sql,
      onLooked: (_, { walletId }) => void seen.push(walletId),
    });
    await reconcilePage(watching(world.sql));
    // Killed inside its second page: the claim stands.
    await claimPage(world.sql, { claimMs, passPauseMs: 0 });
    const other = openDatabase(database.url, { connectionsMax: 1, name: 'other' });
    expect(await reconcilePage(watching(other))).toEqual({ status: 'idle' });
    await other`update reconciliation set claimed_until = now() - interval '1 second'`;
    await pass(watching(other));
    await other.end();
    expect(seen).toEqual(wallets);
  });

  test('a page that was finished, and a pass, are followed by the next at once, in the same millisecond', async () => {
    for (let round = 0; round < 100; round += 1) {
      if (round % 2 === 0) await world.sql`delete from reconciliation`;
      for (const position of ['middle', '']) {
        const claim = await claimPage(world.sql, { claimMs, passPauseMs: 0 });
        if (!claim) throw new Error(`round ${round}: not to be had`);
        await finishPage(world.sql, claim, { position, looked: 1 });
      }
      const claim = await claimPage(world.sql, { claimMs, passPauseMs: 0 });
      if (!claim) throw new Error(`round ${round}: not to be had again`);
      await dropClaim(world.sql, claim);
    }
  });

  test('the next pass waits until it is due', async () => {
    const { all } = options(world, { walletsMax: 1_000, passPauseMs: 3_600_000 });
    expect(await reconcilePage(all)).toEqual({ status: 'idle' });
    await world.sql`update reconciliation set ended_at = now() - interval '2 hours'`;
    expect(await reconcilePage(all)).toMatchObject({ status: 'looked', isLast: true });
  });
});

describe('farebox reconcile', () => {
  let database: TestDatabase;
  let server: RedisServer;
  let world: World;
  beforeAll(async () => {
    database = await createDatabase();
    server = await createRedis();
    world = await openWorld({ databaseUrl: database.url, redisUrl: server.url });
    await addCustomer(world, 'user_42');
    await grant(world, 'user_42', { amount: 2_000_000_000 });
    await hold(world, 'user_42', 500_000_000, { ttlMs: 3_600_000 });
    await drainAll(world);
  });
  afterAll(async () => {
    await closeWorld(world);
    await server.stop();
    await database.drop();
  });

  /** The command, with what it printed and the exit status that it would have. */
  async function reconcile(...args: string[]): Promise<{ status: number; text: string }> {
    const config = { databaseUrl: database.url, redisUrl: server.url } as Config;
    const lines: string[] = [];
    const problem = await runReconcile(config, args, (line) => void lines.push(line));
    const status = problem === undefined ? Number(process.exitCode ?? 0) : 2;
    process.exitCode = undefined;
    return { status, text: [...lines, ...(problem === undefined ? [] : [problem])].join('\n') };
  }
  const account = () => walletKey(walletOf(world.environment, 'user_42'));

  test('shows both sides, readable, and the last entries', async () => {
    const { status, text } = await reconcile('user_42');
    expect(text).toMatch(/^ {2}asset 1 available +1\.5 USD +1\.5 USD$/m);
    expect(text).toMatch(/^ {2}hold 1\.2 amount +0\.5 USD +0\.5 USD$/m);
    expect(text).toMatch(/^ {2}grant 1 expiresAt +never +never$/m);
    expect(text).toMatch(/^ +2 {2}\S+Z {2}hold +0 USD: available 1\.5, held 0\.5, overage 0; hold 1\.2; operation /m);
    expect(text).not.toContain('≠');
    expect(text).toMatch(/Redis and the ledger agree at version 2$/);
    expect(status).toBe(0);
  });

  test('shows what does not follow from grants and holds', async () => {
    await world.redis.hset(account(), 'o1', '');
    const { status, text } = await reconcile('user_42');
    expect(text).toMatch(/agree at version 2, but .* DAMAGED, .*: order of asset 1: nothing, should be 1$/);
    expect(status).toBe(1);
    await mend(world, walletOf(world.environment, 'user_42'), '');
    expect((await reconcile('user_42')).status).toBe(0);
  });

  test('shows what is on its way to the ledger, and says that it cannot compare yet', async () => {
    await charge(world, 'user_42', 100_000_000);
    const { status, text } = await reconcile('user_42');
    expect(text).toMatch(/on their way to the ledger\n +3 {2}\S+Z {2}charge +-0\.1 USD: available 1\.4/);
    expect(text).toContain('not compared: the ledger is at version 2, Redis at 3');
    expect(status).toBe(2);
    await drainAll(world);
    expect((await reconcile('user_42', '--environment', `env_${world.environment}`)).status).toBe(0);
  });

  test('marks what differs, and says why the wallet is frozen', async () => {
    const packed = (await world.redis.hgetBuffer(account(), 'a1'))!;
    packed.writeDoubleBE(packed.readDoubleBE(0) + 1, 0);
    await world.redis.hset(account(), 'a1', packed);
    await freeze(world, 'user_42', codes.freeze.none, codes.freeze.reconcile);
    await drainAll(world);
    const { status, text } = await reconcile('user_42');
    expect(text).toMatch(/^≠ asset 1 available +1\.400000001 USD +1\.4 USD$/m);
    expect(text).toMatch(/^frozen: reconcile$/m);
    expect(text).toMatch(/DIFFER at version 4: asset 1 available: Redis 1400000001, ledger 1400000000$/);
    expect(status).toBe(1);
  });

  test('shows the entries that Redis does not have', async () => {
    const packed = (await world.redis.hgetBuffer(account(), 'w'))!;
    packed.writeDoubleBE(2, 0);
    await world.redis.hset(account(), 'w', packed);
    const { status, text } = await reconcile('user_42');
    expect(text).toMatch(/in the ledger, after the version that Redis has\n +3 .* charge .*\n +4 .* freeze/);
    expect(text).toMatch(/DIFFER at version 2: version: Redis 2, ledger 4$/);
    expect(status).toBe(1);
  });

  test('says so where nothing can be compared', async () => {
    await world.redis.del(account());
    expect(await reconcile('user_42')).toEqual({
      status: 2,
      text: expect.stringContaining('not compared: Redis does not have this wallet'),
    });
    expect(await reconcile('nobody')).toEqual({ status: 2, text: expect.stringContaining('no customer nobody') });
    expect((await reconcile()).text).toContain('use: farebox reconcile');
    expect((await reconcile('user_42', '--environment', 'env_elsewhere')).status).toBe(2);
  });
});

describe('in a running Farebox', () => {
  const comparisons = Number(process.env['TEST_COMPARISONS'] ?? 30);

  test('comparisons of busy wallets find no difference', { timeout: 180_000 + 200 * comparisons }, async () => {
    const farebox = await startFarebox();
    const sql = openDatabase(farebox.database.url, { connectionsMax: 2, name: 'test' });
    const redis = new Redis(farebox.redis.url, { protocol: 2 });
    const customers = Array.from({ length: 12 }, (_, i) => `c${i}`);
    try {
      for (const id of customers) await farebox.customer(id, '20');
      // Decisions between comparisons, not as many as fit.
      const post: Client['post'] = (...request) => sleep(1_000).then(() => farebox.client.post(...request));
      let isOver = false;
      const load: Load = {
        gateways: [{ ...farebox.client, post }],
        random: randomOf(seed),
        all: [],
        isOver: () => isOver,
      };
      const living = Promise.all(customers.map((customerId) => live(load, customerId)));
      const counts: Partial<Record<ReconcileOutcome, number>> = {};
      const { all, found } = options(
        { sql, redis },
        { waitMs: 10_000, onLooked: (outcome) => void (counts[outcome] = (counts[outcome] ?? 0) + 1) },
      );
      while ((counts.equal ?? 0) < comparisons && Object.keys(counts).every((outcome) => outcome === 'equal')) {
        const done = await reconcilePage(all);
        // The worker of this Farebox reconciles, too.
        if (done.status === 'idle') await sleep(100);
      }
      isOver = true;
      await living;
      expect(found.differences, `FAULT_SEED=${seed}`).toEqual([]);
      expect(counts, `FAULT_SEED=${seed}`).toEqual({ equal: expect.any(Number) });
      expect(load.all.length).toBeGreaterThan(0);
    } finally {
      redis.disconnect();
      await sql.end();
      await farebox.stop();
    }
  });

  test('a difference freezes the customer, and is in the metrics', async () => {
    const farebox = await startFarebox();
    const sql = openDatabase(farebox.database.url, { connectionsMax: 1, name: 'test' });
    const redis = new Redis(farebox.redis.url, { protocol: 2 });
    try {
      for (const id of ['right', 'wrong']) await farebox.customer(id, '10');
      const [row] = await sql<{ environment_id: string }[]>`select environment_id from wallets`;
      const key = walletKey(walletOf(row!.environment_id, 'wrong'));
      const account = (await redis.hgetBuffer(key, 'a1'))!;
      account.writeDoubleBE(account.readDoubleBE(0) + 1, 0);
      await redis.hset(key, 'a1', account);
      await askForPass(sql);
      const frozen = async (id: string) => (await farebox.client.get(`/v1/customers/${id}/wallet`)).body.freeze_reason;
      await until(async () => (await frozen('wrong')) === 'reconcile', 20_000);
      expect(await frozen('right')).toBe(null);
      await until(async () =>
        (await farebox.client.get('/metrics')).text.includes('farebox_reconcile_differences_total{role="worker"} 1'),
      );
    } finally {
      redis.disconnect();
      await sql.end();
      await farebox.stop();
    }
  });
});
