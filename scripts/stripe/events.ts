// Events: what happened, kept and sent. https://docs.stripe.com/api/events
import type Stripe from 'stripe';
import { z } from 'zod';
import { list, listParams, missing, ok, read, text, type Params, type Reply } from './reply.ts';
import { makeId, type Books, type World } from './world.ts';

/** The version of the API that the official package speaks, and these shapes are of. */
export const apiVersion = '2026-10-28.endive';

export function makeEvent(
  books: Books,
  {
    type,
    object,
    createdSeconds,
    request,
  }: { type: string; object: object; createdSeconds: number; request: Stripe.Event['request'] },
): Stripe.Event {
  const event = {
    id: makeId('evt'),
    object: 'event',
    api_version: apiVersion,
    created: createdSeconds,
    // As it is now: it goes on changing in the books.
    data: { object: structuredClone(object) },
    livemode: false,
    pending_webhooks: 1,
    request,
    type,
    // `type` is any text: tests send events of types that nobody knows.
  } as unknown as Stripe.Event;
  books.events[event.id] = event;
  return event;
}

export function getEvent({ books }: World, id: string): Reply {
  const event = books.events[id];
  return event ? ok(event) : missing('event', id, 'id');
}

const listed = z.strictObject({ ...listParams, type: text.optional(), types: z.array(text).optional() });

export function listEvents({ books }: World, params: Params): Reply {
  const given = read(listed, params);
  if (given.status === 'wrong') return given.reply;
  const { type, types = type === undefined ? undefined : [type] } = given.value;
  const all = Object.values(books.events).filter((event) => types === undefined || types.includes(event.type));
  return list('/v1/events', all, given.value);
}
