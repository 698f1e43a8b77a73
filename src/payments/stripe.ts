// Stripe: a client for an environment, and what may come of asking it.
//
// Whether something happened is told apart with care: what Stripe refused has not happened, what it could not be asked has not
// either, and of everything else nobody knows until the same request, with the same key, has an answer.
import { Stripe } from 'stripe';
import type { StripeSettings } from '../records.ts';

/** A caller waits for it. The package repeats a request once or twice within that, with the key that it had. */
const timeoutMs = 8_000;
const retriesMax = 1;

const clients = new Map<string, Stripe>();

export function stripeFor({ secretKey, apiBase }: StripeSettings): Stripe {
  const name = `${secretKey}\n${apiBase ?? ''}`;
  const known = clients.get(name);
  if (known) return known;
  const client = new Stripe(secretKey, {
    ...(apiBase !== undefined && addressOf(new URL(apiBase))),
    timeout: timeoutMs,
    maxNetworkRetries: retriesMax,
    telemetry: false,
  });
  clients.set(name, client);
  return client;
}

function addressOf({ protocol, hostname, port }: URL) {
  const isPlain = protocol === 'http:';
  return {
    protocol: isPlain ? ('http' as const) : ('https' as const),
    host: hostname,
    port: port || (isPlain ? 80 : 443),
  };
}

export type Asked<T> =
  | { status: 'done'; value: T }
  /** Stripe said no, and nothing happened but what `intent` tells. */
  | ({ status: 'refused' } & Refusal)
  /** Stripe could not be asked, and nothing happened. */
  | { status: 'unavailable'; detail: string }
  | { status: 'unknown'; detail: string };

export type Refusal = {
  /** Stripe's word for it: https://docs.stripe.com/error-codes */
  code: string;
  declineCode: string | undefined;
  detail: string;
  param: string | undefined;
  intent: Stripe.PaymentIntent | undefined;
};

export async function ask<T>(work: Promise<T>): Promise<Asked<T>> {
  try {
    return { status: 'done', value: await work };
  } catch (error) {
    return wentWrong(error);
  }
}

function wentWrong(error: unknown): Asked<never> {
  const { errors } = Stripe;
  if (error instanceof errors.StripeCardError || error instanceof errors.StripeInvalidRequestError) {
    return {
      status: 'refused',
      code: error.code ?? error.rawType ?? 'refused',
      declineCode: error.decline_code,
      detail: error.message,
      param: error.param,
      intent: error.payment_intent,
    };
  }
  // Its words may hold a part of the key.
  if (error instanceof errors.StripeAuthenticationError || error instanceof errors.StripePermissionError) {
    return { status: 'unavailable', detail: "Stripe does not accept the environment's key for this" };
  }
  if (error instanceof errors.StripeRateLimitError)
    return { status: 'unavailable', detail: 'Stripe has too much to do' };
  // Also an idempotency key that is in use: the request that has it is still under way.
  if (error instanceof errors.StripeError) return { status: 'unknown', detail: `Stripe did not answer: ${error.type}` };
  throw error;
}
