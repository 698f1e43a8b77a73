// Whom a call is for, and what can stand in its way.
import type { WalletRef } from './keys.ts';

export type Target = WalletRef & { environmentId: string };

export type Trouble =
  | { status: 'no_customer' }
  | { status: 'conflict' }
  | { status: 'unavailable'; detail: string; retryAfterMs: number }
  | { status: 'unknown'; detail: string };

/** What Farebox does by itself, such as expiring a hold, it does in every environment. */
export const anyEnvironment = '*';

export const fencedDetail =
  'this part of Redis is being recovered, or belongs to another installation: /readyz says which';

export const retryAfterMs = 1_000;
