// What the ledger's side and the request's side tell each other: plain records, made by db/, read by api/ and wallet/.
import type { codes } from './codes.gen.ts';
import type { GrantScope, Price } from './contract.ts';
import type { Atoms } from './units.ts';

export type KindName = keyof typeof codes.kind;
export type AccountName = keyof typeof codes.account;
export type PurposeName = keyof typeof codes.purpose;
export type GrantStateName = keyof typeof codes.grant_state;
export type HoldStatusName = keyof typeof codes.hold_status;
export type FreezeName = keyof typeof codes.freeze;
export type EnvironmentMode = 'test' | 'live';
export type Scope = 'authorize' | 'read' | 'credit' | 'catalog' | 'admin';
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

/** One page of a list, newest first; `nextCursor` is opaque. */
export type Page<T> = { items: T[]; nextCursor: string | undefined };
export type PageRequest = { limit: number; cursor: string | undefined };

/** `id` is the 12 random characters that follow `env_` in public. */
export type Environment = { id: string; name: string; mode: EnvironmentMode };

export type Key = {
  id: string;
  environmentId: string;
  name: string;
  scopes: Scope[];
  createdAtMs: number;
  expiresAtMs: number | undefined;
};

export type Asset = {
  /** Counts up within its environment; USD is 1, EUR is 2. */
  number: number;
  code: string;
  name: string;
  scale: number;
  kind: 'fiat' | 'custom';
  createdAtMs: number;
};

export type Customer = {
  id: string;
  walletId: string;
  name: string | undefined;
  email: string | undefined;
  metadata: JsonObject;
  createdAtMs: number;
};

/** What usage costs, in numbered versions; the latest published one is the one with the highest number. */
export type Product = {
  id: string;
  name: string;
  /** It prices every customer; others price those that are subscribed to them. */
  isDefault: boolean;
  createdAtMs: number;
};

export type LatestVersions = { latestVersion: number; publishedVersion: number | undefined };

export type ProductVersion = {
  productId: string;
  version: number;
  prices: Price[];
  createdAtMs: number;
  /** Undefined: a draft. */
  publishedAtMs: number | undefined;
};

/** What gateways price by. Every publish raises its environment's catalog version by one. */
export type PublishedVersion = {
  productId: string;
  isDefault: boolean;
  version: number;
  catalogVersion: number;
  publishedAtMs: number;
  prices: Price[];
};

/** How often an environment has published. */
export type CatalogVersion = { environmentId: string; catalogVersion: number };

/** A customer's place on one version of a product. */
export type Subscription = {
  id: string;
  customerId: string;
  productId: string;
  version: number;
  createdAtMs: number;
  /** When it was made, migrated or canceled last. */
  changedAtMs: number;
  /** Undefined: active. */
  canceledAtMs: number | undefined;
};

/** Of what a grant has left when it expires, how much lives on. */
export type Rollover = {
  /** In millionths. */
  parts: number;
  /** At most. */
  most: Atoms;
  /** Undefined: for ever. */
  untilMs: number | undefined;
};

/** When a recurring grant renews, and what becomes of what it has left then. */
export type RecurrenceTerms = {
  each: 'hour' | 'day' | 'week' | 'month';
  timeZone: string;
  anchorMs: number;
  onRenew: 'replace' | 'accumulate' | 'rollover';
  /** With `rollover`: millionths, at most, and for how many renewals; undefined: no bound, for ever. */
  rolloverParts: number | undefined;
  rolloverMost: Atoms | undefined;
  rolloverPeriods: number | undefined;
};

/** A recurring grant as one of its instances shows it. */
export type InstanceOf = RecurrenceTerms & {
  id: string;
  /** Counts from 1. */
  instance: number;
  canceledAtMs: number | undefined;
};

/** A grant that was asked for: written before the script runs, so that it survives and happens once. */
export type Credit = {
  grantNo: number;
  customerId: string;
  walletId: string;
  operationId: string;
  fingerprint: string;
  asset: number;
  amount: Atoms;
  purpose: PurposeName;
  priority: number;
  /** What it may be spent on, and its number in the wallet; undefined: anything. */
  scope: NumberedScope | undefined;
  /** Undefined: from the moment that it is applied. */
  effectiveAtMs: number | undefined;
  expiresAtMs: number | undefined;
  rollover?: Rollover | undefined;
  /** Undefined: it does not recur. */
  recurrence?: InstanceOf | undefined;
  description: string | undefined;
  metadata: JsonObject;
  /** What the script answered, once the ledger has the entry. */
  applied: CreditApplied | undefined;
};

