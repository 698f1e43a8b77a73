// Whether an operation was begun before: then asking for it again begins nothing.
import { call } from './call.ts';
import { clockKey, fenceKey, operationKey, walletKey } from './keys.ts';
import { peekOperationScript } from './scripts.gen.ts';
import type { Store } from './store.ts';
import type { Target } from './target.ts';

/** Redis knows, but for a wallet that it lost: there the ledger does. True when nobody says: the operation's own script will. */
export async function hasOperation(store: Store, target: Target, operationId: string): Promise<boolean> {
  const { partition, environmentId } = target;
  const keys = {
    fenceKey: fenceKey(partition),
    clockKey: clockKey(partition),
    walletKey: walletKey(target),
    operationKey: operationKey(partition, operationId),
  };
  const { status } = await call(store.nodes.of(partition).redis, peekOperationScript, keys, {
    fence: store.fences[partition]!,
  });
  if (status === 'never_begun') return false;
  if (status !== 'look_up') return true;
  return store.ledger.findOperation(environmentId, operationId).then(
    (record) => record !== undefined,
    () => true,
  );
}
