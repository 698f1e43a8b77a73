// Run a money script to an answer: repeat what is unknown, load what is absent, apply what is due, expire what is overdue.
//
// The caller sees yes, no, or trouble. An unknown outcome is repeated once under the same operation id. No answer that an
// attempt of unknown outcome could contradict is given before that attempt can no longer be applied: a second at most.
import { commandTimeoutMs, operationKeepMs } from '../limits.ts';
import { call, callConfirmed, type Failure } from './call.ts';
import { whenConfirmed, type Unconfirmed } from './confirm.ts';
import { expireHolds } from './expire-holds.ts';
import { hydrateWallet } from './hydrate.ts';
import { fenceKey, moneyKeys, operationKey, type MoneyKeys } from './keys.ts';
import { noFingerprint, ownOperation, type Operation } from './operation.ts';
import { ledgerCaughtUp } from './ledger-wait.ts';
import { waitUntilReady } from './redis.ts';
import type { CommonArgs, OwnArgs, Script } from './script.ts';
import { applyDueScript, rememberScript } from './scripts.gen.ts';
import type { Store } from './store.ts';
import { fencedDetail, retryAfterMs, type Target, type Trouble } from './target.ts';

/** What `execute` answers by itself; the rest of a script's replies goes to the caller. */
export type Handled =
  | 'fenced'
  | 'unverified'
  | 'late'
  | 'conflict'
  | 'absent'
  | 'look_up'
  | 'missing'
  | 'due'
  | 'overdue';

/** As the scripts read it. */
const [notLookedUp, notInLedger, inLedger] = ['0', '1', '2'];

const roundsMax = 12;

/** Replies that stand in the operation's record: an attempt that is still on its way finds them. */
const remembered = new Set([
  'approved',
  'charged',
  'settled',
  'released',
  'extended',
  'granted',
  'voided',
  'changed',
  'set_aside',
  'taken_back',
  // In answer to a repeat.
  'declined',
  'conflict',
]);

type Answer<Reply> = (Exclude<Reply, { status: Handled }> & Unconfirmed) | Trouble;

type Attempts<Args> = {
  keys: MoneyKeys;
  args: OwnArgs<Args>;
  common: CommonArgs;
  /** Until when, in Redis's time, an attempt of unknown outcome may still be applied. */
  inDoubtUntilMs: number | undefined;
  /** See Operation. */
  sinceMs: number | undefined;
};

export async function execute<Args extends Partial<CommonArgs>, Reply extends { status: string }>(
  store: Store,
  script: Script<MoneyKeys, Args, Reply>,
  target: Target,
  operation: Operation,
  args: OwnArgs<Args>,
  lateKey = '',
): Promise<Answer<Reply>> {
  const { partition } = target;
  const attempts: Attempts<Args> = {
    keys: moneyKeys(target, store.epochs[partition]!, operation.id, lateKey),
    args,
    common: {
      fence: store.fences[partition]!,
      notAfterMs: 0,
      environment: target.environmentId,
      operationId: operation.id,
      fingerprint: operation.fingerprint,
      keepMs: operation.keepMs,
      repeated: '0',
      // Our own ids are new; a caller's key may have been used before Redis lost it.
      lookedUp: operation.keepMs < operationKeepMs ? notInLedger : notLookedUp,
    },
    inDoubtUntilMs: undefined,
    sinceMs: operation.sinceMs,
  };
  if (operation.isForgotten && !(await bringBack(store, target, attempts.common, operation.sinceMs))) {
    const detail = 'the ledger cannot say yet whether this was applied before';
    return { status: 'unavailable', detail, retryAfterMs };
  }
  const answer = await ask(store, script, target, attempts);
  if (attempts.inDoubtUntilMs === undefined || remembered.has(answer.status)) return answer;
  // An attempt may still be under way, and would not find this answer. Once it is dead, what Redis says is final.
  await store.nodes.of(target.partition).clock.untilPast(attempts.inDoubtUntilMs);
  if (answer.status === 'unknown') return answer;
  const final = await ask(store, script, target, attempts);
  if (final.status === 'unknown') await store.nodes.of(target.partition).clock.untilPast(attempts.inDoubtUntilMs);
  return final;
}

