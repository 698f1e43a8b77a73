// The OpenAPI document: whole, well-formed, and in step with the contract's types.
import { describe, expect, expectTypeOf, test } from 'vitest';
import type { z } from '@hono/zod-openapi';
import { table } from '../src/api/app.ts';
import type { assetBody, assetReply } from '../src/api/assets.ts';
import type { approvedReply, authorizeBody } from '../src/api/authorize.ts';
import type { budgetReply } from '../src/api/budget-view.ts';
import type { budgetBody, budgetChanges } from '../src/api/budget-schema.ts';
import type { chargeBody, chargedReply } from '../src/api/charge.ts';
import type { customerBody, customerChanges, customerReply } from '../src/api/customers.ts';
import type { entriesQuery, entryReply } from '../src/api/entries.ts';
import type { estimateBody, estimateReply } from '../src/api/estimate.ts';
import type { extendBody } from '../src/api/extend.ts';
import type { grantReply } from '../src/api/grant-view.ts';
import type { grantBody, voidedGrantReply } from '../src/api/grants.ts';
import type { holdReply } from '../src/api/holds.ts';
import type { createdKeyReply, keyBody, keyReply } from '../src/api/keys.ts';
import type { assetRateBody, assetRateReply } from '../src/api/asset-rates.ts';
import { openApiOf } from '../src/api/openapi.ts';
import type { declinedReply, holdClosedReply, problemReply } from '../src/api/problem-schemas.ts';
import type { paymentMethodReply, setupBody, setupReply } from '../src/api/payment-methods.ts';
import type { releasedReply } from '../src/api/release.ts';
import type { settleBody, settledReply } from '../src/api/settle.ts';
import type {
  productBody,
  productReply,
  productWithPricesReply,
  versionBody,
  versionReply,
} from '../src/api/products.ts';
import type { migrateBody, subscriptionBody, subscriptionReply } from '../src/api/subscriptions.ts';
import type { shadowApprovedReply, shadowDeclinedReply } from '../src/api/spend.ts';
import { splitRow } from '../src/api/table.ts';
import type { autoTopUpBody, autoTopUpReply } from '../src/api/auto-top-ups.ts';
import type { refundBody } from '../src/api/refund.ts';
import type { topUpReply } from '../src/api/top-up-view.ts';
import type { topUpBody } from '../src/api/top-ups.ts';
import type { walletReply } from '../src/api/wallet.ts';
import type * as contract from '../src/contract.ts';
import { errors, type ErrorCode } from '../src/errors.ts';
import { ask, stubApp } from './api.stub.ts';

type Schema = { $ref?: string; [key: string]: unknown };
type Reply = { description: string; headers: Record<string, unknown>; content?: Record<string, { schema: Schema }> };
type Operation = {
  operationId: string;
  summary: string;
  security: Record<string, string[]>[];
  parameters?: { name: string; in: string; required: boolean; schema: Schema }[];
  requestBody?: { required: boolean; content: Record<string, { schema: Schema }> };
  responses: Record<string, Reply>;
};
type Document = {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema>; securitySchemes: Record<string, unknown> };
};

const rows = table.map(splitRow);
const document = JSON.parse(JSON.stringify(openApiOf(rows))) as Document;
const operationOf = (method: string, path: string): Operation | undefined =>
  document.paths[path]?.[method.toLowerCase()];
const keyed = rows.filter((row) => row.access !== 'public');

