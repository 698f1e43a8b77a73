// An explanation as the API shows it, from what the script decided and the wallet that it looked at.
import type { ExplainedAccount, ExplainedBudget, ExplainedPrice, Explanation } from '../contract.ts';
import type { Explained as ExplainedMatch } from '../pricing/explain.ts';
import type { Asset, Budget, WalletConfig } from '../records.ts';
import { differences, resetsAtMs, type Spender } from '../wallet/budgets.ts';
import type { Explained } from '../wallet/explain.ts';
import { format } from './amount.ts';
import { readTold, type Asked } from './asked.ts';
import { showScope } from './grant-scope.ts';
import { remediesFor, roomOf, type Limit, type Need } from './remedies.ts';
import type { Api } from './route.ts';
import { codeOf } from './spend.ts';
import { formatTime, formatTimeOrNull } from './time.ts';

type Shown = Pick<Asset, 'number' | 'code' | 'scale'>;
type Due = { asset: Shown; due: bigint };

type What = {
  environmentId: string;
  wallet: { walletId: string };
  asked: Asked;
  config: WalletConfig;
  spender: Spender;
  explained: Explained;
};

export async function showExplained(api: Api, what: What): Promise<Omit<Explanation, 'customer_id' | 'mode'>> {
  const { asked, explained } = what;
  const { wallet, outcome } = explained;
  const dues = await duesOf(api, what);
  const limits = await limitsOf(api, what, dues);
  const { asset, requested } = asked;
  const { lines } = readTold(asked.told);
  const seen = {
    as_of: formatTime(wallet.asOfMs),
    version: wallet.version,
    asset: asset.code,
    requested,
    ...(lines && { lines }),
    accounts: dues.map((due) => showAccount(api, what, due)),
    budgets: await showBudgets(api, what, limits),
  };
  if (outcome.status === 'would_approve') {
    const amount = format(outcome.amount, asset);
    const [first, ...others] = dues;
    const held = [
      `${amount} ${asset.code}`,
      ...others.map((other) => `${format(other.due, other.asset)} ${other.asset.code}`),
    ];
    const { bound } = outcome;
    const isWhole = outcome.amount === first!.due;
    const detail = `${isWhole ? '' : `of ${requested} ${asset.code}, `}${held.join(' and ')} would be held`;
    return { status: 'approved', detail, ...seen, amount, ...(bound && showBound(bound, limits)), remedies: [] };
  }
  const { reason, affordable, budgetNo } = outcome;
  const limit = limits.find(({ budget }) => budget.no === budgetNo);
  const sure = await sureDuesOf(api, what, dues);
  const hard = limits.filter(({ budget: { enforcement } }) => enforcement === 'hard');
  return {
    status: 'declined',
    code: codeOf(reason),
    detail: whyNot(what, needsOf(what, dues), limit),
    ...seen,
    affordable: format(affordable, asset),
    shortfall: format(asked.amount - affordable, asset),
    ...showBound(outcome, limits),
    ...(wallet.freeze !== 'none' && { freeze_reason: wallet.freeze }),
    remedies: remediesFor({
      freeze: wallet.freeze,
      tooManyHolds: reason === 'too_many_holds',
      needs: needsOf(what, sure),
      limits: hard.map((one) => ({ ...one, due: dueIn(sure, one.budget.asset) })),
      // Of what others stand in for, no amount says how much less would do.
      affordable: explained.legs ? 0n : affordable,
    }),
  };
}

/** Which limit it is, as the 402 has it. */
function showBound(
  { reason, budgetNo }: Extract<Explained['outcome'], { status: 'would_decline' }>,
  limits: readonly Covering[],
): Pick<Explanation, 'limit_source' | 'budget_id'> {
  const limit = limits.find(({ budget }) => budget.no === budgetNo);
  const isAboutMoney = reason !== 'frozen' && reason !== 'too_many_holds';
  return { ...(isAboutMoney && { limit_source: reason }), ...(limit && { budget_id: limit.id }) };
}

