// Customers: who pays. Each has one wallet, whose id follows from the customer's.
import { randomBytes } from 'node:crypto';
import { and, desc, eq, gt, sql as raw } from 'drizzle-orm';
import type { Customer, JsonObject, PageRequest } from '../records.ts';
import { walletOf } from '../wallet/keys.ts';
import { orm, type Sql } from './connect.ts';
import { cursorOf, pageOf, type Listed } from './page.ts';
import { lockOperation, rememberedSince } from './replies.ts';
import { customers, wallets } from './schema.ts';

export type NewCustomer = {
  /** Undefined: one is made. */
  id: string | undefined;
  name: string | undefined;
  email: string | undefined;
  metadata: JsonObject;
  operationId: string;
  fingerprint: string;
};

const cursors = cursorOf('number', 'text');

/** Makes a customer and, at version 0, its wallet. The operation is remembered for an hour. */
export async function createCustomer(
  sql: Sql,
  environmentId: string,
  customer: NewCustomer,
): Promise<{ status: 'created' | 'replayed'; customer: Customer } | { status: 'exists' | 'conflict' }> {
  const { operationId, fingerprint } = customer;
  return orm(sql).transaction(async (transaction) => {
    await lockOperation(transaction, environmentId, operationId);
    const [known] = await transaction
      .select()
      .from(customers)
      .where(
        and(
          eq(customers.environmentId, environmentId),
          eq(customers.operationId, operationId),
          gt(customers.createdAt, rememberedSince),
        ),
      );
    if (known) {
      return known.fingerprint === fingerprint
        ? { status: 'replayed', customer: toCustomer(known) }
        : { status: 'conflict' };
    }
    const id = customer.id ?? `cus_${randomBytes(16).toString('base64url')}`;
    const { walletId, partition } = walletOf(environmentId, id);
    const [row] = await transaction
      .insert(customers)
      .values({
        environmentId,
        id,
        walletId,
        name: customer.name ?? null,
        email: customer.email ?? null,
        metadata: customer.metadata,
        operationId,
        fingerprint,
      })
      .onConflictDoNothing()
      .returning();
    if (!row) return { status: 'exists' };
    await transaction.insert(wallets).values({ environmentId, walletId, customerId: id, partition });
    return { status: 'created', customer: toCustomer(row) };
  });
}

export async function findCustomer(sql: Sql, environmentId: string, customerId: string): Promise<Customer | undefined> {
  const [row] = await orm(sql)
    .select()
    .from(customers)
    .where(and(eq(customers.environmentId, environmentId), eq(customers.id, customerId)));
  return row && toCustomer(row);
}

export async function listCustomers(sql: Sql, environmentId: string, page: PageRequest): Promise<Listed<Customer>> {
  const after = cursors.read(page.cursor);
  if (after === 'bad_cursor') return after;
  const rows = await orm(sql)
    .select()
    .from(customers)
    .where(
      and(
        eq(customers.environmentId, environmentId),
        after &&
          raw`(${customers.createdAt}, ${customers.id}) < (to_timestamp(${after[0]}::float8 / 1000), ${after[1]})`,
      ),
    )
    .orderBy(desc(customers.createdAt), desc(customers.id))
    .limit(page.limit + 1);
  return pageOf(rows, { limit: page.limit, item: toCustomer, cursor: (row) => cursors.write([row.createdAt, row.id]) });
}

/** A field that is absent stays as it is; null empties it. */
export async function updateCustomer(
  sql: Sql,
  environmentId: string,
  customerId: string,
  change: { name?: string | null; email?: string | null; metadata?: JsonObject },
): Promise<Customer | undefined> {
  if (Object.keys(change).length === 0) return findCustomer(sql, environmentId, customerId);
  const [row] = await orm(sql)
    .update(customers)
    .set(change)
    .where(and(eq(customers.environmentId, environmentId), eq(customers.id, customerId)))
    .returning();
  return row && toCustomer(row);
}

function toCustomer(row: typeof customers.$inferSelect): Customer {
  return {
    id: row.id,
    walletId: row.walletId,
    name: row.name ?? undefined,
    email: row.email ?? undefined,
    metadata: row.metadata,
    createdAtMs: row.createdAt,
  };
}
