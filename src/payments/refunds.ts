// A refund on its way, or a dispute: set aside, asked of Stripe, and brought to its end. Safe to do again, by anybody, at any time.
//
//   written ── set aside ── asked (one key) ── nothing final: the bank takes its time, or the dispute is open
//                  │ short: withdrawn              │ taken: the credit is taken, too
//                                                  │ returned: the credit is free again
//
// What others do at Stripe (a refund in its dashboard, a customer's bank) is found in Stripe's lists, of the one payment, and
// goes the same way without being asked for. Events make us look, and tell nothing: their order does not matter.
import type { Stripe } from 'stripe';
import type { FoundRefund, Refund, TopUp } from '../records.ts';
import { ask, type Asked } from './stripe.ts';

type OfRefund = { topUp: TopUp; refund: Refund };
type Unsure = { status: 'unknown'; detail: string };

export type RefundStore = {
  listRefunds: (topUp: TopUp) => Promise<Refund[]>;
  findRefund: (refund: Refund) => Promise<Refund | undefined>;
  /** `short`, `frozen`: it is withdrawn, and was never there. `gone`: it was before. */
  setAside: (
    of: OfRefund & { isRepeat: boolean },
  ) => Promise<NotSetAside | { status: 'held' } | { status: 'gone' } | Unsure>;
  noteRefundAsked: (refund: Refund) => Promise<void>;
  /** Stripe said so, or was never asked. */
  returnRefund: (refund: Refund, failure: { code: string; message: string }) => Promise<void>;
  /** What Stripe has, written down; what is owed of it is credited. */
  takeInRefund: (topUp: TopUp, found: FoundRefund) => Promise<void>;
  /** The wallet does what the outcome says. `waits`: the ledger does not have it yet. */
  endRefund: (of: OfRefund & { isRepeat: boolean }) => Promise<{ status: 'ended' | 'waits' }>;
  /** The wallet is frozen while any dispute of its customer is open. False: the ledger does not say so yet. */
  matchFreeze: (topUp: TopUp) => Promise<boolean>;
};
export type NotSetAside = { status: 'short'; left: bigint } | { status: 'frozen' };

/** `done`: what has come of it stands in its row. */
export type AdvancedRefund = { status: 'done' } | { status: 'refused'; detail: string } | NotSetAside | Unsure;
/** When somebody looks again: nothing is left to wait for; soon; when something is heard, or some time has passed. */
export type RefundsSeen = 'rests' | 'soon' | 'waits';

type Context = { store: RefundStore; stripe: Stripe; topUp: TopUp };

/** Stripe remembers an idempotency key for a day at least. */
const keyKeptMs = 23 * 3_600_000;

/** Takes a refund that was asked for just now as far as it will go. */
export async function advanceRefund(context: Context, refund: Refund): Promise<AdvancedRefund> {
  const advanced = await goOn(context, refund, false);
  const last = await context.store.findRefund(refund);
  if (last?.outcome !== undefined && !last.hasEnded) {
    await context.store.endRefund({ topUp: context.topUp, refund: last, isRepeat: false });
  }
  return advanced;
}

/** One that was asked for before: what has become of it meanwhile comes first. */
export async function resumeRefund(context: Context, refund: Refund): Promise<AdvancedRefund> {
  await seeToRefunds(context);
  const last = await context.store.findRefund(refund);
  if (last?.outcome === 'returned') return { status: 'refused', detail: last.failure?.message ?? 'Stripe refused it' };
  const isKnown = last?.outcome !== undefined || last?.stripeId !== undefined;
  return isKnown ? { status: 'done' } : { status: 'unknown', detail: 'it is not known yet what has become of it' };
}

/** All of a top-up's: what Stripe has of them, and then each as far as it will go. */
export async function seeToRefunds(context: Context): Promise<RefundsSeen> {
  const { store, stripe, topUp } = context;
  // Before the credit is in the wallet there is nothing to take from.
  if (topUp.intentId === undefined || !topUp.isCredited) return 'waits';
  const listed = await ask(listAtStripe(stripe, topUp.intentId));
  if (listed.status !== 'done') return 'waits';
  for (const found of listed.value) await store.takeInRefund(topUp, found);
  const all = await store.listRefunds(topUp);
  const isDisputed = all.some(({ origin }) => origin === 'dispute');
  // Before anything is set aside, so that less is spent meanwhile.
  if (isDisputed) await store.matchFreeze(topUp);
  let seen: RefundsSeen = 'rests';
  for (const refund of all.filter(({ hasEnded }) => !hasEnded)) {
    await goOn(context, refund, true);
    const last = await store.findRefund(refund);
    if (!last || last.hasEnded) continue;
    const ends = last.outcome !== undefined && (await store.endRefund({ topUp, refund: last, isRepeat: true }));
    if (!ends) seen = seen === 'rests' ? 'waits' : seen;
    else if (ends.status === 'waits') seen = 'soon';
  }
  return isDisputed && !(await store.matchFreeze(topUp)) ? 'soon' : seen;
}

