// The catalog: what an environment has published, and how far Redis is known to have been told of it.
import { and, asc, eq, gt, lt, sql as raw } from 'drizzle-orm';
import type { CatalogVersion, PublishedVersion } from '../records.ts';
import { orm, type Sql } from './connect.ts';
import { environments, products, productVersions } from './schema.ts';

/**
 * What was published after a catalog version, in its order. Every publish makes exactly one, and one waits for the other,
 * so the last of these is the catalog's version, and what was read before need not be read again.
 */
export async function loadPublished(sql: Sql, environmentId: string, after: number): Promise<PublishedVersion[]> {
  const rows = await orm(sql)
    .select({ version: productVersions, isDefault: products.isDefault })
    .from(productVersions)
    .innerJoin(
      products,
      and(eq(products.environmentId, productVersions.environmentId), eq(products.id, productVersions.productId)),
    )
    .where(and(eq(productVersions.environmentId, environmentId), gt(productVersions.catalogVersion, after)))
    .orderBy(asc(productVersions.catalogVersion));
  return rows.map(({ version: row, isDefault }) => {
    if (row.catalogVersion === null || row.publishedAt === null)
      throw new Error('a published version without its marks');
    const { productId, version, catalogVersion, publishedAt: publishedAtMs, prices } = row;
    return { productId, isDefault, version, catalogVersion, publishedAtMs, prices };
  });
}

/** Of all environments that have published anything. */
export async function readCatalogVersions(sql: Sql): Promise<CatalogVersion[]> {
  return orm(sql)
    .select({ environmentId: environments.id, catalogVersion: environments.catalogVersion })
    .from(environments)
    .where(gt(environments.catalogVersion, 0));
}

/** Published, and not yet known to be in every partition. */
export async function readCatalogsToRaise(sql: Sql): Promise<CatalogVersion[]> {
  return orm(sql)
    .select({ environmentId: environments.id, catalogVersion: environments.catalogVersion })
    .from(environments)
    .where(lt(environments.catalogRaisedVersion, environments.catalogVersion));
}

/** Every partition has this version now. */
export async function noteCatalogRaised(sql: Sql, { environmentId, catalogVersion }: CatalogVersion): Promise<void> {
  await orm(sql)
    .update(environments)
    .set({ catalogRaisedVersion: raw`greatest(${environments.catalogRaisedVersion}, ${catalogVersion}::bigint)` })
    .where(eq(environments.id, environmentId));
}