export function showPrice({
  productId,
  version,
  priceId,
  price,
  isSubscribed,
  reason,
}: ExplainedMatch): ExplainedPrice {
  const { asset, quantity, dimensions } = price;
  const shown = {
    product_id: productId,
    price_version: version,
    price_id: priceId,
    subscribed: isSubscribed,
    asset: asset.code,
    quantity: quantity ?? null,
    dimensions: Object.fromEntries(dimensions.map(({ field, value }) => [field, value ?? '*'])),
  };
  switch (reason.status) {
    case 'won':
      return { ...shown, status: 'matched' };
    case 'lost': {
      const { to } = reason;
      const outranked_by = { product_id: to.productId, price_version: to.version, price_id: to.priceId };
      return { ...shown, status: 'outranked', outranked_by };
    }
    case 'replaced':
      return { ...shown, status: 'replaced' };
    case 'no_match': {
      const { field, wanted, found } = reason;
      return { ...shown, status: 'no_match', differs: { field, wanted, found: found ?? null } };
    }
  }
}

/** What is due in each asset; of lines that fall back, as they were spread. */
async function duesOf(api: Api, { environmentId, asked, explained }: What): Promise<Due[]> {
  const { asset: first, amount } = asked;
  const legs = explained.legs ?? [{ asset: first.number, amount }, ...asked.legs];
  const dues = legs.map(async (leg) => ({
    asset: leg.asset === first.number ? first : await assetOf(api, environmentId, leg.asset),
    due: leg.amount,
  }));
  return Promise.all(dues);
}

/**
 * What is sure to be enough: of several lines that fall back, who takes what changes with what there is, so each is due in its own
 * asset.
 */
async function sureDuesOf(api: Api, what: What, spread: Due[]): Promise<Due[]> {
  const { parts, fallbacks } = what.asked;
  const isOneLine = parts.length + fallbacks.length <= 1;
  if (fallbacks.length === 0 || isOneLine) return spread;
  return duesOf(api, { ...what, explained: { ...what.explained, legs: undefined } });
}

function needsOf(what: What, dues: readonly Due[]): (Need & Due)[] {
  return dues.map((due) => ({
    ...due,
    ...balancesOf(what.explained.wallet, due.asset),
    available: coveredBy(what, due.asset),
  }));
}

function dueIn(dues: readonly Due[], number: number): bigint {
  return dues.find(({ asset }) => asset.number === number)?.due ?? 0n;
}

export async function assetOf(api: Api, environmentId: string, number: number): Promise<Shown> {
  const found = await api.assets.byNumber(environmentId, number);
  if (!found) throw new Error(`asset ${number} is not among those of its environment`);
  return found;
}

const nothing = { available: 0n, held: 0n, overage: 0n };

function balancesOf(wallet: Explained['wallet'], asset: Shown) {
  const { available, held, overage } = wallet.accounts.find((account) => account.asset === asset.number) ?? nothing;
  return { available, held, overage };
}

/**
 * How much is there for it: what no scope binds, and what is bound to scopes that cover it. Where they cover each line otherwise,
 * which line gets what depends on the order of grants; then only what all lines can have counts.
 */
function coveredBy({ asked, explained }: What, { number }: Shown): bigint {
  const parts = scopesIn(asked, number);
  const covers = ({ scope }: { scope: number }) => scope === 0 || (parts.length === 1 && parts[0]!.includes(scope));
  const grants = explained.wallet.accounts.find(({ asset }) => asset === number)?.grants ?? [];
  return grants.filter(covers).reduce((total, { remaining }) => total + remaining, 0n);
}

/** By what scopes each part of what an asset may be asked for is covered. */
function scopesIn({ parts, fallbacks }: Asked, number: number): (readonly number[])[] {
  const lines = fallbacks.filter(({ asset, rates }) => asset === number || rates.some((rate) => rate.asset === number));
  return [...parts.filter(({ asset }) => asset === number), ...lines].map(({ scopes }) => scopes);
}