/** What is asked for. With a recurrence, the first of its instances: when that ends, the recurrence says. */
export type NewCredit = Omit<Credit, 'grantNo' | 'walletId' | 'applied' | 'scope' | 'rollover' | 'recurrence'> & {
  scope?: GrantScope | undefined;
  recurrence?: NewRecurrence | undefined;
};
export type NewRecurrence = RecurrenceTerms & { startsAtMs: number };

export type CreditApplied = {
  remaining: Atoms;
  state: GrantStateName;
  effectiveAtMs: number;
  atMs: number;
  version: number;
};

/** A grant as the ledger has it; `state` is undefined until its first entry has arrived. */
export type GrantRecord = Omit<Credit, 'operationId' | 'fingerprint' | 'applied'> & {
  state: GrantStateName | undefined;
  remaining: Atoms;
  held: Atoms;
  createdAtMs: number;
};

/** What a hold has of one asset. */
export type HoldLeg = {
  asset: number;
  amount: Atoms;
  held: Atoms;
  settled: Atoms;
  released: Atoms;
  /**
   * So many atoms of this leg stand in for so many of the first: 1 for 1 in the first itself. Both 0: it stands in for
   * nothing, and its amount is due in its own asset.
   */
  num: Atoms;
  den: Atoms;
};
/** The first leg's asset is the one that the hold's id says. */
export type HoldLegs<Leg = HoldLeg> = [Leg, ...Leg[]];
/** With the grants of what it still holds, in the order taken. */
export type SourcedLeg = HoldLeg & { sources: { grantNo: number; atoms: Atoms }[] };

/** A budget that a hold counts in: the bucket, and what it still holds there. */
export type BudgetTag = { budgetNo: number; asset: number; bucket: number; held: Atoms };

/** What a hold carries besides its legs. */
export type HoldMarks = {
  tags: BudgetTag[];
  /** The wallet's scopes that cover all of what was asked for; undefined where none covered any of it. */
  scopes?: number[] | undefined;
};

/** A hold as the ledger has it. */
export type HoldRecord = {
  ref: string;
  customerId: string;
  status: HoldStatusName;
  late: boolean;
  legs: HoldLegs;
  createdAtMs: number;
  expiresAtMs: number;
  endedAtMs: number | undefined;
} & HoldMarks;

/** A product's version that prices a customer besides the default products. */
export type SubscribedVersion = { productId: string; version: number };
/** One that a subscription was on before, from its first instant to the one at which it was on another, or canceled. */
export type PastVersion = SubscribedVersion & { fromMs: number; tillMs: number };

/** What spending a budget covers: all of this must be so; nothing named covers everything. */
export type BudgetMatch = {
  subject?: string | undefined;
  labels?: Record<string, string> | undefined;
  event_type?: string | undefined;
};

/** As the API has it. */
export type BudgetPeriod =
  | { unit: 'hour' | 'day' | 'week' | 'month' | 'lifetime'; time_zone?: string | undefined }
  | { rolling_ms: number };

/** A budget as it travels with its wallet. */
export type Budget = {
  /** Counts up within its wallet: the number of its counter there. */
  no: number;
  id: string;
  asset: number;
  /** Atoms, as text: JSON has no whole numbers of this size. */
  limit: string;
  period: BudgetPeriod;
  match: BudgetMatch;
  enforcement: 'hard' | 'alert';
  /** Spending that is told of once in a window, in atoms, smallest first. */
  thresholds: string[];
};

/** A scope as it travels with its wallet: grants there name it by this number. */
export type NumberedScope = GrantScope & { no: number };
/** A budget as it was made. */
export type BudgetRecord = Pick<Budget, 'no' | 'id' | 'asset' | 'period' | 'match' | 'enforcement'> & {
  customerId: string;
  name: string;
  limit: Atoms;
  /** Parts of the limit, smallest first. */
  alertAt: string[];
  createdAtMs: number;
  changedAtMs: number;
};
/** What it counts, over which period and in which asset, is what it is: another one is another budget. */
export type BudgetChange = Partial<Pick<BudgetRecord, 'name' | 'limit' | 'match' | 'enforcement' | 'alertAt'>>;

/** What a budget has counted, bucket by bucket: by windows of a calendar, or by number of a rolling period. */
export type BudgetCounter = {
  /** Thresholds that were told of in a window, in that order. */
  told: Atoms[];
  buckets: { name: number; spent: Atoms; held: Atoms }[];
};

/** What travels with a wallet besides its money; `version` counts its changes, 0: there never was one. */
export type WalletConfig = {
  version: number;
  subscriptions: SubscribedVersion[];
  /** Those that events of the past may be of; absent: none, or written by a release that did not keep them. */
  past?: PastVersion[] | undefined;
  budgets: Budget[];
  scopes: NumberedScope[];
};

