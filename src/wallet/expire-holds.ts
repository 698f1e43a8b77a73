// Expire holds of one wallet whose deadline has passed.
import { call } from './call.ts';
import { moneyKeys } from './keys.ts';
import { ownOperation } from './operation.ts';
import { expireHoldsScript } from './scripts.gen.ts';
import type { Store } from './store.ts';
import type { Target } from './target.ts';

/** `refs` joined by spaces. Returns how many expired; undefined when the wallet is not in Redis, or Redis is away. */
export async function expireHolds(store: Store, target: Target, refs: string): Promise<number | undefined> {
  const operation = ownOperation();
  const { partition } = target;
  const reply = await call(
    store.nodes.of(partition).redis,
    expireHoldsScript,
    moneyKeys(target, store.epochs[partition]!, operation.id),
    {
      fence: store.fences[partition]!,
      notAfterMs: store.nodes.of(partition).clock.notAfterMs(),
      environment: target.environmentId,
      operationId: operation.id,
      fingerprint: operation.fingerprint,
      keepMs: 0,
      holdRefs: refs,
    },
  );
  if (reply.status !== 'expired') return undefined;
  if (reply.expiredCount > 0) store.markDirty(partition);
  return reply.expiredCount;
}
