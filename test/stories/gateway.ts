// How the gateway and the sweep call the scripts: repeat what is due or overdue, bring an expired hold's terms along.
//
// Written anew here, against the model, since the gateway's own loops wait for Redis and for the ledger.
import { createHash } from 'node:crypto';
import { clockKey, deadlinesKey, fenceKey, holdsKey, walletKey } from '../../src/wallet/keys.ts';
import { packFallbacks } from '../../src/wallet/fallbacks.ts';
import { packLines, type SentLine } from '../../src/wallet/lines.ts';
import { packDues, packHold } from '../../src/wallet/packed.ts';
import { packScopes } from '../../src/wallet/scopes.ts';
import type { Script } from '../../src/wallet/script.ts';
import {
  advanceClockScript,
  applyDueScript,
  expireHoldsScript,
  listDueScript,
  settleScript,
} from '../../src/wallet/scripts.gen.ts';
import type { Atoms } from '../../src/units.ts';
import * as model from '../model/calls.ts';
import type { AskedLine } from '../model/fallback.ts';
import type { Outcome } from '../model/operation.ts';
import { settle } from '../model/settle.ts';
import { assetOf, dueAtMs, overdueRefs, type Hold, type Parts, type Reply, type World } from '../model/wallet.ts';
import type { Use } from '../model/usage.ts';
import { expectedEntry, type Caller } from './entries.ts';
import { takeEntry, termsOf } from './ledger.ts';
import type { Scene } from './scene.ts';
import type { Step } from './steps.ts';
import { expectedStored } from './stored.ts';
import { formatStep } from './text.ts';
import {
  commonArgs,
  fcall,
  fence,
  fingerprint,
  keysOf,
  neighboursDeadline,
  type Command,
  type CommonArgs,
} from './wallets.ts';

/** A command, and what the model answers; without an answer it need only succeed. */
export type Call = { command: Command; answer?: { read: ReplyReader; expected: Reply } };
/** Enough of a script to read its reply. */
export type ReplyReader = Script<never, never, { status: string }>;

type AnyKeys = ReturnType<typeof keysOf>;

const anyEnvironment = '*';
const sweepMembersMax = 200;
const roundsMax = 12;

/** The operation that a step is: the same name or key, and the same words, make it a retry. */
export function operationOf(scene: Scene, step: Step): Caller {
  const { wallet, stepNo } = scene;
  const name = 'name' in step ? step.name : `${targetOf(step)}/${('key' in step ? step.key : undefined) ?? stepNo}`;
  const words = formatStep({ ...step, again: false, key: undefined } as Step);
  return {
    id: `${wallet.customerId}/${step.verb}/${name}`,
    fingerprint: createHash('sha256').update(words).digest('base64url').slice(0, fingerprint.length),
    attached: JSON.stringify({ said: words, by: 'Zoë' }),
  };
}

function targetOf(step: Step): string {
  if ('hold' in step) return step.hold;
  return 'grant' in step ? step.grant : '';
}

type OwnArgs<Args> = Omit<Args, keyof CommonArgs | 'attached'>;

/** One money script to its answer. Arguments that depend on what the gateway knows are made anew for each call. */
export function execute<Args extends CommonArgs & { attached: string }, R extends { status: string }>(
  scene: Scene,
  script: Script<AnyKeys, Args, R>,
  caller: Caller,
  ownArgs: OwnArgs<Args> | (() => OwnArgs<Args>),
  ask: (world: World) => Outcome,
): Reply {
  const common = { ...commonArgs(caller.id, caller.fingerprint), attached: caller.attached };
  for (let round = 1; round <= roundsMax; round += 1) {
    const own = typeof ownArgs === 'function' ? ownArgs() : ownArgs;
    const args = { ...common, ...own } as unknown as Args & { holdRef?: string };
    const command = fcall(script, keysOf(scene.wallet, caller.id, args.holdRef), args);
    const outcome = ask(scene.world);
    addCall(scene, command, script, outcome, caller);
    if (outcome.reply.status === 'due') applyDue(scene);
    else if (outcome.reply.status === 'overdue') expireHolds(scene, String(outcome.reply['overdueRefs']).split(' '));
    else if (outcome.reply.status === 'stale') scene.knownMs = Number(outcome.reply['redisMs']);
    else return outcome.reply;
  }
  throw new Error('a story has more due than the gateway would catch up with');
}

/** Settle; where Redis does not know the hold any more, and it expired, once more with its terms from the ledger. */
export function settleAsGateway(
  scene: Scene,
  step: Step & { verb: 'settle' },
  ask: Omit<Parameters<typeof settle>[2], 'expired' | 'uses'>,
  { lines, list }: { lines: SentLine[]; list: Use[] },
): Reply {
  const { asset, ref, amount, dues, parts, fallbacks = [], told, isFinal, onExcess } = ask;
  const caller = operationOf(scene, step);
  const attempt = (expired: Hold | undefined) => {
    const expiredHold = expired ? packHold(termsOf(expired, () => [])) : '';
    const final = isFinal ? '1' : '0';
    const args = {
      ...{ asset, holdRef: ref, amountAtoms: amount as Atoms, final, onExcess, expiredHold },
      // Nothing is priced, though an event says so; what is told comes back all the same.
      ...{ catalogVersion: parts ? '1' : '', configVersion: '0', toldText: told, ...packLinesOf(parts, fallbacks) },
      duesPacked: packDues(dues.map((due) => ({ asset: due.asset, amount: due.amount as Atoms }))),
    };
    const argsNow = () => ({ ...args, linesPacked: packLines(lines, scene.knownMs) });
    return execute(scene, settleScript, caller, argsNow, (world) =>
      settle(world, caller, { ...ask, expired, uses: { list, knownMs: scene.knownMs } }),
    );
  };
  const reply = attempt(undefined);
  if (reply.status !== 'unknown_hold' && reply.status !== 'closed') return reply;
  const expired = scene.expired.get(ref);
  return assetOf(expired) === asset ? attempt(expired) : reply;
}

