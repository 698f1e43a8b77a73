// What the API needs from the rest, handed in by main.ts, so that nothing here reaches Postgres or Node by import.
import type {
  Asset,
  Credit,
  CreditApplied,
  Customer,
  EntryFilter,
  EntryRecord,
  FreezeName,
  GrantRecord,
  GrantStateName,
  HoldRecord,
  JsonObject,
  Key,
  Page,
  PageRequest,
  PurposeName,
  Scope,
} from '../records.ts';
import type { Atoms } from '../units.ts';

export type Deps = {
  ledger: Ledger;
  wallets: Wallets;
  /** The key that a secret belongs to; at once when it is in the process's cache. Unknown and revoked: undefined. */
  authenticate: (secret: string) => Key | undefined | Promise<Key | undefined>;
  /** Whether an error thrown by the ledger or the wallets says that a store can't be reached: 503, not 500. */
  isUnavailable: (error: unknown) => boolean;
  readiness: () => Promise<Readiness>;
  /** Prometheus text. */
  metrics: () => Promise<{ contentType: string; text: string }>;
  /** Called once for each request; `path` is the route's pattern, or empty where there is none. */
  observe: (request: { method: string; path: string; status: number; tookMs: number }) => void;
  log: { error: (fields: Record<string, unknown>, message: string) => void };
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

  /** Writes the intent to credit, or finds the one that this operation wrote before. One that was refused is begun anew. */
  beginCredit: (
    environmentId: string,
    credit: Omit<Credit, 'grantNo' | 'walletId' | 'applied' | 'createdAtMs'>,
  ) => Promise<{ status: 'begun'; credit: BegunCredit } | { status: 'no_customer' | 'conflict' }>;
  /** Whether this operation has begun a credit, and not been refused. */
  hasCredit: (environmentId: string, operationId: string) => Promise<boolean>;
  /** The script refused it: nothing may apply it later. */
  refuseCredit: (environmentId: string, walletId: string, grantNo: number) => Promise<void>;
  findGrant: (environmentId: string, walletId: string, grantNo: number) => Promise<GrantRecord | undefined>;
  /** With those whose first entry is still on its way; without refused ones. */
  listGrants: (environmentId: string, walletId: string, page: PageRequest) => Promise<Listed<GrantRecord>>;

  findHold: (environmentId: string, walletId: string, ref: string) => Promise<HoldRecord | undefined>;
  listEntries: (
    environmentId: string,
    walletId: string,
    filter: EntryFilter,
    page: PageRequest,
  ) => Promise<Listed<EntryRecord>>;

  /** What an operation answered within the last hour; the text is the API's own. */
  findReply: (
    environmentId: string,
    operationId: string,
    fingerprint: string,
  ) => Promise<{ status: 'found'; reply: string } | { status: 'conflict' } | { status: 'none' }>;
  /** Keeps it for an hour. The first one stays: gives back what is kept. */
  rememberReply: (environmentId: string, operationId: string, fingerprint: string, reply: string) => Promise<string>;
};

export type CreatedKey = { key: Key; secret: string };

/** `createdAtMs` is when the intent was written, the same as in the grant's record from then on. */
export type BegunCredit = Credit & { createdAtMs: number };

// ── The wallets: Redis ──

export type Operation = { id: string; fingerprint: string; keepMs: number };

/** What can stand in the way of any call. */
export type Trouble =
  | { status: 'no_customer' }
  | { status: 'conflict' }
  | { status: 'unavailable'; detail: string; retryAfterMs: number }
  | { status: 'unknown'; detail: string };

export type DeclineReason = 'balance' | 'held_in_flight' | 'overage' | 'frozen' | 'too_many_holds';

/** The account's, after the call. */
type Account = { available: Atoms; held: Atoms };

export type Declined = {
  status: 'declined';
  reason: DeclineReason;
  available: Atoms;
  held: Atoms;
  /** The largest amount that would be approved now. */
  affordable: Atoms;
  replayed?: true;
};

export type ShadowReply = (
  | { status: 'shadow_approved'; amount: Atoms }
  | (Omit<Declined, 'status' | 'replayed'> & { status: 'shadow_declined' })
) &
  Account & { version: number };

export type Closed = {
  status: 'closed';
  how: 'settled' | 'released' | 'expired';
  settled: Atoms;
  released: Atoms;
};

export type LiveGrant = {
  no: number;
  purpose: PurposeName;
  priority: number;
  amount: Atoms;
  remaining: Atoms;
  held: Atoms;
  state: GrantStateName;
  effectiveAtMs: number;
  expiresAtMs: number | undefined;
};

