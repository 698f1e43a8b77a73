// Products: what usage costs, in numbered versions. A draft is priced by nobody; once published it never changes.
//
// A publish is answered when all of Redis has its catalog version, so whatever starts after the reply is priced with it or a
// later one. Publishing again what is published changes nothing and answers the same: that is how to repeat one.
import { z } from '@hono/zod-openapi';
import type { Price, Product as ProductReply, ProductWithPrices, ProductVersion as VersionReply } from '../contract.ts';
import { catalogBodyBytesMax, dimensionsMax, fallbacksMax, pricesMax, tiersMax } from '../limits.ts';
import type { PricedAsset } from '../pricing/price.ts';
import { assetCodesOf, readPrices } from '../pricing/read-prices.ts';
import type { LatestVersions, Product, ProductVersion } from '../records.ts';
import { refuse, refuseFields, type Refused } from './answer.ts';
import { operationFor } from './idempotency.ts';
import { listAnswer, pageOf, pageQuery, pageSchema } from './paging.ts';
import { idPattern } from './params.ts';
import { prices } from './price-schema.ts';
import { defineRoute, type Api, type Call } from './route.ts';
import { emptyBody, name, timeOut } from './schemas.ts';
import { formatTime, formatTimeOrNull } from './time.ts';

const productId = z
  .string()
  .regex(idPattern, 'must be 1 to 128 characters of A–Z a–z 0–9 _ . : -, the first a letter or digit')
  .openapi({ example: 'llm_usage' });

export const productBody = z
  .strictObject({
    id: productId.optional(),
    name,
    default: z
      .boolean()
      .default(false)
      .openapi({ description: 'Whether it prices every customer; else those that are subscribed to it.' }),
    prices,
  })
  .openapi('ProductRequest');

export const versionBody = z.strictObject({ prices }).openapi('ProductVersionRequest');

const status = z.enum(['draft', 'published']);
const version = z.int();

export const productReply = z
  .object({
    id: z.string(),
    name: z.string(),
    default: z.boolean(),
    version: version.openapi({ description: 'The latest one.' }),
    status: status.openapi({ description: 'Of the latest version.' }),
    published_version: version.nullable().openapi({ description: 'The latest that is published.' }),
    created_at: timeOut,
  })
  .openapi('Product');

export const productWithPricesReply = productReply
  .extend({ prices: prices.openapi({ description: 'Of the latest version.' }) })
  .openapi('ProductWithPrices');

export const versionReply = z
  .object({
    product_id: z.string(),
    version,
    status,
    prices,
    created_at: timeOut,
    published_at: timeOut.nullable(),
  })
  .openapi('ProductVersion');

export const createProduct = defineRoute({
  summary: 'Create a product, with version 1 as a draft',
  description: 'The body may have 4 MiB.',
  body: productBody,
  bodyBytesMax: catalogBodyBytesMax,
  refuseExcess,
  reply: { status: 201, description: 'The product.', schema: productWithPricesReply },
  errors: ['product_exists', 'unknown_asset'],
  handle: async (api, call) => {
    const { environmentId, body } = call;
    const refused = await refusePrices(api, environmentId, body.prices);
    if (refused) return refused;
    const { id: operationId, fingerprint } = operationFor(api, call);
    const made = await api.ledger.createProduct(environmentId, {
      id: body.id,
      name: body.name,
      isDefault: body.default,
      prices: body.prices,
      operationId,
      fingerprint,
    });
    switch (made.status) {
      case 'exists':
        return refuse('product_exists', `there is a product ${body.id ?? ''} already`);
      case 'conflict':
        return conflict;
      case 'created':
      case 'replayed': {
        // As it was made, whatever became of it since.
        const first = { ...made.product, latestVersion: 1, publishedVersion: undefined };
        const created: ProductWithPrices = { ...showProduct(first), prices: body.prices };
        return { status: 201, body: created, replayed: made.status === 'replayed' };
      }
    }
  },
});

export const listProducts = defineRoute({
  summary: 'List products, without their prices',
  query: pageQuery,
  reply: { status: 200, description: 'Newest first.', schema: pageSchema(productReply) },
  errors: [],
  handle: async (api, { environmentId, query }) =>
    listAnswer(await api.ledger.listProducts(environmentId, pageOf(query)), showProduct),
});

export const getProduct = defineRoute({
  summary: 'Get a product, with its latest version',
  reply: { status: 200, description: 'The product.', schema: productWithPricesReply },
  errors: [],
  handle: async (api, { environmentId, params: { product_id: productId } }) => {
    const product = await api.ledger.findProduct(environmentId, productId);
    if (!product) return noProduct;
    const latest = await api.ledger.findVersion(environmentId, { productId, version: product.latestVersion });
    if (!latest) throw new Error(`product ${productId} has lost a version`);
    const shown: ProductWithPrices = { ...showProduct(product), prices: latest.prices };
    return { status: 200, body: shown };
  },
});

