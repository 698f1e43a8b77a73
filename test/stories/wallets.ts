// A wallet on a real Redis, in a partition whose clock stands until a test moves it.
//
// The clock record lies in the far future, so that Redis's own time never counts: a story runs alike every time.
import { Redis } from 'ioredis';
import { partitionsCount } from '../../src/limits.ts';
import {
  clockKey,
  deadlinesKey,
  fenceKey,
  holdsKey,
  lateKey,
  moneyKeys,
  outboxKey,
  scratchKey,
  walletKey,
  walletOf,
  type MoneyKeys,
  type WalletRef,
} from '../../src/wallet/keys.ts';
import { decodeReply, type RawReply, type Script } from '../../src/wallet/script.ts';
import { createWalletScript, hydrateScript, libraryText, type HydrateArgs } from '../../src/wallet/scripts.gen.ts';
import { verifyRun } from '../verify-run.ts';

export type StoryWallet = WalletRef & { customerId: string };
/** One Redis command; money scripts go by FCALL. */
export type Command = { name: string; values: (string | number | Buffer)[] };
export type CommonArgs = {
  fence: string;
  notAfterMs: number;
  environment: string;
  operationId: string;
  fingerprint: string;
  keepMs: number;
  lookedUp: string;
};

export const environment = 'environment1';
export const epoch = 1;
export const fence = `6f0fa2c1-1f9c-4b51-9f35-8a1f6a3d3c11:${epoch}`;
/** 2100-01-01: where the clocks of stories begin. */
export const beginningMs = Date.UTC(2100, 0, 1);
const neverTooLateMs = Date.UTC(9999, 0, 1);
const keepMs = 60_000;
export const fingerprint = '-----------';

/** A hold of somebody else's in the same partition, long overdue. */
export const neighboursDeadline = 'neighbour-neighbour-221.1';

let walletsCount = 0;

/** A connection as the gateway has it: replies in RESP2. The library is loaded over it. */
export async function connectForStories(url: string): Promise<Redis> {
  const redis = new Redis(url, { protocol: 2 });
  await redis.call('FUNCTION', 'LOAD', 'REPLACE', libraryText);
  await redis.mset(Array.from({ length: partitionsCount }, (_, partition) => [fenceKey(partition), fence]).flat());
  await verifyRun(redis, { fence });
  return redis;
}

export function newWallet(): StoryWallet {
  walletsCount += 1;
  const customerId = `customer_${walletsCount}`;
  return { ...walletOf(environment, customerId), customerId };
}

/** Make the partition and its clock new, and put the wallet into it. */
export function openingCommands(wallet: StoryWallet, nowMs: number = beginningMs): Command[] {
  const { partition } = wallet;
  return [
    { name: 'DEL', values: [outboxKey(partition, epoch), deadlinesKey(partition)] },
    { name: 'SET', values: [fenceKey(partition), fence] },
    { name: 'SET', values: [clockKey(partition), packClock({ seq: 0, nowMs, epoch })] },
    { name: 'ZADD', values: [deadlinesKey(partition), 1, neighboursDeadline] },
    createCommand(wallet),
  ];
}

export function createCommand(wallet: StoryWallet): Command {
  const args = { fence, environment, customerId: wallet.customerId, freeze: 0 };
  return fcall(createWalletScript, keysOf(wallet), args);
}

export function hydrateCommand(wallet: StoryWallet, args: Partial<HydrateArgs>): Command {
  return fcall(hydrateScript, keysOf(wallet), {
    fence,
    environment,
    customerId: wallet.customerId,
    version: 0,
    freeze: 0,
    accountsPacked: '',
    grantsPacked: '',
    holdsPacked: '',
    replacedVersion: '',
    lookUpUntilMs: 0,
    configVersion: '0',
    configText: '',
    countersPacked: '',
    rolloversPacked: '',
    triggersPacked: '',
    ...args,
  });
}

export function fcall<Keys, Args, Reply>(script: Script<Keys, Args, Reply>, keys: Keys, args: Args): Command {
  return { name: 'FCALL', values: [script.functionName, script.keysCount, ...script.encode(keys, args, args)] };
}

/** Every key that any script takes. */
export function keysOf(
  wallet: WalletRef,
  operationId = '',
  holdRef = '',
): MoneyKeys & { lateKey: string; scratchKey: string } {
  return {
    ...moneyKeys(wallet, epoch, operationId),
    lateKey: lateKey(wallet, holdRef),
    scratchKey: scratchKey(wallet.partition),
  };
}

export function commonArgs(operationId: string, operationFingerprint: string = fingerprint): CommonArgs {
  return {
    fence,
    notAfterMs: neverTooLateMs,
    environment,
    operationId,
    fingerprint: operationFingerprint,
    keepMs,
    lookedUp: '1',
  };
}

/** Send all at once, in order; an error is an outcome as well. */
export async function send(redis: Redis, commands: Command[]): Promise<PromiseSettledResult<unknown>[]> {
  redis.stream.cork();
  const sent = commands.map(({ name, values }) => redis.callBuffer(name, ...values));
  redis.stream.uncork();
  return Promise.allSettled(sent);
}

/** Send one script and read its reply. */
export async function ask<Keys, Args, Reply extends { status: string }>(
  redis: Redis,
  script: Script<Keys, Args, Reply>,
  keys: Keys,
  args: Args,
): Promise<Reply> {
  const { name, values } = fcall(script, keys, args);
  return decodeReply(script, (await redis.callBuffer(name, ...values)) as RawReply);
}

/** What a wallet leaves behind, but for operations, which expire. */
export function removalCommands(wallet: StoryWallet): Command[] {
  return [{ name: 'DEL', values: [walletKey(wallet), holdsKey(wallet), outboxKey(wallet.partition, epoch)] }];
}

type Clock = { seq: number; nowMs: number; epoch: number };

export function packClock(clock: Clock): Buffer {
  const packed = Buffer.alloc(24);
  [clock.seq, clock.nowMs, clock.epoch].forEach((value, index) => packed.writeDoubleBE(value, 8 * index));
  return packed;
}

export function unpackClock(packed: Buffer): Clock {
  return { seq: packed.readDoubleBE(0), nowMs: packed.readDoubleBE(8), epoch: packed.readDoubleBE(16) };
}
