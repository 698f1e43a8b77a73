// The whole API: one table. A row is a method and path, who may use it, and the route.
//
// `public` needs no key. Otherwise a key must have one of the scopes named; `admin` includes all. Customers take `credit`,
// because who grants credit is who signs customers up, and so do subscriptions and budgets; freezing and keys take `admin`.
import { Hono } from 'hono';
import { createAssetRate, listAssetRates } from './asset-rates.ts';
import { createAsset, getAsset, listAssets } from './assets.ts';
import { cachedAssets } from './assets-cache.ts';
import { authorize } from './authorize.ts';
import { deleteAutoTopUp, getAutoTopUp, putAutoTopUp } from './auto-top-ups.ts';
import { createBudget, deleteBudget, getBudget, listBudgets, updateBudget } from './budgets.ts';
import { charge } from './charge.ts';
import { createCustomer, getCustomer, listCustomers, updateCustomer } from './customers.ts';
import type { Deps } from './deps.ts';
import { listEntries } from './entries.ts';
import { estimate } from './estimate.ts';
import { takeEvents } from './events.ts';
import { explain } from './explain.ts';
import { explainHold } from './explain-hold.ts';
import { extend } from './extend.ts';
import { cancelGrant, createGrant, getGrant, listGrants, voidGrant } from './grants.ts';
import { getHold } from './holds.ts';
import { createKey, listKeys, revokeKey } from './keys.ts';
import { openApiOf } from './openapi.ts';
import { chooseDefaultMethod, listPaymentMethods, removePaymentMethod, setUpPaymentMethod } from './payment-methods.ts';
import { migrateVersion } from './migrate-version.ts';
import { createProduct, createVersion, getProduct, getVersion, listProducts, publishVersion } from './products.ts';
import { release } from './release.ts';
import { requestIds } from './request-id.ts';
import { serve, type Api } from './route.ts';
import { docs, errorDocs, livez, metrics, openApi, readyz, servePublic } from './running.ts';
import { settle } from './settle.ts';
import { cancelSubscription, createSubscription, listSubscriptions, migrateSubscription } from './subscriptions.ts';
import { receiveStripeEvent } from './stripe-webhook.ts';
import { honoPathOf, splitRow, type TableRow } from './table.ts';
import { refundTopUp } from './refund.ts';
import { createTopUp, getTopUp, listTopUps } from './top-ups.ts';
import { unmatched } from './unmatched.ts';
import { listEvents, rateEvents } from './unpriced.ts';
import { freezeWallet, getWallet, unfreezeWallet } from './wallet.ts';

