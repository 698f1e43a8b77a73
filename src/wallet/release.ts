// Release a hold: give back what it still holds.
import type { Atoms } from '../units.ts';
import type { Account } from './decision.ts';
import { closedAs, findEndedHold, targetOfHold, type Closed, type NoHold } from './ended-hold.ts';
import { execute } from './execute.ts';
import { readLegsText, type ToldLeg } from './legs.ts';
import { marksOf, type Marks } from './marks.ts';
import type { Operation } from './operation.ts';
import { releaseScript } from './scripts.gen.ts';
import type { Store } from './store.ts';
import type { Trouble } from './target.ts';

export type Released = Account &
  Marks & {
    status: 'released';
    released: Atoms;
    settled: Atoms;
    /** Of a hold in several assets: each, the first one too. */
    legs: ToldLeg[] | undefined;
    version: number;
  };

export async function release(
  store: Store,
  request: { environmentId: string; holdId: string; operation: Operation; attached: string },
): Promise<Released | Closed | NoHold | Trouble> {
  const target = targetOfHold(request.environmentId, request.holdId);
  if (!target) return { status: 'no_hold' };
  const reply = await execute(store, releaseScript, target, request.operation, {
    asset: target.asset,
    holdRef: target.ref,
    attached: request.attached,
  });
  switch (reply.status) {
    case 'released':
      return {
        status: 'released',
        released: reply.releasedAtoms,
        settled: reply.settledAtoms,
        legs: readLegsText(reply.legsText),
        available: reply.availableAtoms,
        held: reply.heldAtoms,
        version: reply.version,
        ...marksOf(reply),
      };
    case 'expired':
      return { status: 'closed', how: 'expired', settled: reply.settledAtoms, released: reply.releasedAtoms };
    case 'unknown_hold': {
      const found = await findEndedHold(store, target);
      return found.status === 'ended' ? closedAs(found.hold) : found;
    }
    case 'no_customer':
      return { status: 'no_hold' };
    case 'conflict':
    case 'unavailable':
    case 'unknown':
      return reply;
  }
}
