// What travels over HTTP, version 1: every request and reply as a type, named and spelled as on the wire.
//
// Imports nothing and does nothing: the server checks its schemas against these types and the client is typed by
// them, so neither can drift from the other. Fields and `kind`s may be added, so a client ignores what it does not
// know. An optional field may be `undefined` too: JSON has no word for that and leaves the field out.

// ── In every request and reply ──

/**
 * A decimal string in the asset's unit: `"0.05"`, `"10"`. On input without sign, exponent or leading zeros, at most
 * 40 characters and no more decimals than the asset's scale; in replies without trailing zeros. Signs appear only in
 * entries. One amount is at most 10^15 of the smallest unit (1,000,000 USD), `available + held` at most 2^52 of it.
 */
export type Amount = string;

/** RFC 3339; in replies UTC with milliseconds. On input the fraction may be absent, or the offset another one. */
export type Timestamp = string;

/** The caller's own JSON object, at most 4 KiB; kept and given back, never read. */
export type Metadata = { [name: string]: unknown };

/** Who or what inside the customer spent: team, agent, model. */
export type Labels = { [name: string]: string };

export type PageQuery = {
  /** 1–100, default 50. */
  limit?: number | undefined;
  /** The `next_cursor` of the page before. */
  cursor?: string | undefined;
};

/** Newest first. */
export type Page<Item> = {
  data: Item[];
  /** Null: this was the last page. */
  next_cursor: string | null;
};

// ── Refusals (RFC 9457, `application/problem+json`) ──

/** Whether what was asked for has happened. `unknown`: repeat it with the same Idempotency-Key. */
export type Outcome = 'applied' | 'not_applied' | 'unknown';

export type Problem = {
  type: string;
  title: string;
  /** The HTTP status; in a decline the word `declined`. */
  status: number;
  detail: string;
  /** What to switch on: `customer_not_found`, `hold_closed`, … */
  code: string;
  /** Whether the same request may succeed later. */
  retryable: boolean;
  outcome: Outcome;
  request_id: string;
  /** With `outcome: "unknown"`: the key to retry with. */
  idempotency_key?: string | undefined;
  /** With status 422: the first hundred fields that are missing, unknown, of the wrong type or out of range. */
  errors?: FieldError[] | undefined;
};

export type FieldError = { path: string; message: string };

/** 409: the hold ended before, and this is how. */
export type HoldClosedProblem = Problem & {
  code: 'hold_closed';
  hold_status: 'settled' | 'released' | 'expired';
  settled: Amount;
  released: Amount;
};

// ── Replies to what moved something ──

/**
 * Only in durability class `replicated`: it is done, but no replica has confirmed it in time, so it is lost if Redis is lost
 * now. Repeat with the same Idempotency-Key to ask again.
 */
export type Durability = { durability?: 'unconfirmed' | undefined };

// ── Customers: /v1/customers ──

export type CustomerRequest = {
  /** 1–128 characters of `A–Z a–z 0–9 _ . : @ -`, the first a letter or digit. Absent: one is made, `cus_…`. */
  id?: string | undefined;
  name?: string | undefined;
  email?: string | undefined;
  metadata?: Metadata | undefined;
};

/** What is absent stays, null empties, `metadata` is replaced whole. */
export type CustomerChanges = {
  name?: string | null | undefined;
  email?: string | null | undefined;
  metadata?: Metadata | undefined;
};

export type Customer = {
  id: string;
  name: string | null;
  email: string | null;
  metadata: Metadata;
  created_at: Timestamp;
};

// ── Assets: /v1/assets ──

export type AssetKind = 'custom' | 'fiat';

export type AssetRequest = {
  /** `[A-Z][A-Z0-9_]{0,31}`. */
  code: string;
  name?: string | undefined;
  /** Decimals of the smallest unit, 0–9; never changes. */
  scale: number;
  kind: AssetKind;
};

export type Asset = {
  code: string;
  name: string | null;
  scale: number;
  kind: AssetKind;
};

// ── Grants: /v1/customers/{id}/grants ──

export type GrantPurpose = 'promotional' | 'bundled' | 'paid';
export type GrantStatus = 'scheduled' | 'active' | 'spent' | 'expired' | 'voided';

/** What a grant may pay for: lines of priced events for which all of this is so. */
export type GrantScope = {
  /** One of these. */
  event_types?: string[] | undefined;
  /** The line's price is one of these products'. */
  products?: string[] | undefined;
  /** Fields of `data`: each is what is named, or one of those; `"*"` is any value. */
  dimensions?: { [field: string]: DimensionValue | DimensionValue[] } | undefined;
};
export type DimensionValue = string | number | boolean;

/** Of an instance of a recurring grant. */
export type GrantRecurrence = {
  /** The same in all instances. */
  id: string;
  /** Counts from 1. */
  instance: number;
  each: 'hour' | 'day' | 'week' | 'month';
  time_zone: string;
  anchor: Timestamp;
  on_renew: OnRenew;
  rollover?: { fraction: string; maximum: Amount | null; periods: number | null } | undefined;
  /** From then on nothing renews. */
  canceled_at: Timestamp | null;
};
/** What becomes of what is left: it expires, stays, or stays in part. */
export type OnRenew = 'replace' | 'accumulate' | 'rollover';

