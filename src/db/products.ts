// Products and their versions: drafts are made and published, and what is published never changes (a trigger sees to it).
import { randomBytes } from 'node:crypto';
import { and, desc, eq, gt, sql as raw } from 'drizzle-orm';
import type { Price } from '../contract.ts';
import type { LatestVersions, PageRequest, Product, ProductVersion } from '../records.ts';
import { orm, type Orm, type Sql } from './connect.ts';
import { cursorOf, pageOf, type Listed } from './page.ts';
import { lockOperation, rememberedSince } from './replies.ts';
import { environments, products, productVersions } from './schema.ts';

type Asked = { operationId: string; fingerprint: string };

const cursors = cursorOf('number', 'text');

/** Makes a product and its version 1, a draft. The operation is remembered for an hour. */
export async function createProduct(
  sql: Sql,
  environmentId: string,
  product: Asked & { id: string | undefined; name: string; isDefault: boolean; prices: Price[] },
): Promise<{ status: 'created' | 'replayed'; product: Product } | { status: 'exists' | 'conflict' }> {
  const { operationId, fingerprint } = product;
  return orm(sql).transaction(async (transaction) => {
    await lockOperation(transaction, environmentId, operationId);
    const [known] = await transaction
      .select()
      .from(products)
      .where(
        and(
          eq(products.environmentId, environmentId),
          eq(products.operationId, operationId),
          gt(products.createdAt, rememberedSince),
        ),
      );
    if (known) {
      return known.fingerprint === fingerprint
        ? { status: 'replayed', product: toProduct(known) }
        : { status: 'conflict' };
    }
    const id = product.id ?? `prod_${randomBytes(16).toString('base64url')}`;
    const { name, isDefault, prices } = product;
    const [row] = await transaction
      .insert(products)
      .values({ environmentId, id, name, isDefault, operationId, fingerprint })
      .onConflictDoNothing()
      .returning();
    if (!row) return { status: 'exists' };
    await transaction
      .insert(productVersions)
      .values({ environmentId, productId: id, version: 1, prices, operationId, fingerprint });
    return { status: 'created', product: toProduct(row) };
  });
}

/** The next version, a draft. The operation is remembered for an hour. */
export async function createVersion(
  sql: Sql,
  environmentId: string,
  productId: string,
  { prices, operationId, fingerprint }: Asked & { prices: Price[] },
): Promise<{ status: 'created' | 'replayed'; version: ProductVersion } | { status: 'no_product' | 'conflict' }> {
  return orm(sql).transaction(async (transaction) => {
    // One at a time for a product, so that versions count up without gaps.
    const [product] = await transaction
      .select({ id: products.id })
      .from(products)
      .where(and(eq(products.environmentId, environmentId), eq(products.id, productId)))
      .for('no key update');
    if (!product) return { status: 'no_product' };
    const [known] = await transaction
      .select()
      .from(productVersions)
      .where(
        and(
          eq(productVersions.environmentId, environmentId),
          eq(productVersions.operationId, operationId),
          gt(productVersions.createdAt, rememberedSince),
        ),
      );
    if (known) {
      return known.fingerprint === fingerprint
        ? { status: 'replayed', version: toVersion(known) }
        : { status: 'conflict' };
    }
    const [latest] = await transaction
      .select({ version: productVersions.version })
      .from(productVersions)
      .where(and(eq(productVersions.environmentId, environmentId), eq(productVersions.productId, productId)))
      .orderBy(desc(productVersions.version))
      .limit(1);
    const [row] = await transaction
      .insert(productVersions)
      .values({ environmentId, productId, version: (latest?.version ?? 0) + 1, prices, operationId, fingerprint })
      .returning();
    if (!row) throw new Error('a version was inserted, and Postgres returned no row');
    return { status: 'created', version: toVersion(row) };
  });
}

export type Publish =
  | {
      status: 'published';
      version: ProductVersion;
      catalogVersion: number;
      /** Whether all of Redis is known to have it. */
      isRaised: boolean;
      /** Whether this very operation published it before. */
      isRepeat: boolean;
    }
  | { status: 'no_version' };

/**
 * From the commit on the version is immutable, and one with the environment's next catalog version. One that is published
 * already stays as it is. What this comes to in Redis is the caller's to do (src/wallet/raise-catalog.ts).
 */
