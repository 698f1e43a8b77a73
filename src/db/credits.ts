// Credits: grants that were asked for, written here before the script runs.
//
// A credit is pending until the ledger has its entry (applied, by the drain) or the script said no (refused). It is
// remembered for ever under its operation, so a repeat finds it, years later too. A pending one that nobody follows up,
// because its gateway died, is found by the worker's sweep and applied under the same operation: at most once.
import { and, eq, inArray, isNotNull, lt, notExists, sql as raw } from 'drizzle-orm';
import type { Credit, CreditApplied, NewCredit, WalletConfig } from '../records.ts';
import { zeroAtoms } from '../units.ts';
import { orm, type Orm, type Sql } from './connect.ts';
import { findRecurrence, findScope, toCredit, type BegunCredit } from './credit-row.ts';
import { beginRecurrence } from './recurrences.ts';
import { credits, customers, entries, wallets } from './schema.ts';
import { numberScope } from './scopes.ts';
import { raiseWalletConfig, readWalletConfig } from './wallet-config.ts';

export type Begun = {
  status: 'begun';
  credit: BegunCredit;
  /** The wallet's configuration, where it is not known to have the grant's scope. */
  unpushed: WalletConfig | undefined;
};

/** Writes the intent to credit, or finds the one that this operation wrote before. One that was refused is begun anew. */
export async function beginCredit(
  sql: Sql,
  environmentId: string,
  credit: NewCredit,
): Promise<Begun | { status: 'no_customer' | 'conflict' | 'too_many_scopes' }> {
  return orm(sql).transaction((transaction) => beginCreditIn(transaction, environmentId, credit));
}

/** `isOwed`: money has arrived for it, so that nothing refuses it any more. */
export async function beginCreditIn(
  transaction: Pick<Orm, 'select' | 'insert' | 'update' | 'execute'>,
  environmentId: string,
  credit: NewCredit & { isOwed?: boolean },
): Promise<Begun | { status: 'no_customer' | 'conflict' | 'too_many_scopes' }> {
  // The customer's row numbers grants, and lets one operation through at a time: its id names the customer.
  const [customer] = await transaction
    .select({ walletId: customers.walletId, grantsCount: customers.grantsCount })
    .from(customers)
    .where(and(eq(customers.environmentId, environmentId), eq(customers.id, credit.customerId)))
    .for('no key update');
  if (!customer) return { status: 'no_customer' };
  const known = await repeatCredit(transaction, environmentId, credit.operationId, credit.fingerprint);
  if (known?.status === 'conflict') return known;
  if (known) return { ...known, unpushed: await unpushedFor(transaction, environmentId, known.credit) };
  const ofCustomer = { environmentId, customerId: credit.customerId };
  const numbered = credit.scope && (await numberScope(transaction, ofCustomer, credit.scope));
  if (numbered === 'too_many_scopes') return { status: numbered };
  if (numbered?.isNew) await raiseWalletConfig(transaction, ofCustomer);
  const scope = numbered && { ...credit.scope, no: numbered.no };
  const grantNo = customer.grantsCount + 1;
  await transaction
    .update(customers)
    .set({ grantsCount: grantNo })
    .where(and(eq(customers.environmentId, environmentId), eq(customers.id, credit.customerId)));
  const recurring =
    credit.recurrence && (await beginRecurrence(transaction, { ...credit, environmentId, scope }, credit.recurrence));
  const { recurrence, ...instance } = recurring ?? { recurrence: undefined };
  const [row] = await transaction
    .insert(credits)
    .values({
      environmentId,
      walletId: customer.walletId,
      grantNo,
      customerId: credit.customerId,
      operationId: credit.operationId,
      fingerprint: credit.fingerprint,
      asset: credit.asset,
      amount: credit.amount,
      purpose: credit.purpose,
      priority: credit.priority,
      scope: scope?.no ?? null,
      effectiveAt: credit.effectiveAtMs ?? null,
      expiresAt: credit.expiresAtMs ?? null,
      description: credit.description ?? null,
      metadata: credit.metadata,
      isOwed: credit.isOwed ?? false,
      ...instance,
    })
    .returning();
  if (!row) throw new Error('a credit was inserted, and Postgres returned no row');
  const begun = { ...toCredit(row, scope, undefined, undefined), recurrence };
  return { status: 'begun', credit: begun, unpushed: await unpushedFor(transaction, environmentId, begun) };
}

async function unpushedFor(
  on: Pick<Orm, 'select'>,
  environmentId: string,
  { scope, customerId }: Credit,
): Promise<WalletConfig | undefined> {
  if (!scope) return undefined;
  const { config, isPushed } = await readWalletConfig(on, { environmentId, customerId });
  return isPushed ? undefined : config;
}

/** Whether this operation has begun a credit, and not been refused. */
export async function hasCredit(sql: Sql, environmentId: string, operationId: string): Promise<boolean> {
  const rows = await orm(sql)
    .select({ grantNo: credits.grantNo })
    .from(credits)
    .where(
      and(
        eq(credits.environmentId, environmentId),
        eq(credits.operationId, operationId),
        inArray(credits.state, ['pending', 'applied']),
      ),
    );
  return rows.length > 0;
}

