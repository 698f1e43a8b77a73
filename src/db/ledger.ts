// The ledger's side of the API: the queries that a gateway makes, bound to one connection pool.
import type { AutoTopUpId, AutoTopUpTerms } from '../records.ts';
import { createAssetRate, findAssetRate, listAssetRates } from './asset-rates.ts';
import { createAsset, listAssets } from './assets.ts';
import { deleteAutoTopUp, findAutoTopUp, putAutoTopUp } from './auto-top-ups.ts';
import { createBudget, deleteBudget, findBudget, listBudgets, updateBudget } from './budgets.ts';
import { loadPublished, noteCatalogRaised } from './catalog.ts';
import type { Sql } from './connect.ts';
import { beginCredit, hasCredit, refuseCredit } from './credits.ts';
import { cancelRecurrence, listInstancesToEnd, refillRecurrence } from './recurrences.ts';
import { createCustomer, findCustomer, listCustomers, updateCustomer } from './customers.ts';
import { findOpening, listEntries } from './entries.ts';
import { findGrant, listGrants } from './grants.ts';
import { findHold } from './holds.ts';
import { createKeyOnce, findKey, listKeys, revokeKey } from './keys.ts';
import { countSubscribed, listPricedEvents, listSubscribed, moveSubscription, readConfig } from './migrate-version.ts';
import { createProduct, createVersion, findProduct, findVersion, listProducts, publishVersion } from './products.ts';
import { findReply, rememberReply } from './replies.ts';
import {
  cancelSubscription,
  createSubscription,
  findSubscription,
  listSubscriptions,
  migrateSubscription,
} from './subscriptions.ts';
import { keepUnpriced, listKept, noteRated } from './unpriced-events.ts';
import { beginRefund, hasRefund, keepRefundReply, listRefunds } from './refunds.ts';
import { beginTopUp, findTopUp, findTopUpByOperation, keepTopUpReply, listTopUps } from './top-ups.ts';
import { noteConfigPushed } from './wallet-config.ts';

/** `announceRevocation` tells the gateways that a key was revoked: it raises a counter in Redis that they poll. */
export function openLedger(sql: Sql, { announceRevocation }: { announceRevocation: () => Promise<void> }) {
  const bind =
    <Rest extends unknown[], Result>(query: (sql: Sql, ...rest: Rest) => Result) =>
    (...rest: Rest): Result =>
      query(sql, ...rest);
  return {
    findKey: bind(findKey),
    createKey: bind(createKeyOnce),
    listKeys: bind(listKeys),
    revokeKey: (environmentId: string, keyId: string) => revokeKey(sql, environmentId, keyId, announceRevocation),

    createAsset: bind(createAsset),
    listAssets: bind(listAssets),
    createAssetRate: bind(createAssetRate),
    findAssetRate: bind(findAssetRate),
    listAssetRates: bind(listAssetRates),

    createProduct: bind(createProduct),
    findProduct: bind(findProduct),
    listProducts: bind(listProducts),
    createVersion: bind(createVersion),
    findVersion: bind(findVersion),
    publishVersion: bind(publishVersion),
    noteCatalogRaised: bind(noteCatalogRaised),
    loadPublished: bind(loadPublished),

    createCustomer: bind(createCustomer),
    findCustomer: bind(findCustomer),
    listCustomers: bind(listCustomers),
    updateCustomer: bind(updateCustomer),

    createSubscription: bind(createSubscription),
    findSubscription: bind(findSubscription),
    listSubscriptions: bind(listSubscriptions),
    cancelSubscription: bind(cancelSubscription),
    migrateSubscription: bind(migrateSubscription),
    listSubscribed: bind(listSubscribed),
    countSubscribed: bind(countSubscribed),
    moveSubscription: bind(moveSubscription),
    readConfig: bind(readConfig),
    listPricedEvents: bind(listPricedEvents),
    createBudget: bind(createBudget),
    findBudget: bind(findBudget),
    listBudgets: bind(listBudgets),
    updateBudget: bind(updateBudget),
    deleteBudget: bind(deleteBudget),
    noteConfigPushed: bind(noteConfigPushed),

    beginCredit: bind(beginCredit),
    hasCredit: bind(hasCredit),
    refuseCredit: bind(refuseCredit),
    refillRecurrence: bind(refillRecurrence),
    cancelRecurrence: bind(cancelRecurrence),
    listInstancesToEnd: bind(listInstancesToEnd),
    findGrant: bind(findGrant),
    listGrants: bind(listGrants),

    keepUnpriced: bind(keepUnpriced),
    listKept: bind(listKept),
    noteRated: bind(noteRated),
    beginTopUp: bind(beginTopUp),
    findTopUp: bind(findTopUp),
    findTopUpByOperation: bind(findTopUpByOperation),
    listTopUps: bind(listTopUps),
    keepTopUpReply: bind(keepTopUpReply),
    beginRefund: bind(beginRefund),
    hasRefund: bind(hasRefund),
    listRefunds: bind(listRefunds),
    keepRefundReply: bind(keepRefundReply),
    putAutoTopUp: (id: AutoTopUpId, terms: AutoTopUpTerms) => putAutoTopUp(sql, id, terms),
    findAutoTopUp: (id: AutoTopUpId) => findAutoTopUp(sql, id),
    deleteAutoTopUp: (id: AutoTopUpId) => deleteAutoTopUp(sql, id),

    findHold: bind(findHold),
    findOpening: bind(findOpening),
    listEntries: bind(listEntries),

    findReply: bind(findReply),
    rememberReply: bind(rememberReply),
  };
}
