// Events of Stripe's that may not have reached us: read from its list, which keeps them for thirty days.
//
// Top-ups and refunds that we know of are looked at until they are over, whatever is told of them. A refund in Stripe's dashboard and a
// dispute we only hear of; and what is heard goes by a way that others keep open. So what it told of them is asked for, too.
import type { Stripe } from 'stripe';
import type { StripeSettings } from '../records.ts';
import { ask, stripeFor } from './stripe.ts';
import { meaningOf, type Meaning } from './webhook.ts';

type Taken = { status: 'taken' } | { status: 'unavailable'; detail: string };

const types = [
  ...(['refund.created', 'refund.updated', 'refund.failed', 'charge.refunded', 'charge.refund.updated'] as const),
  ...(['charge.dispute.created', 'charge.dispute.updated', 'charge.dispute.closed'] as const),
  ...(['charge.dispute.funds_withdrawn', 'charge.dispute.funds_reinstated'] as const),
];

export async function takeMissedEvents(
  {
    settings,
    environmentId,
    take,
  }: { settings: StripeSettings; environmentId: string; take: (told: Meaning) => Promise<Taken> },
  { fromMs, toMs }: { fromMs: number; toMs: number },
): Promise<Taken> {
  const created = { gte: Math.floor(fromMs / 1_000), lte: Math.ceil(toMs / 1_000) };
  const listed = await ask(collect(stripeFor(settings).events.list({ types, created, limit: 100 })));
  if (listed.status !== 'done') return { status: 'unavailable', detail: listed.detail };
  // As they were made.
  for (const event of listed.value.reverse()) {
    const taken = await take(meaningOf(settings, environmentId, event));
    if (taken.status !== 'taken') return taken;
  }
  return { status: 'taken' };
}

async function collect(list: AsyncIterable<Stripe.Event>): Promise<Stripe.Event[]> {
  const all: Stripe.Event[] = [];
  for await (const event of list) all.push(event);
  return all;
}
