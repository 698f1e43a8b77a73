// Refunds and disputes: bought credit that goes back. The row comes before the wallet and before Stripe; what Stripe says of
// it is final, and what follows from that is done until the ledger has it.
//
// Whatever reckons how much may go back holds the top-up's row: so of two at once the second one counts the first.
import { randomBytes } from 'node:crypto';
import { and, asc, eq, inArray, isNull, lte, ne, or, sql as raw } from 'drizzle-orm';
import { currencyOf } from '../pricing/currencies.ts';
import { moneyFor } from '../pricing/refund-amount.ts';
import type { FreezeName, Refund, TopUp } from '../records.ts';
import { type Atoms, zeroAtoms } from '../units.ts';
import { orm, type Orm, type Sql } from './connect.ts';
import { refunds, topUps, wallets } from './schema.ts';
import { findTopUp, isTopUp, storeEvent } from './top-ups.ts';

export type Transaction = Parameters<Parameters<Orm['transaction']>[0]>[0];
export type RefundRow = typeof refunds.$inferSelect;

/** Whoever asked for it goes on with it first. */
const firstLookMs = 15_000;
const lookMsMax = 900_000;
const inMs = (ms: number) => raw`clock_timestamp() + make_interval(secs => ${ms / 1000})`;

export type BegunRefund =
  | { status: 'begun'; refund: Refund; isNew: boolean }
  | { status: 'no_top_up' | 'conflict' | 'not_paid' | 'too_small' }
  /** Of what was bought, all but so much has gone back. */
  | { status: 'too_much'; left: Atoms };

/** Writes it down, or finds the one that this operation wrote before. No amount: all that has not gone back. */
export async function beginRefund(
  sql: Sql,
  environmentId: string,
  topUpId: string,
  asked: { amount: Atoms | undefined; operationId: string; fingerprint: string },
): Promise<BegunRefund> {
  return orm(sql).transaction(async (transaction) => {
    const topUp = await lockTopUp(transaction, environmentId, topUpId);
    if (!topUp) return { status: 'no_top_up' };
    const { operationId, fingerprint } = asked;
    const ofOperation = and(eq(refunds.environmentId, environmentId), eq(refunds.operationId, operationId));
    const [known] = await transaction.select().from(refunds).where(ofOperation);
    if (known && known.fingerprint !== fingerprint) return { status: 'conflict' };
    if (known) return { status: 'begun', refund: toRefund(known), isNew: false };
    if (topUp.status !== 'succeeded' && topUp.status !== 'refunded') return { status: 'not_paid' };
    const before = await goneBack(transaction, environmentId, topUpId);
    const left = (topUp.amount - before.amount) as Atoms;
    const amount = asked.amount ?? left;
    if (amount === zeroAtoms || amount > left) return { status: 'too_much', left };
    const bought = { amount: topUp.amount, money: BigInt(topUp.paid ?? topUp.price) };
    const { step } = currencyOf(topUp.currency) ?? { step: 1n };
    const money = moneyFor(bought, before, amount, step);
    if (money === 0n) return { status: 'too_small' };
    const [row] = await insertRefund(transaction, topUp, {
      ...{ id: newRefundId(), origin: 'request', operationId, fingerprint, amount },
      money: Number(money),
    });
    await lookIn(transaction, environmentId, topUpId, firstLookMs);
    return { status: 'begun', refund: toRefund(row!), isNew: true };
  });
}

/** Whether this operation has begun a refund. */
export async function hasRefund(sql: Sql, environmentId: string, operationId: string): Promise<boolean> {
  const ofOperation = and(eq(refunds.environmentId, environmentId), eq(refunds.operationId, operationId));
  const rows = await orm(sql).select({ id: refunds.id }).from(refunds).where(ofOperation);
  return rows.length > 0;
}

export const newRefundId = (): string => `ref_${randomBytes(16).toString('base64url')}`;

export function insertRefund(
  transaction: Transaction,
  { environmentId, id: topUpId, customerId, asset }: typeof topUps.$inferSelect,
  refund: Omit<typeof refunds.$inferInsert, 'environmentId' | 'topUpId' | 'customerId' | 'asset'>,
) {
  return transaction
    .insert(refunds)
    .values({ environmentId, topUpId, customerId, asset, ...refund })
    .returning();
}

export async function lockTopUp(transaction: Transaction, environmentId: string, id: string) {
  const [row] = await transaction.select().from(topUps).where(isTopUp(environmentId, id)).for('update');
  return row;
}

