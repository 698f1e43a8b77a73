// A top-up on its way: asked of Stripe, looked up there, and brought to its end. Safe to do again, by anybody, at any time.
//
//   written ── asked (one key) ── intent or session known ── succeeded ── credited
//                  │ no answer: asked again, same key          │ requires_action: the customer must say so
//                  │ key forgotten: found in Stripe's lists     │ given up ── canceled at Stripe: failed
//
// What is given up (declined, replaced) stays under way until Stripe says that it is canceled: so no money can come of what has
// failed, and until then nothing takes its place.
// Only Stripe's present word counts: an event that is not final makes us look, so it does not matter in which order they come.
// That money arrived is final, and counts even when the top-up was given up before.
import type { Stripe } from 'stripe';
import type { TopUp, TopUpFailure } from '../records.ts';
import { isGone } from './payers.ts';
import { ask, type Asked, type Refusal } from './stripe.ts';

export type Payment = { intentId: string; received: number; currency: string };

export type TopUpStore = {
  noteTopUpAsked: (topUp: TopUp) => Promise<void>;
  noteTopUp: (
    environmentId: string,
    id: string,
    known: {
      status: 'pending' | 'requires_action';
      intentId?: string | undefined;
      sessionId?: string | undefined;
      checkoutUrl?: string | undefined;
      actionUrl?: string | undefined;
    },
  ) => Promise<void>;
  endTopUp: (
    environmentId: string,
    id: string,
    end: { failure?: TopUpFailure; intentId?: string | undefined },
  ) => Promise<void>;
  /** It is to come to nothing, and is still under way: Stripe may have taken the money, or may yet. */
  giveUpTopUp: (
    environmentId: string,
    id: string,
    why: { failure: TopUpFailure; intentId?: string | undefined },
  ) => Promise<void>;
  /** Stripe does not know the payer: the next top-up has another one. */
  forgetPayer: (topUp: TopUp) => Promise<void>;
  /** The money has arrived: the grant is owed from now on. Applies it, too, if that can be done now. */
  settleTopUp: (topUp: { environmentId: string; id: string }, payment: Payment) => Promise<void>;
};

/** `unknown`: a worker goes on with it. */
export type Advanced = { status: 'done' } | { status: 'unknown'; detail: string };

type Context = { store: TopUpStore; stripe: Stripe; topUp: TopUp };

/** Stripe remembers an idempotency key for a day at least. */
const keyKeptMs = 23 * 3_600_000;
const done = { status: 'done' } as const;

export async function advanceTopUp(context: Context): Promise<Advanced> {
  const { stripe, topUp } = context;
  if (topUp.status !== 'pending' && topUp.status !== 'requires_action') return done;
  if (topUp.intentId !== undefined && topUp.payment === 'saved') {
    return told(await ask(stripe.paymentIntents.retrieve(topUp.intentId)), context, noteIntent);
  }
  if (topUp.sessionId !== undefined) {
    const expand = { expand: ['payment_intent'] };
    return told(await ask(stripe.checkout.sessions.retrieve(topUp.sessionId, expand)), context, noteSession);
  }
  if (topUp.askedAtMs !== undefined && Date.now() - topUp.askedAtMs > keyKeptMs) return findAtStripe(context);
  await context.store.noteTopUpAsked(topUp);
  return topUp.payment === 'saved' ? chargeSaved(context) : openCheckout(context);
}

// ── A saved payment method: charged without the customer ──

async function chargeSaved(context: Context): Promise<Advanced> {
  const { stripe, topUp } = context;
  const made = await ask(
    stripe.paymentIntents.create(
      {
        amount: topUp.price,
        currency: topUp.currency.toLowerCase(),
        customer: topUp.payerId,
        payment_method: topUp.methodId!,
        confirm: true,
        off_session: true,
        description: `Top-up ${topUp.id}`,
        metadata: metadataOf(topUp),
        ...(topUp.receiptEmail !== undefined && { receipt_email: topUp.receiptEmail }),
      },
      { idempotencyKey: keyOf(topUp, 'charge') },
    ),
  );
  if (made.status !== 'refused') return told(made, context, noteIntent);
  const { intent } = made;
  if (made.code === 'authentication_required' && intent && topUp.returnUrl !== undefined) {
    return authenticate(context, intent, topUp.returnUrl);
  }
  return fail(context, made);
}