export type GrantRequest = {
  asset: string;
  amount: Amount;
  /** Default `promotional`. */
  purpose?: GrantPurpose | undefined;
  /** 0–100, default 50; a lower one is spent first. */
  priority?: number | undefined;
  /** Default now. */
  effective_at?: Timestamp | undefined;
  /** Exclusive: at this instant it can't be spent any more. Absent: never. */
  expires_at?: Timestamp | undefined;
  scope?: GrantScope | undefined;
  /** It comes again, as another grant of the same amount, until one is voided or canceled. */
  recurrence?:
    | { each: GrantRecurrence['each']; time_zone?: string | undefined; anchor?: Timestamp | undefined }
    | undefined;
  /** Default `replace`. */
  on_renew?: OnRenew | undefined;
  /** With `rollover`: a fraction of what is left, at most so much, for so many renewals (absent: for ever). */
  rollover?: { fraction: string; maximum?: Amount | undefined; periods?: number | undefined } | undefined;
  description?: string | undefined;
  metadata?: Metadata | undefined;
};

export type Grant = {
  id: string;
  customer_id: string;
  asset: string;
  amount: Amount;
  /** Neither spent nor held, nor gone to repay overage. */
  remaining: Amount;
  held: Amount;
  purpose: GrantPurpose;
  priority: number;
  status: GrantStatus;
  effective_at: Timestamp;
  expires_at: Timestamp | null;
  scope: GrantScope | null;
  /** Absent: it does not recur. */
  recurrence?: GrantRecurrence | undefined;
  description: string | null;
  metadata: Metadata;
  created_at: Timestamp;
};

/** Reply to `POST …/grants`. */
export type CreatedGrant = Grant & Durability;

/** Reply to `POST …/grants/{grant_id}/void`. What is held goes when it returns. */
export type VoidedGrant = Grant &
  Durability & {
    status: 'voided';
    /** What was taken back now. */
    voided: Amount;
  };

// ── Money in: /v1/customers/{id}/payment-methods ──

export type PaymentMethodSetupRequest = {
  /** Where Stripe's page leads to in the end. */
  return_url: string;
};

/** `url`: Stripe's page, where the customer enters what to pay with. */
export type PaymentMethodSetup = { url: string };

export type PaymentMethod = {
  id: string;
  /** `card`, or another of Stripe's types. */
  type: string;
  card: { brand: string; last4: string; exp_month: number; exp_year: number } | null;
  /** Whether it is charged where none is named. */
  default: boolean;
  created_at: Timestamp;
};

// ── Money in: /v1/assets/{code}/rates, /v1/customers/{id}/top-ups, /v1/top-ups/{id} ──

export type AssetRateRequest = {
  /** Three capital letters. */
  currency: string;
  /** What one unit of the asset costs in it: a decimal string, more than zero, at most 12 decimals. */
  rate: string;
  /** Default now. */
  effective_at?: Timestamp | undefined;
};

export type AssetRate = {
  id: string;
  asset: string;
  currency: string;
  rate: string;
  effective_at: Timestamp;
  created_at: Timestamp;
};

export type TopUpRequest = {
  asset: string;
  amount: Amount;
  /** `checkout`: on a page of Stripe's. `saved`: at once, by a payment method that the customer has saved. */
  payment: 'checkout' | 'saved';
  /** With `saved`. Absent: the default one. */
  payment_method_id?: string | undefined;
  /** Where Stripe's page leads to in the end. With `saved`: where the bank's does, should it want to know who pays. */
  return_url?: string | undefined;
  /** Of the grant; absent: never. */
  expires_at?: Timestamp | undefined;
  metadata?: Metadata | undefined;
};

export type TopUp = {
  id: string;
  customer_id: string;
  /** `succeeded`: the money has arrived, and the credit is in the wallet. */
  status: 'pending' | 'requires_action' | 'succeeded' | 'failed' | 'canceled' | 'refunded';
  asset: string;
  amount: Amount;
  payment: 'checkout' | 'saved';
  /** Before tax. `rate`: what one unit cost; absent where the asset is the currency. */
  price: { currency: string; amount: string; rate?: string | undefined };
  /** Send the customer there. */
  checkout_url?: string | undefined;
  /** Send the customer there: the bank wants to know who pays. */
  next_action?: { type: 'redirect'; url: string } | undefined;
  failure?: { code: string; message: string; retryable: boolean } | undefined;
  grant_id?: string | undefined;
  /** What has gone back of it, or is about to, oldest first; absent: nothing. */
  refunds?: Refund[] | undefined;
  expires_at: Timestamp | null;
  metadata: Metadata;
  created_at: Timestamp;
};

export type RefundRequest = {
  /** Of the credit, in its asset. Absent: all that has not gone back. */
  amount?: Amount | undefined;
};

export type Refund = {
  id: string;
  /** Asked for here; made at Stripe by somebody else; taken by the customer's bank. */
  origin: 'request' | 'stripe' | 'dispute';
  /** `pending`: the credit is set aside. `succeeded`: it is taken, and the money has gone. `failed`: neither. */
  status: 'pending' | 'succeeded' | 'failed';
  /** Of the credit. */
  amount: Amount;
  money: { currency: string; amount: string };
  failure?: { code: string; message: string } | undefined;
  created_at: Timestamp;
};

