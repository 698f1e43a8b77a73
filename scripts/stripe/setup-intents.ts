// SetupIntents: a payment method that is saved for later. https://docs.stripe.com/api/setup_intents
import type Stripe from 'stripe';
import { z } from 'zod';
import { findCustomer } from './customers.ts';
import { attach, takePaymentMethod } from './payment-methods.ts';
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
  type Params,
  type Reply,
} from './reply.ts';
import { makeId, type World } from './world.ts';

const created = z.strictObject({
  confirm: flag.default(false),
  customer: text.optional(),
  description: text.optional(),
  metadata: metadata.optional(),
  payment_method: text.optional(),
  allowed_payment_method_types: z.array(z.literal('card')).optional(),
  usage: z.enum(['off_session', 'on_session']).default('off_session'),
  expand,
});

export function createSetupIntent(world: World, params: Params): Reply {
  const given = read(created, params);
  if (given.status === 'wrong') return given.reply;
  const { confirm, customer = null, payment_method, usage } = given.value;
  const found = customer === null ? undefined : findCustomer(world, customer);
  if (found && 'status' in found) return found;
  const intent = makeSetupIntent(world, { customer, usage, metadata: given.value.metadata ?? {} });
  return confirm ? saveMethod(world, intent, payment_method) : ok(intent);
}

export function makeSetupIntent(
  world: World,
  terms: { customer: string | null; usage: string; metadata: Record<string, string> },
): Stripe.SetupIntent {
  const id = makeId('seti');
  const intent: Stripe.SetupIntent = {
    id,
    object: 'setup_intent',
    allowed_payment_method_types: null,
    application: null,
    automatic_payment_methods: null,
    cancellation_reason: null,
    client_secret: `${id}_secret_${makeId('s').slice(2)}`,
    created: world.nowSeconds(),
    customer: terms.customer,
    customer_account: null,
    description: null,
    excluded_payment_method_types: null,
    flow_directions: null,
    last_setup_error: null,
    latest_attempt: null,
    livemode: false,
    mandate: null,
    metadata: terms.metadata,
    next_action: null,
    on_behalf_of: null,
    payment_method: null,
    payment_method_configuration_details: null,
    payment_method_options: {},
    payment_method_types: ['card'],
    single_use_mandate: null,
    status: 'requires_payment_method',
    usage: terms.usage,
  };
  world.books.setupIntents[id] = intent;
  world.emit('setup_intent.created', intent);
  return intent;
}

const confirmed = z.strictObject({ payment_method: text.optional(), return_url: text.optional(), expand });

export function confirmSetupIntent(world: World, id: string, params: Params): Reply {
  const given = read(confirmed, params);
  if (given.status === 'wrong') return given.reply;
  const intent = world.books.setupIntents[id];
  return intent ? saveMethod(world, intent, given.value.payment_method) : missing('setup_intent', id, 'intent');
}

/** Attaches the payment method to the intent's customer. */
export function saveMethod(world: World, intent: Stripe.SetupIntent, methodId: string | undefined): Reply {
  if (intent.status === 'succeeded') {
    return invalid('You cannot confirm this SetupIntent because it has already succeeded.', {
      code: 'setup_intent_unexpected_state',
    });
  }
  const method = methodId === undefined ? undefined : takePaymentMethod(world, methodId);
  if (!method) {
    return invalid(`No such PaymentMethod: '${methodId ?? ''}'`, { code: 'resource_missing', param: 'payment_method' });
  }
  const refused = typeof intent.customer === 'string' ? attach(world, method, intent.customer) : undefined;
  if (refused) {
    world.emit('setup_intent.setup_failed', intent);
    return refused;
  }
  intent.payment_method = method.id;
  intent.status = 'succeeded';
  world.emit('setup_intent.succeeded', intent);
  return ok(intent);
}

export function getSetupIntent({ books }: World, id: string): Reply {
  const intent = books.setupIntents[id];
  return intent ? ok(intent) : missing('setup_intent', id, 'intent');
}

const listed = z.strictObject({ ...listParams, customer: text.optional() });

export function listSetupIntents({ books }: World, params: Params): Reply {
  const given = read(listed, params);
  if (given.status === 'wrong') return given.reply;
  const { customer } = given.value;
  const all = Object.values(books.setupIntents).filter(
    (intent) => customer === undefined || intent.customer === customer,
  );
  return list('/v1/setup_intents', all, given.value);
}
