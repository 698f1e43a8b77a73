// POST /v1/holds/{hold_id}/extend: more time, more money, or both; all of it or nothing.
import { z } from '@hono/zod-openapi';
import type { Approved } from '../contract.ts';
import { zeroAtoms } from '../units.ts';
import { format, normalized, readAmount } from './amount.ts';
import { refuse } from './answer.ts';
import { approvedReply } from './authorize.ts';
import { refuseNewWork } from './backpressure.ts';
import { askFresh } from './fresh.ts';
import { assetOfHold, noHold, refuseClosed } from './hold-of.ts';
import { operationFor } from './idempotency.ts';
import { showHeldLegs } from './legs.ts';
import { defineRoute } from './route.ts';
import { amount, ttlMs } from './schemas.ts';
import { declineErrors, refuseDeclined } from './spend.ts';
import { formatTime } from './time.ts';
import { refuseTrouble } from './trouble.ts';

export const extendBody = z
  .strictObject({
    ttl_ms: ttlMs.optional().openapi({ description: 'From now; never shortens.' }),
    amount: amount.optional().openapi({ description: 'In addition to what is held.' }),
  })
  .refine((body) => body.ttl_ms !== undefined || body.amount !== undefined, {
    path: ['ttl_ms'],
    message: 'give ttl_ms, amount, or both',
  })
  .openapi('ExtendRequest');

export const extend = defineRoute({
  summary: 'Extend a hold',
  body: extendBody,
  reply: {
    status: 200,
    description: "Extended: `amount` is the hold's new total, `requested` what was asked for in addition.",
    schema: approvedReply,
  },
  errors: [
    ...declineErrors.filter((code) => code !== 'unknown_asset'),
    'hold_not_found',
    'hold_closed',
    'backpressure',
  ],
  handle: async (api, call) => {
    const { environmentId, params, body } = call;
    const found = await assetOfHold(api, call);
    if (found.status === 'refused') return found;
    const { asset, walletId } = found;
    const { amount: asked = '0' } = body;
    const more = readAmount(asked, asset, 'amount');
    if (typeof more !== 'bigint') return more;
    const requested = normalized(asked, more, asset);
    const operation = operationFor(api, call);
    const hasBegun = () => api.wallets.hasOperation({ environmentId, walletId }, operation.id);
    // More time sets nothing more aside.
    const refused = api.backpressure() && more > zeroAtoms && (await refuseNewWork(api, call, hasBegun));
    if (refused) return refused;
    const reply = await askFresh(api, { walletId, environmentId }, (fresh) =>
      api.wallets.extend({
        environmentId,
        holdId: params.hold_id,
        amount: more,
        ttlMs: body.ttl_ms ?? 0,
        operation,
        attached: '',
        ...fresh,
      }),
    );
    switch (reply.status) {
      case 'approved': {
        const approved: Approved = {
          id: params.hold_id,
          status: 'approved',
          customer_id: reply.customerId,
          asset: asset.code,
          requested,
          amount: format(reply.amount, asset),
          available: format(reply.available, asset),
          held: format(reply.held, asset),
          ...(reply.legs && { legs: await showHeldLegs(api, environmentId, reply.legs) }),
          expires_at: formatTime(reply.expiresAtMs),
          remaining_ttl_ms: reply.remainingTtlMs,
          version: reply.version,
        };
        return { status: 200, body: approved, replayed: reply.replayed, unconfirmed: reply.unconfirmed };
      }
      case 'declined':
        return refuseDeclined(
          reply,
          { asset, amount: more, requested },
          api.wallets.configs.of({ environmentId, walletId }),
        );
      case 'closed':
        return refuseClosed(reply, asset);
      case 'no_hold':
        return noHold;
      case 'amount_too_large':
        return refuse('amount_too_large', 'the hold would be larger than one amount may be');
      case 'no_customer':
      case 'conflict':
      case 'unavailable':
      case 'unknown':
        return refuseTrouble(reply, call);
    }
  },
});
