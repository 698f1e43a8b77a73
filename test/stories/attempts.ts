// Every script, called once on a wallet that a story has brought about; and the partition's keys, before and after.
import type { Redis } from 'ioredis';
import { clockKey, deadlinesKey, fenceKey } from '../../src/wallet/keys.ts';
import {
  advanceClockScript,
  expireHoldsScript,
  listDueScript,
  mendScript,
  readHoldScript,
  readWalletScript,
} from '../../src/wallet/scripts.gen.ts';
import { expireHolds } from '../model/calls.ts';
import type { Call } from './gateway.ts';
import { newScene, play, type Scene } from './scene.ts';
import { parseStory } from './text.ts';
import { commonArgs, environment, fcall, fence, keysOf, newWallet, openingCommands, send } from './wallets.ts';

/** A line for each way to call a money script; a story gives them a hold h1 and a grant g2. */
export const moneyLines = {
  authorize: 'hold h9 20',
  'authorize, after an unknown outcome': 'hold h9 500 again',
  'authorize, in two assets': 'hold h9 20 with 5:2@1/2',
  charge: 'charge 20',
  'charge, in two assets': 'charge 20 with 5:2',
  'charge, after an unknown outcome': 'charge 500 again',
  'authorize, falling back': 'hold h9 1 or 500:1>2@1/500',
  'charge, falling back': 'charge 1 or 500:1>2@1/500',
  'settle, falling back': 'settle h1 1 or 500:1>2@1/500',
  'authorize, counted over a period': 'hold h9 2 uses 3:steps,11:bulk',
  'charge, counted over a period': 'charge 2 uses 3:steps,11:bulk',
  settle: 'settle h1 15',
  'settle a part': 'settle h1 15 part',
  'settle above the hold': 'settle h1 190',
  'settle, counted over a period': 'settle h1 2 uses 3:steps,11:bulk',
  release: 'release h1',
  extend: 'extend h1 5 ttl 2h',
  credit: 'grant g9 paid 40',
  'credit, to come': 'grant g9 paid 40 from 1h until 2h',
  'set aside': 'aside a9 g2 5',
  'set aside what there is': 'aside a9 g2 500 up_to',
  'take back': 'take a1 g2 5',
  'take back, into overage': 'take a1 g2 500',
  void: 'void g2',
  freeze: 'freeze',
  unfreeze: 'unfreeze',
} as const;

/** Tell a story up to here, on a wallet of its own. */
export async function stage(redis: Redis, story: string): Promise<Scene> {
  const scene = newScene(newWallet());
  const told = parseStory(story).flatMap(({ step }) => play(scene, step).calls);
  await sendAll(redis, [...openingCommands(scene.wallet).map((command) => ({ command })), ...told]);
  return scene;
}

/** The calls that one line leads to; the scene stays as it is. */
export function callsOf(scene: Scene, line: string): Call[] {
  const fork: Scene = {
    ...scene,
    holds: new Map(scene.holds),
    grants: new Map(scene.grants),
    expired: new Map(scene.expired),
    budgets: new Map(scene.budgets),
    ledger: {
      ...scene.ledger,
      counters: { ...scene.ledger.counters },
      usage: { ...scene.ledger.usage },
      accounts: new Map(scene.ledger.accounts),
      grants: new Map(scene.ledger.grants),
    },
  };
  return play(fork, parseStory(line)[0]!.step).calls;
}

export function expiryOf(scene: Scene): Call {
  const refs = [...scene.world.wallet.holds.keys()];
  const operation = { id: `${scene.wallet.customerId}/expiry`, fingerprint: '-----------' };
  const args = { ...commonArgs(operation.id), keepMs: 0, holdRefs: refs.join(' ') };
  return {
    command: fcall(expireHoldsScript, keysOf(scene.wallet, operation.id), args),
    answer: { read: expireHoldsScript, expected: expireHolds(scene.world, operation, { refs }).reply },
  };
}

/** Makes anew what follows from grants and holds. */
export function mendingOf({ wallet }: Scene): Call {
  return {
    command: fcall(mendScript, keysOf(wallet), { fence, seenAt: '' }),
    answer: { read: mendScript, expected: { status: 'mended' } },
  };
}

/** Calls of the scripts that move no money. */
export function otherCalls(scene: Scene): Record<string, Call> {
  const { wallet, holds } = scene;
  const { partition } = wallet;
  const keys = { fenceKey: fenceKey(partition), clockKey: clockKey(partition), deadlinesKey: deadlinesKey(partition) };
  const holdRef = holds.get('h1')?.ref ?? '';
  return {
    advance_clock: {
      command: fcall(advanceClockScript, keys, { fence, toMs: 0 }),
      answer: { read: advanceClockScript, expected: { status: 'advanced' } },
    },
    list_due: {
      command: fcall(listDueScript, keys, { fence, membersMax: 10 }),
      answer: { read: listDueScript, expected: { status: 'due_members' } },
    },
    read_wallet: {
      command: fcall(readWalletScript, keysOf(wallet), { fence, environment }),
      answer: { read: readWalletScript, expected: { status: 'wallet' } },
    },
    read_hold: {
      command: fcall(readHoldScript, keysOf(wallet), { fence, environment, holdRef }),
      answer: { read: readHoldScript, expected: { status: 'hold' } },
    },
    mend: mendingOf(scene),
  };
}

export async function sendAll(redis: Redis, calls: Call[]): Promise<void> {
  const results = await send(
    redis,
    calls.map(({ command }) => command),
  );
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

export type Snapshot = [key: string, dump: string][];

/** All keys of the wallet's partition, to the byte. */
export async function snapshot(redis: Redis, { wallet }: Scene): Promise<Snapshot> {
  const keys = await redis.keys(fenceKey(wallet.partition).replace(':fence', '*'));
  const dumps = await Promise.all(keys.sort().map((key) => redis.dumpBuffer(key)));
  return keys.map((key, index) => [key, dumps[index]!.toString('base64')]);
}

/** Make the partition what it was. */
export async function restore(redis: Redis, { wallet }: Scene, before: Snapshot): Promise<void> {
  await redis.del(...(await redis.keys(fenceKey(wallet.partition).replace(':fence', '*'))));
  await Promise.all(before.map(([key, dump]) => redis.restore(key, 0, Buffer.from(dump, 'base64'))));
}