export const createVersion = defineRoute({
  summary: "Create a product's next version, a draft",
  description: 'The body may have 4 MiB.',
  body: versionBody,
  bodyBytesMax: catalogBodyBytesMax,
  refuseExcess,
  reply: { status: 201, description: 'The draft.', schema: versionReply },
  errors: ['unknown_asset'],
  handle: async (api, call) => {
    const { environmentId, params, body } = call;
    const refused = await refusePrices(api, environmentId, body.prices);
    if (refused) return refused;
    const { id: operationId, fingerprint } = operationFor(api, call);
    const asked = { prices: body.prices, operationId, fingerprint };
    const made = await api.ledger.createVersion(environmentId, params.product_id, asked);
    switch (made.status) {
      case 'no_product':
        return noProduct;
      case 'conflict':
        return conflict;
      case 'created':
      case 'replayed': {
        const draft = { ...made.version, publishedAtMs: undefined };
        return { status: 201, body: showVersion(draft), replayed: made.status === 'replayed' };
      }
    }
  },
});

export const getVersion = defineRoute({
  summary: 'Get a version of a product',
  reply: { status: 200, description: 'The version.', schema: versionReply },
  errors: [],
  handle: async (api, { environmentId, params }) => {
    const asked = { productId: params.product_id, version: Number(params.version) };
    const found = await api.ledger.findVersion(environmentId, asked);
    return found ? { status: 200, body: showVersion(found) } : noSuchVersion(api, environmentId, params.product_id);
  },
});

export const publishVersion = defineRoute({
  summary: 'Publish a version, for good',
  description:
    'Every request that starts after the reply is priced with it or a later one. Publishing again what is published changes ' +
    'nothing and answers the same. `not_yet_effective`: it is published, and Redis has not been told everywhere.',
  body: emptyBody,
  reply: { status: 200, description: 'Published.', schema: versionReply },
  errors: ['not_yet_effective'],
  handle: async (api, call) => {
    const { environmentId, params } = call;
    const { id: operationId } = operationFor(api, call);
    const asked = { productId: params.product_id, version: Number(params.version), operationId };
    const made = await api.ledger.publishVersion(environmentId, asked);
    if (made.status === 'no_version') return noSuchVersion(api, environmentId, params.product_id);
    const refused = made.isRaised ? undefined : await raise(api, call, made.catalogVersion);
    return refused ?? { status: 200, body: showVersion(made.version), replayed: made.isRepeat };
  },
});

/** Tells all of Redis; a refusal says that the worker goes on with it. */
async function raise(api: Api, call: Call, catalogVersion: number): Promise<Refused | undefined> {
  const catalog = { environmentId: call.environmentId, catalogVersion };
  const raised = await api.wallets.raiseCatalog(catalog);
  if (raised.status === 'unavailable') {
    return refuse('not_yet_effective', `the version is published, but not yet everywhere: ${raised.detail}`, {
      outcome: 'applied',
      more: { idempotency_key: call.idempotencyKey },
    });
  }
  // Without it the worker tells Redis once more.
  await api.ledger.noteCatalogRaised(catalog).catch((error: unknown) => {
    api.log.error({ error, ...catalog }, 'a publish was not noted as done');
  });
  return undefined;
}

const conflict = refuse('idempotency_conflict', 'the Idempotency-Key came with another body before');
const noProduct = refuse('product_not_found', 'there is no such product in this environment');
const noVersion = refuse('version_not_found', 'the product has no such version');

async function noSuchVersion(api: Api, environmentId: string, productId: string): Promise<Refused> {
  return (await api.ledger.findProduct(environmentId, productId)) ? noVersion : noProduct;
}

/** Whether these prices make sense: the schema has seen to each field by itself. */
async function refusePrices(api: Api, environmentId: string, written: Price[]): Promise<Refused | undefined> {
  const assets = new Map<string, PricedAsset>();
  for (const code of assetCodesOf(written)) {
    const asset = await api.assets.byCode(environmentId, code);
    if (asset) assets.set(code, asset);
  }
  const read = readPrices(written, assets);
  if (read.status === 'ok') return undefined;
  const refused = refuseFields(read.errors);
  return { ...refused, code: read.code };
}

const innerMax = { tiers: tiersMax, fallback: fallbacksMax, dimensions: dimensionsMax };
const sizeOf = (value: unknown): number =>
  typeof value === 'object' && value !== null ? Object.keys(value).length : 0;

/** Each of a million elements would be an error of its own. */
function refuseExcess(given: unknown): Refused | undefined {
  const written = (given as { prices?: unknown } | null)?.prices;
  if (!Array.isArray(written)) return undefined;
  if (written.length > pricesMax) {
    return refuseFields([{ path: 'prices', message: `has more than ${pricesMax} prices` }]);
  }
  const excess = written.flatMap((price: Record<string, unknown> | null, no) =>
    Object.entries(innerMax)
      .filter(([field, most]) => sizeOf(price?.[field]) > most)
      .map(([field, most]) => ({ path: `prices.${no}.${field}`, message: `has more than ${most}` })),
  );
  return excess.length > 0 ? refuseFields(excess) : undefined;
}

function showProduct(product: Product & LatestVersions): ProductReply {
  const { latestVersion, publishedVersion } = product;
  return {
    id: product.id,
    name: product.name,
    default: product.isDefault,
    version: latestVersion,
    status: latestVersion === publishedVersion ? 'published' : 'draft',
    published_version: publishedVersion ?? null,
    created_at: formatTime(product.createdAtMs),
  };
}

function showVersion(shown: ProductVersion): VersionReply {
  return {
    product_id: shown.productId,
    version: shown.version,
    status: shown.publishedAtMs === undefined ? 'draft' : 'published',
    prices: shown.prices,
    created_at: formatTime(shown.createdAtMs),
    published_at: formatTimeOrNull(shown.publishedAtMs),
  };
}