/** What one asset of a customer's wallet is filled up by, before it runs dry. Exactly one of `amount` and `target`. */
export type AutoTopUpRequest = {
  enabled: boolean;
  /** A charge is due when what is available falls to this or below. */
  threshold: Amount;
  /** Bought as often as it takes to get above the threshold, in one charge. */
  amount?: Amount | undefined;
  /** Filled up to this; the threshold at least. */
  target?: Amount | undefined;
  /** In money: what is charged automatically in one month of UTC is never more. */
  monthly_limit: string;
  /** Absent: the default one. */
  payment_method_id?: string | undefined;
  /** Where the bank's page leads to, should it want to know who pays. */
  return_url?: string | undefined;
};

export type AutoTopUp = {
  customer_id: string;
  asset: string;
  enabled: boolean;
  threshold: Amount;
  amount?: Amount | undefined;
  target?: Amount | undefined;
  monthly_limit: string;
  payment_method_id?: string | undefined;
  return_url?: string | undefined;
  /** What it is bought with; the limit is in it, too. */
  currency: string;
  state: 'armed' | 'charging' | 'requires_action' | 'backing_off' | 'suspended' | 'capped' | 'disabled';
  spent_this_month: string;
  last_error: { code: string; message: string } | null;
  next_attempt_at: Timestamp | null;
  /** The charge that is under way. */
  top_up_id?: string | undefined;
  /** Send the customer there: the bank wants to know who pays. */
  next_action?: { type: 'redirect'; url: string } | undefined;
};

// ── Keys: /v1/keys ──

/** `admin` includes all others. */
export type Scope = 'authorize' | 'read' | 'credit' | 'catalog' | 'admin';

export type KeyRequest = {
  name: string;
  scopes: readonly Scope[];
  expires_at?: Timestamp | undefined;
};

export type Key = {
  id: string;
  name: string;
  scopes: Scope[];
  created_at: Timestamp;
  expires_at: Timestamp | null;
};

/** Reply to `POST /v1/keys`. */
export type CreatedKey = Key & {
  /** `fb_test_…` or `fb_live_…`; shown this once. */
  secret: string;
};

// ── Prices: what products are made of, /v1/products ──

/**
 * A decimal string in the asset's unit, such as `"1.25"`. It may be six digits finer than the asset's scale: a line is rounded
 * up once, when all of it is known.
 */
export type Rate = string;

/** How much was used: a number or a decimal string from 0, at most 6 decimals, at most 10^12. */
export type Quantity = number | string;

/** What usage is counted over before tiers or packages are applied: each event by itself, or a calendar period in UTC. */
export type TiersOver = 'event' | 'hour' | 'day' | 'week' | 'month';

/** What the account in the price's asset does not cover is due in this one, at `rate` units of it for one. */
export type PriceFallback = { asset: string; rate: Rate };

export type PriceTier = {
  /** Inclusive; null in the last tier, and only there. */
  up_to: Quantity | null;
  /** For each `per` units; absent: nothing. */
  unit_amount?: Rate | undefined;
  /** Default 1; 1–10^9. */
  per?: number | undefined;
  /** Due once usage enters the tier; the first one is entered by the first event, even of quantity 0. */
  flat_amount?: Amount | undefined;
};

export type PriceTerms = {
  /** Unique in its version; keeps its meaning, and its counts over a period, from version to version. */
  id: string;
  event_type: string;
  asset: string;
  /** Fields of `data` that must match, each exactly, or with `"*"` any value. */
  dimensions?: { [field: string]: string | number | boolean } | undefined;
  /** In this order. */
  fallback?: readonly PriceFallback[] | undefined;
};

/** The field of `data` that says how much; absent: 1 for each event. */
type PricedField = { quantity?: string | undefined };

/** `unit_amount` for each `per` units (default 1), pro rata. */
export type UnitPrice = PriceTerms & PricedField & { model: 'unit'; unit_amount: Rate; per?: number | undefined };

/** `unit_amount` for each started package. */
export type PackagePrice = PriceTerms &
  PricedField & { model: 'package'; unit_amount: Rate; package_size: number; tiers_over?: TiersOver | undefined };

/** `graduated`: each tier prices the part of the usage that lies in it. `volume`: the tier that usage ends in prices all of it. */
export type TieredPrice = PriceTerms &
  PricedField & { model: 'graduated' | 'volume'; tiers: readonly PriceTier[]; tiers_over?: TiersOver | undefined };

/** A fraction of an amount in the asset's unit, `"0.029"` for 2.9 %, then `fixed_amount`, then the bounds. */
export type PercentagePrice = PriceTerms & {
  model: 'percentage';
  /** The field with the amount. */
  quantity: string;
  /** At most 100. */
  rate: Rate;
  fixed_amount?: Amount | undefined;
  minimum?: Amount | undefined;
  maximum?: Amount | undefined;
};

export type Price = UnitPrice | PackagePrice | TieredPrice | PercentagePrice;

// ── Products: /v1/products ──

export type ProductRequest = {
  /** 1–128 characters of `A–Z a–z 0–9 _ . : -`, the first a letter or digit. Absent: one is made, `prod_…`. */
  id?: string | undefined;
  name: string;
  /** Whether it prices every customer; default false: it prices those that are subscribed to it. */
  default?: boolean | undefined;
  prices: Price[];
};

export type ProductVersionRequest = { prices: Price[] };

