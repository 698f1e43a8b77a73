// Assets: what is counted. Its code and scale never change, so each is kept in the process once seen (assets-cache.ts).
import { z } from '@hono/zod-openapi';
import type { Asset as AssetReply } from '../contract.ts';
import type { Asset } from '../records.ts';
import { refuse, type Answer, type Refused } from './answer.ts';
import { operationFor } from './idempotency.ts';
import { badCursor, pageQuery, pageSchema } from './paging.ts';
import { defineRoute } from './route.ts';
import { assetCodePattern, name } from './schemas.ts';

const scaleMax = 9;

export const assetBody = z
  .strictObject({
    code: z
      .string()
      .regex(assetCodePattern, 'must be 1 to 32 of A–Z 0–9 _, the first a letter')
      .openapi({ example: 'TOKENS' }),
    name: name.optional(),
    scale: z.int().min(0).max(scaleMax).openapi({ description: 'Decimals of the smallest unit; never changes.' }),
    kind: z.enum(['custom', 'fiat']),
  })
  .openapi('AssetRequest');

export const assetReply = z
  .object({
    code: z.string(),
    name: z.string().nullable(),
    scale: z.int(),
    kind: z.enum(['custom', 'fiat']),
  })
  .openapi('Asset');

export const createAsset = defineRoute({
  summary: 'Create an asset',
  description: '`USD` and `EUR`, both of scale 9, exist from the start.',
  body: assetBody,
  reply: { status: 201, description: 'The asset.', schema: assetReply },
  errors: ['asset_exists'],
  handle: async (api, call) => {
    const { code, name, scale, kind } = call.body;
    const { id: operationId, fingerprint } = operationFor(api, call);
    const asset = { code, name, scale, kind, operationId, fingerprint };
    const made = await api.ledger.createAsset(call.environmentId, asset);
    switch (made.status) {
      case 'exists':
        return refuse('asset_exists', `there is an asset ${code} already`);
      case 'conflict':
        return refuse('idempotency_conflict', 'the Idempotency-Key came with another body before');
      case 'created':
      case 'replayed':
        return { status: 201, body: show(made.asset), replayed: made.status === 'replayed' };
    }
  },
});

export const listAssets = defineRoute({
  summary: 'List assets',
  query: pageQuery,
  reply: { status: 200, description: 'Newest first.', schema: pageSchema(assetReply) },
  errors: [],
  handle: async (api, { environmentId, query }): Promise<Answer> => {
    // They come whole, being few; a cursor is the number of the last one shown.
    const after = query.cursor === undefined ? Number.POSITIVE_INFINITY : cursorOf(query.cursor);
    if (after === undefined) return badCursor;
    const assets = (await api.ledger.listAssets(environmentId))
      .filter((asset) => asset.number < after)
      .sort((a, b) => b.number - a.number);
    const shown = assets.slice(0, query.limit);
    const next_cursor = shown.length < assets.length ? String(shown.at(-1)?.number) : null;
    return { status: 200, body: { data: shown.map(show), next_cursor } };
  },
});

export const getAsset = defineRoute({
  summary: 'Get an asset',
  reply: { status: 200, description: 'The asset.', schema: assetReply },
  errors: ['unknown_asset'],
  handle: async (api, { environmentId, params }) => {
    const asset = await api.assets.byCode(environmentId, params.code);
    return asset ? { status: 200, body: show(asset) } : unknownAsset('code', params.code);
  },
});

/** `path` is where the code stands in the request. */
export function unknownAsset(path: string, code: string): Refused {
  return refuse('unknown_asset', `${path}: there is no asset ${code} in this environment`);
}

function cursorOf(text: string): number | undefined {
  return /^[1-9][0-9]{0,9}$/.test(text) ? Number(text) : undefined;
}

function show(asset: Asset): AssetReply {
  return { code: asset.code, name: asset.name, scale: asset.scale, kind: asset.kind };
}
