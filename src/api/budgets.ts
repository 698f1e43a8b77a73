// Budgets: what may be spent in a period, by whatever matches. They travel with the wallet, so a change is answered when
// the wallet in Redis has it, and every request that starts after the reply goes by it.
import type { Budget } from '../contract.ts';
import type { Asset, BudgetRecord } from '../records.ts';
import { readAmount } from './amount.ts';
import { refuse, type Answer, type Refused } from './answer.ts';
import { unknownAsset } from './assets.ts';
import { budgetBody, budgetChanges, seemingBudget } from './budget-schema.ts';
import { budgetReply, showBudget } from './budget-view.ts';
import { noCustomer } from './customers.ts';
import { operationFor } from './idempotency.ts';
import { badCursor, pageOf, pageQuery, pageSchema } from './paging.ts';
import { defineRoute, type Api, type Call } from './route.ts';
import { answerChanged, tellWallet } from './tell-wallet.ts';
import { refuseTrouble } from './trouble.ts';

const effective = '`not_yet_effective`: it is done, and the wallet in Redis has not been told.';

export const createBudget = defineRoute({
  summary: "Limit a customer's spending, or be told of it",
  description: `Every request that matches counts in it from the reply on; a hold counts in the budgets there were when it was opened. ${effective}`,
  body: budgetBody,
  reply: { status: 201, description: 'The budget.', schema: budgetReply },
  errors: ['unknown_asset', 'amount_too_large', 'too_many_budgets', 'not_yet_effective'],
  bodySeeming: seemingBudget,
  handle: async (api, call) => {
    const { environmentId, params, body } = call;
    const asset = await api.assets.byCode(environmentId, body.asset);
    if (!asset) return unknownAsset('asset', body.asset);
    const limit = readAmount(body.limit, asset, 'limit');
    if (typeof limit !== 'bigint') return limit;
    const { name, period, match, enforcement, alert_at: alertAt = [] } = body;
    const { id: operationId, fingerprint } = operationFor(api, call);
    const made = await api.ledger.createBudget(environmentId, {
      ...{ customerId: params.customer_id, operationId, fingerprint },
      terms: { name, asset: asset.number, limit, period, match, enforcement, alertAt: ascending(alertAt) },
      replyOf: (budget) => JSON.stringify(showBudget(budget, asset, undefined, api.wallets.redisMs())),
    });
    return made.status === 'changed' ? answerChanged(api, call, 201, made) : refusals[made.status];
  },
});

export const listBudgets = defineRoute({
  summary: "List a customer's budgets",
  query: pageQuery,
  reply: { status: 200, description: 'Newest first, with live numbers.', schema: pageSchema(budgetReply) },
  errors: [],
  handle: async (api, call) => {
    const { environmentId, params, query } = call;
    if (!(await api.ledger.findCustomer(environmentId, params.customer_id))) return noCustomer;
    const listed = await api.ledger.listBudgets(environmentId, params.customer_id, pageOf(query));
    if (listed === 'bad_cursor') return badCursor;
    const shown = await show(api, call, listed.items);
    return 'status' in shown
      ? shown
      : { status: 200, body: { data: shown.budgets, next_cursor: listed.nextCursor ?? null } };
  },
});

export const getBudget = defineRoute({
  summary: 'Get a budget',
  reply: { status: 200, description: 'The budget, with live numbers.', schema: budgetReply },
  errors: [],
  handle: async (api, call) => {
    const found = await find(api, call);
    return 'code' in found ? found : showOne(api, call, found);
  },
});

export const updateBudget = defineRoute({
  summary: 'Change a budget',
  description: `What it has counted stays. ${effective}`,
  body: budgetChanges,
  reply: { status: 200, description: 'The budget as it is now.', schema: budgetReply },
  errors: ['amount_too_large', 'not_yet_effective'],
  handle: async (api, call) => {
    const { environmentId, params, body } = call;
    const found = await find(api, call);
    if ('code' in found) return found;
    const limit =
      body.limit === undefined ? undefined : readAmount(body.limit, await assetOf(api, call, found), 'limit');
    if (typeof limit === 'object') return limit;
    const { name, match, enforcement, alert_at: alertAt } = body;
    const changed = await api.ledger.updateBudget(environmentId, namedBy(params), {
      ...(name !== undefined && { name }),
      ...(limit !== undefined && { limit }),
      ...(match && { match }),
      ...(enforcement && { enforcement }),
      ...(alertAt && { alertAt: ascending(alertAt) }),
    });
    if (changed.status !== 'changed') return refusals[changed.status];
    const untold = await tellWallet(api, call, changed.unpushed);
    if (untold) return untold;
    const shown = await showOne(api, call, changed.made);
    return shown.status === 'refused' ? { ...shown, outcome: 'applied' } : shown;
  },
});

export const deleteBudget = defineRoute({
  summary: 'Delete a budget',
  description: `It limits nothing from the reply on; entries go on naming it. ${effective}`,
  reply: { status: 204, description: 'Deleted.' },
  errors: ['not_yet_effective'],
  handle: async (api, call) => {
    const deleted = await api.ledger.deleteBudget(call.environmentId, namedBy(call.params));
    if (deleted.status !== 'changed') return refusals[deleted.status];
    return (await tellWallet(api, call, deleted.unpushed)) ?? { status: 204 };
  },
});

const refusals = {
  no_customer: noCustomer,
  no_budget: refuse('budget_not_found', 'this customer has no such budget'),
  too_many_budgets: refuse('too_many_budgets', 'this customer has as many as there may be'),
  conflict: refuse('idempotency_conflict', 'the Idempotency-Key came with another body before'),
} as const;

const namedBy = ({ customer_id: customerId, budget_id: budgetId }: Call['params']) => ({ customerId, budgetId });

/** Smallest first, as written. */
const ascending = (shares: readonly string[]): string[] => shares.toSorted((a, b) => Number(a) - Number(b));

async function find(api: Api, { environmentId, params }: Call): Promise<BudgetRecord | Refused> {
  const found = await api.ledger.findBudget(environmentId, namedBy(params));
  if (found) return found;
  return (await api.ledger.findCustomer(environmentId, params.customer_id)) ? refusals.no_budget : noCustomer;
}

async function assetOf(api: Api, { environmentId }: Call, budget: BudgetRecord): Promise<Asset> {
  const asset = await api.assets.byNumber(environmentId, budget.asset);
  if (!asset) throw new Error(`a budget is in asset ${budget.asset}, which is not among those of its environment`);
  return asset;
}

async function showOne(api: Api, call: Call, budget: BudgetRecord): Promise<Answer & { status: 200 | 'refused' }> {
  const shown = await show(api, call, [budget]);
  return 'status' in shown ? shown : { status: 200, body: shown.budgets[0]! };
}

async function show(api: Api, call: Call, records: readonly BudgetRecord[]): Promise<{ budgets: Budget[] } | Refused> {
  const { environmentId, params } = call;
  const read = await api.wallets.readWallet({ environmentId, customerId: params.customer_id });
  if (read.status !== 'wallet') return refuseTrouble(read, call);
  const { asOfMs, budgets: counters } = read.wallet;
  const budgets = records.map(async (budget) =>
    showBudget(budget, await assetOf(api, call, budget), counters.get(budget.no), asOfMs),
  );
  return { budgets: await Promise.all(budgets) };
}
