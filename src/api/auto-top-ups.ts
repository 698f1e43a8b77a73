// Automatic top-ups: what a customer's wallet is filled up by, before it runs dry. A worker does it; here it is set up and shown.
import { z } from '@hono/zod-openapi';
import type { AutoTopUp as AutoTopUpReply } from '../contract.ts';
import { priceToCharge } from '../pricing/asset-price.ts';
import { currencyOf, type Currency } from '../pricing/currencies.ts';
import { readDecimal, writeDecimal } from '../pricing/decimal.ts';
import type { Asset, AutoTopUp, AutoTopUpId, AutoTopUpTerms } from '../records.ts';
import { zeroAtoms } from '../units.ts';
import { format, readAmount } from './amount.ts';
import { refuse, refuseFields, type Refused } from './answer.ts';
import { unknownAsset } from './assets.ts';
import { noCustomer } from './customers.ts';
import { notConfigured, refusePayment } from './refuse-payment.ts';
import { defineRoute, type Api, type Call } from './route.ts';
import { amount, amountOut, returnUrl, timeOut } from './schemas.ts';
import { formatTimeOrNull } from './time.ts';

const money = z.string().max(40).openapi({ description: "Decimal, in the currency's unit.", example: '200' });

export const autoTopUpBody = z
  .strictObject({
    enabled: z.boolean(),
    threshold: amount.openapi({ description: 'A charge is due when what is available falls to this or below.' }),
    amount: amount
      .optional()
      .openapi({ description: 'Bought as often as it takes to get above the threshold, in one charge.' }),
    target: amount.optional().openapi({ description: 'Filled up to this; the threshold at least.' }),
    monthly_limit: money.openapi({
      description: 'In money: what is charged automatically in one month, of UTC, is never more.',
    }),
    payment_method_id: z.string().min(1).max(128).optional().openapi({ description: 'Absent: the default one.' }),
    return_url: returnUrl.optional().openapi({
      description: "Where the bank's page leads to, should it want to know who pays. Absent: to this gateway.",
    }),
  })
  .refine((body) => (body.amount === undefined) !== (body.target === undefined), {
    path: ['amount'],
    message: 'either amount or target must be there',
  })
  .openapi('AutoTopUpRequest');

export const autoTopUpReply = z
  .object({
    customer_id: z.string(),
    asset: z.string(),
    enabled: z.boolean(),
    threshold: amountOut,
    amount: amountOut.optional(),
    target: amountOut.optional(),
    currency: z.string().openapi({ description: 'What it is bought with.' }),
    monthly_limit: money,
    spent_this_month: money.openapi({ description: 'With what is being charged just now.' }),
    payment_method_id: z.string().optional(),
    return_url: z.string().optional(),
    state: z.enum(['armed', 'charging', 'requires_action', 'backing_off', 'suspended', 'capped', 'disabled']).openapi({
      description:
        '`backing_off`: declined, tried again at `next_attempt_at`. `suspended`: until the payment method changes. `capped`: until the month turns.',
    }),
    last_error: z.object({ code: z.string(), message: z.string() }).nullable(),
    next_attempt_at: timeOut.nullable(),
    top_up_id: z.string().optional().openapi({ description: 'The charge that is under way.' }),
    next_action: z
      .object({ type: z.literal('redirect'), url: z.string() })
      .optional()
      .openapi({ description: 'Send the customer there: the bank wants to know who pays.' }),
  })
  .openapi('AutoTopUp');

type Body = z.output<typeof autoTopUpBody>;

export const putAutoTopUp = defineRoute({
  summary: 'Fill a wallet up by itself',
  description:
    'When what is available in this asset falls to the threshold, the payment method is charged once, and the credit sets it up again. Overage is paid first. A charge that is under way goes on by the terms that it began with.',
  body: autoTopUpBody,
  reply: { status: 200, description: 'How it stands.', schema: autoTopUpReply },
  errors: [
    ...(['customer_not_found', 'unknown_asset', 'no_rate', 'no_payment_method', 'amount_too_large'] as const),
    ...(['stripe_refused', 'payments_not_configured'] as const),
  ],
  handle: async (api, call) => {
    const named = await nameOf(api, call);
    if ('status' in named) return named;
    const terms = await readTerms(api, call, named.asset);
    if ('status' in terms) return terms;
    await api.ledger.putAutoTopUp(named.id, terms);
    return answer(api, named);
  },
});

export const getAutoTopUp = defineRoute({
  summary: 'Get an automatic top-up',
  reply: { status: 200, description: 'How it stands.', schema: autoTopUpReply },
  errors: ['customer_not_found', 'auto_top_up_not_found', 'unknown_asset', 'payments_not_configured'],
  handle: async (api, call) => {
    const named = await nameOf(api, call);
    return 'status' in named ? named : answer(api, named);
  },
});

export const deleteAutoTopUp = defineRoute({
  summary: 'Delete an automatic top-up',
  reply: { status: 204, description: 'Deleted. A charge that is under way goes on to its end.' },
  errors: ['customer_not_found', 'auto_top_up_not_found', 'unknown_asset', 'payments_not_configured'],
  handle: async (api, call) => {
    const named = await nameOf(api, call);
    if ('status' in named) return named;
    return (await api.ledger.deleteAutoTopUp(named.id)) ? { status: 204 } : none;
  },
});

