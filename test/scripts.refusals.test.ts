// What every script refuses, and that a refusal writes nothing: a foreign or old Redis, a call that comes too late,
// another environment, a wallet that is not there, more due than one call applies.
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { partitionsCount } from '../src/limits.ts';
import { clockKey, fenceKey, walletKey } from '../src/wallet/keys.ts';
import { decodeReply, type RawReply } from '../src/wallet/script.ts';
import { applyDueScript, authorizeScript, createWalletScript, hydrateScript } from '../src/wallet/scripts.gen.ts';
import type { Atoms } from '../src/units.ts';
import { callsOf, expiryOf, moneyLines, otherCalls, sendAll, snapshot, stage } from './stories/attempts.ts';
import type { Call } from './stories/gateway.ts';
import { newScene, type Scene } from './stories/scene.ts';
import {
  ask,
  beginningMs,
  commonArgs,
  connectForStories,
  fence,
  createCommand,
  hydrateCommand,
  keysOf,
  newWallet,
  openingCommands,
  packClock,
  send,
  unpackClock,
} from './stories/wallets.ts';
import { createRedis } from './stores.ts';
import { verifyRun } from './verify-run.ts';

const story = `
  grant g1 promotional 50
  grant g2 paid 50
  hold h1 60
`;
const manyDue = `
  ${Array.from({ length: 17 }, (_, no) => `grant g${no + 20} paid 1 until 10s`).join('\n')}
  to g20.end
`;
const otherFence = `0d3f7c0e-8a51-4c3e-9f5b-2f9b7a5e1c22:1`;

let redis: Redis;
let stop: () => Promise<void>;

beforeAll(async () => {
  const server = await createRedis();
  stop = server.stop;
  redis = await connectForStories(server.url);
});

afterAll(async () => {
  redis.disconnect();
  await stop();
});

/** One call of each money script, as the gateway would make it now. */
function moneyCalls(scene: Scene): [string, Call][] {
  const calls = Object.entries(moneyLines).map(([name, line]): [string, Call] => [name, callsOf(scene, line)[0]!]);
  return [...calls, ['expire_holds', expiryOf(scene)]];
}

function allCalls(scene: Scene): [string, Call][] {
  const applyDue: [string, Call] = ['apply_due', callsOf(scene, 'apply_due')[0]!];
  const hydrate: [string, Call] = [
    'hydrate',
    { command: hydrateCommand(scene.wallet, {}), answer: { read: hydrateScript, expected: { status: 'hydrated' } } },
  ];
  const create: [string, Call] = [
    'create_wallet',
    { command: createCommand(scene.wallet), answer: { read: createWalletScript, expected: { status: 'created' } } },
  ];
  return [...moneyCalls(scene), applyDue, hydrate, create, ...Object.entries(otherCalls(scene))];
}

async function answerOf({ command, answer }: Call): Promise<{ status: string }> {
  return decodeReply(answer!.read, (await redis.callBuffer(command.name, ...command.values)) as RawReply);
}

/** The same call with another argument, counted from 0 after the keys. */
function withArg(call: Call, position: number, value: string | number): Call {
  const values = [...call.command.values];
  values[2 + Number(values[1]) + position] = value;
  return { ...call, command: { ...call.command, values } };
}

/** Each call is answered so, and nothing changes. */
async function expectAll(scene: Scene, calls: [string, Call][], expected: object): Promise<void> {
  const before = await snapshot(redis, scene);
  const answers = Object.fromEntries(
    await Promise.all(calls.map(async ([name, call]) => [name, await answerOf(call)] as const)),
  );
  expect(answers).toEqual(Object.fromEntries(calls.map(([name]) => [name, expected])));
  expect(await snapshot(redis, scene)).toEqual(before);
}

