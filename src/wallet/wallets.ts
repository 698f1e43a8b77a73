// Everything that can be done with wallets, bound to one store: what main.ts hands to the API.
import { authorize } from './authorize.ts';
import { charge } from './charge.ts';
import { openConfigs, type Configs } from './config.ts';
import { configureWallet } from './configure.ts';
import { credit } from './credit.ts';
import { explain } from './explain.ts';
import { extend } from './extend.ts';
import { findHold } from './find-hold.ts';
import { setFreeze } from './freeze.ts';
import { hasOperation } from './has-operation.ts';
import { hydrateWallet, putNewWallet } from './hydrate.ts';
import { entryIdOf, grantIdOf, holdIdOf, parseGrantId, parseHoldId } from './ids.ts';
import { partitionOf, walletOf } from './keys.ts';
import { versionInLedger } from './ledger-wait.ts';
import { leastNowMs } from './nodes.ts';
import { operationOf } from './operation.ts';
import { raiseCatalog, readCatalogVersions } from './raise-catalog.ts';
import { readStanding } from './read-standing.ts';
import { readWallet } from './read-wallet.ts';
import { release } from './release.ts';
import { settle } from './settle.ts';
import type { WalletConfig } from '../records.ts';
import type { Store } from './store.ts';
import type { Trouble } from './target.ts';
import { voidGrant } from './void-grant.ts';

type OfCustomer = { environmentId: string; customerId: string };
type Bound<F> = F extends (store: Store, ...asked: infer A) => infer O ? (...asked: A) => O : never;

export type Wallets = {
  operationOf: typeof operationOf;
  parseHoldId: typeof parseHoldId;
  parseGrantId: typeof parseGrantId;
  holdIdOf: typeof holdIdOf;
  grantIdOf: typeof grantIdOf;
  entryIdOf: typeof entryIdOf;
  walletOf: typeof walletOf;
  walletIdOf: (environmentId: string, customerId: string) => string;
  /**
   * A customer's wallet is there before the reply. `isNew`: this very call created the customer, so nothing can have
   * happened to it; otherwise the ledger is asked, as after a loss.
   */
  createWallet: (customer: OfCustomer & { isNew: boolean }) => Promise<{ status: 'ready' } | Trouble>;
  /** After Postgres has it: the next request goes by it. */
  configure: (customer: OfCustomer, config: WalletConfig) => ReturnType<typeof configureWallet>;
  /** What Redis has of catalog and configuration, as a stale call is told. */
  readStanding: Bound<typeof readStanding>;
  /** Redis's clock, as far as it is known here. */
  redisMs: () => number;
  /** What this process knows of the wallet's configuration. */
  configs: Configs;
  authorize: Bound<typeof authorize>;
  /** What authorize would do, with the wallet that it would do it in. */
  explain: Bound<typeof explain>;
  charge: Bound<typeof charge>;
  settle: Bound<typeof settle>;
  release: Bound<typeof release>;
  extend: Bound<typeof extend>;
  findHold: Bound<typeof findHold>;
  credit: Bound<typeof credit>;
  voidGrant: Bound<typeof voidGrant>;
  setFreeze: Bound<typeof setFreeze>;
  /** In all of Redis, before it answers. */
  raiseCatalog: Bound<typeof raiseCatalog>;
  /** As Redis has them. */
  catalogVersions: Bound<typeof readCatalogVersions>;
  readWallet: (customer: OfCustomer) => ReturnType<typeof readWallet>;
  /** Whether Redis or the ledger remembers this operation, or neither says. */
  hasOperation: (wallet: { environmentId: string; walletId: string }, operationId: string) => Promise<boolean>;
  /** Waits up to 2 s for the ledger to have this version of the wallet. */
  ledgerHas: (wallet: OfCustomer & { version: number }) => Promise<boolean>;
};

export function openWallets(store: Store): Wallets {
  const targetOf = ({ environmentId, customerId }: OfCustomer) => ({
    environmentId,
    ...walletOf(environmentId, customerId),
  });
  return {
    operationOf,
    parseHoldId,
    parseGrantId,
    holdIdOf,
    grantIdOf,
    entryIdOf,
    walletOf,
    walletIdOf: (environmentId, customerId) => walletOf(environmentId, customerId).walletId,
    createWallet: async ({ environmentId, customerId, isNew }) => {
      const target = targetOf({ environmentId, customerId });
      const put = await (isNew ? putNewWallet(store, target, customerId) : hydrateWallet(store, target));
      return put === 'ready' ? { status: 'ready' } : put;
    },
    configure: (customer, config) => configureWallet(store, targetOf(customer), config),
    readStanding: (target) => readStanding(store, target),
    redisMs: () => leastNowMs(store.nodes),
    configs: openConfigs(),
    authorize: (request, ttlMs) => authorize(store, request, ttlMs),
    explain: (request, ttlMs) => explain(store, request, ttlMs),
    charge: (request) => charge(store, request),
    settle: (request) => settle(store, request),
    release: (request) => release(store, request),
    extend: (request) => extend(store, request),
    findHold: (request) => findHold(store, request),
    credit: (request) => credit(store, request),
    voidGrant: (request) => voidGrant(store, request),
    setFreeze: (request) => setFreeze(store, request),
    raiseCatalog: (catalog) => raiseCatalog(store, catalog),
    catalogVersions: (environmentIds) => readCatalogVersions(store, environmentIds),
    readWallet: (customer) => readWallet(store, targetOf(customer)),
    hasOperation: (wallet, operationId) =>
      hasOperation(store, { ...wallet, partition: partitionOf(wallet.walletId) }, operationId),
    ledgerHas: (wallet) => versionInLedger(store, targetOf(wallet), wallet.version),
  };
}