export type LiveWallet = {
  version: number;
  freeze: FreezeName;
  asOfMs: number;
  accounts: {
    asset: number;
    available: Atoms;
    held: Atoms;
    overage: Atoms;
    /** In consumption order, then those that have only something held. */
    grants: LiveGrant[];
  }[];
  scheduled: LiveGrant[];
};

type Spend = {
  environmentId: string;
  customerId: string;
  asset: number;
  amount: Atoms;
  mode: 'strict' | 'up_to' | 'shadow';
  operation: Operation;
  /** JSON text of what the caller attached, or empty. */
  attached: string;
};

type OnHold = { environmentId: string; holdId: string; operation: Operation; attached: string };
type OnWallet = { environmentId: string; customerId: string; operation: Operation; attached: string };

export type Wallets = {
  /** `path` is the concrete one; without a key, an id of our own. */
  operationOf: (request: {
    environmentId: string;
    path: string;
    customerId: string | undefined;
    key: string | undefined;
    body: unknown;
  }) => Operation;

  walletIdOf: (environmentId: string, customerId: string) => string;
  parseHoldId: (id: string) => { walletId: string; asset: number; ref: string } | undefined;
  holdIdOf: (walletId: string, asset: number, ref: string) => string;
  parseGrantId: (id: string) => { walletId: string; grantNo: number } | undefined;
  grantIdOf: (walletId: string, grantNo: number) => string;
  entryIdOf: (walletId: string, version: number) => string;

  /** `isNew`: the customer was created by this very call, so there is nothing in the ledger to load. */
  createWallet: (of: {
    environmentId: string;
    customerId: string;
    isNew: boolean;
  }) => Promise<{ status: 'ready' } | Trouble>;

  authorize: (request: Spend & { ttlMs: number }) => Promise<
    | ({
        status: 'approved';
        holdId: string;
        amount: Atoms;
        createdAtMs: number;
        expiresAtMs: number;
        version: number;
        replayed?: true;
      } & Account)
    | Declined
    | ShadowReply
    | Trouble
  >;
  charge: (
    request: Spend,
  ) => Promise<
    | ({ status: 'charged'; chargeId: string; amount: Atoms; version: number; replayed?: true } & Account)
    | Declined
    | ShadowReply
    | Trouble
  >;
  settle: (request: OnHold & { amount: Atoms; final: boolean; onExcess: 'charge' | 'cap' | 'reject' }) => Promise<
    | ({
        status: 'settled';
        settled: Atoms;
        released: Atoms;
        overage: Atoms;
        late: boolean;
        open: boolean;
        version: number;
        replayed?: true;
      } & Account)
    | { status: 'exceeds_hold'; held: Atoms }
    | Closed
    | { status: 'no_hold' }
    | { status: 'balance_limit' }
    | Trouble
  >;
  release: (
    request: OnHold,
  ) => Promise<
    | ({ status: 'released'; released: Atoms; settled: Atoms; version: number; replayed?: true } & Account)
    | Closed
    | { status: 'no_hold' }
    | Trouble
  >;
  /** `ttlMs` 0 leaves the deadline as it is. */
  extend: (request: OnHold & { amount: Atoms; ttlMs: number }) => Promise<
    | ({
        status: 'approved';
        customerId: string;
        /** The hold's new total. */
        amount: Atoms;
        expiresAtMs: number;
        remainingTtlMs: number;
        version: number;
        replayed?: true;
      } & Account)
    | Declined
    | Closed
    | { status: 'no_hold' }
    | { status: 'amount_too_large' }
    | Trouble
  >;
  /** Live, or from the ledger. */
  findHold: (of: {
    environmentId: string;
    holdId: string;
  }) => Promise<{ status: 'found'; hold: HoldRecord } | { status: 'no_hold' } | Trouble>;

  credit: (
    credit: Credit & { environmentId: string },
  ) => Promise<
    | { status: 'granted'; applied: CreditApplied; replayed?: true }
    | { status: 'balance_limit' }
    | { status: 'too_many_grants' }
    | Trouble
  >;
  voidGrant: (
    request: OnWallet & { asset: number; grantNo: number },
  ) => Promise<
    | { status: 'voided'; taken: Atoms; held: Atoms; atMs: number; version: number; replayed?: true }
    | { status: 'ended' }
    | { status: 'no_grant' }
    | Trouble
  >;
  setFreeze: (
    request: OnWallet & { frozen: boolean },
  ) => Promise<
    { status: 'changed'; version: number; replayed?: true } | { status: 'unchanged'; freeze: FreezeName } | Trouble
  >;
  readWallet: (of: {
    environmentId: string;
    customerId: string;
  }) => Promise<{ status: 'wallet'; wallet: LiveWallet } | Trouble>;
  /** Waits up to 2 s for the ledger to have this version of a wallet. */
  ledgerHas: (of: { environmentId: string; customerId: string; version: number }) => Promise<boolean>;
};
