// What can stand in the way of whatever asks Stripe, as a refusal.
import { refuse, type Refused } from './answer.ts';
import type { AskedStripe } from './deps.ts';
import type { Call } from './route.ts';

type Trouble = Exclude<AskedStripe<never>, { status: 'done' }>;

export function refusePayment(trouble: Trouble, call: Call): Refused {
  switch (trouble.status) {
    case 'not_configured':
      return notConfigured;
    case 'refused':
      return refuse('stripe_refused', trouble.detail);
    case 'unavailable':
      return refuse('unavailable', trouble.detail);
    case 'unknown':
      return call.mayBeApplied
        ? refuse('outcome_unknown', trouble.detail, {
            outcome: 'unknown',
            more: { idempotency_key: call.idempotencyKey },
          })
        : refuse('unavailable', trouble.detail);
  }
}

export const notConfigured = refuse('payments_not_configured', "this environment does not have Stripe's keys");
