// Top-ups that are under way: what has become of each at Stripe, when it is due to be looked at.
//
// A webhook that never came, a reply that was lost, a gateway that died between two steps: all are found here.
import type { Sql } from '../db/connect.ts';
import { claimTopUps } from '../db/top-ups.ts';
import type { Payments } from '../payments/payments.ts';

const topUpsMax = 32;

export type LookedAt = { looked: number; unknown: number };

export async function lookAtTopUps(
  sql: Sql,
  payments: Pick<Payments, 'advance'>,
  onError: (error: Error, what: string) => void,
): Promise<LookedAt> {
  const claimed = await claimTopUps(sql, topUpsMax);
  const ends = await Promise.all(
    claimed.map(async (topUp) => {
      try {
        return (await payments.advance(topUp)).status;
      } catch (error) {
        onError(error as Error, `looking at top-up ${topUp.id}`);
        return 'unknown';
      }
    }),
  );
  return { looked: claimed.length, unknown: ends.filter((status) => status === 'unknown').length };
}
