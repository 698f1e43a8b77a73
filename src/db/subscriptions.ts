// Subscriptions: which version of a product prices a customer. Each stays on its version until it is moved.
import { randomBytes } from 'node:crypto';
import { and, count, desc, eq, max, sql as raw } from 'drizzle-orm';
import { subscriptionsMax } from '../limits.ts';
import type { PageRequest, Subscription } from '../records.ts';
import type { PgUpdateSetSource } from 'drizzle-orm/pg-core';
import { changeConfigOnce, type Asked, type ChangeOnce } from './change-config.ts';
import { orm, type Orm, type Sql } from './connect.ts';
import { cursorOf, pageOf, type Listed } from './page.ts';
import { products, productVersions, subscriptions } from './schema.ts';

type NotCreated = 'no_product' | 'no_version' | 'not_published' | 'exists' | 'too_many_subscriptions';
type NotCanceled = 'no_subscription' | 'canceled';
type NotMigrated = NotCanceled | 'no_version' | 'not_published';

const cursors = cursorOf('number', 'text');

export async function createSubscription(
  sql: Sql,
  environmentId: string,
  asked: Asked<Subscription> & { productId: string; version: number | undefined },
): Promise<ChangeOnce<NotCreated>> {
  const { customerId, productId } = asked;
  return changeConfigOnce<Subscription, NotCreated>(sql, environmentId, asked, async (transaction) => {
    const chosen = await chooseVersion(transaction, environmentId, productId, asked.version);
    if (typeof chosen !== 'number') return chosen;
    const [active] = await transaction
      .select({ active: count() })
      .from(subscriptions)
      .where(
        and(
          eq(subscriptions.environmentId, environmentId),
          eq(subscriptions.customerId, customerId),
          eq(subscriptions.status, 'active'),
        ),
      );
    if ((active?.active ?? 0) >= subscriptionsMax) return { status: 'too_many_subscriptions' };
    const id = `sub_${randomBytes(16).toString('base64url')}`;
    const [row] = await transaction
      .insert(subscriptions)
      .values({ environmentId, id, customerId, productId, version: chosen })
      .onConflictDoNothing()
      .returning();
    if (!row) return { status: 'exists' };
    return { status: 'changed', made: toSubscription(row) };
  });
}

export async function cancelSubscription(
  sql: Sql,
  environmentId: string,
  asked: Asked<Subscription> & { subscriptionId: string },
): Promise<ChangeOnce<NotCanceled>> {
  return changeConfigOnce<Subscription, NotCanceled>(sql, environmentId, asked, async (transaction) => {
    const found = await findActive(transaction, environmentId, asked);
    if (found.status !== 'active') return found;
    return updateSubscription(transaction, environmentId, asked, { status: 'canceled', canceledAt: raw`now()` });
  });
}

/** To another published version of its product, a later or an earlier one; to its own: nothing changes. */
export async function migrateSubscription(
  sql: Sql,
  environmentId: string,
  asked: Asked<Subscription> & { subscriptionId: string; version: number },
): Promise<ChangeOnce<NotMigrated>> {
  return changeConfigOnce<Subscription, NotMigrated>(sql, environmentId, asked, async (transaction) => {
    const found = await findActive(transaction, environmentId, asked);
    if (found.status !== 'active') return found;
    const { productId, version } = found.subscription;
    if (version === asked.version) return { status: 'unchanged', made: found.subscription };
    const chosen = await chooseVersion(transaction, environmentId, productId, asked.version);
    if (typeof chosen !== 'number') {
      if (chosen.status === 'no_product') throw new Error(`subscription to ${productId}, which is not there`);
      return { status: chosen.status };
    }
    return updateSubscription(transaction, environmentId, asked, { version: chosen });
  });
}

/** A canceled one, too. */
export async function findSubscription(
  sql: Sql,
  environmentId: string,
  customerId: string,
  subscriptionId: string,
): Promise<Subscription | undefined> {
  const [row] = await orm(sql)
    .select()
    .from(subscriptions)
    .where(ofNamed(environmentId, { customerId, subscriptionId }));
  return row && toSubscription(row);
}

