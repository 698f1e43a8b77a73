// Automatic top-ups: what each is to do, and how far its present crossing has come.
//
// Whatever decides takes the row's lock first, and is given up where the row has moved on: so of any number of workers one
// makes the next attempt, and all that was reserved of the month's limit is counted when the next is. A crossing's attempts
// are numbered, and the id of each one's top-up follows from environment, customer, asset, crossing and number.
import { hash } from 'node:crypto';
import { and, eq, gte, inArray, isNotNull, isNull, lte, or, sql as raw, type SQL } from 'drizzle-orm';
import type { AutoTopUp, AutoTopUpId, AutoTopUpTerms, TopUp } from '../records.ts';
import { noFingerprint } from '../wallet/operation.ts';
import { orm, type Orm, type Sql } from './connect.ts';
import { autoTopUps, refunds, topUps } from './schema.ts';
import { findTopUp, insertTopUp, noteCredited, type NewTopUp } from './top-ups.ts';

type Row = typeof autoTopUps.$inferSelect;

/** How long nobody else is given what somebody sees to. */
const claimMs = 15_000;
const now = raw`clock_timestamp()`;
const inMs = (ms: number) => raw`clock_timestamp() + make_interval(secs => ${ms / 1000})`;
/** Months are UTC's. */
const monthStart = raw`date_trunc('month', clock_timestamp() at time zone 'UTC') at time zone 'UTC'`;
const nextMonthStart = raw`(date_trunc('month', clock_timestamp() at time zone 'UTC') + interval '1 month') at time zone 'UTC'`;

const isAuto = ({ environmentId, customerId, asset }: AutoTopUpId): SQL | undefined =>
  and(eq(autoTopUps.environmentId, environmentId), eq(autoTopUps.customerId, customerId), eq(autoTopUps.asset, asset));

/** As asked from now on. A crossing that is under way goes on by the new terms; else the trigger is armed anew. */
export async function putAutoTopUp(sql: Sql, id: AutoTopUpId, terms: AutoTopUpTerms): Promise<void> {
  const columns = {
    isEnabled: terms.isEnabled,
    isDeleted: false,
    threshold: terms.threshold,
    amount: terms.amount ?? null,
    target: terms.target ?? null,
    currency: terms.currency,
    monthlyLimit: terms.monthlyLimit,
    methodId: terms.methodId ?? null,
    returnUrl: terms.returnUrl ?? null,
    lookAt: now,
    putAt: now,
  };
  await orm(sql)
    .insert(autoTopUps)
    .values({ ...id, ...columns })
    .onConflictDoUpdate({
      target: [autoTopUps.environmentId, autoTopUps.customerId, autoTopUps.asset],
      set: { ...columns, armedNo: armedAnew },
    });
}

const armedAnew = raw`${autoTopUps.armedNo} + (${autoTopUps.crossedNo} < ${autoTopUps.armedNo})::integer`;

/** False: there is none. What is under way goes on to its end. */
export async function deleteAutoTopUp(sql: Sql, id: AutoTopUpId): Promise<boolean> {
  const deleted = await orm(sql)
    .update(autoTopUps)
    .set({ isDeleted: true, isEnabled: false, lookAt: now, armedNo: armedAnew })
    .where(and(isAuto(id), eq(autoTopUps.isDeleted, false)))
    .returning({ asset: autoTopUps.asset });
  return deleted.length > 0;
}

/** A deleted one is found by a worker only, which may have something left to do. */
export async function findAutoTopUp(
  sql: Sql,
  id: AutoTopUpId,
  { withDeleted = false } = {},
): Promise<AutoTopUp | undefined> {
  const [row] = await orm(sql)
    .select()
    .from(autoTopUps)
    .where(and(isAuto(id), withDeleted ? undefined : eq(autoTopUps.isDeleted, false)));
  if (!row) return undefined;
  const topUp = row.topUpId === null ? undefined : await findTopUp(sql, id.environmentId, row.topUpId);
  const [spent, isHeldOff] = [await spentThisMonth(orm(sql), id), await wasRefunded(sql, id, row.putAt)];
  return toAutoTopUp(row, { topUp, spent, isHeldOff });
}