/** Of a top-up: what has gone back, or may have. */
export async function goneBack(transaction: Transaction, environmentId: string, topUpId: string) {
  const [row] = await transaction
    .select({
      amount: raw<string>`coalesce(sum(${refunds.amount}), 0)::text`,
      money: raw<string>`coalesce(sum(${refunds.money}), 0)::text`,
    })
    .from(refunds)
    .where(
      and(
        ...[eq(refunds.environmentId, environmentId), eq(refunds.topUpId, topUpId)],
        or(isNull(refunds.outcome), eq(refunds.outcome, 'taken')),
      ),
    );
  return { amount: BigInt(row?.amount ?? 0), money: BigInt(row?.money ?? 0) };
}

/** Those of these top-ups, oldest first. */
export async function listRefunds(sql: Sql, environmentId: string, topUpIds: string[]): Promise<Refund[]> {
  if (topUpIds.length === 0) return [];
  const rows = await orm(sql)
    .select()
    .from(refunds)
    .where(and(eq(refunds.environmentId, environmentId), inArray(refunds.topUpId, topUpIds)))
    .orderBy(asc(refunds.createdAt), asc(refunds.id));
  return rows.map(toRefund);
}

export async function findRefund(sql: Sql, environmentId: string, id: string): Promise<Refund | undefined> {
  const [row] = await orm(sql).select().from(refunds).where(isRefund(environmentId, id));
  return row && toRefund(row);
}

/** Whether any of a customer's disputes is open, and how the wallet stands by the ledger. */
export async function readDisputes(
  sql: Sql,
  environmentId: string,
  customerId: string,
): Promise<{ hasOpen: boolean; freeze: FreezeName }> {
  const isOpen = and(
    ...[eq(refunds.environmentId, wallets.environmentId), eq(refunds.customerId, wallets.customerId)],
    ...[eq(refunds.origin, 'dispute'), isNull(refunds.endedAt)],
  );
  const [row] = await orm(sql)
    .select({ hasOpen: raw<boolean>`exists (select from ${refunds} where ${isOpen})`, freeze: wallets.freezeReason })
    .from(wallets)
    .where(and(eq(wallets.environmentId, environmentId), eq(wallets.customerId, customerId)));
  return row ?? { hasOpen: false, freeze: 'none' };
}

/** Somebody is about to set it aside. Undefined: it is decided, or withdrawn. */
export async function beginAttempt(sql: Sql, { environmentId, id }: Refund): Promise<number | undefined> {
  const [row] = await orm(sql)
    .update(refunds)
    .set({ attemptsCount: raw`${refunds.attemptsCount} + 1` })
    .where(and(isRefund(environmentId, id), isNull(refunds.outcome)))
    .returning({ attemptNo: refunds.attemptsCount });
  return row?.attemptNo;
}

/** The wallet said no: nothing has happened. False: somebody else has begun to set it aside since. */
export async function withdrawRefund(sql: Sql, { environmentId, id }: Refund, attemptNo: number): Promise<boolean> {
  const gone = await orm(sql)
    .delete(refunds)
    .where(
      and(
        ...[isRefund(environmentId, id), eq(refunds.attemptsCount, attemptNo)],
        ...[isNull(refunds.heldAt), isNull(refunds.askedAt), isNull(refunds.outcome)],
      ),
    )
    .returning({ id: refunds.id });
  return gone.length > 0;
}

export async function noteHeld(sql: Sql, { environmentId, id }: Refund): Promise<void> {
  await orm(sql)
    .update(refunds)
    .set({ heldAt: raw`coalesce(${refunds.heldAt}, clock_timestamp())` })
    .where(isRefund(environmentId, id));
}

/** From now on Stripe may have heard of it. */
export async function noteRefundAsked(sql: Sql, { environmentId, id }: Refund): Promise<void> {
  await orm(sql)
    .update(refunds)
    .set({ askedAt: raw`coalesce(${refunds.askedAt}, clock_timestamp())` })
    .where(isRefund(environmentId, id));
}

/** False: it was known. */
export async function noteRefundEnded(sql: Sql, { environmentId, id, outcome }: Refund): Promise<boolean> {
  const ended = await orm(sql)
    .update(refunds)
    .set({ endedAt: raw`clock_timestamp()` })
    .where(and(isRefund(environmentId, id), isNull(refunds.endedAt), outcome && eq(refunds.outcome, outcome)))
    .returning({ id: refunds.id });
  return ended.length > 0;
}

/** What it was answered, the first time. Gives back what is kept. */
export async function keepRefundReply(sql: Sql, environmentId: string, id: string, reply: string): Promise<string> {
  const [row] = await orm(sql)
    .update(refunds)
    .set({ reply: raw`coalesce(${refunds.reply}, ${reply})` })
    .where(isRefund(environmentId, id))
    .returning({ reply: refunds.reply });
  return row?.reply ?? reply;
}

/** Something was heard of a top-up's refunds, or of a dispute: what is true, a look will tell. Once for each event. */
export async function lookAtRefundsSoon(
  sql: Sql,
  environmentId: string,
  topUpId: string,
  event: { id: string; type: string },
): Promise<void> {
  await orm(sql).transaction(async (transaction) => {
    if (!(await storeEvent(transaction, environmentId, event, topUpId))) return;
    await lookIn(transaction, environmentId, topUpId, 0);
  });
}

