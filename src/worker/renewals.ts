// Renewals of recurring grants: the next instances are asked for ahead, and those of canceled ones taken back.
//
// Nothing depends on when this runs, as long as instances are left: each is scheduled in its wallet. Whatever breaks off is gone on
// with: an instance that was asked for and not applied is seen to as any pending credit, one that was not voided is voided the
// next time.
import type { Sql } from '../db/connect.ts';
import { refuseCredit } from '../db/credits.ts';
import {
  deferRefill,
  endRecurrence,
  listInstancesToEnd,
  listRecurrencesToEnd,
  listRecurrencesToRefill,
  refillRecurrence,
} from '../db/recurrences.ts';
import { credit as applyCredit } from '../wallet/credit.ts';
import { leastNowMs } from '../wallet/nodes.ts';
import { ownOperation } from '../wallet/operation.ts';
import type { Store } from '../wallet/store.ts';
import { voidGrant } from '../wallet/void-grant.ts';

const recurrencesMax = 100;
/** A wallet that has no room for the next instance may have some later. */
const refusedPauseMs = 60_000;

/** Returns how many instances were asked for. */
export async function renew(sql: Sql, store: Store, nowMs = leastNowMs(store.nodes)): Promise<number> {
  let asked = 0;
  for (const of of await listRecurrencesToRefill(sql, nowMs, recurrencesMax)) {
    for (let more = true; more;) {
      const refilled = await refillRecurrence(sql, of, nowMs);
      asked += refilled.begun.length;
      let refused = false;
      for (const credit of refilled.begun) {
        const { environmentId } = of;
        const outcome = await applyCredit(store, { ...credit, environmentId });
        if (outcome.status !== 'balance_limit' && outcome.status !== 'too_many_grants') continue;
        refused = (await refuseCredit(sql, environmentId, credit)) || refused;
      }
      if (refused) await deferRefill(sql, of, nowMs + refusedPauseMs);
      more = refilled.more && !refused;
    }
  }
  await endCanceled(sql, store);
  return asked;
}

async function endCanceled(sql: Sql, store: Store): Promise<void> {
  for (const of of await listRecurrencesToEnd(sql, recurrencesMax)) {
    const open = await listInstancesToEnd(sql, of);
    for (const { environmentId, customerId, asset, grantNo } of open) {
      const operation = ownOperation();
      await voidGrant(store, { environmentId, customerId, asset, grantNo, operation, attached: '' });
    }
    // Once the ledger knows that none is left.
    if (open.length === 0) await endRecurrence(sql, of);
  }
}
