// Every table. What happened is in `entries` and `transfers`, for ever; the other tables of the ledger say what that comes to.
//
// A row belongs to one environment, which is the first column of nearly every key. Names are those of the scripts, so
// that a wallet reads alike in Redis, in an entry and here. What one row can get wrong, its CHECK refuses; what takes
// several rows to see, the drain proves before it writes (append.ts) and `npm run audit` proves again.
//
// `entries` and `transfers` are partitioned by month of `occurred_at` and refuse UPDATE, DELETE and TRUNCATE:
// see the migration written by hand, drizzle/0001_partitions.sql.
import { sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
  check,
  foreignKey,
  index,
  integer,
  json,
  pgEnum,
  pgTable,
  primaryKey,
  smallint,
  text,
  unique,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import { codes } from '../codes.gen.ts';
import type { GrantScope, Price } from '../contract.ts';
import type {
  AccountName,
  BudgetMatch,
  BudgetPeriod,
  JsonObject,
  PurposeName,
  RecurrenceTerms,
  Scope,
} from '../records.ts';
import { atoms, atomsArray, bytes, bytesArray, counter, identifier, instant } from './columns.ts';

function names<T extends Record<string, number>>(table: T): [keyof T & string, ...(keyof T & string)[]] {
  return Object.keys(table) as [keyof T & string, ...(keyof T & string)[]];
}

export type LedgerAccount = Exclude<AccountName, 'funding'> | `funding:${PurposeName}`;
const ledgerAccounts: [LedgerAccount, ...LedgerAccount[]] = [
  ...(['available', 'held', 'overage', 'funding:promotional', 'funding:bundled', 'funding:paid'] as const),
  ...(['revenue', 'expired', 'voided', 'refunded'] as const),
];
const balanceMax = sql.raw(String(codes.limit.balance_atoms));
const amountMax = sql.raw(String(codes.limit.amount_atoms));

export const environmentMode = pgEnum('environment_mode', ['test', 'live']);
export const entryKind = pgEnum('entry_kind', names(codes.kind));
export const ledgerAccount = pgEnum('ledger_account', ledgerAccounts);
export const purpose = pgEnum('purpose', names(codes.purpose));
export const grantState = pgEnum('grant_state', names(codes.grant_state));
export const holdStatus = pgEnum('hold_status', names(codes.hold_status));
export const freezeReason = pgEnum('freeze_reason', names(codes.freeze));
export const versionStatus = pgEnum('version_status', ['draft', 'published']);
export const eventStatus = pgEnum('event_status', ['unpriced', 'charged', 'conflict']);
export const subscriptionStatus = pgEnum('subscription_status', ['active', 'canceled']);
export const topUpPayment = pgEnum('top_up_payment', ['checkout', 'saved']);
export const topUpStatus = pgEnum('top_up_status', [
  ...(['pending', 'requires_action', 'succeeded', 'failed', 'canceled', 'refunded'] as const),
]);
export const autoTopUpState = pgEnum('auto_top_up_state', [
  'armed',
  'charging',
  'requires_action',
  'backing_off',
  'suspended',
  'capped',
]);
export const refundOrigin = pgEnum('refund_origin', ['request', 'stripe', 'dispute']);
export const refundOutcome = pgEnum('refund_outcome', ['taken', 'returned', 'restored']);
export const creditState = pgEnum('credit_state', ['pending', 'refused', 'applied']);

// ── The installation and its partitions ──────────────────────────────────────────────────────────────────────────

export const installation = pgTable(
  'installation',
  {
    only: boolean().primaryKey().default(true),
    id: uuid().notNull().defaultRandom(),
    createdAt: instant()
      .notNull()
      .default(sql`now()`),
  },
  (row) => [check('installation_only', sql`${row.only}`)],
);

/** How far the ledger has each partition: all entries of `epoch` up to `seq`. */
export const partitions = pgTable(
  'partitions',
  {
    partition: smallint().primaryKey(),
    epoch: integer().notNull(),
    seq: counter().notNull().default(0),
    /** The latest instant that an entry of this partition carried. */
    clockMs: counter().notNull().default(0),
    /** From here on the fence in Redis must be there: without it, writes were lost. */
    openedAt: instant(),
  },
  (row) => [
    check('partitions_number', sql`${row.partition} between 0 and 255`),
    check('partitions_forward', sql`${row.epoch} > 0 and ${row.seq} >= 0 and ${row.clockMs} >= 0`),
  ],
);

export const epochs = pgTable(
  'epochs',
  {
    partition: smallint()
      .notNull()
      .references(() => partitions.partition),
    epoch: integer().notNull(),
    runId: text(),
    replicationId: text(),
    /** What Redis promised about its writes when the epoch began: `none`, `fast`, `durable` or `replicated`. */
    durability: text(),
    openedAt: instant(),
    sealedAt: instant(),
    /** The last entry that the ledger has of it. */
    sealedSeq: counter(),
    /** The last entry that a caller was told of; above `sealed_seq`: so many were acknowledged and lost. */
    acknowledgedSeq: counter(),
  },
  (row) => [primaryKey({ columns: [row.partition, row.epoch] })],
);

// ── Environments and what their callers made ─────────────────────────────────────────────────────────────────────

export const environments = pgTable(
  'environments',
  {
    id: identifier().primaryKey(),
    name: text().notNull(),
    mode: environmentMode().notNull(),
    /** The one that the first start makes. */
    isDefault: boolean().notNull().default(false),
    /** Counts what was published here. */
    catalogVersion: counter().notNull().default(0),
    /** The version that all partitions in Redis are known to have; behind only while a publish is under way. */
    catalogRaisedVersion: counter().notNull().default(0),
    createdAt: instant()
      .notNull()
      .default(sql`now()`),
  },
  (row) => [
    index('environments_to_raise')
      .on(row.id)
      .where(sql`${row.catalogRaisedVersion} < ${row.catalogVersion}`),
    check('environments_id', sql`${row.id} ~ '^[a-z0-9]{12}$'`),
    uniqueIndex('environments_default')
      .on(row.isDefault)
      .where(sql`${row.isDefault}`),
  ],
);

export const keys = pgTable(
  'keys',
  {
    environmentId: identifier()
      .notNull()
      .references(() => environments.id),
    id: identifier().notNull(),
    /** SHA-256 of the secret, base64url; the secret is nowhere. */
    hash: identifier().notNull(),
    name: text().notNull(),
    scopes: text().array().notNull().$type<Scope[]>(),
    createdAt: instant()
      .notNull()
      .default(sql`now()`),
    expiresAt: instant(),
    revokedAt: instant(),
  },
  (row) => [primaryKey({ columns: [row.environmentId, row.id] }), unique('keys_hash').on(row.hash)],
);

export const assets = pgTable(
  'assets',
  {
    environmentId: identifier()
      .notNull()
      .references(() => environments.id),
    number: integer().notNull(),
    code: identifier().notNull(),
    name: text().notNull(),
    scale: smallint().notNull(),
    kind: text().notNull().$type<'fiat' | 'custom'>(),
    /** What asked for it; null for those that every environment starts with. */
    operationId: identifier(),
    fingerprint: identifier(),
    createdAt: instant()
      .notNull()
      .default(sql`now()`),
  },
  (row) => [
    primaryKey({ columns: [row.environmentId, row.number] }),
    unique('assets_code').on(row.environmentId, row.code),
    check('assets_number', sql`${row.number} between 1 and 65535`),
    check('assets_scale', sql`${row.scale} between 0 and 9`),
    check('assets_kind', sql`${row.kind} in ('fiat', 'custom')`),
  ],
);

export const products = pgTable(
  'products',
  {
    environmentId: identifier()
      .notNull()
      .references(() => environments.id),
    id: identifier().notNull(),
    name: text().notNull(),
    /** It prices every customer; others price those that are subscribed to them. */
    isDefault: boolean().notNull(),
    operationId: identifier().notNull(),
    fingerprint: identifier().notNull(),
    createdAt: instant()
      .notNull()
      .default(sql`now()`),
  },
  (row) => [
    primaryKey({ columns: [row.environmentId, row.id] }),
    index('products_newest').on(row.environmentId, row.createdAt, row.id),
    index('products_operation').on(row.environmentId, row.operationId),
  ],
);

/** Once published, a row refuses every change: drizzle/0005_published.sql. */
export const productVersions = pgTable(
  'product_versions',
  {
    environmentId: identifier().notNull(),
    productId: identifier().notNull(),
    version: integer().notNull(),
    status: versionStatus().notNull().default('draft'),
    /** As they came, once they were found good. */
    prices: json().notNull().$type<Price[]>(),
    operationId: identifier().notNull(),
    fingerprint: identifier().notNull(),
    createdAt: instant()
      .notNull()
      .default(sql`now()`),
    /** The environment's, which this publish made. */
    catalogVersion: counter(),
    publishedAt: instant(),
    publishOperationId: identifier(),
  },
  (row) => [
    primaryKey({ columns: [row.environmentId, row.productId, row.version] }),
    foreignKey({
      name: 'product_versions_product',
      columns: [row.environmentId, row.productId],
      foreignColumns: [products.environmentId, products.id],
    }),
    unique('product_versions_catalog_version').on(row.environmentId, row.catalogVersion),
    index('product_versions_operation').on(row.environmentId, row.operationId),
    check('product_versions_version', sql`${row.version} > 0`),
    check(
      'product_versions_published',
      sql`num_nonnulls(${row.catalogVersion}, ${row.publishedAt}, ${row.publishOperationId}) = case ${row.status} when 'published' then 3 else 0 end`,
    ),
  ],
);

export const customers = pgTable(
  'customers',
  {
    environmentId: identifier()
      .notNull()
      .references(() => environments.id),
    id: identifier().notNull(),
    walletId: identifier().notNull(),
    name: text(),
    email: text(),
    metadata: json().notNull().$type<JsonObject>(),
    /** The number of the latest grant that was asked for. */
    grantsCount: integer().notNull().default(0),
    /** Counts the changes of what the wallet carries besides money: subscriptions and budgets. */
    configVersion: counter().notNull().default(0),
    /** The version that the wallet in Redis is known to have, or to take when it is loaded. */
    configPushedVersion: counter().notNull().default(0),
    operationId: identifier().notNull(),
    fingerprint: identifier().notNull(),
    createdAt: instant()
      .notNull()
      .default(sql`now()`),
  },
  (row) => [
    primaryKey({ columns: [row.environmentId, row.id] }),
    index('customers_newest').on(row.environmentId, row.createdAt, row.id),
    index('customers_operation').on(row.environmentId, row.operationId),
    index('customers_to_push')
      .on(row.environmentId, row.id)
      .where(sql`${row.configPushedVersion} < ${row.configVersion}`),
  ],
);

/** Which version of a product prices a customer: it stays on that one until it is moved. */
export const subscriptions = pgTable(
  'subscriptions',
  {
    environmentId: identifier().notNull(),
    id: identifier().notNull(),
    customerId: identifier().notNull(),
    productId: identifier().notNull(),
    version: integer().notNull(),
    status: subscriptionStatus().notNull().default('active'),
    createdAt: instant()
      .notNull()
      .default(sql`now()`),
    /** When it was made, migrated or canceled last. */
    changedAt: instant()
      .notNull()
      .default(sql`now()`),
    canceledAt: instant(),
  },
  (row) => [
    primaryKey({ columns: [row.environmentId, row.id] }),
    foreignKey({
      name: 'subscriptions_customer',
      columns: [row.environmentId, row.customerId],
      foreignColumns: [customers.environmentId, customers.id],
    }),
    foreignKey({
      name: 'subscriptions_version',
      columns: [row.environmentId, row.productId, row.version],
      foreignColumns: [productVersions.environmentId, productVersions.productId, productVersions.version],
    }),
    index('subscriptions_newest').on(row.environmentId, row.customerId, row.createdAt, row.id),
    // Two of one product would price the same event twice.
    uniqueIndex('subscriptions_active')
      .on(row.environmentId, row.customerId, row.productId)
      .where(sql`${row.status} = 'active'`),
    check('subscriptions_canceled', sql`(${row.status} = 'canceled') = (${row.canceledAt} is not null)`),
  ],
);

/** Versions that subscriptions were on before: what happened then is priced by them, however late it is told. */
export const pastSubscriptions = pgTable(
  'past_subscriptions',
  {
    environmentId: identifier().notNull(),
    customerId: identifier().notNull(),
    subscriptionId: identifier().notNull(),
    productId: identifier().notNull(),
    version: integer().notNull(),
    fromAt: instant().notNull(),
    /** Migrated to another one, or canceled, at this instant. */
    tillAt: instant().notNull(),
  },
  (row) => [
    primaryKey({
      name: 'past_subscriptions_pk',
      columns: [row.environmentId, row.customerId, row.subscriptionId, row.fromAt],
    }),
    foreignKey({
      name: 'past_subscriptions_subscription',
      columns: [row.environmentId, row.subscriptionId],
      foreignColumns: [subscriptions.environmentId, subscriptions.id],
    }),
    check('past_subscriptions_order', sql`${row.fromAt} < ${row.tillAt}`),
  ],
);

/** How much of an asset may be spent per period by what matches. */
export const budgets = pgTable(
  'budgets',
  {
    environmentId: identifier().notNull(),
    customerId: identifier().notNull(),
    /** Counts up within the customer's wallet, and is given once: its counter there has this number. */
    no: integer().notNull(),
    id: identifier().notNull(),
    name: text().notNull(),
    asset: integer().notNull(),
    limit: atoms().notNull(),
    period: json().notNull().$type<BudgetPeriod>(),
    match: json().notNull().$type<BudgetMatch>(),
    isHard: boolean().notNull(),
    /** Parts of the limit, as they were written. */
    alertAt: text().array().notNull(),
    createdAt: instant()
      .notNull()
      .default(sql`now()`),
    changedAt: instant()
      .notNull()
      .default(sql`now()`),
    /** A deleted one stays, so that its number and what entries say of it keep their meaning. */
    deletedAt: instant(),
  },
  (row) => [
    primaryKey({ columns: [row.environmentId, row.customerId, row.no] }),
    unique('budgets_id').on(row.environmentId, row.id),
    foreignKey({
      name: 'budgets_customer',
      columns: [row.environmentId, row.customerId],
      foreignColumns: [customers.environmentId, customers.id],
    }),
    foreignKey({
      name: 'budgets_asset',
      columns: [row.environmentId, row.asset],
      foreignColumns: [assets.environmentId, assets.number],
    }),
    check('budgets_number', sql`${row.no} between 1 and 65535`),
    check('budgets_limit', sql`${row.limit} between 0 and ${amountMax}`),
  ],
);

/** What grants of a customer may be spent on: a grant in its wallet names one by its number. */
export const scopes = pgTable(
  'scopes',
  {
    environmentId: identifier().notNull(),
    customerId: identifier().notNull(),
    no: smallint().notNull(),
    /** In one order of keys and values, so that the same scope is the same text. */
    scope: json().notNull().$type<GrantScope>(),
  },
  (row) => [
    primaryKey({ columns: [row.environmentId, row.customerId, row.no] }),
    foreignKey({
      name: 'scopes_customer',
      columns: [row.environmentId, row.customerId],
      foreignColumns: [customers.environmentId, customers.id],
    }),
    check('scopes_number', sql`${row.no} between 1 and ${sql.raw(String(codes.limit.scopes))}`),
  ],
);

/** Grants that come again: their terms, and how far ahead their instances were asked for. */
export const recurrences = pgTable(
  'recurrences',
  {
    environmentId: identifier().notNull(),
    id: identifier().notNull(),
    customerId: identifier().notNull(),
    each: text().notNull().$type<RecurrenceTerms['each']>(),
    timeZone: text().notNull(),
    anchorAt: instant().notNull(),
    onRenew: text().notNull().$type<RecurrenceTerms['onRenew']>(),
    /** With `rollover`: millionths, at most, and for how many renewals. Null: no bound, for ever. */
    rolloverParts: integer(),
    rolloverMost: atoms(),
    rolloverPeriods: integer(),
    asset: integer().notNull(),
    amount: atoms().notNull(),
    purpose: purpose().notNull(),
    priority: smallint().notNull(),
    scope: smallint(),
    description: text(),
    metadata: json().notNull().$type<JsonObject>(),
    /** The instance that is to be asked for next, and the instant from which it counts, which the one before it ends at. */
    nextInstance: integer().notNull(),
    nextAt: instant().notNull(),
    /** Redis's time at which the next instances are to be asked for. */
    refillAt: instant().notNull(),
    canceledAt: instant(),
    /** Canceled, and no instance is to come any more. */
    endedAt: instant(),
    createdAt: instant()
      .notNull()
      .default(sql`now()`),
  },
  (row) => [
    primaryKey({ columns: [row.environmentId, row.id] }),
    foreignKey({
      name: 'recurrences_customer',
      columns: [row.environmentId, row.customerId],
      foreignColumns: [customers.environmentId, customers.id],
    }),
    index('recurrences_refill')
      .on(row.refillAt)
      .where(sql`${row.canceledAt} is null`),
    index('recurrences_to_end')
      .on(row.canceledAt)
      .where(sql`${row.canceledAt} is not null and ${row.endedAt} is null`),
    check('recurrences_each', sql`${row.each} in ('hour', 'day', 'week', 'month')`),
    check('recurrences_on_renew', sql`${row.onRenew} in ('replace', 'accumulate', 'rollover')`),
    check('recurrences_rollover', sql`(${row.onRenew} = 'rollover') = (${row.rolloverParts} is not null)`),
  ],
);

/** Grants that were asked for, written before the script runs: what Redis may forget, this never does. */
export const credits = pgTable(
  'credits',
  {
    environmentId: identifier().notNull(),
    walletId: identifier().notNull(),
    grantNo: integer().notNull(),
    customerId: identifier().notNull(),
    operationId: identifier().notNull(),
    fingerprint: identifier().notNull(),
    state: creditState().notNull().default('pending'),
    asset: integer().notNull(),
    amount: atoms().notNull(),
    purpose: purpose().notNull(),
    priority: smallint().notNull(),
    /** Null: it may be spent on anything. */
    scope: smallint(),
    /** Null: from the moment that it is applied. */
    effectiveAt: instant(),
    expiresAt: instant(),
    /** Of what is left then: millionths, at most, and until when (null: for ever). Null: all of it expires. */
    rolloverParts: integer(),
    rolloverMost: atoms(),
    rolloverUntil: instant(),
    /** The recurring grant that it is an instance of, and which, from 1; null: it does not recur. */
    recurrenceId: identifier(),
    instance: integer(),
    description: text(),
    metadata: json().notNull().$type<JsonObject>(),
    createdAt: instant()
      .notNull()
      .default(sql`now()`),
    /** Money has arrived for it: it stays to be applied, whatever the wallet says. */
    isOwed: boolean().notNull().default(false),
    /** When the script was last tried: the sweep leaves it alone for a while. */
    attemptedAt: instant()
      .notNull()
      .default(sql`now()`),
  },
  (row) => [
    primaryKey({ columns: [row.environmentId, row.walletId, row.grantNo] }),
    unique('credits_operation').on(row.environmentId, row.operationId),
    foreignKey({
      name: 'credits_customer',
      columns: [row.environmentId, row.customerId],
      foreignColumns: [customers.environmentId, customers.id],
    }),
    foreignKey({
      name: 'credits_asset',
      columns: [row.environmentId, row.asset],
      foreignColumns: [assets.environmentId, assets.number],
    }),
    foreignKey({
      name: 'credits_scope',
      columns: [row.environmentId, row.customerId, row.scope],
      foreignColumns: [scopes.environmentId, scopes.customerId, scopes.no],
    }),
    foreignKey({
      name: 'credits_recurrence',
      columns: [row.environmentId, row.recurrenceId],
      foreignColumns: [recurrences.environmentId, recurrences.id],
    }),
    unique('credits_instance').on(row.environmentId, row.recurrenceId, row.instance),
    check('credits_recurring', sql`num_nonnulls(${row.recurrenceId}, ${row.instance}) in (0, 2)`),
    check(
      'credits_rollover',
      sql`num_nonnulls(${row.rolloverParts}, ${row.rolloverMost}) in (0, 2) and ${row.rolloverParts} between 1 and 1000000`,
    ),
    index('credits_pending')
      .on(row.attemptedAt)
      .where(sql`${row.state} = 'pending'`),
    check('credits_amount', sql`${row.amount} > 0 and ${row.amount} <= ${amountMax}`),
    check('credits_priority', sql`${row.priority} between 0 and 100`),
    check('credits_grant_no', sql`${row.grantNo} > 0`),
  ],
);

// ── Money in ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** How an environment reaches Stripe; those of the default test environment may come with the process instead. */
export const stripeSettings = pgTable('stripe_settings', {
  environmentId: identifier()
    .primaryKey()
    .references(() => environments.id),
  secretKey: text().notNull(),
  webhookSecrets: text().array().notNull(),
  apiBase: text(),
  /** Whether Stripe Tax reckons a tax on top, on its page. */
  addsTax: boolean().notNull().default(false),
  changedAt: instant()
    .notNull()
    .default(sql`now()`),
});

/** A customer as Stripe knows it; written before Stripe is asked to make it. */
export const payers = pgTable(
  'payers',
  {
    environmentId: identifier().notNull(),
    customerId: identifier().notNull(),
    stripeCustomerId: identifier(),
    generation: integer().notNull().default(1),
    name: text(),
    email: text(),
    defaultMethodId: identifier(),
    createdAt: instant()
      .notNull()
      .default(sql`now()`),
  },
  (row) => [
    primaryKey({ columns: [row.environmentId, row.customerId] }),
    foreignKey({
      name: 'payers_customer',
      columns: [row.environmentId, row.customerId],
      foreignColumns: [customers.environmentId, customers.id],
    }),
  ],
);

/** What one unit of an asset costs: the latest that has come into effect counts. */
export const assetRates = pgTable(
  'asset_rates',
  {
    environmentId: identifier().notNull(),
    id: identifier().notNull(),
    asset: integer().notNull(),
    currency: text().notNull(),
    /** A decimal, as it was written. */
    rate: text().notNull(),
    effectiveAt: instant().notNull(),
    operationId: identifier().notNull(),
    fingerprint: identifier().notNull(),
    createdAt: instant()
      .notNull()
      .default(sql`clock_timestamp()`),
  },
  (row) => [
    primaryKey({ columns: [row.environmentId, row.id] }),
    unique('asset_rates_operation').on(row.environmentId, row.operationId),
    index('asset_rates_effective').on(row.environmentId, row.asset, row.effectiveAt, row.createdAt),
    foreignKey({
      name: 'asset_rates_asset',
      columns: [row.environmentId, row.asset],
      foreignColumns: [assets.environmentId, assets.number],
    }),
  ],
);

/** Credit that is bought: written before Stripe is asked for the money, and all that Stripe is asked follows from it. */
export const topUps = pgTable(
  'top_ups',
  {
    environmentId: identifier().notNull(),
    id: identifier().notNull(),
    customerId: identifier().notNull(),
    operationId: identifier().notNull(),
    fingerprint: identifier().notNull(),
    asset: integer().notNull(),
    amount: atoms().notNull(),
    /** The asset's rate that it was bought at; null: it is the currency itself. */
    rate: text(),
    currency: text().notNull(),
    /** In the currency's smallest unit, as Stripe counts. */
    price: counter().notNull(),
    payment: topUpPayment().notNull(),
    /** Stripe's customer and payment method. */
    payerId: identifier().notNull(),
    methodId: identifier(),
    returnUrl: text(),
    receiptEmail: text(),
    addsTax: boolean().notNull(),
    expiresAt: instant(),
    metadata: json().notNull().$type<JsonObject>(),
    /** Of an automatic one: the crossing that it answers. */
    crossingNo: integer(),
    status: topUpStatus().notNull().default('pending'),
    intentId: identifier(),
    /** What arrived, in the currency's smallest unit: with tax more than the price. Null in rows of releases without refunds. */
    paid: counter(),
    sessionId: identifier(),
    checkoutUrl: text(),
    /** Where the customer says that it is them. */
    actionUrl: text(),
    failureCode: text(),
    failureMessage: text(),
    failureRetryable: boolean(),
    /** The grant that it became, once the money arrived. */
    grantNo: integer(),
    /** When the grant was seen to be in the wallet. */
    creditedAt: instant(),
    /** What its request was answered. */
    reply: text(),
    createdAt: instant()
      .notNull()
      .default(sql`clock_timestamp()`),
    /** Since when Stripe may have heard of it. */
    askedAt: instant(),
    /** When a worker looks at what has become of it; null: it has ended. */
    lookAt: instant(),
    looksCount: integer().notNull().default(0),
    /** When a worker looks at its refunds and disputes; null: there is nothing to wait for. */
    refundsLookAt: instant(),
    /** Since something was heard of them. */
    refundsLooksCount: integer().notNull().default(0),
  },
  (row) => [
    primaryKey({ columns: [row.environmentId, row.id] }),
    unique('top_ups_operation').on(row.environmentId, row.operationId),
    unique('top_ups_intent').on(row.environmentId, row.intentId),
    unique('top_ups_session').on(row.environmentId, row.sessionId),
    index('top_ups_newest').on(row.environmentId, row.customerId, row.createdAt, row.id),
    index('top_ups_to_look')
      .on(row.lookAt)
      .where(sql`${row.lookAt} is not null`),
    index('top_ups_refunds_to_look')
      .on(row.refundsLookAt)
      .where(sql`${row.refundsLookAt} is not null`),
    foreignKey({
      name: 'top_ups_customer',
      columns: [row.environmentId, row.customerId],
      foreignColumns: [customers.environmentId, customers.id],
    }),
    foreignKey({
      name: 'top_ups_asset',
      columns: [row.environmentId, row.asset],
      foreignColumns: [assets.environmentId, assets.number],
    }),
    check('top_ups_amount', sql`${row.amount} > 0 and ${row.amount} <= ${amountMax} and ${row.price} > 0`),
    check('top_ups_granted', sql`(${row.status} in ('succeeded', 'refunded')) = (${row.grantNo} is not null)`),
  ],
);

/**
 * Bought credit that goes back, by a refund or a dispute: the intent first, then how far it has come. Its hold in the wallet has
 * its id as its name, and its operations in the ledger begin with it.
 */
export const refunds = pgTable(
  'refunds',
  {
    environmentId: identifier().notNull(),
    id: identifier().notNull(),
    topUpId: identifier().notNull(),
    customerId: identifier().notNull(),
    /** Asked for here; made at Stripe by somebody else; taken by the customer's bank. */
    origin: refundOrigin().notNull(),
    /** Of the request; null once Stripe has refused it, so that the same key may succeed later. */
    operationId: identifier(),
    fingerprint: identifier(),
    asset: integer().notNull(),
    amount: atoms().notNull(),
    /** In the currency's smallest unit. */
    money: counter().notNull(),
    /** Stripe's refund or dispute. */
    stripeId: identifier(),
    /** Times that setting it aside was begun: who was told no ends it, unless somebody has begun anew. */
    attemptsCount: integer().notNull().default(0),
    heldAt: instant(),
    /** Since when Stripe may have heard of it. */
    askedAt: instant(),
    /** What Stripe says: the money has gone, it has not, or it came back after the credit was taken, which is given again. */
    outcome: refundOutcome(),
    failureCode: text(),
    failureMessage: text(),
    /** The ledger has what follows from the outcome. */
    endedAt: instant(),
    restoredGrantNo: integer(),
    /** What its request was answered. */
    reply: text(),
    createdAt: instant()
      .notNull()
      .default(sql`clock_timestamp()`),
  },
  (row) => [
    primaryKey({ columns: [row.environmentId, row.id] }),
    unique('refunds_operation').on(row.environmentId, row.operationId),
    unique('refunds_stripe').on(row.environmentId, row.stripeId),
    index('refunds_top_up').on(row.environmentId, row.topUpId),
    index('refunds_customer').on(row.environmentId, row.customerId, row.createdAt),
    foreignKey({
      name: 'refunds_of_top_up',
      columns: [row.environmentId, row.topUpId],
      foreignColumns: [topUps.environmentId, topUps.id],
    }),
    check('refunds_amount', sql`${row.amount} >= 0 and ${row.amount} <= ${amountMax} and ${row.money} > 0`),
    check('refunds_ended', sql`${row.endedAt} is null or ${row.outcome} is not null`),
    check('refunds_restored', sql`(${row.outcome} = 'restored') = (${row.restoredGrantNo} is not null)`),
  ],
);

/**
 * Automatic top-ups: what they are to do, and how far the present one has come. Rows stay when they are deleted: the numbers
 * of crossings go on.
 */
export const autoTopUps = pgTable(
  'auto_top_ups',
  {
    environmentId: identifier().notNull(),
    customerId: identifier().notNull(),
    asset: integer().notNull(),
    isEnabled: boolean().notNull(),
    isDeleted: boolean().notNull().default(false),
    threshold: atoms().notNull(),
    amount: atoms(),
    target: atoms(),
    currency: text().notNull(),
    /** In the currency's smallest unit. */
    monthlyLimit: counter().notNull(),
    methodId: identifier(),
    returnUrl: text(),
    state: autoTopUpState().notNull().default('armed'),
    /** The crossing that is waited for, the last one that came, the last one that Redis was told to wait for. */
    armedNo: integer().notNull().default(1),
    crossedNo: integer().notNull().default(0),
    toldNo: integer().notNull().default(0),
    crossedAt: instant(),
    /** Of this crossing: the next one's top-up has its id from it. */
    attemptsCount: integer().notNull().default(0),
    topUpId: identifier(),
    failuresCount: integer().notNull().default(0),
    failedMethodId: identifier(),
    errorCode: text(),
    errorMessage: text(),
    nextAttemptAt: instant(),
    /** When a worker sees to it; null: it is armed, and nothing is to be done. */
    lookAt: instant(),
    /** When it was last asked for: a refund or a dispute since then holds it off. */
    putAt: instant()
      .notNull()
      .default(sql`clock_timestamp()`),
    createdAt: instant()
      .notNull()
      .default(sql`clock_timestamp()`),
  },
  (row) => [
    primaryKey({ columns: [row.environmentId, row.customerId, row.asset] }),
    index('auto_top_ups_to_look')
      .on(row.lookAt)
      .where(sql`${row.lookAt} is not null`),
    index('auto_top_ups_attempt').on(row.environmentId, row.topUpId),
    foreignKey({
      name: 'auto_top_ups_customer',
      columns: [row.environmentId, row.customerId],
      foreignColumns: [customers.environmentId, customers.id],
    }),
    foreignKey({
      name: 'auto_top_ups_asset',
      columns: [row.environmentId, row.asset],
      foreignColumns: [assets.environmentId, assets.number],
    }),
    check(
      'auto_top_ups_amounts',
      sql`${row.threshold} >= 0 and (${row.amount} is null) <> (${row.target} is null) and ${row.monthlyLimit} > 0`,
    ),
  ],
);

/** Stripe's events that had an effect: each has it once. */
export const stripeEvents = pgTable(
  'stripe_events',
  {
    environmentId: identifier()
      .notNull()
      .references(() => environments.id),
    id: identifier().notNull(),
    type: text().notNull(),
    topUpId: identifier(),
    receivedAt: instant()
      .notNull()
      .default(sql`now()`),
  },
  (row) => [primaryKey({ columns: [row.environmentId, row.id] })],
);

/** How far Stripe's own list of events has been read, for what never reached us. */
export const eventLooks = pgTable('event_looks', {
  environmentId: identifier()
    .primaryKey()
    .references(() => environments.id),
  seenTo: instant()
    .notNull()
    .default(sql`clock_timestamp()`),
  lookAt: instant()
    .notNull()
    .default(sql`clock_timestamp()`),
});

/** What other operations answered, for an hour: an operation that credits or spends is remembered where its money is. */
export const replies = pgTable(
  'replies',
  {
    environmentId: identifier()
      .notNull()
      .references(() => environments.id),
    operationId: identifier().notNull(),
    fingerprint: identifier().notNull(),
    reply: text().notNull(),
    createdAt: instant()
      .notNull()
      .default(sql`now()`),
  },
  (row) => [primaryKey({ columns: [row.environmentId, row.operationId] }), index('replies_oldest').on(row.createdAt)],
);

// ── The ledger: what happened ────────────────────────────────────────────────────────────────────────────────────

/** One row for each version of a wallet, complete: these rows alone reproduce it at any version. */
export const entries = pgTable(
  'entries',
  {
    environmentId: identifier().notNull(),
    walletId: identifier().notNull(),
    version: counter().notNull(),
    occurredAt: instant().notNull(),
    partition: smallint().notNull(),
    epoch: integer().notNull(),
    seq: counter().notNull(),
    kind: entryKind().notNull(),
    late: boolean().notNull(),
    /** The wallet's freeze after this entry. */
    freezeReason: freezeReason().notNull(),
    // One element for each asset that moved: the change of available + held − overage, and the account after it.
    assets: integer().array().notNull(),
    amounts: bigint({ mode: 'bigint' }).array().notNull(),
    availableAfter: atomsArray().notNull(),
    heldAfter: atomsArray().notNull(),
    overageAfter: atomsArray().notNull(),
    scheduledAfter: atomsArray().notNull(),
    // One element for each grant that moved: what it has left and holds after it.
    moveGrants: integer().array().notNull(),
    moveRemaining: atomsArray().notNull(),
    moveHeld: atomsArray().notNull(),
    // The grant whose terms this entry set, and its terms after it.
    grantNo: integer(),
    grantState: grantState(),
    grantPurpose: purpose(),
    grantPriority: smallint(),
    grantScoped: boolean(),
    /** Which of the wallet's scopes; null in entries of releases that had none. */
    grantScope: smallint(),
    grantAsset: integer(),
    grantAmount: atoms(),
    grantEffectiveAt: instant(),
    grantExpiresAt: instant(),
    grantCreatedAt: instant(),
    // The hold that this entry opened, changed or ended, after it; the sources are the grants of what it still holds, leg
    // after leg: each is of the leg in its own asset.
    holdRef: identifier(),
    holdStatus: holdStatus(),
    holdCreatedAt: instant(),
    holdExpiresAt: instant(),
    // One element for each of its legs; of the rates, one for each leg after the first.
    holdAssets: integer().array(),
    holdAmounts: atomsArray(),
    holdHeld: atomsArray(),
    holdSettled: atomsArray(),
    holdReleased: atomsArray(),
    holdRateNums: atomsArray(),
    holdRateDens: atomsArray(),
    holdSourceGrants: integer().array(),
    holdSourceAtoms: atomsArray(),
    /** The budgets that it counts in (packed.ts); null and empty are none. */
    holdTags: bytes(),
    // One element for each counter that this entry changed: its field in the wallet, and its bytes after it.
    counterNames: text().array(),
    counterStates: bytesArray(),
    /** Of an alert: the budget whose counter it is. */
    budgetId: identifier(),
    // The operation that asked for this entry. Null for what happened beside one: grants that expired, holds that ran out.
    operationId: identifier(),
    fingerprint: identifier(),
    reply: bytes(),
    attached: text(),
  },
  (row) => [
    primaryKey({ columns: [row.environmentId, row.walletId, row.version, row.occurredAt] }),
    index('entries_operation')
      .on(row.environmentId, row.operationId)
      .where(sql`${row.operationId} is not null`),
    check('entries_number', sql`${row.version} > 0 and ${row.epoch} > 0 and ${row.seq} > 0`),
    check(
      'entries_legs',
      sql`cardinality(${row.assets}) = all (array[cardinality(${row.amounts}), cardinality(${row.availableAfter}), cardinality(${row.heldAfter}), cardinality(${row.overageAfter}), cardinality(${row.scheduledAfter})])`,
    ),
    check(
      'entries_balances',
      sql`0 <= all (${row.availableAfter} || ${row.heldAfter} || ${row.overageAfter} || ${row.scheduledAfter})`,
    ),
    check(
      'entries_moves',
      sql`cardinality(${row.moveGrants}) = all (array[cardinality(${row.moveRemaining}), cardinality(${row.moveHeld})]) and 0 <= all (${row.moveRemaining} || ${row.moveHeld})`,
    ),
    check(
      'entries_grant',
      sql`num_nonnulls(${row.grantNo}, ${row.grantState}, ${row.grantPurpose}, ${row.grantPriority}, ${row.grantScoped}, ${row.grantAsset}, ${row.grantAmount}, ${row.grantEffectiveAt}, ${row.grantCreatedAt}) in (0, 9)`,
    ),
    check(
      'entries_hold',
      sql`num_nonnulls(${row.holdRef}, ${row.holdStatus}, ${row.holdCreatedAt}, ${row.holdExpiresAt}, ${row.holdAssets}, ${row.holdAmounts}, ${row.holdHeld}, ${row.holdSettled}, ${row.holdReleased}, ${row.holdRateNums}, ${row.holdRateDens}, ${row.holdSourceGrants}, ${row.holdSourceAtoms}) in (0, 13)`,
    ),
    check(
      'entries_hold_legs',
      sql`cardinality(${row.holdAssets}) = all (array[cardinality(${row.holdAmounts}), cardinality(${row.holdHeld}), cardinality(${row.holdSettled}), cardinality(${row.holdReleased}), cardinality(${row.holdRateNums}) + 1, cardinality(${row.holdRateDens}) + 1])`,
    ),
    check('entries_counters', sql`cardinality(${row.counterNames}) = cardinality(${row.counterStates})`),
    check(
      'entries_operation',
      sql`num_nonnulls(${row.operationId}, ${row.fingerprint}, ${row.reply}, ${row.attached}) in (0, 4)`,
    ),
  ],
);

/** Money from one account to another: `debit` loses it, `credit` gets it. Overage that is debited grows: it is owed. */
export const transfers = pgTable(
  'transfers',
  {
    environmentId: identifier().notNull(),
    walletId: identifier().notNull(),
    version: counter().notNull(),
    no: smallint().notNull(),
    occurredAt: instant().notNull(),
    asset: integer().notNull(),
    debit: ledgerAccount().notNull(),
    credit: ledgerAccount().notNull(),
    amount: atoms().notNull(),
  },
  (row) => [
    primaryKey({ columns: [row.environmentId, row.walletId, row.version, row.no, row.occurredAt] }),
    check('transfers_amount', sql`${row.amount} > 0`),
    check('transfers_between', sql`${row.debit} <> ${row.credit}`),
  ],
);

// ── The ledger: what it comes to ─────────────────────────────────────────────────────────────────────────────────

export const wallets = pgTable(
  'wallets',
  {
    environmentId: identifier().notNull(),
    walletId: identifier().notNull(),
    customerId: identifier().notNull(),
    partition: smallint().notNull(),
    version: counter().notNull().default(0),
    freezeReason: freezeReason().notNull().default('none'),
    /** An entry of this wallet is in quarantine, and all that follow it go there too. */
    quarantinedAt: instant(),
    /** When Redis was seen to have the freeze that comes with it. */
    quarantineFrozenAt: instant(),
    /** The epoch in which it was last rebuilt from the ledger: entries of an earlier one come too late. */
    rebuiltEpoch: integer(),
  },
  (row) => [
    primaryKey({ columns: [row.environmentId, row.walletId] }),
    foreignKey({
      name: 'wallets_customer',
      columns: [row.environmentId, row.customerId],
      foreignColumns: [customers.environmentId, customers.id],
    }),
    // What Farebox does by itself starts from a wallet's id alone.
    unique('wallets_wallet').on(row.walletId),
    index('wallets_to_freeze')
      .on(row.quarantinedAt)
      .where(sql`${row.quarantinedAt} is not null and ${row.quarantineFrozenAt} is null`),
    check('wallets_version', sql`${row.version} >= 0`),
    check('wallets_partition', sql`${row.partition} between 0 and 255`),
  ],
);

export const accounts = pgTable(
  'accounts',
  {
    environmentId: identifier().notNull(),
    walletId: identifier().notNull(),
    asset: integer().notNull(),
    available: atoms().notNull(),
    held: atoms().notNull(),
    overage: atoms().notNull(),
    scheduled: atoms().notNull(),
  },
  (row) => [
    primaryKey({ columns: [row.environmentId, row.walletId, row.asset] }),
    foreignKey({
      name: 'accounts_wallet',
      columns: [row.environmentId, row.walletId],
      foreignColumns: [wallets.environmentId, wallets.walletId],
    }),
    foreignKey({
      name: 'accounts_asset',
      columns: [row.environmentId, row.asset],
      foreignColumns: [assets.environmentId, assets.number],
    }),
    check(
      'accounts_not_negative',
      sql`${row.available} >= 0 and ${row.held} >= 0 and ${row.overage} >= 0 and ${row.scheduled} >= 0`,
    ),
    check(
      'accounts_within_limit',
      sql`${row.available} + ${row.held} <= ${balanceMax} and ${row.overage} <= ${balanceMax}`,
    ),
  ],
);

/** Where wallets' money comes from and goes to: one row for each partition, so that lanes never wait for each other. */
export const environmentAccounts = pgTable(
  'environment_accounts',
  {
    environmentId: identifier().notNull(),
    asset: integer().notNull(),
    account: ledgerAccount().notNull(),
    partition: smallint().notNull(),
    /** Credits less debits. */
    balance: atoms().notNull(),
  },
  (row) => [
    primaryKey({ columns: [row.environmentId, row.asset, row.account, row.partition] }),
    foreignKey({
      name: 'environment_accounts_asset',
      columns: [row.environmentId, row.asset],
      foreignColumns: [assets.environmentId, assets.number],
    }),
    check('environment_accounts_account', sql`${row.account} not in ('available', 'held', 'overage')`),
    check(
      'environment_accounts_sign',
      // The others by exclusion: a value that a migration adds cannot be named in the same one.
      sql`case when ${row.account} in ('funding:promotional', 'funding:bundled', 'funding:paid') then ${row.balance} <= 0 else ${row.balance} >= 0 end`,
    ),
  ],
);

export const grants = pgTable(
  'grants',
  {
    environmentId: identifier().notNull(),
    walletId: identifier().notNull(),
    grantNo: integer().notNull(),
    state: grantState().notNull(),
    purpose: purpose().notNull(),
    priority: smallint().notNull(),
    scoped: boolean().notNull(),
    /** Which of the wallet's scopes; 0: it may be spent on anything. */
    scope: smallint().notNull().default(0),
    asset: integer().notNull(),
    amount: atoms().notNull(),
    remaining: atoms().notNull(),
    held: atoms().notNull(),
    effectiveAt: instant().notNull(),
    expiresAt: instant(),
    createdAt: instant().notNull(),
  },
  (row) => [
    primaryKey({ columns: [row.environmentId, row.walletId, row.grantNo] }),
    foreignKey({
      name: 'grants_wallet',
      columns: [row.environmentId, row.walletId],
      foreignColumns: [wallets.environmentId, wallets.walletId],
    }),
    index('grants_due')
      .on(
        sql`(case when ${row.state} = 'scheduled' then ${row.effectiveAt} else ${row.expiresAt} end)`,
        row.walletId,
        row.grantNo,
      )
      .where(
        sql`${row.state} = 'scheduled' or (${row.state} = 'active' and ${row.expiresAt} is not null and ${row.remaining} > 0)`,
      ),
    check('grants_amount', sql`${row.amount} > 0 and ${row.amount} <= ${amountMax}`),
    check(
      'grants_left',
      sql`${row.remaining} >= 0 and ${row.held} >= 0 and ${row.remaining} + ${row.held} <= ${row.amount}`,
    ),
    check('grants_idle', sql`${row.state} not in ('scheduled', 'spent') or (${row.remaining} = 0 and ${row.held} = 0)`),
    check('grants_priority', sql`${row.priority} between 0 and 100`),
  ],
);

/** Holds stay after their end: a late settle, or a second one, is told how it ended. */
export const holds = pgTable(
  'holds',
  {
    environmentId: identifier().notNull(),
    walletId: identifier().notNull(),
    ref: identifier().notNull(),
    partition: smallint().notNull(),
    status: holdStatus().notNull(),
    late: boolean().notNull(),
    createdAt: instant().notNull(),
    expiresAt: instant().notNull(),
    endedAt: instant(),
    // One element for each leg; of the rates, one for each leg after the first.
    assets: integer().array().notNull(),
    amounts: atomsArray().notNull(),
    held: atomsArray().notNull(),
    settled: atomsArray().notNull(),
    released: atomsArray().notNull(),
    rateNums: atomsArray().notNull(),
    rateDens: atomsArray().notNull(),
    sourceGrants: integer().array().notNull(),
    sourceAtoms: atomsArray().notNull(),
    /** The budgets that it counts in (packed.ts). */
    tags: bytes()
      .notNull()
      .default(sql`''::bytea`),
  },
  (row) => [
    primaryKey({ columns: [row.environmentId, row.walletId, row.ref] }),
    index('holds_due')
      .on(row.partition, row.expiresAt)
      .where(sql`${row.status} = 'open'`),
    check(
      'holds_legs',
      sql`cardinality(${row.assets}) > 0 and cardinality(${row.assets}) = all (array[cardinality(${row.amounts}), cardinality(${row.held}), cardinality(${row.settled}), cardinality(${row.released}), cardinality(${row.rateNums}) + 1, cardinality(${row.rateDens}) + 1])`,
    ),
    check(
      'holds_amounts',
      sql`0 <= all (${row.amounts} || ${row.held} || ${row.settled} || ${row.released} || ${row.rateNums} || ${row.rateDens}) and ${row.held}[1] <= ${row.amounts}[1]`,
    ),
    check(
      'holds_end',
      sql`(${row.status} = 'open') = (${row.endedAt} is null) and (${row.status} = 'open' or 0 = all (${row.held}))`,
    ),
    check('holds_late', sql`not ${row.late} or ${row.status} = 'settled'`),
    check(
      'holds_sources',
      sql`cardinality(${row.sourceGrants}) = cardinality(${row.sourceAtoms}) and 0 < all (${row.sourceAtoms})`,
    ),
  ],
);

/** Events that no price matched when they came: kept until they are rated again, and after that. */
export const unpricedEvents = pgTable(
  'unpriced_events',
  {
    /** In the order in which they came. */
    no: counter().notNull().generatedAlwaysAsIdentity(),
    environmentId: identifier().notNull(),
    customerId: identifier().notNull(),
    eventId: identifier().notNull(),
    fingerprint: identifier().notNull(),
    /** JSON, as it came. */
    event: text().notNull(),
    status: eventStatus().notNull().default('unpriced'),
    /** JSON: what it was charged. */
    charge: text(),
    receivedAt: instant()
      .notNull()
      .default(sql`now()`),
  },
  (row) => [
    primaryKey({ columns: [row.environmentId, row.customerId, row.eventId] }),
    unique('unpriced_events_no').on(row.environmentId, row.no),
    index('unpriced_events_waiting')
      .on(row.environmentId, row.no)
      .where(sql`${row.status} = 'unpriced'`),
    foreignKey({
      name: 'unpriced_events_customer',
      columns: [row.environmentId, row.customerId],
      foreignColumns: [customers.environmentId, customers.id],
    }),
    check('unpriced_events_charge', sql`(${row.status} = 'charged') = (${row.charge} is not null)`),
  ],
);

/** What was counted by budgets and by prices: fields of wallets, as scripts pack them. */
export const counters = pgTable(
  'counters',
  {
    environmentId: identifier().notNull(),
    walletId: identifier().notNull(),
    name: identifier().notNull(),
    packed: bytes().notNull(),
  },
  (row) => [
    primaryKey({ columns: [row.environmentId, row.walletId, row.name] }),
    foreignKey({
      name: 'counters_wallet',
      columns: [row.environmentId, row.walletId],
      foreignColumns: [wallets.environmentId, wallets.walletId],
    }),
  ],
);

/** Entries that the ledger did not take, as they came, and those of the same wallet that came after them. */
export const quarantine = pgTable(
  'quarantine',
  {
    id: counter().primaryKey().generatedAlwaysAsIdentity(),
    partition: smallint().notNull(),
    epoch: integer().notNull(),
    seq: counter().notNull(),
    /** The stream's bytes, verbatim; empty where entries are missing. */
    raw: bytes().notNull(),
    reason: text().notNull(),
    at: instant()
      .notNull()
      .default(sql`now()`),
    // Whose it is, as far as the bytes say.
    environmentId: identifier(),
    walletId: identifier(),
    version: counter(),
    /** When somebody decided about it, and what; the row stays. */
    resolvedAt: instant(),
    resolution: text().$type<'replayed' | 'rejected'>(),
  },
  (row) => [
    index('quarantine_place').on(row.partition, row.epoch, row.seq),
    index('quarantine_wallet').on(row.environmentId, row.walletId, row.id),
    check(
      'quarantine_resolution',
      sql`num_nonnulls(${row.resolvedAt}, ${row.resolution}) in (0, 2) and ${row.resolution} in ('replayed', 'rejected')`,
    ),
  ],
);

/** How far the comparison of wallets in Redis with the ledger has come: one row, so that a pass outlives its worker. */
export const reconciliation = pgTable(
  'reconciliation',
  {
    only: boolean().primaryKey().default(true),
    pass: counter().notNull().default(1),
    /** The last wallet that this pass has looked at; empty at its beginning. */
    position: identifier().notNull().default(''),
    walletsCount: counter().notNull().default(0),
    beganAt: instant()
      .notNull()
      .default(sql`now()`),
    /** When the pass before this one ended. */
    endedAt: instant(),
    /** Some worker looks at the wallets that come next, until then at the longest. */
    claimedUntil: instant()
      .notNull()
      .default(sql`now()`),
  },
  (row) => [check('reconciliation_only', sql`${row.only}`)],
);
