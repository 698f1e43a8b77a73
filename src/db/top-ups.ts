// Top-ups: credit that is bought. The row comes before Stripe is asked; the grant is written with the news that money arrived.
import { hash, randomBytes } from 'node:crypto';
import { and, desc, eq, inArray, isNotNull, isNull, lte, sql as raw } from 'drizzle-orm';
import type { PageRequest, TopUp, TopUpFailure } from '../records.ts';
import { noFingerprint } from '../wallet/operation.ts';
import { orm, type Orm, type Sql } from './connect.ts';
import type { BegunCredit } from './credit-row.ts';
import { beginCreditIn } from './credits.ts';
import { beginEventLooks } from './event-looks.ts';
import { cursorOf, pageOf, type Listed } from './page.ts';
import { autoTopUps, credits, customers, stripeEvents, topUps } from './schema.ts';

type Transaction = Parameters<Parameters<Orm['transaction']>[0]>[0];
type Row = typeof topUps.$inferSelect;

const cursors = cursorOf('number', 'text');
/** Whoever began it asks Stripe first. */
const firstLookMs = 15_000;
const lookMsMax = 900_000;
const open = ['pending', 'requires_action'] as const;

export type NewTopUp = Pick<
  TopUp,
  | ('customerId' | 'asset' | 'amount' | 'rate' | 'currency' | 'price' | 'payment' | 'payerId' | 'methodId')
  | ('returnUrl' | 'receiptEmail' | 'addsTax' | 'expiresAtMs' | 'metadata')
> & { operationId: string; fingerprint: string };

/** Writes it down, or finds the one that this operation wrote before. */
export async function beginTopUp(
  sql: Sql,
  environmentId: string,
  given: NewTopUp,
): Promise<{ status: 'begun'; topUp: TopUp } | { status: 'conflict' }> {
  await insertTopUp(orm(sql), environmentId, `top_${randomBytes(16).toString('base64url')}`, given);
  const known = await findTopUpByOperation(sql, environmentId, given.operationId, given.fingerprint);
  if (known === undefined) throw new Error('a top-up was inserted, and is not there');
  return known === 'conflict' ? { status: 'conflict' } : { status: 'begun', topUp: known };
}

/** Whoever comes first; a worker looks at it from then on. */
export async function insertTopUp(
  on: Pick<Orm, 'insert'>,
  environmentId: string,
  id: string,
  given: NewTopUp & { crossingNo?: number },
): Promise<void> {
  await on
    .insert(topUps)
    .values({
      environmentId,
      id,
      customerId: given.customerId,
      operationId: given.operationId,
      fingerprint: given.fingerprint,
      asset: given.asset,
      amount: given.amount,
      rate: given.rate ?? null,
      currency: given.currency,
      price: given.price,
      payment: given.payment,
      payerId: given.payerId,
      methodId: given.methodId ?? null,
      returnUrl: given.returnUrl ?? null,
      receiptEmail: given.receiptEmail ?? null,
      addsTax: given.addsTax,
      expiresAt: given.expiresAtMs ?? null,
      metadata: given.metadata,
      crossingNo: given.crossingNo ?? null,
      lookAt: raw`clock_timestamp() + make_interval(secs => ${firstLookMs / 1000})`,
    })
    .onConflictDoNothing({ target: [topUps.environmentId, topUps.operationId] });
}

export async function findTopUpByOperation(
  sql: Sql,
  environmentId: string,
  operationId: string,
  fingerprint: string,
): Promise<TopUp | 'conflict' | undefined> {
  const [row] = await select(sql, and(eq(topUps.environmentId, environmentId), eq(topUps.operationId, operationId)));
  if (row && row.topUp.fingerprint !== fingerprint) return 'conflict';
  return row && toTopUp(row.topUp, row.creditState);
}

export async function findTopUp(sql: Sql, environmentId: string, id: string): Promise<TopUp | undefined> {
  const [row] = await select(sql, isTopUp(environmentId, id));
  return row && toTopUp(row.topUp, row.creditState);
}

