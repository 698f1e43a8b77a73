// Extend a hold: more time, more money, or both.
import type { WalletConfig } from '../records.ts';
import type { Atoms } from '../units.ts';
import { packAllBudgets } from './budgets.ts';
import { declinedOf, type Account, type Declined } from './decision.ts';
import { closedAs, findEndedHold, targetOfHold, type Closed, type NoHold } from './ended-hold.ts';
import { execute } from './execute.ts';
import { walletKey } from './keys.ts';
import { readLegsText, type ToldLeg } from './legs.ts';
import { marksOf, type Marks } from './marks.ts';
import type { Operation } from './operation.ts';
import { extendScript } from './scripts.gen.ts';
import { staleOf, type Stale } from './stale.ts';
import type { Store } from './store.ts';
import type { Trouble } from './target.ts';

export type Extended = Account &
  Marks & {
    status: 'approved';
    customerId: string;
    /** The hold's new total. */
    amount: Atoms;
    /** Of a hold in several assets: each, the first one too. */
    legs: ToldLeg[] | undefined;
    expiresAtMs: number;
    remainingTtlMs: number;
    version: number;
  };

export async function extend(
  store: Store,
  request: {
    environmentId: string;
    holdId: string;
    amount: Atoms;
    /** 0: the deadline stays. */
    ttlMs: number;
    operation: Operation;
    attached: string;
    config: WalletConfig;
    redisMs: number;
  },
): Promise<Extended | Declined | Closed | NoHold | { status: 'amount_too_large' } | Stale | Trouble> {
  const target = targetOfHold(request.environmentId, request.holdId);
  if (!target) return { status: 'no_hold' };
  // The reply names the customer, whom the hold's id does not tell; both commands leave in one write.
  const customer = store.nodes
    .of(target.partition)
    .redis.hget(walletKey(target), 'c')
    .catch(() => null);
  const reply = await execute(store, extendScript, target, request.operation, {
    asset: target.asset,
    holdRef: target.ref,
    amountAtoms: request.amount,
    ttlMs: request.ttlMs,
    attached: request.attached,
    configVersion: String(request.config.version),
    budgetsPacked: packAllBudgets(request.config, request.redisMs),
  });
  switch (reply.status) {
    case 'extended': {
      const customerId = (await customer) ?? (await customerOf(store, target));
      return {
        status: 'approved',
        customerId,
        amount: reply.totalAtoms,
        legs: readLegsText(reply.legsText),
        available: reply.availableAtoms,
        held: reply.heldAtoms,
        expiresAtMs: reply.expiresAtMs,
        remainingTtlMs: reply.expiresAtMs - reply.atMs,
        version: reply.version,
        ...marksOf(reply),
      };
    }
    case 'stale':
      return staleOf(reply);
    case 'declined':
      return declinedOf(reply);
    case 'expired':
      return { status: 'closed', how: 'expired', settled: reply.settledAtoms, released: reply.releasedAtoms };
    case 'out_of_bounds':
      return { status: 'amount_too_large' };
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

// Redis could not say when it was asked beside the script, for instance while it was reconnecting.
async function customerOf(store: Store, target: { environmentId: string; walletId: string }): Promise<string> {
  const wallet = await store.ledger.loadWallet(target);
  if (!wallet) throw new Error(`wallet ${target.walletId} has a hold but no customer`);
  return wallet.customerId;
}
