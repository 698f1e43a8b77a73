// Many connections at once on one wallet: nothing is spent twice, nothing applied twice, nothing lost.
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { codes } from '../src/codes.gen.ts';
import type { Atoms } from '../src/units.ts';
import {
  authorizeScript,
  chargeScript,
  createWalletScript,
  hydrateScript,
  releaseScript,
  settleScript,
} from '../src/wallet/scripts.gen.ts';
import { stage } from './stories/attempts.ts';
import { newLedger } from './stories/ledger.ts';
import { lookAt, proofsFailed } from './stories/look.ts';
import type { Scene } from './stories/scene.ts';
import { ask, commonArgs, connectForStories, environment, fence, keysOf, newWallet } from './stories/wallets.ts';
import { createRedis } from './stores.ts';

const attemptsCount = 200;
const balance = 50;

let url: string;
let stop: () => Promise<void>;
let redis: Redis;
let pool: Redis[] = [];

beforeAll(async () => {
  const server = await createRedis();
  ({ url, stop } = server);
  redis = await connectForStories(url);
});

afterEach(() => {
  for (const connection of pool) connection.disconnect();
  pool = [];
});

afterAll(async () => {
  redis.disconnect();
  await stop();
});

async function connections(count: number): Promise<Redis[]> {
  pool = Array.from({ length: count }, () => new Redis(url, { protocol: 2 }));
  await Promise.all(pool.map((connection) => connection.ping()));
  return pool;
}

/** Attempts number 0, 1, 2 … over the connections in turn, all at once. */
async function race<T>(over: Redis[], count: number, attempt: (redis: Redis, no: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, (_, no) => attempt(over[no % over.length]!, no)));
}