/**
 * It was not applied: nothing may apply it later. False when that cannot be said, because the ledger has it, somebody
 * else has begun to apply it since, or it is owed.
 */
export async function refuseCredit(
  sql: Sql,
  environmentId: string,
  { walletId, grantNo, attemptedAtMs }: { walletId: string; grantNo: number; attemptedAtMs: number },
): Promise<boolean> {
  const refused = await orm(sql)
    .update(credits)
    .set({ state: 'refused' })
    .where(
      and(
        eq(credits.environmentId, environmentId),
        eq(credits.walletId, walletId),
        eq(credits.grantNo, grantNo),
        eq(credits.state, 'pending'),
        eq(credits.attemptedAt, attemptedAtMs),
        eq(credits.isOwed, false),
      ),
    )
    .returning({ grantNo: credits.grantNo });
  return refused.length > 0;
}

export async function isCreditPending(
  sql: Sql,
  environmentId: string,
  walletId: string,
  grantNo: number,
): Promise<boolean> {
  const rows = await orm(sql)
    .select({ grantNo: credits.grantNo })
    .from(credits)
    .where(
      and(
        eq(credits.environmentId, environmentId),
        eq(credits.walletId, walletId),
        eq(credits.grantNo, grantNo),
        eq(credits.state, 'pending'),
      ),
    );
  return rows.length > 0;
}

/**
 * Credits that have been pending for `ageMs`, oldest first; for as long again, nobody else is given them. None of wallets
 * in quarantine, whose entries don't reach the ledger.
 */
export async function claimPendingCredits(
  sql: Sql,
  { ageMs, limit }: { ageMs: number; limit: number },
): Promise<{ environmentId: string; credit: BegunCredit }[]> {
  return orm(sql).transaction(async (transaction) => {
    const rows = await transaction
      .select()
      .from(credits)
      .where(
        and(
          eq(credits.state, 'pending'),
          lt(credits.attemptedAt, raw`now() - make_interval(secs => ${ageMs / 1000})`),
          notExists(
            transaction
              .select({ walletId: wallets.walletId })
              .from(wallets)
              .where(
                and(
                  eq(wallets.environmentId, credits.environmentId),
                  eq(wallets.walletId, credits.walletId),
                  isNotNull(wallets.quarantinedAt),
                ),
              ),
          ),
        ),
      )
      .orderBy(credits.attemptedAt)
      .limit(limit)
      .for('no key update', { skipLocked: true });
    const claimed: { environmentId: string; credit: BegunCredit }[] = [];
    for (const row of rows) {
      const [attempted] = await transaction
        .update(credits)
        .set({ attemptedAt: raw`now()` })
        .where(
          and(
            eq(credits.environmentId, row.environmentId),
            eq(credits.walletId, row.walletId),
            eq(credits.grantNo, row.grantNo),
          ),
        )
        .returning();
      if (!attempted) continue;
      const credit = toCredit(attempted, await findScope(transaction, attempted), undefined, undefined);
      claimed.push({ environmentId: row.environmentId, credit });
    }
    return claimed;
  });
}

type On = Pick<Orm, 'select' | 'update'>;

async function repeatCredit(
  on: On,
  environmentId: string,
  operationId: string,
  fingerprint: string,
): Promise<{ status: 'begun'; credit: BegunCredit } | { status: 'conflict' } | undefined> {
  const ofOperation = and(eq(credits.environmentId, environmentId), eq(credits.operationId, operationId));
  const [row] = await on.select().from(credits).where(ofOperation);
  if (!row) return undefined;
  if (row.fingerprint !== fingerprint) return { status: 'conflict' };
  const scope = await findScope(on, row);
  const recurrence = await findRecurrence(on, row);
  const [attempted] = await on
    .update(credits)
    .set({ state: 'pending', attemptedAt: raw`now()` })
    // The drain may find its entry meanwhile.
    .where(and(ofOperation, inArray(credits.state, ['refused', 'pending'])))
    .returning();
  if (attempted) return { status: 'begun', credit: toCredit(attempted, scope, recurrence, undefined) };
  const applied = await findApplied(on, environmentId, operationId);
  return { status: 'begun', credit: toCredit(row, scope, recurrence, applied) };
}

/** What the script answered, from the entry that it wrote. */
async function findApplied(on: On, environmentId: string, operationId: string): Promise<CreditApplied | undefined> {
  const [entry] = await on
    .select()
    .from(entries)
    .where(and(eq(entries.environmentId, environmentId), eq(entries.operationId, operationId)));
  if (!entry || entry.grantNo === null || entry.grantState === null || entry.grantEffectiveAt === null)
    return undefined;
  const remaining = entry.moveRemaining[entry.moveGrants.indexOf(entry.grantNo)] ?? zeroAtoms;
  return {
    remaining,
    state: entry.grantState === 'active' && remaining === 0n ? 'spent' : entry.grantState,
    effectiveAtMs: entry.grantEffectiveAt,
    atMs: entry.occurredAt,
    version: entry.version,
  };
}
