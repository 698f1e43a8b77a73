// Holds as the ledger has them: open ones, and how the others ended.
import { and, eq } from 'drizzle-orm';
import type { HoldRecord } from '../records.ts';
import { orm, type Sql } from './connect.ts';
import { decodeMarks } from '../wallet/packed.ts';
import { legsOf } from './hold-legs.ts';
import { holds, wallets } from './schema.ts';

export async function findHold(
  sql: Sql,
  environmentId: string,
  walletId: string,
  ref: string,
): Promise<HoldRecord | undefined> {
  const [row] = await orm(sql)
    .select({ hold: holds, customerId: wallets.customerId })
    .from(holds)
    .innerJoin(wallets, and(eq(wallets.environmentId, holds.environmentId), eq(wallets.walletId, holds.walletId)))
    .where(and(eq(holds.environmentId, environmentId), eq(holds.walletId, walletId), eq(holds.ref, ref)));
  if (!row) return undefined;
  const { hold, customerId } = row;
  return {
    ref: hold.ref,
    customerId,
    status: hold.status,
    late: hold.late,
    legs: legsOf(hold),
    ...decodeMarks(hold.tags),
    createdAtMs: hold.createdAt,
    expiresAtMs: hold.expiresAt,
    endedAtMs: hold.endedAt ?? undefined,
  };
}
