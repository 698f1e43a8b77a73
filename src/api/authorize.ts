// POST /v1/authorize: hold money for one request, or say no. The hot path: one wallet call, nothing else waits.
import { z } from '@hono/zod-openapi';
import type { Approved } from '../contract.ts';
import { holdTtlMs } from '../limits.ts';
import { format } from './amount.ts';
import { askSpend, pricedLines } from './ask-spend.ts';
import { heldLegs, showHeldLegs } from './legs.ts';
import { defineRoute } from './route.ts';
import { amountOut, durability, timeOut, ttlMs } from './schemas.ts';
import {
  declineErrors,
  eventFields,
  seemingSpend,
  moneyFields,
  refuseDeclined,
  shadowAnswer,
  shadowApprovedReply,
  shadowDeclinedReply,
  spendFields,
} from './spend.ts';
import { formatTime } from './time.ts';

const terms = { ...spendFields, ttl_ms: ttlMs.default(holdTtlMs.default) };
const moneyBody = z.strictObject({ ...moneyFields, ...terms });
const eventBody = z.strictObject({ ...eventFields, ...terms });
export const authorizeBody = z.union([moneyBody, eventBody]).openapi('AuthorizeRequest');

export const seemingAuthorize = seemingSpend(moneyBody, eventBody);

export const approvedReply = z
  .object({
    id: z.string().openapi({ description: '`hold_…`' }),
    status: z.literal('approved'),
    customer_id: z.string(),
    asset: z.string(),
    requested: amountOut,
    amount: amountOut.openapi({
      description:
        'What is held; less than `requested` only in mode `up_to`, or where other assets stand in for the rest: `legs`.',
    }),
    lines: pricedLines,
    available: amountOut,
    held: amountOut,
    legs: heldLegs,
    expires_at: timeOut,
    remaining_ttl_ms: z.int(),
    version: z.int(),
    durability,
  })
  .openapi('Approved');

export const authorize = defineRoute({
  summary: 'Hold money for one request, or say no',
  description:
    'A "no" is a 402 with `status: "declined"` and what would be a yes. `amount: "0"` is approved, even without an account.',
  body: authorizeBody,
  reply: {
    status: 200,
    description: 'Held; or, in mode `shadow`, what would have been decided.',
    schema: z.union([approvedReply, shadowApprovedReply, shadowDeclinedReply]),
  },
  errors: [...declineErrors, 'customer_not_found', 'no_price', 'missing_quantity', 'backpressure'],
  bodySeeming: seemingAuthorize,
  handle: async (api, call) => {
    const { environmentId, body } = call;
    const answered = await askSpend(api, call, 'most', (request) => api.wallets.authorize(request, body.ttl_ms));
    if (answered.status === 'refused') return answered;
    const { walletId, spoken, config, reply } = answered;
    const { asset, amount, requested, lines } = spoken;
    const legs = 'legs' in reply && reply.legs ? await showHeldLegs(api, environmentId, reply.legs) : undefined;
    switch (reply.status) {
      case 'approved': {
        const approved: Approved = {
          id: api.wallets.holdIdOf(walletId, asset.number, reply.holdRef),
          status: 'approved',
          customer_id: body.customer_id,
          asset: asset.code,
          requested,
          amount: reply.amount === amount ? requested : format(reply.amount, asset),
          ...(lines && { lines }),
          available: format(reply.available, asset),
          held: format(reply.held, asset),
          ...(legs && { legs }),
          expires_at: formatTime(reply.expiresAtMs),
          remaining_ttl_ms: reply.expiresAtMs - reply.createdAtMs,
          version: reply.version,
        };
        return { status: 200, body: approved, replayed: reply.replayed, unconfirmed: reply.unconfirmed };
      }
      case 'declined':
        return refuseDeclined(reply, spoken, config);
      case 'shadow_approved':
      case 'shadow_declined':
        return shadowAnswer(reply, { customer_id: body.customer_id, legs }, spoken, config);
    }
  },
});
