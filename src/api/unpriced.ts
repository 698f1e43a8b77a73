// GET /v1/events and POST /v1/events/rate: events that no price matched when they came, and rating them again.
//
// Rated again, an event is charged under the operation that it was from the first, so that whoever rates it, or sends it once
// more, charges it once. Redis remembers operations for an hour, and this may be weeks later: the ledger is asked first, back
// to when the event came.
import { z } from '@hono/zod-openapi';
import type { EventRequest, EventResult, KeptEvent as KeptReply, RateEventsReply } from '../contract.ts';
import { eventsMax } from '../limits.ts';
import type { KeptEvent } from '../records.ts';
import type { Answer } from './answer.ts';
import { chargeEvent, eventBody, eventCharged, eventResult, resultOf } from './charge-event.ts';
import { countResults } from './keep-unpriced.ts';
import { badCursor, listAnswer, pageFields, pageOf, pageSchema } from './paging.ts';
import { defineRoute, type Api, type Call } from './route.ts';
import { customerId, timeOut } from './schemas.ts';
import { formatTime } from './time.ts';

const status = z.enum(['unpriced', 'charged', 'conflict']).openapi({
  description: '`charged`: it was rated again since. `conflict`: another event was charged under its id.',
});

const keptReply = z
  .object({
    ...eventBody.shape,
    occurred_at: timeOut.optional(),
    status,
    received_at: timeOut,
    charge: eventCharged.optional().openapi({ description: 'What it was charged.' }),
  })
  .openapi('KeptEvent');

export const listEvents = defineRoute({
  summary: 'List events that no price matched when they came',
  description: 'Newest first. One that was sent again, and charged then, is `unpriced` here until it is rated.',
  query: z.strictObject({ ...pageFields, status: status.optional(), customer_id: customerId.optional() }),
  reply: { status: 200, description: 'They are kept for good.', schema: pageSchema(keptReply) },
  errors: [],
  handle: async (api, { environmentId, query }) => {
    const filter = { status: query.status, customerId: query.customer_id };
    return listAnswer(await api.ledger.listKept(environmentId, filter, pageOf(query)), show);
  },
});

function show({ event, status: kept, charge, receivedAtMs }: KeptEvent): KeptReply {
  return {
    ...(JSON.parse(event) as EventRequest),
    status: kept,
    received_at: formatTime(receivedAtMs),
    ...(charge !== undefined && { charge: JSON.parse(charge) as KeptReply['charge'] }),
  };
}

export const rateEvents = defineRoute({
  summary: 'Rate unpriced events again, once there is a price',
  description:
    'The oldest first: each is charged as by `POST /v1/events`, once, whoever else does so; by the prices of its time or, where those have none, by the present ones. ' +
    'One that still has no price, or is declined, stays. An `Idempotency-Key` changes nothing.',
  body: z
    .strictObject({
      customer_id: customerId.optional(),
      limit: z.int().min(1).max(eventsMax).default(eventsMax),
      cursor: z.string().max(512).optional(),
    })
    .openapi('RateEventsRequest'),
  reply: {
    status: 200,
    description: 'One result for each; with `next_cursor` the rest is rated.',
    schema: z
      .object({
        results: z.array(z.object({ customer_id: z.string(), result: eventResult })),
        next_cursor: z.string().nullable(),
      })
      .openapi('RateEventsReply'),
  },
  errors: [],
  handle: async (api, call) => {
    const { environmentId, body } = call;
    const filter = { status: 'unpriced' as const, customerId: body.customer_id, oldest: true };
    const waiting = await api.ledger.listKept(environmentId, filter, { limit: body.limit, cursor: body.cursor });
    if (waiting === 'bad_cursor') return badCursor;
    call.mayBeApplied = true;
    const rated = await Promise.all(waiting.items.map((event) => rate(api, call, event)));
    countResults(api, rated);
    const results = rated.map((result, at) => ({ customer_id: waiting.items[at]!.customerId, result }));
    const reply: RateEventsReply = { results, next_cursor: waiting.nextCursor ?? null };
    return { status: 200, body: reply };
  },
});

async function rate(api: Api, call: Call, kept: KeptEvent): Promise<EventResult> {
  const { environmentId } = call;
  const given = JSON.parse(kept.event) as EventRequest;
  const answer: Answer = await chargeEvent(api, call, given, { receivedMs: kept.receivedAtMs });
  const result = resultOf(call, given, answer);
  // Charged is charged: should this fail, it is found in the ledger when it is rated the next time.
  if (answer.status !== 'refused') {
    const charge = JSON.stringify({ ...result, status: 'charged' });
    await api.ledger.noteRated(environmentId, kept, { status: 'charged', charge });
  } else if (answer.code === 'idempotency_conflict') {
    await api.ledger.noteRated(environmentId, kept, { status: 'conflict' });
  }
  const isUnpriced = answer.status === 'refused' && answer.code === 'no_price';
  return isUnpriced ? { id: kept.eventId, status: 'unpriced', code: 'no_price', detail: answer.detail } : result;
}
