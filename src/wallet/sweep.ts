// Sweep a partition: expire the holds that are past their deadline, apply what is due in its wallets.
import { call } from './call.ts';
import { applyDue } from './execute.ts';
import { expireHolds } from './expire-holds.ts';
import { hydrateWallet } from './hydrate.ts';
import { clockKey, deadlinesKey, fenceKey } from './keys.ts';
import { listDueScript } from './scripts.gen.ts';
import type { Store } from './store.ts';
import { anyEnvironment } from './target.ts';

const membersMax = 200;
const refsPerCall = 100;
const walletIdLength = 22;

/** Calls that expire holds wait in it until those before them are answered. To load a wallet can take seconds, and is done beside it. */
export type InLine = <T>(work: () => Promise<T>) => Promise<T>;

/** Returns how many holds expired and due events were applied, and whether there may be more. */
export async function sweepPartition(
  store: Store,
  partition: number,
  inLine: InLine = (work) => work(),
): Promise<{ done: number; more: boolean }> {
  const members = await listDue(store, partition);
  if (members.length === 0) return { done: 0, more: false };
  const done = await seeTo(store, partition, members, inLine);
  return { done, more: members.length === membersMax && done > 0 };
}

/** Wallets' ids, each followed by a hold's ref where it is a hold that is due. */
async function listDue(store: Store, partition: number): Promise<string[]> {
  const reply = await call(
    store.nodes.of(partition).redis,
    listDueScript,
    { fenceKey: fenceKey(partition), clockKey: clockKey(partition), deadlinesKey: deadlinesKey(partition) },
    { fence: store.fences[partition]!, membersMax },
  );
  if (reply.status === 'fenced' || reply.status === 'unverified') await store.onFenced(partition);
  return reply.status === 'due_members' && reply.membersText !== '' ? reply.membersText.split(' ') : [];
}

async function seeTo(store: Store, partition: number, members: readonly string[], inLine: InLine): Promise<number> {
  const byWallet = new Map<string, string[]>();
  for (const member of members) {
    const walletId = member.slice(0, walletIdLength);
    byWallet.set(walletId, [...(byWallet.get(walletId) ?? []), member]);
  }
  let done = 0;
  for (const [walletId, ofWallet] of byWallet) {
    const target = { walletId, partition, environmentId: anyEnvironment };
    const refs = ofWallet.map((member) => member.slice(walletIdLength)).filter((ref) => ref !== '');
    for (let i = 0; i < refs.length; i += refsPerCall) {
      const batch = refs.slice(i, i + refsPerCall).join(' ');
      const expire = () => inLine(() => expireHolds(store, target, batch));
      done += (await expire()) ?? (await loadAndThen(store, target, expire));
    }
    if (refs.length < ofWallet.length) done += (await applyDue(store, target))?.applied ?? 0;
  }
  return done;
}

// A deadline whose wallet is not in Redis, or not verified in this epoch: load it, then expire.
async function loadAndThen(
  store: Store,
  target: { walletId: string; partition: number; environmentId: string },
  expire: () => Promise<number | undefined>,
): Promise<number> {
  const loaded = await hydrateWallet(store, target);
  if (loaded !== 'ready') return 0;
  return (await expire()) ?? 0;
}
