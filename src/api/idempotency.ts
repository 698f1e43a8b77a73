// Idempotency-Key: what makes a repeated POST the same operation.
//
// A request without a key gets one of our own. Should its outcome stay unknown, the reply names that key, and a repeat
// with it finds the first attempt: in Redis for a minute, and in the ledger after that.
import { ownOperationKeepMs } from '../limits.ts';
import { isOurs } from './request-id.ts';
import { refuse, type Refused } from './answer.ts';
import type { Operation } from '../wallet/operation.ts';
import type { Api, Call } from './route.ts';

const allowed = /^[\x20-\x7e]{1,128}$/;

export function readIdempotencyKey(
  api: Pick<Api, 'requestIdOf'>,
  given: string | null,
  call: Call,
): Refused | undefined {
  if (given !== null && !allowed.test(given)) {
    return refuse('invalid_idempotency_key', 'the Idempotency-Key is not 1 to 128 printable ASCII characters');
  }
  call.idempotencyKey = given ?? api.requestIdOf(null);
  call.isKeyOwn = given === null;
  return undefined;
}

/** The operation that this call is. From here on it may be applied, whatever happens to the call. */
export function operationFor(api: Pick<Api, 'wallets'>, call: Call, customerId?: string): Operation {
  const { environmentId, path, given, idempotencyKey: key } = call;
  const operation = api.wallets.operationOf({ environmentId, path, customerId, key, body: given });
  call.mayBeApplied = true;
  if (call.isKeyOwn) operation.keepMs = ownOperationKeepMs;
  else if (isOurs(key)) operation.isForgotten = true;
  if (call.begunMs !== undefined) {
    operation.isForgotten = true;
    operation.sinceMs = call.begunMs;
  }
  return operation;
}
