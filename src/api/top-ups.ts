// Top-ups: credit that a customer buys. Written to Postgres as an intent first, then asked of Stripe; the grant follows the money.
import { z } from '@hono/zod-openapi';
import { codes } from '../codes.gen.ts';
import { priceToCharge, type Price } from '../pricing/asset-price.ts';
import type { Asset, TopUp } from '../records.ts';
import { zeroAtoms, type Atoms } from '../units.ts';
import { readAmount } from './amount.ts';
import { refuse, refuseFields, type Answer, type Refused } from './answer.ts';
import { unknownAsset } from './assets.ts';
import { refuseNewWork } from './backpressure.ts';
import { noCustomer } from './customers.ts';
import { operationFor } from './idempotency.ts';
import { badCursor, pageOf, pageQuery, pageSchema } from './paging.ts';
import { notConfigured, refusePayment } from './refuse-payment.ts';
import { defineRoute, type Api, type Call } from './route.ts';
import { amount, asJsonObject, assetCode, metadata, returnUrl, timestamp } from './schemas.ts';
import { showTopUp, showTopUps, topUpReply } from './top-up-view.ts';
import { refuseTrouble } from './trouble.ts';

export const topUpBody = z
  .strictObject({
    asset: assetCode,
    amount: amount.openapi({ description: 'More than zero.' }),
    payment: z.enum(['checkout', 'saved']),
    payment_method_id: z
      .string()
      .min(1)
      .max(128)
      .optional()
      .openapi({ description: 'With `saved`. Absent: the default one.' }),
    return_url: returnUrl.optional().openapi({
      description:
        "Where Stripe's page leads to in the end; must be there with `checkout`. With `saved`: where the bank's does, should it want to know who pays.",
    }),
    expires_at: timestamp.optional().openapi({ description: 'Of the grant. Absent: never.' }),
    metadata: metadata.optional(),
  })
  .refine(({ payment, return_url }) => payment !== 'checkout' || return_url !== undefined, {
    path: ['return_url'],
    message: 'must be there with checkout',
  })
  .refine(({ payment, payment_method_id }) => payment !== 'checkout' || payment_method_id === undefined, {
    path: ['payment_method_id'],
    message: 'is for saved only',
  })
  .openapi('TopUpRequest');

type Body = z.output<typeof topUpBody>;

export const createTopUp = defineRoute({
  summary: 'Buy credit',
  description:
    'By a page of Stripe, or by a payment method that the customer has saved. The credit is a `paid` grant, as soon as Stripe says that the money has arrived. Remembered for ever.',
  body: topUpBody,
  reply: { status: 201, description: 'How far it has come.', schema: topUpReply },
  errors: [
    ...(['customer_not_found', 'unknown_asset', 'no_rate', 'no_payment_method', 'amount_too_large'] as const),
    ...(['balance_limit', 'stripe_refused', 'backpressure', 'payments_not_configured'] as const),
  ],
  handle: async (api, call) => {
    const { environmentId } = call;
    if (!(await api.payments.isConfigured(environmentId))) return notConfigured;
    const { id: operationId, fingerprint } = operationFor(api, call);
    const known = await api.ledger.findTopUpByOperation(environmentId, operationId, fingerprint);
    if (known === 'conflict') return conflict;
    if (known?.reply !== undefined) return { status: 201, text: known.reply, replayed: true };
    const begun = known ?? (await begin(api, call, { operationId, fingerprint }));
    if ('code' in begun) return begun;
    const advanced = await api.payments.advance(begun);
    if (advanced.status === 'not_configured') return notConfigured;
    if (advanced.status === 'unknown') return refuseTrouble({ status: 'unknown', detail: advanced.detail }, call);
    const topUp = await api.ledger.findTopUp(environmentId, begun.id);
    if (!topUp) throw new Error(`top-up ${begun.id} is gone`);
    const text = JSON.stringify(await showTopUp(api, topUp));
    return {
      status: 201,
      text: await api.ledger.keepTopUpReply(environmentId, topUp.id, text),
      replayed: known !== undefined,
    };
  },
});

const conflict = refuse('idempotency_conflict', 'the Idempotency-Key came with another body before');

