// POST /v1/products/{product_id}/versions/{version}/migrate: moves everybody who is subscribed to a version to another one,
// some customers with each call; or only shows what would become of their bills.
//
// There is no job that could be half done: a customer is moved at once, and is not on the version any more. A caller goes on until
// `customers_left` is 0; after whatever broke off, the next call takes up where it ended.
import { z } from '@hono/zod-openapi';
import type { Migration, MigrationCustomer } from '../contract.ts';
import { refuse, type Refused } from './answer.ts';
import { operationFor } from './idempotency.ts';
import { differencesOf, sumUp, type Change } from './price-difference.ts';
import { defineRoute, type Api, type Call } from './route.ts';
import { amountOut, customerId, timeOut } from './schemas.ts';
import { tellCustomer } from './tell-wallet.ts';
import { refuseTrouble } from './trouble.ts';

const customersMax = 100;
const eventsMax = 100;

const migrationBody = z
  .strictObject({
    to: z.int().min(1).max(999_999_999).openapi({ description: 'A published version of the same product.' }),
    dry_run: z.boolean().default(false).openapi({ description: 'Move nobody: show what events would cost.' }),
    events: z
      .int()
      .min(0)
      .max(eventsMax)
      .default(20)
      .openapi({ description: 'Of a dry run: the last so many of each.' }),
    limit: z.int().min(1).max(customersMax).default(50).openapi({ description: 'Customers of this call.' }),
    after: customerId.optional().openapi({ description: 'Of a dry run: go on behind this customer, `next_after`.' }),
  })
  .openapi('MigrationRequest');

const priced = z.union([
  z.array(z.object({ asset: z.string(), amount: amountOut })),
  z.object({ code: z.string() }).openapi({ description: 'It cannot be priced.' }),
]);
export const differences = z
  .array(
    z
      .object({ asset: z.string(), before: amountOut, after: amountOut, difference: amountOut })
      .openapi('MigrationDifference', { description: 'Signed: `after` − `before`.' }),
  )
  .openapi({ description: 'Over what can be priced.' });
export const migrationEvents = z.array(
  z
    .object({
      entry_id: z.string(),
      event_type: z.string(),
      occurred_at: timeOut,
      before: priced,
      after: priced,
    })
    .openapi('MigrationEvent'),
);

const migrationReply = z
  .object({
    product_id: z.string(),
    from: z.int(),
    to: z.int(),
    dry_run: z.boolean(),
    customers: z.array(
      z
        .object({
          customer_id: z.string(),
          subscription_id: z.string(),
          events: migrationEvents.optional(),
          difference: differences.optional(),
        })
        .openapi('MigrationCustomer'),
    ),
    difference: differences.optional().openapi({ description: 'Of a dry run: over the customers of this call.' }),
    customers_left: z.int().openapi({ description: 'How many are on the version after this call.' }),
    next_after: z
      .string()
      .nullable()
      .openapi({ description: 'Of a dry run: where the next call goes on; null: nowhere.' }),
  })
  .openapi('Migration');

export const migrateVersion = defineRoute({
  summary: 'Move the customers of a version to another one',
  description:
    'Each of them at once, `limit` with each call: repeat it until `customers_left` is 0. What breaks off is taken up by the next call. ' +
    'With `dry_run` nobody is moved, and the reply shows what the last events that were charged or settled cost by both versions, as if the customer had been moved just before the first of them. ' +
    'Default products price those who are not subscribed by their latest version; they are not moved. `not_yet_effective`: customers were moved, and one wallet in Redis has not been told.',
  body: migrationBody,
  reply: { status: 200, description: 'Moved, or what would come of it.', schema: migrationReply },
  errors: ['product_not_found', 'version_not_found', 'version_not_published', 'not_yet_effective'],
  handle: async (api, call) => {
    const { environmentId, params, body } = call;
    const change = { productId: params.product_id, from: Number(params.version), to: body.to };
    const refused = await refuseVersions(api, environmentId, change);
    if (refused) return refused;
    const isKept = !body.dry_run && !call.isKeyOwn;
    const operation = isKept ? operationFor(api, call) : undefined;
    const known = operation && (await api.ledger.findReply(environmentId, operation.id, operation.fingerprint));
    if (known?.status === 'found') return { status: 200, text: known.reply, replayed: true };
    if (known?.status === 'conflict') return refuseTrouble({ status: 'conflict' }, call);
    const listed = await api.ledger.listSubscribed(environmentId, {
      ...{ productId: change.productId, version: change.from, limit: body.limit },
      after: body.dry_run ? body.after : undefined,
    });
    const seen = body.dry_run ? await compare(api, call, change, listed) : await move(api, call, change, listed);
    if (seen.status === 'refused') return seen;
    const isMore = body.dry_run && listed.length === body.limit;
    const migration: Migration = {
      ...{ product_id: change.productId, from: change.from, to: change.to, dry_run: body.dry_run },
      ...seen.shown,
      customers_left: await api.ledger.countSubscribed(environmentId, {
        productId: change.productId,
        version: change.from,
      }),
      next_after: isMore ? (listed.at(-1)?.customerId ?? null) : null,
    };
    if (!operation) return { status: 200, body: migration };
    const { id, fingerprint } = operation;
    return {
      status: 200,
      text: await api.ledger.rememberReply(environmentId, id, fingerprint, JSON.stringify(migration)),
    };
  },
});

export async function refuseVersions(
  api: Pick<Api, 'ledger'>,
  environmentId: string,
  { productId, from, to }: Change,
): Promise<Refused | undefined> {
  for (const version of [from, to]) {
    const found = await api.ledger.findVersion(environmentId, { productId, version });
    if (!found && !(await api.ledger.findProduct(environmentId, productId))) {
      return refuse('product_not_found', 'there is no such product in this environment');
    }
    if (!found) return refuse('version_not_found', `the product has no version ${version}`);
    if (found.publishedAtMs === undefined) {
      return refuse('version_not_published', `version ${version} of the product is not published`);
    }
  }
  return undefined;
}

type Listed = { customerId: string; subscriptionId: string }[];
type Seen = { status: 'seen'; shown: Pick<Migration, 'customers' | 'difference'> } | Refused;

async function compare(
  api: Api,
  { environmentId, body }: Call<z.output<typeof migrationBody>>,
  change: Change,
  listed: Listed,
): Promise<Seen> {
  const customers: MigrationCustomer[] = [];
  const totals = [];
  for (const { customerId: customer_id, subscriptionId: subscription_id } of listed) {
    const compared = await differencesOf(api, environmentId, customer_id, change, body.events);
    totals.push(...compared.totals);
    customers.push({ customer_id, subscription_id, events: compared.events, difference: compared.difference });
  }
  return { status: 'seen', shown: { customers, difference: sumUp(totals) } };
}

/** One after the other: whoever was moved is told of before the next one is. */
async function move(api: Api, call: Call, { from, to }: Change, listed: Listed): Promise<Seen> {
  const { environmentId } = call;
  call.mayBeApplied = true;
  const customers: MigrationCustomer[] = [];
  if (from === to) return { status: 'seen', shown: { customers } };
  for (const named of listed) {
    const moved = await api.ledger.moveSubscription(environmentId, { ...named, from, to });
    const refused = await tellCustomer(api, call, named.customerId, moved.unpushed);
    if (refused) return refused;
    if (moved.status === 'moved') {
      customers.push({ customer_id: named.customerId, subscription_id: named.subscriptionId });
    }
  }
  return { status: 'seen', shown: { customers } };
}
