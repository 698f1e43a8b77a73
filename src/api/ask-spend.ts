// From a body to the wallet's answer: price what happened, ask, and ask again where Redis knows a newer catalog or other
// budgets. Authorize and charge take this way.
import { z } from '@hono/zod-openapi';
import type { PricedLine, UsageEvent } from '../contract.ts';
import type { Asset, WalletConfig } from '../records.ts';
import { zeroAtoms, type Atoms } from '../units.ts';
import type { AuthorizeRequest } from '../wallet/authorize.ts';
import type { AskedLeg } from '../wallet/legs.ts';
import type { Operation } from '../wallet/operation.ts';
import type { Stale } from '../wallet/stale.ts';
import type { Target, Trouble } from '../wallet/target.ts';
import { format, normalized, readAmount } from './amount.ts';
import type { Refused } from './answer.ts';
import { unknownAsset } from './assets.ts';
import { attachedOf, type Attached } from './attached.ts';
import { refuseSpending } from './backpressure.ts';
import type { Catalog } from './catalog-cache.ts';
import { askFresh } from './fresh.ts';
import { operationFor } from './idempotency.ts';
import { priceEvent } from './price-event.ts';
import type { Api, Call } from './route.ts';
import { amountOut } from './schemas.ts';
import { refuseTrouble } from './trouble.ts';

type Spend = { asset: string; amount: string } | UsageEvent;
type Body = Spend & Attached & { customer_id: string; mode: AuthorizeRequest['mode'] };

export type Asked = {
  asset: Pick<Asset, 'number' | 'code' | 'scale'>;
  amount: Atoms;
  /** The amount as replies write it. */
  requested: string;
  /** What is due in other assets, besides. */
  legs: AskedLeg[];
  /** Undefined: nothing was priced. */
  catalogVersion: number | undefined;
  /** What a reply says of an event, kept with it so that a repeat says the same. */
  told: string;
};

/**
 * `exact`: what the event costs; `most`: what any usage up to it can cost, which a hold sets aside. `ask` is called once for
 * each round, with everything that authorize and charge share.
 */
export async function askSpend<Reply extends { status: string }>(
  api: Api,
  call: Call<Body>,
  how: 'exact' | 'most',
  ask: (request: Omit<AuthorizeRequest, 'ttlMs'>) => Promise<Reply | Stale>,
): Promise<{ status: 'asked'; asked: Asked; config: WalletConfig; reply: Exclude<Reply, Stale> | Trouble } | Refused> {
  const { environmentId, body } = call;
  const wallet = { ...api.wallets.walletOf(environmentId, body.customer_id), environmentId };
  const attached = attachedOf(body);
  let operation: Operation | undefined;
  let last: { asked: Asked; config: WalletConfig } | undefined;
  const reply = await askFresh<Reply | Refused | Trouble>(api, wallet, async (fresh) => {
    const reading = readAsked(api, environmentId, body, fresh.config, how);
    const asked = reading instanceof Promise ? await reading : reading;
    if ('status' in asked) return 'event_type' in body ? refuseEvent(api, call, wallet, fresh.config, asked) : asked;
    last = { asked, config: fresh.config };
    operation ??= operationFor(api, call, body.customer_id);
    // A shadow stores nothing.
    const isNew = body.mode !== 'shadow';
    const refused = api.backpressure() && isNew && (await refuseSpending(api, call, body.customer_id, operation));
    if (refused) return refused;
    const { asset, amount, legs, catalogVersion, told } = asked;
    return ask({
      ...{ wallet, environmentId, asset: asset.number, amount, legs, mode: body.mode, operation, attached },
      ...{ ...fresh, catalogVersion, told, spender: spenderOf(body) },
    });
  });
  if (isRefused(reply)) return reply;
  if (last) return { status: 'asked', ...last, reply };
  if (isTrouble(reply)) return refuseTrouble(reply, call);
  throw new Error('the wallet answered before it was asked');
}

