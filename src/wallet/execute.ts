// Run a money script to an answer: repeat what is unknown, load what is absent, apply what is due, expire what is overdue.
//
// The caller sees yes, no, or trouble. An unknown outcome is repeated once under the same operation id; while it stays
// unknown nothing claims that the operation was not applied.
import { commandTimeoutMs } from '../limits.ts';
import { call, type Failure } from './call.ts';
import { expireHolds } from './expire-holds.ts';
import { hydrateWallet } from './hydrate.ts';
import { moneyKeys, type MoneyKeys } from './keys.ts';
import { noFingerprint, ownOperation, type Operation } from './operation.ts';
import { waitUntilReady } from './redis.ts';
import type { Script } from './script.ts';
import { applyDueScript } from './scripts.gen.ts';
import type { Store } from './store.ts';
import { retryAfterMs, type Target, type Trouble } from './target.ts';

/** What `execute` answers by itself; the rest of a script's replies goes to the caller. */
export type Handled = 'fenced' | 'late' | 'conflict' | 'absent' | 'missing' | 'due' | 'overdue';

export type CommonArgs = {
  fence: string;
  notAfterMs: number;
  environment: string;
  operationId: string;
  fingerprint: string;
  keepMs: number;
};

const roundsMax = 12;

export async function execute<Args extends CommonArgs & { repeated?: string }, Reply extends { status: string }>(
  store: Store,
  script: Script<MoneyKeys & { lateKey: string }, Args, Reply> | Script<MoneyKeys, Args, Reply>,
  target: Target,
  operation: Operation,
  ownArgs: Omit<Args, keyof CommonArgs | 'repeated'>,
  lateKey = '',
): Promise<Exclude<Reply, { status: Handled }> | Trouble> {
  const { partition } = target;
  const keys = { ...moneyKeys(target, store.epochs[partition]!, operation.id), lateKey };
  const args = {
    ...ownArgs,
    fence: store.fences[partition]!,
    notAfterMs: store.clock.notAfterMs(),
    environment: target.environmentId,
    operationId: operation.id,
    fingerprint: operation.fingerprint,
    keepMs: operation.keepMs,
    repeated: '0',
  } as unknown as Args;
  let unknown: (Failure & { status: 'unknown' }) | undefined;
  for (let round = 1; round <= roundsMax; round += 1) {
    const reply = await call(store.redis, script, keys, args);
    switch (reply.status) {
      case 'unknown':
        if (unknown) return { status: 'unknown', detail: (reply as Failure).detail };
        unknown = reply as Failure & { status: 'unknown' };
        args.repeated = '1';
        await waitUntilReady(store.redis, commandTimeoutMs);
        break;
      case 'not_applied':
        if (unknown) return { status: 'unknown', detail: unknown.detail };
        return { status: 'unavailable', detail: (reply as Failure).detail, retryAfterMs };
      case 'fenced':
        store.onFenced(partition);
        if (unknown) return { status: 'unknown', detail: unknown.detail };
        return {
          status: 'unavailable',
          detail: 'this part of Redis does not belong to the present epoch',
          retryAfterMs,
        };
      case 'late':
        await store.clock.sample().catch(() => undefined);
        break;
      case 'absent': {
        const loaded = await hydrateWallet(store, target);
        if (loaded !== 'ready') return loaded;
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
      default:
        if (!(reply as { replayed?: true }).replayed) store.markDirty(partition);
        return reply as Exclude<Reply, { status: Handled }>;
    }
    args.notAfterMs = store.clock.notAfterMs();
  }
  if (unknown) return { status: 'unknown', detail: unknown.detail };
  return { status: 'unavailable', detail: 'this wallet has more to catch up with than one call may do', retryAfterMs };
}

/** Apply what is due in a wallet, as far as one call goes; says whether more is left. */
export async function applyDue(store: Store, target: Target): Promise<{ applied: number; more: boolean } | undefined> {
  const operation = ownOperation();
  const { partition } = target;
  const reply = await call(store.redis, applyDueScript, moneyKeys(target, store.epochs[partition]!, operation.id), {
    fence: store.fences[partition]!,
    notAfterMs: store.clock.notAfterMs(),
    environment: target.environmentId,
    operationId: operation.id,
    fingerprint: noFingerprint,
    keepMs: 0,
  });
  if (reply.status !== 'applied') return undefined;
  if (reply.appliedCount > 0) store.markDirty(partition);
  return { applied: reply.appliedCount, more: reply.moreFlag === 1 };
}
