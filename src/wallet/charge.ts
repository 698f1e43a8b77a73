// Charge: price and debit in one step, with no hold before it.
import type { Atoms } from '../units.ts';
import { declinedOf, shadowOf, type Account, type Declined, type Shadow } from './decision.ts';
import { execute } from './execute.ts';
import { chargeIdOf } from './ids.ts';
import { readLegsText, type ToldLeg } from './legs.ts';
import { marksOf, type Marks } from './marks.ts';
import { chargeScript } from './scripts.gen.ts';
import { spendArgs, type SpendRequest } from './spend-request.ts';
import { staleOf, type Stale, type TooLarge, type Unpriced } from './stale.ts';
import type { Store } from './store.ts';
import type { Trouble } from './target.ts';
import { mergeTold, readLinesText, type ReckonedLines } from './lines.ts';

export type Charged = Account &
  Marks & {
    status: 'charged';
    chargeId: string;
    amount: Atoms;
    /** Where several assets were charged: each, the first one too. */
    legs: ToldLeg[] | undefined;
    version: number;
    /** What the request brought to be told; on a repeat, what the first one brought. */
    told: string;
    /** What the script priced, where it did. */
    reckoned: ReckonedLines | undefined;
  };

export async function charge(
  store: Store,
  request: SpendRequest,
): Promise<Charged | Declined | Shadow | TooLarge | Unpriced | Stale | Trouble> {
  const { wallet, operation, mode } = request;
  const reply = await execute(store, chargeScript, wallet, operation, spendArgs(request, mode, 0));
  switch (reply.status) {
    case 'charged': {
      const reckoned = readLinesText(reply.linesText);
      return {
        status: 'charged',
        chargeId: chargeIdOf(wallet.walletId, reply.epoch, reply.version),
        amount: reply.takeAtoms,
        legs: readLegsText(reply.legsText),
        available: reply.availableAtoms,
        held: reply.heldAtoms,
        version: reply.version,
        told: mergeTold(reply.toldText, reckoned),
        reckoned,
        ...marksOf(reply),
      };
    }
    case 'too_large':
      return { status: reply.status, lineNo: reply.lineNo };
    case 'stale':
      return staleOf(reply);
    case 'declined':
      return declinedOf(reply);
    case 'shadow_approved':
    case 'shadow_declined':
      return shadowOf(reply);
    case 'unpriced':
    case 'no_customer':
    case 'conflict':
    case 'unavailable':
    case 'unknown':
      return reply;
  }
}