export type VersionStatus = 'draft' | 'published';

export type Product = {
  id: string;
  name: string;
  default: boolean;
  /** The latest version, and its status. */
  version: number;
  status: VersionStatus;
  /** The latest that is published. */
  published_version: number | null;
  created_at: Timestamp;
};

/** With the prices of its latest version: of one product, and reply to `POST /v1/products`. */
export type ProductWithPrices = Product & { prices: Price[] };

/** Once published it never changes. */
export type ProductVersion = {
  product_id: string;
  version: number;
  status: VersionStatus;
  prices: Price[];
  created_at: Timestamp;
  published_at: Timestamp | null;
};

// ── Subscriptions: /v1/customers/{id}/subscriptions ──

export type SubscriptionRequest = {
  product_id: string;
  /** A published one; absent: the latest that is published. */
  version?: number | undefined;
};

/** `version`: another published one of the product, later or earlier. */
export type MigrateRequest = {
  version: number;
  /** Default false; with it nothing is moved. */
  dry_run?: boolean | undefined;
  /** Of a dry run: the last so many, 0–100, default 20. */
  events?: number | undefined;
};

/** Reply to a dry run: what the last events that were charged or settled cost by both versions, newest first. */
export type SubscriptionMigration = {
  dry_run: true;
  customer_id: string;
  subscription_id: string;
  product_id: string;
  from: number;
  to: number;
  events: MigrationEvent[];
  /** Over what can be priced. */
  difference: MigrationDifference[];
};

/** It stays on its version until it is moved. */
export type Subscription = {
  id: string;
  customer_id: string;
  product_id: string;
  version: number;
  status: 'active' | 'canceled';
  created_at: Timestamp;
  /** When it was made, migrated or canceled last. */
  changed_at: Timestamp;
  canceled_at: Timestamp | null;
};

// ── Migration: POST /v1/products/{id}/versions/{version}/migrate ──

/** Moves the customers that are subscribed to a version to the version `to`. */
export type MigrationRequest = {
  to: number;
  /** Default false; with it nobody is moved. */
  dry_run?: boolean | undefined;
  /** Of a dry run: the last so many of each customer, 0–100, default 20. */
  events?: number | undefined;
  /** Customers of this call, 1–100, default 50. */
  limit?: number | undefined;
  /** Of a dry run: go on behind this customer. */
  after?: string | undefined;
};

/** What an event costs in each asset; or why it cannot be priced. */
type PricedBy = { asset: string; amount: Amount }[] | { code: string };

export type MigrationEvent = {
  entry_id: string;
  event_type: string;
  occurred_at: Timestamp;
  before: PricedBy;
  after: PricedBy;
};

/** Signed: `after` − `before`. */
export type MigrationDifference = { asset: string; before: Amount; after: Amount; difference: Amount };

export type MigrationCustomer = {
  customer_id: string;
  subscription_id: string;
  /** Of a dry run, newest first. */
  events?: MigrationEvent[] | undefined;
  /** Of a dry run, over what can be priced. */
  difference?: MigrationDifference[] | undefined;
};

export type Migration = {
  product_id: string;
  from: number;
  to: number;
  dry_run: boolean;
  /** Those of this call, who were moved or would be. */
  customers: MigrationCustomer[];
  /** Of a dry run, over the customers of this call. */
  difference?: MigrationDifference[] | undefined;
  /** How many are on the version after this call: repeat it until there are none. */
  customers_left: number;
  /** Of a dry run: where the next call goes on. */
  next_after: string | null;
};

// ── Budgets: /v1/customers/{id}/budgets ──

/** In a time zone by its IANA name, default UTC; a week begins on Monday. */
export type CalendarPeriod = {
  unit: 'hour' | 'day' | 'week' | 'month' | 'lifetime';
  time_zone?: string | undefined;
};
/** The last so many milliseconds, from a minute to 366 days; counted in 60 parts, so up to 1/59 longer. */
export type RollingPeriod = { rolling_ms: number };

/** Spending that carries all of this; nothing: the whole wallet's. */
export type BudgetMatch = {
  subject?: string | undefined;
  /** At most 8. */
  labels?: Labels | undefined;
  event_type?: string | undefined;
};

/** `hard` refuses what does not fit in; `alert` only tells. */
export type BudgetEnforcement = 'hard' | 'alert';

export type BudgetRequest = {
  name: string;
  asset: string;
  limit: Amount;
  period: CalendarPeriod | RollingPeriod;
  match: BudgetMatch;
  enforcement: BudgetEnforcement;
  /** Parts of the limit: an entry `budget_alert` tells of each that spending has reached, once in a period. At most 8, up to `"4"`. */
  alert_at?: string[] | undefined;
};

/** What is absent stays; `match` and `alert_at` are replaced whole. What was counted stays. */
export type BudgetChanges = {
  name?: string | undefined;
  limit?: Amount | undefined;
  match?: BudgetMatch | undefined;
  enforcement?: BudgetEnforcement | undefined;
  alert_at?: string[] | undefined;
};

