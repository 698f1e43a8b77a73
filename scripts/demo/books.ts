// After the replay: when did the last settle reach the ledger, and does every wallet hold what it should?
import { setTimeout as sleep } from 'node:timers/promises';
import type { Farebox } from '../../src/sdk/farebox.ts';
import type { DemoCustomer } from './customers.ts';
import { inParallel } from './in-parallel.ts';
import { nanos } from './prices.ts';
import type { Tally } from './tally.ts';

const DRAIN_BOUND_MS = 60_000;
const DRAIN_POLL_MS = 20;
const READS_AT_ONCE = 16;

/** From the reply to the last settle until its entry can be read; null if that takes longer than a minute. */
export async function drainLagMs(gateway: Farebox, last: Tally['lastSettle']): Promise<number | null> {
  if (last === null) return null;
  while (performance.now() - last.atMs < DRAIN_BOUND_MS) {
    const { data } = await gateway.entries(last.customerId, { kind: 'settle', limit: 20 });
    if (data.some((entry) => entry.hold_id === last.holdId)) return performance.now() - last.atMs;
    await sleep(DRAIN_POLL_MS);
  }
  return null;
}

export type Books = {
  readonly granted: bigint;
  readonly available: bigint;
  readonly held: bigint;
  readonly overage: bigint;
};

/** What all wallets hold together. */
export async function readBooks(gateway: Farebox, customers: readonly DemoCustomer[]): Promise<Books> {
  let [granted, available, held, overage] = [0n, 0n, 0n, 0n];
  await inParallel(READS_AT_ONCE, customers, async (customer) => {
    const { accounts } = await gateway.wallets.get(customer.id);
    granted += customer.granted;
    for (const account of accounts) {
      available += nanos(account.available);
      held += nanos(account.held);
      overage += nanos(account.overage);
    }
  });
  return { granted, available, held, overage };
}