/** What was counted by a budget or a price: a field of the wallet, as scripts pack it. */
export type Counter = { name: string; packed: Buffer };

/** A top-up that is armed: the account says once that it fell below this, and which crossing that was. */
export type Trigger = { asset: number; firesBelow: Atoms; crossingNo: number };

/** A wallet as the ledger has it: enough to put it into Redis again. */
export type LedgerWallet = {
  environmentId: string;
  customerId: string;
  walletId: string;
  version: number;
  freeze: FreezeName;
  config: WalletConfig;
  accounts: { asset: number; available: Atoms; held: Atoms; overage: Atoms; scheduled: Atoms }[];
  /** Of its accounts, where a top-up is armed. */
  triggers?: Trigger[];
  grants: {
    no: number;
    remaining: Atoms;
    held: Atoms;
    state: GrantStateName;
    purpose: PurposeName;
    priority: number;
    scope: number;
    asset: number;
    amount: Atoms;
    effectiveAtMs: number;
    expiresAtMs: number | undefined;
    createdAtMs: number;
    /** Undefined: all of it expires, or it was rolled over before. */
    rollover?: Rollover | undefined;
  }[];
  holds: ({ ref: string; createdAtMs: number; expiresAtMs: number; legs: HoldLegs<SourcedLeg> } & HoldMarks)[];
  counters: Counter[];
};

export type EntryLeg = {
  asset: number;
  /** Change of available + held − overage; may be negative. */
  amount: bigint;
  availableAfter: Atoms;
  heldAfter: Atoms;
  overageAfter: Atoms;
};

export type EntryRecord = {
  walletId: string;
  version: number;
  kind: KindName;
  late: boolean;
  legs: EntryLeg[];
  holdRef: string | undefined;
  grantNo: number | undefined;
  /** Where the grant is an instance of a recurring one. */
  recurrence?: { id: string; instance: number } | undefined;
  operationId: string;
  /** What the caller attached: a JSON object (event, subject, labels, metadata, costs), or empty. */
  attached: string;
  /** What the operation was told of prices: JSON, or empty. */
  told: string;
  /** Of an alert: the budget, as it is called now, and what it tells of. */
  alert?: { budgetId: string; budgetName: string; asset: number; threshold: Atoms; spent: Atoms } | undefined;
  occurredAtMs: number;
};

/** A charge or settle by event, with the counters as they were after it. */
export type UsedEntry = EntryRecord & {
  /** Of a settle: when its hold was opened. */
  heldSinceMs: number | undefined;
  counters: Counter[];
};

/** Newest first, and the wallet's counters as they are after the newest. */
export type UsedEntries = { entries: UsedEntry[]; counters: Counter[] };

/** The entry that opened a hold: what it took, and how things stood after it. */
export type HoldOpening = EntryRecord & {
  /** What it set aside, by asset. */
  amounts: Map<number, Atoms>;
  /** In the order taken: what was taken, and what the grant had left then. */
  sources: { grantNo: number; taken: Atoms; remainingAfter: Atoms }[];
  tags: BudgetTag[];
  counters: Counter[];
};

export type EntryFilter = {
  asset: number | undefined;
  kind: KindName | undefined;
  fromMs: number | undefined;
  toMs: number | undefined;
};

/** How an environment reaches Stripe. */
export type StripeSettings = {
  secretKey: string;
  /** All are good: while one is replaced, there are two. */
  webhookSecrets: string[];
  /** Absent: Stripe itself; else a stand-in. */
  apiBase: string | undefined;
  /** Whether Stripe Tax reckons a tax on top, on its page. */
  addsTax: boolean;
  mode: EnvironmentMode;
};

/** A customer as Stripe knows it. */
export type Payer = {
  customerId: string;
  stripeCustomerId: string | undefined;
  /** Counts the times that it had to be made anew. */
  generation: number;
  /** As they were when it was made: a repeat asks Stripe for the very same. */
  name: string | undefined;
  email: string | undefined;
  /** The payment method that was chosen last. */
  defaultMethodId: string | undefined;
};

/** What one unit of an asset costs, from an instant on. */
export type AssetRate = {
  id: string;
  asset: number;
  /** Three capital letters. */
  currency: string;
  /** A decimal, as it was written. */
  rate: string;
  effectiveAtMs: number;
  createdAtMs: number;
};

export type TopUpStatus = 'pending' | 'requires_action' | 'succeeded' | 'failed' | 'canceled' | 'refunded';
export type TopUpFailure = { code: string; message: string; retryable: boolean };

