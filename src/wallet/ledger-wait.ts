// Wait until the ledger has what Redis has already let go of: a hold that ended, a grant that was spent.
import { setTimeout as sleep } from 'node:timers/promises';
import { ledgerWaitMs } from '../limits.ts';
import { clockKey } from './keys.ts';
import { cursor } from './packed.ts';
import type { Store } from './store.ts';

const pollMs = 20;

/** The present end of a partition's outbox: the seq of its newest entry. Undefined when Redis has no clock there. */
async function outboxEnd(store: Store, partition: number): Promise<number | undefined> {
  const packed = await store.nodes.of(partition).redis.getBuffer(clockKey(partition));
  return packed ? cursor(packed).whole() : undefined;
}

/** True when the ledger has every entry that the partition's outbox had at the time of the call, within 2 s. */
export async function ledgerCaughtUp(store: Store, partition: number): Promise<boolean> {
  const end = await outboxEnd(store, partition);
  if (end === undefined) return false;
  const epoch = store.epochs[partition]!;
  const deadline = performance.now() + ledgerWaitMs;
  for (;;) {
    const checkpoint = await store.ledger.readCheckpoint(partition);
    if (checkpoint.epoch > epoch || (checkpoint.epoch === epoch && checkpoint.seq >= end)) return true;
    if (performance.now() >= deadline) return false;
    store.markDirty(partition);
    await sleep(pollMs);
  }
}

/** True when the ledger has this version of a wallet, within 2 s. */
export async function versionInLedger(
  store: Store,
  target: { environmentId: string; walletId: string; partition: number },
  version: number,
): Promise<boolean> {
  const deadline = performance.now() + ledgerWaitMs;
  for (;;) {
    const known = await store.ledger.walletVersion(target.environmentId, target.walletId);
    if (known !== undefined && known >= version) return true;
    if (performance.now() >= deadline) return false;
    store.markDirty(target.partition);
    await sleep(pollMs);
  }
}
