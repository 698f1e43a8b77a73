// Recurring grants: each renewal is a grant of its own, asked for ahead, as any credit is, and scheduled in the wallet.
//
// So it comes at its instant though no worker runs then. An instance begins where the one before it ends, at an instant that
// was written down with that one; each is numbered, and there is one of each number: neither a gap nor a double, whoever asks for
// them, and however often. What is late is asked for late, and counts from its own instant.
import { randomBytes } from 'node:crypto';
import { and, asc, eq, gt, isNotNull, isNull, lte, or, sql as raw } from 'drizzle-orm';
import { endOf, aheadOf, recurrenceOf } from '../pricing/renewals.ts';
import { nextInstants } from '../pricing/recurrence.ts';
import type { InstanceOf, NewRecurrence, NumberedScope, RecurrenceTerms } from '../records.ts';
import { orm, type Orm, type Sql } from './connect.ts';
import { findScope, toCredit, type BegunCredit } from './credit-row.ts';
import { credits, customers, grants, recurrences } from './schema.ts';

type Row = typeof recurrences.$inferSelect;
type Instance = Pick<
  typeof credits.$inferInsert,
  'expiresAt' | 'rolloverParts' | 'rolloverMost' | 'rolloverUntil' | 'recurrenceId' | 'instance'
>;

/** How many are asked for in one go: of a worker that was away for long, the rest comes next. */
const instancesMax = 100;
const fingerprint = '-----------';

/** Written with its first instance, in the same transaction; returns what makes that one an instance. */
export async function beginRecurrence(
  on: Pick<Orm, 'insert'>,
  credit: Pick<Row, 'environmentId' | 'customerId' | 'asset' | 'amount' | 'purpose' | 'priority' | 'metadata'> & {
    scope: NumberedScope | undefined;
    description: string | undefined;
  },
  { startsAtMs, ...terms }: NewRecurrence,
): Promise<Instance & { recurrence: InstanceOf }> {
  const id = `rec_${randomBytes(16).toString('base64url')}`;
  const [nextAtMs = startsAtMs] = nextInstants(recurrenceOf(terms), startsAtMs, 1);
  const { environmentId, customerId, asset, amount, purpose, priority, metadata } = credit;
  await on.insert(recurrences).values({
    ...{ environmentId, id, customerId, asset, amount, purpose, priority, metadata },
    scope: credit.scope?.no ?? null,
    description: credit.description ?? null,
    each: terms.each,
    timeZone: terms.timeZone,
    anchorAt: terms.anchorMs,
    onRenew: terms.onRenew,
    rolloverParts: terms.rolloverParts ?? null,
    rolloverMost: terms.rolloverMost ?? null,
    rolloverPeriods: terms.rolloverPeriods ?? null,
    nextInstance: 2,
    nextAt: nextAtMs,
    refillAt: 0,
  });
  const recurrence = { ...terms, id, instance: 1, canceledAtMs: undefined };
  return { ...instanceOf(recurrence, amount, nextAtMs), recurrence };
}

function instanceOf(recurrence: InstanceOf, amount: Row['amount'], nextAtMs: number): Instance {
  const { expiresAtMs, untilMs } = endOf(recurrence, nextAtMs);
  const rolls = recurrence.onRenew === 'rollover';
  return {
    expiresAt: expiresAtMs ?? null,
    rolloverParts: recurrence.rolloverParts ?? null,
    rolloverMost: rolls ? (recurrence.rolloverMost ?? amount) : null,
    rolloverUntil: rolls ? (untilMs ?? null) : null,
    recurrenceId: recurrence.id,
    instance: recurrence.instance,
  };
}

type Named = { environmentId: string; id: string };

/** Those whose next instances are to be asked for, longest due first. */
export async function listRecurrencesToRefill(sql: Sql, nowMs: number, limit: number): Promise<Named[]> {
  return orm(sql)
    .select({ environmentId: recurrences.environmentId, id: recurrences.id })
    .from(recurrences)
    .where(and(isNull(recurrences.canceledAt), lte(recurrences.refillAt, nowMs)))
    .orderBy(asc(recurrences.refillAt), asc(recurrences.id))
    .limit(limit);
}

/**
 * Asks for the instances that are due, and for those to come; they are to be applied, as any credit. `more`: there are others,
 * after these. Nothing where it was canceled, or somebody else is about it.
 */