export const table: readonly TableRow[] = [
  ['POST   /v1/authorize', 'authorize', authorize],
  ['POST   /v1/charge', 'authorize', charge],
  ['POST   /v1/events', 'authorize', takeEvents],
  ['GET    /v1/events', 'read', listEvents],
  ['POST   /v1/events/rate', 'authorize', rateEvents],
  ['POST   /v1/estimate', ['authorize', 'read'], estimate],
  ['POST   /v1/explain', ['authorize', 'read'], explain],
  ['GET    /v1/holds/{hold_id}', ['authorize', 'read'], getHold],
  ['GET    /v1/holds/{hold_id}/explain', ['authorize', 'read'], explainHold],
  ['POST   /v1/holds/{hold_id}/settle', 'authorize', settle],
  ['POST   /v1/holds/{hold_id}/release', 'authorize', release],
  ['POST   /v1/holds/{hold_id}/extend', 'authorize', extend],

  ['POST   /v1/customers', 'credit', createCustomer],
  ['GET    /v1/customers', 'read', listCustomers],
  ['GET    /v1/customers/{customer_id}', 'read', getCustomer],
  ['PATCH  /v1/customers/{customer_id}', 'credit', updateCustomer],
  ['GET    /v1/customers/{customer_id}/wallet', 'read', getWallet],
  ['POST   /v1/customers/{customer_id}/wallet/freeze', 'admin', freezeWallet],
  ['POST   /v1/customers/{customer_id}/wallet/unfreeze', 'admin', unfreezeWallet],
  ['GET    /v1/customers/{customer_id}/entries', 'read', listEntries],
  ['POST   /v1/customers/{customer_id}/grants', 'credit', createGrant],
  ['GET    /v1/customers/{customer_id}/grants', 'read', listGrants],
  ['GET    /v1/customers/{customer_id}/grants/{grant_id}', 'read', getGrant],
  ['POST   /v1/customers/{customer_id}/grants/{grant_id}/void', 'credit', voidGrant],
  ['POST   /v1/customers/{customer_id}/grants/{grant_id}/cancel', 'credit', cancelGrant],

  ['POST   /v1/customers/{customer_id}/subscriptions', ['catalog', 'credit'], createSubscription],
  ['GET    /v1/customers/{customer_id}/subscriptions', 'read', listSubscriptions],
  [
    'POST   /v1/customers/{customer_id}/subscriptions/{subscription_id}/cancel',
    ['catalog', 'credit'],
    cancelSubscription,
  ],
  [
    'POST   /v1/customers/{customer_id}/subscriptions/{subscription_id}/migrate',
    ['catalog', 'credit'],
    migrateSubscription,
  ],

  ['POST   /v1/customers/{customer_id}/top-ups', 'credit', createTopUp],
  ['GET    /v1/customers/{customer_id}/top-ups', 'read', listTopUps],
  ['GET    /v1/customers/{customer_id}/top-ups/{top_up_id}', 'read', getTopUp],
  ['GET    /v1/top-ups/{top_up_id}', 'read', getTopUp],
  ['POST   /v1/top-ups/{top_up_id}/refund', 'credit', refundTopUp],
  ['PUT    /v1/customers/{customer_id}/auto-top-up/{code}', 'credit', putAutoTopUp],
  ['GET    /v1/customers/{customer_id}/auto-top-up/{code}', 'read', getAutoTopUp],
  ['DELETE /v1/customers/{customer_id}/auto-top-up/{code}', 'credit', deleteAutoTopUp],
  ['POST   /v1/customers/{customer_id}/payment-methods/setup', 'credit', setUpPaymentMethod],
  ['GET    /v1/customers/{customer_id}/payment-methods', 'read', listPaymentMethods],
  ['POST   /v1/customers/{customer_id}/payment-methods/{payment_method_id}/default', 'credit', chooseDefaultMethod],
  ['DELETE /v1/customers/{customer_id}/payment-methods/{payment_method_id}', 'credit', removePaymentMethod],
  ['POST   /v1/customers/{customer_id}/budgets', ['catalog', 'credit'], createBudget],
  ['GET    /v1/customers/{customer_id}/budgets', 'read', listBudgets],
  ['GET    /v1/customers/{customer_id}/budgets/{budget_id}', 'read', getBudget],
  ['PATCH  /v1/customers/{customer_id}/budgets/{budget_id}', ['catalog', 'credit'], updateBudget],
  ['DELETE /v1/customers/{customer_id}/budgets/{budget_id}', ['catalog', 'credit'], deleteBudget],

  ['POST   /v1/products', 'catalog', createProduct],
  ['GET    /v1/products', 'read', listProducts],
  ['GET    /v1/products/{product_id}', 'read', getProduct],
  ['POST   /v1/products/{product_id}/versions', 'catalog', createVersion],
  ['GET    /v1/products/{product_id}/versions/{version}', 'read', getVersion],
  ['POST   /v1/products/{product_id}/versions/{version}/publish', 'catalog', publishVersion],
  ['POST   /v1/products/{product_id}/versions/{version}/migrate', 'catalog', migrateVersion],
  ['POST   /v1/assets', 'catalog', createAsset],
  ['GET    /v1/assets', 'read', listAssets],
  ['GET    /v1/assets/{code}', 'read', getAsset],
  ['POST   /v1/assets/{code}/rates', 'catalog', createAssetRate],
  ['GET    /v1/assets/{code}/rates', 'read', listAssetRates],
  ['POST   /v1/keys', 'admin', createKey],
  ['GET    /v1/keys', 'read', listKeys],
  ['DELETE /v1/keys/{key_id}', 'admin', revokeKey],

  ['POST   /webhooks/stripe/{environment}', 'public', receiveStripeEvent],
  ['GET    /livez', 'public', livez],
  ['GET    /readyz', 'public', readyz],
  ['GET    /metrics', 'public', metrics],
  ['GET    /openapi.json', 'public', openApi],
  ['GET    /docs', 'public', docs],
  ['GET    /docs/errors', 'public', errorDocs],
];

/** Hono's app; main.ts serves it, and mounts the operators' pages beside it. */
export function createApp(deps: Deps): Hono {
  const api: Api = { ...deps, assets: cachedAssets(deps.ledger), requestIdOf: requestIds() };
  const rows = table.map(splitRow);
  const app = new Hono();
  for (const row of rows) {
    const handler = row.access === 'public' ? servePublic(api, row, () => openApiOf(rows)) : serve(api, row);
    app.on(row.method, honoPathOf(row.path), handler);
  }
  app.notFound(unmatched(api, rows));
  return app;
}