const none = refuse('auto_top_up_not_found', 'this customer has no automatic top-up of this asset');

type Named = { id: AutoTopUpId; asset: Asset };

async function nameOf(api: Api, { environmentId, params }: Call): Promise<Named | Refused> {
  if (!(await api.payments.isConfigured(environmentId))) return notConfigured;
  const customerId = params.customer_id;
  if (!(await api.ledger.findCustomer(environmentId, customerId))) return noCustomer;
  const asset = await api.assets.byCode(environmentId, params.code);
  if (!asset) return unknownAsset('code', params.code);
  return { id: { environmentId, customerId, asset: asset.number }, asset };
}

async function readTerms(api: Api, call: Call<Body>, asset: Asset): Promise<AutoTopUpTerms | Refused> {
  const { environmentId, body } = call;
  const threshold = readAmount(body.threshold, asset, 'threshold');
  if (typeof threshold !== 'bigint') return threshold;
  const field = body.target === undefined ? 'amount' : 'target';
  const bought = readAmount(body[field]!, asset, field);
  if (typeof bought !== 'bigint') return bought;
  if (bought === zeroAtoms) return refuseFields([{ path: field, message: 'must be more than zero' }]);
  if (field === 'target' && bought < threshold) {
    return refuseFields([{ path: field, message: 'must be the threshold at least' }]);
  }
  const priced = priceToCharge(asset, bought, await api.ledger.findAssetRate(environmentId, asset.number));
  if (priced.status === 'no_rate') return refuse('no_rate', `no rate is published for ${asset.code}`);
  if (priced.status === 'too_large') return refuse('amount_too_large', 'it costs more than can be charged at once');
  const currency = currencyOf(priced.price.currency) as Currency;
  const limit = readDecimal(body.monthly_limit, currency.decimals);
  if (limit.status !== 'ok' || limit.value === 0n || limit.value > BigInt(Number.MAX_SAFE_INTEGER)) {
    const message = `must be a decimal string of ${currency.code}, more than zero, with at most ${currency.decimals} decimals`;
    return refuseFields([{ path: 'monthly_limit', message }]);
  }
  const methodId = body.payment_method_id;
  const refused = methodId === undefined ? undefined : await refuseMethod(api, call, methodId);
  return (
    refused ?? {
      isEnabled: body.enabled,
      threshold,
      amount: field === 'amount' ? bought : undefined,
      target: field === 'target' ? bought : undefined,
      currency: currency.code,
      monthlyLimit: Number(limit.value),
      methodId,
      returnUrl: body.return_url ?? new URL('/', call.url).href,
    }
  );
}

/** A named one must be theirs. */
async function refuseMethod(api: Api, call: Call, methodId: string): Promise<Refused | undefined> {
  const customer = { environmentId: call.environmentId, customerId: call.params.customer_id };
  const found = await api.payments.prepareTopUp(customer, { payment: 'saved', methodId });
  switch (found.status) {
    case 'done':
      return undefined;
    case 'no_customer':
      return noCustomer;
    case 'no_method':
      return refuse('no_payment_method', 'this customer has not saved such a payment method');
    case 'refused':
    case 'unavailable':
    case 'unknown':
    case 'not_configured':
      return refusePayment(found, call);
  }
}

async function answer(api: Api, { id, asset }: Named) {
  const auto = await api.ledger.findAutoTopUp(id);
  return auto ? ({ status: 200, body: show(auto, asset) } as const) : none;
}

/** Its settings put again, it goes on. */
const refunded = { code: 'top_up_refunded', message: 'A top-up was refunded or disputed.' };

function show(auto: AutoTopUp, asset: Asset): AutoTopUpReply {
  const { decimals } = currencyOf(auto.currency) as Currency;
  const isOpen = auto.topUp?.status === 'pending' || auto.topUp?.status === 'requires_action';
  return {
    customer_id: auto.customerId,
    asset: asset.code,
    enabled: auto.isEnabled,
    threshold: format(auto.threshold, asset),
    ...(auto.amount !== undefined && { amount: format(auto.amount, asset) }),
    ...(auto.target !== undefined && { target: format(auto.target, asset) }),
    currency: auto.currency,
    monthly_limit: writeDecimal(BigInt(auto.monthlyLimit), decimals),
    spent_this_month: writeDecimal(BigInt(auto.spentThisMonth), decimals),
    ...(auto.methodId !== undefined && { payment_method_id: auto.methodId }),
    ...(auto.returnUrl !== undefined && { return_url: auto.returnUrl }),
    state: auto.isEnabled ? (auto.isHeldOff && auto.state === 'armed' ? 'suspended' : auto.state) : 'disabled',
    last_error: auto.error ?? (auto.isHeldOff ? refunded : null),
    next_attempt_at: formatTimeOrNull(auto.nextAttemptAtMs),
    ...(isOpen && { top_up_id: auto.topUp!.id }),
    ...(auto.topUp?.actionUrl !== undefined && {
      next_action: { type: 'redirect' as const, url: auto.topUp.actionUrl },
    }),
  };
}