export type Budget = {
  id: string;
  customer_id: string;
  name: string;
  asset: string;
  limit: Amount;
  period: CalendarPeriod | RollingPeriod;
  match: BudgetMatch;
  enforcement: BudgetEnforcement;
  alert_at: string[];
  /** In the present period. Settled excess counts, too, and may lead past the limit. */
  spent: Amount;
  /** By open holds that were opened, or extended, in the present period. */
  held: Amount;
  /** What a request could take now, as far as this budget goes. */
  remaining: Amount;
  /** When what it counts now counts no longer; null: never, or bit by bit. */
  resets_at: Timestamp | null;
  created_at: Timestamp;
  changed_at: Timestamp;
};

// ── Wallet: /v1/customers/{id}/wallet, …/wallet/freeze, …/wallet/unfreeze ──

/** The API lifts `operator` only. */
export type FreezeReason = 'operator' | 'reconcile' | 'quarantine' | 'dispute';

export type Wallet = {
  customer_id: string;
  status: 'active' | 'frozen';
  freeze_reason: FreezeReason | null;
  /** Counts the entries; 0 for a new customer. */
  version: number;
  as_of: Timestamp;
  /** One for each asset that ever had credit. */
  accounts: Account[];
};

/** Reply to `POST …/wallet/freeze` and `…/unfreeze`. */
export type ChangedWallet = Wallet & Durability;

export type Account = {
  asset: string;
  /** What a new hold could take now, as far as scopes of grants let it. */
  available: Amount;
  /** How much of `available` is in grants with a `scope`; absent where nothing is. */
  scoped?: Amount | undefined;
  held: Amount;
  /** What the account owes; above zero only where nothing is available that is not scoped. */
  overage: Amount;
  /** The active ones with something left or held, in the order they are spent. */
  grants: AccountGrant[];
};

export type AccountGrant = {
  id: string;
  purpose: GrantPurpose;
  priority: number;
  remaining: Amount;
  held: Amount;
  expires_at: Timestamp | null;
  /** Absent: it may be spent on anything. */
  scope?: GrantScope | undefined;
};

// ── Authorize and charge: POST /v1/authorize, POST /v1/charge ──

/** What is asked for, said outright. */
export type Money = { asset: string; amount: Amount };

/** What happened, or is about to: the catalog's prices say what it costs. */
export type UsageEvent = { event_type: string; data: { [field: string]: unknown } };

/** One price of an event, and what it comes to. */
export type PricedLine = {
  price_id: string;
  /** The product's version that it is of. */
  price_version: number;
  /** A decimal string, of what the price counts; `"1"` where it counts events. */
  quantity: string;
  amount: Amount;
  asset: string;
};

/** Priced as authorize would. */
export type EstimateRequest = UsageEvent & { customer_id: string };

/** What authorize would hold. Nothing was stored, and nothing said of whether the wallet has it. */
export type Estimate = {
  customer_id: string;
  asset: string;
  amount: Amount;
  lines: PricedLine[];
  /** Where there are several assets: one item for each, the first one too. */
  legs?: { asset: string; amount: Amount }[] | undefined;
};

/**
 * `strict`: all or nothing. `up_to`: as much of it as is affordable, and 402 if nothing is. `shadow`: decide and
 * report, move and store nothing.
 */
export type Mode = 'strict' | 'up_to' | 'shadow';

export type SpendTerms = {
  customer_id: string;
  /** Default `strict`. */
  mode?: Mode | undefined;
  subject?: string | undefined;
  labels?: Labels | undefined;
  metadata?: Metadata | undefined;
};

/** How long the hold lives: 1000–86400000 ms, default 60000. */
export type HoldTerms = { ttl_ms?: number | undefined };

/** `amount: "0"` is approved, even without an account. */
export type AuthorizeRequest = (Money | UsageEvent) & SpendTerms & HoldTerms;

export type ChargeRequest = (Money | UsageEvent) & SpendTerms;

/** One asset of several that a request is in; balances are the account's, after this. */
export type HeldLeg = { asset: string; amount: Amount; available: Amount; held: Amount };

/** 200: money is set aside. */
export type Approved = Durability & {
  /** `hold_…` */
  id: string;
  status: 'approved';
  customer_id: string;
  asset: string;
  requested: Amount;
  /** What is held; less than `requested` only in mode `up_to`, or where `legs` stand in for the rest. After an extend: the hold's new total. */
  amount: Amount;
  /** Of an event: what it was priced by. */
  lines?: PricedLine[] | undefined;
  /** The account's, after this. */
  available: Amount;
  /** The account's, after this. */
  held: Amount;
  /** Where several assets are held: one item for each, the first one too. */
  legs?: HeldLeg[] | undefined;
  expires_at: Timestamp;
  remaining_ttl_ms: number;
  version: number;
};

/** 200: priced and debited in one step. */
export type Charged = Durability & {
  /** `chg_…` */
  id: string;
  status: 'charged';
  asset: string;
  requested: Amount;
  /** What was debited; less than `requested` only in mode `up_to`, or where `legs` stand in for the rest. */
  amount: Amount;
  /** Of an event: what it was priced by. */
  lines?: PricedLine[] | undefined;
  available: Amount;
  held: Amount;
  /** Where several assets were debited: one item for each, the first one too. */
  legs?: HeldLeg[] | undefined;
  version: number;
};

export type DeclineCode = 'insufficient_balance' | 'budget_exceeded' | 'wallet_in_overage';

/** What stood in the way. `held_in_flight`: once open holds return, the balance would do. */
export type LimitSource = 'balance' | 'held_in_flight' | 'overage' | 'budget';

