// Every refusal the API can answer: one table, from code to status, words, and whether a retry may help.
//
// docs/errors.md lists the same codes, /docs/errors renders them, and the OpenAPI document names them route by route.
import type { Outcome } from './contract.ts';

type ErrorEntry = {
  status: 400 | 401 | 402 | 403 | 404 | 405 | 409 | 413 | 415 | 422 | 429 | 500 | 501 | 503;
  title: string;
  /** Whether the same request may succeed later, with nothing else changed. */
  retryable: boolean;
  whatToDo: string;
};

const never = { retryable: false } as const;
const later = { retryable: true } as const;

export const errors = {
  invalid_json: {
    ...never,
    status: 400,
    title: 'The body is not valid JSON',
    whatToDo: 'Send one JSON value in UTF-8, no key twice in an object, nested no deeper than 16.',
  },
  invalid_signature: {
    ...never,
    status: 400,
    title: 'The signature is not valid',
    whatToDo:
      "Only Stripe may send here. Compare the endpoint's signing secret with the environment's, and the machine's clock.",
  },
  unauthorized: {
    ...never,
    status: 401,
    title: 'No valid key',
    whatToDo: 'Send `Authorization: Bearer <key>` with a key that is neither revoked nor expired.',
  },
  insufficient_balance: {
    ...never,
    status: 402,
    title: 'The balance does not cover the amount',
    whatToDo:
      'Ask for at most `affordable`, use mode `up_to`, or add credit. With `held_in_flight`, open holds may return.',
  },
  budget_exceeded: {
    ...never,
    status: 402,
    title: 'A budget does not cover the amount',
    whatToDo:
      'Ask for at most `affordable`, use mode `up_to`, raise the limit of the budget that `budget_id` names, or wait until it resets.',
  },
  wallet_in_overage: {
    ...never,
    status: 402,
    title: 'The account owes money',
    whatToDo: 'Add credit: it repays the overage first, and what is left can be spent.',
  },
  missing_scope: {
    ...never,
    status: 403,
    title: 'The key may not do this',
    whatToDo: 'Use a key with the scope that `detail` names.',
  },
  wallet_frozen: {
    ...never,
    status: 403,
    title: 'The wallet is frozen',
    whatToDo: "See `freeze_reason` of the wallet; an operator's freeze is lifted by `POST …/wallet/unfreeze`.",
  },
  not_found: {
    ...never,
    status: 404,
    title: 'No such route',
    whatToDo: 'Compare the path with `/docs`.',
  },
  customer_not_found: {
    ...never,
    status: 404,
    title: 'No such customer',
    whatToDo: 'Create the customer first; a key sees only its own environment.',
  },
  grant_not_found: {
    ...never,
    status: 404,
    title: 'No such grant',
    whatToDo: 'Take the id from the reply that created the grant, or from the list; it belongs to one customer.',
  },
  hold_not_found: {
    ...never,
    status: 404,
    title: 'No such hold',
    whatToDo: 'Take the id from the reply of authorize; a key sees only its own environment.',
  },
  product_not_found: {
    ...never,
    status: 404,
    title: 'No such product',
    whatToDo: 'Take the id from `GET /v1/products`; a key sees only its own environment.',
  },
  version_not_found: {
    ...never,
    status: 404,
    title: 'The product has no such version',
    whatToDo: 'Versions count up from 1 to the `version` that `GET /v1/products/{id}` shows.',
  },
  subscription_not_found: {
    ...never,
    status: 404,
    title: 'No such subscription',
    whatToDo: 'Take the id from the list of subscriptions; it belongs to one customer.',
  },
  auto_top_up_not_found: {
    ...never,
    status: 404,
    title: 'No automatic top-up',
    whatToDo: 'Set one up for this asset first, with `PUT`; a deleted one is no longer there.',
  },
  top_up_not_found: {
    ...never,
    status: 404,
    title: 'No such top-up',
    whatToDo: 'Take the id from the reply that made it, or from the list; a key sees only its own environment.',
  },
  payment_method_not_found: {
    ...never,
    status: 404,
    title: 'No such payment method',
    whatToDo: 'Take the id from the list of payment methods; it belongs to one customer.',
  },
  budget_not_found: {
    ...never,
    status: 404,
    title: 'No such budget',
    whatToDo: 'Take the id from the list of budgets; it belongs to one customer, and a deleted one is no longer there.',
  },
  key_not_found: {
    ...never,
    status: 404,
    title: 'No such key',
    whatToDo: 'Take the id from the list of keys; a revoked one is no longer there.',
  },
  method_not_allowed: {
    ...never,
    status: 405,
    title: 'The route does not take this method',
    whatToDo: 'Use one of the methods in the `Allow` header.',
  },
  customer_exists: {
    ...never,
    status: 409,
    title: 'The customer id is in use',
    whatToDo: 'Use the customer that exists, or another id.',
  },
  asset_exists: {
    ...never,
    status: 409,
    title: 'The asset code is in use',
    whatToDo: 'Use the asset that exists, or another code.',
  },
  product_exists: {
    ...never,
    status: 409,
    title: 'The product id is in use',
    whatToDo: 'Add a version to the product that exists, or use another id.',
  },
  version_not_published: {
    ...never,
    status: 409,
    title: 'The version is a draft',
    whatToDo: 'Publish it first, or name a version that is published.',
  },
  subscription_exists: {
    ...never,
    status: 409,
    title: 'The customer is subscribed to this product',
    whatToDo: 'Migrate the subscription that exists to another version, or cancel it first.',
  },
  subscription_canceled: {
    ...never,
    status: 409,
    title: 'The subscription was canceled',
    whatToDo: 'Make a new one: what was canceled stays as it is.',
  },
  top_up_not_refundable: {
    ...never,
    status: 409,
    title: 'The top-up cannot be refunded',
    whatToDo: 'See its `status`: only what was paid for can be refunded.',
  },
  grant_ended: {
    ...never,
    status: 409,
    title: 'The grant has ended',
    whatToDo: 'Nothing is left to void: it was spent, has expired, or was voided before.',
  },
  grant_not_recurring: {
    ...never,
    status: 409,
    title: 'The grant does not renew',
    whatToDo: 'Only a grant with a `recurrence` can be canceled; void it to take back what it has left.',
  },
  hold_closed: {
    ...never,
    status: 409,
    title: 'The hold has ended',
    whatToDo: 'See `hold_status`, `settled` and `released` for how; for new work, authorize again.',
  },
  not_frozen_by_operator: {
    ...never,
    status: 409,
    title: "There is no operator's freeze to lift",
    whatToDo: "The wallet is not frozen, or the system froze it: see `freeze_reason` and the operator's guide.",
  },
  body_too_large: {
    ...never,
    status: 413,
    title: 'The body is too large',
    whatToDo: 'Send at most 64 KiB; for the prices of a product at most 4 MiB.',
  },
  unsupported_media_type: {
    ...never,
    status: 415,
    title: 'The body is not declared as JSON',
    whatToDo: 'Send `Content-Type: application/json`, in UTF-8.',
  },
  invalid_request: {
    ...never,
    status: 422,
    title: 'The request is not valid',
    whatToDo: 'See `errors`: each names the path of a field and what is wrong with it.',
  },
  invalid_idempotency_key: {
    ...never,
    status: 422,
    title: 'The Idempotency-Key is not valid',
    whatToDo: 'Send 1 to 128 printable ASCII characters.',
  },
  idempotency_conflict: {
    ...never,
    status: 422,
    title: 'The Idempotency-Key was used for another request',
    whatToDo: 'Repeat the first request unchanged, or use a new key.',
  },
  unknown_asset: {
    ...never,
    status: 422,
    title: 'No such asset',
    whatToDo: 'Use a code from `GET /v1/assets`, or create the asset.',
  },
  amount_too_large: {
    ...never,
    status: 422,
    title: 'The amount is too large',
    whatToDo:
      "One amount is at most 10^15 of the asset's smallest unit; use several, or an asset with a smaller scale.",
  },
  balance_limit: {
    ...never,
    status: 422,
    title: 'The balance would be too large',
    whatToDo: "A balance is at most 2^52 of the asset's smallest unit, scheduled grants included.",
  },
  too_many_grants: {
    ...never,
    status: 422,
    title: 'The wallet has too many grants',
    whatToDo: 'At most 1,000 may be active or scheduled: add larger ones, or void some.',
  },
  too_many_scopes: {
    ...never,
    status: 422,
    title: 'The wallet has too many different scopes',
    whatToDo:
      'Grants of a customer may name 255 different scopes, ended grants included: use one that was used before.',
  },
  too_many_subscriptions: {
    ...never,
    status: 422,
    title: 'The customer has too many subscriptions',
    whatToDo: 'At most 50 may be active: cancel some.',
  },
  too_many_budgets: {
    ...never,
    status: 422,
    title: 'The customer has too many budgets',
    whatToDo: 'At most 64 may stand: delete some, or change one that there is.',
  },
  exceeds_refundable: {
    ...never,
    status: 422,
    title: 'More than can be refunded',
    whatToDo: 'Ask for at most `refundable`: what is spent or has gone back before cannot be refunded.',
  },
  exceeds_hold: {
    ...never,
    status: 422,
    title: 'More than is held',
    whatToDo: 'Settle at most what is held, or use another `on_excess`; the hold is unchanged.',
  },
  no_payment_method: {
    ...never,
    status: 422,
    title: 'There is nothing to pay with',
    whatToDo: 'Let the customer save a payment method first, name one of theirs, or use `payment: "checkout"`.',
  },
  no_rate: {
    ...never,
    status: 422,
    title: 'The asset has no price in money',
    whatToDo: 'Publish one: `POST /v1/assets/{code}/rates`.',
  },
  stripe_refused: {
    ...never,
    status: 422,
    title: 'Stripe refused the request',
    whatToDo: 'See `detail`: it is what Stripe says. Nothing was charged.',
  },
  no_price: {
    ...never,
    status: 422,
    title: 'No price matches',
    whatToDo:
      'Publish a price for this event, subscribe the customer to a product that has one, or say `asset` and `amount` yourself.',
  },
  missing_quantity: {
    ...never,
    status: 422,
    title: 'The event does not say how much',
    whatToDo: 'Send the field that `detail` names in `data`, as a number or a decimal string of at most 6 decimals.',
  },
  too_many_holds: {
    ...later,
    status: 429,
    title: 'The wallet has too many open holds',
    whatToDo: 'Settle or release some of the 10,000, or wait until they expire.',
  },
  internal_error: {
    ...later,
    status: 500,
    title: 'Something is broken here',
    whatToDo: 'Repeat with the same Idempotency-Key; tell the operator the `request_id` if it stays.',
  },
  payments_not_configured: {
    ...never,
    status: 501,
    title: 'Payments are not configured',
    whatToDo:
      "Give the environment Stripe's keys: `farebox environment stripe`, or `STRIPE_SECRET_KEY` for the default test environment.",
  },
  unavailable: {
    ...later,
    status: 503,
    title: 'No decision can be taken now',
    whatToDo: 'Repeat after the time in `Retry-After`.',
  },
  backpressure: {
    ...later,
    status: 503,
    title: 'No new work is taken on now',
    whatToDo:
      'Repeat after the time in `Retry-After`; settling, releasing and reading go on. `detail` says what the operator can mend.',
  },
  not_yet_effective: {
    ...later,
    status: 503,
    title: 'It is done, but not yet in effect everywhere',
    whatToDo:
      'It takes effect by itself, as soon as the stores are back. To wait for it, repeat the very same request, with the `idempotency_key` that the reply names if it does.',
  },
  outcome_unknown: {
    ...later,
    status: 503,
    title: 'Nobody knows yet whether it happened',
    whatToDo: 'Repeat the very same request with the `idempotency_key` that the reply names: it happens once.',
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errors;
export const errorCodes = Object.keys(errors) as ErrorCode[];

export type Refusal = {
  code: ErrorCode;
  detail: string;
  /** Absent: not_applied. */
  outcome?: Outcome;
  /** Absent: what the table says of the code. */
  retryable?: boolean;
  retryAfterMs?: number;
  headers?: Record<string, string>;
  /** Members beyond the common ones: `errors`, `hold_status`, …; in a decline also `status`, the word. */
  more?: Record<string, unknown>;
};

export type ProblemReply = { status: number; headers: Record<string, string>; text: string };

const retryAfterMsDefault = 1_000;

/** Where a code is explained: a path that the gateway itself serves. */
export const typeOf = (code: ErrorCode): string => `/docs/errors#${code}`;

/** RFC 9457 (https://www.rfc-editor.org/rfc/rfc9457), with our members. */
export function problemOf(refusal: Refusal, requestId: string): ProblemReply {
  const { code } = refusal;
  const { status } = errors[code];
  const retryable = refusal.retryable ?? errors[code].retryable;
  const headers: Record<string, string> = {
    'content-type': 'application/problem+json',
    'x-request-id': requestId,
    ...refusal.headers,
  };
  if (!retryable) headers['x-should-retry'] = 'false';
  if (status === 503 || refusal.retryAfterMs !== undefined) {
    headers['retry-after'] = String(Math.max(1, Math.ceil((refusal.retryAfterMs ?? retryAfterMsDefault) / 1_000)));
  }
  return { status, headers, text: JSON.stringify(problemBody(refusal, requestId)) };
}

/** The problem itself; of a decline `status` is the word. */
export function problemBody(refusal: Refusal, requestId: string): Record<string, unknown> {
  const { code, detail } = refusal;
  const { status, title } = errors[code];
  return {
    type: typeOf(code),
    title,
    status,
    detail,
    code,
    retryable: refusal.retryable ?? errors[code].retryable,
    outcome: refusal.outcome ?? 'not_applied',
    request_id: requestId,
    ...refusal.more,
  };
}
