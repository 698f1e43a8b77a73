// Mend what a wallet keeps beside its grants and holds, where it does not follow from them.
import { call } from './call.ts';
import type { Seen } from './freeze.ts';
import { clockKey, deadlinesKey, fenceKey, holdsKey, walletKey, type WalletRef } from './keys.ts';
import { mendScript } from './scripts.gen.ts';
import type { Store } from './store.ts';
import { fencedDetail } from './target.ts';

/** `moved`: it is not as it was `seen`, so nothing was done. What is `unavailable` may have been done: asking again is safe. */
export type MendOutcome = { status: 'mended' | 'moved' } | { status: 'unavailable'; detail: string };

export async function mendWallet(store: Store, ref: WalletRef, seen?: Seen): Promise<MendOutcome> {
  const { partition } = ref;
  const keys = {
    fenceKey: fenceKey(partition),
    clockKey: clockKey(partition),
    walletKey: walletKey(ref),
    holdsKey: holdsKey(ref),
    deadlinesKey: deadlinesKey(partition),
  };
  const reply = await call(store.nodes.of(partition).redis, mendScript, keys, {
    fence: store.fences[partition]!,
    seenAt: seen ? `${seen.epoch}.${seen.version}` : '',
  });
  switch (reply.status) {
    case 'mended':
      return { status: 'mended' };
    case 'moved':
    case 'absent':
      return { status: 'moved' };
    case 'fenced':
    case 'unverified':
      await store.onFenced(partition);
      return { status: 'unavailable', detail: fencedDetail };
    case 'not_applied':
    case 'unknown':
      return { status: 'unavailable', detail: reply.detail };
  }
}