describe('every script answers `fenced`, and writes nothing,', () => {
  test.each<[string, (scene: Scene) => Promise<unknown>]>([
    ['where there is no fence', ({ wallet }) => redis.del(fenceKey(wallet.partition))],
    ['in front of another installation', ({ wallet }) => redis.set(fenceKey(wallet.partition), otherFence)],
    ['in front of another epoch', ({ wallet }) => redis.set(fenceKey(wallet.partition), fence.replace(/1$/, '2'))],
    ['in front of an epoch that begins alike', ({ wallet }) => redis.set(fenceKey(wallet.partition), `${fence}0`)],
    ['where the clock is gone', ({ wallet }) => redis.del(clockKey(wallet.partition))],
  ])('%s', async (_, change) => {
    const scene = await stage(redis, story);
    await change(scene);
    await expectAll(scene, allCalls(scene), { status: 'fenced' });
  });

  test('on a Redis that was flushed', async () => {
    const scene = await stage(redis, story);
    await redis.flushall();
    await expectAll(scene, allCalls(scene), { status: 'fenced' });
  });
});

test('a call that arrives after its deadline is answered `late`, a repeat of what was done included', async () => {
  const scene = await stage(redis, story);
  const calls = [...moneyCalls(scene), ...allCalls(scene).filter(([name]) => name === 'apply_due')];
  const [, done] = calls.find(([name]) => name === 'charge')!;
  await sendAll(redis, [done]);
  const late = calls.map(([name, call]): [string, Call] => [name, withArg(call, 1, 1)]);
  await expectAll(scene, late, { status: 'late', nowMs: expect.closeTo(Date.now(), -4) as number });
});

test('another environment finds the wallet `missing`', async () => {
  const scene = await stage(redis, story);
  const money = [...moneyCalls(scene), ...allCalls(scene).filter(([name]) => name === 'apply_due')];
  const reads = Object.entries(otherCalls(scene)).filter(([name]) => name.startsWith('read_'));
  const elsewhere = [
    ...money.map(([name, call]): [string, Call] => [name, withArg(call, 2, 'environment2')]),
    ...reads.map(([name, call]): [string, Call] => [name, withArg(call, 1, 'environment2')]),
  ];
  await expectAll(scene, elsewhere, { status: 'missing' });
});

describe('a wallet is `absent`', () => {
  const needsWallet = (scene: Scene) =>
    allCalls(scene).filter(([name]) => !['hydrate', 'create_wallet', 'advance_clock', 'list_due'].includes(name));

  test('that is not in Redis', async () => {
    const scene = await stage(redis, story);
    await redis.del(walletKey(scene.wallet));
    await expectAll(scene, needsWallet(scene), { status: 'absent' });
  });

  test('that was not verified in this epoch', async () => {
    const scene = await stage(redis, story);
    const { partition } = scene.wallet;
    const nextFence = fence.replace(/1$/, '2');
    await redis.set(fenceKey(partition), nextFence);
    await redis.set(clockKey(partition), packClock({ seq: 9, nowMs: beginningMs, epoch: 2 }));
    await verifyRun(redis, { partition, fence: nextFence });
    const calls = needsWallet(scene).map(([name, call]): [string, Call] => [name, withArg(call, 0, nextFence)]);
    await expectAll(scene, calls, { status: 'absent' });
  });

  test('in a run of Redis that nobody has compared with the ledger', async () => {
    const scene = await stage(redis, story);
    const unknownFence = fence.replace(/1$/, '3');
    const { partition } = scene.wallet;
    await redis.set(fenceKey(partition), unknownFence);
    // Another partition's fence that reads the same does not speak for this one, which may have come from another node of a cluster.
    const other = (partition + 1) % partitionsCount;
    await redis.set(fenceKey(other), unknownFence);
    await verifyRun(redis, { partition: other, fence: unknownFence });
    const calls = allCalls(scene)
      .filter(([name]) => name !== 'advance_clock')
      .map(([name, call]): [string, Call] => [name, withArg(call, 0, unknownFence)]);
    await expectAll(scene, calls, { status: 'unverified' });
  });

  test('unless it is there: hydrating it again leaves it alone', async () => {
    const scene = await stage(redis, story);
    await expectAll(
      scene,
      allCalls(scene).filter(([name]) => name === 'hydrate'),
      { status: 'present' },
    );
  });
});