/**
 * Whether catalog and configuration are what Redis has, asked where no script does. `catalogVersion` is that of the catalog
 * that priced; undefined: what this process has by now.
 */
export async function checkStanding(
  api: Api,
  wallet: Target,
  config: WalletConfig,
  catalogVersion?: number,
): Promise<'current' | Stale | Trouble> {
  const standing = await api.wallets.readStanding(wallet);
  if (standing.status !== 'stale') return standing;
  const pricedBy = catalogVersion ?? (await api.catalogs.of(wallet.environmentId)).version;
  const isReplaced = standing.catalogVersion > pricedBy || standing.configVersion !== config.version;
  return isReplaced ? standing : 'current';
}

/** What nothing prices here may be priced by now: nobody is refused by a catalog, or a subscription, that was replaced. */
export async function refuseFresh(
  api: Api,
  wallet: Target,
  config: WalletConfig,
  refused: Refused,
): Promise<Refused | Stale | Trouble> {
  const standing = await checkStanding(api, wallet, config);
  return standing === 'current' ? refused : standing;
}

/** A repeat is no refusal, whatever the catalog says by now. */
async function refuseEvent(
  api: Api,
  call: Call<Body>,
  wallet: Target,
  config: WalletConfig,
  refused: Refused,
): Promise<Refused | Stale | Trouble> {
  const answer = await refuseFresh(api, wallet, config, refused);
  if (answer.status !== 'refused' || call.isKeyOwn) return answer;
  const { id } = operationFor(api, call, call.body.customer_id);
  if (!(await api.wallets.hasOperation(wallet, id))) return answer;
  const detail =
    'a request with this key was begun before, and nothing prices its event any more: its entry says what it cost';
  return { status: 'unknown', detail };
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

/** What the first reply to this request said of its event. */
export function readTold(told: string): { requested?: string; lines?: PricedLine[] } {
  return told === '' ? {} : (JSON.parse(told) as { requested: string; lines: PricedLine[] });
}

/** What is asked for, in atoms; at once when asset and catalog are known to this process. */
export function readAsked(
  api: Api,
  environmentId: string,
  spend: Spend,
  config: WalletConfig,
  how: 'exact' | 'most',
): Asked | Refused | Promise<Asked | Refused> {
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
  return { asset, amount: atoms, requested, legs: [], catalogVersion: undefined, told: '' };
}

function askedOf(
  api: Api,
  environmentId: string,
  catalog: Catalog,
  event: UsageEvent,
  config: WalletConfig,
  how: 'exact' | 'most',
): Asked | Refused | Promise<Asked | Refused> {
  const priced = priceEvent(catalog, config, event, how);
  switch (priced.status) {
    case 'refused':
      return priced;
    case 'behind':
      // The subscription is to a version that was published since.
      return api.catalogs.atLeast(environmentId, catalog.version + 1).then((newer) => {
        if (newer.version > catalog.version) return askedOf(api, environmentId, newer, event, config, how);
        throw new Error(`a subscription is to a version that catalog ${catalog.version} does not have`);
      });
    case 'priced': {
      const [first, ...others] = priced.dues;
      const requested = format(first.atoms, first.asset);
      return {
        asset: first.asset,
        amount: first.atoms,
        requested,
        legs: others.map(({ asset, atoms }) => ({
          asset: asset.number,
          amount: atoms,
          num: zeroAtoms,
          den: zeroAtoms,
        })),
        catalogVersion: catalog.version,
        told: JSON.stringify({ requested, lines: priced.lines }),
      };
    }
  }
}

/** Who spends, and on what: budgets go by it. */
export function spenderOf(body: {
  subject?: string | undefined;
  labels?: Record<string, string> | undefined;
  event_type?: string | undefined;
}) {
  return { subject: body.subject, labels: body.labels, eventType: body.event_type };
}