/** By what scopes parts and lines are covered, and on what lines fall back. */
export function packLinesOf(parts: Parts | undefined, fallbacks: readonly AskedLine[]) {
  const lines = fallbacks.map(({ use, atoms, rates, ...line }) => ({
    ...line,
    atoms: atoms as Atoms,
    sentNo: use,
    rates: rates.map(({ asset, num, den }) => ({ asset, num: num as Atoms, den: den as Atoms })),
  }));
  const packed = (parts ?? []).map((part) => ({ ...part, atoms: part.atoms as Atoms }));
  return { scopesPacked: packScopes(packed, lines), fallbacksPacked: packFallbacks(lines) };
}

/** What falls due is applied, as far as one call goes. */
export function applyDue(scene: Scene): Reply {
  const caller = own(scene);
  const args = { ...commonArgs(caller.id), keepMs: 0, environment: anyEnvironment };
  const outcome = model.applyDue(scene.world, caller);
  addCall(scene, fcall(applyDueScript, keysOf(scene.wallet, caller.id), args), applyDueScript, outcome, caller);
  return outcome.reply;
}

function expireHolds(scene: Scene, refs: string[]): Reply {
  const caller = own(scene);
  const args = { ...commonArgs(caller.id), keepMs: 0, environment: anyEnvironment, holdRefs: refs.join(' ') };
  const outcome = model.expireHolds(scene.world, caller, { refs });
  addCall(scene, fcall(expireHoldsScript, keysOf(scene.wallet, caller.id), args), expireHoldsScript, outcome, caller);
  return outcome.reply;
}

/** What list_due names of this wallet expires and is applied. */
export function sweep(scene: Scene): Reply {
  const { wallet, world } = scene;
  const { partition, walletId } = wallet;
  const refs = overdueRefs(world.wallet, world.nowMs);
  const isDue = dueAtMs(world.wallet) <= world.nowMs;
  const members = expectedStored(wallet, world)
    .deadlines.filter(([, atMs]) => atMs <= world.nowMs)
    .map(([ref, atMs]) => ({ member: walletId + ref, atMs }))
    .sort((a, b) => a.atMs - b.atMs || (a.member < b.member ? -1 : 1))
    .map(({ member }) => member);
  const listed: Reply = {
    status: 'due_members',
    membersText: [neighboursDeadline, ...members].join(' '),
    nowMs: world.nowMs,
  };
  const keys = { fenceKey: fenceKey(partition), clockKey: clockKey(partition), deadlinesKey: deadlinesKey(partition) };
  scene.calls.push({
    command: fcall(listDueScript, keys, { fence, membersMax: sweepMembersMax }),
    answer: { read: listDueScript, expected: listed },
  });
  let reply = listed;
  if (refs.length > 0) reply = expireHolds(scene, refs);
  if (isDue) reply = applyDue(scene);
  return reply;
}

/** Time moves, never backwards. */
export function moveClock(scene: Scene, toMs: number): Reply {
  const { partition } = scene.wallet;
  const nowMs = Math.max(scene.world.nowMs, toMs);
  const keys = { fenceKey: fenceKey(partition), clockKey: clockKey(partition) };
  const reply = { status: 'advanced', nowMs };
  const command = fcall(advanceClockScript, keys, { fence, toMs });
  scene.calls.push({ command, answer: { read: advanceClockScript, expected: reply } });
  scene.world = { ...scene.world, nowMs };
  return reply;
}

/** Redis loses the wallet. */
export function forget(scene: Scene): void {
  const { wallet, world } = scene;
  const members = expectedStored(wallet, world).deadlines.map(([ref]) => wallet.walletId + ref);
  scene.calls.push({ command: { name: 'DEL', values: [walletKey(wallet), holdsKey(wallet)] } });
  const { partition } = wallet;
  if (members.length > 0) {
    scene.calls.push({ command: { name: 'ZREM', values: [deadlinesKey(partition), ...members] } });
  }
}

function own(scene: Scene): Caller {
  const id = `${scene.wallet.customerId}/own/${scene.stepNo}.${scene.calls.length}`;
  return { id, fingerprint, attached: '' };
}

function addCall(scene: Scene, command: Command, read: ReplyReader, outcome: Outcome, caller: Caller): void {
  scene.calls.push({ command, answer: { read, expected: outcome.reply } });
  outcome.entries.forEach((made, index) => {
    const operation = index === outcome.main ? { ...caller, reply: outcome.reply } : undefined;
    const entry = expectedEntry(scene.wallet, made, operation);
    const complaints = takeEntry(scene.ledger, entry);
    if (complaints.length > 0) throw new Error(`the model's own entries: ${complaints.join('; ')}`);
    scene.entries.push(entry);
    if (made.hold?.status === 'expired') scene.expired.set(made.hold.hold.ref, made.hold.hold);
  });
  scene.world = outcome.world;
}
