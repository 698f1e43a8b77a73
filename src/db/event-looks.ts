// How far Stripe's own list of events has been read, by environment: from the first payment on.
import { eq, lte, sql as raw } from 'drizzle-orm';
import { orm, type Orm, type Sql } from './connect.ts';
import { eventLooks } from './schema.ts';

export type EventLook = { environmentId: string; seenToMs: number };

/** A payment has arrived: from now on it may be refunded or disputed. */
export async function beginEventLooks(on: Pick<Orm, 'insert'>, environmentId: string): Promise<void> {
  await on.insert(eventLooks).values({ environmentId }).onConflictDoNothing();
}

/** Those whose list is to be read; nobody else is given them for so long. */
export function claimEventLooks(sql: Sql, forMs: number): Promise<EventLook[]> {
  return orm(sql)
    .update(eventLooks)
    .set({ lookAt: raw`clock_timestamp() + make_interval(secs => ${forMs / 1000})` })
    .where(lte(eventLooks.lookAt, raw`clock_timestamp()`))
    .returning({ environmentId: eventLooks.environmentId, seenToMs: eventLooks.seenTo });
}

/** All that was told until then has been taken in. */
export async function noteEventsSeen(sql: Sql, environmentId: string, toMs: number): Promise<void> {
  await orm(sql)
    .update(eventLooks)
    .set({ seenTo: raw`greatest(${eventLooks.seenTo}, to_timestamp(${toMs}::float8 / 1000))` })
    .where(eq(eventLooks.environmentId, environmentId));
}