/** Whether bought credit has gone back since then, or is about to: what is given back is not bought again by itself. */
async function wasRefunded(sql: Sql, { environmentId, customerId, asset }: AutoTopUpId, sinceMs: number) {
  const rows = await orm(sql)
    .select({ id: refunds.id })
    .from(refunds)
    .where(
      and(
        ...[eq(refunds.environmentId, environmentId), eq(refunds.customerId, customerId), eq(refunds.asset, asset)],
        gte(refunds.createdAt, sinceMs),
        or(isNull(refunds.outcome), eq(refunds.outcome, 'taken')),
      ),
    )
    .limit(1);
  return rows.length > 0;
}

/** Those that are to be seen to; nobody else is given them for a while. */
export async function claimAutoTopUps(sql: Sql, limit: number): Promise<AutoTopUpId[]> {
  const due = orm(sql)
    .select({ environmentId: autoTopUps.environmentId, customerId: autoTopUps.customerId, asset: autoTopUps.asset })
    .from(autoTopUps)
    .where(lte(autoTopUps.lookAt, now))
    .orderBy(autoTopUps.lookAt)
    .limit(limit)
    .for('no key update', { skipLocked: true });
  return orm(sql)
    .update(autoTopUps)
    .set({ lookAt: inMs(claimMs) })
    .where(raw`(${autoTopUps.environmentId}, ${autoTopUps.customerId}, ${autoTopUps.asset}) in ${due}`)
    .returning({
      environmentId: autoTopUps.environmentId,
      customerId: autoTopUps.customerId,
      asset: autoTopUps.asset,
    });
}

/** Redis waits for this crossing now, or will never again. */
export async function noteArmed(sql: Sql, { armedNo, ...id }: AutoTopUpId & { armedNo: number }): Promise<void> {
  await orm(sql)
    .update(autoTopUps)
    .set({ toldNo: armedNo, lookAt: null })
    .where(and(isAuto(id), eq(autoTopUps.armedNo, armedNo), isArmed));
}

const isArmed = raw`${autoTopUps.crossedNo} < ${autoTopUps.armedNo}`;

/** The account was below the bound already. */
export async function noteCrossed(sql: Sql, { armedNo, ...id }: AutoTopUpId & { armedNo: number }): Promise<void> {
  await orm(sql)
    .update(autoTopUps)
    .set({ crossedNo: armedNo, crossedAt: now, toldNo: armedNo, lookAt: now, state: waitingOr('charging') })
    .where(and(isAuto(id), eq(autoTopUps.armedNo, armedNo), isArmed));
}

/** What a crossing waits for stays shown while nobody has seen to it. */
const waitingOr = (state: Row['state']) =>
  raw`case when ${autoTopUps.state} = 'armed' then ${state}::auto_top_up_state else ${autoTopUps.state} end`;

/** Nothing is to be done now: shows where it stands, and when somebody looks again. Unless it has moved on. */
export async function noteWaiting(
  sql: Sql,
  auto: AutoTopUp,
  waiting: { state: Row['state']; lookInMs: number },
): Promise<void> {
  await orm(sql)
    .update(autoTopUps)
    .set({ state: waiting.state, lookAt: raw`greatest(${inMs(waiting.lookInMs)}, ${autoTopUps.nextAttemptAt})` })
    .where(isAsSeen(auto));
}

/** Nobody has begun or ended anything since it was read. */
function isAsSeen(auto: AutoTopUp): SQL | undefined {
  return and(
    isAuto(auto),
    eq(autoTopUps.armedNo, auto.armedNo),
    eq(autoTopUps.attemptsCount, auto.attemptsCount),
    auto.topUp ? eq(autoTopUps.topUpId, auto.topUp.id) : isNull(autoTopUps.topUpId),
  );
}

export type NewAttempt = Omit<NewTopUp, 'operationId' | 'fingerprint' | 'customerId' | 'asset'>;

/**
 * Begins the next attempt, if it fits into what the month has left. `moved`: somebody else has seen to it meanwhile.
 */