export async function listTopUps(
  sql: Sql,
  environmentId: string,
  customerId: string,
  page: PageRequest,
): Promise<Listed<TopUp>> {
  const after = cursors.read(page.cursor);
  if (after === 'bad_cursor') return after;
  const rows = await select(
    sql,
    and(
      eq(topUps.environmentId, environmentId),
      eq(topUps.customerId, customerId),
      after && raw`(${topUps.createdAt}, ${topUps.id}) < (to_timestamp(${after[0]}::float8 / 1000), ${after[1]})`,
    ),
  )
    .orderBy(desc(topUps.createdAt), desc(topUps.id))
    .limit(page.limit + 1);
  return pageOf(rows, {
    limit: page.limit,
    item: ({ topUp, creditState }) => toTopUp(topUp, creditState),
    cursor: ({ topUp }) => cursors.write([topUp.createdAt, topUp.id]),
  });
}

/** What it was answered, the first time. Gives back what is kept. */
export async function keepTopUpReply(sql: Sql, environmentId: string, id: string, reply: string): Promise<string> {
  const [row] = await orm(sql)
    .update(topUps)
    .set({ reply: raw`coalesce(${topUps.reply}, ${reply})` })
    .where(isTopUp(environmentId, id))
    .returning({ reply: topUps.reply });
  return row?.reply ?? reply;
}

/** From now on Stripe may have heard of it. False: so it was before. */
export async function noteTopUpAsked(sql: Sql, { environmentId, id }: TopUp): Promise<boolean> {
  const noted = await orm(sql)
    .update(topUps)
    .set({ askedAt: raw`clock_timestamp()` })
    .where(and(isTopUp(environmentId, id), isNull(topUps.askedAt)))
    .returning({ id: topUps.id });
  return noted.length > 0;
}

/** What is known of it at Stripe, while it is under way. A row that was given up, or has ended, stays as it is. */
export async function noteTopUp(
  sql: Sql,
  environmentId: string,
  id: string,
  known: {
    status: (typeof open)[number];
    intentId?: string | undefined;
    sessionId?: string | undefined;
    checkoutUrl?: string | undefined;
    actionUrl?: string | undefined;
  },
): Promise<void> {
  const { intentId, sessionId, checkoutUrl, actionUrl = null, status } = known;
  await orm(sql)
    .update(topUps)
    .set({
      status,
      actionUrl,
      ...(intentId !== undefined && { intentId }),
      ...(sessionId !== undefined && { sessionId }),
      ...(checkoutUrl !== undefined && { checkoutUrl }),
    })
    .where(and(isOpen(environmentId, id), isNull(topUps.failureCode)));
  if (status === 'requires_action') await lookAtItsAuto(sql, environmentId, id);
}

/** It is to be canceled at Stripe. Until Stripe says that it is, money may come of it: it counts as under way. */
export async function giveUpTopUp(
  sql: Sql,
  environmentId: string,
  id: string,
  why: { failure: TopUpFailure; intentId?: string | undefined },
): Promise<void> {
  const { failure, intentId } = why;
  await orm(sql)
    .update(topUps)
    .set({
      status: 'pending',
      actionUrl: null,
      ...columnsOf(failure),
      ...(intentId !== undefined && { intentId }),
      lookAt: raw`clock_timestamp() + make_interval(secs => ${firstLookMs / 1000})`,
      looksCount: 0,
    })
    .where(and(isOpen(environmentId, id), isNull(topUps.failureCode)));
}

/**
 * No money will come of it: canceled, or failed, if that is why it was given up. Should it come all the same, it counts.
 * Undefined: it had ended.
 */
export async function endTopUp(
  sql: Sql,
  environmentId: string,
  id: string,
  { failure, intentId }: { failure?: TopUpFailure; intentId?: string | undefined },
): Promise<TopUp | undefined> {
  const status = raw`case when ${topUps.failureCode} is null then 'canceled' else 'failed' end::top_up_status`;
  const [ended] = await orm(sql)
    .update(topUps)
    .set({
      status: failure ? 'failed' : status,
      lookAt: null,
      actionUrl: null,
      ...(failure && columnsOf(failure)),
      ...(intentId !== undefined && { intentId }),
    })
    .where(isOpen(environmentId, id))
    .returning();
  await lookAtItsAuto(sql, environmentId, id);
  return ended && toTopUp(ended, null);
}

