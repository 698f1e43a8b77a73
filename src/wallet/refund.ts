// Credit that was bought goes back: set aside while Stripe is asked, then taken, or set free.
//
// The hold has the refund's id as its name: no hold's id says it, so that no request reaches it. Each step is an operation that
// follows from the refund, too; one that may have been done longer ago than Redis remembers is looked up in the ledger first.
import { operationKeepMs } from '../limits.ts';
import type { Refund } from '../records.ts';
import { zeroAtoms, type Atoms } from '../units.ts';
import { execute } from './execute.ts';
import { walletOf } from './keys.ts';
import { marksOf, type Marks } from './marks.ts';
import { noFingerprint, type Operation } from './operation.ts';
import { setAsideScript, takeBackScript } from './scripts.gen.ts';
import type { Store } from './store.ts';
import type { Target, Trouble } from './target.ts';

type Asked = { refund: Refund; grantNo: number; isRepeat: boolean };

export type SetAside =
  | ({ status: 'set_aside'; atoms: Atoms } & Marks)
  /** Of what was asked for, the grant has no more; of what was taken by others, there is nothing. */
  | { status: 'short'; left: Atoms }
  | { status: 'frozen' }
  | Trouble;

/** What was asked for, all or nothing, from the grant that was bought; what others have taken, as far as there is credit. */
export async function setAside(store: Store, { refund, grantNo, isRepeat }: Asked): Promise<SetAside> {
  const reply = await execute(store, setAsideScript, targetOf(refund), operationFor(refund, 'hold', isRepeat), {
    asset: refund.asset,
    holdRef: refund.id,
    grantNo,
    amountAtoms: refund.amount,
    mode: refund.origin === 'request' ? 'strict' : 'up_to',
    attached: attachedTo(refund),
  });
  switch (reply.status) {
    case 'set_aside':
      return { status: 'set_aside', atoms: reply.takenAtoms, ...marksOf(reply) };
    case 'short':
      return { status: 'short', left: reply.reachAtoms };
    case 'frozen':
      return { status: 'frozen' };
    case 'no_customer':
    case 'conflict':
    case 'unavailable':
    case 'unknown':
      return reply;
  }
}

/** The money has gone, and the credit with it; or it has not, and what was set aside is free. */
export async function takeBack(
  store: Store,
  { refund, grantNo, isRepeat }: Asked,
): Promise<{ status: 'taken_back' | 'nothing' | 'out_of_bounds' } | Trouble> {
  const isTaken = refund.outcome !== 'returned';
  const step = isTaken ? 'take' : 'free';
  const reply = await execute(store, takeBackScript, targetOf(refund), operationFor(refund, step, isRepeat), {
    asset: refund.asset,
    holdRef: refund.id,
    grantNo,
    amountAtoms: isTaken ? refund.amount : zeroAtoms,
    attached: attachedTo(refund),
  });
  switch (reply.status) {
    case 'taken_back':
    case 'nothing':
    case 'out_of_bounds':
      return { status: reply.status };
    case 'no_customer':
    case 'conflict':
    case 'unavailable':
    case 'unknown':
      return reply;
  }
}

/** As the ledger names it, for ever. */
export const refundOperationId = ({ id }: Refund, step: 'hold' | 'take' | 'free'): string => `${id}.${step}`;

function operationFor(refund: Refund, step: 'hold' | 'take' | 'free', isRepeat: boolean): Operation {
  const operation = { id: refundOperationId(refund, step), fingerprint: noFingerprint, keepMs: operationKeepMs };
  return isRepeat ? { ...operation, isForgotten: true, sinceMs: refund.createdAtMs } : operation;
}

function targetOf({ environmentId, customerId }: Refund): Target {
  return { ...walletOf(environmentId, customerId), environmentId };
}

/** As the API reads what callers attach. */
const attachedTo = ({ id, topUpId }: Refund): string =>
  JSON.stringify({ metadata: { farebox_refund: id, farebox_top_up: topUpId } });
