// Run a story on a real Redis beside the model; where the two differ, say so in the story's own words.
import type { Redis } from 'ioredis';
import { codes } from '../../src/codes.gen.ts';
import { clockKey, deadlinesKey, holdsKey, outboxKey, walletKey } from '../../src/wallet/keys.ts';
import { decodeReply } from '../../src/wallet/script.ts';
import { readWalletScript } from '../../src/wallet/scripts.gen.ts';
import { dueAtMs, type Balances, type Hold, type Reply, type World } from '../model/wallet.ts';
import { differences, show } from './differences.ts';
import { readEntry } from './entries.ts';
import type { Call } from './gateway.ts';
import { newLedger, takeEntry, type Ledger, type LedgerGrant } from './ledger.ts';
import { newScene, play, type Played } from './scene.ts';
import type { Expectation, Line } from './steps.ts';
import { complaintsOf, expectedStored, readStored } from './stored.ts';
import { formatStep } from './text.ts';
import {
  environment,
  epoch,
  fcall,
  fence,
  keysOf,
  newWallet,
  openingCommands,
  removalCommands,
  send,
  type Command,
  type StoryWallet,
} from './wallets.ts';

type Settled = PromiseSettledResult<unknown>;

/** Throws at the first line where model and Redis, or an expectation and both, part. */
export async function runStory(redis: Redis, lines: Line[]): Promise<void> {
  const wallet = newWallet();
  const scene = newScene(wallet);
  const played = lines.map(({ step }) => play(scene, step));

  const opening = openingCommands(wallet);
  const commands = [...opening];
  let seq = 0;
  for (const { calls, world } of played) {
    commands.push(...calls.map(({ command }) => command), ...lookAt(wallet, seq));
    seq = world.seq;
  }
  const results = await send(redis, [...commands, ...removalCommands(wallet)]);

  let at = opening.length;
  const ledger = newLedger();
  let before: Before = { world: undefined, seen: [] };
  const opened = results.slice(0, at).find((result) => result.status === 'rejected');
  if (opened) throw new Error(`the story did not begin: ${String(opened.reason)}`);
  for (const [index, step] of played.entries()) {
    const replies = results.slice(at, at + step.calls.length);
    at += step.calls.length;
    const seen = results.slice(at, at + looksCount);
    at += looksCount;
    const complaints = [
      ...compareReplies(step.calls, replies),
      ...(isAsBefore(before, step, seen) ? [] : compareState(wallet, step, seen, ledger)),
      ...unmet(lines[index]!.expected, step),
    ];
    if (complaints.length > 0) throw new Error(report(lines, index, complaints));
    before = { world: step.world, seen };
  }
}

// What is read after each step: six commands.
const looksCount = 6;

function lookAt(wallet: StoryWallet, afterSeq: number): Command[] {
  const { partition } = wallet;
  return [
    fcall(readWalletScript, keysOf(wallet), { fence, environment }),
    { name: 'HGETALL', values: [walletKey(wallet)] },
    { name: 'HGETALL', values: [holdsKey(wallet)] },
    { name: 'ZRANGE', values: [deadlinesKey(partition), 0, -1, 'WITHSCORES'] },
    { name: 'GET', values: [clockKey(partition)] },
    { name: 'XRANGE', values: [outboxKey(partition, epoch), `(${afterSeq}-0`, '+'] },
  ];
}

function compareReplies(calls: Call[], results: Settled[]): string[] {
  return calls.flatMap(({ command, answer }, index) => {
    const result = results[index]!;
    const name = answer?.read.name ?? command.name;
    if (result.status === 'rejected') return [`${name} failed: ${String(result.reason)}`];
    if (!answer) return [];
    const reply = decodeReply(answer.read, result.value as unknown[]);
    return differences(name, answer.expected, reply);
  });
}

type Before = { world: World | undefined; seen: Settled[] };

// Half of all steps change nothing; then what Redis answers is the same to the byte, and was compared before.
function isAsBefore(before: Before, { world }: Played, seen: Settled[]): boolean {
  const isSameWorld = before.world?.wallet === world.wallet && before.world.nowMs === world.nowMs;
  const outbox = seen.at(-1) as { value?: unknown[] };
  return isSameWorld && outbox.value?.length === 0 && isSame(seen.slice(0, -1), before.seen.slice(0, -1));
}

function isSame(one: unknown, other: unknown): boolean {
  if (Buffer.isBuffer(one)) return Buffer.isBuffer(other) && one.equals(other);
  if (typeof one !== 'object' || one === null || typeof other !== 'object' || other === null) return one === other;
  const names = Object.keys(one);
  const [first, second] = [one, other] as Record<string, unknown>[];
  return names.length === Object.keys(other).length && names.every((name) => isSame(first![name], second![name]));
}