export async function beginAttempt(
  sql: Sql,
  auto: AutoTopUp,
  attempt: NewAttempt,
): Promise<{ status: 'begun'; topUpId: string } | { status: 'capped' | 'moved' }> {
  const { environmentId, customerId, asset, armedNo, attemptsCount } = auto;
  return orm(sql).transaction(async (transaction) => {
    const [row] = await transaction
      .select()
      .from(autoTopUps)
      .where(and(isAsSeen(auto), eq(autoTopUps.isEnabled, true)))
      .for('update');
    if (!row || row.topUpId !== null || row.crossedNo < row.armedNo) return { status: 'moved' };
    if ((await spentThisMonth(transaction, auto)) + attempt.price > row.monthlyLimit) {
      await transaction
        .update(autoTopUps)
        .set({
          state: 'capped',
          nextAttemptAt: nextMonthStart,
          lookAt: nextMonthStart,
          errorCode: 'monthly_limit',
          errorMessage: 'The next charge would exceed the limit of this month.',
        })
        .where(isAuto(auto));
      return { status: 'capped' };
    }
    const source = [environmentId, 'auto-top-up', customerId, asset, armedNo, attemptsCount].join('\0');
    const operationId = hash('sha256', source, 'base64url').slice(0, 22);
    const topUpId = `top_${operationId}`;
    await insertTopUp(transaction, environmentId, topUpId, {
      ...{ ...attempt, customerId, asset, operationId },
      ...{ fingerprint: noFingerprint, crossingNo: armedNo },
    });
    await transaction
      .update(autoTopUps)
      .set({ state: 'charging', topUpId, attemptsCount: attemptsCount + 1, nextAttemptAt: null })
      .where(isAuto(auto));
    return { status: 'begun', topUpId };
  });
}

/** The attempt came to nothing, or there could be none: what is shown, and when the next one is made. */
export async function noteFailure(
  sql: Sql,
  auto: AutoTopUp,
  failure: { state: 'backing_off' | 'suspended'; code: string; message: string; failures: number; lookInMs: number },
): Promise<void> {
  const { state, code, message, failures, lookInMs } = failure;
  await orm(sql)
    .update(autoTopUps)
    .set({
      state,
      topUpId: null,
      failuresCount: failures,
      failedMethodId: (auto.topUp ?? { methodId: auto.failedMethodId }).methodId ?? null,
      errorCode: code,
      errorMessage: message,
      nextAttemptAt: state === 'backing_off' ? inMs(lookInMs) : null,
      lookAt: inMs(lookInMs),
    })
    .where(isAsSeen(auto));
}

/** There is something else to pay with: what failed before, or was given up for it, does not count. */
export async function forgetFailures(sql: Sql, auto: AutoTopUp): Promise<void> {
  await orm(sql)
    .update(autoTopUps)
    .set({ topUpId: null, failuresCount: 0, failedMethodId: null, nextAttemptAt: null })
    .where(isAsSeen(auto));
}

/** The money is in the wallet, or nothing is missing any more: the next crossing is waited for. */
export async function endCrossing(sql: Sql, auto: AutoTopUp): Promise<void> {
  if (auto.topUp) await noteCredited(sql, auto.environmentId, auto.topUp.id);
  await orm(sql)
    .update(autoTopUps)
    .set({
      state: 'armed',
      // A crossing that was told of late is not waited for again.
      armedNo: raw`greatest(${autoTopUps.armedNo}, ${autoTopUps.crossedNo}) + 1`,
      attemptsCount: 0,
      topUpId: null,
      failuresCount: 0,
      failedMethodId: null,
      errorCode: null,
      errorMessage: null,
      nextAttemptAt: null,
      lookAt: now,
    })
    .where(isAsSeen(auto));
}

/** The customer has something else to pay with, perhaps. */
export async function lookAtWaiting(sql: Sql, environmentId: string, customerId: string): Promise<void> {
  await orm(sql)
    .update(autoTopUps)
    .set({ lookAt: now })
    .where(
      and(
        eq(autoTopUps.environmentId, environmentId),
        eq(autoTopUps.customerId, customerId),
        inArray(autoTopUps.state, ['requires_action', 'backing_off', 'suspended']),
      ),
    );
}

/**
 * Armed, and nobody looks at it, though the ledger has the account below the bound: Redis has lost the trigger, or a release
 * that does not know of it has written the account. They are told again.
 */
