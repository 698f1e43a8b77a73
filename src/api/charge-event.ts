// One event of a batch, priced and debited as by a charge of its own, and what is told of it.
import { z } from '@hono/zod-openapi';
import type { EventResult } from '../contract.ts';
import { problemBody } from '../errors.ts';
import { bodyBytesMax } from '../limits.ts';
import { refuseFields, type Answer, type Refused } from './answer.ts';
import { answerCharge, chargedReply } from './charge.ts';
import { checkCosts } from './costs.ts';
import { declinedReply, problemReply } from './problem-schemas.ts';
import { brokenAnswer, type Api, type Call } from './route.ts';
import { costs, customerId, labels, subject, timestamp } from './schemas.ts';
import { eventFields } from './spend.ts';
import { formatTime } from './time.ts';
import { validate, validateSizes } from './validate.ts';

/** Of every event's operation, whichever route it is charged by. */
export const eventsPath = '/v1/events';

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
const unpriced = z
  .object({ id: eventId, status: z.literal('unpriced'), code: z.literal('no_price'), detail: z.string() })
  .openapi('EventUnpriced', { description: 'No price matched: it is kept, and can be rated again once there is one.' });
export const eventCharged = charged;
export const eventResult = z.union([charged, declined, unpriced, failed]);

type Charging = {
  /** What the JSON has that no field may have, by path in the event. */
  faults?: { path: string; message: string }[];
  /** Of one that was kept: when it came. */
  receivedMs?: number;
};

/** As if it had come alone. */
export async function chargeEvent(api: Api, batch: Call, given: unknown, how: Charging = {}): Promise<Answer> {
  const { faults = [], receivedMs } = how;
  if (faults.length > 0) return refuseFields(faults);
  const checked = validate(eventBody, given);
  if (checked.status === 'refused') return checked;
  const { id, occurred_at = receivedMs, ...event } = checked.value;
  const oversized = validateSizes(event, bodyBytesMax);
  if (oversized) return oversized;
  const occurredAt = occurred_at === undefined ? undefined : formatTime(occurred_at);
  const isRated = receivedMs !== undefined && { isRated: true as const };
  const body = {
    ...event,
    event_id: id,
    occurred_at,
    event_occurred_at: occurredAt,
    mode: 'strict' as const,
    ...isRated,
  };
  const call: Call<typeof body> = { ...batch, path: eventsPath, body, given, idempotencyKey: id, isKeyOwn: false };
  if (receivedMs !== undefined) call.begunMs = receivedMs;
  try {
    const checking = event.costs && checkCosts(api, batch.environmentId, event.costs);
    const refused = checking instanceof Promise ? await checking : checking;
    return refused ?? (await answerCharge(api, call));
  } catch (error) {
    return brokenAnswer(api, { method: 'POST', path: eventsPath }, call, error);
  }
}

export function resultOf({ requestId }: Call, given: unknown, answer: Answer): EventResult {
  if (answer.status === 'refused') return refusedEvent(requestId, idOf(given), answer);
  if (!('body' in answer)) throw new Error('a charge was answered without a body');
  const { id: charge_id, status: _, ...rest } = answer.body as { id: string; status: string };
  return {
    id: idOf(given),
    status: answer.replayed ? 'duplicate' : 'charged',
    charge_id,
    ...rest,
    ...(answer.unconfirmed && { durability: 'unconfirmed' }),
  } as EventResult;
}

function refusedEvent(requestId: string, id: string | null, refused: Refused): EventResult {
  const { status, ...problem } = problemBody(refused, requestId);
  const result =
    status === 'declined' ? { id, status, ...problem } : { id, status: 'error', http_status: status, ...problem };
  return result as EventResult;
}

function idOf(given: unknown): string | null {
  const id = typeof given === 'object' && given !== null ? (given as { id?: unknown }).id : undefined;
  return typeof id === 'string' ? id : null;
}
