// Void a grant: take back what it has left.
import type { Atoms } from '../units.ts';
import { execute } from './execute.ts';
import { walletOf } from './keys.ts';
import { marksOf, type Marks } from './marks.ts';
import type { Operation } from './operation.ts';
import { voidScript } from './scripts.gen.ts';
import type { Store } from './store.ts';
import type { Trouble } from './target.ts';

export type Voided = Marks & {
  status: 'voided';
  taken: Atoms;
  /** Still held: goes when it returns. */
  held: Atoms;
  atMs: number;
  version: number;
};

export async function voidGrant(
  store: Store,
  request: {
    environmentId: string;
    customerId: string;
    asset: number;
    grantNo: number;
    operation: Operation;
    attached: string;
  },
): Promise<Voided | { status: 'ended' } | { status: 'no_grant' } | Trouble> {
  const target = { ...walletOf(request.environmentId, request.customerId), environmentId: request.environmentId };
  const reply = await execute(store, voidScript, target, request.operation, {
    asset: request.asset,
    grantNo: request.grantNo,
    attached: request.attached,
  });
  switch (reply.status) {
    case 'voided':
      return {
        status: 'voided',
        taken: reply.takenAtoms,
        held: reply.heldAtoms,
        atMs: reply.atMs,
        version: reply.version,
        ...marksOf(reply),
      };
    case 'ended':
      return { status: 'ended' };
    case 'unknown_grant':
      return { status: 'no_grant' };
    case 'no_customer':
    case 'conflict':
    case 'unavailable':
    case 'unknown':
      return reply;
  }
}
