// POST /v1/holds/{hold_id}/release: give back all that is still held.
import { z } from '@hono/zod-openapi';
import type { Released } from '../contract.ts';
import { format } from './amount.ts';
import { assetOfHold, noHold, refuseClosed } from './hold-of.ts';
import { operationFor } from './idempotency.ts';
import { releasedLegs, showReleasedLegs } from './legs.ts';
import { defineRoute } from './route.ts';
import { amountOut, durability, emptyBody } from './schemas.ts';
import { refuseTrouble } from './trouble.ts';

export const releasedReply = z
  .object({
    id: z.string(),
    status: z.literal('released'),
    released: amountOut,
    settled: amountOut.openapi({ description: 'By partial settles before.' }),
    asset: z.string(),
    available: amountOut,
    held: amountOut,
    legs: releasedLegs,
    version: z.int(),
    durability,
  })
  .openapi('Released');

export const release = defineRoute({
  summary: 'Release a hold',
  body: emptyBody,
  reply: { status: 200, description: 'Released.', schema: releasedReply },
  errors: ['hold_not_found', 'hold_closed'],
  handle: async (api, call) => {
    const { environmentId, params } = call;
    const found = await assetOfHold(api, call);
    if (found.status === 'refused') return found;
    const { asset } = found;
    const operation = operationFor(api, call);
    const reply = await api.wallets.release({ environmentId, holdId: params.hold_id, operation, attached: '' });
    switch (reply.status) {
      case 'released': {
        const released: Released = {
          id: params.hold_id,
          status: 'released',
          released: format(reply.released, asset),
          settled: format(reply.settled, asset),
          asset: asset.code,
          available: format(reply.available, asset),
          held: format(reply.held, asset),
          ...(reply.legs && { legs: await showReleasedLegs(api, environmentId, reply.legs) }),
          version: reply.version,
        };
        return { status: 200, body: released, replayed: reply.replayed, unconfirmed: reply.unconfirmed };
      }
      case 'closed':
        return refuseClosed(reply, asset);
      case 'no_hold':
        return noHold;
      case 'no_customer':
      case 'conflict':
      case 'unavailable':
      case 'unknown':
        return refuseTrouble(reply, call);
    }
  },
});