/** Why the answer is no, and what would be a yes. */
export type Decline = {
  code: DeclineCode;
  asset: string;
  requested: Amount;
  available: Amount;
  held: Amount;
  /** The largest amount that would be approved now. */
  affordable: Amount;
  /** `requested − affordable`. */
  shortfall: Amount;
  limit_source: LimitSource;
  /** With `limit_source: "budget"`. */
  budget_id?: string | undefined;
};

/** 402, as a problem; `status` is the word, so that it tells all answers of one call apart. */
export type Declined = Omit<Problem, 'status' | 'code'> & Decline & { status: 'declined' };

/** 200, in mode `shadow`: it would have been approved. `available`, `held` and `version` are as they are. */
export type ShadowApproved = {
  status: 'shadow_approved';
  customer_id: string;
  asset: string;
  requested: Amount;
  /** What would be held or charged. */
  amount: Amount;
  available: Amount;
  held: Amount;
  /** Where there are several assets: one item for each, the first one too. */
  legs?: HeldLeg[] | undefined;
  version: number;
};

/** 200, in mode `shadow`: it would have been declined. */
export type ShadowDeclined = Omit<Decline, 'code' | 'limit_source'> & {
  status: 'shadow_declined';
  customer_id: string;
  code: DeclineCode | 'wallet_frozen' | 'too_many_holds';
  /** Absent where no amount of money would help. */
  limit_source?: LimitSource | undefined;
  version: number;
};

/** With status 200. */
export type AuthorizeReply = Approved | ShadowApproved | ShadowDeclined;
/** With status 200. */
export type ChargeReply = Charged | ShadowApproved | ShadowDeclined;

// ── Explain: POST /v1/explain, GET /v1/holds/{id}/explain ──

/** What authorize would be asked. Mode `shadow` is explained as `strict`. */
export type ExplainRequest = AuthorizeRequest;

/** What became of one price of the event's type. */
export type ExplainedPrice = {
  product_id: string;
  price_version: number;
  price_id: string;
  /** By a subscription of the customer, not because its product prices everybody. */
  subscribed: boolean;
  asset: string;
  /** The field that it counts; null: events. */
  quantity: string | null;
  dimensions: { [field: string]: string };
  /**
   * `matched`: it is a line. `outranked`: it fits, and another one that counts the same field fits more closely.
   * `replaced`: its product is a default one that the customer has a subscription to. `no_match`: a dimension differs.
   */
  status: 'matched' | 'outranked' | 'replaced' | 'no_match';
  outranked_by?: { product_id: string; price_version: number; price_id: string } | undefined;
  differs?: Difference | undefined;
};

/** `found` is null where the request does not say it. */
export type Difference = { field: string; wanted: string; found: string | null };

/** A grant that the request could take from, in the order of consumption. */
export type ExplainedGrant = {
  id: string;
  purpose: GrantPurpose;
  priority: number;
  /** Before the request. */
  remaining: Amount;
  /** What is, or was, taken of it. */
  taken: Amount;
  expires_at: Timestamp | null;
  scope: GrantScope | null;
  /** Whether its scope covers any of what is asked for. */
  covers: boolean;
};

/** Balances are those before the request. */
export type ExplainedAccount = {
  asset: string;
  /** Due in this asset. */
  requested: Amount;
  available: Amount;
  held: Amount;
  overage: Amount;
  grants: ExplainedGrant[];
};

/** Balances and counts are those before the request. */
export type ExplainedBudget = {
  id: string;
  asset: string;
  enforcement: 'hard' | 'alert';
  /** Whether it covers the request; the fields below it are there for one that does. */
  covers: boolean;
  differs?: Difference[] | undefined;
  limit: Amount;
  spent?: Amount | undefined;
  held?: Amount | undefined;
  remaining?: Amount | undefined;
  /** It is hard, and has less left than is due in its asset. */
  refuses?: boolean | undefined;
  /** When what it counts now counts no longer; null: never, or bit by bit. */
  resets_at?: Timestamp | null | undefined;
};

export type RemedyStep =
  | { kind: 'add_credit'; asset: string; amount: Amount }
  /** To this limit at least. */
  | { kind: 'raise_budget'; budget_id: string; limit: Amount }
  | { kind: 'unfreeze'; freeze_reason: FreezeReason }
  /** At most this much. */
  | { kind: 'ask_for'; asset: string; amount: Amount }
  /** Open holds that come back suffice. */
  | { kind: 'await_holds' }
  /** Until the budgets that refuse reset. */
  | { kind: 'wait_until'; at: Timestamp }
  /** A price for this type of event that fits its fields. */
  | { kind: 'publish_price'; event_type: string }
  /** The field that a price counts. */
  | { kind: 'send_field'; field: string };

/** Each remedy suffices by itself; all of its steps are needed. */
export type Remedy = { steps: RemedyStep[] };

