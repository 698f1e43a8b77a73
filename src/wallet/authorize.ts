// Authorize: hold money for one request, or say no. One Redis round trip.
import type { Atoms } from '../units.ts';
import { declinedOf, shadowOf, type Account, type Declined, type Shadow } from './decision.ts';
import { execute } from './execute.ts';
import { readLegsText, type ToldLeg } from './legs.ts';
import { marksOf, type Marks } from './marks.ts';
import { authorizeScript } from './scripts.gen.ts';
import { spendArgs, type SpendRequest } from './spend-request.ts';
import { staleOf, type Stale, type TooLarge, type Unpriced } from './stale.ts';
import type { Store } from './store.ts';
import type { Trouble } from './target.ts';
import { mergeTold, readLinesText, type ReckonedLines } from './lines.ts';

export type Approved = Account &
  Marks & {
    status: 'approved';
    /** With its wallet and its first asset this is its id. */
    holdRef: string;
    amount: Atoms;
    /** Where several assets are held: each, the first one too. */
    legs: ToldLeg[] | undefined;
    createdAtMs: number;
    expiresAtMs: number;
    version: number;
    /** What the request brought to be told; on a repeat, what the first one brought. */
    told: string;
    /** What the script priced, where it did. */
    reckoned: ReckonedLines | undefined;
  };

export async function authorize(
  store: Store,
  request: SpendRequest,
  ttlMs: number,
): Promise<Approved | Declined | Shadow | TooLarge | Unpriced | Stale | Trouble> {
  const { wallet, operation, mode } = request;
  const reply = await execute(store, authorizeScript, wallet, operation, spendArgs(request, mode, ttlMs));
  switch (reply.status) {
    case 'approved': {
      const reckoned = readLinesText(reply.linesText);
      return {
        status: 'approved',
        holdRef: `${reply.epoch}.${reply.version}`,
        amount: reply.takeAtoms,
        legs: readLegsText(reply.legsText),
        available: reply.availableAtoms,
        held: reply.heldAtoms,
        createdAtMs: reply.createdAtMs,
        expiresAtMs: reply.createdAtMs + ttlMs,
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
    case 'would_approve':
    case 'would_decline':
      throw new Error('a request was explained that asked for money');
    case 'unpriced':
    case 'no_customer':
    case 'conflict':
    case 'unavailable':
    case 'unknown':
      return reply;
  }
}
