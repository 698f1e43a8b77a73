// From a body to the wallet's answer: price what happened, ask, and ask again where Redis knows a newer catalog or other
// budgets. Authorize and charge take this way.
import { z } from '@hono/zod-openapi';
import type { UsageEvent } from '../contract.ts';
import { eventAgeMaxMs, eventAheadMaxMs } from '../limits.ts';
import type { Asset, WalletConfig } from '../records.ts';
import { parseAmount, zeroAtoms } from '../units.ts';
import { configAt } from '../wallet/config.ts';
import type { Operation } from '../wallet/operation.ts';
import type { ReckonedLines } from '../wallet/lines.ts';
import type { SpendRequest } from '../wallet/spend-request.ts';
import type { Stale, TooLarge } from '../wallet/stale.ts';
import type { Trouble } from '../wallet/target.ts';
import { format, normalized, readAmount } from './amount.ts';
import { refuseFields, type Refused } from './answer.ts';
import { unknownAsset } from './assets.ts';
import { readTold, refuseLine, withReckoned, type Asked, type Spoken } from './asked.ts';
import { attachedOf, type Attached } from './attached.ts';
import { refuseSpending } from './backpressure.ts';
import type { Catalog } from './catalog-cache.ts';
import { askFresh } from './fresh.ts';
import { operationFor } from './idempotency.ts';
import { isPriced, priceEvent } from './price-event.ts';
import type { Api, Call } from './route.ts';
import { amountOut } from './schemas.ts';
import { refuseTrouble } from './trouble.ts';

/**
 * `occurred_at`: in milliseconds; undefined, now. `isRated`: where its time has no price, by the present ones; it was in time
 * when it came.
 */
type SpentEvent = UsageEvent & { occurred_at?: number | undefined; isRated?: true };
type Spend = { asset: string; amount: string } | SpentEvent;
export type SpendBody = Spend & Attached & { customer_id: string; mode: SpendRequest['mode'] };

/** No price of the catalog at this version can say what is asked for; `refused` is the answer, unless there was one before. */
export type Unpriced = { status: 'unpriced'; refused: Refused; catalogVersion: number };

type Spent = { status: string; told?: string; reckoned?: ReckonedLines | undefined; replayed?: true };
type Answered<Reply> = Exclude<Reply, { status: 'unpriced' | 'too_large' | 'stale' | Trouble['status'] }>;

/**
 * `exact`: what the event costs; `most`: what any usage up to it can cost, which a hold sets aside. `ask` is called once for
 * each round, with everything that authorize and charge share.
 */
export async function askSpend<Reply extends Spent>(
  api: Api,
  call: Call<SpendBody>,
  how: 'exact' | 'most',
  ask: (request: SpendRequest) => Promise<Reply | TooLarge | Stale>,
): Promise<
  { status: 'asked'; walletId: string; spoken: Spoken; config: WalletConfig; reply: Answered<Reply> } | Refused
> {
  const { environmentId, body } = call;
  const wallet = { ...api.wallets.walletOf(environmentId, body.customer_id), environmentId };
  const attached = attachedOf(body);
  let operation: Operation | undefined;
  let last: { asked: Asked | Unpriced; config: WalletConfig } | undefined;
  const reply = await askFresh<Reply | TooLarge | Refused>(api, wallet, async (fresh) => {
    const reading = readAsked(api, environmentId, body, fresh.config, how);
    const asked = reading instanceof Promise ? await reading : reading;
    if (asked.status === 'refused') return asked;
    last = { asked, config: fresh.config };
    operation ??= operationFor(api, call, body.customer_id);
    const { config, redisMs } = fresh;
    const spender = spenderOf(body);
    if (asked.status === 'unpriced') {
      const { catalogVersion } = asked;
      return ask({ ...nothingAsked, wallet, operation, attached, spender, config, redisMs, catalogVersion });
    }
    // A shadow stores nothing.
    const isNew = body.mode !== 'shadow';
    const refused = api.backpressure() && isNew && (await refuseSpending(api, call, body.customer_id, operation));
    if (refused) return refused;
    const { asset, amount, legs, parts, fallbacks, sentLines: lines, catalogVersion } = asked;
    const { mode } = body;
    // Of a part, the entry says what it is a part of.
    const told = mode === 'up_to' && asked.told === '' ? JSON.stringify({ requested: asked.requested }) : asked.told;
    // Named one by one, as in wallet/spend-request.ts: copying objects together had been a quarter of a gateway's time.
    return ask({
      wallet,
      asset: asset.number,
      amount,
      legs,
      parts,
      fallbacks,
      mode,
      operation,
      attached,
      catalogVersion,
      config,
      redisMs,
      spender,
      told,
      lines,
    });
  });
  if (isRefused(reply)) return reply;
  if (isTrouble(reply)) return refuseTrouble(reply, call);
  if (!last) throw new Error('the wallet answered before it was asked');
  const { asked, config } = last;
  if (isTooLarge(reply)) return asked.status === 'asked' ? refuseLine(asked, reply) : asked.refused;
  const first = reply.replayed && (await spokenFirst(api, environmentId, reply.told));
  if (!first && asked.status === 'unpriced') return asked.refused;
  const spoken = first || withReckoned(asked as Asked, reply.reckoned);
  return { status: 'asked', walletId: wallet.walletId, spoken, config, reply: reply as unknown as Answered<Reply> };
}

/** Asked for where nothing prices what is: the script looks for a first answer, and whether Redis has other prices. */
const nothingAsked = { asset: 0, amount: zeroAtoms, legs: [], mode: 'unpriced', told: '' } as const;

