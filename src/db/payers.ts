// Payers: customers as Stripe knows them.
import { and, eq, isNull, sql as raw } from 'drizzle-orm';
import type { Payer } from '../records.ts';
import { orm, type Sql } from './connect.ts';
import { customers, payers } from './schema.ts';

/** Finds it, or writes that it is to be made; undefined when there is no such customer. */
export async function beginPayer(sql: Sql, environmentId: string, customerId: string): Promise<Payer | undefined> {
  const known = await findPayer(sql, environmentId, customerId);
  if (known) return known;
  const [customer] = await orm(sql)
    .select({ name: customers.name, email: customers.email })
    .from(customers)
    .where(and(eq(customers.environmentId, environmentId), eq(customers.id, customerId)));
  if (!customer) return undefined;
  await orm(sql)
    .insert(payers)
    .values({ environmentId, customerId, ...customer })
    .onConflictDoNothing();
  // Whoever came first: the same request to Stripe from all.
  return findPayer(sql, environmentId, customerId);
}

export async function findPayer(sql: Sql, environmentId: string, customerId: string): Promise<Payer | undefined> {
  const [row] = await orm(sql).select().from(payers).where(isPayer(environmentId, customerId));
  return row && toPayer(row);
}

/** Stripe has made it. The first to say so is believed: all that asked with one key were told the same. */
export async function notePayer(
  sql: Sql,
  environmentId: string,
  { customerId, generation, stripeCustomerId }: { customerId: string; generation: number; stripeCustomerId: string },
): Promise<void> {
  await orm(sql)
    .update(payers)
    .set({ stripeCustomerId })
    .where(and(isPayer(environmentId, customerId), eq(payers.generation, generation), isNull(payers.stripeCustomerId)));
}

/** Stripe no longer knows it: it is to be made anew. */
export async function renewPayer(
  sql: Sql,
  environmentId: string,
  { customerId, generation }: { customerId: string; generation: number },
): Promise<void> {
  await orm(sql)
    .update(payers)
    .set({ stripeCustomerId: null, defaultMethodId: null, generation: raw`${payers.generation} + 1` })
    .where(and(isPayer(environmentId, customerId), eq(payers.generation, generation)));
}

/** As `renewPayer`, of whoever is known by that id. */
export async function forgetPayer(
  sql: Sql,
  environmentId: string,
  { customerId, payerId }: { customerId: string; payerId: string },
): Promise<void> {
  const payer = await findPayer(sql, environmentId, customerId);
  if (payer?.stripeCustomerId === payerId) await renewPayer(sql, environmentId, payer);
}

/** Undefined: none is chosen. */
export async function chooseMethod(
  sql: Sql,
  environmentId: string,
  { customerId, methodId }: { customerId: string; methodId: string | undefined },
): Promise<void> {
  await orm(sql)
    .update(payers)
    .set({ defaultMethodId: methodId ?? null })
    .where(isPayer(environmentId, customerId));
}

const isPayer = (environmentId: string, customerId: string) =>
  and(eq(payers.environmentId, environmentId), eq(payers.customerId, customerId));

function toPayer(row: typeof payers.$inferSelect): Payer {
  return {
    customerId: row.customerId,
    stripeCustomerId: row.stripeCustomerId ?? undefined,
    generation: row.generation,
    name: row.name ?? undefined,
    email: row.email ?? undefined,
    defaultMethodId: row.defaultMethodId ?? undefined,
  };
}
