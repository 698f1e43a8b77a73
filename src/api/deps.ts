// What the API needs from the rest, handed in by main.ts, so that nothing here reaches Postgres or Node by import.
import type { Price } from '../contract.ts';
import type {
  AutoTopUp,
  AutoTopUpId,
  AutoTopUpTerms,
  Asset,
  BudgetChange,
  BudgetRecord,
  AssetRate,
  CatalogVersion,
  Credit,
  NewCredit,
  Customer,
  EntryFilter,
  EntryRecord,
  UsedEntries,
  GrantRecord,
  HoldOpening,
  HoldRecord,
  JsonObject,
  KeptEvent,
  Key,
  LatestVersions,
  NewKeptEvent,
  Page,
  PageRequest,
  Product,
  ProductVersion,
  PublishedVersion,
  Scope,
  Refund,
  Subscription,
  TopUp,
  WalletConfig,
} from '../records.ts';
import type { Atoms } from '../units.ts';
import type { Wallets } from '../wallet/wallets.ts';
import type { Catalogs } from './catalog-cache.ts';

export type Deps = {
  ledger: Ledger;
  wallets: Wallets;
  payments: Payments;
  /** What prices by: published products, in the process's memory. */
  catalogs: Catalogs;
  /** The key that a secret belongs to; at once when it is in the process's cache. Unknown and revoked: undefined. */
  authenticate: (secret: string) => Key | undefined | Promise<Key | undefined>;
  /** Whether an error thrown by the ledger or the wallets says that a store can't be reached: 503, not 500. */
  isUnavailable: (error: unknown) => boolean;
  /** Why new work is refused now, and what would fix it; undefined while it is not. Asked with each request: a look at memory. */
  backpressure: () => string | undefined;
  readiness: () => Promise<Readiness>;
  /** Prometheus text. */
  metrics: () => Promise<{ contentType: string; text: string }>;
  /** Called once for each request; `path` is the route's pattern, or empty where there is none. */
  observe: (request: { method: string; path: string; status: number; tookMs: number }) => void;
  /** Events of batches, by what they were answered. */
  countEvents: (status: string, count: number) => void;
  log: { error: (fields: Record<string, unknown>, message: string) => void };
};

/** What may come of asking Stripe; `refused`, `unavailable`: it has not happened. */
export type AskedStripe<T> =
  | { status: 'done'; value: T }
  | { status: 'refused' | 'unavailable' | 'unknown'; detail: string }
  | { status: 'not_configured' };

export type PaymentMethodRecord = {
  id: string;
  type: string;
  card: { brand: string; last4: string; expMonth: number; expYear: number } | undefined;
  isDefault: boolean;
  createdAtMs: number;
};

type PayingCustomer = { environmentId: string; customerId: string };

/** Money in. Where Stripe's keys are missing, every answer is `not_configured`. */
export type Payments = {
  isConfigured: (environmentId: string) => Promise<boolean>;
  /** `key`: the same one has the same page. */
  setUpMethod: (
    customer: PayingCustomer,
    asked: { returnUrl: string; key: string },
  ) => Promise<AskedStripe<{ url: string }> | { status: 'no_customer' }>;
  listMethods: (customer: PayingCustomer, page: PageRequest) => Promise<AskedStripe<Page<PaymentMethodRecord>>>;
  chooseMethod: (
    customer: PayingCustomer,
    methodId: string,
  ) => Promise<AskedStripe<PaymentMethodRecord> | { status: 'no_method' }>;
  /** Who is charged, and by what; of a saved one that is not named, the default. */
  prepareTopUp: (
    customer: PayingCustomer,
    asked: { payment: TopUp['payment']; methodId: string | undefined },
  ) => Promise<
    | AskedStripe<{ payerId: string; methodId: string | undefined; addsTax: boolean }>
    | { status: 'no_customer' | 'no_method' }
  >;
  /** Takes it as far as it will go now; `unknown`: a worker goes on with it. */
  advance: (topUp: TopUp) => Promise<{ status: 'done' | 'not_configured' } | { status: 'unknown'; detail: string }>;
  /** Takes a refund that was written down as far as it will go now; `unknown`: a worker goes on with it. */
  refund: (
    topUp: TopUp,
    refund: Refund,
    isNew: boolean,
  ) => Promise<
    | { status: 'done' | 'frozen' | 'not_configured' }
    | { status: 'refused'; detail: string }
    | { status: 'unknown'; detail: string }
    | { status: 'short'; left: bigint }
  >;
  /** An event of Stripe's; `taken` says nothing of whether it meant anything, `unavailable` that it cannot be said yet. */
  receive: (
    environmentId: string,
    sent: { body: Uint8Array; signature: string },
  ) => Promise<{ status: 'taken' | 'forged' | 'not_configured' } | { status: 'unavailable'; detail: string }>;
  removeMethod: (customer: PayingCustomer, methodId: string) => Promise<AskedStripe<unknown> | { status: 'no_method' }>;
};

