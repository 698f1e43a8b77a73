// The pages that a payer sees: Checkout, and the bank that wants to know who pays. Plain forms, nothing from other hosts.
//
// A payer picks one of the test cards. There is no field for a number: card data has no place here.
import type Stripe from 'stripe';
import { cards, isCardName } from './cards.ts';
import { confirmIntent, endAuthentication, makePaymentIntent } from './payment-intents.ts';
import { attach, makePaymentMethod } from './payment-methods.ts';
import type { Params, Reply } from './reply.ts';
import { makeSetupIntent, saveMethod } from './setup-intents.ts';
import type { CheckoutSession, World } from './world.ts';

export type Page = { status: number; html: string } | { location: string };

export function showCheckout({ books }: World, id: string, problem?: string): Page {
  const session = books.checkoutSessions[id];
  if (!session) return { status: 404, html: page('Not found', '<p>There is no such Checkout session.</p>') };
  if (session.status !== 'open')
    return { status: 200, html: page('Checkout', `<p>This session is ${esc(session.status ?? '')}.</p>`) };
  const sum =
    session.amount_total === null
      ? ''
      : `<p class="sum">${esc((session.currency ?? '').toUpperCase())} ${(session.amount_total / 100).toFixed(2)}</p>`;
  const choices = Object.entries(cards).map(
    ([name, { brand, last4, label }], at) =>
      `<label><input type="radio" name="card" value="${name}"${at === 0 ? ' checked' : ''}> ${brand} •••• ${last4} — ${esc(label)}</label>`,
  );
  const verb = session.mode === 'setup' ? 'Save' : 'Pay';
  return {
    status: problem === undefined ? 200 : 402,
    html: page(
      'Checkout',
      `<p>${esc(books.checkoutTerms[id]?.description ?? '')}</p>${sum}${problem === undefined ? '' : `<p role="alert">${esc(problem)}</p>`}
<form method="post">${choices.join('\n')}<button>${verb}</button></form>${
        session.cancel_url === null ? '' : `<p><a href="${esc(session.cancel_url)}">Back</a></p>`
      }`,
    ),
  };
}

export async function submitCheckout(world: World, id: string, form: Params): Promise<Page> {
  const session = world.books.checkoutSessions[id];
  const name = typeof form['card'] === 'string' ? form['card'] : '';
  if (session?.status !== 'open' || !isCardName(name)) return showCheckout(world, id);
  const method = makePaymentMethod(world, name);
  const reply = session.mode === 'setup' ? save(world, session, method) : await pay(world, session, method);
  if (reply.status !== 200) return showCheckout(world, id, messageOf(reply));
  const intent = reply.body as Stripe.PaymentIntent | Stripe.SetupIntent;
  if (intent.status === 'requires_action') {
    return { location: intent.next_action?.redirect_to_url?.url ?? session.url ?? '/' };
  }
  return complete(world, session);
}

function save(world: World, session: CheckoutSession, method: Stripe.PaymentMethod): Reply {
  const known = typeof session.setup_intent === 'string' ? world.books.setupIntents[session.setup_intent] : undefined;
  const intent =
    known ??
    makeSetupIntent(world, {
      customer: typeof session.customer === 'string' ? session.customer : null,
      usage: 'off_session',
      metadata: world.books.checkoutTerms[session.id]?.intentMetadata ?? {},
    });
  session.setup_intent = intent.id;
  return saveMethod(world, intent, method.id);
}

async function pay(world: World, session: CheckoutSession, method: Stripe.PaymentMethod): Promise<Reply> {
  const terms = world.books.checkoutTerms[session.id];
  const known =
    typeof session.payment_intent === 'string' ? world.books.paymentIntents[session.payment_intent] : undefined;
  const intent =
    known ??
    makePaymentIntent(world, {
      amount: session.amount_total ?? 0,
      currency: session.currency ?? 'usd',
      customer: typeof session.customer === 'string' ? session.customer : null,
      description: terms?.description ?? null,
      metadata: terms?.intentMetadata ?? {},
      receiptEmail: terms?.receiptEmail ?? null,
      setupFutureUsage: terms?.savesMethod ? 'off_session' : null,
    });
  if (!known) world.emit('payment_intent.created', intent);
  session.payment_intent = intent.id;
  intent.payment_method = method.id;
  return confirmIntent(world, intent, { offSession: false, returnUrl: session.url ?? undefined });
}

function complete(world: World, session: CheckoutSession): Page {
  const intent =
    typeof session.payment_intent === 'string' ? world.books.paymentIntents[session.payment_intent] : undefined;
  const method =
    typeof intent?.payment_method === 'string' ? world.books.paymentMethods[intent.payment_method] : undefined;
  if (method && typeof session.customer === 'string' && world.books.checkoutTerms[session.id]?.savesMethod) {
    attach(world, method, session.customer);
  }
  session.status = 'complete';
  session.url = null;
  if (session.mode === 'payment') session.payment_status = 'paid';
  world.emit('checkout.session.completed', session);
  return { location: (session.success_url ?? '/').replace('{CHECKOUT_SESSION_ID}', session.id) };
}

export function showAuthentication({ books }: World, intentId: string): Page {
  const intent = books.paymentIntents[intentId];
  if (intent?.status !== 'requires_action') {
    return { status: 404, html: page('Not found', '<p>There is nothing to authenticate.</p>') };
  }
  const choices =
    '<button name="answer" value="yes">It is me</button> <button name="answer" value="no">It is not me</button>';
  return { status: 200, html: page('Your bank', `<p>Is it you who pays?</p><form method="post">${choices}</form>`) };
}

export function submitAuthentication(world: World, intentId: string, form: Params): Page {
  const intent = world.books.paymentIntents[intentId];
  const returnUrl = intent?.next_action?.redirect_to_url?.return_url ?? null;
  if (intent?.status !== 'requires_action') return showAuthentication(world, intentId);
  const reply = endAuthentication(world, intent, form['answer'] === 'yes');
  const session = Object.values(world.books.checkoutSessions).find(
    ({ payment_intent }) => payment_intent === intent.id,
  );
  if (session)
    return reply.status === 200 ? complete(world, session) : showCheckout(world, session.id, messageOf(reply));
  if (returnUrl === null) return { status: 200, html: page('Your bank', '<p>Thank you. You can close this page.</p>') };
  const back = new URL(returnUrl);
  back.searchParams.set('payment_intent', intent.id);
  back.searchParams.set('redirect_status', reply.status === 200 ? 'succeeded' : 'failed');
  return { location: back.href };
}

const messageOf = ({ body }: Reply): string =>
  (body as { error?: { message?: string } }).error?.message ?? 'It did not work.';

const esc = (text: string): string => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

const page = (title: string, body: string): string => `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${title} (stand-in)</title>
<style>body{font:16px/1.5 system-ui;max-width:32rem;margin:3rem auto;padding:0 1rem}label{display:block}button{margin-top:1rem}.sum{font-size:2rem}[role=alert]{color:#a00}</style>
<h1>${title}</h1>
<p><small>A stand-in for Stripe: no money moves here.</small></p>
${body}
</html>
`;