function count(replies: { status: string; replayed?: true }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status, replayed } of replies) {
    const name = replayed ? `${status}, replayed` : status;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

const noConfig = { configVersion: '0', configText: '', countersPacked: '', rolloversPacked: '', triggersPacked: '' };
const unpriced = {
  catalogVersion: '',
  configVersion: '0',
  toldText: '',
  duesPacked: '',
  scopesPacked: '',
  fallbacksPacked: '',
  linesPacked: '',
};
const known = {
  ...{ catalogVersion: '', configVersion: '0', toldText: '' },
  ...{ legsPacked: '', budgetsPacked: '', scopesPacked: '', fallbacksPacked: '', linesPacked: '' },
};
const one = { asset: 1, amountAtoms: 1n as Atoms, mode: 'strict', repeated: '0', attached: '', ...known };

async function authorize(over: Redis, { wallet }: Scene, id: string) {
  const operationId = `${wallet.customerId}/${id}`;
  const args = { ...commonArgs(operationId), ...one, ttlMs: 60_000 };
  return ask(over, authorizeScript, keysOf(wallet, operationId), args);
}

async function charge(over: Redis, { wallet }: Scene, id: string) {
  const operationId = `${wallet.customerId}/${id}`;
  return ask(over, chargeScript, keysOf(wallet, operationId), { ...commonArgs(operationId), ...one });
}

async function expectStored(scene: Scene, expected: { available: bigint; held: bigint; version: number }) {
  const look = await lookAt(redis, scene.wallet);
  expect(proofsFailed(look, newLedger())).toEqual([]);
  const { available, held } = look.stored.accounts[0]!;
  expect({ available, held, version: look.stored.version }).toEqual(expected);
  return look;
}

describe.each([16, 64])('%i connections', (connectionsCount) => {
  test(`${attemptsCount} authorizes of 1 on a balance of ${balance}: exactly ${balance} are approved`, async () => {
    const scene = await stage(redis, `grant paid ${balance}`);
    const over = await connections(connectionsCount);
    const replies = await race(over, attemptsCount, (from, no) => authorize(from, scene, `a${no}`));
    expect(count(replies)).toEqual({ approved: balance, declined: attemptsCount - balance });
    const { stored } = await expectStored(scene, { available: 0n, held: BigInt(balance), version: 1 + balance });
    const refs = replies.flatMap((reply) => (reply.status === 'approved' ? [`${reply.epoch}.${reply.version}`] : []));
    expect(stored.holds.map(({ ref }) => ref)).toEqual(refs.sort());
  });

  test(`${attemptsCount} charges of 1 on a balance of ${balance}: exactly ${balance} are charged`, async () => {
    const scene = await stage(redis, `grant paid ${balance}`);
    const over = await connections(connectionsCount);
    const replies = await race(over, attemptsCount, (from, no) => charge(from, scene, `c${no}`));
    expect(count(replies)).toEqual({ charged: balance, declined: attemptsCount - balance });
    await expectStored(scene, { available: 0n, held: 0n, version: 1 + balance });
  });
});

test('the same key ten times at once: one hold, nine replays', async () => {
  const scene = await stage(redis, 'grant paid 5');
  const replies = await race(await connections(10), 10, (from) => authorize(from, scene, 'once'));
  expect(count(replies)).toEqual({ approved: 1, 'approved, replayed': 9 });
  expect(new Set(replies.map((reply) => JSON.stringify({ ...reply, replayed: true }, plain))).size).toBe(1);
  await expectStored(scene, { available: 4n, held: 1n, version: 2 });
});

test('the same hold settled and released ten times at once ends once', async () => {
  const scene = await stage(redis, 'grant paid 100\nhold h1 60');
  const { wallet, holds } = scene;
  const { ref } = holds.get('h1')!;
  const over = await connections(10);
  const replies = await race(over, 10, async (from, no) => {
    const operationId = `${wallet.customerId}/${no}`;
    const args = { ...commonArgs(operationId), asset: 1, holdRef: ref, attached: '' };
    const keys = keysOf(wallet, operationId, ref);
    if (no % 2 === 1) return ask(from, releaseScript, keys, args);
    const ownArgs = { amountAtoms: 60n as Atoms, final: '1', onExcess: 'charge', expiredHold: '', ...unpriced };
    return ask(from, settleScript, keys, { ...args, ...ownArgs });
  });
  const { settled = 0, released = 0, ...others } = count(replies);
  expect(settled + released).toBe(1);
  expect(others).toEqual({ unknown_hold: 9 });
  await expectStored(scene, { available: settled === 1 ? 40n : 100n, held: 0n, version: 3 });
});

test('an expired hold settled late ten times at once is settled once', async () => {
  const scene = await stage(redis, 'grant paid 100\nhold h1 60\nto h1');
  const { wallet, holds } = scene;
  const { ref } = holds.get('h1')!;
  const replies = await race(await connections(10), 10, async (from, no) => {
    const operationId = `${wallet.customerId}/${no}`;
    const ownArgs = { asset: 1, holdRef: ref, amountAtoms: 60n as Atoms, final: '1', onExcess: 'charge' };
    const args = { ...commonArgs(operationId), ...ownArgs, expiredHold: '', attached: '', ...unpriced };
    return ask(from, settleScript, keysOf(wallet, operationId, ref), args);
  });
  expect(count(replies)).toEqual({ settled: 1, closed: 9 });
  await expectStored(scene, { available: 40n, held: 0n, version: 4 });
});

test('a wallet hydrated ten times at once is put there once', async () => {
  const scene = await stage(redis, '');
  const wallet = { ...newWallet(), partition: scene.wallet.partition };
  const args = { fence, environment, customerId: wallet.customerId, version: 0, freeze: codes.freeze.none };
  const packed = {
    accountsPacked: '',
    grantsPacked: '',
    holdsPacked: '',
    replacedVersion: '',
    lookUpUntilMs: 0,
    ...noConfig,
  };
  const replies = await race(await connections(10), 10, (from) =>
    ask(from, hydrateScript, keysOf(wallet), { ...args, ...packed }),
  );
  expect(count(replies)).toEqual({ hydrated: 1, present: 9 });
});

test('a wallet created ten times at once is created once', async () => {
  const scene = await stage(redis, '');
  const wallet = { ...newWallet(), partition: scene.wallet.partition };
  const args = { fence, environment, customerId: wallet.customerId, freeze: codes.freeze.none };
  const replies = await race(await connections(10), 10, (from) => ask(from, createWalletScript, keysOf(wallet), args));
  expect(count(replies)).toEqual({ created: 1, moved: 9 });
});

function plain(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}
