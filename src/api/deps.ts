// What the API needs from the ledger's side. main.ts hands it in, so that nothing here reaches Postgres by import.
import type {
  Asset,
  Credit,
  Customer,
  EntryFilter,
  EntryRecord,
  GrantRecord,
  HoldRecord,
  JsonObject,
  Key,
  Page,
  PageRequest,
  Scope,
} from '../records.ts';

export type Ledger = {
  /** By SHA-256 of the secret, base64url; revoked and expired keys are not found. */
  findKey: (secretHash: string) => Promise<Key | undefined>;
  createKey: (
    environmentId: string,
    key: { name: string; scopes: Scope[]; expiresAtMs: number | undefined },
  ) => Promise<{ key: Key; secret: string }>;
  listKeys: (environmentId: string, page: PageRequest) => Promise<Page<Key>>;
  /** False when there is no such key in this environment. */
  revokeKey: (environmentId: string, keyId: string) => Promise<boolean>;

  createAsset: (
    environmentId: string,
    asset: { code: string; name: string | undefined; scale: number; kind: Asset['kind'] },
  ) => Promise<Asset | 'exists'>;
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
  listCustomers: (environmentId: string, page: PageRequest) => Promise<Page<Customer>>;
  updateCustomer: (
    environmentId: string,
    customerId: string,
    change: { name?: string | null; email?: string | null; metadata?: JsonObject },
  ) => Promise<Customer | undefined>;

  /** Writes the intent to credit, or finds the one that this operation wrote before. */
  beginCredit: (
    environmentId: string,
    credit: Omit<Credit, 'grantNo' | 'walletId' | 'applied'>,
  ) => Promise<{ status: 'begun'; credit: Credit } | { status: 'no_customer' | 'conflict' }>;
  /** The script refused it: nothing may apply it later. */
  refuseCredit: (environmentId: string, walletId: string, grantNo: number) => Promise<void>;
  findGrant: (environmentId: string, walletId: string, grantNo: number) => Promise<GrantRecord | undefined>;
  listGrants: (environmentId: string, walletId: string, page: PageRequest) => Promise<Page<GrantRecord>>;

  findHold: (environmentId: string, walletId: string, ref: string) => Promise<HoldRecord | undefined>;
  listEntries: (
    environmentId: string,
    walletId: string,
    filter: EntryFilter,
    page: PageRequest,
  ) => Promise<Page<EntryRecord>>;
};
