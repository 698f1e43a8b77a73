// What authorize, charge and explain are asked, and how a script takes it.
import type { Atoms } from '../units.ts';
import { packBudgets } from './budgets.ts';
import { packFallbacks, type FallbackLine } from './fallbacks.ts';
import { packLegs, type AskedLeg } from './legs.ts';
import { packLines } from './lines.ts';
import type { Operation } from './operation.ts';
import { packScopes, type ScopedPart } from './scopes.ts';
import type { Known } from './stale.ts';
import type { Target } from './target.ts';

export type SpendRequest = {
  wallet: Target;
  asset: number;
  amount: Atoms;
  /** What goes with it in other assets: all or none. */
  legs?: readonly AskedLeg[];
  /** What scopes of grants cover of it; they make up the amounts. None: nothing that a scope could cover. */
  parts?: readonly ScopedPart[];
  /** Of what is due, the lines that fall back on other assets; they are in no part. */
  fallbacks?: readonly FallbackLine[];
  /** `unpriced`: only a first answer is repeated. */
  mode: 'strict' | 'up_to' | 'shadow' | 'unpriced';
  operation: Operation;
  /** JSON that the caller attached, kept in the entry as it is. */
  attached: string;
} & Known;

/** By name, of all three scripts; the hot path's one copy of them. */
export function spendArgs(request: SpendRequest, mode: string, ttlMs: number) {
  const { catalogVersion, config, redisMs, parts, fallbacks } = request;
  return {
    asset: request.asset,
    amountAtoms: request.amount,
    mode,
    ttlMs,
    configVersion: String(config.version),
    attached: request.attached,
    catalogVersion: catalogVersion === undefined ? '' : String(catalogVersion),
    toldText: request.told,
    budgetsPacked: packBudgets(config, request.spender, redisMs),
    linesPacked: packLines(request.lines ?? [], redisMs),
    scopesPacked: packScopes(parts, fallbacks),
    legsPacked: packLegs(request, request.legs),
    fallbacksPacked: packFallbacks(fallbacks),
  };
}