const columnsOf = ({ code, message, retryable }: TopUpFailure) => ({
  failureCode: code,
  failureMessage: message,
  failureRetryable: retryable,
});

const isOpen = (environmentId: string, id: string) =>
  and(isTopUp(environmentId, id), inArray(topUps.status, [...open]));

/** What asked for it, if that was an automatic top-up, is seen to now. */
async function lookAtItsAuto(sql: Sql, environmentId: string, id: string): Promise<void> {
  await orm(sql)
    .update(autoTopUps)
    .set({ lookAt: raw`clock_timestamp()` })
    .where(and(eq(autoTopUps.environmentId, environmentId), eq(autoTopUps.topUpId, id)));
}

export type Payment = { intentId: string; received: number; currency: string };
export type PaidTopUp =
  | { status: 'paid'; credit: BegunCredit; topUp: TopUp }
  /** It was known before, or the event was. */
  | { status: 'known' }
  | { status: 'no_top_up' }
  /** Not what was asked for: somebody must look. */
  | { status: 'mismatch'; detail: string };

/**
 * The money has arrived: from now on the grant is owed, and a sweep repeats it until the ledger has it. An event that
 * says so is stored with it, so that it has its effect once.
 */
export async function settleTopUp(
  sql: Sql,
  environmentId: string,
  id: string,
  payment: Payment,
  event?: { id: string; type: string },
): Promise<PaidTopUp> {
  return orm(sql).transaction(async (transaction) => {
    if (event && !(await storeEvent(transaction, environmentId, event, id))) return { status: 'known' };
    const [row] = await transaction.select().from(topUps).where(isTopUp(environmentId, id)).for('update');
    if (!row) return { status: 'no_top_up' };
    if (row.status === 'succeeded' || row.status === 'refunded') return { status: 'known' };
    const flaw = flawOf(row, payment);
    if (flaw !== undefined) return { status: 'mismatch', detail: flaw };
    const begun = await beginCreditIn(transaction, environmentId, creditFor(environmentId, row));
    if (begun.status !== 'begun') throw new Error(`the credit of top-up ${id} cannot be begun: ${begun.status}`);
    const [paid] = await transaction
      .update(topUps)
      .set({
        status: 'succeeded',
        intentId: payment.intentId,
        paid: payment.received,
        grantNo: begun.credit.grantNo,
        lookAt: null,
        actionUrl: null,
        failureCode: null,
        failureMessage: null,
        failureRetryable: null,
      })
      .where(isTopUp(environmentId, id))
      .returning();
    await beginEventLooks(transaction, environmentId);
    return { status: 'paid', credit: begun.credit, topUp: toTopUp(paid!, null) };
  });
}

/** An event that says nothing final: what is true now, a look will tell. False: it was known. */
export async function lookSoon(
  sql: Sql,
  environmentId: string,
  id: string,
  event: { id: string; type: string },
): Promise<boolean> {
  return orm(sql).transaction(async (transaction) => {
    if (!(await storeEvent(transaction, environmentId, event, id))) return false;
    await transaction
      .update(topUps)
      .set({ lookAt: raw`clock_timestamp()` })
      .where(and(isTopUp(environmentId, id), isNotNull(topUps.lookAt)));
    return true;
  });
}

/** The grant is in the wallet. */
export async function noteCredited(sql: Sql, environmentId: string, id: string): Promise<void> {
  await orm(sql)
    .update(topUps)
    .set({ creditedAt: raw`clock_timestamp()` })
    .where(and(isTopUp(environmentId, id), isNull(topUps.creditedAt)));
  await lookAtItsAuto(sql, environmentId, id);
}

/** Those that are to be looked at; nobody else is given them for a while, which grows with each look. */
export async function claimTopUps(sql: Sql, limit: number): Promise<TopUp[]> {
  const due = orm(sql)
    .select({ environmentId: topUps.environmentId, id: topUps.id })
    .from(topUps)
    .where(lte(topUps.lookAt, raw`clock_timestamp()`))
    .orderBy(topUps.lookAt)
    .limit(limit)
    .for('no key update', { skipLocked: true });
  const pauseMs = raw`least(${firstLookMs} * power(2, least(${topUps.looksCount}, 10)), ${lookMsMax})`;
  const rows = await orm(sql)
    .update(topUps)
    .set({
      lookAt: raw`clock_timestamp() + make_interval(secs => ${pauseMs} / 1000)`,
      looksCount: raw`${topUps.looksCount} + 1`,
    })
    .where(raw`(${topUps.environmentId}, ${topUps.id}) in ${due}`)
    .returning();
  return rows.map((row) => toTopUp(row, null));
}