async function ask<Args extends Partial<CommonArgs>, Reply extends { status: string }>(
  store: Store,
  script: Script<MoneyKeys, Args, Reply>,
  target: Target,
  attempts: Attempts<Args>,
): Promise<Answer<Reply>> {
  const { partition } = target;
  const { keys, args, common } = attempts;
  let unknown: string | undefined;
  let isFenced = false;
  const unavailable = (detail: string): Trouble =>
    unknown === undefined ? { status: 'unavailable', detail, retryAfterMs } : { status: 'unknown', detail: unknown };
  for (let round = 1; round <= roundsMax; round += 1) {
    const { redis, clock } = store.nodes.of(partition);
    common.notAfterMs = clock.notAfterMs();
    const reply = await callConfirmed(redis, script, keys, args, common);
    switch (reply.status) {
      case 'unknown':
        attempts.inDoubtUntilMs = common.notAfterMs;
        if (unknown !== undefined) return { status: 'unknown', detail: (reply as Failure).detail };
        unknown = (reply as Failure).detail;
        common.repeated = '1';
        common.lookedUp = notLookedUp;
        await waitUntilReady(redis, commandTimeoutMs);
        break;
      case 'not_applied':
        return unavailable((reply as Failure).detail);
      case 'fenced':
      case 'unverified':
        if (isFenced) return unavailable(fencedDetail);
        isFenced = true;
        await store.onFenced(partition);
        Object.assign(keys, moneyKeys(target, store.epochs[partition]!, common.operationId, keys.lateKey));
        common.fence = store.fences[partition]!;
        // What the ledger said was of the epoch before.
        common.lookedUp = notLookedUp;
        break;
      case 'look_up':
        if (!(await lookUp(store, target, common, attempts.sinceMs)))
          return unavailable('the ledger cannot be reached to look this up');
        break;
      case 'late':
        await clock.sample().catch(() => undefined);
        break;
      case 'absent': {
        const loaded = await hydrateWallet(store, target);
        if (loaded !== 'ready') return loaded.status === 'unavailable' ? unavailable(loaded.detail) : loaded;
        break;
      }
      case 'missing':
        return { status: 'no_customer' };
      case 'conflict':
        return { status: 'conflict' };
      case 'due':
        await applyDue(store, target);
        break;
      case 'overdue':
        await expireHolds(store, target, (reply as unknown as { overdueRefs: string }).overdueRefs);
        break;
      default: {
        if (!(reply as { replayed?: true }).replayed) store.markDirty(partition);
        const answer = 'confirmed' in reply ? await whenConfirmed(reply) : reply;
        noteAcknowledged(store, partition, answer);
        return answer;
      }
    }
  }
  return unavailable('this wallet has more to catch up with than one call may do');
}

// A reply names the newest entry's place, one that is replayed that of its own: the first may have been heard by nobody. Who
// is told `unconfirmed` is promised nothing.
function noteAcknowledged(store: Store, partition: number, reply: object): void {
  const { epoch, seq, unconfirmed } = reply as { epoch?: number; seq?: number; unconfirmed?: true };
  if (epoch !== undefined && seq !== undefined && !unconfirmed) store.acknowledge(partition, epoch, seq);
}

async function bringBack(store: Store, target: Target, common: CommonArgs, sinceMs?: number): Promise<boolean> {
  const hasAll = await ledgerCaughtUp(store, target.partition).catch(() => false);
  return hasAll && lookUp(store, target, common, sinceMs);
}

/**
 * Whether the ledger has this operation, said in `common`; if so, Redis is given its record back. False when the ledger can't
 * be asked.
 */
async function lookUp(store: Store, target: Target, common: CommonArgs, sinceMs?: number): Promise<boolean> {
  const { operationId, fence, keepMs } = common;
  try {
    const record = await store.ledger.findOperation(target.environmentId, operationId, sinceMs);
    common.lookedUp = record ? inLedger : notInLedger;
    if (!record) return true;
    const keys = { fenceKey: fenceKey(target.partition), operationKey: operationKey(target.partition, operationId) };
    const { status } = await call(store.nodes.of(target.partition).redis, rememberScript, keys, {
      fence,
      recordPacked: record,
      keepMs,
    });
    return status === 'remembered';
  } catch (error) {
    store.onWarning('looking up an operation in the ledger failed', { error });
    return false;
  }
}

/** Apply what is due in a wallet, as far as one call goes; says whether more is left. */
export async function applyDue(store: Store, target: Target): Promise<{ applied: number; more: boolean } | undefined> {
  const operation = ownOperation();
  const { partition } = target;
  const { redis, clock } = store.nodes.of(partition);
  const reply = await call(redis, applyDueScript, moneyKeys(target, store.epochs[partition]!, operation.id), {
    fence: store.fences[partition]!,
    notAfterMs: clock.notAfterMs(),
    environment: target.environmentId,
    operationId: operation.id,
    fingerprint: noFingerprint,
    keepMs: 0,
  });
  if (reply.status !== 'applied') return undefined;
  if (reply.appliedCount > 0) store.markDirty(partition);
  return { applied: reply.appliedCount, more: reply.moreFlag === 1 };
}
