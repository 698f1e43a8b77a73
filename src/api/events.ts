// POST /v1/events: a batch of what happened, each event priced and debited by itself.
//
// All events begin in one turn of the event loop: priced from memory, and sent to Redis in one write (wallet/call.ts). From
// there each goes the way of a charge, through the same code, so that a wallet that is absent, a catalog that is stale or an
// outcome that is unknown concerns its own event alone.
import { z } from '@hono/zod-openapi';
import type { EventsReply } from '../contract.ts';
import { eventsMax } from '../limits.ts';
import { chargeEvent, eventResult } from './charge-event.ts';
import { countResults, keepResults } from './keep-unpriced.ts';
import { defineRoute, type Call } from './route.ts';

const eventsBody = z
  .strictObject({
    // One that is none is answered in its place.
    events: z.array(z.unknown().openapi({ anyOf: [{ $ref: '#/components/schemas/EventRequest' }, {}] })).max(eventsMax),
  })
  .openapi('EventsRequest');

export const takeEvents = defineRoute({
  summary: 'Price and debit a batch of events, each by itself',
  description:
    'Each event is charged as by `POST /v1/charge`, or refused, whatever becomes of the others; its `id` is its idempotency key, so an `Idempotency-Key` of the batch changes nothing. ' +
    'An event of the past is priced by what was published then, and counts in the present window of its budgets. One that no price matches is kept, and can be rated again.',
  body: eventsBody,
  leavesFaults: true,
  reply: {
    status: 200,
    description: 'One result for each event, in their order.',
    schema: z.object({ results: z.array(eventResult) }).openapi('EventsReply'),
  },
  errors: [],
  handle: async (api, call) => {
    const { events } = call.body;
    const answers = await Promise.all(
      events.map((given, at) => chargeEvent(api, call, given, { faults: faultsAt(call, `events.${at}`) })),
    );
    const body: EventsReply = { results: await keepResults(api, call, events, answers) };
    countResults(api, body.results);
    return { status: 200, body };
  },
});

/** Paths as they are within the event. */
function faultsAt({ faults }: Call, place: string) {
  if (faults.length === 0) return [];
  const own = faults.filter(({ path: at }) => at === place || at.startsWith(`${place}.`));
  return own.map(({ path: at, message }) => ({ path: at.slice(place.length + 1), message }));
}
