// Everybody who is subscribed to a version of a product, one after the other, and what they used last.
//
// Each customer is moved in a transaction of its own. Whoever has been moved is not subscribed to that version any more, so
// that what broke off is simply begun again.
import { and, asc, count, desc, eq, gt, inArray, sql as raw } from 'drizzle-orm';
import type { Subscription, UsedEntries, WalletConfig } from '../records.ts';
import { changeConfig } from './change-config.ts';
import { orm, type Sql } from './connect.ts';
import { countersOf, toEntry } from './entries.ts';
import { counters, entries, subscriptions } from './schema.ts';
import { findActive, updateSubscription } from './subscriptions.ts';
import { readWalletConfig } from './wallet-config.ts';

type OfVersion = { productId: string; version: number };

function subscribedTo(environmentId: string, { productId, version }: OfVersion) {
  return and(
    eq(subscriptions.environmentId, environmentId),
    eq(subscriptions.productId, productId),
    eq(subscriptions.version, version),
    eq(subscriptions.status, 'active'),
  );
}

/** In the order of the customers' ids; `after` is the last one that was seen. */
export async function listSubscribed(
  sql: Sql,
  environmentId: string,
  { after, limit, ...of }: OfVersion & { after: string | undefined; limit: number },
): Promise<{ customerId: string; subscriptionId: string }[]> {
  return orm(sql)
    .select({ customerId: subscriptions.customerId, subscriptionId: subscriptions.id })
    .from(subscriptions)
    .where(and(subscribedTo(environmentId, of), after === undefined ? undefined : gt(subscriptions.customerId, after)))
    .orderBy(asc(subscriptions.customerId))
    .limit(limit);
}

export async function countSubscribed(sql: Sql, environmentId: string, of: OfVersion): Promise<number> {
  const [row] = await orm(sql)
    .select({ customers: count() })
    .from(subscriptions)
    .where(subscribedTo(environmentId, of));
  return row?.customers ?? 0;
}

/** Unless it has been canceled or moved meanwhile. `to` is published. */
export async function moveSubscription(
  sql: Sql,
  environmentId: string,
  { customerId, subscriptionId, from, to }: { customerId: string; subscriptionId: string; from: number; to: number },
): Promise<{ status: 'moved' | 'left'; unpushed: WalletConfig | undefined }> {
  const named = { customerId, subscriptionId };
  const changed = await changeConfig<Subscription, 'left'>(sql, { environmentId, customerId }, async (transaction) => {
    const found = await findActive(transaction, environmentId, named);
    if (found.status !== 'active' || found.subscription.version !== from) return { status: 'left' };
    return updateSubscription(transaction, environmentId, named, { version: to });
  });
  return 'made' in changed ? { status: 'moved', unpushed: changed.unpushed } : { status: 'left', unpushed: undefined };
}

export async function readConfig(sql: Sql, environmentId: string, customerId: string): Promise<WalletConfig> {
  return (await readWalletConfig(orm(sql), { environmentId, customerId })).config;
}

/** What was charged or settled by event. */
export async function listPricedEvents(
  sql: Sql,
  environmentId: string,
  walletId: string,
  limit: number,
): Promise<UsedEntries> {
  const ofWallet = (table: typeof entries | typeof counters) =>
    and(eq(table.environmentId, environmentId), eq(table.walletId, walletId));
  return orm(sql).transaction(
    async (transaction) => {
      const rows = await transaction
        .select()
        .from(entries)
        .where(
          and(
            ofWallet(entries),
            inArray(entries.kind, ['charge', 'settle']),
            // As the API writes what a caller attached: an event of a batch begins with its id.
            raw`(starts_with(${entries.attached}, '{"event_type":') or starts_with(${entries.attached}, '{"event_id":'))`,
          ),
        )
        .orderBy(desc(entries.version))
        .limit(limit);
      const standing = await transaction
        .select({ name: counters.name, packed: counters.packed })
        .from(counters)
        .where(ofWallet(counters));
      const used = rows.map((row) => ({
        ...toEntry(row),
        heldSinceMs: row.holdCreatedAt ?? undefined,
        counters: countersOf(row),
      }));
      return { entries: used, counters: standing };
    },
    { isolationLevel: 'repeatable read', accessMode: 'read only' },
  );
}
