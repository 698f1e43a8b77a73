// Expire holds that Redis has forgotten the deadlines of: after a loss, wallets that nobody asks for come back this way.
import { findOverdueHolds } from '../db/due-holds.ts';
import type { Sql } from '../db/connect.ts';
import { expireHolds } from '../wallet/expire-holds.ts';
import { hydrateWallet } from '../wallet/hydrate.ts';
import type { Store } from '../wallet/store.ts';
import { anyEnvironment } from '../wallet/target.ts';

/** The sweep sees to what Redis knows about within a second, and the drain to the ledger's hearing of it. */
const graceMs = 5_000;
const countMaxOfPartition = 50;

/** Returns how many expired. */
export async function expireForgotten(sql: Sql, store: Store): Promise<number> {
  const dueBeforeMs = Date.now() + store.clock.offsetMs() - graceMs;
  const overdue = await findOverdueHolds(sql, dueBeforeMs, countMaxOfPartition);
  const refsByWallet = new Map<string, { partition: number; refs: string[] }>();
  for (const { partition, walletId, ref } of overdue) {
    const { refs } = refsByWallet.get(walletId) ?? { refs: [] };
    refsByWallet.set(walletId, { partition, refs: [...refs, ref] });
  }
  let expired = 0;
  for (const [walletId, { partition, refs }] of refsByWallet) {
    const target = { walletId, partition, environmentId: anyEnvironment };
    if ((await hydrateWallet(store, target)) !== 'ready') continue;
    expired += (await expireHolds(store, target, refs.join(' '))) ?? 0;
  }
  return expired;
}
