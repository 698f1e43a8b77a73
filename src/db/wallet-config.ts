// What travels with a wallet besides its money: subscriptions, budgets and scopes of grants, and the version that counts
// their changes.
//
// Whoever changes them has the customer's row, raises `config_version` in the same transaction, and tells Redis after the
// commit. `config_pushed_version` is how far Redis is known to have been told; a worker sees to the rest.
import { and, asc, desc, eq, gt, isNull, lt, sql as raw } from 'drizzle-orm';
import { eventAgeMaxMs, pastSubscriptionsMax } from '../limits.ts';
import type { Budget, WalletConfig } from '../records.ts';
import { noConfig } from '../wallet/config.ts';
import { orm, type Orm, type Sql } from './connect.ts';
import { budgets, customers, pastSubscriptions, subscriptions } from './schema.ts';
import { listScopes } from './scopes.ts';

type OfCustomer = { environmentId: string; customerId: string };

/** Where nothing was ever changed its version is 0. */
export async function readWalletConfig(
  on: Pick<Orm, 'select'>,
  { environmentId, customerId }: OfCustomer,
): Promise<{ config: WalletConfig; isPushed: boolean }> {
  const [customer] = await on
    .select({ version: customers.configVersion, pushedVersion: customers.configPushedVersion })
    .from(customers)
    .where(and(eq(customers.environmentId, environmentId), eq(customers.id, customerId)));
  if (!customer) throw new Error(`there is no customer ${customerId} in ${environmentId}`);
  const { version, pushedVersion } = customer;
  if (version === 0) return { config: noConfig, isPushed: true };
  const subscribed = await on
    .select({ productId: subscriptions.productId, version: subscriptions.version })
    .from(subscriptions)
    .where(
      and(
        eq(subscriptions.environmentId, environmentId),
        eq(subscriptions.customerId, customerId),
        eq(subscriptions.status, 'active'),
      ),
    )
    .orderBy(asc(subscriptions.createdAt), asc(subscriptions.id));
  const past = await on
    .select({
      productId: pastSubscriptions.productId,
      version: pastSubscriptions.version,
      fromMs: pastSubscriptions.fromAt,
      tillMs: pastSubscriptions.tillAt,
    })
    .from(pastSubscriptions)
    .where(
      and(
        eq(pastSubscriptions.environmentId, environmentId),
        eq(pastSubscriptions.customerId, customerId),
        gt(pastSubscriptions.tillAt, raw`now() - ${eventAgeMaxMs} * interval '1 millisecond'`),
      ),
    )
    .orderBy(desc(pastSubscriptions.tillAt), asc(pastSubscriptions.subscriptionId))
    .limit(pastSubscriptionsMax);
  const limits = await on
    .select()
    .from(budgets)
    .where(and(eq(budgets.environmentId, environmentId), eq(budgets.customerId, customerId), isNull(budgets.deletedAt)))
    .orderBy(asc(budgets.no));
  const scopes = await listScopes(on, { environmentId, customerId });
  const then = past.length > 0 ? { past } : {};
  const config = { version, subscriptions: subscribed, ...then, budgets: limits.map(toBudget), scopes };
  return { config, isPushed: pushedVersion >= version };
}

function toBudget({ no, id, asset, limit, period, match, isHard, alertAt }: typeof budgets.$inferSelect): Budget {
  const thresholds = alertAt.map((part) => String(thresholdOf(limit, part)));
  return { no, id, asset, limit: String(limit), period, match, enforcement: isHard ? 'hard' : 'alert', thresholds };
}

/** A part of a limit such as `0.8`, in atoms, rounded up: nobody is told too soon, nor before anything is spent. */
function thresholdOf(limit: bigint, part: string): bigint {
  const [whole = '0', decimals = ''] = part.split('.');
  const scale = 10n ** BigInt(decimals.length);
  const atoms = (limit * BigInt(whole + decimals) + scale - 1n) / scale;
  return atoms > 0n ? atoms : 1n;
}

/** False when there is no such customer. Until this transaction ends, nobody else changes what the wallet carries. */
export async function lockWalletConfig(
  on: Pick<Orm, 'select'>,
  { environmentId, customerId }: OfCustomer,
): Promise<boolean> {
  const rows = await on
    .select({ id: customers.id })
    .from(customers)
    .where(and(eq(customers.environmentId, environmentId), eq(customers.id, customerId)))
    .for('no key update');
  return rows.length > 0;
}

export async function raiseWalletConfig(
  on: Pick<Orm, 'update'>,
  { environmentId, customerId }: OfCustomer,
): Promise<void> {
  await on
    .update(customers)
    .set({ configVersion: raw`${customers.configVersion} + 1` })
    .where(and(eq(customers.environmentId, environmentId), eq(customers.id, customerId)));
}

/** The wallet in Redis has this version, or takes a later one when it is loaded. */
export async function noteConfigPushed(
  sql: Sql,
  { environmentId, customerId }: OfCustomer,
  version: number,
): Promise<void> {
  await orm(sql)
    .update(customers)
    .set({ configPushedVersion: raw`greatest(${customers.configPushedVersion}, ${version}::bigint)` })
    .where(and(eq(customers.environmentId, environmentId), eq(customers.id, customerId)));
}

/** Changed, and not known to be in Redis: those that come after `after`, in the order of their ids. */
export async function listConfigsToPush(
  sql: Sql,
  { after, limit }: { after: OfCustomer | undefined; limit: number },
): Promise<(OfCustomer & { config: WalletConfig })[]> {
  const due = await orm(sql)
    .select({ environmentId: customers.environmentId, customerId: customers.id })
    .from(customers)
    .where(
      and(
        lt(customers.configPushedVersion, customers.configVersion),
        after && raw`(${customers.environmentId}, ${customers.id}) > (${after.environmentId}, ${after.customerId})`,
      ),
    )
    .orderBy(asc(customers.environmentId), asc(customers.id))
    .limit(limit);
  return Promise.all(
    due.map((customer) =>
      orm(sql).transaction(
        async (transaction) => ({ ...customer, config: (await readWalletConfig(transaction, customer)).config }),
        { isolationLevel: 'repeatable read', accessMode: 'read only' },
      ),
    ),
  );
}
