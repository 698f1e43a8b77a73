// Whether Redis remembers an operation: then asking for it again begins nothing.
import { operationKey, partitionOf } from './keys.ts';
import type { Store } from './store.ts';

/** True when Redis does not say, too: the operation's own script will. */
export async function hasOperation(store: Store, walletId: string, operationId: string): Promise<boolean> {
  const key = operationKey(partitionOf(walletId), operationId);
  return store.redis.exists(key).then(
    (count) => count > 0,
    () => true,
  );
}
