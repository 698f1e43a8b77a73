// POST /v1/holds/{hold_id}/settle: record what the work cost, and give the rest back.
import { z } from '@hono/zod-openapi';
import type { Settled, VendorCost } from '../contract.ts';
import { format, readAmount } from './amount.ts';
import { refuse, type Refused } from './answer.ts';
import { unknownAsset } from './assets.ts';
import { attachedOf } from './attached.ts';
import { assetOfHold, noHold, refuseClosed } from './hold-of.ts';
import { operationFor } from './idempotency.ts';
import { settledLegs, showSettledLegs } from './legs.ts';
import { defineRoute, type Api } from './route.ts';
import { amount, amountOut, costs, durability, metadata } from './schemas.ts';
import { refuseTrouble } from './trouble.ts';

export const settleBody = z
  .strictObject({
    amount: amount.openapi({ description: 'This part; parts settled before come on top.' }),
    costs: costs.optional().openapi({ description: 'What the operator pays for the same work; kept with the entry.' }),
    final: z.boolean().default(true).openapi({ description: 'The hold ends, and what is left of it returns.' }),
    on_excess: z.enum(['charge', 'cap', 'reject']).default('charge').openapi({
      description:
        'More than is held: taken from what is available and then owed (`charge`), cut off (`cap`), or refused with `exceeds_hold`.',
    }),
    metadata: metadata.optional(),
  })
  .openapi('SettleRequest');

export const settledReply = z
  .object({
    id: z.string(),
    status: z.enum(['settled', 'open']).openapi({ description: '`open` after `final: false`.' }),
    settled: amountOut.openapi({ description: "The hold's total so far." }),
    released: amountOut.openapi({ description: 'What came back.' }),
    overage: amountOut.openapi({ description: 'What the account owes now.' }),
    late: z.boolean().openapi({ description: 'The hold had expired; recorded all the same, once.' }),
    asset: z.string(),
    available: amountOut,
    held: amountOut,
    legs: settledLegs,
    version: z.int(),
    durability,
  })
  .openapi('Settled');

export const settle = defineRoute({
  summary: 'Settle a hold at its true cost',
  description: 'Once with `final`, or in parts. A hold that has expired is settled late, once.',
  body: settleBody,
  reply: { status: 200, description: 'Settled.', schema: settledReply },
  errors: [
    'hold_not_found',
    'hold_closed',
    'exceeds_hold',
    'balance_limit',
    'amount_too_large',
    'unknown_asset',
    'no_price',
  ],
  handle: async (api, call) => {
    const { environmentId, params, body } = call;
    const found = await assetOfHold(api, call);
    if (found.status === 'refused') return found;
    const { asset } = found;
    const part = readAmount(body.amount, asset, 'amount');
    if (typeof part !== 'bigint') return part;
    const refused = body.costs && (await checkCosts(api, environmentId, body.costs));
    if (refused) return refused;
    const reply = await api.wallets.settle({
      environmentId,
      holdId: params.hold_id,
      amount: part,
      final: body.final,
      onExcess: body.on_excess,
      operation: operationFor(api, call),
      attached: attachedOf(body),
    });
    switch (reply.status) {
      case 'settled': {
        const settled: Settled = {
          id: params.hold_id,
          status: reply.open ? 'open' : 'settled',
          settled: format(reply.settled, asset),
          released: format(reply.released, asset),
          overage: format(reply.overage, asset),
          late: reply.late,
          asset: asset.code,
          available: format(reply.available, asset),
          held: format(reply.held, asset),
          ...(reply.legs && { legs: await showSettledLegs(api, environmentId, reply.legs) }),
          version: reply.version,
        };
        return { status: 200, body: settled, replayed: reply.replayed, unconfirmed: reply.unconfirmed };
      }
      case 'exceeds_hold':
        return refuse(
          'exceeds_hold',
          `${body.amount} ${asset.code} is more than the ${format(reply.held, asset)} still held`,
        );
      case 'closed':
        return refuseClosed(reply, asset);
      case 'no_hold':
        return noHold;
      case 'balance_limit':
        return refuse('balance_limit', 'what the account owes, or what the hold took in all, would be too large');
      case 'no_customer':
      case 'conflict':
      case 'unavailable':
      case 'unknown':
        return refuseTrouble(reply, call);
    }
  },
});

/** They move nothing, but must be amounts of assets that exist. */
async function checkCosts(api: Api, environmentId: string, costs: VendorCost[]): Promise<Refused | undefined> {
  for (const [at, cost] of costs.entries()) {
    const asset = await api.assets.byCode(environmentId, cost.asset);
    if (!asset) return unknownAsset(`costs.${at}.asset`, cost.asset);
    const atoms = readAmount(cost.amount, asset, `costs.${at}.amount`);
    if (typeof atoms !== 'bigint') return atoms;
  }
  return undefined;
}
