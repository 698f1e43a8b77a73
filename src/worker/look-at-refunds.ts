// Refunds and disputes that are under way: what Stripe has of each top-up that is due to be looked at, and what follows from it.
//
// Also what nobody here asked for: a refund in Stripe's dashboard, a dispute; and what was broken off in any step.
import type { Sql } from '../db/connect.ts';
import { claimRefundLooks, endLook, type RefundsLook } from '../db/refunds.ts';
import type { Payments } from '../payments/payments.ts';

const topUpsMax = 32;
const soonMs = 1_000;

/** Returns how many top-ups were seen to. */
export async function lookAtRefunds(
  sql: Sql,
  payments: Pick<Payments, 'seeToRefunds'>,
  onError: (error: Error, what: string) => void,
): Promise<number> {
  const claimed = await claimRefundLooks(sql, topUpsMax);
  await Promise.all(
    claimed.map((look) =>
      seeTo(sql, payments, look).catch((error: Error) => onError(error, `the refunds of top-up ${look.topUp.id}`)),
    ),
  );
  return claimed.length;
}

async function seeTo(sql: Sql, payments: Pick<Payments, 'seeToRefunds'>, look: RefundsLook): Promise<void> {
  const seen = await payments.seeToRefunds(look.topUp);
  if (seen === 'rests') await endLook(sql, look, 'rests');
  else if (seen === 'soon') await endLook(sql, look, { inMs: soonMs });
}