describe('the document', () => {
  test('is what the gateway serves, without a key', async () => {
    const { status, reply } = await ask(stubApp().app, '/openapi.json', { secret: null });
    expect(status).toBe(200);
    expect(reply).toEqual(document);
    expect(document.openapi).toBe('3.1.0');
  });

  test('has every route of the table, and no other', () => {
    const described = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(described.sort()).toEqual(rows.map(({ method, path }) => `${method} ${path}`).sort());
  });

  test('names each operation once', () => {
    const ids = Object.values(document.paths).flatMap((methods) =>
      Object.values(methods).map((one) => one.operationId),
    );
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^[a-z0-9_]+$/);
  });

  test('has whatever it refers to', () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, reference]) => reference);
    expect(references.length).toBeGreaterThan(0);
    for (const reference of new Set(references)) {
      const name = /^#\/components\/schemas\/(\w+)$/.exec(reference ?? '')?.[1] ?? '';
      expect(Object.keys(document.components.schemas)).toContain(name);
    }
  });

  test.each(keyed)('$method $path has its parameters, body, scopes and replies', (row) => {
    const { method, path, access, route } = row;
    const operation = operationOf(method, path);
    expect(operation?.summary).not.toBe('');
    expect(operation?.security).toEqual((access as string[]).map((scope) => ({ key: [scope] })));
    const inPath = (operation?.parameters ?? []).filter((one) => one.in === 'path').map((one) => one.name);
    expect(inPath).toEqual([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
    const headers = (operation?.parameters ?? []).filter((one) => one.in === 'header').map((one) => one.name);
    expect(headers).toEqual(method === 'POST' ? ['Idempotency-Key'] : []);
    expect(operation?.requestBody !== undefined).toBe('body' in route && route.body !== undefined);
    for (const reply of Object.values(operation?.responses ?? {})) {
      expect(reply.headers).toHaveProperty('x-request-id');
      expect(reply.description).not.toBe('');
    }
  });

  test.each(keyed)('$method $path names each of its errors under its status', ({ method, path, route }) => {
    const responses = operationOf(method, path)?.responses ?? {};
    const everywhere: ErrorCode[] = [
      'unauthorized',
      'missing_scope',
      'internal_error',
      'unavailable',
      'invalid_request',
    ];
    for (const code of [...everywhere, ...('errors' in route ? route.errors : [])]) {
      const reply = responses[errors[code].status];
      expect(reply?.description).toContain(`\`${code}\``);
      expect(reply?.content).toHaveProperty(['application/problem+json']);
    }
  });

  test('refuses what requests may not have, as the gateway does', () => {
    const bodies = keyed.flatMap(({ method, path }) => {
      const body = operationOf(method, path)?.requestBody?.content['application/json']?.schema;
      return body ? [{ path, body }] : [];
    });
    for (const { path, body } of bodies) {
      const name = body.$ref?.split('/').at(-1);
      const schema = name === undefined ? body : document.components.schemas[name];
      // A body of several kinds is as strict in each.
      for (const kind of (schema?.['anyOf'] as (typeof schema)[] | undefined) ?? [schema]) {
        expect([path, kind?.['additionalProperties']]).toEqual([path, false]);
      }
    }
  });
});