export type Readiness = {
  ready: boolean;
  /** By name: redis, postgres, …; `status` is `ok` or says what is wrong. */
  dependencies: Record<string, { status: string; [detail: string]: unknown }>;
};

// ── The ledger: Postgres ──

/** A list's answer: a page, or that its cursor is none that this list gave out. */
export type Listed<T> = Page<T> | 'bad_cursor';

export type Ledger = {
  /** By SHA-256 of the secret, base64url; revoked and expired keys are not found. */
  findKey: (secretHash: string) => Promise<Key | undefined>;
  /** The key and the reply to its request are kept in one transaction; `replyOf` makes that reply, once. */
  createKey: (
    environmentId: string,
    key: {
      name: string;
      scopes: Scope[];
      expiresAtMs: number | undefined;
      operationId: string;
      fingerprint: string;
      replyOf: (created: CreatedKey) => Promise<string>;
    },
  ) => Promise<({ status: 'created' } & CreatedKey) | { status: 'replayed'; reply: string } | { status: 'conflict' }>;
  listKeys: (environmentId: string, page: PageRequest) => Promise<Listed<Key>>;
  /** False when there is no such key in this environment. */
  revokeKey: (environmentId: string, keyId: string) => Promise<boolean>;

  createAsset: (
    environmentId: string,
    asset: {
      code: string;
      name: string | undefined;
      scale: number;
      kind: Asset['kind'];
      /** Remembered with the row, so that a retry finds its own asset. */
      operationId: string;
      fingerprint: string;
    },
  ) => Promise<{ status: 'created' | 'replayed'; asset: Asset } | { status: 'exists' | 'conflict' }>;
  listAssets: (environmentId: string) => Promise<Asset[]>;
  createAssetRate: (
    environmentId: string,
    rate: {
      asset: number;
      currency: string;
      rate: string;
      /** Undefined: now. */
      effectiveAtMs: number | undefined;
      /** Remembered with the row, so that a retry finds its own rate. */
      operationId: string;
      fingerprint: string;
    },
  ) => Promise<{ status: 'created' | 'replayed'; rate: AssetRate } | { status: 'conflict' }>;
  /** The one that counts now. */
  findAssetRate: (environmentId: string, asset: number) => Promise<AssetRate | undefined>;
  listAssetRates: (environmentId: string, asset: number, page: PageRequest) => Promise<Listed<AssetRate>>;

  /** With its first version, a draft. */
  createProduct: (
    environmentId: string,
    product: {
      id: string | undefined;
      name: string;
      isDefault: boolean;
      prices: Price[];
      /** Remembered with the row, so that a retry finds its own product. */
      operationId: string;
      fingerprint: string;
    },
  ) => Promise<{ status: 'created' | 'replayed'; product: Product } | { status: 'exists' | 'conflict' }>;
  findProduct: (environmentId: string, productId: string) => Promise<(Product & LatestVersions) | undefined>;
  listProducts: (environmentId: string, page: PageRequest) => Promise<Listed<Product & LatestVersions>>;
  createVersion: (
    environmentId: string,
    productId: string,
    version: { prices: Price[]; operationId: string; fingerprint: string },
  ) => Promise<{ status: 'created' | 'replayed'; version: ProductVersion } | { status: 'no_product' | 'conflict' }>;
  findVersion: (
    environmentId: string,
    asked: { productId: string; version: number },
  ) => Promise<ProductVersion | undefined>;
  /** `isRaised`: all of Redis is known to have it; `isRepeat`: this very operation published it before. */
  publishVersion: (
    environmentId: string,
    asked: { productId: string; version: number; operationId: string },
  ) => Promise<
    | { status: 'published'; version: ProductVersion; catalogVersion: number; isRaised: boolean; isRepeat: boolean }
    | { status: 'no_version' }
  >;
  noteCatalogRaised: (catalog: CatalogVersion) => Promise<void>;
  /** What was published after a catalog version, in its order. */
  loadPublished: (environmentId: string, after: number) => Promise<PublishedVersion[]>;

  createCustomer: (
    environmentId: string,
    customer: {
      id: string | undefined;
      name: string | undefined;
      email: string | undefined;
      metadata: JsonObject;
      /** Remembered with the row, so that a retry finds its own customer. */
      operationId: string;
      fingerprint: string;
    },
  ) => Promise<{ status: 'created' | 'replayed'; customer: Customer } | { status: 'exists' | 'conflict' }>;
  findCustomer: (environmentId: string, customerId: string) => Promise<Customer | undefined>;
  listCustomers: (environmentId: string, page: PageRequest) => Promise<Listed<Customer>>;
  updateCustomer: (
    environmentId: string,
    customerId: string,
    change: { name?: string | null; email?: string | null; metadata?: JsonObject },
  ) => Promise<Customer | undefined>;

  createSubscription: (
    environmentId: string,
    asked: ConfigChange<Subscription> & { productId: string; version: number | undefined },
  ) => Promise<
    | ChangedConfig
    | {
        status:
          | 'no_customer'
          | 'conflict'
          | 'no_product'
          | 'no_version'
          | 'not_published'
          | 'exists'
          | 'too_many_subscriptions';
      }
  >;
  /** A canceled one, too. */
  findSubscription: (
    environmentId: string,
    customerId: string,
    subscriptionId: string,
  ) => Promise<Subscription | undefined>;
  /** Canceled ones too. */
  listSubscriptions: (environmentId: string, customerId: string, page: PageRequest) => Promise<Listed<Subscription>>;
  cancelSubscription: (
    environmentId: string,
    asked: ConfigChange<Subscription> & { subscriptionId: string },
  ) => Promise<ChangedConfig | { status: 'no_customer' | 'conflict' | 'no_subscription' | 'canceled' }>;
  migrateSubscription: (
    environmentId: string,
    asked: ConfigChange<Subscription> & { subscriptionId: string; version: number },
  ) => Promise<
    | ChangedConfig
    | { status: 'no_customer' | 'conflict' | 'no_subscription' | 'canceled' | 'no_version' | 'not_published' }
  >;
  /** Everybody on a version of a product, in the order of the customers' ids, after `after`. */
  listSubscribed: (
    environmentId: string,
    asked: { productId: string; version: number; after: string | undefined; limit: number },
  ) => Promise<{ customerId: string; subscriptionId: string }[]>;
  countSubscribed: (environmentId: string, asked: { productId: string; version: number }) => Promise<number>;
  /** One customer, at once; `left`: canceled or moved by somebody else meanwhile. */
  moveSubscription: (
    environmentId: string,
    asked: { customerId: string; subscriptionId: string; from: number; to: number },
  ) => Promise<{ status: 'moved' | 'left'; unpushed: WalletConfig | undefined }>;
  readConfig: (environmentId: string, customerId: string) => Promise<WalletConfig>;
  /** What was charged or settled by event, newest first. */
  listPricedEvents: (environmentId: string, walletId: string, limit: number) => Promise<UsedEntries>;
  createBudget: (
    environmentId: string,
    asked: ConfigChange<BudgetRecord> & {
      terms: Omit<BudgetRecord, 'no' | 'id' | 'customerId' | 'createdAtMs' | 'changedAtMs'>;
    },
  ) => Promise<ChangedConfig | { status: 'no_customer' | 'conflict' | 'too_many_budgets' }>;
  /** Deleted ones are not found. */
  findBudget: (
    environmentId: string,
    named: { customerId: string; budgetId: string },
  ) => Promise<BudgetRecord | undefined>;
  listBudgets: (environmentId: string, customerId: string, page: PageRequest) => Promise<Listed<BudgetRecord>>;
  updateBudget: (
    environmentId: string,
    named: { customerId: string; budgetId: string },
    change: BudgetChange,
  ) => Promise<
    | { status: 'changed'; made: BudgetRecord; unpushed: WalletConfig | undefined }
    | { status: 'no_customer' | 'no_budget' }
  >;
  /** What was deleted before is not found, once Redis is known to have that. */
  deleteBudget: (
    environmentId: string,
    named: { customerId: string; budgetId: string },
  ) => Promise<{ status: 'changed'; unpushed: WalletConfig | undefined } | { status: 'no_customer' | 'no_budget' }>;
  /** The wallet in Redis has this version of its configuration. */
  noteConfigPushed: (customer: { environmentId: string; customerId: string }, version: number) => Promise<void>;

  /** Writes the intent to credit, or finds the one that this operation wrote before. One that was refused is begun anew. */
  beginCredit: (
    environmentId: string,
    credit: NewCredit,
  ) => Promise<
    | {
        status: 'begun';
        credit: BegunCredit;
        /** The wallet's configuration, where Redis is not known to have the grant's scope. */
        unpushed: WalletConfig | undefined;
      }
    | { status: 'no_customer' | 'conflict' | 'too_many_scopes' }
  >;
  /** Whether this operation has begun a credit, and not been refused. */
  hasCredit: (environmentId: string, operationId: string) => Promise<boolean>;
  /** It was not applied, and nothing may apply it later; false when that cannot be said. */
  refuseCredit: (environmentId: string, credit: BegunCredit) => Promise<boolean>;
  /** The instances of a recurring grant that are to come, as far as they are not asked for yet: they are to be applied. */
  refillRecurrence: (
    of: { environmentId: string; id: string },
    nowMs: number,
  ) => Promise<{ begun: BegunCredit[]; more: boolean }>;
  /** No instance is asked for any more. */
  cancelRecurrence: (environmentId: string, id: string, atMs: number) => Promise<void>;
  /** Instances of a canceled one that are to come all the same. */
  listInstancesToEnd: (of: {
    environmentId: string;
    id: string;
  }) => Promise<{ environmentId: string; customerId: string; asset: number; grantNo: number }[]>;
  findGrant: (environmentId: string, walletId: string, grantNo: number) => Promise<GrantRecord | undefined>;
  /** With those whose first entry is still on its way; without refused ones. */
  listGrants: (environmentId: string, walletId: string, page: PageRequest) => Promise<Listed<GrantRecord>>;

  /** Writes it down, or finds the one that this operation wrote before. */
  beginTopUp: (
    environmentId: string,
    topUp: Pick<
      TopUp,
      | ('customerId' | 'asset' | 'amount' | 'rate' | 'currency' | 'price' | 'payment' | 'payerId' | 'methodId')
      | ('returnUrl' | 'receiptEmail' | 'addsTax' | 'expiresAtMs' | 'metadata')
    > & { operationId: string; fingerprint: string },
  ) => Promise<{ status: 'begun'; topUp: TopUp } | { status: 'conflict' }>;
  findTopUp: (environmentId: string, id: string) => Promise<TopUp | undefined>;
  findTopUpByOperation: (
    environmentId: string,
    operationId: string,
    fingerprint: string,
  ) => Promise<TopUp | 'conflict' | undefined>;
  listTopUps: (environmentId: string, customerId: string, page: PageRequest) => Promise<Listed<TopUp>>;
  /** What it was answered, the first time. Gives back what is kept. */
  keepTopUpReply: (environmentId: string, id: string, reply: string) => Promise<string>;
  /** Writes it down, or finds the one that this operation wrote before. No amount: all that has not gone back. */
  beginRefund: (
    environmentId: string,
    topUpId: string,
    asked: { amount: Atoms | undefined; operationId: string; fingerprint: string },
  ) => Promise<
    | { status: 'begun'; refund: Refund; isNew: boolean }
    | { status: 'no_top_up' | 'conflict' | 'not_paid' | 'too_small' }
    | { status: 'too_much'; left: Atoms }
  >;
  /** Whether this operation has begun a refund. */
  hasRefund: (environmentId: string, operationId: string) => Promise<boolean>;
  /** Of these top-ups, oldest first. */
  listRefunds: (environmentId: string, topUpIds: string[]) => Promise<Refund[]>;
  /** What it was answered, the first time. Gives back what is kept. */
  keepRefundReply: (environmentId: string, id: string, reply: string) => Promise<string>;
  putAutoTopUp: (id: AutoTopUpId, terms: AutoTopUpTerms) => Promise<void>;
  findAutoTopUp: (id: AutoTopUpId) => Promise<AutoTopUp | undefined>;
  /** False: there is none. */
  deleteAutoTopUp: (id: AutoTopUpId) => Promise<boolean>;

  findHold: (environmentId: string, walletId: string, ref: string) => Promise<HoldRecord | undefined>;
  /** The entry that opened a hold. */
  findOpening: (environmentId: string, walletId: string, ref: string) => Promise<HoldOpening | undefined>;
  listEntries: (
    environmentId: string,
    walletId: string,
    filter: EntryFilter,
    page: PageRequest,
  ) => Promise<Listed<EntryRecord>>;

  /** Events that no price matched: each once. Gives back how they are kept. */
  keepUnpriced: (
    environmentId: string,
    events: readonly NewKeptEvent[],
  ) => Promise<{ kept: KeptEvent[]; newCount: number }>;
  /** Newest first; `oldest`: the other way. */
  listKept: (
    environmentId: string,
    filter: { status: KeptEvent['status'] | undefined; customerId: string | undefined; oldest?: boolean },
    page: PageRequest,
  ) => Promise<Listed<KeptEvent>>;
  noteRated: (
    environmentId: string,
    event: Pick<KeptEvent, 'customerId' | 'eventId'>,
    rated: { status: 'charged'; charge: string } | { status: 'conflict' },
  ) => Promise<void>;

  /** What an operation answered within the last hour; the text is the API's own. */
  findReply: (
    environmentId: string,
    operationId: string,
    fingerprint: string,
  ) => Promise<{ status: 'found'; reply: string } | { status: 'conflict' } | { status: 'none' }>;
  /** Keeps it for an hour. The first one stays: gives back what is kept. */
  rememberReply: (environmentId: string, operationId: string, fingerprint: string, reply: string) => Promise<string>;
};

/** A change of what travels with a customer's wallet. */
export type ConfigChange<Made> = {
  customerId: string;
  operationId: string;
  fingerprint: string;
  /** Makes the reply, which is kept in the same transaction. */
  replyOf: (made: Made) => string;
};

export type ChangedConfig = {
  status: 'changed';
  reply: string;
  isRepeat: boolean;
  /** What the wallet in Redis is not known to have. */
  unpushed: WalletConfig | undefined;
};

export type CreatedKey = { key: Key; secret: string };

/** `createdAtMs` is when the intent was written, the same as in the grant's record from then on. */
export type BegunCredit = Credit & { createdAtMs: number; attemptedAtMs: number };