/** Canceled ones too. */
export async function listSubscriptions(
  sql: Sql,
  environmentId: string,
  customerId: string,
  page: PageRequest,
): Promise<Listed<Subscription>> {
  const after = cursors.read(page.cursor);
  if (after === 'bad_cursor') return after;
  const { createdAt, id } = subscriptions;
  const rows = await orm(sql)
    .select()
    .from(subscriptions)
    .where(
      and(
        eq(subscriptions.environmentId, environmentId),
        eq(subscriptions.customerId, customerId),
        after && raw`(${createdAt}, ${id}) < (to_timestamp(${after[0]}::float8 / 1000), ${after[1]})`,
      ),
    )
    .orderBy(desc(createdAt), desc(id))
    .limit(page.limit + 1);
  return pageOf(rows, {
    limit: page.limit,
    item: toSubscription,
    cursor: (row) => cursors.write([row.createdAt, row.id]),
  });
}

/** The one that is asked for, or the latest that is published. */
async function chooseVersion(
  on: Pick<Orm, 'select'>,
  environmentId: string,
  productId: string,
  version: number | undefined,
): Promise<number | { status: 'no_product' | 'no_version' | 'not_published' }> {
  const [product] = await on
    .select({ id: products.id })
    .from(products)
    .where(and(eq(products.environmentId, environmentId), eq(products.id, productId)));
  if (!product) return { status: 'no_product' };
  const ofProduct = and(eq(productVersions.environmentId, environmentId), eq(productVersions.productId, productId));
  if (version === undefined) {
    const [latest] = await on
      .select({ version: max(productVersions.version) })
      .from(productVersions)
      .where(and(ofProduct, eq(productVersions.status, 'published')));
    return latest?.version ?? { status: 'not_published' };
  }
  const [named] = await on
    .select({ status: productVersions.status })
    .from(productVersions)
    .where(and(ofProduct, eq(productVersions.version, version)));
  if (!named) return { status: 'no_version' };
  return named.status === 'published' ? version : { status: 'not_published' };
}

type Named = { customerId: string; subscriptionId: string };

export async function findActive(
  on: Pick<Orm, 'select'>,
  environmentId: string,
  named: Named,
): Promise<{ status: 'active'; subscription: Subscription } | { status: 'no_subscription' | 'canceled' }> {
  const [row] = await on.select().from(subscriptions).where(ofNamed(environmentId, named));
  if (!row) return { status: 'no_subscription' };
  return row.status === 'canceled' ? { status: 'canceled' } : { status: 'active', subscription: toSubscription(row) };
}

/** What it was on until now is kept, for events that are told of late. */
export async function updateSubscription(
  on: Pick<Orm, 'update' | 'execute'>,
  environmentId: string,
  named: Named,
  set: PgUpdateSetSource<typeof subscriptions>,
): Promise<{ status: 'changed'; made: Subscription }> {
  await on.execute(raw`
    insert into past_subscriptions (environment_id, customer_id, subscription_id, product_id, version, from_at, till_at)
    select environment_id, customer_id, id, product_id, version, changed_at, now()::timestamptz(3) from subscriptions
    where environment_id = ${environmentId} and id = ${named.subscriptionId} and changed_at < now()::timestamptz(3)`);
  const [row] = await on
    .update(subscriptions)
    .set({ ...set, changedAt: raw`now()` })
    .where(ofNamed(environmentId, named))
    .returning();
  if (!row) throw new Error('a subscription was changed, and Postgres returned no row');
  return { status: 'changed', made: toSubscription(row) };
}

function ofNamed(environmentId: string, { customerId, subscriptionId }: Named) {
  return and(
    eq(subscriptions.environmentId, environmentId),
    eq(subscriptions.id, subscriptionId),
    eq(subscriptions.customerId, customerId),
  );
}

function toSubscription(row: typeof subscriptions.$inferSelect): Subscription {
  return {
    id: row.id,
    customerId: row.customerId,
    productId: row.productId,
    version: row.version,
    createdAtMs: row.createdAt,
    changedAtMs: row.changedAt,
    canceledAtMs: row.canceledAt ?? undefined,
  };
}