async function lookIn(on: Pick<Orm, 'update'>, environmentId: string, topUpId: string, ms: number): Promise<void> {
  await on
    .update(topUps)
    .set({ refundsLookAt: raw`least(${topUps.refundsLookAt}, ${inMs(ms)})`, refundsLooksCount: 0 })
    .where(isTopUp(environmentId, topUpId));
}

export async function findTopUpByIntent(
  sql: Sql,
  environmentId: string,
  intentId: string,
): Promise<string | undefined> {
  const [row] = await orm(sql)
    .select({ id: topUps.id })
    .from(topUps)
    .where(and(eq(topUps.environmentId, environmentId), eq(topUps.intentId, intentId)));
  return row?.id;
}

/** A top-up whose refunds are to be looked at, as it is now. */
export type RefundsLook = { topUp: TopUp; looksCount: number };

/** Nobody else is given them for a while, which grows with each look. */
export async function claimRefundLooks(sql: Sql, limit: number): Promise<RefundsLook[]> {
  const due = orm(sql)
    .select({ environmentId: topUps.environmentId, id: topUps.id })
    .from(topUps)
    .where(lte(topUps.refundsLookAt, raw`clock_timestamp()`))
    .orderBy(topUps.refundsLookAt)
    .limit(limit)
    .for('no key update', { skipLocked: true });
  const pauseMs = raw`least(${firstLookMs} * power(2, least(${topUps.refundsLooksCount}, 10)), ${lookMsMax})`;
  const claimed = await orm(sql)
    .update(topUps)
    .set({
      refundsLookAt: raw`clock_timestamp() + make_interval(secs => ${pauseMs} / 1000)`,
      refundsLooksCount: raw`${topUps.refundsLooksCount} + 1`,
    })
    .where(raw`(${topUps.environmentId}, ${topUps.id}) in ${due}`)
    .returning({ environmentId: topUps.environmentId, id: topUps.id, looksCount: topUps.refundsLooksCount });
  const looks = await Promise.all(
    claimed.map(async ({ environmentId, id, looksCount }) => ({
      topUp: await findTopUp(sql, environmentId, id),
      looksCount,
    })),
  );
  return looks.filter((look): look is RefundsLook => look.topUp !== undefined);
}

/** Nothing is left to wait for; or soon somebody looks again. Unless something was heard meanwhile. */
export async function endLook(
  sql: Sql,
  { topUp, looksCount }: RefundsLook,
  next: { inMs: number } | 'rests',
): Promise<void> {
  await orm(sql)
    .update(topUps)
    .set({ refundsLookAt: next === 'rests' ? null : inMs(next.inMs) })
    .where(and(isTopUp(topUp.environmentId, topUp.id), eq(topUps.refundsLooksCount, looksCount)));
}

/** It is looked at again soon. */
export async function lookAgain(sql: Sql, { environmentId, topUpId }: Refund, ms: number): Promise<void> {
  await lookIn(orm(sql), environmentId, topUpId, ms);
}

/** A top-up all of which has gone back says so. */
export async function markRefunded(transaction: Transaction, environmentId: string, topUpId: string): Promise<void> {
  const taken = raw`(select coalesce(sum(${refunds.amount}), 0) from ${refunds}
    where ${refunds.environmentId} = ${environmentId} and ${refunds.topUpId} = ${topUpId} and ${refunds.outcome} = 'taken')`;
  const status = raw`case when ${taken} >= ${topUps.amount} then 'refunded' else 'succeeded' end::top_up_status`;
  await transaction
    .update(topUps)
    .set({ status })
    .where(
      and(
        ...[isTopUp(environmentId, topUpId), inArray(topUps.status, ['succeeded', 'refunded'])],
        ne(topUps.status, status),
      ),
    );
}

export const isRefund = (environmentId: string, id: string) =>
  and(eq(refunds.environmentId, environmentId), eq(refunds.id, id));

function toRefund(row: RefundRow): Refund {
  return {
    environmentId: row.environmentId,
    id: row.id,
    topUpId: row.topUpId,
    customerId: row.customerId,
    origin: row.origin,
    asset: row.asset,
    amount: row.amount,
    money: row.money,
    stripeId: row.stripeId ?? undefined,
    isHeld: row.heldAt !== null,
    askedAtMs: row.askedAt ?? undefined,
    outcome: row.outcome ?? undefined,
    failure: row.failureCode === null ? undefined : { code: row.failureCode, message: row.failureMessage ?? '' },
    hasEnded: row.endedAt !== null,
    reply: row.reply ?? undefined,
    createdAtMs: row.createdAt,
  };
}
