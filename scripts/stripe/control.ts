// What Stripe does not have: routes under /_stand_in that tell the stand-in how to behave, and show its books.
//
// JSON in and out. Whoever reaches the port may use them, so it listens on this machine alone.
import { z } from 'zod';
import { endDispute, openDispute } from './disputes.ts';
import { endRefund } from './refunds.ts';
import type { StandIn } from './stand-in.ts';

const at = (path: string): RegExp => new RegExp(`^${path.replaceAll('{id}', '([^/]+)')}$`);
const faults = z.strictObject({
  hold: z.boolean().optional(),
  lose: z.int().min(0).optional(),
  copies: z.int().min(1).optional(),
  delay_ms: z.int().min(0).optional(),
});
const planned = z.array(
  z.strictObject({
    match: z.string(),
    fault: z.enum(['lose_request', 'lose_reply', 'hold_request', 'hold_reply', 'fail', 'limit']),
  }),
);
const dispute = z.strictObject({
  charge: z.string(),
  amount: z.int().min(1).optional(),
  reason: z.string().default('fraudulent'),
});

type Controls = readonly [target: RegExp, run: (standIn: StandIn, id: string, body: unknown) => unknown];

const controls: readonly Controls[] = [
  [at('GET /_stand_in/books'), ({ books }) => books],
  [at('GET /_stand_in/deliveries'), ({ webhooks }) => webhooks.deliveries()],
  [
    at('POST /_stand_in/endpoints'),
    ({ webhooks }, _id, body) => {
      webhooks.endpoints.push(z.strictObject({ url: z.url(), secrets: z.array(z.string().min(1)).min(1) }).parse(body));
      return webhooks.endpoints.map(({ url }) => ({ url }));
    },
  ],
  [
    at('POST /_stand_in/webhooks'),
    ({ webhooks }, _id, body) => {
      const { delay_ms, ...given } = faults.parse(body);
      return Object.assign(webhooks.faults, given, delay_ms === undefined ? {} : { delayMs: delay_ms });
    },
  ],
  [
    at('POST /_stand_in/webhooks/release'),
    async ({ webhooks }, _id, body) => {
      await webhooks.release(
        z.strictObject({ order: z.enum(['as_made', 'newest_first']).optional() }).parse(body).order,
      );
      return webhooks.deliveries();
    },
  ],
  [
    at('POST /_stand_in/events'),
    ({ world }, _id, body) => {
      const { type, object } = z.strictObject({ type: z.string(), object: z.looseObject({}).default({}) }).parse(body);
      return world.emit(type, object);
    },
  ],
  [
    at('POST /_stand_in/events/{id}/resend'),
    async ({ webhooks, books }, id) => ({ statuses: books.events[id] ? await webhooks.resend(books.events[id]) : [] }),
  ],
  [
    at('POST /_stand_in/faults'),
    (standIn, _id, body) => {
      standIn.faults.plan(...planned.parse(body));
      return {};
    },
  ],
  [
    at('POST /_stand_in/faults/release'),
    (standIn) => {
      standIn.faults.release();
      return {};
    },
  ],
  [
    at('POST /_stand_in/idempotency_keys/forget'),
    ({ keys }) => {
      keys.forget();
      return {};
    },
  ],
  [
    at('POST /_stand_in/disputes'),
    ({ world, books }, _id, body) => {
      const { charge: id, amount, reason } = dispute.parse(body);
      const charge = books.charges[id];
      return charge ? openDispute(world, charge, { amount: amount ?? charge.amount, reason }) : undefined;
    },
  ],
  [
    at('POST /_stand_in/disputes/{id}'),
    ({ world }, id, body) =>
      endDispute(world, id, z.strictObject({ status: z.enum(['won', 'lost']) }).parse(body).status).body,
  ],
  [
    at('POST /_stand_in/refunds/{id}'),
    ({ world }, id, body) =>
      endRefund(world, id, z.strictObject({ status: z.enum(['succeeded', 'failed']) }).parse(body).status).body,
  ],
];

export async function control(
  standIn: StandIn,
  target: string,
  body: string,
): Promise<{ status: number; body: unknown }> {
  for (const [pattern, run] of controls) {
    const match = pattern.exec(target);
    if (!match) continue;
    try {
      const done = await run(standIn, match[1] ?? '', body === '' ? {} : (JSON.parse(body) as unknown));
      return done === undefined ? { status: 404, body: { error: 'no such object' } } : { status: 200, body: done };
    } catch (error) {
      return { status: 400, body: { error: (error as Error).message } };
    }
  }
  return { status: 404, body: { error: `no such control: ${target}` } };
}
