// Rates: what one unit of an asset costs in money, from an instant on. The latest that has come into effect counts.
import { z } from '@hono/zod-openapi';
import type { AssetRate as AssetRateReply } from '../contract.ts';
import { readAssetRate } from '../pricing/asset-price.ts';
import { currencyOf } from '../pricing/currencies.ts';
import type { AssetRate } from '../records.ts';
import { refuse, refuseFields } from './answer.ts';
import { unknownAsset } from './assets.ts';
import { operationFor } from './idempotency.ts';
import { listAnswer, pageOf, pageQuery, pageSchema } from './paging.ts';
import { defineRoute } from './route.ts';
import { timeOut, timestamp } from './schemas.ts';
import { formatTime } from './time.ts';

export const assetRateBody = z
  .strictObject({
    currency: z
      .string()
      .regex(/^[A-Z]{3}$/, 'must be three capital letters')
      .openapi({ example: 'USD' }),
    rate: z
      .string()
      .max(40)
      .openapi({ description: 'What one unit of the asset costs; at most 12 decimals.', example: '0.00002' }),
    effective_at: timestamp.optional().openapi({ description: 'Absent: now.' }),
  })
  .openapi('AssetRateRequest');

export const assetRateReply = z
  .object({
    id: z.string(),
    asset: z.string(),
    currency: z.string(),
    rate: z.string(),
    effective_at: timeOut,
    created_at: timeOut,
  })
  .openapi('AssetRate');

export const createAssetRate = defineRoute({
  summary: 'Publish what an asset costs',
  description: 'Top-ups from then on are bought at it. It is never changed: a later one takes its place.',
  body: assetRateBody,
  reply: { status: 201, description: 'The rate.', schema: assetRateReply },
  errors: ['unknown_asset'],
  handle: async (api, call) => {
    const { environmentId, params, body } = call;
    const asset = await api.assets.byCode(environmentId, params.code);
    if (!asset) return unknownAsset('code', params.code);
    if (!currencyOf(body.currency)) return refuseFields([{ path: 'currency', message: 'is no currency' }]);
    const read = readAssetRate(body.rate);
    if (read.status === 'wrong') return refuseFields([{ path: 'rate', message: read.message }]);
    const { id: operationId, fingerprint } = operationFor(api, call);
    const made = await api.ledger.createAssetRate(environmentId, {
      asset: asset.number,
      currency: body.currency,
      rate: body.rate,
      effectiveAtMs: body.effective_at,
      operationId,
      fingerprint,
    });
    switch (made.status) {
      case 'conflict':
        return refuse('idempotency_conflict', 'the Idempotency-Key came with another body before');
      case 'created':
      case 'replayed':
        return { status: 201, body: show(made.rate, asset.code), replayed: made.status === 'replayed' };
    }
  },
});

export const listAssetRates = defineRoute({
  summary: 'List what an asset has cost, costs and will cost',
  query: pageQuery,
  reply: { status: 200, description: 'The latest to come into effect first.', schema: pageSchema(assetRateReply) },
  errors: ['unknown_asset'],
  handle: async (api, { environmentId, params, query }) => {
    const asset = await api.assets.byCode(environmentId, params.code);
    if (!asset) return unknownAsset('code', params.code);
    const listed = await api.ledger.listAssetRates(environmentId, asset.number, pageOf(query));
    return listAnswer(listed, (rate) => show(rate, asset.code));
  },
});

function show(rate: AssetRate, asset: string): AssetRateReply {
  return {
    id: rate.id,
    asset,
    currency: rate.currency,
    rate: rate.rate,
    effective_at: formatTime(rate.effectiveAtMs),
    created_at: formatTime(rate.createdAtMs),
  };
}