/** Why authorize would say what it would say now. Nothing is set aside, and nothing stored. */
export type Explanation = {
  customer_id: string;
  /** `unpriced`: no price, or one that cannot count; authorize refuses it with 422. */
  status: 'approved' | 'declined' | 'unpriced';
  /** Of what is not approved: as the refusal has it. */
  code?:
    | DeclineCode
    | 'wallet_frozen'
    | 'too_many_holds'
    | 'no_price'
    | 'missing_quantity'
    | 'amount_too_large'
    | undefined;
  /** A sentence. */
  detail: string;
  mode: 'strict' | 'up_to';
  as_of: Timestamp;
  /** Of the wallet that is looked at; absent for what is unpriced. */
  version?: number | undefined;
  asset?: string | undefined;
  requested?: Amount | undefined;
  /** What would be held. */
  amount?: Amount | undefined;
  /** Where it is declined, as in the 402. */
  affordable?: Amount | undefined;
  shortfall?: Amount | undefined;
  /** What bound: where it is declined, and where mode `up_to` would get less than is asked for. */
  limit_source?: LimitSource | undefined;
  budget_id?: string | undefined;
  freeze_reason?: FreezeReason | undefined;
  /** Of an event. */
  lines?: PricedLine[] | undefined;
  /** Of an event: every price of its type that may be the customer's, those that matched first; a hundred at most. */
  prices?: ExplainedPrice[] | undefined;
  /** One for each asset in which something is due. */
  accounts: ExplainedAccount[];
  /** Those that cover the request first. */
  budgets: ExplainedBudget[];
  /** What would make it approved; empty where it is. */
  remedies: Remedy[];
};

/** What authorize was asked and told when it opened this hold. */
export type HoldExplanation = {
  hold_id: string;
  customer_id: string;
  /** By now; all else is as it was then. */
  status: 'open' | 'settled' | 'released' | 'expired';
  /** When it was approved. */
  as_of: Timestamp;
  version: number;
  asset: string;
  requested: Amount;
  amount: Amount;
  event_type?: string | undefined;
  data?: { [field: string]: unknown } | undefined;
  subject?: string | undefined;
  labels?: Labels | undefined;
  lines?: PricedLine[] | undefined;
  /** By the catalog of then; absent where subscriptions have changed since. */
  prices?: ExplainedPrice[] | undefined;
  /** With the grants that something was taken from. */
  accounts: ExplainedAccount[];
  /** In mode `up_to`, why it got no more; absent where it got all, is in several assets, or budgets have changed since. */
  limit_source?: LimitSource | undefined;
  budget_id?: string | undefined;
  /**
   * Those that it was counted in, but for deleted ones; `held`: as how much; `remaining`: before it. Limit and what was left are
   * absent where the budget has changed since.
   */
  budgets: {
    id: string;
    asset: string;
    held: Amount;
    enforcement?: 'hard' | 'alert' | undefined;
    limit?: Amount | undefined;
    remaining?: Amount | undefined;
  }[];
};

// ── Events: /v1/events ──

/** What happened, to be priced and debited. */
export type EventRequest = UsageEvent & {
  /** 1–128 printable ASCII characters; the same id and event again, of the same customer, have no further effect. */
  id: string;
  customer_id: string;
  subject?: string | undefined;
  labels?: Labels | undefined;
  costs?: readonly VendorCost[] | undefined;
  /** When it happened, by which it is priced; at most 35 days ago. Absent: now. */
  occurred_at?: Timestamp | undefined;
};

/** At most 100. Each is decided by itself, as a charge of its own would be. */
export type EventsRequest = { events: readonly EventRequest[] };

/** `duplicate`: this id was charged by an earlier request, or an earlier attempt of this one, as told. */
export type EventCharged = Omit<Charged, 'id' | 'status'> & {
  id: string;
  status: 'charged' | 'duplicate';
  /** `chg_…` */
  charge_id: string;
};

export type EventDeclined = Declined & { id: string };

/** Any other refusal: the problem that a charge of its own would have got. */
export type EventError = Omit<Problem, 'status'> & {
  /** Null: what was sent has none. */
  id: string | null;
  status: 'error';
  /** What a charge of its own would have been answered with. */
  http_status: number;
};

/** No price matched: it is kept, and can be rated again once there is one. */
export type EventUnpriced = { id: string; status: 'unpriced'; code: 'no_price'; detail: string };

export type EventResult = EventCharged | EventDeclined | EventUnpriced | EventError;

/** One for each event, in their order. */
export type EventsReply = { results: EventResult[] };

export type KeptEventStatus = 'unpriced' | 'charged' | 'conflict';

export type KeptEventsQuery = PageQuery & { status?: KeptEventStatus | undefined; customer_id?: string | undefined };

/** An event that no price matched when it came. */
export type KeptEvent = EventRequest & {
  /** `charged`: it was rated again since. `conflict`: another event was charged under its id. */
  status: KeptEventStatus;
  received_at: Timestamp;
  /** What it was charged. */
  charge?: EventCharged | undefined;
};

export type RateEventsRequest = {
  customer_id?: string | undefined;
  /** 1–100, default 100. */
  limit?: number | undefined;
  /** The `next_cursor` of the reply before. */
  cursor?: string | undefined;
};

/** Oldest first. Null: these were the last. */
export type RateEventsReply = { results: { customer_id: string; result: EventResult }[]; next_cursor: string | null };

// ── Holds: /v1/holds/{id}, …/settle, …/release, …/extend ──

/** What becomes of usage above the hold: taken from the account, cut off, or 422 `exceeds_hold`. Default `charge`. */
export type OnExcess = 'charge' | 'cap' | 'reject';

/** What the operator pays for the same work; kept with the entry. */
export type VendorCost = { vendor: string; amount: Amount; asset: string };

