// POST /v1/charge: debit in one step, with no hold before it, or say no.
import { z } from '@hono/zod-openapi';
import type { Charged } from '../contract.ts';
import { format } from './amount.ts';
import { attachedOf } from './attached.ts';
import { refuseSpending } from './backpressure.ts';
import { askFresh } from './fresh.ts';
import { operationFor } from './idempotency.ts';
import { heldLegs, showHeldLegs } from './legs.ts';
import { defineRoute } from './route.ts';
import { amountOut, durability } from './schemas.ts';
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
import { refuseTrouble } from './trouble.ts';

export const chargeBody = z.strictObject(spendFields).openapi('ChargeRequest');

export const chargedReply = z
  .object({
    id: z.string().openapi({ description: '`chg_…`' }),
    status: z.literal('charged'),
    asset: z.string(),
    requested: amountOut,
    amount: amountOut.openapi({ description: 'What was debited; less than `requested` only in mode `up_to`.' }),
    available: amountOut,
    held: amountOut,
    legs: heldLegs,
    version: z.int(),
    durability,
  })
  .openapi('Charged');

export const charge = defineRoute({
  summary: 'Debit in one step, or say no',
  description: 'As authorize, with no hold to settle. A "no" is a 402.',
  body: chargeBody,
  reply: {
    status: 200,
    description: 'Debited; or, in mode `shadow`, what would have been decided.',
    schema: z.union([chargedReply, shadowApprovedReply, shadowDeclinedReply]),
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
      api.wallets.charge({
        wallet,
        environmentId,
        asset: asset.number,
        amount,
        mode: body.mode,
        operation,
        attached: attachedOf(body),
        catalogVersion: undefined,
        ...fresh,
        spender: spenderOf(body),
        told: '',
      }),
    );
    switch (reply.status) {
      case 'charged': {
        const charged: Charged = {
          id: reply.chargeId,
          status: 'charged',
          asset: asset.code,
          requested,
          amount: reply.amount === amount ? requested : format(reply.amount, asset),
          available: format(reply.available, asset),
          held: format(reply.held, asset),
          ...(reply.legs && { legs: await showHeldLegs(api, environmentId, reply.legs) }),
          version: reply.version,
        };
        return { status: 200, body: charged, replayed: reply.replayed, unconfirmed: reply.unconfirmed };
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
