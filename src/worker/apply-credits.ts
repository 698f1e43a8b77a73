// Credits whose intent is in Postgres but whose entry is not: a gateway died between the two, or Redis was away.
//
// Applying one again is safe: it runs under the intent's operation id, which Redis remembers for far longer than an entry
// may take to the ledger. One that the wallet refuses is marked, so that nothing applies it later.
import type { Sql } from '../db/connect.ts';
import { claimPendingCredits, refuseCredit } from '../db/credits.ts';
import { credit as applyCredit } from '../wallet/credit.ts';
import type { Store } from '../wallet/store.ts';

const pendingAgeMs = 5_000;
const creditsMax = 100;

/** Returns how many were seen to. */
export async function applyPendingCredits(sql: Sql, store: Store): Promise<number> {
  const claimed = await claimPendingCredits(sql, { ageMs: pendingAgeMs, limit: creditsMax });
  for (const { environmentId, credit } of claimed) {
    const outcome = await applyCredit(store, { ...credit, environmentId });
    switch (outcome.status) {
      case 'balance_limit':
      case 'too_many_grants':
        await refuseCredit(sql, environmentId, credit.walletId, credit.grantNo);
        break;
      case 'no_customer':
      case 'conflict':
        store.onWarning('a pending credit cannot be applied', { outcome: outcome.status, grantNo: credit.grantNo });
        break;
      case 'granted':
      case 'unavailable':
      case 'unknown':
        // Applied and on its way to the ledger; or it is tried again.
        break;
    }
  }
  return claimed.length;
}
