// See to holds and grants that Redis has forgotten the deadlines of: after a loss, wallets that nobody asks for come back
// this way.
import { findDueGrants, fromTheBeginning } from '../db/due-grants.ts';
import { findOverdueHolds } from '../db/due-holds.ts';
import type { Sql } from '../db/connect.ts';
import { applyDue } from '../wallet/execute.ts';
import { expireHolds } from '../wallet/expire-holds.ts';
import { hydrateWallet } from '../wallet/hydrate.ts';
import { leastNowMs } from '../wallet/nodes.ts';
import type { Store } from '../wallet/store.ts';
import { anyEnvironment } from '../wallet/target.ts';

/** The sweep sees to what Redis knows about within a second, and the drain to the ledger's hearing of it. */
const graceMs = 5_000;
const countMaxOfPartition = 50;
const grantsMax = 200;
/** What one call applies is bounded, and so is what one visit does. */
const callsMax = 100;

/** Returns how many expired. */
export async function expireForgotten(sql: Sql, store: Store): Promise<number> {
  const dueBeforeMs = leastNowMs(store.nodes) - graceMs;
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

/** Starts and expires grants, some at each call, all of them in the course of several; returns how many. */
export function applyForgotten(sql: Sql, store: Store): () => Promise<number> {
  let after = fromTheBeginning;
  return async () => {
    const dueBeforeMs = leastNowMs(store.nodes) - graceMs;
    const due = await findDueGrants(sql, dueBeforeMs, after, grantsMax);
    after = due.length < grantsMax ? fromTheBeginning : due.at(-1)!;
    let applied = 0;
    for (const [walletId, partition] of new Map(due.map(({ walletId, partition }) => [walletId, partition]))) {
      const target = { walletId, partition, environmentId: anyEnvironment };
      if ((await hydrateWallet(store, target)) !== 'ready') continue;
      for (let calls = 1; calls <= callsMax; calls += 1) {
        const step = await applyDue(store, target);
        applied += step?.applied ?? 0;
        if (!step?.more) break;
      }
    }
    return applied;
  };
}