/** To where Stripe has said what it has to say. */
async function goOn(context: Context, refund: Refund, isRepeat: boolean): Promise<AdvancedRefund> {
  const { store, topUp } = context;
  if (refund.outcome !== undefined) return { status: 'done' };
  if (!refund.isHeld) {
    const held = await store.setAside({ topUp, refund, isRepeat });
    if (held.status === 'gone') return { status: 'done' };
    if (held.status !== 'held') return held;
  }
  return refund.origin === 'request' && refund.stripeId === undefined
    ? refundAtStripe(context, refund)
    : { status: 'done' };
}

/** One that was asked for, and that Stripe is not known to have. */
async function refundAtStripe({ store, stripe, topUp }: Context, refund: Refund): Promise<AdvancedRefund> {
  const { environmentId, id, customerId } = refund;
  if (refund.askedAtMs !== undefined && Date.now() - refund.askedAtMs > keyKeptMs) {
    // The key would make another one by now. Stripe's list does not have it, so it never was.
    await store.returnRefund(refund, {
      code: 'not_asked',
      message: 'Stripe was not asked in time: nothing was refunded.',
    });
    return { status: 'done' };
  }
  await store.noteRefundAsked(refund);
  const made = await ask(
    stripe.refunds.create(
      {
        payment_intent: topUp.intentId!,
        amount: refund.money,
        metadata: {
          farebox_environment: environmentId,
          farebox_customer: customerId,
          farebox_top_up: topUp.id,
          farebox_refund: id,
        },
      },
      { idempotencyKey: `farebox:${environmentId}:${id}:refund` },
    ),
  );
  switch (made.status) {
    case 'done':
      await store.takeInRefund(topUp, foundRefund(made.value));
      return { status: 'done' };
    case 'refused':
      await store.returnRefund(refund, { code: made.code, message: made.detail });
      return { status: 'refused', detail: made.detail };
    case 'unavailable':
    case 'unknown':
      return { status: 'unknown', detail: made.detail };
  }
}

async function listAtStripe(stripe: Stripe, intentId: string): Promise<FoundRefund[]> {
  const window = { payment_intent: intentId, limit: 100 };
  const found: FoundRefund[] = [];
  for await (const refund of stripe.refunds.list(window)) found.push(foundRefund(refund));
  for await (const dispute of stripe.disputes.list(window)) found.push(foundDispute(dispute));
  return found;
}

function foundRefund({ id, metadata, amount, status, failure_reason: reason }: Stripe.Refund): FoundRefund {
  const hasFailed = status === 'failed' || status === 'canceled';
  return {
    stripeId: id,
    id: metadata?.['farebox_refund'],
    isDispute: false,
    money: amount,
    outcome: status === 'succeeded' ? 'taken' : hasFailed ? 'returned' : undefined,
    failure: hasFailed ? { code: reason ?? status, message: 'The refund did not reach the customer.' } : undefined,
  };
}

function foundDispute({ id, amount, status }: Stripe.Dispute): FoundRefund {
  const outcome = closedDisputes.get(status);
  return { stripeId: id, id: undefined, isDispute: true, money: amount, outcome, failure: undefined };
}

/** https://docs.stripe.com/disputes/how-disputes-work */
const closedDisputes: ReadonlyMap<string, 'taken' | 'returned'> = new Map([
  ['lost', 'taken'],
  ['won', 'returned'],
  ['warning_closed', 'returned'],
  ['prevented', 'returned'],
]);

/** The top-up that a payment is for, of which only Stripe may know yet. */
export async function topUpOfIntent(
  stripe: Stripe,
  environmentId: string,
  intentId: string,
): Promise<Asked<string | undefined>> {
  const intent = await ask(stripe.paymentIntents.retrieve(intentId));
  if (intent.status === 'refused') return { status: 'done', value: undefined };
  if (intent.status !== 'done') return intent;
  const { metadata } = intent.value;
  const isOurs = metadata['farebox_environment'] === environmentId;
  return { status: 'done', value: isOurs ? metadata['farebox_top_up'] : undefined };
}
