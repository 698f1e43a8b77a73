// Credits whose intent is in Postgres but whose entry is not: a gateway died between the two, or Redis was away.
//
// A credit is applied again under the intent's operation id, which Redis remembers for an hour. That alone would not do:
// after a longer absence of Postgres, the entry of a credit that was applied may still wait in the outbox while Redis has
// forgotten the operation. So first the ledger must have passed the outbox's present end, and the credit be pending even
// then: now it was either never applied, or just this minute, which Redis remembers.
//
// One that the wallet refuses is marked, so that nothing applies it later. Wallets in quarantine are left alone: their
// entries do not reach the ledger, and every credit of theirs would look as if it had never been applied.
import type { Sql } from '../db/connect.ts';
import { claimPendingCredits, isCreditPending, refuseCredit } from '../db/credits.ts';
import { credit as applyCredit } from '../wallet/credit.ts';
import { partitionOf } from '../wallet/keys.ts';
import { ledgerCaughtUp } from '../wallet/ledger-wait.ts';
import type { Store } from '../wallet/store.ts';

const pendingAgeMs = 5_000;
const creditsMax = 100;

/** Returns how many were seen to. */
export async function applyPendingCredits(sql: Sql, store: Store): Promise<number> {
  const claimed = await claimPendingCredits(sql, { ageMs: pendingAgeMs, limit: creditsMax });
  for (const { environmentId, credit } of claimed) {
    if (!(await ledgerCaughtUp(store, partitionOf(credit.walletId)))) continue;
    if (!(await isCreditPending(sql, environmentId, credit.walletId, credit.grantNo))) continue;
    const outcome = await applyCredit(store, { ...credit, environmentId });
    switch (outcome.status) {
      case 'balance_limit':
      case 'too_many_grants':
        if (await refuseCredit(sql, environmentId, credit)) break;
        store.onWarning('a credit that is owed does not fit into its wallet', {
          outcome: outcome.status,
          grantNo: credit.grantNo,
        });
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