/** The bank wants the customer's word: they give it on a page, and the payment goes on by itself. */
async function authenticate(context: Context, intent: Stripe.PaymentIntent, returnUrl: string): Promise<Advanced> {
  const { stripe, store, topUp } = context;
  await store.noteTopUp(topUp.environmentId, topUp.id, { status: 'pending', intentId: intent.id });
  const confirmed = await ask(
    stripe.paymentIntents.confirm(
      intent.id,
      { payment_method: topUp.methodId!, return_url: returnUrl },
      { idempotencyKey: keyOf(topUp, 'authenticate') },
    ),
  );
  if (confirmed.status !== 'refused') return told(confirmed, context, noteIntent);
  return fail(context, { ...confirmed, intent: confirmed.intent ?? intent });
}

async function noteIntent(context: Context, intent: Stripe.PaymentIntent): Promise<Advanced> {
  const { store, topUp } = context;
  const { environmentId, id } = topUp;
  if (topUp.failure && stoppable.has(intent.status)) return cancel(context, intent);
  // oxlint-disable-next-line typescript/switch-exhaustiveness-check -- Stripe may add one: then it is under way
  switch (intent.status) {
    case 'succeeded':
      await store.settleTopUp(topUp, paymentOf(intent));
      return done;
    case 'requires_action': {
      const actionUrl = intent.next_action?.redirect_to_url?.url ?? undefined;
      await store.noteTopUp(environmentId, id, { status: 'requires_action', intentId: intent.id, actionUrl });
      return done;
    }
    case 'requires_payment_method': {
      const error = intent.last_payment_error;
      // Its first answer was lost, and with it the second step.
      const isWaiting = error?.code === 'authentication_required' && topUp.actionUrl === undefined;
      if (isWaiting && topUp.returnUrl !== undefined) return authenticate(context, intent, topUp.returnUrl);
      return fail(context, {
        code: error?.code ?? 'payment_failed',
        declineCode: error?.decline_code,
        detail: error?.message ?? 'The payment failed.',
        intent,
      });
    }
    case 'canceled':
      await store.endTopUp(environmentId, id, { intentId: intent.id });
      return done;
    default:
      await store.noteTopUp(environmentId, id, { status: 'pending', intentId: intent.id });
      return done;
  }
}

async function fail(context: Context, refusal: Omit<Refusal, 'param'>): Promise<Advanced> {
  const { store, topUp } = context;
  const { intent } = refusal;
  const code = refusal.declineCode ?? refusal.code;
  const failure = { code, message: refusal.detail, retryable: passing.has(code) };
  if (!intent) {
    await store.endTopUp(topUp.environmentId, topUp.id, { failure });
    return done;
  }
  await store.giveUpTopUp(topUp.environmentId, topUp.id, { failure, intentId: intent.id });
  return cancel(context, intent);
}

/** Nobody can confirm what is canceled. Until Stripe has said that it is, it may succeed. */
async function cancel({ stripe, store, topUp }: Context, intent: Stripe.PaymentIntent): Promise<Advanced> {
  const canceled = await ask(stripe.paymentIntents.cancel(intent.id));
  // It refuses one that is over: succeeded meanwhile, or canceled by somebody else.
  const last =
    canceled.status === 'done' ? canceled.value : canceled.status === 'refused' ? canceled.intent : undefined;
  if (last?.status === 'succeeded') {
    await store.settleTopUp(topUp, paymentOf(last));
    return done;
  }
  if (last?.status === 'canceled') {
    await store.endTopUp(topUp.environmentId, topUp.id, { intentId: last.id });
    return done;
  }
  return stays({ detail: 'Stripe has not said yet that the charge is canceled' });
}

/** What Stripe can cancel: https://docs.stripe.com/api/payment_intents/cancel */
const stoppable: ReadonlySet<string> = new Set([
  ...['requires_payment_method', 'requires_capture', 'requires_confirmation', 'requires_action'],
]);

/** What may pass by itself, or with the customer's help: https://docs.stripe.com/declines/codes */
const passing = new Set([
  ...['authentication_required', 'approve_with_id', 'call_issuer', 'card_velocity_exceeded', 'insufficient_funds'],
  ...['issuer_not_available', 'processing_error', 'reenter_transaction', 'try_again_later'],
  ...['withdrawal_count_limit_exceeded', 'lock_timeout', 'not_asked'],
]);

