// Assets: what is counted. Numbered within their environment; USD and EUR are there from the start.
import { and, asc, eq, gt, max } from 'drizzle-orm';
import type { Asset } from '../records.ts';
import { orm, type Orm, type Sql } from './connect.ts';
import { lockOperation, rememberedSince } from './replies.ts';
import { assets } from './schema.ts';

export type NewAsset = { code: string; name: string | undefined; scale: number; kind: Asset['kind'] };

const firstAssets = [
  { number: 1, code: 'USD', name: 'US dollar', scale: 9, kind: 'fiat' },
  { number: 2, code: 'EUR', name: 'Euro', scale: 9, kind: 'fiat' },
] as const;

export async function createAsset(
  sql: Sql,
  environmentId: string,
  asset: NewAsset & { operationId: string; fingerprint: string },
): Promise<{ status: 'created' | 'replayed'; asset: Asset } | { status: 'exists' | 'conflict' }> {
  const { operationId, fingerprint } = asset;
  return orm(sql).transaction(async (transaction) => {
    // One at a time in an environment, so that numbers count up without gaps.
    await lockOperation(transaction, environmentId, 'assets');
    const [known] = await transaction
      .select()
      .from(assets)
      .where(
        and(
          eq(assets.environmentId, environmentId),
          eq(assets.operationId, operationId),
          gt(assets.createdAt, rememberedSince),
        ),
      );
    if (known) {
      return known.fingerprint === fingerprint ? { status: 'replayed', asset: toAsset(known) } : { status: 'conflict' };
    }
    const [latest] = await transaction
      .select({ number: max(assets.number) })
      .from(assets)
      .where(eq(assets.environmentId, environmentId));
    const [row] = await transaction
      .insert(assets)
      .values({
        environmentId,
        number: (latest?.number ?? 0) + 1,
        code: asset.code,
        name: asset.name ?? asset.code,
        scale: asset.scale,
        kind: asset.kind,
        operationId,
        fingerprint,
      })
      .onConflictDoNothing({ target: [assets.environmentId, assets.code] })
      .returning();
    return row ? { status: 'created', asset: toAsset(row) } : { status: 'exists' };
  });
}

export async function listAssets(sql: Sql, environmentId: string): Promise<Asset[]> {
  const rows = await orm(sql)
    .select()
    .from(assets)
    .where(eq(assets.environmentId, environmentId))
    .orderBy(asc(assets.number));
  return rows.map(toAsset);
}

export async function findAssetByNumber(sql: Sql, environmentId: string, number: number): Promise<Asset | undefined> {
  const [row] = await orm(sql)
    .select()
    .from(assets)
    .where(and(eq(assets.environmentId, environmentId), eq(assets.number, number)));
  return row && toAsset(row);
}

/** What every environment starts with. */
export async function insertFirstAssets(on: Pick<Orm, 'insert'>, environmentId: string): Promise<void> {
  await on.insert(assets).values(firstAssets.map((asset) => ({ ...asset, environmentId })));
}

function toAsset(row: typeof assets.$inferSelect): Asset {
  return {
    number: row.number,
    code: row.code,
    name: row.name,
    scale: row.scale,
    kind: row.kind,
    createdAtMs: row.createdAt,
  };
}