export async function findUnnoticed(sql: Sql): Promise<number> {
  const found = await sql`
    update auto_top_ups auto set look_at = clock_timestamp(), told_no = armed_no - 1
    from wallets, accounts
    where auto.is_enabled and auto.look_at is null and auto.crossed_no < auto.armed_no
      and (wallets.environment_id, wallets.customer_id) = (auto.environment_id, auto.customer_id)
      and (accounts.environment_id, accounts.wallet_id, accounts.asset) = (auto.environment_id, wallets.wallet_id, auto.asset)
      and accounts.available - coalesce((
        select sum(remaining) from grants
        where (grants.environment_id, grants.wallet_id) = (auto.environment_id, wallets.wallet_id)
          and grants.asset = auto.asset and grants.scoped and grants.remaining > 0
      ), 0) < auto.threshold + (auto.target is distinct from auto.threshold)::integer`;
  return found.count;
}

/** The ledger has its credit. */
const isApplied = raw`exists (
  select from customers join credits using (environment_id, wallet_id)
  where customers.environment_id = ${topUps.environmentId} and customers.id = ${topUps.customerId}
    and credits.grant_no = ${topUps.grantNo} and credits.state = 'applied')`;

/** What other top-ups are about to bring: charges under way, and money whose credit is. */
export async function pendingFor(sql: Sql, auto: AutoTopUpId): Promise<bigint> {
  const [row] = await orm(sql)
    .select({ sum: raw<string>`coalesce(sum(${topUps.amount}), 0)::text` })
    .from(topUps)
    .where(
      and(
        eq(topUps.environmentId, auto.environmentId),
        eq(topUps.customerId, auto.customerId),
        eq(topUps.asset, auto.asset),
        eq(topUps.payment, 'saved'),
        or(
          and(eq(topUps.status, 'pending'), isNull(topUps.failureCode)),
          and(eq(topUps.status, 'succeeded'), isNull(topUps.creditedAt), raw`not ${isApplied}`),
        ),
      ),
    );
  return BigInt(row?.sum ?? 0);
}

/**
 * All that was charged in this month, or may have been: what was begun before and is not known to have ended before counts,
 * too. So whatever Stripe says in which month it charged, there it is counted.
 */
async function spentThisMonth(on: Pick<Orm, 'select'>, auto: AutoTopUpId): Promise<number> {
  const [row] = await on
    .select({ sum: raw<string>`coalesce(sum(${topUps.price}), 0)::text` })
    .from(topUps)
    .where(
      and(
        eq(topUps.environmentId, auto.environmentId),
        eq(topUps.customerId, auto.customerId),
        eq(topUps.asset, auto.asset),
        isNotNull(topUps.crossingNo),
        inArray(topUps.status, ['pending', 'requires_action', 'succeeded', 'refunded']),
        or(
          raw`${topUps.createdAt} >= ${monthStart}`,
          isNull(topUps.creditedAt),
          raw`${topUps.creditedAt} >= ${monthStart}`,
        ),
      ),
    );
  return Number(row?.sum ?? 0);
}

function toAutoTopUp(
  row: Row,
  { topUp, spent, isHeldOff }: { topUp: TopUp | undefined; spent: number; isHeldOff: boolean },
): AutoTopUp {
  return {
    environmentId: row.environmentId,
    customerId: row.customerId,
    asset: row.asset,
    isEnabled: row.isEnabled,
    threshold: row.threshold,
    amount: row.amount ?? undefined,
    target: row.target ?? undefined,
    currency: row.currency,
    monthlyLimit: row.monthlyLimit,
    methodId: row.methodId ?? undefined,
    returnUrl: row.returnUrl ?? undefined,
    state: row.state,
    armedNo: row.armedNo,
    crossedNo: row.crossedNo,
    toldNo: row.toldNo,
    crossedAtMs: row.crossedAt ?? undefined,
    attemptsCount: row.attemptsCount,
    failuresCount: row.failuresCount,
    failedMethodId: row.failedMethodId ?? undefined,
    error: row.errorCode === null ? undefined : { code: row.errorCode, message: row.errorMessage ?? '' },
    nextAttemptAtMs: row.nextAttemptAt ?? undefined,
    isHeldOff,
    topUp,
    spentThisMonth: spent,
  };
}
