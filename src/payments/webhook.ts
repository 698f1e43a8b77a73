// Stripe's events: verified over the bytes as they came, with any of the secrets that are good, and read for what concerns us.
import { Stripe } from 'stripe';
import type { StripeSettings } from '../records.ts';
import { stripeFor } from './stripe.ts';

/** How old a signature may be: Stripe signs anew each time it sends. */
const ageSecondsMax = 300;

export type ReadEvent = { status: 'forged' } | Meaning;
export type Meaning =
  /** True, and no business of ours. */
  | { status: 'ignored' }
  | {
      status: 'paid';
      event: EventId;
      topUpId: string;
      payment: { intentId: string; received: number; currency: string };
    }
  | { status: 'look'; event: EventId; topUpId: string }
  /** Something has gone back of a payment, or is disputed; whose payment it was, it does not say. */
  | { status: 'look_at_refunds'; event: EventId; intentId: string };

type EventId = { id: string; type: string };

export function readEvent(
  settings: StripeSettings,
  environmentId: string,
  { body, signature }: { body: Uint8Array; signature: string },
): ReadEvent {
  const event = verified(settings, body, signature);
  return event ? meaningOf(settings, environmentId, event) : { status: 'forged' };
}

/** What an event of Stripe's says to us. */
export function meaningOf(settings: StripeSettings, environmentId: string, event: Stripe.Event): Meaning {
  if (event.livemode !== (settings.mode === 'live')) return { status: 'ignored' };
  const told = { id: event.id, type: event.type };
  // oxlint-disable-next-line typescript/switch-exhaustiveness-check -- of some two hundred types, most do not concern us
  switch (event.type) {
    case 'payment_intent.succeeded': {
      const intent = event.data.object;
      const topUpId = ours(environmentId, intent.metadata);
      if (topUpId === undefined) return { status: 'ignored' };
      const payment = { intentId: intent.id, received: intent.amount_received, currency: intent.currency };
      return { status: 'paid', event: told, topUpId, payment };
    }
    case 'payment_intent.canceled':
    case 'payment_intent.payment_failed':
    case 'payment_intent.requires_action':
    case 'checkout.session.completed':
    case 'checkout.session.expired':
    case 'checkout.session.async_payment_succeeded':
    case 'checkout.session.async_payment_failed': {
      const topUpId = ours(environmentId, event.data.object.metadata);
      return topUpId === undefined ? { status: 'ignored' } : { status: 'look', event: told, topUpId };
    }
    // For these `missed-events.ts` asks, too.
    case 'refund.created':
    case 'refund.updated':
    case 'refund.failed':
    case 'charge.refunded':
    case 'charge.refund.updated':
    case 'charge.dispute.created':
    case 'charge.dispute.updated':
    case 'charge.dispute.closed':
    case 'charge.dispute.funds_withdrawn':
    case 'charge.dispute.funds_reinstated': {
      const { payment_intent: intent } = event.data.object;
      const intentId = typeof intent === 'string' ? intent : intent?.id;
      return intentId === undefined ? { status: 'ignored' } : { status: 'look_at_refunds', event: told, intentId };
    }
    default:
      return { status: 'ignored' };
  }
}

/** All secrets are tried, so that it takes as long whichever is the right one. */
function verified(settings: StripeSettings, body: Uint8Array, signature: string): Stripe.Event | undefined {
  const { webhooks } = stripeFor(settings);
  let event: Stripe.Event | undefined;
  for (const secret of settings.webhookSecrets) {
    try {
      event = webhooks.constructEvent(Buffer.from(body), signature, secret, ageSecondsMax);
    } catch (error) {
      // Signed, and not JSON: nobody but Stripe could send it, and Stripe does not.
      if (!(error instanceof Stripe.errors.StripeSignatureVerificationError) && !(error instanceof SyntaxError))
        throw error;
    }
  }
  return event;
}

/** The top-up that an object of Stripe's is for; several environments may share an account. */
function ours(environmentId: string, metadata: Stripe.Metadata | null): string | undefined {
  return metadata?.['farebox_environment'] === environmentId ? metadata['farebox_top_up'] : undefined;
}
