// Payment methods: what a customer has given Stripe to pay with. Its data are Stripe's; what is shown here is enough to tell cards apart.
import { z } from '@hono/zod-openapi';
import type { PaymentMethod } from '../contract.ts';
import type { Answer } from './answer.ts';
import { refuse } from './answer.ts';
import { noCustomer } from './customers.ts';
import type { PaymentMethodRecord } from './deps.ts';
import { operationFor } from './idempotency.ts';
import { idPattern } from './params.ts';
import { badCursor, pageOf, pageQuery, pageSchema } from './paging.ts';
import { notConfigured, refusePayment } from './refuse-payment.ts';
import { defineRoute, type Api, type Call } from './route.ts';
import { emptyBody, returnUrl, timeOut } from './schemas.ts';
import { formatTime } from './time.ts';

export const paymentMethodReply = z
  .object({
    id: z.string(),
    type: z.string().openapi({ example: 'card' }),
    card: z
      .object({ brand: z.string(), last4: z.string(), exp_month: z.int(), exp_year: z.int() })
      .nullable()
      .openapi({ description: 'Null: it is no card.' }),
    default: z
      .boolean()
      .openapi({ description: 'Whether it is charged where none is named: the one chosen, or the newest.' }),
    created_at: timeOut,
  })
  .openapi('PaymentMethod');

export const setupBody = z.strictObject({ return_url: returnUrl }).openapi('PaymentMethodSetupRequest');
export const setupReply = z
  .object({ url: z.string().openapi({ description: "Stripe's page: send the customer there." }) })
  .openapi('PaymentMethodSetup');

const noMethod = refuse('payment_method_not_found', 'this customer has no such payment method');

export const setUpPaymentMethod = defineRoute({
  summary: 'Let a customer save a payment method',
  description:
    "Makes a page of Stripe's, on which nothing is charged. It is the same page for the same Idempotency-Key.",
  body: setupBody,
  reply: { status: 200, description: 'Where to send the customer.', schema: setupReply },
  errors: ['customer_not_found', 'stripe_refused', 'payments_not_configured'],
  handle: async (api, call) => {
    const { environmentId, params, body } = call;
    if (!(await api.payments.isConfigured(environmentId))) return notConfigured;
    return once(api, call, async (operationId) => {
      const asked = { returnUrl: body.return_url, key: operationId };
      const made = await api.payments.setUpMethod({ environmentId, customerId: params.customer_id }, asked);
      if (made.status === 'no_customer') return noCustomer;
      return made.status === 'done' ? { status: 200, body: { url: made.value.url } } : refusePayment(made, call);
    });
  },
});

export const listPaymentMethods = defineRoute({
  summary: "List a customer's payment methods",
  query: pageQuery,
  reply: { status: 200, description: 'Newest first.', schema: pageSchema(paymentMethodReply) },
  errors: ['customer_not_found', 'payments_not_configured'],
  handle: async (api, call) => {
    const { environmentId, params, query } = call;
    const customer = { environmentId, customerId: params.customer_id };
    if (query.cursor !== undefined && !idPattern.test(query.cursor)) return badCursor;
    const listed = await api.payments.listMethods(customer, pageOf(query));
    if (listed.status === 'refused') return badCursor;
    if (listed.status !== 'done') return refusePayment(listed, call);
    const { items, nextCursor } = listed.value;
    if (items.length === 0 && !(await api.ledger.findCustomer(environmentId, customer.customerId))) return noCustomer;
    return { status: 200, body: { data: items.map(show), next_cursor: nextCursor ?? null } };
  },
});

export const chooseDefaultMethod = defineRoute({
  summary: 'Choose the default payment method',
  body: emptyBody,
  reply: { status: 200, description: 'It is charged from now on where none is named.', schema: paymentMethodReply },
  errors: ['customer_not_found', 'payment_method_not_found', 'payments_not_configured'],
  handle: async (api, call) => {
    const { environmentId, params } = call;
    if (!(await api.payments.isConfigured(environmentId))) return notConfigured;
    const customer = { environmentId, customerId: params.customer_id };
    return once(api, call, async () => {
      const chosen = await api.payments.chooseMethod(customer, params.payment_method_id);
      if (chosen.status === 'no_method') return absent(api, call);
      return chosen.status === 'done' ? { status: 200, body: show(chosen.value) } : refusePayment(chosen, call);
    });
  },
});

export const removePaymentMethod = defineRoute({
  summary: 'Remove a payment method',
  reply: { status: 204, description: 'Removed, at Stripe too.' },
  errors: ['customer_not_found', 'payment_method_not_found', 'payments_not_configured'],
  handle: async (api, call): Promise<Answer> => {
    const { environmentId, params } = call;
    const customer = { environmentId, customerId: params.customer_id };
    const removed = await api.payments.removeMethod(customer, params.payment_method_id);
    switch (removed.status) {
      case 'done':
        return { status: 204 };
      case 'no_method':
      // Somebody else has just removed it.
      case 'refused':
        return absent(api, call);
      case 'unavailable':
      case 'unknown':
      case 'not_configured':
        return refusePayment(removed, call);
    }
  },
});

async function absent(api: Api, { environmentId, params }: Call): Promise<Answer> {
  return (await api.ledger.findCustomer(environmentId, params.customer_id)) ? noMethod : noCustomer;
}

/** Keeps what was answered, so that a repeat is told the same. */
async function once(api: Api, call: Call, work: (operationId: string) => Promise<Answer>): Promise<Answer> {
  const { environmentId } = call;
  const { id, fingerprint } = operationFor(api, call);
  const known = await api.ledger.findReply(environmentId, id, fingerprint);
  if (known.status === 'found') return { status: 200, text: known.reply, replayed: true };
  if (known.status === 'conflict') {
    return refuse('idempotency_conflict', 'the Idempotency-Key came with another body before');
  }
  const answer = await work(id);
  if (!('body' in answer)) return answer;
  const text = JSON.stringify(answer.body);
  return { status: 200, text: await api.ledger.rememberReply(environmentId, id, fingerprint, text) };
}

function show({ id, type, card, isDefault, createdAtMs }: PaymentMethodRecord): PaymentMethod {
  return {
    id,
    type,
    card: card ? { brand: card.brand, last4: card.last4, exp_month: card.expMonth, exp_year: card.expYear } : null,
    default: isDefault,
    created_at: formatTime(createdAtMs),
  };
}