// ── Checkout: the customer pays on a page of Stripe's ──

async function openCheckout(context: Context): Promise<Advanced> {
  const { stripe, topUp } = context;
  const metadata = metadataOf(topUp);
  const made = await ask(
    stripe.checkout.sessions.create(
      {
        mode: 'payment',
        customer: topUp.payerId,
        client_reference_id: topUp.id,
        line_items: [
          {
            quantity: 1,
            price_data: {
              currency: topUp.currency.toLowerCase(),
              unit_amount: topUp.price,
              product_data: { name: 'Credit' },
              ...(topUp.addsTax && { tax_behavior: 'exclusive' as const }),
            },
          },
        ],
        ...(topUp.addsTax && { automatic_tax: { enabled: true }, customer_update: { address: 'auto' as const } }),
        payment_intent_data: {
          description: `Top-up ${topUp.id}`,
          metadata,
          ...(topUp.receiptEmail !== undefined && { receipt_email: topUp.receiptEmail }),
        },
        metadata,
        success_url: topUp.returnUrl!,
        cancel_url: topUp.returnUrl!,
      },
      { idempotencyKey: keyOf(topUp, 'checkout') },
    ),
  );
  if (made.status !== 'refused') return told(made, context, noteSession);
  if (isGone(made)) await context.store.forgetPayer(topUp);
  return fail(context, made);
}

async function noteSession(context: Context, session: Stripe.Checkout.Session): Promise<Advanced> {
  const { store, topUp } = context;
  const { environmentId, id } = topUp;
  const intent = typeof session.payment_intent === 'object' ? session.payment_intent : null;
  if (intent?.status === 'succeeded') {
    await store.settleTopUp(topUp, paymentOf(intent));
    return done;
  }
  if (session.status === 'expired') {
    await store.endTopUp(environmentId, id, {});
    return done;
  }
  const checkoutUrl = session.url ?? undefined;
  await store.noteTopUp(environmentId, id, { status: 'pending', sessionId: session.id, checkoutUrl });
  return done;
}

// ── What both have ──

/** The key would make another one by now. What Stripe made of it then, if anything, is in its lists. */
async function findAtStripe(context: Context): Promise<Advanced> {
  const { stripe, store, topUp } = context;
  const window = { customer: topUp.payerId, created: { gte: Math.floor(topUp.createdAtMs / 1_000) - 300 }, limit: 100 };
  const isOurs = ({ metadata }: { metadata: Stripe.Metadata | null }): boolean =>
    metadata?.['farebox_top_up'] === topUp.id;
  if (topUp.payment === 'saved') {
    const intents = await ask(collect(stripe.paymentIntents.list(window), isOurs));
    if (intents.status !== 'done') return stays(intents);
    if (intents.value) return noteIntent(context, intents.value);
  } else {
    const sessions = await ask(collect(stripe.checkout.sessions.list(window), isOurs));
    if (sessions.status !== 'done') return stays(sessions);
    if (sessions.value) return noteSession(context, sessions.value);
  }
  const failure = { code: 'not_asked', message: 'Stripe was not asked in time: nothing was charged.', retryable: true };
  await store.endTopUp(topUp.environmentId, topUp.id, { failure });
  return done;
}

async function collect<T>(list: AsyncIterable<T>, isIt: (item: T) => boolean): Promise<T | undefined> {
  for await (const item of list) if (isIt(item)) return item;
  return undefined;
}

function told<T>(
  asked: Asked<T>,
  context: Context,
  note: (context: Context, value: T) => Promise<Advanced>,
): Promise<Advanced> | Advanced {
  return asked.status === 'done' ? note(context, asked.value) : stays(asked);
}

const stays = ({ detail }: { detail: string }): Advanced => ({ status: 'unknown', detail });

const keyOf = ({ environmentId, id }: TopUp, step: string): string => `farebox:${environmentId}:${id}:${step}`;

const metadataOf = ({ environmentId, id, customerId }: TopUp): Record<string, string> => ({
  farebox_environment: environmentId,
  farebox_customer: customerId,
  farebox_top_up: id,
});

const paymentOf = (intent: Stripe.PaymentIntent): Payment => ({
  intentId: intent.id,
  received: intent.amount_received,
  currency: intent.currency,
});