export const isTopUp = (environmentId: string, id: string) =>
  and(eq(topUps.environmentId, environmentId), eq(topUps.id, id));

function select(sql: Sql, where: ReturnType<typeof and>) {
  return orm(sql)
    .select({ topUp: topUps, creditState: credits.state })
    .from(topUps)
    .innerJoin(customers, and(eq(customers.environmentId, topUps.environmentId), eq(customers.id, topUps.customerId)))
    .leftJoin(
      credits,
      and(
        eq(credits.environmentId, topUps.environmentId),
        eq(credits.walletId, customers.walletId),
        eq(credits.grantNo, topUps.grantNo),
      ),
    )
    .where(where);
}

/** False: it is there. */
export async function storeEvent(
  transaction: Transaction,
  environmentId: string,
  { id, type }: { id: string; type: string },
  topUpId: string,
): Promise<boolean> {
  const stored = await transaction
    .insert(stripeEvents)
    .values({ environmentId, id, type, topUpId })
    .onConflictDoNothing()
    .returning({ id: stripeEvents.id });
  return stored.length > 0;
}

/** With tax, more is paid than the price. */
function flawOf(row: Row, { received, currency, intentId }: Payment): string | undefined {
  if (currency.toUpperCase() !== row.currency) return `paid in ${currency}, not ${row.currency}`;
  if (received < row.price || (received > row.price && !row.addsTax)) return `${received} was paid, not ${row.price}`;
  if (row.intentId !== null && row.intentId !== intentId) return `paid by ${intentId}, not ${row.intentId}`;
  return undefined;
}

function creditFor(environmentId: string, row: Row) {
  return {
    customerId: row.customerId,
    operationId: hash('sha256', `${environmentId}\0top-up\0${row.id}`, 'base64url').slice(0, 22),
    fingerprint: noFingerprint,
    asset: row.asset,
    amount: row.amount,
    purpose: 'paid',
    priority: 50,
    effectiveAtMs: undefined,
    // What was paid for late does not arrive ended.
    expiresAtMs: row.expiresAt !== null && row.expiresAt > Date.now() ? row.expiresAt : undefined,
    description: `top-up ${row.id}`,
    metadata: row.metadata,
    isOwed: true,
  } as const;
}

function toTopUp(row: Row, creditState: (typeof credits.$inferSelect)['state'] | null): TopUp {
  return {
    environmentId: row.environmentId,
    id: row.id,
    customerId: row.customerId,
    asset: row.asset,
    amount: row.amount,
    rate: row.rate ?? undefined,
    currency: row.currency,
    price: row.price,
    paid: row.paid ?? row.price,
    payment: row.payment,
    payerId: row.payerId,
    methodId: row.methodId ?? undefined,
    returnUrl: row.returnUrl ?? undefined,
    receiptEmail: row.receiptEmail ?? undefined,
    addsTax: row.addsTax,
    expiresAtMs: row.expiresAt ?? undefined,
    metadata: row.metadata,
    crossingNo: row.crossingNo ?? undefined,
    status: row.status,
    intentId: row.intentId ?? undefined,
    sessionId: row.sessionId ?? undefined,
    checkoutUrl: row.checkoutUrl ?? undefined,
    actionUrl: row.actionUrl ?? undefined,
    failure:
      row.failureCode === null
        ? undefined
        : { code: row.failureCode, message: row.failureMessage ?? '', retryable: row.failureRetryable ?? false },
    grantNo: row.grantNo ?? undefined,
    isCredited: row.creditedAt !== null || creditState === 'applied',
    reply: row.reply ?? undefined,
    createdAtMs: row.createdAt,
    askedAtMs: row.askedAt ?? undefined,
  };
}
