// What a call throws: everything that is neither the reply nor a decline.
import type { Outcome, Problem, SettleRequest } from '../contract.ts';

/** What came instead of an answer that can be used. */
export type TransportCode =
  /** The connection failed or broke. */
  | 'network_error'
  /** No whole answer before the deadline. */
  | 'timeout'
  /** By the caller's own signal; `cause` is its reason. */
  | 'aborted'
  /** A success whose body is not JSON: something that is not Farebox answered. */
  | 'invalid_reply'
  /** A failure without a problem in it: something in between answered. */
  | 'http_error';

/** Work that was done and could not be recorded. `settle(hold_id, request, { idempotencyKey })` repeats it safely. */
export type Unsettled = {
  readonly holdId: string;
  /** What the work cost, or what happened in it. */
  readonly request: SettleRequest;
  readonly idempotencyKey: string;
  /** What the work returned, if it did. */
  readonly result?: unknown;
  /** What the work threw, if it did. */
  readonly workError?: unknown;
};

export type FareboxErrorFields = {
  readonly code: string;
  readonly status: number | null;
  readonly problem: Problem | null;
  readonly requestId: string | null;
  readonly outcome: Outcome;
  readonly retryable: boolean;
  readonly retryAfterMs: number | null;
  readonly idempotencyKey: string | null;
  readonly unsettled: Unsettled | null;
};

/** A class, as nothing else here is, for `instanceof`: callers' errors come from many places. */
export class FareboxError extends Error {
  /** The problem's code, as `customer_not_found`, or a `TransportCode`. */
  readonly code: string;
  /** The HTTP status; null when there was no reply. */
  readonly status: number | null;
  readonly problem: Problem | null;
  /** For the operator's logs. */
  readonly requestId: string | null;
  /** Whether what was asked for has happened. `unknown`: repeat the call with `idempotencyKey`. */
  readonly outcome: Outcome;
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  /** How long the server asked to wait; longer than the deadline allowed, or it would have been waited for. */
  readonly retryAfterMs: number | null;
  /** The key that this call went with; null for what needs none. */
  readonly idempotencyKey: string | null;
  /** From `withHold` alone: the cost that is still to be settled. */
  readonly unsettled: Unsettled | null;

  constructor(message: string, fields: FareboxErrorFields, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'FareboxError';
    this.code = fields.code;
    this.status = fields.status;
    this.problem = fields.problem;
    this.requestId = fields.requestId;
    this.outcome = fields.outcome;
    this.retryable = fields.retryable;
    this.retryAfterMs = fields.retryAfterMs;
    this.idempotencyKey = fields.idempotencyKey;
    this.unsettled = fields.unsettled;
  }
}
