// Grants as the ledger has them, with those that were asked for and are still on their way.
import { and, desc, eq, lt, ne } from 'drizzle-orm';
import type { GrantRecord, PageRequest } from '../records.ts';
import { zeroAtoms } from '../units.ts';
import { orm, type Sql } from './connect.ts';
import { cursorOf, pageOf, type Listed } from './page.ts';
import { instanceOf } from './credit-row.ts';
import { credits, grants, recurrences, scopes } from './schema.ts';

const cursors = cursorOf('number');

export async function findGrant(
  sql: Sql,
  environmentId: string,
  walletId: string,
  grantNo: number,
): Promise<GrantRecord | undefined> {
  const [row] = await select(sql).where(and(ofWallet(environmentId, walletId), eq(credits.grantNo, grantNo)));
  return row && toGrant(row);
}

/** With those whose first entry is still on its way; without refused ones. */
export async function listGrants(
  sql: Sql,
  environmentId: string,
  walletId: string,
  page: PageRequest,
): Promise<Listed<GrantRecord>> {
  const after = cursors.read(page.cursor);
  if (after === 'bad_cursor') return after;
  const rows = await select(sql)
    .where(and(ofWallet(environmentId, walletId), after && lt(credits.grantNo, after[0])))
    .orderBy(desc(credits.grantNo))
    .limit(page.limit + 1);
  return pageOf(rows, { limit: page.limit, item: toGrant, cursor: (row) => cursors.write([row.credits.grantNo]) });
}

function select(sql: Sql) {
  return orm(sql)
    .select()
    .from(credits)
    .leftJoin(
      grants,
      and(
        eq(grants.environmentId, credits.environmentId),
        eq(grants.walletId, credits.walletId),
        eq(grants.grantNo, credits.grantNo),
      ),
    )
    .leftJoin(
      scopes,
      and(
        eq(scopes.environmentId, credits.environmentId),
        eq(scopes.customerId, credits.customerId),
        eq(scopes.no, credits.scope),
      ),
    )
    .leftJoin(
      recurrences,
      and(eq(recurrences.environmentId, credits.environmentId), eq(recurrences.id, credits.recurrenceId)),
    );
}

function ofWallet(environmentId: string, walletId: string) {
  return and(eq(credits.environmentId, environmentId), eq(credits.walletId, walletId), ne(credits.state, 'refused'));
}

function toGrant(row: {
  credits: typeof credits.$inferSelect;
  grants: typeof grants.$inferSelect | null;
  scopes: typeof scopes.$inferSelect | null;
  recurrences: typeof recurrences.$inferSelect | null;
}): GrantRecord {
  const { credits: credit, grants: grant, scopes: scope } = row;
  return {
    grantNo: credit.grantNo,
    customerId: credit.customerId,
    walletId: credit.walletId,
    asset: credit.asset,
    amount: credit.amount,
    purpose: credit.purpose,
    priority: credit.priority,
    scope: scope ? { ...scope.scope, no: scope.no } : undefined,
    effectiveAtMs: grant?.effectiveAt ?? credit.effectiveAt ?? undefined,
    // One that was rolled over has another than it was asked for with.
    expiresAtMs: (grant ?? credit).expiresAt ?? undefined,
    recurrence: instanceOf(credit, row.recurrences),
    description: credit.description ?? undefined,
    metadata: credit.metadata,
    state: grant?.state,
    remaining: grant?.remaining ?? zeroAtoms,
    held: grant?.held ?? zeroAtoms,
    createdAtMs: credit.createdAt,
  };
}
