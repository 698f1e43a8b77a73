// Subscriptions: which version of a product prices a customer. They travel with the wallet, so a change is answered when
// the wallet in Redis has it, and every request that starts after the reply goes by it.
import { z } from '@hono/zod-openapi';
import type { Subscription as SubscriptionReply, SubscriptionMigration } from '../contract.ts';
import type { Subscription } from '../records.ts';
import { refuse, type Answer } from './answer.ts';
import type { ConfigChange } from './deps.ts';
import { operationFor } from './idempotency.ts';
import { differences, migrationEvents, refuseVersions } from './migrate-version.ts';
import { listAnswer, pageOf, pageQuery, pageSchema } from './paging.ts';
import { differencesOf } from './price-difference.ts';
import { defineRoute, type Api, type Call } from './route.ts';
import { emptyBody, timeOut } from './schemas.ts';
import { answerChanged } from './tell-wallet.ts';
import { formatTime, formatTimeOrNull } from './time.ts';

const versionMax = 999_999_999;
const version = z.int().min(1).max(versionMax);

export const subscriptionBody = z
  .strictObject({
    product_id: z.string().min(1),
    version: version.optional().openapi({ description: 'A published one; absent: the latest that is published.' }),
  })
  .openapi('SubscriptionRequest');

export const migrateBody = z
  .strictObject({
    version,
    dry_run: z.boolean().default(false).openapi({ description: 'Move nothing: show what events would cost.' }),
    events: z.int().min(0).max(100).default(20).openapi({ description: 'Of a dry run: the last so many.' }),
  })
  .openapi('MigrateRequest');

export const subscriptionReply = z
  .object({
    id: z.string(),
    customer_id: z.string(),
    product_id: z.string(),
    version: z.int(),
    status: z.enum(['active', 'canceled']),
    created_at: timeOut,
    changed_at: timeOut.openapi({ description: 'When it was made, migrated or canceled last.' }),
    canceled_at: timeOut.nullable(),
  })
  .openapi('Subscription');

const effective = '`not_yet_effective`: it is done, and the wallet in Redis has not been told.';

const subscriptionMigrationReply = z
  .object({
    dry_run: z.literal(true),
    customer_id: z.string(),
    subscription_id: z.string(),
    product_id: z.string(),
    from: z.int(),
    to: z.int(),
    events: migrationEvents,
    difference: differences,
  })
  .openapi('SubscriptionMigration');

export const createSubscription = defineRoute({
  summary: 'Subscribe a customer to a product',
  description: `It stays on its version until it is migrated. One active subscription to a product at a time; ${effective}`,
  body: subscriptionBody,
  reply: { status: 201, description: 'The subscription.', schema: subscriptionReply },
  errors: [
    'product_not_found',
    'version_not_found',
    'version_not_published',
    'subscription_exists',
    'too_many_subscriptions',
    'not_yet_effective',
  ],
  handle: async (api, call) => {
    const { environmentId, body } = call;
    const asked = { ...changeOf(api, call), productId: body.product_id, version: body.version };
    const made = await api.ledger.createSubscription(environmentId, asked);
    return made.status === 'changed' ? answerChanged(api, call, 201, made) : refusals[made.status];
  },
});

export const listSubscriptions = defineRoute({
  summary: "List a customer's subscriptions, canceled ones too",
  query: pageQuery,
  reply: { status: 200, description: 'Newest first.', schema: pageSchema(subscriptionReply) },
  errors: [],
  handle: async (api, { environmentId, params: { customer_id: customerId }, query }) => {
    if (!(await api.ledger.findCustomer(environmentId, customerId))) return refusals.no_customer;
    return listAnswer(await api.ledger.listSubscriptions(environmentId, customerId, pageOf(query)), show);
  },
});