function showAccount(
  api: Api,
  { asked, wallet: { walletId }, explained }: What,
  { asset, due }: Due,
): ExplainedAccount {
  const { wallet, outcome } = explained;
  const scopes = new Set([0, ...scopesIn(asked, asset.number).flat()]);
  const taken = outcome.status === 'would_approve' ? outcome.taken : undefined;
  const { available, held, overage } = balancesOf(wallet, asset);
  const grants = wallet.accounts.find((account) => account.asset === asset.number)?.grants ?? [];
  return {
    asset: asset.code,
    requested: format(due, asset),
    available: format(available, asset),
    held: format(held, asset),
    overage: format(overage, asset),
    grants: grants
      .filter(({ remaining }) => remaining > 0n)
      .map((grant) => ({
        id: api.wallets.grantIdOf(walletId, grant.no),
        purpose: grant.purpose,
        priority: grant.priority,
        remaining: format(grant.remaining, asset),
        taken: format(taken?.get(grant.no) ?? 0n, asset),
        expires_at: formatTimeOrNull(grant.expiresAtMs),
        scope: showScope(wallet.scopes.find(({ no }) => no === grant.scope)),
        covers: scopes.has(grant.scope),
      })),
  };
}

type Covering = Limit & { budget: Budget };

/** The budgets that cover the request, with what is due in their assets. */
async function limitsOf(api: Api, what: What, dues: readonly Due[]): Promise<Covering[]> {
  const { environmentId, config, spender, explained } = what;
  const covering = config.budgets.filter(({ match }) => differences(match, spender).length === 0);
  return Promise.all(
    covering.map(async (budget) => {
      const counted = explained.budgets.get(budget.no);
      if (!counted) throw new Error(`budget ${budget.id} covers this and was not looked at`);
      return {
        budget,
        id: budget.id,
        asset: await assetOf(api, environmentId, budget.asset),
        limit: BigInt(budget.limit),
        ...counted,
        due: dueIn(dues, budget.asset),
        resetsAtMs: resetsAtMs(budget, explained.wallet.asOfMs),
      };
    }),
  );
}

async function showBudgets(api: Api, what: What, limits: readonly Covering[]): Promise<ExplainedBudget[]> {
  const { environmentId, config, spender } = what;
  const covering = limits.map(({ budget, asset, limit, spent, held, due, resetsAtMs: resets }): ExplainedBudget => {
    const room = roomOf({ limit, spent, held });
    return {
      id: budget.id,
      asset: asset.code,
      enforcement: budget.enforcement,
      covers: true,
      limit: format(limit, asset),
      spent: format(spent, asset),
      held: format(held, asset),
      remaining: format(room, asset),
      refuses: budget.enforcement === 'hard' && room < due,
      resets_at: formatTimeOrNull(resets),
    };
  });
  const others = config.budgets.map(async (budget): Promise<ExplainedBudget[]> => {
    const differs = differences(budget.match, spender).map(({ found, ...rest }) => ({ ...rest, found: found ?? null }));
    if (differs.length === 0) return [];
    const asset = await assetOf(api, environmentId, budget.asset);
    const { id, enforcement } = budget;
    return [{ id, asset: asset.code, enforcement, covers: false, differs, limit: format(BigInt(budget.limit), asset) }];
  });
  return [...covering, ...(await Promise.all(others)).flat()];
}

function whyNot({ asked, explained }: What, needs: readonly (Need & Due)[], limit: Covering | undefined): string {
  const { outcome, wallet } = explained;
  if (outcome.status === 'would_approve') throw new Error('asked why not of a yes');
  const { reason, shortAsset, affordable } = outcome;
  const need = needs.find(({ asset }) => asset.number === shortAsset) ?? needs[0]!;
  const { asset, due, available, held, overage } = need;
  const amounts = `${format(due, asset)} ${asset.code} asked for`;
  switch (reason) {
    case 'frozen':
      return `the wallet is frozen (${wallet.freeze}): it approves nothing until that is lifted`;
    case 'too_many_holds':
      return 'the wallet has as many open holds as it may have';
    case 'overage':
      return `the account owes ${format(overage, asset)} ${asset.code} and approves nothing until that is paid`;
    case 'held_in_flight':
      return `${amounts}, ${format(available, asset)} available while ${format(held, asset)} is held`;
    case 'balance':
      if (asked.fallbacks.length > 0) {
        return `${asked.requested} ${asked.asset.code} asked for, ${format(affordable, asked.asset)} affordable`;
      }
      return `${amounts}, ${format(available, asset)} available`;
    case 'budget':
      return `${amounts}, ${limit && format(roomOf(limit), asset)} left in budget ${limit?.id}`;
  }
}
