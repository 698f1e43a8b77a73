// Refunds: what a customer paid for credit goes back, wholly or in part, and the credit with it.
//
// Written down first, then set aside in the wallet, then asked of Stripe, then taken. What is refused leaves nothing behind.
import { z } from '@hono/zod-openapi';
import type { Asset, Refund, TopUp } from '../records.ts';
import { zeroAtoms, type Atoms } from '../units.ts';
import { format, readAmount } from './amount.ts';
import { refuse, refuseFields, type Refused } from './answer.ts';
import { refuseNewWork } from './backpressure.ts';
import { operationFor } from './idempotency.ts';
import { notConfigured } from './refuse-payment.ts';
import { defineRoute, type Api, type Call } from './route.ts';
import { amount } from './schemas.ts';
import { showTopUp, topUpReply } from './top-up-view.ts';
import { refuseTrouble } from './trouble.ts';

export const refundBody = z
  .strictObject({
    amount: amount.optional().openapi({
      description: 'Of the credit, in its asset, and more than zero. Absent: all that has not gone back.',
    }),
  })
  .openapi('RefundRequest');

export const refundTopUp = defineRoute({
  summary: 'Refund a top-up',
  description:
    'Gives back what was paid, wholly or in part, in the proportion in which it was bought, and takes the credit. Only credit that is still there can be refunded. Remembered for ever.',
  body: refundBody,
  reply: { status: 200, description: 'The top-up, with its refunds.', schema: topUpReply },
  errors: [
    ...(['top_up_not_found', 'top_up_not_refundable', 'exceeds_refundable', 'wallet_frozen'] as const),
    ...(['stripe_refused', 'backpressure', 'payments_not_configured'] as const),
  ],
  handle: async (api, call) => {
    const { environmentId, params } = call;
    if (!(await api.payments.isConfigured(environmentId))) return notConfigured;
    const topUp = await api.ledger.findTopUp(environmentId, params.top_up_id);
    const asset = topUp && (await api.assets.byNumber(environmentId, topUp.asset));
    if (!topUp || !asset) return notFound;
    const begun = await begin(api, call, topUp, asset);
    if ('code' in begun) return begun;
    const { refund, isNew } = begun;
    if (refund.reply !== undefined) return { status: 200, text: refund.reply, replayed: true };
    const advanced = await api.payments.refund(topUp, refund, isNew);
    switch (advanced.status) {
      case 'not_configured':
        return notConfigured;
      case 'short':
        return exceeds(advanced.left as Atoms, asset, 'is not spent');
      case 'frozen':
        return refuse('wallet_frozen', 'a frozen wallet sets nothing aside');
      case 'refused':
        return refuse('stripe_refused', advanced.detail);
      case 'unknown':
        return refuseTrouble(advanced, call);
      case 'done':
        break;
    }
    const last = await api.ledger.findTopUp(environmentId, topUp.id);
    const text = JSON.stringify(await showTopUp(api, last ?? topUp));
    return { status: 200, text: await api.ledger.keepRefundReply(environmentId, refund.id, text), replayed: !isNew };
  },
});

const notFound = refuse('top_up_not_found', 'there is no such top-up');

type Body = z.output<typeof refundBody>;

async function begin(
  api: Api,
  call: Call<Body>,
  topUp: TopUp,
  asset: Asset,
): Promise<{ refund: Refund; isNew: boolean } | Refused> {
  const { environmentId, body } = call;
  const atoms = body.amount === undefined ? undefined : readAmount(body.amount, asset, 'amount');
  if (typeof atoms === 'object') return atoms;
  if (atoms === zeroAtoms) return refuseFields([{ path: 'amount', message: 'must be more than zero' }]);
  const { id: operationId, fingerprint } = operationFor(api, call);
  const pressed =
    api.backpressure() && (await refuseNewWork(api, call, () => api.ledger.hasRefund(environmentId, operationId)));
  if (pressed) return pressed;
  const begun = await api.ledger.beginRefund(environmentId, topUp.id, { amount: atoms, operationId, fingerprint });
  switch (begun.status) {
    case 'begun':
      return begun;
    case 'no_top_up':
      return notFound;
    case 'conflict':
      return refuse('idempotency_conflict', 'the Idempotency-Key came with another body before');
    case 'not_paid':
      return refuse('top_up_not_refundable', 'nothing was paid for it');
    case 'too_much':
      return exceeds(begun.left, asset, 'has not gone back');
    case 'too_small':
      return refuseFields([{ path: 'amount', message: `is worth less than the smallest unit of ${topUp.currency}` }]);
  }
}

function exceeds(left: Atoms, asset: Asset, why: string): Refused {
  const refundable = format(left, asset);
  return refuse('exceeds_refundable', `of what was bought, ${refundable} ${asset.code} ${why}`, {
    more: { refundable },
  });
}
