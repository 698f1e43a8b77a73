// Freeze a wallet, or lift a freeze.
import { codes } from '../codes.gen.ts';
import type { FreezeName } from '../records.ts';
import { execute } from './execute.ts';
import { walletOf, type WalletRef } from './keys.ts';
import { marksOf, type Marks } from './marks.ts';
import { ownOperation, type Operation } from './operation.ts';
import { freezeOf } from './packed.ts';
import { freezeScript } from './scripts.gen.ts';
import type { Store } from './store.ts';
import { anyEnvironment, type Target, type Trouble } from './target.ts';

export type FreezeOutcome =
  | (Marks & ({ status: 'changed'; version: number } | { status: 'unchanged'; freeze: FreezeName }))
  | Trouble;

/** A wallet as it was when it was looked at. */
export type Seen = { epoch: number; version: number };
type SystemReason = Exclude<FreezeName, 'none' | 'operator'>;

/** What an operator may do: freeze, and lift a freeze of its own. */
export async function setFreeze(
  store: Store,
  request: { environmentId: string; customerId: string; frozen: boolean; operation: Operation; attached: string },
): Promise<FreezeOutcome> {
  const target = { ...walletOf(request.environmentId, request.customerId), environmentId: request.environmentId };
  const [from, to]: FreezeName[] = request.frozen ? ['none', 'operator'] : ['operator', 'none'];
  const outcome = await change(store, target, request.operation, { from: from!, to: to! }, request.attached);
  if (outcome.status === 'moved') throw new Error('a wallet has moved from where nobody saw it');
  return outcome;
}

/**
 * What the system does when a wallet can no longer be trusted; it replaces an operator's freeze. `moved`: it is not as it
 * was `seen`, so nothing was done.
 */
export async function freezeBySystem(
  store: Store,
  wallet: WalletRef,
  reason: SystemReason,
  seen?: Seen,
): Promise<FreezeOutcome | Moved> {
  return change(store, { ...wallet, environmentId: anyEnvironment }, ownOperation(), {
    from: 'none',
    to: reason,
    seen,
  });
}

/** Lifts a freeze of the system's own, once its reason is gone; another one stays. */
export async function liftBySystem(
  store: Store,
  wallet: WalletRef,
  reason: SystemReason,
  seen?: Seen,
): Promise<FreezeOutcome | Moved> {
  return change(store, { ...wallet, environmentId: anyEnvironment }, ownOperation(), {
    from: reason,
    to: 'none',
    seen,
  });
}

type Moved = { status: 'moved' };

async function change(
  store: Store,
  target: Target,
  operation: Operation,
  { from, to, seen }: { from: FreezeName; to: FreezeName; seen?: Seen | undefined },
  attached = '',
): Promise<FreezeOutcome | Moved> {
  const reply = await execute(store, freezeScript, target, operation, {
    fromFreeze: codes.freeze[from],
    toFreeze: codes.freeze[to],
    attached,
    seenAt: seen ? `${seen.epoch}.${seen.version}` : '',
  });
  switch (reply.status) {
    case 'changed':
      return { status: 'changed', version: reply.version, ...marksOf(reply) };
    case 'unchanged':
      return { status: 'unchanged', freeze: freezeOf(reply.freeze), ...marksOf(reply) };
    case 'moved':
      return { status: 'moved' };
    case 'no_customer':
    case 'conflict':
    case 'unavailable':
    case 'unknown':
      return reply;
  }
}
