// Stripe's events. Whoever has a valid signature is thanked, whatever the event meant; whoever has none is told the same for every reason.
import { refuse } from './answer.ts';
import { readBody } from './body.ts';
import { paramRules } from './params.ts';
import { notConfigured } from './refuse-payment.ts';
import type { PublicRoute } from './running.ts';

/** Larger than any event of the kinds that concern us. */
const eventBytesMax = 256 * 1024;

const forged = refuse('invalid_signature', 'the event is not signed by Stripe for this endpoint, or too old');

export const receiveStripeEvent: PublicRoute = {
  summary: "Stripe's events",
  contentType: 'application/json',
  replies: { 200: 'Taken.' },
  errors: ['invalid_signature', 'unavailable', 'payments_not_configured'],
  handle: async (api, _document, c) => {
    const environment = c.req.param('environment') ?? '';
    if (!paramRules.environment.pattern.test(environment)) return notConfigured;
    const body = await readBody(c.req.raw, c.env, eventBytesMax);
    if (body === 'too_large' || body === 'cut_off') return forged;
    const signature = c.req.raw.headers.get('stripe-signature') ?? '';
    const received = await api.payments.receive(environment.replace(/^env_/, ''), { body, signature });
    switch (received.status) {
      case 'taken':
        return { status: 200, contentType: 'application/json', text: '{"received":true}' };
      case 'forged':
        return forged;
      case 'unavailable':
        return refuse('unavailable', received.detail);
      case 'not_configured':
        return notConfigured;
    }
  },
};
