// A top-up as the API shows it, with what has gone back of it.
import { z } from '@hono/zod-openapi';
import type { Refund as RefundReply, TopUp as TopUpReply } from '../contract.ts';
import { currencyOf, type Currency } from '../pricing/currencies.ts';
import { writeDecimal } from '../pricing/decimal.ts';
import type { Asset, Refund, TopUp } from '../records.ts';
import { format } from './amount.ts';
import type { Api } from './route.ts';
import { amountOut, metadataOut, timeOut } from './schemas.ts';
import { formatTime, formatTimeOrNull } from './time.ts';

const refundReply = z
  .object({
    id: z.string(),
    origin: z.enum(['request', 'stripe', 'dispute']).openapi({
      description: "Asked for here; made at Stripe by somebody else; taken by the customer's bank.",
    }),
    status: z.enum(['pending', 'succeeded', 'failed']).openapi({
      description:
        '`pending`: the credit is set aside. `succeeded`: it is taken, and the money has gone. `failed`: neither.',
    }),
    amount: amountOut.openapi({ description: 'Of the credit.' }),
    money: z.object({ currency: z.string(), amount: z.string() }),
    failure: z.object({ code: z.string(), message: z.string() }).optional(),
    created_at: timeOut,
  })
  .openapi('Refund');

export const topUpReply = z
  .object({
    id: z.string(),
    customer_id: z.string(),
    status: z.enum(['pending', 'requires_action', 'succeeded', 'failed', 'canceled', 'refunded']),
    asset: z.string(),
    amount: amountOut,
    payment: z.enum(['checkout', 'saved']),
    price: z
      .object({
        currency: z.string(),
        amount: z.string(),
        rate: z
          .string()
          .optional()
          .openapi({ description: 'What one unit cost; absent where the asset is the currency.' }),
      })
      .openapi({ description: 'Before tax.' }),
    checkout_url: z.string().optional().openapi({ description: 'Send the customer there.' }),
    next_action: z
      .object({ type: z.literal('redirect'), url: z.string() })
      .optional()
      .openapi({ description: 'Send the customer there: the bank wants to know who pays.' }),
    failure: z.object({ code: z.string(), message: z.string(), retryable: z.boolean() }).optional(),
    grant_id: z.string().optional(),
    refunds: z
      .array(refundReply)
      .optional()
      .openapi({ description: 'What has gone back of it, or is about to, oldest first; absent: nothing.' }),
    expires_at: timeOut.nullable(),
    metadata: metadataOut,
    created_at: timeOut,
  })
  .openapi('TopUp');

export async function showTopUp(api: Api, topUp: TopUp): Promise<TopUpReply> {
  const [shown] = await showTopUps(api, topUp.environmentId, [topUp]);
  return shown!;
}

export async function showTopUps(api: Api, environmentId: string, topUps: TopUp[]): Promise<TopUpReply[]> {
  const refunds = await api.ledger.listRefunds(
    environmentId,
    topUps.map(({ id }) => id),
  );
  return Promise.all(
    topUps.map(async (topUp) => {
      const asset = await api.assets.byNumber(environmentId, topUp.asset);
      if (!asset) throw new Error(`a top-up has asset ${topUp.asset}, which is not among those of its environment`);
      const itsOwn = refunds.filter(({ topUpId }) => topUpId === topUp.id);
      return show(api, topUp, asset, itsOwn);
    }),
  );
}

function show(api: Api, topUp: TopUp, asset: Asset, refunds: Refund[]): TopUpReply {
  const { environmentId, customerId, failure, grantNo, checkoutUrl, actionUrl } = topUp;
  const currency = currencyOf(topUp.currency) as Currency;
  // That money arrived, and that it can be spent, are moments apart.
  const status = topUp.status === 'succeeded' && !topUp.isCredited ? 'pending' : topUp.status;
  return {
    id: topUp.id,
    customer_id: customerId,
    status,
    asset: asset.code,
    amount: format(topUp.amount, asset),
    payment: topUp.payment,
    price: {
      currency: topUp.currency,
      amount: writeDecimal(BigInt(topUp.price), currency.decimals),
      ...(topUp.rate !== undefined && { rate: topUp.rate }),
    },
    ...(checkoutUrl !== undefined && status === 'pending' && { checkout_url: checkoutUrl }),
    ...(actionUrl !== undefined && { next_action: { type: 'redirect' as const, url: actionUrl } }),
    // While it is given up, and not canceled yet, nobody knows.
    ...(failure && status === 'failed' && { failure }),
    ...(grantNo !== undefined && {
      grant_id: api.wallets.grantIdOf(api.wallets.walletIdOf(environmentId, customerId), grantNo),
    }),
    ...(refunds.length > 0 && { refunds: refunds.map((refund) => showRefund(refund, asset, currency)) }),
    expires_at: formatTimeOrNull(topUp.expiresAtMs),
    metadata: topUp.metadata,
    created_at: formatTime(topUp.createdAtMs),
  };
}

const statuses = { taken: 'succeeded', returned: 'failed', restored: 'failed' } as const;

function showRefund(refund: Refund, asset: Asset, currency: Currency): RefundReply {
  return {
    id: refund.id,
    origin: refund.origin,
    status: refund.outcome === undefined ? 'pending' : statuses[refund.outcome],
    amount: format(refund.amount, asset),
    money: { currency: currency.code, amount: writeDecimal(BigInt(refund.money), currency.decimals) },
    ...(refund.failure && { failure: refund.failure }),
    created_at: formatTime(refund.createdAtMs),
  };
}