export type SettleTerms = {
  costs?: readonly VendorCost[] | undefined;
  /** Default true: the hold ends, what is left of it returns. */
  final?: boolean | undefined;
  on_excess?: OnExcess | undefined;
  metadata?: Metadata | undefined;
};

/** What the work cost, in the hold's asset. */
export type Usage = {
  /** This part; parts settled before come on top. */
  amount: Amount;
};

/** `amount`, or an event that is priced as it is when it is settled; it may cost in several assets. */
export type SettleRequest = (Usage | UsageEvent) & SettleTerms;

/** Of a hold in several assets, one. `settled` and `released` are the hold's, the balances the account's. */
export type ReleasedLeg = { asset: string; settled: Amount; released: Amount; available: Amount; held: Amount };
/** `overage`: what the account owes now. */
export type SettledLeg = ReleasedLeg & { overage: Amount };

export type Settled = Durability & {
  id: string;
  /** `open` after `final: false`. */
  status: 'settled' | 'open';
  /** The hold's total so far. */
  settled: Amount;
  /** What came back. */
  released: Amount;
  /** What the account owes now. */
  overage: Amount;
  /** The hold had expired; recorded all the same, once. */
  late: boolean;
  asset: string;
  /** Of an event: what this part was priced by. */
  lines?: PricedLine[] | undefined;
  available: Amount;
  held: Amount;
  /** Of a hold in several assets: one item for each, the first one too. */
  legs?: SettledLeg[] | undefined;
  version: number;
};

export type Released = Durability & {
  id: string;
  status: 'released';
  released: Amount;
  /** By partial settles before. */
  settled: Amount;
  asset: string;
  available: Amount;
  held: Amount;
  /** Of a hold in several assets: one item for each, the first one too. */
  legs?: ReleasedLeg[] | undefined;
  version: number;
};

export type ExtendRequest = {
  /** From now; never shortens. 1000–86400000 ms. */
  ttl_ms?: number | undefined;
  /** In addition to what is held. */
  amount?: Amount | undefined;
};

/** What a hold has of one asset. */
export type HoldLeg = { asset: string; amount: Amount; held: Amount; settled: Amount; released: Amount };

export type Hold = {
  id: string;
  status: 'open' | 'settled' | 'released' | 'expired';
  customer_id: string;
  asset: string;
  amount: Amount;
  /** Still set aside. */
  held: Amount;
  settled: Amount;
  released: Amount;
  /** Where it is in several assets: one item for each, the first one too. */
  legs?: HoldLeg[] | undefined;
  late: boolean;
  created_at: Timestamp;
  expires_at: Timestamp;
  ended_at: Timestamp | null;
};

// ── Ledger: GET /v1/customers/{id}/entries ──

export type EntryKind =
  | 'grant'
  | 'schedule_grant'
  | 'activate_grant'
  | 'hold'
  | 'extend'
  | 'settle'
  | 'release'
  | 'expire_hold'
  | 'charge'
  | 'expire_grant'
  | 'void_grant'
  | 'freeze'
  | 'unfreeze'
  /** A threshold of a budget was passed: nothing moved. */
  | 'budget_alert'
  | 'roll_over_grant'
  | 'refund';

export type EntriesQuery = PageQuery & {
  asset?: string | undefined;
  kind?: EntryKind | undefined;
  /** Inclusive. */
  from?: Timestamp | undefined;
  /** Exclusive. */
  to?: Timestamp | undefined;
};

/** What moved in one asset. */
export type Leg = {
  asset: string;
  /** Signed: the change of `available + held − overage`. `"-0.3"` for a settle of 0.3, `"0"` for holds and releases. */
  amount: Amount;
  available_after: Amount;
  held_after: Amount;
  overage_after: Amount;
};

/** A threshold of a budget that spending has reached. `name`: as the budget is called now; `spent`: in the period, by then. */
export type BudgetAlert = { id: string; name: string; asset: string; threshold: Amount; spent: Amount };

/** One version of a wallet, for ever. */
export type Entry = {
  id: string;
  /** Without gaps. */
  version: number;
  kind: EntryKind;
  /** Null, as the three balances: a freeze or unfreeze is about no asset. */
  asset: string | null;
  /** Signed, as in `Leg`; `"0"` for a freeze or unfreeze. */
  amount: Amount;
  available_after: Amount | null;
  held_after: Amount | null;
  overage_after: Amount | null;
  /** Where several assets moved: one item for each, and the first is the entry's own. */
  legs?: Leg[] | undefined;
  hold_id?: string | undefined;
  grant_id?: string | undefined;
  /** Where the grant is an instance of a recurring one. */
  recurrence?: { id: string; instance: number } | undefined;
  /** Of an event of a batch. */
  event_id?: string | undefined;
  event_type?: string | undefined;
  data?: { [field: string]: unknown } | undefined;
  /** Where it was said to be past. */
  event_occurred_at?: Timestamp | undefined;
  subject?: string | undefined;
  labels?: Labels | undefined;
  /** Of an event: what it was priced by. */
  lines?: PricedLine[] | undefined;
  costs?: VendorCost[] | undefined;
  late?: boolean | undefined;
  /** Of a `budget_alert`: which budget, and what it tells of. */
  budget?: BudgetAlert | undefined;
  operation_id: string;
  occurred_at: Timestamp;
};
