// GET /v1/holds/{hold_id}: a hold as it is now, ended ones included.
import { z } from '@hono/zod-openapi';
import type { Hold } from '../contract.ts';
import { format } from './amount.ts';
import { assetOfHold, noHold } from './hold-of.ts';
import { holdLegs, showHoldLegs } from './legs.ts';
import { defineRoute } from './route.ts';
import { amountOut, timeOut } from './schemas.ts';
import { formatTime, formatTimeOrNull } from './time.ts';
import { refuseTrouble } from './trouble.ts';

export const holdReply = z
  .object({
    id: z.string(),
    status: z.enum(['open', 'settled', 'released', 'expired']),
    customer_id: z.string(),
    asset: z.string(),
    amount: amountOut,
    held: amountOut.openapi({ description: 'Still set aside.' }),
    settled: amountOut,
    released: amountOut,
    legs: holdLegs,
    late: z.boolean(),
    created_at: timeOut,
    expires_at: timeOut,
    ended_at: timeOut.nullable(),
  })
  .openapi('Hold');

export const getHold = defineRoute({
  summary: 'Get a hold',
  reply: { status: 200, description: 'The hold.', schema: holdReply },
  errors: ['hold_not_found'],
  handle: async (api, call) => {
    const { environmentId, params } = call;
    const named = await assetOfHold(api, call);
    if (named.status === 'refused') return named;
    const { asset } = named;
    const found = await api.wallets.findHold({ environmentId, holdId: params.hold_id });
    switch (found.status) {
      case 'found': {
        const { hold } = found;
        const [first] = hold.legs;
        const isInSeveral = hold.legs.length > 1;
        const shown: Hold = {
          id: params.hold_id,
          status: hold.status,
          customer_id: hold.customerId,
          asset: asset.code,
          amount: format(first.amount, asset),
          held: format(first.held, asset),
          settled: format(first.settled, asset),
          released: format(first.released, asset),
          ...(isInSeveral && { legs: await showHoldLegs(api, environmentId, hold.legs) }),
          late: hold.late,
          created_at: formatTime(hold.createdAtMs),
          expires_at: formatTime(hold.expiresAtMs),
          ended_at: formatTimeOrNull(hold.endedAtMs),
        };
        return { status: 200, body: shown };
      }
      case 'no_hold':
        return noHold;
      case 'no_customer':
      case 'conflict':
      case 'unavailable':
      case 'unknown':
        return refuseTrouble(found, call);
    }
  },
});
