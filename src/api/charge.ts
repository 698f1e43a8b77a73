// POST /v1/charge: debit in one step, with no hold before it, or say no.
import { z } from '@hono/zod-openapi';
import type { Charged } from '../contract.ts';
import { format } from './amount.ts';
import type { Answer } from './answer.ts';
import { askSpend, pricedLines, type SpendBody } from './ask-spend.ts';
import { heldLegs, showHeldLegs } from './legs.ts';
import { defineRoute, type Api, type Call } from './route.ts';
import { amountOut, durability } from './schemas.ts';
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

const moneyBody = z.strictObject({ ...moneyFields, ...spendFields });
const eventBody = z.strictObject({ ...eventFields, ...spendFields });
export const chargeBody = z.union([moneyBody, eventBody]).openapi('ChargeRequest');

export const chargedReply = z
  .object({
    id: z.string().openapi({ description: '`chg_…`' }),
    status: z.literal('charged'),
    asset: z.string(),
    requested: amountOut,
    amount: amountOut.openapi({
      description:
        'What was debited; less than `requested` only in mode `up_to`, or where other assets stand in for the rest: `legs`.',
    }),
    lines: pricedLines,
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
  errors: [...declineErrors, 'customer_not_found', 'no_price', 'missing_quantity', 'backpressure'],
  bodySeeming: seemingSpend(moneyBody, eventBody),
  handle: answerCharge,
});

/** What is asked for, debited or not; an event of a batch comes this way, too. */
export async function answerCharge(api: Api, call: Call<SpendBody>): Promise<Answer> {
  const { environmentId, body } = call;
  const answered = await askSpend(api, call, 'exact', (request) => api.wallets.charge(request));
  if (answered.status === 'refused') return answered;
  const { spoken, config, reply } = answered;
  const { asset, amount, requested, lines } = spoken;
  const legs = 'legs' in reply && reply.legs ? await showHeldLegs(api, environmentId, reply.legs) : undefined;
  switch (reply.status) {
    case 'charged': {
      const charged: Charged = {
        id: reply.chargeId,
        status: 'charged',
        asset: asset.code,
        requested,
        amount: reply.amount === amount ? requested : format(reply.amount, asset),
        ...(lines && { lines }),
        available: format(reply.available, asset),
        held: format(reply.held, asset),
        ...(legs && { legs }),
        version: reply.version,
      };
      return { status: 200, body: charged, replayed: reply.replayed, unconfirmed: reply.unconfirmed };
    }
    case 'declined':
      return refuseDeclined(reply, spoken, config);
    case 'shadow_approved':
    case 'shadow_declined':
      return shadowAnswer(reply, { customer_id: body.customer_id, legs }, spoken, config);
  }
}
