// Freeze a wallet, or lift an operator's freeze.
import { codes } from '../codes.gen.ts';
import type { FreezeName } from '../records.ts';
import { execute } from './execute.ts';
import { walletOf } from './keys.ts';
import { marksOf, type Marks } from './marks.ts';
import { ownOperation, type Operation } from './operation.ts';
import { freezeOf } from './packed.ts';
import { freezeScript } from './scripts.gen.ts';
import type { Store } from './store.ts';
import { anyEnvironment, type Target, type Trouble } from './target.ts';

export type FreezeOutcome =
  | (Marks & ({ status: 'changed'; version: number } | { status: 'unchanged'; freeze: FreezeName }))
  | Trouble;

/** What an operator may do: freeze, and lift a freeze of its own. */
export async function setFreeze(
  store: Store,
  request: { environmentId: string; customerId: string; frozen: boolean; operation: Operation; attached: string },
): Promise<FreezeOutcome> {
  const target = { ...walletOf(request.environmentId, request.customerId), environmentId: request.environmentId };
  const [from, to]: FreezeName[] = request.frozen ? ['none', 'operator'] : ['operator', 'none'];
  return change(store, target, request.operation, from!, to!, request.attached);
}

/** What the system does when a wallet can no longer be trusted; it replaces an operator's freeze. */
export async function freezeBySystem(
  store: Store,
  wallet: { walletId: string; partition: number },
  reason: Exclude<FreezeName, 'none' | 'operator'>,
): Promise<FreezeOutcome> {
  return change(store, { ...wallet, environmentId: anyEnvironment }, ownOperation(), 'none', reason, '');
}

/** Lifts a freeze of the system's own, once its reason is gone; another one stays. */
export async function liftBySystem(
  store: Store,
  wallet: { walletId: string; partition: number },
  reason: Exclude<FreezeName, 'none' | 'operator'>,
): Promise<FreezeOutcome> {
  return change(store, { ...wallet, environmentId: anyEnvironment }, ownOperation(), reason, 'none', '');
}

async function change(
  store: Store,
  target: Target,
  operation: Operation,
  from: FreezeName,
  to: FreezeName,
  attached: string,
): Promise<FreezeOutcome> {
  const reply = await execute(store, freezeScript, target, operation, {
    fromFreeze: codes.freeze[from],
    toFreeze: codes.freeze[to],
    attached,
  });
  switch (reply.status) {
    case 'changed':
      return { status: 'changed', version: reply.version, ...marksOf(reply) };
    case 'unchanged':
      return { status: 'unchanged', freeze: freezeOf(reply.freeze), ...marksOf(reply) };
    case 'no_customer':
    case 'conflict':
    case 'unavailable':
    case 'unknown':
      return reply;
  }
}