describe('with more due than one call applies', () => {
  test('each script answers `due`, and writes nothing', async () => {
    const scene = await stage(redis, story + manyDue);
    const reads = Object.entries(otherCalls(scene)).filter(([name]) => name.startsWith('read_'));
    await expectAll(scene, [...moneyCalls(scene), ...reads], { status: 'due' });
  });

  test('apply_due drains it, 16 a call', async () => {
    const scene = await stage(redis, story + manyDue);
    const args = (id: string) => ({ ...commonArgs(`${scene.wallet.customerId}/${id}`), keepMs: 0 });
    const apply = (id: string) => ask(redis, applyDueScript, keysOf(scene.wallet, id), args(id));
    expect(await apply('first')).toMatchObject({ appliedCount: 16, moreFlag: 1, seq: 36 });
    expect(await apply('second')).toMatchObject({ appliedCount: 1, moreFlag: 0, seq: 37 });
    expect(await apply('third')).toMatchObject({ appliedCount: 0, moreFlag: 0, seq: 37 });
    expect(await answerOf(otherCalls(scene)['read_wallet']!)).toMatchObject({ status: 'wallet', version: 37 });
  });
});

describe('time', () => {
  test('does not go backwards when the clock is told an earlier one', async () => {
    const scene = await stage(redis, story);
    const moved = withArg(otherCalls(scene)['advance_clock']!, 1, beginningMs - 1);
    expect(await answerOf(moved)).toEqual({ status: 'advanced', nowMs: beginningMs });
    expect(await clockOf(scene)).toMatchObject({ nowMs: beginningMs });
  });

  test('is Redis’s own, and the partition remembers it', async () => {
    const scene = newScene(newWallet());
    await send(redis, openingCommands(scene.wallet, 0));
    const earliest = await redisTimeMs();
    const reply = await authorizeNothing(scene, 'first');
    expect(reply.createdAtMs).toBeGreaterThanOrEqual(earliest);
    expect(reply.createdAtMs).toBeLessThanOrEqual(await redisTimeMs());
    expect(await clockOf(scene)).toEqual({ seq: 1, nowMs: reply.createdAtMs, epoch: 1 });
  });

  test('stands still for as long as Redis’s own lies behind', async () => {
    const scene = newScene(newWallet());
    const ahead = (await redisTimeMs()) + 60_000;
    await send(redis, openingCommands(scene.wallet, ahead));
    expect(await authorizeNothing(scene, 'first')).toMatchObject({ createdAtMs: ahead });
    expect(await authorizeNothing(scene, 'second')).toMatchObject({ createdAtMs: ahead });
    expect(await clockOf(scene)).toEqual({ seq: 2, nowMs: ahead, epoch: 1 });
  });
});

async function authorizeNothing({ wallet }: Scene, id: string) {
  const ownArgs = { asset: 1, amountAtoms: 0n as Atoms, mode: 'strict', ttlMs: 60_000, repeated: '0', attached: '' };
  const known = {
    catalogVersion: '',
    configVersion: '0',
    toldText: '',
    legsPacked: '',
    budgetsPacked: '',
    scopesPacked: '',
    fallbacksPacked: '',
    linesPacked: '',
  };
  const operationId = `${wallet.customerId}/${id}`;
  const reply = await ask(redis, authorizeScript, keysOf(wallet, operationId), {
    ...commonArgs(operationId),
    ...ownArgs,
    ...known,
  });
  if (reply.status !== 'approved') throw new Error(`authorize answered ${reply.status}`);
  return reply;
}

async function clockOf({ wallet }: Scene) {
  return unpackClock((await redis.getBuffer(clockKey(wallet.partition)))!);
}

async function redisTimeMs(): Promise<number> {
  const [seconds = 0, micros = 0] = (await redis.time()).map(Number);
  return seconds * 1_000 + Math.floor(micros / 1_000);
}