/** Credit that is bought. What Stripe is asked follows from it alone. */
export type TopUp = {
  environmentId: string;
  id: string;
  customerId: string;
  asset: number;
  amount: Atoms;
  rate: string | undefined;
  currency: string;
  /** In the currency's smallest unit, as Stripe counts. */
  price: number;
  /** What arrived: with tax more than the price. */
  paid: number;
  payment: 'checkout' | 'saved';
  payerId: string;
  methodId: string | undefined;
  returnUrl: string | undefined;
  receiptEmail: string | undefined;
  addsTax: boolean;
  expiresAtMs: number | undefined;
  metadata: JsonObject;
  /** Of an automatic one: the crossing that it answers. */
  crossingNo: number | undefined;
  status: TopUpStatus;
  intentId: string | undefined;
  sessionId: string | undefined;
  checkoutUrl: string | undefined;
  actionUrl: string | undefined;
  failure: TopUpFailure | undefined;
  grantNo: number | undefined;
  /** Whether the grant is in the wallet. */
  isCredited: boolean;
  /** What its request was answered. */
  reply: string | undefined;
  createdAtMs: number;
  /** Since when Stripe may have heard of it. */
  askedAtMs: number | undefined;
};

/** Bought credit that goes back: asked for here, made at Stripe by somebody else, or taken by the customer's bank. */
export type Refund = {
  environmentId: string;
  id: string;
  topUpId: string;
  customerId: string;
  origin: 'request' | 'stripe' | 'dispute';
  asset: number;
  amount: Atoms;
  /** In the currency's smallest unit. */
  money: number;
  stripeId: string | undefined;
  isHeld: boolean;
  /** Since when Stripe may have heard of it. */
  askedAtMs: number | undefined;
  /**
   * What Stripe says: the money has gone, it has not, or it came back after the credit was taken, which is given again; undefined:
   * nothing final yet.
   */
  outcome: 'taken' | 'returned' | 'restored' | undefined;
  failure: { code: string; message: string } | undefined;
  /** The ledger has what follows from that. */
  hasEnded: boolean;
  /** What its request was answered. */
  reply: string | undefined;
  createdAtMs: number;
};

/** A refund or a dispute as Stripe has it. */
export type FoundRefund = {
  stripeId: string;
  /** One of ours. */
  id: string | undefined;
  isDispute: boolean;
  money: number;
  outcome: 'taken' | 'returned' | undefined;
  failure: { code: string; message: string } | undefined;
};

export type AutoTopUpState = 'armed' | 'charging' | 'requires_action' | 'backing_off' | 'suspended' | 'capped';

/** What a customer's automatic top-up of one asset is to do. */
export type AutoTopUpTerms = {
  isEnabled: boolean;
  threshold: Atoms;
  /** Bought as often as it takes to get above the threshold; undefined: there is a target. */
  amount: Atoms | undefined;
  target: Atoms | undefined;
  currency: string;
  /** In the currency's smallest unit. */
  monthlyLimit: number;
  /** Undefined: the default one. */
  methodId: string | undefined;
  returnUrl: string | undefined;
};

export type AutoTopUpId = { environmentId: string; customerId: string; asset: number };

export type AutoTopUp = AutoTopUpId &
  AutoTopUpTerms & {
    state: AutoTopUpState;
    /** Crossings are numbered: the one that is waited for, the last one that came, the last one that Redis was told to wait for. */
    armedNo: number;
    crossedNo: number;
    toldNo: number;
    crossedAtMs: number | undefined;
    /** Of this crossing. */
    attemptsCount: number;
    failuresCount: number;
    failedMethodId: string | undefined;
    error: { code: string; message: string } | undefined;
    nextAttemptAtMs: number | undefined;
    /** A top-up of this asset was refunded or disputed since it was asked for: nothing is charged until it is asked for again. */
    isHeldOff: boolean;
    /** The present attempt. */
    topUp: TopUp | undefined;
    /** In the currency's smallest unit. */
    spentThisMonth: number;
  };

/** How far the ledger has a partition. */
export type Checkpoint = { partition: number; epoch: number; seq: number };

/** An event that no price matched; `event` is its JSON, as it came. */
export type NewKeptEvent = { customerId: string; eventId: string; fingerprint: string; event: string };
export type KeptEvent = NewKeptEvent & {
  /** `conflict`: another event was charged under its id. */
  status: 'unpriced' | 'charged' | 'conflict';
  /** JSON: what it was charged. */
  charge: string | undefined;
  receivedAtMs: number;
};
