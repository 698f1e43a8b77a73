// POST /v1/authorize: hold money for one request, or say no. The hot path: one wallet call, nothing else waits.
import { z } from '@hono/zod-openapi';
import type { Approved } from '../contract.ts';
import { holdTtlMs } from '../limits.ts';
import { format } from './amount.ts';
import { attachedOf } from './attached.ts';
import { refuseSpending } from './backpressure.ts';
import { askFresh } from './fresh.ts';
import { operationFor } from './idempotency.ts';
import { heldLegs, showHeldLegs } from './legs.ts';
import { defineRoute } from './route.ts';
import { amountOut, durability, timeOut, ttlMs } from './schemas.ts';
import {
  declineErrors,
  explainEvent,
  readMoney,
  refuseDeclined,
  shadowAnswer,
  shadowApprovedReply,
  shadowDeclinedReply,
  spenderOf,
  spendFields,
} from './spend.ts';
import { formatTime } from './time.ts';
import { refuseTrouble } from './trouble.ts';

export const authorizeBody = z
  .strictObject({ ...spendFields, ttl_ms: ttlMs.default(holdTtlMs.default) })
  .openapi('AuthorizeRequest');

export const approvedReply = z
  .object({
    id: z.string().openapi({ description: '`hold_…`' }),
    status: z.literal('approved'),
    customer_id: z.string(),
    asset: z.string(),
    requested: amountOut,
    amount: amountOut.openapi({ description: 'What is held; less than `requested` only in mode `up_to`.' }),
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
  errors: [...declineErrors, 'customer_not_found', 'no_price', 'backpressure'],
  explainInvalid: explainEvent,
  handle: async (api, call) => {
    const { environmentId, body } = call;
    const reading = readMoney(api, environmentId, body);
    const asked = reading instanceof Promise ? await reading : reading;
    if ('status' in asked) return asked;
    const { asset, amount, requested } = asked;
    const operation = operationFor(api, call, body.customer_id);
    // A shadow stores nothing.
    const isNew = body.mode !== 'shadow';
    const refused = api.backpressure() && isNew && (await refuseSpending(api, call, body.customer_id, operation));
    if (refused) return refused;
    const wallet = api.wallets.walletOf(environmentId, body.customer_id);
    const reply = await askFresh(api, wallet, (fresh) =>
      api.wallets.authorize({
        wallet,
        environmentId,
        asset: asset.number,
        amount,
        mode: body.mode,
        ttlMs: body.ttl_ms,
        operation,
        attached: attachedOf(body),
        catalogVersion: undefined,
        ...fresh,
        spender: spenderOf(body),
        told: '',
      }),
    );
    switch (reply.status) {
      case 'approved': {
        const approved: Approved = {
          id: reply.holdId,
          status: 'approved',
          customer_id: body.customer_id,
          asset: asset.code,
          requested,
          amount: reply.amount === amount ? requested : format(reply.amount, asset),
          available: format(reply.available, asset),
          held: format(reply.held, asset),
          ...(reply.legs && { legs: await showHeldLegs(api, environmentId, reply.legs) }),
          expires_at: formatTime(reply.expiresAtMs),
          remaining_ttl_ms: reply.expiresAtMs - reply.createdAtMs,
          version: reply.version,
        };
        return { status: 200, body: approved, replayed: reply.replayed, unconfirmed: reply.unconfirmed };
      }
      case 'declined':
        return refuseDeclined(reply, asked, api.wallets.configs.of(wallet.walletId));
      case 'shadow_approved':
      case 'shadow_declined':
        return shadowAnswer(reply, body.customer_id, asked, api.wallets.configs.of(wallet.walletId));
      case 'no_customer':
      case 'conflict':
      case 'unavailable':
      case 'unknown':
        return refuseTrouble(reply, call);
    }
  },
});
