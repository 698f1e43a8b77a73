// GET /v1/holds/{hold_id}/explain: why a hold was approved as it was, by what its entry says.
import { z } from '@hono/zod-openapi';
import type { ExplainedAccount, ExplainedPrice, HoldExplanation, PricedLine } from '../contract.ts';
import { explainMatch } from '../pricing/explain.ts';
import type { HoldOpening, HoldRecord } from '../records.ts';
import { parseAmount, zeroAtoms } from '../units.ts';
import { countedAt } from '../wallet/budgets.ts';
import { decodeBudgetCounter } from '../wallet/packed.ts';
import type { Target } from '../wallet/target.ts';
import { format } from './amount.ts';
import { showScope } from './grant-scope.ts';
import { refuse, type Answer } from './answer.ts';
import { pricedLines } from './ask-spend.ts';
import { readTold } from './asked.ts';
import { readAttached } from './attached.ts';
import { enforcement } from './budget-schema.ts';
import { assetOf, showPrice } from './explain-reply.ts';
import { explainedAccount, explainedPrice } from './explain-schema.ts';
import { assetOfHold, noHold } from './hold-of.ts';
import { roomOf } from './remedies.ts';
import { defineRoute, type Api, type Call } from './route.ts';
import { amountOut, metadataOut, timeOut } from './schemas.ts';
import { limitSource } from './spend.ts';
import { formatTime, formatTimeOrNull } from './time.ts';
import { refuseTrouble } from './trouble.ts';

const countedBudget = z
  .object({
    id: z.string(),
    asset: z.string(),
    held: amountOut,
    enforcement: enforcement.optional(),
    limit: amountOut.optional(),
    remaining: amountOut
      .optional()
      .openapi({ description: 'Before it. With `limit` and `enforcement` absent where the budget has changed since.' }),
  })
  .openapi('CountedBudget');

const holdExplanationReply = z
  .object({
    hold_id: z.string(),
    customer_id: z.string(),
    status: z.enum(['open', 'settled', 'released', 'expired']).openapi({ description: 'By now.' }),
    as_of: timeOut.openapi({ description: 'When it was approved: all else is as it was told then.' }),
    version: z.int(),
    asset: z.string(),
    requested: amountOut,
    amount: amountOut.openapi({ description: 'What was held.' }),
    event_type: z.string().optional(),
    data: metadataOut.optional(),
    subject: z.string().optional(),
    labels: z.record(z.string(), z.string()).optional(),
    lines: pricedLines,
    prices: z.array(explainedPrice).optional().openapi({
      description:
        'By the catalog of then; absent where subscriptions have changed since, so that it cannot be said which prices there were.',
    }),
    accounts: z.array(explainedAccount).openapi({ description: 'With the grants that something was taken from.' }),
    limit_source: limitSource.optional().openapi({
      description:
        'In mode `up_to`, why it got no more; absent where it got all, is in several assets, or budgets have changed since.',
    }),
    budget_id: z.string().optional().openapi({ description: 'With `limit_source: "budget"`: the tightest one.' }),
    budgets: z
      .array(countedBudget)
      .openapi({ description: 'Those that it was counted in, but for deleted ones; `held`: as how much.' }),
  })
  .openapi('HoldExplanation');