/** All that can be refused is refused before it is written: from then on a worker would see it through. */
async function begin(
  api: Api,
  call: Call<Body>,
  operation: { operationId: string; fingerprint: string },
): Promise<TopUp | Refused> {
  const { environmentId, params, body } = call;
  const customerId = params.customer_id;
  const pressed = api.backpressure() && (await refuseNewWork(api, call, () => Promise.resolve(false)));
  if (pressed) return pressed;
  const asset = await api.assets.byCode(environmentId, body.asset);
  if (!asset) return unknownAsset('asset', body.asset);
  const atoms = readAmount(body.amount, asset, 'amount');
  if (typeof atoms !== 'bigint') return atoms;
  if (atoms === zeroAtoms) return refuseFields([{ path: 'amount', message: 'must be more than zero' }]);
  if (body.expires_at !== undefined && body.expires_at <= Date.now()) {
    return refuseFields([{ path: 'expires_at', message: 'must be a time to come' }]);
  }
  const customer = await api.ledger.findCustomer(environmentId, customerId);
  if (!customer) return noCustomer;
  const price = await priceOf(api, environmentId, asset, atoms);
  if ('code' in price) return price;
  const full = await refuseFull(api, call, asset, atoms);
  if (full) return full;
  const asked = { payment: body.payment, methodId: body.payment_method_id };
  const prepared = await api.payments.prepareTopUp({ environmentId, customerId }, asked);
  switch (prepared.status) {
    case 'no_customer':
      return noCustomer;
    case 'no_method':
      return refuse('no_payment_method', 'this customer has not saved such a payment method');
    case 'refused':
    case 'unavailable':
    case 'not_configured':
      return refusePayment(prepared, call);
    case 'unknown':
      // Nothing was written, and nothing charged.
      return refuse('unavailable', prepared.detail);
    case 'done':
      break;
  }
  const begun = await api.ledger.beginTopUp(environmentId, {
    customerId,
    asset: asset.number,
    amount: atoms,
    rate: price.rate,
    currency: price.currency,
    price: price.minor,
    payment: body.payment,
    returnUrl: body.return_url,
    receiptEmail: customer.email,
    expiresAtMs: body.expires_at,
    metadata: asJsonObject(body.metadata),
    ...prepared.value,
    ...operation,
  });
  return begun.status === 'conflict' ? conflict : begun.topUp;
}

async function priceOf(api: Api, environmentId: string, asset: Asset, atoms: Atoms): Promise<Price | Refused> {
  const priced = priceToCharge(asset, atoms, await api.ledger.findAssetRate(environmentId, asset.number));
  switch (priced.status) {
    case 'no_rate':
      return refuse('no_rate', `no rate is published for ${asset.code}`);
    case 'too_large':
      return refuse('amount_too_large', 'it costs more than can be charged at once');
    case 'ok':
      return priced.price;
  }
}

/** Money that arrives must fit. What other grants come to meanwhile, nobody knows: then it waits until there is room. */
async function refuseFull(api: Api, call: Call, asset: Asset, atoms: Atoms): Promise<Refused | undefined> {
  const { environmentId, params } = call;
  const read = await api.wallets.readWallet({ environmentId, customerId: params.customer_id });
  if (read.status !== 'wallet') return refuseTrouble(read, call);
  const account = read.wallet.accounts.find((one) => one.asset === asset.number);
  const after = (account?.available ?? 0n) + (account?.held ?? 0n) + atoms;
  if (after <= BigInt(codes.limit.balance_atoms)) return undefined;
  return refuse('balance_limit', `the balance in ${asset.code} would be too large`);
}

export const listTopUps = defineRoute({
  summary: "List a customer's top-ups",
  query: pageQuery,
  reply: { status: 200, description: 'Newest first.', schema: pageSchema(topUpReply) },
  errors: ['customer_not_found', 'payments_not_configured'],
  handle: async (api, { environmentId, params, query }): Promise<Answer> => {
    if (!(await api.payments.isConfigured(environmentId))) return notConfigured;
    const listed = await api.ledger.listTopUps(environmentId, params.customer_id, pageOf(query));
    if (listed === 'bad_cursor') return badCursor;
    if (listed.items.length === 0 && !(await api.ledger.findCustomer(environmentId, params.customer_id)))
      return noCustomer;
    const data = await showTopUps(api, environmentId, listed.items);
    return { status: 200, body: { data, next_cursor: listed.nextCursor ?? null } };
  },
});

export const getTopUp = defineRoute({
  summary: 'Get a top-up',
  reply: { status: 200, description: 'How far it has come.', schema: topUpReply },
  errors: ['top_up_not_found', 'payments_not_configured'],
  handle: async (api, { environmentId, params }) => {
    if (!(await api.payments.isConfigured(environmentId))) return notConfigured;
    const topUp = await api.ledger.findTopUp(environmentId, params.top_up_id);
    // One of the two paths names a customer.
    const isTheirs = !('customer_id' in params) || topUp?.customerId === params.customer_id;
    if (!topUp || !isTheirs) return refuse('top_up_not_found', 'there is no such top-up');
    return { status: 200, body: await showTopUp(api, topUp) };
  },
});
