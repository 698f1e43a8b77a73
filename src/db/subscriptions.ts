// Subscriptions: which version of a product prices a customer. Each stays on its version until it is moved.
//
// A change and the reply to its request are kept in one transaction, with the customer's row locked. What the wallet in
// Redis is to be told comes back with the reply, for a repeat too, as long as Redis is not known to have it.
import { randomBytes } from 'node:crypto';
import { and, count, desc, eq, max, sql as raw } from 'drizzle-orm';
import { subscriptionsMax } from '../limits.ts';
import type { PageRequest, Subscription, WalletConfig } from '../records.ts';
import type { PgUpdateSetSource } from 'drizzle-orm/pg-core';
import { orm, type Orm, type Sql } from './connect.ts';
import { cursorOf, pageOf, type Listed } from './page.ts';
import { findReplyIn, keepReply } from './replies.ts';
import { products, productVersions, subscriptions } from './schema.ts';
import { lockWalletConfig, raiseWalletConfig, readWalletConfig } from './wallet-config.ts';

type Transaction = Parameters<Parameters<Orm['transaction']>[0]>[0];

type Asked = {
  customerId: string;
  operationId: string;
  fingerprint: string;
  /** Makes the reply, which is remembered for an hour. */
  replyOf: (subscription: Subscription) => string;
};

export type Changed = {
  status: 'changed';
  reply: string;
  isRepeat: boolean;
  /** What Redis is not known to have. */
  unpushed: WalletConfig | undefined;
};

type NotCreated = 'no_product' | 'no_version' | 'not_published' | 'exists' | 'too_many_subscriptions';
type NotCanceled = 'no_subscription' | 'canceled';
type NotMigrated = NotCanceled | 'no_version' | 'not_published';
type Change<Refusal> = Changed | { status: 'no_customer' | 'conflict' | Refusal };

const cursors = cursorOf('number', 'text');

export async function createSubscription(
  sql: Sql,
  environmentId: string,
  asked: Asked & { productId: string; version: number | undefined },
): Promise<Change<NotCreated>> {
  const { customerId, productId } = asked;
  return change<NotCreated>(sql, environmentId, asked, async (transaction) => {
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
    return { status: 'changed', subscription: toSubscription(row) };
  });
}

export async function cancelSubscription(
  sql: Sql,
  environmentId: string,
  asked: Asked & { subscriptionId: string },
): Promise<Change<NotCanceled>> {
  return change<NotCanceled>(sql, environmentId, asked, async (transaction) => {
    const found = await findActive(transaction, environmentId, asked);
    if (found.status !== 'active') return found;
    return update(transaction, environmentId, asked, { status: 'canceled', canceledAt: raw`now()` });
  });
}

/** To another published version of its product, a later or an earlier one; to its own: nothing changes. */
export async function migrateSubscription(
  sql: Sql,
  environmentId: string,
  asked: Asked & { subscriptionId: string; version: number },
): Promise<Change<NotMigrated>> {
  return change<NotMigrated>(sql, environmentId, asked, async (transaction) => {
    const found = await findActive(transaction, environmentId, asked);
    if (found.status !== 'active') return found;
    const { productId, version } = found.subscription;
    if (version === asked.version) return { status: 'unchanged', subscription: found.subscription };
    const chosen = await chooseVersion(transaction, environmentId, productId, asked.version);
    if (typeof chosen !== 'number') {
      if (chosen.status === 'no_product') throw new Error(`subscription to ${productId}, which is not there`);
      return { status: chosen.status };
    }
    return update(transaction, environmentId, asked, { version: chosen });
  });
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

type Outcome<Refusal> = { status: 'changed' | 'unchanged'; subscription: Subscription } | { status: Refusal };

/** Customer and operation first, then `work`: what it changed is kept together with its reply. */
async function change<Refusal extends string>(
  sql: Sql,
  environmentId: string,
  asked: Asked,
  work: (transaction: Transaction) => Promise<Outcome<Refusal>>,
): Promise<Change<Refusal>> {
  const { customerId, operationId, fingerprint } = asked;
  const customer = { environmentId, customerId };
  return orm(sql).transaction(async (transaction) => {
    if (!(await lockWalletConfig(transaction, customer))) return { status: 'no_customer' };
    const known = await findReplyIn(transaction, environmentId, operationId, fingerprint);
    if (known.status === 'conflict') return known;
    let reply = known.status === 'found' ? known.reply : undefined;
    if (reply === undefined) {
      const done = await work(transaction);
      if (!('subscription' in done)) return done;
      if (done.status === 'changed') await raiseWalletConfig(transaction, customer);
      reply = asked.replyOf(done.subscription);
      await keepReply(transaction, environmentId, operationId, fingerprint, reply);
    }
    const { config, isPushed } = await readWalletConfig(transaction, customer);
    return { status: 'changed', reply, isRepeat: known.status === 'found', unpushed: isPushed ? undefined : config };
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

async function findActive(
  on: Pick<Orm, 'select'>,
  environmentId: string,
  named: Named,
): Promise<{ status: 'active'; subscription: Subscription } | { status: 'no_subscription' | 'canceled' }> {
  const [row] = await on.select().from(subscriptions).where(ofNamed(environmentId, named));
  if (!row) return { status: 'no_subscription' };
  return row.status === 'canceled' ? { status: 'canceled' } : { status: 'active', subscription: toSubscription(row) };
}

async function update(
  on: Pick<Orm, 'update'>,
  environmentId: string,
  named: Named,
  set: PgUpdateSetSource<typeof subscriptions>,
): Promise<{ status: 'changed'; subscription: Subscription }> {
  const [row] = await on
    .update(subscriptions)
    .set({ ...set, changedAt: raw`now()` })
    .where(ofNamed(environmentId, named))
    .returning();
  if (!row) throw new Error('a subscription was changed, and Postgres returned no row');
  return { status: 'changed', subscription: toSubscription(row) };
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
