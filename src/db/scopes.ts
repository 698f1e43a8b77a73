// Scopes of a customer's grants: each different one is numbered once, and travels with the wallet from then on.
import { and, asc, count, eq, sql as raw } from 'drizzle-orm';
import { codes } from '../codes.gen.ts';
import type { GrantScope } from '../contract.ts';
import type { NumberedScope } from '../records.ts';
import type { Orm } from './connect.ts';
import { scopes } from './schema.ts';

type OfCustomer = { environmentId: string; customerId: string };

/** The number of this scope; where it is new, the wallet's configuration changes. The caller has the customer's row. */
export async function numberScope(
  on: Pick<Orm, 'select' | 'insert'>,
  { environmentId, customerId }: OfCustomer,
  scope: GrantScope,
): Promise<{ no: number; isNew: boolean } | 'too_many_scopes'> {
  const text = canonical(scope);
  const ofCustomer = and(eq(scopes.environmentId, environmentId), eq(scopes.customerId, customerId));
  const [known] = await on
    .select({ no: scopes.no })
    .from(scopes)
    .where(and(ofCustomer, raw`${scopes.scope}::text = ${text}`));
  if (known) return { no: known.no, isNew: false };
  const [counted] = await on.select({ scopes: count() }).from(scopes).where(ofCustomer);
  const no = (counted?.scopes ?? 0) + 1;
  if (no > codes.limit.scopes) return 'too_many_scopes';
  await on.insert(scopes).values({ environmentId, customerId, no, scope: raw`${text}::json` });
  return { no, isNew: true };
}

export async function listScopes(
  on: Pick<Orm, 'select'>,
  { environmentId, customerId }: OfCustomer,
): Promise<NumberedScope[]> {
  const rows = await on
    .select({ no: scopes.no, scope: scopes.scope })
    .from(scopes)
    .where(and(eq(scopes.environmentId, environmentId), eq(scopes.customerId, customerId)))
    .orderBy(asc(scopes.no));
  return rows.map(({ no, scope }) => ({ ...scope, no }));
}

/** Keys in one order; lists stay as they are, for what is written otherwise may be another scope. */
function canonical(scope: GrantScope): string {
  return JSON.stringify(scope, (_, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}