export const cancelSubscription = defineRoute({
  summary: 'Cancel a subscription',
  description: `For good: the customer may subscribe to the product anew. ${effective}`,
  body: emptyBody,
  reply: { status: 200, description: 'Canceled.', schema: subscriptionReply },
  errors: ['subscription_canceled', 'not_yet_effective'],
  handle: async (api, call) => {
    const asked = { ...changeOf(api, call), subscriptionId: call.params.subscription_id };
    const made = await api.ledger.cancelSubscription(call.environmentId, asked);
    return made.status === 'changed' ? answerChanged(api, call, 200, made) : refusals[made.status];
  },
});

export const migrateSubscription = defineRoute({
  summary: 'Move a subscription to another version of its product',
  description: `Later or earlier, but published. With \`dry_run\` nothing is moved, and the reply shows what the last events that were charged or settled cost by both versions. ${effective}`,
  body: migrateBody,
  reply: {
    status: 200,
    description: 'On that version; or what would come of it.',
    schema: z.union([subscriptionReply, subscriptionMigrationReply]),
  },
  errors: ['version_not_found', 'version_not_published', 'subscription_canceled', 'not_yet_effective'],
  handle: async (api, call) => {
    const { params, body } = call;
    if (body.dry_run) return showMigration(api, call);
    const asked = { ...changeOf(api, call), subscriptionId: params.subscription_id, version: body.version };
    const made = await api.ledger.migrateSubscription(call.environmentId, asked);
    return made.status === 'changed' ? answerChanged(api, call, 200, made) : refusals[made.status];
  },
});

async function showMigration(api: Api, call: Call<z.output<typeof migrateBody>>): Promise<Answer> {
  const { environmentId, params, body } = call;
  const { customer_id: customerId, subscription_id: subscriptionId } = params;
  const found = await api.ledger.findSubscription(environmentId, customerId, subscriptionId);
  if (!found) {
    const isCustomer = await api.ledger.findCustomer(environmentId, customerId);
    return isCustomer ? refusals.no_subscription : refusals.no_customer;
  }
  if (found.canceledAtMs !== undefined) return refusals.canceled;
  const { productId, version: from } = found;
  const refused = await refuseVersions(api, environmentId, { productId, from, to: body.version });
  if (refused) return refused;
  const change = { productId, from, to: body.version };
  const { events, difference } = await differencesOf(api, environmentId, customerId, change, body.events);
  const shown: SubscriptionMigration = {
    ...{ dry_run: true, customer_id: customerId, subscription_id: subscriptionId, product_id: productId },
    ...{ from, to: body.version, events, difference },
  };
  return { status: 200, body: shown };
}

const refusals = {
  no_customer: refuse('customer_not_found', 'there is no such customer in this environment'),
  no_product: refuse('product_not_found', 'there is no such product in this environment'),
  no_version: refuse('version_not_found', 'the product has no such version'),
  no_subscription: refuse('subscription_not_found', 'this customer has no such subscription'),
  not_published: refuse('version_not_published', 'the product has no such version that is published'),
  exists: refuse('subscription_exists', 'this customer has an active subscription to the product'),
  canceled: refuse('subscription_canceled', 'the subscription was canceled before'),
  too_many_subscriptions: refuse('too_many_subscriptions', 'this customer has as many as there may be'),
  conflict: refuse('idempotency_conflict', 'the Idempotency-Key came with another body before'),
} as const;

function changeOf(api: Api, call: Call): ConfigChange<Subscription> {
  const { id: operationId, fingerprint } = operationFor(api, call);
  const replyOf = (subscription: Subscription) => JSON.stringify(show(subscription));
  return { customerId: call.params.customer_id, operationId, fingerprint, replyOf };
}

function show(subscription: Subscription): SubscriptionReply {
  const { canceledAtMs } = subscription;
  return {
    id: subscription.id,
    customer_id: subscription.customerId,
    product_id: subscription.productId,
    version: subscription.version,
    status: canceledAtMs === undefined ? 'active' : 'canceled',
    created_at: formatTime(subscription.createdAtMs),
    changed_at: formatTime(subscription.changedAtMs),
    canceled_at: formatTimeOrNull(canceledAtMs),
  };
}
