// What can stand in the way of any wallet call, as a refusal.
import { refuse, type Refused } from './answer.ts';
import type { Trouble } from '../wallet/target.ts';
import type { Call } from './route.ts';

export function refuseTrouble(trouble: Trouble, call: Call): Refused {
  switch (trouble.status) {
    case 'no_customer':
      return refuse('customer_not_found', 'there is no such customer in this environment');
    case 'conflict':
      return refuse('idempotency_conflict', 'the Idempotency-Key came with another body before');
    case 'unavailable':
      return refuse('unavailable', trouble.detail, { retryAfterMs: trouble.retryAfterMs });
    case 'unknown':
      return call.mayBeApplied
        ? refuse('outcome_unknown', trouble.detail, {
            outcome: 'unknown',
            more: { idempotency_key: call.idempotencyKey },
          })
        : refuse('unavailable', trouble.detail);
  }
}
