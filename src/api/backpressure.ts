// Backpressure at the door: new work is refused while what was begun goes on.
import { backpressureRetryAfterMs } from '../limits.ts';
import { refuse, type Refused } from './answer.ts';
import type { Operation } from '../wallet/operation.ts';
import type { Api, Call } from './route.ts';

/**
 * Undefined for a repeat of what was begun before: it adds nothing, and a refusal would say of what has happened that it
 * has not. Asked only under pressure, as in `api.backpressure() && (await refuseNewWork(…))`.
 */
export async function refuseNewWork(
  api: Api,
  call: Call,
  hasBegun: () => Promise<boolean>,
): Promise<Refused | undefined> {
  if (!call.isKeyOwn && (await hasBegun())) return undefined;
  const detail = api.backpressure();
  return detail === undefined ? undefined : refuse('backpressure', detail, { retryAfterMs: backpressureRetryAfterMs });
}

/** Of what a customer spends. */
export function refuseSpending(
  api: Api,
  call: Call,
  customerId: string,
  operation: Operation,
): Promise<Refused | undefined> {
  const { environmentId } = call;
  const walletId = api.wallets.walletIdOf(environmentId, customerId);
  return refuseNewWork(api, call, () => api.wallets.hasOperation({ environmentId, walletId }, operation.id));
}