export async function publishVersion(
  sql: Sql,
  environmentId: string,
  asked: { productId: string; version: number; operationId: string },
): Promise<Publish> {
  return orm(sql).transaction(async (transaction) => {
    // One publish at a time in an environment: catalog versions become visible in their order.
    const [environment] = await transaction
      .select({ raisedVersion: environments.catalogRaisedVersion })
      .from(environments)
      .where(eq(environments.id, environmentId))
      .for('no key update');
    if (!environment) throw new Error(`there is no environment ${environmentId}`);
    const row = await selectVersion(transaction, environmentId, asked);
    if (!row) return { status: 'no_version' };
    if (row.catalogVersion !== null) {
      const { catalogVersion } = row;
      const isRaised = environment.raisedVersion >= catalogVersion;
      const isRepeat = row.publishOperationId === asked.operationId;
      return { status: 'published', version: toVersion(row), catalogVersion, isRaised, isRepeat };
    }
    const [raised] = await transaction
      .update(environments)
      .set({ catalogVersion: raw`${environments.catalogVersion} + 1` })
      .where(eq(environments.id, environmentId))
      .returning({ catalogVersion: environments.catalogVersion });
    if (!raised) throw new Error('a catalog was raised, and Postgres returned no row');
    const { catalogVersion } = raised;
    const [published] = await transaction
      .update(productVersions)
      .set({
        status: 'published',
        catalogVersion,
        // Not the transaction's own time, which is from before it had the lock.
        publishedAt: raw`clock_timestamp()`,
        publishOperationId: asked.operationId,
      })
      .where(ofVersion(environmentId, asked))
      .returning();
    if (!published) throw new Error('a version was published, and Postgres returned no row');
    return { status: 'published', version: toVersion(published), catalogVersion, isRaised: false, isRepeat: false };
  });
}

export async function findProduct(
  sql: Sql,
  environmentId: string,
  productId: string,
): Promise<(Product & LatestVersions) | undefined> {
  const [row] = await selectProducts(sql)
    .where(and(eq(products.environmentId, environmentId), eq(products.id, productId)))
    .limit(1);
  return row && toListed(row);
}

export async function listProducts(
  sql: Sql,
  environmentId: string,
  page: PageRequest,
): Promise<Listed<Product & LatestVersions>> {
  const after = cursors.read(page.cursor);
  if (after === 'bad_cursor') return after;
  const rows = await selectProducts(sql)
    .where(
      and(
        eq(products.environmentId, environmentId),
        after && raw`(${products.createdAt}, ${products.id}) < (to_timestamp(${after[0]}::float8 / 1000), ${after[1]})`,
      ),
    )
    .orderBy(desc(products.createdAt), desc(products.id))
    .limit(page.limit + 1);
  return pageOf(rows, {
    limit: page.limit,
    item: toListed,
    cursor: ({ product }) => cursors.write([product.createdAt, product.id]),
  });
}

export async function findVersion(
  sql: Sql,
  environmentId: string,
  asked: { productId: string; version: number },
): Promise<ProductVersion | undefined> {
  const row = await selectVersion(orm(sql), environmentId, asked);
  return row && toVersion(row);
}

/** Without prices, of which there may be ten thousand. */
function selectProducts(sql: Sql) {
  // Spelled out: Drizzle names no table where it selects from one alone, and the inner one's columns would be meant.
  const latest = (among: ReturnType<typeof raw>) =>
    raw<number | null>`(select max(version) from product_versions as numbered
      where numbered.environment_id = products.environment_id and numbered.product_id = products.id and ${among})`;
  return orm(sql)
    .select({ product: products, latest: latest(raw`true`), published: latest(raw`numbered.status = 'published'`) })
    .from(products);
}

type SelectedProduct = { product: typeof products.$inferSelect; latest: number | null; published: number | null };

function toListed({ product, latest, published }: SelectedProduct): Product & LatestVersions {
  if (latest === null) throw new Error(`product ${product.id} has no version`);
  return { ...toProduct(product), latestVersion: latest, publishedVersion: published ?? undefined };
}

async function selectVersion(
  on: Pick<Orm, 'select'>,
  environmentId: string,
  asked: { productId: string; version: number },
): Promise<typeof productVersions.$inferSelect | undefined> {
  const [row] = await on.select().from(productVersions).where(ofVersion(environmentId, asked));
  return row;
}

function ofVersion(environmentId: string, { productId, version }: { productId: string; version: number }) {
  return and(
    eq(productVersions.environmentId, environmentId),
    eq(productVersions.productId, productId),
    eq(productVersions.version, version),
  );
}

function toProduct(row: typeof products.$inferSelect): Product {
  return { id: row.id, name: row.name, isDefault: row.isDefault, createdAtMs: row.createdAt };
}

function toVersion(row: typeof productVersions.$inferSelect): ProductVersion {
  return {
    productId: row.productId,
    version: row.version,
    prices: row.prices,
    createdAtMs: row.createdAt,
    publishedAtMs: row.publishedAt ?? undefined,
  };
}
