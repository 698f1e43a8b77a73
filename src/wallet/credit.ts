// Credit: put a grant into an account. Its intent is in Postgres already, under the same operation id.
import { codes } from '../codes.gen.ts';
import { operationKeepMs } from '../limits.ts';
import type { Credit, CreditApplied } from '../records.ts';
import { execute } from './execute.ts';
import { partitionOf } from './keys.ts';
import { marksOf, type Marks } from './marks.ts';
import { grantStateOf, packRollover } from './packed.ts';
import { creditScript } from './scripts.gen.ts';
import type { Store } from './store.ts';
import type { Trouble } from './target.ts';

export type Granted = { status: 'granted'; applied: CreditApplied } & Marks;

export async function credit(
  store: Store,
  request: Credit & { environmentId: string },
): Promise<Granted | { status: 'balance_limit' } | { status: 'too_many_grants' } | Trouble> {
  const reply = await execute(
    store,
    creditScript,
    {
      environmentId: request.environmentId,
      walletId: request.walletId,
      partition: partitionOf(request.walletId),
    },
    // Kept as long as any caller's operation, whoever made the id: the ledger has it by then, for ever.
    { id: request.operationId, fingerprint: request.fingerprint, keepMs: operationKeepMs },
    {
      asset: request.asset,
      grantNo: request.grantNo,
      amountAtoms: request.amount,
      purpose: codes.purpose[request.purpose],
      priority: request.priority,
      effectiveAtMs: request.effectiveAtMs ?? 0,
      expiresAtMs: request.expiresAtMs ?? 0,
      attached: '',
      scope: request.scope?.no ?? 0,
      rolloverPacked: packRollover(request.rollover),
    },
  );
  switch (reply.status) {
    case 'granted':
      return {
        status: 'granted',
        applied: {
          remaining: reply.remainingAtoms,
          state: grantStateOf(reply.state),
          effectiveAtMs: reply.effectiveMs,
          atMs: reply.atMs,
          version: reply.version,
        },
        ...marksOf(reply),
      };
    case 'out_of_bounds':
      return { status: reply.bound === codes.bound.grants ? 'too_many_grants' : 'balance_limit' };
    case 'no_customer':
    case 'conflict':
    case 'unavailable':
    case 'unknown':
      return reply;
  }
}
