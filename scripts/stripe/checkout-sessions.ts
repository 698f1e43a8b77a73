// Checkout sessions: https://docs.stripe.com/api/checkout/sessions. What the payer does on their page is in checkout-page.ts.
import { z } from 'zod';
import { findCustomer } from './customers.ts';
import {
  expand,
  flag,
  invalid,
  list,
  listParams,
  metadata,
  missing,
  ok,
  read,
  text,
  whole,
  type Params,
  type Reply,
} from './reply.ts';
import { makeId, type CheckoutSession, type World } from './world.ts';

const lineItem = z.strictObject({
  quantity: whole.min(1),
  price_data: z.strictObject({
    currency: z.string().regex(/^[A-Za-z]{3}$/),
    unit_amount: whole.min(0),
    tax_behavior: z.enum(['exclusive', 'inclusive', 'unspecified']).optional(),
    product_data: z.strictObject({ name: text, description: text.optional(), tax_code: text.optional() }),
  }),
});
const created = z.strictObject({
  mode: z.enum(['payment', 'setup']),
  success_url: text,
  cancel_url: text.optional(),
  automatic_tax: z.strictObject({ enabled: flag }).optional(),
  billing_address_collection: z.enum(['auto', 'required']).optional(),
  client_reference_id: text.optional(),
  currency: text.optional(),
  customer: text.optional(),
  customer_update: z.strictObject({ address: z.enum(['auto', 'never']).optional() }).optional(),
  expires_at: whole.optional(),
  line_items: z.array(lineItem).optional(),
  metadata: metadata.optional(),
  payment_intent_data: z
    .strictObject({
      description: text.optional(),
      metadata: metadata.optional(),
      receipt_email: text.optional(),
      setup_future_usage: z.enum(['off_session', 'on_session']).optional(),
    })
    .optional(),
  allowed_payment_method_types: z.array(z.literal('card')).optional(),
  setup_intent_data: z.strictObject({ metadata: metadata.optional() }).optional(),
  expand,
});

const lifetimeSeconds = 86_400;
/** The tax of the stand-in's only country, in percent. */
const taxPercent = 10;

export function createCheckoutSession(world: World, params: Params): Reply {
  const given = read(created, params);
  if (given.status === 'wrong') return given.reply;
  const { mode, customer = null, line_items = [], payment_intent_data, setup_intent_data } = given.value;
  const found = customer === null ? undefined : findCustomer(world, customer);
  if (found && 'status' in found) return found;
  if (mode === 'payment' && line_items.length === 0) {
    return invalid('Missing required param: line_items.', { code: 'parameter_missing', param: 'line_items' });
  }
  if (mode === 'setup' && !given.value.currency && !given.value.allowed_payment_method_types) {
    return invalid('Missing required param: currency.', { code: 'parameter_missing', param: 'currency' });
  }
  const subtotal = line_items.reduce((sum, item) => sum + item.quantity * item.price_data.unit_amount, 0);
  const session = makeSession(world, { ...given.value, customer, subtotal });
  world.books.checkoutSessions[session.id] = session;
  world.books.checkoutTerms[session.id] = {
    description: line_items.map((item) => item.price_data.product_data.name).join(', ') || 'Save a payment method',
    intentMetadata: (mode === 'payment' ? payment_intent_data?.metadata : setup_intent_data?.metadata) ?? {},
    receiptEmail: payment_intent_data?.receipt_email ?? null,
    savesMethod: mode === 'setup' || payment_intent_data?.setup_future_usage === 'off_session',
  };
  return ok(session);
}

function makeSession(
  world: World,
  terms: Omit<z.output<typeof created>, 'customer'> & { customer: string | null; subtotal: number },
): CheckoutSession {
  const { mode, subtotal } = terms;
  const id = makeId('cs_test');
  const isPayment = mode === 'payment';
  const isTaxed = terms.automatic_tax?.enabled === true;
  const tax = isTaxed ? Math.round((subtotal * taxPercent) / 100) : 0;
  return {
    id,
    object: 'checkout.session',
    adaptive_pricing: null,
    after_expiration: null,
    allow_promotion_codes: null,
    allowed_payment_method_types: null,
    amount_subtotal: isPayment ? subtotal : null,
    amount_total: isPayment ? subtotal + tax : null,
    automatic_tax: {
      enabled: isTaxed,
      liability: isTaxed ? { type: 'self' } : null,
      provider: isTaxed ? 'stripe' : null,
      status: isTaxed ? 'complete' : null,
    },
    billing_address_collection: terms.billing_address_collection ?? null,
    cancel_url: terms.cancel_url ?? null,
    client_reference_id: terms.client_reference_id ?? null,
    client_secret: null,
    collected_information: null,
    consent: null,
    consent_collection: null,
    created: world.nowSeconds(),
    currency: terms.line_items?.[0]?.price_data.currency.toLowerCase() ?? terms.currency ?? null,
    currency_conversion: null,
    custom_fields: [],
    custom_text: { after_submit: null, shipping_address: null, submit: null, terms_of_service_acceptance: null },
    customer: terms.customer,
    customer_account: null,
    customer_creation: null,
    customer_details: null,
    customer_email: null,
    discounts: null,
    expires_at: terms.expires_at ?? world.nowSeconds() + lifetimeSeconds,
    integration_identifier: null,
    invoice: null,
    invoice_creation: null,
    livemode: false,
    locale: null,
    managed_payments: null,
    metadata: terms.metadata ?? {},
    mode,
    origin_context: null,
    payment_intent: null,
    payment_link: null,
    payment_method_collection: 'always',
    payment_method_configuration_details: null,
    payment_method_options: {},
    payment_method_types: ['card'],
    payment_status: isPayment ? 'unpaid' : 'no_payment_required',
    permissions: null,
    recovered_from: null,
    saved_payment_method_options: null,
    setup_intent: null,
    shipping_address_collection: null,
    shipping_cost: null,
    shipping_options: [],
    status: 'open',
    submit_type: null,
    subscription: null,
    success_url: terms.success_url,
    total_details: isPayment ? { amount_discount: 0, amount_shipping: 0, amount_tax: tax } : null,
    ui_mode: null,
    url: `${world.url}/c/pay/${id}`,
    wallet_options: null,
  };
}

export function expireCheckoutSession(world: World, id: string, params: Params): Reply {
  const given = read(z.strictObject({ expand }), params);
  if (given.status === 'wrong') return given.reply;
  const session = world.books.checkoutSessions[id];
  if (!session) return missing('checkout.session', id, 'session');
  if (session.status !== 'open') {
    return invalid(
      `Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a status of ${session.status}.`,
    );
  }
  session.status = 'expired';
  session.url = null;
  world.emit('checkout.session.expired', session);
  return ok(session);
}

export function getCheckoutSession({ books }: World, id: string): Reply {
  const session = books.checkoutSessions[id];
  return session ? ok(session) : missing('checkout.session', id, 'session');
}

const listed = z.strictObject({ ...listParams, customer: text.optional(), payment_intent: text.optional() });

export function listCheckoutSessions({ books }: World, params: Params): Reply {
  const given = read(listed, params);
  if (given.status === 'wrong') return given.reply;
  const { customer, payment_intent } = given.value;
  const all = Object.values(books.checkoutSessions).filter(
    (session) =>
      (customer === undefined || session.customer === customer) &&
      (payment_intent === undefined || session.payment_intent === payment_intent),
  );
  return list('/v1/checkout/sessions', all, given.value);
}
