// A look at a wallet that waits for entries on their way to the ledger.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Sql } from '../db/connect.ts';
import { ledgerWaitMs } from '../limits.ts';
import type { WalletRef } from '../wallet/keys.ts';
import { lookAtWallet, lookOn, type Look, type ReconcileStore } from '../worker/reconcile-wallet.ts';

const lookAgainMs = 100;

export async function lookLong(sql: Sql, store: ReconcileStore, wallet: WalletRef): Promise<Look> {
  let look = await lookAtWallet(sql, store, wallet);
  const deadline = performance.now() + ledgerWaitMs;
  while (look.status === 'behind' && performance.now() < deadline) {
    await sleep(lookAgainMs);
    look = await lookOn(sql, look);
  }
  return look;
}