export async function refillRecurrence(
  sql: Sql,
  { environmentId, id }: Named,
  nowMs: number,
): Promise<{ begun: BegunCredit[]; more: boolean }> {
  return orm(sql).transaction(async (transaction) => {
    const named = and(eq(recurrences.environmentId, environmentId), eq(recurrences.id, id));
    const [known] = await transaction.select({ customerId: recurrences.customerId }).from(recurrences).where(named);
    if (!known) return { begun: [], more: false };
    // Grants are numbered by the customer's row; who asks for a first instance locks in the same order.
    const ofCustomer = and(eq(customers.environmentId, environmentId), eq(customers.id, known.customerId));
    const [customer] = await transaction.select().from(customers).where(ofCustomer).for('no key update');
    const [row] = await transaction.select().from(recurrences).where(named).for('no key update');
    if (!customer || !row || row.canceledAt !== null) return { begun: [], more: false };
    const again = await transaction
      .update(credits)
      .set({ state: 'pending', attemptedAt: raw`now()` })
      .where(and(ofRecurrence({ environmentId, id }), eq(credits.state, 'refused'), notOver(nowMs)))
      .returning();
    const terms = termsOf(row);
    const recurrence = recurrenceOf(terms);
    const coming = nextInstants(recurrence, nowMs, aheadOf[row.each]);
    const horizonMs = coming.at(-1)!;
    const scope = await findScope(transaction, { environmentId, customerId: row.customerId, scope: row.scope });
    const made: (typeof credits.$inferInsert)[] = [];
    let { nextInstance, nextAt } = row;
    let grantNo = customer.grantsCount;
    while (nextAt <= horizonMs && made.length < instancesMax) {
      const [followedAt = nextAt] = nextInstants(recurrence, nextAt, 1);
      grantNo += 1;
      made.push({
        ...{ environmentId, walletId: customer.walletId, grantNo, customerId: row.customerId, fingerprint },
        operationId: `renewal:${id}:${nextInstance}`,
        ...{ asset: row.asset, amount: row.amount, purpose: row.purpose, priority: row.priority, scope: row.scope },
        ...{ description: row.description, metadata: row.metadata, effectiveAt: nextAt },
        ...instanceOf({ ...terms, id, instance: nextInstance, canceledAtMs: undefined }, row.amount, followedAt),
      });
      nextInstance += 1;
      nextAt = followedAt;
    }
    const more = nextAt <= horizonMs;
    await transaction
      .update(recurrences)
      // When the next of those begins, there is one less to come.
      .set({ nextInstance, nextAt, refillAt: more ? row.refillAt : coming[0]! })
      .where(named);
    if (made.length > 0) await transaction.update(customers).set({ grantsCount: grantNo }).where(ofCustomer);
    const rows = made.length > 0 ? await transaction.insert(credits).values(made).returning() : [];
    return { begun: [...again, ...rows].map((credit) => toCredit(credit, scope, row, undefined)), more };
  });
}

/** An instance was refused by the wallet: it is asked for again then. */
export async function deferRefill(sql: Sql, { environmentId, id }: Named, refillAtMs: number): Promise<void> {
  await orm(sql)
    .update(recurrences)
    .set({ refillAt: raw`least(${recurrences.refillAt}, to_timestamp(${refillAtMs / 1000}::float8))` })
    .where(and(eq(recurrences.environmentId, environmentId), eq(recurrences.id, id)));
}

/** No instance is asked for any more; those that are to come have to be voided. Canceling again changes nothing. */
export async function cancelRecurrence(sql: Sql, environmentId: string, id: string, atMs: number): Promise<void> {
  await orm(sql)
    .update(recurrences)
    .set({ canceledAt: atMs })
    .where(and(eq(recurrences.environmentId, environmentId), eq(recurrences.id, id), isNull(recurrences.canceledAt)));
}

export type OpenInstance = { environmentId: string; customerId: string; asset: number; grantNo: number };

/** Canceled ones that may have instances to come, oldest first. */
export async function listRecurrencesToEnd(sql: Sql, limit: number): Promise<Named[]> {
  return orm(sql)
    .select({ environmentId: recurrences.environmentId, id: recurrences.id })
    .from(recurrences)
    .where(and(isNotNull(recurrences.canceledAt), isNull(recurrences.endedAt)))
    .orderBy(asc(recurrences.canceledAt))
    .limit(limit);
}

/** Instances that count from after the cancellation, and that the ledger does not know to have ended. */
export async function listInstancesToEnd(sql: Sql, { environmentId, id }: Named): Promise<OpenInstance[]> {
  return orm(sql)
    .select({
      environmentId: credits.environmentId,
      customerId: credits.customerId,
      asset: credits.asset,
      grantNo: credits.grantNo,
    })
    .from(credits)
    .innerJoin(
      recurrences,
      and(eq(recurrences.environmentId, credits.environmentId), eq(recurrences.id, credits.recurrenceId)),
    )
    .leftJoin(
      grants,
      and(
        eq(grants.environmentId, credits.environmentId),
        eq(grants.walletId, credits.walletId),
        eq(grants.grantNo, credits.grantNo),
      ),
    )
    .where(
      and(
        ofRecurrence({ environmentId, id }),
        gt(credits.effectiveAt, recurrences.canceledAt),
        raw`${credits.state} <> 'refused'`,
        or(isNull(grants.state), eq(grants.state, 'scheduled'), eq(grants.state, 'active')),
      ),
    )
    .orderBy(asc(credits.instance));
}

export async function endRecurrence(sql: Sql, { environmentId, id }: Named): Promise<void> {
  await orm(sql)
    .update(recurrences)
    .set({ endedAt: raw`now()` })
    .where(and(eq(recurrences.environmentId, environmentId), eq(recurrences.id, id)));
}

const ofRecurrence = ({ environmentId, id }: Named) =>
  and(eq(credits.environmentId, environmentId), eq(credits.recurrenceId, id));

const notOver = (nowMs: number) => or(isNull(credits.expiresAt), gt(credits.expiresAt, nowMs));

function termsOf(row: Row): RecurrenceTerms {
  return {
    each: row.each,
    timeZone: row.timeZone,
    anchorMs: row.anchorAt,
    onRenew: row.onRenew,
    rolloverParts: row.rolloverParts ?? undefined,
    rolloverMost: row.rolloverMost ?? undefined,
    rolloverPeriods: row.rolloverPeriods ?? undefined,
  };
}
