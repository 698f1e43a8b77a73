// Run a story on a real Redis beside the model; where the two differ, say so in the story's own words.
import type { Redis } from 'ioredis';
import { codes } from '../../src/codes.gen.ts';
import { decodeReply, type RawReply } from '../../src/wallet/script.ts';
import { dueAtMs, type World } from '../model/wallet.ts';
import { differences } from './differences.ts';
import type { SeenEntry } from './entries.ts';
import { unmet } from './expectation.ts';
import type { Call } from './gateway.ts';
import type { Ledger } from './ledger.ts';
import { lookCommands, looksCount, proofsFailed, readLook, type Look, type Settled } from './look.ts';
import { newScene, play, type Played, type Scene } from './scene.ts';
import type { Line } from './steps.ts';
import { expectedStored } from './stored.ts';
import { formatStep } from './text.ts';
import { newWallet, openingCommands, removalCommands, send, type StoryWallet } from './wallets.ts';

const reportedLinesMax = 80;

/**
 * Throws at the first line where model and Redis, or an expectation and both, part. A story of thousands of lines looks
 * at what Redis stores at its end only; replies and expectations are compared at each line anyway.
 */
export async function runStory(
  redis: Redis,
  lines: Line[],
  { scene = newScene(newWallet()), looksAtEnd = false }: { scene?: Scene; looksAtEnd?: boolean } = {},
): Promise<void> {
  const { wallet } = scene;
  const ledger = structuredClone(scene.ledger);
  const played = lines.map(({ step }) => play(scene, step));
  const take = await tell(redis, wallet, played, looksAtEnd);
  let before: Before = { world: undefined, seen: [] };
  for (const [index, step] of played.entries()) {
    const complaints = [...compareReplies(step.calls, take(step.calls.length)), ...unmet(lines[index]!.expected, step)];
    if (!looksAtEnd || index === lines.length - 1) {
      const seen = take(looksCount);
      const entries = looksAtEnd ? played.flatMap((one) => one.entries) : step.entries;
      if (!isAsBefore(before, step.world, seen)) {
        complaints.push(...compareState(wallet, step.world, entries, seen, ledger));
      }
      before = { world: step.world, seen };
    }
    if (complaints.length > 0) throw new Error(report(lines, index, complaints));
  }
}

// All of it at once; returns a reader of the results, in order.
async function tell(
  redis: Redis,
  wallet: StoryWallet,
  played: Played[],
  looksAtEnd: boolean,
): Promise<(count: number) => Settled[]> {
  const opening = openingCommands(wallet);
  const commands = [...opening];
  let seq = 0;
  for (const [index, { calls, world }] of played.entries()) {
    for (const { command } of calls) commands.push(command);
    if (looksAtEnd && index < played.length - 1) continue;
    commands.push(...lookCommands(wallet, seq));
    seq = world.seq;
  }
  const results = await send(redis, [...commands, ...removalCommands(wallet)]);
  const failed = results.slice(0, opening.length).find((result) => result.status === 'rejected');
  if (failed) throw new Error(`the story did not begin: ${String(failed.reason)}`);
  let at = opening.length;
  return (count) => {
    at += count;
    return results.slice(at - count, at);
  };
}

function compareReplies(calls: Call[], results: Settled[]): string[] {
  return calls.flatMap(({ command, answer }, index) => {
    const result = results[index]!;
    const name = answer?.read.name ?? command.name;
    if (result.status === 'rejected') return [`${name} failed: ${String(result.reason)}`];
    if (!answer) return [];
    return differences(name, answer.expected, decodeReply(answer.read, result.value as RawReply));
  });
}

type Before = { world: World | undefined; seen: Settled[] };

// Half of all steps change nothing; then what Redis has is the same to the byte, and was compared before.
function isAsBefore(before: Before, world: World, seen: Settled[]): boolean {
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

function compareState(
  wallet: StoryWallet,
  world: World,
  entries: SeenEntry[],
  seen: Settled[],
  ledger: Ledger,
): string[] {
  try {
    const look = readLook(wallet, seen);
    const firstSeq = world.seq - entries.length + 1;
    const entryIds = entries.map((_, index) => `${firstSeq + index}-0`);
    return [
      ...compareRead(world, look),
      ...differences('entry ids', entryIds, look.entryIds),
      ...differences('entries', entries, look.entries),
      ...differences('the wallet in Redis', expectedStored(wallet, world), look.stored),
      ...proofsFailed(look, ledger),
    ];
  } catch (error) {
    return [`what Redis has cannot be read: ${(error as Error).message}`];
  }
}

function compareRead({ wallet, epoch, seq, nowMs }: World, { read, fields }: Look): string[] {
  if (dueAtMs(wallet) <= nowMs) return differences('read_wallet', { status: 'due' }, read);
  const { version, freeze } = wallet;
  const expected = { status: 'wallet', atMs: nowMs, version, freeze: codes.freeze[freeze], epoch, seq };
  if (read.status !== 'wallet') return differences('read_wallet', expected, read);
  const { fieldsPacked, ...rest } = read;
  const isWhole = Buffer.concat(fieldsPacked).equals(Buffer.concat(fields));
  return [...differences('read_wallet', expected, rest), ...(isWhole ? [] : ['read_wallet gave other fields'])];
}

function report(lines: Line[], index: number, complaints: string[]): string {
  const told = lines
    .map(({ step }, no) => `${no === index ? ' >' : '  '} ${formatStep(step)}`)
    .slice(Math.max(0, index - reportedLinesMax), index + reportedLinesMax);
  return [`the story and Redis part at line ${index + 1}:`, ...told, ...complaints.map((line) => `- ${line}`)].join(
    '\n',
  );
}