function isTooLarge(reply: { status: string }): reply is TooLarge {
  return reply.status === 'too_large';
}

function isTrouble(reply: { status: string }): reply is Trouble {
  return ['no_customer', 'conflict', 'unavailable', 'unknown'].includes(reply.status);
}

function isRefused(reply: { status: string }): reply is Refused {
  return reply.status === 'refused';
}

export const pricedLines = z
  .array(
    z
      .object({
        price_id: z.string(),
        price_version: z.int(),
        quantity: z.string().openapi({ description: 'Decimal: of what the price counts.', example: '1200' }),
        amount: amountOut,
        asset: z.string(),
      })
      .openapi('PricedLine'),
  )
  .optional()
  .openapi({ description: 'Of an event: what it was priced by.' });

/** Undefined where the first answer was not about an event: then the request says it. */
async function spokenFirst(
  api: Api,
  environmentId: string,
  told = '',
): Promise<(Spoken & { status: 'first' }) | undefined> {
  const { requested = '', lines } = readTold(told);
  const code = lines?.[0]?.asset;
  const asset = code === undefined ? undefined : await api.assets.byCode(environmentId, code);
  if (!asset) return undefined;
  const amount = parseAmount(requested, asset.scale);
  return amount.status === 'ok' ? { status: 'first', asset, amount: amount.atoms, requested, lines } : undefined;
}

export type Reading = Asked | Unpriced | Refused;

/** What is asked for, in atoms; at once when asset and catalog are known to this process. */
export function readAsked(
  api: Api,
  environmentId: string,
  spend: Spend,
  config: WalletConfig,
  how: 'exact' | 'most',
): Reading | Promise<Reading> {
  if ('event_type' in spend) {
    const catalog = api.catalogs.of(environmentId);
    return catalog instanceof Promise
      ? catalog.then((read) => askedOf(api, environmentId, read, spend, config, how))
      : askedOf(api, environmentId, catalog, spend, config, how);
  }
  const found = api.assets.byCode(environmentId, spend.asset);
  return found instanceof Promise ? found.then((asset) => moneyOf(asset, spend)) : moneyOf(found, spend);
}

function moneyOf(asset: Asset | undefined, money: { asset: string; amount: string }): Asked | Refused {
  if (!asset) return unknownAsset('asset', money.asset);
  const atoms = readAmount(money.amount, asset, 'amount');
  if (typeof atoms !== 'bigint') return atoms;
  const requested = normalized(money.amount, atoms, asset);
  return {
    status: 'asked',
    asset,
    amount: atoms,
    requested,
    legs: [],
    parts: [],
    fallbacks: [],
    sentLines: [],
    catalogVersion: undefined,
    told: '',
  };
}

function askedOf(
  api: Api,
  environmentId: string,
  catalog: Catalog,
  event: SpentEvent,
  config: WalletConfig,
  how: 'exact' | 'most',
): Asked | Unpriced | Promise<Asked | Unpriced> {
  const { occurred_at: atMs } = event;
  const untimely = atMs === undefined || event.isRated ? undefined : refuseUntimely(atMs, api.wallets.redisMs());
  if (untimely) return { status: 'unpriced', refused: untimely, catalogVersion: catalog.version };
  const then =
    atMs === undefined
      ? priceEvent(catalog.priced, config, event, how)
      : priceEvent(catalog.pricedAt(atMs), configAt(config, atMs), event, how);
  const isUnpriced = then.status === 'refused' && then.code === 'no_price';
  const priced = event.isRated && isUnpriced ? priceEvent(catalog.priced, config, event, how) : then;
  switch (priced.status) {
    case 'refused':
      return { status: 'unpriced', refused: priced, catalogVersion: catalog.version };
    case 'behind':
      // The subscription is to a version that was published since.
      return api.catalogs.atLeast(environmentId, catalog.version + 1).then((newer) => {
        if (newer.version > catalog.version) return askedOf(api, environmentId, newer, event, config, how);
        throw new Error(`a subscription is to a version that catalog ${catalog.version} does not have`);
      });
    case 'priced': {
      const [first, ...others] = priced.dues;
      const { lines, sentLines } = priced;
      const requested = format(first.atoms, first.asset);
      return {
        status: 'asked',
        asset: first.asset,
        amount: first.atoms,
        requested,
        // All of them, or none yet.
        lines: lines.every(isPriced) ? lines : undefined,
        legs: others.map(({ asset, atoms }) => ({
          asset: asset.number,
          amount: atoms,
          num: zeroAtoms,
          den: zeroAtoms,
        })),
        parts: priced.parts,
        fallbacks: priced.fallbacks,
        sentLines,
        catalogVersion: catalog.version,
        told: JSON.stringify({ requested, ...(sentLines.length > 0 && { scale: first.asset.scale }), lines }),
      };
    }
  }
}

function refuseUntimely(atMs: number, nowMs: number): Refused | undefined {
  const message =
    atMs < nowMs - eventAgeMaxMs
      ? `is more than ${eventAgeMaxMs / 86_400_000} days ago`
      : atMs > nowMs + eventAheadMaxMs
        ? `is more than ${eventAheadMaxMs / 60_000} minutes ahead`
        : undefined;
  return message === undefined ? undefined : refuseFields([{ path: 'occurred_at', message }]);
}

/** Who spends, and on what: budgets go by it. */
export function spenderOf(body: {
  subject?: string | undefined;
  labels?: Record<string, string> | undefined;
  event_type?: string | undefined;
}) {
  return { subject: body.subject, labels: body.labels, eventType: body.event_type };
}
