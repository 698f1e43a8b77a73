// Events that no price matched: each is kept once, and stays when it has been rated.
import { and, asc, desc, eq, gt, inArray, lt } from 'drizzle-orm';
import type { KeptEvent, NewKeptEvent, PageRequest } from '../records.ts';
import { orm, type Sql } from './connect.ts';
import { cursorOf, pageOf, type Listed } from './page.ts';
import { unpricedEvents } from './schema.ts';

const cursors = cursorOf('number');

/** Gives back how each is kept, by now: the first one of a customer's id stays. */
export async function keepUnpriced(
  sql: Sql,
  environmentId: string,
  events: readonly NewKeptEvent[],
): Promise<{ kept: KeptEvent[]; newCount: number }> {
  const db = orm(sql);
  const added = await db
    .insert(unpricedEvents)
    .values(events.map((event) => ({ environmentId, ...event })))
    .onConflictDoNothing()
    .returning({ no: unpricedEvents.no });
  const ids = [...new Set(events.map(({ eventId }) => eventId))];
  const customerIds = [...new Set(events.map(({ customerId }) => customerId))];
  const rows = await db
    .select()
    .from(unpricedEvents)
    .where(
      and(
        eq(unpricedEvents.environmentId, environmentId),
        inArray(unpricedEvents.customerId, customerIds),
        inArray(unpricedEvents.eventId, ids),
      ),
    );
  return { kept: rows.map(toKept), newCount: added.length };
}

/** Newest first; `oldest`: the other way, as they are rated. */
export async function listKept(
  sql: Sql,
  environmentId: string,
  filter: { status: KeptEvent['status'] | undefined; customerId: string | undefined; oldest?: boolean },
  page: PageRequest,
): Promise<Listed<KeptEvent>> {
  const after = cursors.read(page.cursor);
  if (after === 'bad_cursor') return after;
  const { no, status, customerId } = unpricedEvents;
  const rows = await orm(sql)
    .select()
    .from(unpricedEvents)
    .where(
      and(
        eq(unpricedEvents.environmentId, environmentId),
        filter.status && eq(status, filter.status),
        filter.customerId === undefined ? undefined : eq(customerId, filter.customerId),
        after && (filter.oldest ? gt(no, after[0]) : lt(no, after[0])),
      ),
    )
    .orderBy(filter.oldest ? asc(no) : desc(no))
    .limit(page.limit + 1);
  return pageOf(rows, { limit: page.limit, item: toKept, cursor: (row) => cursors.write([row.no]) });
}

/** What became of one that was unpriced; whoever says so first is right. */
export async function noteRated(
  sql: Sql,
  environmentId: string,
  { customerId, eventId }: Pick<KeptEvent, 'customerId' | 'eventId'>,
  rated: { status: 'charged'; charge: string } | { status: 'conflict' },
): Promise<void> {
  await orm(sql)
    .update(unpricedEvents)
    .set(rated)
    .where(
      and(
        eq(unpricedEvents.environmentId, environmentId),
        eq(unpricedEvents.customerId, customerId),
        eq(unpricedEvents.eventId, eventId),
        eq(unpricedEvents.status, 'unpriced'),
      ),
    );
}

function toKept(row: typeof unpricedEvents.$inferSelect): KeptEvent {
  const { customerId, eventId, fingerprint, event, status, receivedAt: receivedAtMs } = row;
  return { customerId, eventId, fingerprint, event, status, charge: row.charge ?? undefined, receivedAtMs };
}