test('/docs shows every route, and loads nothing from elsewhere', async () => {
  const { status, headers, text } = await ask(stubApp().app, '/docs', { secret: null });
  expect(status).toBe(200);
  expect(headers.get('content-security-policy')).toContain("default-src 'none'");
  expect(text).not.toMatch(/(src|href)="(https?:)?\/\//);
  for (const { method, path } of rows) {
    expect(text).toContain(`id="${operationOf(method, path)?.operationId}"`);
    expect(text).toContain(path);
  }
});

/** Each may stand for the other: fields and their types agree. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
/** Prices in the contract are read-only: what the schema reads may stand for them, not the other way round. */
type Unpriced<Body> = Omit<Body, 'prices'>;

test('requests are those of the contract', () => {
  expectTypeOf<Same<z.input<typeof customerBody>, contract.CustomerRequest>>().toEqualTypeOf<true>();
  expectTypeOf<Same<z.input<typeof customerChanges>, contract.CustomerChanges>>().toEqualTypeOf<true>();
  expectTypeOf<Same<z.input<typeof assetBody>, contract.AssetRequest>>().toEqualTypeOf<true>();
  expectTypeOf<Same<Unpriced<z.input<typeof productBody>>, Unpriced<contract.ProductRequest>>>().toEqualTypeOf<true>();
  expectTypeOf<Same<z.input<typeof subscriptionBody>, contract.SubscriptionRequest>>().toEqualTypeOf<true>();
  expectTypeOf<Same<z.input<typeof migrateBody>, contract.MigrateRequest>>().toEqualTypeOf<true>();
  expectTypeOf<Same<z.input<typeof budgetBody>, contract.BudgetRequest>>().toEqualTypeOf<true>();
  expectTypeOf<Same<z.input<typeof budgetChanges>, contract.BudgetChanges>>().toEqualTypeOf<true>();
  expectTypeOf<z.output<typeof productBody>['prices']>().toExtend<contract.Price[]>();
  expectTypeOf<
    Same<Unpriced<z.input<typeof versionBody>>, Unpriced<contract.ProductVersionRequest>>
  >().toEqualTypeOf<true>();
  expectTypeOf<Same<z.input<typeof grantBody>, Omit<contract.GrantRequest, 'scope'>>>().toEqualTypeOf<true>();
  expectTypeOf<Same<z.input<typeof assetRateBody>, contract.AssetRateRequest>>().toEqualTypeOf<true>();
  expectTypeOf<Same<z.input<typeof topUpBody>, contract.TopUpRequest>>().toEqualTypeOf<true>();
  expectTypeOf<Same<z.input<typeof refundBody>, contract.RefundRequest>>().toEqualTypeOf<true>();
  expectTypeOf<Same<z.input<typeof autoTopUpBody>, contract.AutoTopUpRequest>>().toEqualTypeOf<true>();
  expectTypeOf<Same<z.input<typeof setupBody>, contract.PaymentMethodSetupRequest>>().toEqualTypeOf<true>();
  expectTypeOf<z.input<typeof keyBody>>().toExtend<contract.KeyRequest>();
  expectTypeOf<Same<z.input<typeof authorizeBody>, contract.AuthorizeRequest>>().toEqualTypeOf<true>();
  expectTypeOf<Same<z.input<typeof chargeBody>, contract.ChargeRequest>>().toEqualTypeOf<true>();
  expectTypeOf<Same<z.input<typeof estimateBody>, contract.EstimateRequest>>().toEqualTypeOf<true>();
  expectTypeOf<z.input<typeof settleBody>>().toExtend<contract.SettleRequest>();
  expectTypeOf<Same<z.input<typeof extendBody>, contract.ExtendRequest>>().toEqualTypeOf<true>();
  expectTypeOf<keyof z.input<typeof entriesQuery>>().toEqualTypeOf<keyof contract.EntriesQuery>();
});

test('replies are those of the contract', () => {
  expectTypeOf<Same<z.output<typeof customerReply>, contract.Customer>>().toEqualTypeOf<true>();
  expectTypeOf<Same<z.output<typeof assetReply>, contract.Asset>>().toEqualTypeOf<true>();
  expectTypeOf<Same<z.output<typeof subscriptionReply>, contract.Subscription>>().toEqualTypeOf<true>();
  expectTypeOf<Same<z.output<typeof budgetReply>, contract.Budget>>().toEqualTypeOf<true>();
  expectTypeOf<Same<z.output<typeof productReply>, contract.Product>>().toEqualTypeOf<true>();
  expectTypeOf<
    Same<Unpriced<z.output<typeof productWithPricesReply>>, Unpriced<contract.ProductWithPrices>>
  >().toEqualTypeOf<true>();
  expectTypeOf<
    Same<Unpriced<z.output<typeof versionReply>>, Unpriced<contract.ProductVersion>>
  >().toEqualTypeOf<true>();
  expectTypeOf<z.output<typeof grantReply>>().toExtend<contract.Grant>();
  expectTypeOf<z.output<typeof voidedGrantReply>>().toExtend<contract.VoidedGrant>();
  expectTypeOf<Same<z.output<typeof assetRateReply>, contract.AssetRate>>().toEqualTypeOf<true>();
  expectTypeOf<Same<z.output<typeof topUpReply>, contract.TopUp>>().toEqualTypeOf<true>();
  expectTypeOf<Same<z.output<typeof autoTopUpReply>, contract.AutoTopUp>>().toEqualTypeOf<true>();
  expectTypeOf<Same<z.output<typeof setupReply>, contract.PaymentMethodSetup>>().toEqualTypeOf<true>();
  expectTypeOf<Same<z.output<typeof paymentMethodReply>, contract.PaymentMethod>>().toEqualTypeOf<true>();
  expectTypeOf<Same<z.output<typeof keyReply>, contract.Key>>().toEqualTypeOf<true>();
  expectTypeOf<Same<z.output<typeof createdKeyReply>, contract.CreatedKey>>().toEqualTypeOf<true>();
  expectTypeOf<Same<z.output<typeof walletReply>, contract.Wallet>>().toEqualTypeOf<true>();
  expectTypeOf<Same<z.output<typeof approvedReply>, contract.Approved>>().toEqualTypeOf<true>();
  expectTypeOf<Same<z.output<typeof chargedReply>, contract.Charged>>().toEqualTypeOf<true>();
  expectTypeOf<Same<z.output<typeof estimateReply>, contract.Estimate>>().toEqualTypeOf<true>();
  expectTypeOf<z.output<typeof shadowApprovedReply>>().toExtend<contract.ShadowApproved>();
  expectTypeOf<Same<z.output<typeof settledReply>, contract.Settled>>().toEqualTypeOf<true>();
  expectTypeOf<Same<z.output<typeof releasedReply>, contract.Released>>().toEqualTypeOf<true>();
  expectTypeOf<Same<z.output<typeof holdReply>, contract.Hold>>().toEqualTypeOf<true>();
  expectTypeOf<z.output<typeof entryReply>>().toExtend<contract.Entry>();
  expectTypeOf<z.output<typeof problemReply>>().toExtend<contract.Problem>();
  expectTypeOf<z.output<typeof declinedReply>>().toExtend<contract.Declined>();
  expectTypeOf<z.output<typeof holdClosedReply>>().toExtend<contract.HoldClosedProblem>();
  // Wider by what the contract's type leaves out: a wallet that is frozen, or has too many holds.
  expectTypeOf<Extract<z.output<typeof shadowDeclinedReply>['code'], contract.DeclineCode>>().not.toBeNever();
});