function compareState(wallet: StoryWallet, { entries, world }: Played, seen: Settled[], ledger: Ledger): string[] {
  const failed = seen.find((result) => result.status === 'rejected');
  if (failed) return [`reading failed: ${String(failed.reason)}`];
  const [read, fields, holds, deadlines, clock, outbox] = seen.map((result) => (result as { value: unknown }).value);
  try {
    const raw = { fields, holds, deadlines, clock } as Parameters<typeof readStored>[1];
    const stored = readStored(wallet, raw);
    return [
      ...compareRead(world, decodeReply(readWalletScript, read as unknown[]), raw.fields),
      ...compareEntries(world, entries, outbox as Outbox, ledger),
      ...differences('the wallet in Redis', expectedStored(wallet, world), stored),
      ...differences(
        'the wallet that its entries tell',
        told(stored, stored.freeze, stored.accounts),
        toldByLedger(ledger),
      ),
      ...complaintsOf(stored),
    ];
  } catch (error) {
    return [`what Redis has cannot be read: ${(error as Error).message}`];
  }
}

function compareRead(world: World, reply: { status: string; fieldsPacked?: Buffer[] }, fields: Buffer[]): string[] {
  const { version, freeze } = world.wallet;
  const { epoch, seq, nowMs } = world;
  if (dueAtMs(world.wallet) <= nowMs) return differences('read_wallet', { status: 'due' }, reply);
  const expected = { status: 'wallet', atMs: nowMs, version, freeze: codes.freeze[freeze], epoch, seq };
  const { fieldsPacked = [], ...rest } = reply;
  const isWhole = Buffer.concat(fieldsPacked).equals(Buffer.concat(fields));
  return [...differences('read_wallet', expected, rest), ...(isWhole ? [] : ['read_wallet gave other fields'])];
}

type Outbox = [Buffer, [Buffer, Buffer]][];

function compareEntries(world: World, expected: Played['entries'], outbox: Outbox, ledger: Ledger): string[] {
  const entries = outbox.map(([, [, packed]]) => readEntry(packed));
  const ids = outbox.map(([id]) => String(id));
  const firstSeq = world.seq - expected.length + 1;
  return [
    ...differences(
      'entry ids',
      expected.map((_, index) => `${firstSeq + index}-0`),
      ids,
    ),
    ...differences('entries', expected, entries),
    ...entries.flatMap((entry) => takeEntry(ledger, entry)),
  ];
}

// What entries alone must tell of a wallet.
function told(
  { version, grants, holds }: { version: number; grants: LedgerGrant[]; holds: Hold[] },
  freeze: number,
  accounts: (Balances & { asset: number })[],
): unknown {
  return {
    ...{ version, freeze },
    accounts: accounts
      .map(({ asset, available, held, overage, scheduled }) => ({ asset, available, held, overage, scheduled }))
      .filter(({ available, held, overage, scheduled }) => available + held + overage + scheduled > 0n)
      .sort((a, b) => a.asset - b.asset),
    grants: grants.sort((a, b) => a.no - b.no),
    holds: holds.sort((a, b) => (a.ref < b.ref ? -1 : 1)),
  };
}

function toldByLedger({ version, freeze, accounts, grants, holds }: Ledger): unknown {
  return told(
    { version, grants: [...grants.values()], holds: [...holds.values()] },
    codes.freeze[freeze],
    [...accounts].map(([asset, balances]) => ({ asset, ...balances })),
  );
}

function unmet(expected: Expectation | undefined, { entries, reply }: Played): string[] {
  if (!expected) return [];
  const complaints = expected.words
    .filter((word) => !bearsOut(reply ?? { status: '' }, word))
    .map((word) => `the line says '${word}', the reply is ${show(reply)}`);
  const kinds = entries.map(({ kind }) => kind);
  if (expected.kinds && differences('', expected.kinds, kinds).length > 0) {
    complaints.push(`the line says | ${expected.kinds.join(' ')}, the entries are ${kinds.join(' ')}`);
  }
  return complaints;
}

function bearsOut(reply: Reply, word: string): boolean {
  const [name = '', number] = word.split('=');
  const value = (of: string) => reply[`${of}Atoms`] ?? reply[of];
  if (number !== undefined) return String(value(name)) === number;
  if (/^\d+$/.test(word)) return String(value('available')) === word;
  return wordsOf(reply).includes(word);
}

function wordsOf(reply: Reply): string[] {
  const nameOf = (table: Record<string, number>, code: unknown) =>
    Object.keys(table).find((name) => table[name] === code) ?? '';
  return [
    reply.status,
    reply['replayed'] === true ? 'replayed' : '',
    reply['lateFlag'] === 1 ? 'late' : '',
    reply['openFlag'] === 1 ? 'open' : '',
    nameOf(codes.reason, reply['reason']),
    nameOf(codes.grant_state, reply['state']),
    nameOf(codes.bound, reply['bound']),
  ];
}

function report(lines: Line[], index: number, complaints: string[]): string {
  const told = lines.map(({ step }, no) => `${no === index ? ' >' : '  '} ${formatStep(step)}`);
  return [`the story and Redis part at line ${index + 1}:`, ...told, ...complaints.map((line) => `- ${line}`)].join(
    '\n',
  );
}
