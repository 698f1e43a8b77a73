// Rates: what one unit of an asset costs in money. None is ever changed; a later one takes its place.
import { randomBytes } from 'node:crypto';
import { and, desc, eq, lte, sql as raw } from 'drizzle-orm';
import type { AssetRate, PageRequest } from '../records.ts';
import { orm, type Sql } from './connect.ts';
import { cursorOf, pageOf, type Listed } from './page.ts';
import { assetRates } from './schema.ts';

const cursors = cursorOf('number', 'number', 'text');

export async function createAssetRate(
  sql: Sql,
  environmentId: string,
  given: {
    asset: number;
    currency: string;
    rate: string;
    /** Undefined: now. */
    effectiveAtMs: number | undefined;
    operationId: string;
    fingerprint: string;
  },
): Promise<{ status: 'created' | 'replayed'; rate: AssetRate } | { status: 'conflict' }> {
  const { effectiveAtMs, operationId, fingerprint } = given;
  const [row] = await orm(sql)
    .insert(assetRates)
    .values({
      environmentId,
      id: `rate_${randomBytes(12).toString('base64url')}`,
      asset: given.asset,
      currency: given.currency,
      rate: given.rate,
      effectiveAt: effectiveAtMs ?? raw`clock_timestamp()`,
      operationId,
      fingerprint,
    })
    .onConflictDoNothing({ target: [assetRates.environmentId, assetRates.operationId] })
    .returning();
  if (row) return { status: 'created', rate: toRate(row) };
  const [known] = await orm(sql)
    .select()
    .from(assetRates)
    .where(and(eq(assetRates.environmentId, environmentId), eq(assetRates.operationId, operationId)));
  return known?.fingerprint === fingerprint ? { status: 'replayed', rate: toRate(known) } : { status: 'conflict' };
}

/** The one that counts now. */
export async function findAssetRate(sql: Sql, environmentId: string, asset: number): Promise<AssetRate | undefined> {
  const [row] = await orm(sql)
    .select()
    .from(assetRates)
    .where(
      and(
        eq(assetRates.environmentId, environmentId),
        eq(assetRates.asset, asset),
        lte(assetRates.effectiveAt, raw`clock_timestamp()`),
      ),
    )
    .orderBy(desc(assetRates.effectiveAt), desc(assetRates.createdAt), desc(assetRates.id))
    .limit(1);
  return row && toRate(row);
}

/** The latest to come into effect first. */
export async function listAssetRates(
  sql: Sql,
  environmentId: string,
  asset: number,
  page: PageRequest,
): Promise<Listed<AssetRate>> {
  const after = cursors.read(page.cursor);
  if (after === 'bad_cursor') return after;
  const rows = await orm(sql)
    .select()
    .from(assetRates)
    .where(
      and(
        eq(assetRates.environmentId, environmentId),
        eq(assetRates.asset, asset),
        after &&
          raw`(${assetRates.effectiveAt}, ${assetRates.createdAt}, ${assetRates.id})
            < (to_timestamp(${after[0]}::float8 / 1000), to_timestamp(${after[1]}::float8 / 1000), ${after[2]})`,
      ),
    )
    .orderBy(desc(assetRates.effectiveAt), desc(assetRates.createdAt), desc(assetRates.id))
    .limit(page.limit + 1);
  return pageOf(rows, {
    limit: page.limit,
    item: toRate,
    cursor: (row) => cursors.write([row.effectiveAt, row.createdAt, row.id]),
  });
}

function toRate(row: typeof assetRates.$inferSelect): AssetRate {
  return {
    id: row.id,
    asset: row.asset,
    currency: row.currency,
    rate: row.rate,
    effectiveAtMs: row.effectiveAt,
    createdAtMs: row.createdAt,
  };
}
