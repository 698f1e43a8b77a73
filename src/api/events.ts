// POST /v1/events: a batch of what happened, each event priced and debited by itself.
//
// All events begin in one turn of the event loop: priced from memory, and sent to Redis in one write (wallet/call.ts). From
// there each goes the way of a charge, through the same code, so that a wallet that is absent, a catalog that is stale or an
// outcome that is unknown concerns its own event alone.
import { z } from '@hono/zod-openapi';
import type { EventResult, EventsReply } from '../contract.ts';
import { problemBody } from '../errors.ts';
import { bodyBytesMax, eventsMax } from '../limits.ts';
import { refuseFields, type Answer } from './answer.ts';
import { answerCharge, chargedReply } from './charge.ts';
import { checkCosts } from './costs.ts';
import { declinedReply, problemReply } from './problem-schemas.ts';
import { brokenAnswer, defineRoute, type Api, type Call } from './route.ts';
import { costs, customerId, labels, subject, timestamp } from './schemas.ts';
import { eventFields } from './spend.ts';
import { formatTime } from './time.ts';
import { validate, validateSizes } from './validate.ts';

const path = '/v1/events';

export const eventBody = z
  .strictObject({
    id: z
      .string()
      .regex(/^[\x20-\x7e]{1,128}$/, 'must be 1 to 128 printable ASCII characters')
      .openapi({ description: 'The same id and event again, of the same customer, have no further effect.' }),
    customer_id: customerId,
    ...eventFields,
    subject: subject.optional(),
    labels: labels.optional(),
    costs: costs.optional(),
    occurred_at: timestamp.optional().openapi({
      description: 'When it happened, by which it is priced: at most 35 days ago, 5 minutes ahead. Absent: now.',
    }),
  })
  .openapi('EventRequest');

const eventsBody = z
  .strictObject({
    // One that is none is answered in its place.
    events: z.array(z.unknown().openapi({ anyOf: [{ $ref: '#/components/schemas/EventRequest' }, {}] })).max(eventsMax),
  })
  .openapi('EventsRequest');

const eventId = z.string().openapi({ description: "The event's." });
const charged = z
  .object({
    ...chargedReply.shape,
    id: eventId,
    status: z
      .enum(['charged', 'duplicate'])
      .openapi({ description: '`duplicate`: this id was charged by an earlier request or attempt, as told.' }),
    charge_id: z.string().openapi({ description: '`chg_…`' }),
  })
  .openapi('EventCharged');
const declined = z.object({ ...declinedReply.shape, id: eventId }).openapi('EventDeclined');
const failed = z
  .object({
    ...problemReply.shape,
    id: z.string().nullable().openapi({ description: 'Null: what was sent has none.' }),
    status: z.literal('error'),
    http_status: z.int().openapi({ description: 'What a charge of its own would have been answered with.' }),
  })
  .openapi('EventError');
const eventResult = z.union([charged, declined, failed]);

export const takeEvents = defineRoute({
  summary: 'Price and debit a batch of events, each by itself',
  description:
    'Each event is charged as by `POST /v1/charge`, or refused, whatever becomes of the others; its `id` is its idempotency key, so an `Idempotency-Key` of the batch changes nothing. ' +
    'An event of the past is priced by what was published then, and counts in the present window of its budgets.',
  body: eventsBody,
  leavesFaults: true,
  reply: {
    status: 200,
    description: 'One result for each event, in their order.',
    schema: z.object({ results: z.array(eventResult) }).openapi('EventsReply'),
  },
  errors: [],
  handle: async (api, call) => {
    const answers = await Promise.all(call.body.events.map((given, at) => answerEvent(api, call, given, at)));
    const results = answers.map((answer, at) => resultOf(call, call.body.events[at], answer));
    const body: EventsReply = { results };
    return { status: 200, body };
  },
});

/** As if it had come alone. */
async function answerEvent(api: Api, batch: Call, given: unknown, at: number): Promise<Answer> {
  const faults = batch.faults.length === 0 ? [] : faultsAt(batch, `events.${at}`);
  if (faults.length > 0) return refuseFields(faults);
  const checked = validate(eventBody, given);
  if (checked.status === 'refused') return checked;
  const { id, occurred_at, ...event } = checked.value;
  const oversized = validateSizes(event, bodyBytesMax);
  if (oversized) return oversized;
  const occurredAt = occurred_at === undefined ? undefined : formatTime(occurred_at);
  const body = { ...event, event_id: id, occurred_at, event_occurred_at: occurredAt, mode: 'strict' as const };
  const call = { ...batch, body, given, idempotencyKey: id, isKeyOwn: false };
  try {
    const checking = event.costs && checkCosts(api, batch.environmentId, event.costs);
    const refused = checking instanceof Promise ? await checking : checking;
    return refused ?? (await answerCharge(api, call));
  } catch (error) {
    return brokenAnswer(api, { method: 'POST', path }, call, error);
  }
}

/** Paths as they are within the event. */
function faultsAt({ faults }: Call, place: string) {
  const own = faults.filter(({ path: at }) => at === place || at.startsWith(`${place}.`));
  return own.map(({ path: at, message }) => ({ path: at.slice(place.length + 1), message }));
}

function resultOf({ requestId }: Call, given: unknown, answer: Answer): EventResult {
  if (answer.status === 'refused') {
    const { status, ...problem } = problemBody(answer, requestId);
    const id = idOf(given);
    const result =
      status === 'declined' ? { id, status, ...problem } : { id, status: 'error', http_status: status, ...problem };
    return result as EventResult;
  }
  if (!('body' in answer)) throw new Error('a charge was answered without a body');
  const { id: charge_id, status: _, ...charged } = answer.body as { id: string; status: string };
  return {
    id: idOf(given),
    status: answer.replayed ? 'duplicate' : 'charged',
    charge_id,
    ...charged,
    ...(answer.unconfirmed && { durability: 'unconfirmed' }),
  } as EventResult;
}

function idOf(given: unknown): string | null {
  const id = typeof given === 'object' && given !== null ? (given as { id?: unknown }).id : undefined;
  return typeof id === 'string' ? id : null;
}
