// A row of `credits` as the rest knows it.
import { and, eq } from 'drizzle-orm';
import type { Credit, CreditApplied, InstanceOf, NumberedScope } from '../records.ts';
import type { Orm } from './connect.ts';
import { rolloverOf } from './rollovers.ts';
import { credits, recurrences, scopes } from './schema.ts';

/** `createdAtMs` is when the intent was written, `attemptedAtMs` when somebody last began to apply it. */
export type BegunCredit = Credit & { createdAtMs: number; attemptedAtMs: number };

type CreditRow = typeof credits.$inferSelect;
type RecurrenceRow = typeof recurrences.$inferSelect;

export async function findScope(
  on: Pick<Orm, 'select'>,
  { environmentId, customerId, scope: no }: Pick<CreditRow, 'environmentId' | 'customerId' | 'scope'>,
): Promise<NumberedScope | undefined> {
  if (no === null) return undefined;
  const ofCustomer = and(eq(scopes.environmentId, environmentId), eq(scopes.customerId, customerId));
  const [row] = await on
    .select({ scope: scopes.scope })
    .from(scopes)
    .where(and(ofCustomer, eq(scopes.no, no)));
  return row && { ...row.scope, no };
}

export async function findRecurrence(
  on: Pick<Orm, 'select'>,
  { environmentId, recurrenceId }: Pick<CreditRow, 'environmentId' | 'recurrenceId'>,
): Promise<RecurrenceRow | undefined> {
  if (recurrenceId === null) return undefined;
  const named = and(eq(recurrences.environmentId, environmentId), eq(recurrences.id, recurrenceId));
  const [row] = await on.select().from(recurrences).where(named);
  return row;
}

/** Of an instance of a recurring grant. */
export function instanceOf(credit: CreditRow, row: RecurrenceRow | null | undefined): InstanceOf | undefined {
  if (!row || credit.instance === null) return undefined;
  return {
    id: row.id,
    instance: credit.instance,
    each: row.each,
    timeZone: row.timeZone,
    anchorMs: row.anchorAt,
    onRenew: row.onRenew,
    rolloverParts: row.rolloverParts ?? undefined,
    rolloverMost: row.rolloverMost ?? undefined,
    rolloverPeriods: row.rolloverPeriods ?? undefined,
    canceledAtMs: row.canceledAt ?? undefined,
  };
}

export function toCredit(
  row: CreditRow,
  scope: NumberedScope | undefined,
  recurrence: RecurrenceRow | undefined,
  applied: CreditApplied | undefined,
): BegunCredit {
  return {
    grantNo: row.grantNo,
    customerId: row.customerId,
    walletId: row.walletId,
    operationId: row.operationId,
    fingerprint: row.fingerprint,
    asset: row.asset,
    amount: row.amount,
    purpose: row.purpose,
    priority: row.priority,
    scope,
    effectiveAtMs: row.effectiveAt ?? undefined,
    expiresAtMs: row.expiresAt ?? undefined,
    rollover: rolloverOf(row),
    recurrence: instanceOf(row, recurrence),
    description: row.description ?? undefined,
    metadata: row.metadata,
    applied,
    createdAtMs: row.createdAt,
    attemptedAtMs: row.attemptedAt,
  };
}