export const explainHold = defineRoute({
  summary: 'Explain a hold',
  description:
    'What authorize was asked and what it took from where, for open holds and those that ended. What was declined has no hold: `POST /v1/explain` takes the request.',
  reply: { status: 200, description: 'Explained.', schema: holdExplanationReply },
  errors: ['hold_not_found'],
  handle: async (api, call) => {
    const { environmentId, params } = call;
    const named = await assetOfHold(api, call);
    if (named.status === 'refused') return named;
    const found = await api.wallets.findHold({ environmentId, holdId: params.hold_id });
    switch (found.status) {
      case 'found':
        return answer(api, call, found.hold, named.target);
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

async function answer(api: Api, call: Call, hold: HoldRecord, target: Target): Promise<Answer> {
  const { params } = call;
  const { environmentId, walletId } = target;
  const { customerId, ref } = hold;
  const version = Number(ref.split('.')[1]);
  if (!(await api.wallets.ledgerHas({ environmentId, customerId, version }))) {
    return refuse('unavailable', 'the ledger has not caught up with this hold yet', { retryAfterMs });
  }
  const opening = await api.ledger.findOpening(environmentId, walletId, ref);
  if (!opening) return noHold;
  const accounts = await showAccounts(api, environmentId, walletId, opening);
  const first = accounts[0]!;
  const attached = readAttached(opening.attached);
  const { event_type, data, subject, labels } = attached;
  const { requested = first.requested, lines } = readTold(opening.told);
  const event = event_type === undefined || !lines ? undefined : { event_type, data: data ?? {}, lines };
  const prices = event && (await pricesOf(api, environmentId, hold, event));
  const budgets = await readBudgets(api, environmentId, customerId, opening);
  const { scale } = await assetOf(api, environmentId, opening.legs[0]!.asset);
  const explanation: HoldExplanation = {
    hold_id: params.hold_id,
    customer_id: customerId,
    status: hold.status,
    as_of: formatTime(opening.occurredAtMs),
    version,
    asset: first.asset,
    requested,
    amount: first.requested,
    ...{ event_type, data, subject, labels },
    ...(lines && { lines }),
    ...(prices && { prices }),
    accounts,
    ...boundOf(opening, { requested, scale }, budgets),
    budgets: budgets.flatMap((budget) => (budget === 'deleted' ? [] : [budget.shown])),
  };
  return { status: 200, body: explanation };
}

const retryAfterMs = 1_000;

async function showAccounts(
  api: Api,
  environmentId: string,
  walletId: string,
  { legs, amounts, sources }: HoldOpening,
): Promise<ExplainedAccount[]> {
  const found = await Promise.all(
    sources.map(async (source) => ({
      ...source,
      grant: await api.ledger.findGrant(environmentId, walletId, source.grantNo),
    })),
  );
  const accounts = legs.map(async (leg) => {
    const asset = await assetOf(api, environmentId, leg.asset);
    const amount = amounts.get(leg.asset) ?? zeroAtoms;
    const grants = found.flatMap(({ grantNo, taken, remainingAfter, grant }) => {
      if (grant?.asset !== leg.asset) return [];
      const { purpose, priority, expiresAtMs, scope } = grant;
      return [
        {
          ...{ id: api.wallets.grantIdOf(walletId, grantNo), purpose, priority },
          remaining: format(remainingAfter + taken, asset),
          taken: format(taken, asset),
          expires_at: formatTimeOrNull(expiresAtMs),
          ...{ scope: showScope(scope), covers: true },
        },
      ];
    });
    return {
      asset: asset.code,
      requested: format(amount, asset),
      available: format(leg.availableAfter + amount, asset),
      held: format(leg.heldAfter - amount, asset),
      overage: format(leg.overageAfter, asset),
      grants,
    };
  });
  return Promise.all(accounts);
}

type Event = { event_type: string; data: Record<string, unknown>; lines: readonly PricedLine[] };

/** Undefined where what is known by now does not lead to the same lines. */
async function pricesOf(
  api: Api,
  environmentId: string,
  { customerId, createdAtMs }: HoldRecord,
  { event_type: eventType, data, lines }: Event,
): Promise<ExplainedPrice[] | undefined> {
  const listed = await api.ledger.listSubscriptions(environmentId, customerId, subscriptionsPage);
  if (listed === 'bad_cursor') throw new Error('a page without a cursor');
  const subscriptions = listed.items.filter(
    (one) => one.createdAtMs <= createdAtMs && (one.canceledAtMs ?? Infinity) > createdAtMs,
  );
  const catalog = await api.catalogs.of(environmentId);
  const match = explainMatch(catalog.pricedAt(createdAtMs), { eventType, data, subscriptions });
  if (match.status !== 'explained') return undefined;
  const won = match.prices.filter(({ reason }) => reason.status === 'won');
  const same = (id: string, version: number) => (line: PricedLine) =>
    line.price_id === id && line.price_version === version;
  const isSame = won.length === lines.length && won.every(({ priceId, version }) => lines.some(same(priceId, version)));
  return isSame ? match.prices.map(showPrice) : undefined;
}

/** More than a customer may have active; what was canceled long ago does not matter. */
const subscriptionsPage = { limit: 100, cursor: undefined };

/** `room`: what was left in it before the hold; undefined where its terms have changed since. */
type Counted = { shown: HoldExplanation['budgets'][number]; number: number; isHard: boolean; room: bigint | undefined };

async function readBudgets(
  api: Api,
  environmentId: string,
  customerId: string,
  { tags, legs, counters, occurredAtMs }: HoldOpening,
): Promise<(Counted | 'deleted')[]> {
  const counted = tags.filter(({ asset }) => legs.some((leg) => leg.asset === asset));
  if (counted.length === 0) return [];
  const listed = await api.ledger.listBudgets(environmentId, customerId, budgetsPage);
  if (listed === 'bad_cursor') throw new Error('a page without a cursor');
  const read = counted.map(async ({ budgetNo, asset: number, held }): Promise<Counted | 'deleted'> => {
    const budget = listed.items.find(({ no }) => no === budgetNo);
    if (!budget) return 'deleted';
    const asset = await assetOf(api, environmentId, number);
    const { id, enforcement: enforced, limit, changedAtMs } = budget;
    const shown = { id, asset: asset.code, held: format(held, asset) };
    const isHard = enforced === 'hard';
    const counter = counters.find(({ name }) => name === `b${budgetNo}`);
    if (!counter || changedAtMs > occurredAtMs) return { shown, number, isHard, room: undefined };
    const after = countedAt(budget, decodeBudgetCounter(counter.packed), occurredAtMs);
    const room = roomOf({ limit, spent: after.spent, held: after.held - held });
    const terms = { enforcement: enforced, limit: format(limit, asset), remaining: format(room, asset) };
    return { shown: { ...shown, ...terms }, number, isHard, room };
  });
  return Promise.all(read);
}

/** All that stand. */
const budgetsPage = { limit: 100, cursor: undefined };

/** Why a hold in mode `up_to` got less than was asked for: the tightest budget, or else the account gave all that it could. */
function boundOf(
  { legs, amounts }: HoldOpening,
  asked: { requested: string; scale: number },
  budgets: readonly (Counted | 'deleted')[],
): Pick<HoldExplanation, 'limit_source' | 'budget_id'> {
  const [leg, ...others] = legs;
  const requested = parseAmount(asked.requested, asked.scale);
  if (!leg || others.length > 0 || requested.status !== 'ok') return {};
  const amount = amounts.get(leg.asset) ?? zeroAtoms;
  if (amount >= requested.atoms) return {};
  const hard: { id: string; room: bigint }[] = [];
  for (const budget of budgets) {
    if (budget === 'deleted' || (budget.isHard && budget.room === undefined)) return {};
    const { shown, number, isHard, room } = budget;
    if (isHard && number === leg.asset && room !== undefined) hard.push({ id: shown.id, room });
  }
  const tightest = hard.find(({ room }) => room === amount);
  if (tightest && leg.availableAfter > 0n) return { limit_source: 'budget', budget_id: tightest.id };
  const heldBefore = leg.heldAfter - amount;
  return { limit_source: amount + heldBefore >= requested.atoms ? 'held_in_flight' : 'balance' };
}
