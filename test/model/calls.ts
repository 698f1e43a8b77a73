// The calls that change a wallet, as the model answers them: reply, entries, and the world after.
import { codes } from '../../src/codes.gen.ts';
import type { FreezeName, PurposeName } from '../../src/records.ts';
import { alertBudgets, countBudgets, openBudgets, type Sent } from './budgets.ts';
import { decide, declined, type Mode } from './decide.ts';
import { record, type Draft } from './draft.ts';
import { applyDueEvents, closeHold, endGrant, expireHold, fund, take, takeInto } from './money.ts';
import { done, perform, refused, type Decision, type Operation, type Outcome } from './operation.ts';
import { addToParts, addUses, countUses, priceUses, usesText, type PricedUses, type Uses } from './usage.ts';
import {
  addDue,
  assetOf,
  balances,
  least,
  legsOf,
  legsText,
  overdueRefs,
  commonScopes,
  partsOf,
  type AskedLeg,
  type Grant,
  type Hold,
  type Parts,
  type Wallet,
  type World,
} from './wallet.ts';
import { pricedLines, spread, type AskedLine, type Spread } from './fallback.ts';
import { reach, split, type Part } from './scopes.ts';

export function authorize(
  world: World,
  operation: Operation,
  named: {
    asset: number;
    amount: bigint;
    mode: Mode;
    ttlMs: number;
    repeated: boolean;
    legs?: readonly AskedLeg[];
    parts?: Parts | undefined;
    fallbacks?: readonly AskedLine[];
    told?: string;
    budgets?: Sent;
    uses?: Uses;
  },
): Outcome {
  return perform(world, operation, (draft) => {
    const { wallet, nowMs, epoch } = draft;
    const reckoned = reckon(draft, named, 'most');
    if ('refusal' in reckoned) return reckoned.refusal;
    const { ask, linesText } = reckoned;
    const budgets = openBudgets(draft, ask.budgets);
    if (!budgets) return stale(draft);
    const decision = decide(draft, ask, { opensHold: true, budgets });
    if (decision.no) return declined(draft, decision, { ...ask, told: ask.told ?? '', linesText });
    if (ask.mode === 'shadow') {
      const { available, held } = balances(wallet, ask.asset);
      return refused({
        status: 'shadow_approved',
        takeAtoms: decision.atoms,
        availableAtoms: available,
        heldAtoms: held,
        legsText: legsText(wallet, legsOf(ask)),
        linesText,
      });
    }
    const { atoms } = decision;
    const hold: Hold = {
      ref: `${epoch}.${wallet.version + 1}`,
      createdAtMs: nowMs,
      expiresAtMs: nowMs + ask.ttlMs,
      legs: legsOf({ ...ask, amount: atoms }),
      tags: [],
      scopes: commonScopes([...(named.parts ?? []), ...(named.fallbacks ?? [])]),
    };
    record(draft, 'hold', { asset: ask.asset, hold }, (flow) => {
      for (const leg of hold.legs) takeInto(wallet, leg, fitted(wallet, ask.parts, leg), flow);
      // What it may be settled in besides counts there, too.
      for (const budget of budgets) {
        const amount = hold.legs.find(({ asset }) => asset === budget.asset)?.amount ?? 0n;
        countBudgets(draft, [budget], { asset: budget.asset, amount }, hold.tags);
      }
      wallet.holds.set(hold.ref, hold);
    });
    const { available, held } = balances(wallet, ask.asset);
    const account = { takeAtoms: atoms, availableAtoms: available, heldAtoms: held };
    return done(
      { status: 'approved', ...account, createdAtMs: nowMs },
      { texts: { legsText: legsText(wallet, hold.legs), toldText: ask.told ?? '', linesText } },
    );
  });
}

export function charge(
  world: World,
  operation: Operation,
  named: {
    asset: number;
    amount: bigint;
    mode: Mode;
    repeated: boolean;
    legs?: readonly AskedLeg[];
    parts?: Parts | undefined;
    fallbacks?: readonly AskedLine[];
    told?: string;
    budgets?: Sent;
    uses?: Uses;
  },
): Outcome {
  return perform(world, operation, (draft) => {
    const reckoned = reckon(draft, named, 'exact');
    if ('refusal' in reckoned) return reckoned.refusal;
    const { ask, priced, linesText } = reckoned;
    const budgets = openBudgets(draft, ask.budgets);
    if (!budgets) return stale(draft);
    const decision = decide(draft, ask, { opensHold: false, budgets });
    if (decision.no) return declined(draft, decision, { ...ask, told: ask.told ?? '', linesText });
    const { atoms } = decision;
    const main = draft.entries.length;
    const legs = legsOf({ ...ask, amount: atoms }).map((leg) => ({ ...leg, settled: leg.amount }));
    if (ask.mode !== 'shadow') {
      record(draft, 'charge', { asset: ask.asset }, (flow) => {
        for (const leg of legs) {
          take(draft.wallet, leg.asset, fitted(draft.wallet, ask.parts, leg), 'revenue', flow);
          countBudgets(draft, budgets, leg);
        }
        countUses(draft, priced);
      });
    }
    const { version } = draft.wallet;
    if (ask.mode !== 'shadow') alertBudgets(draft);
    const { available, held } = balances(draft.wallet, ask.asset);
    const account = { takeAtoms: atoms, availableAtoms: available, heldAtoms: held };
    if (ask.mode === 'shadow') {
      return refused({
        status: 'shadow_approved',
        ...account,
        legsText: legsText(draft.wallet, legsOf(ask)),
        linesText,
      });
    }
    return done(
      { status: 'charged', ...account },
      { main, version, texts: { legsText: legsText(draft.wallet, legs), toldText: ask.told ?? '', linesText } },
    );
  });
}

export function release(world: World, operation: Operation, ask: { asset: number; ref: string }): Outcome {
  return perform(world, operation, (draft) => {
    const hold = draft.wallet.holds.get(ask.ref);
    if (!hold || assetOf(hold) !== ask.asset) return refused({ status: 'unknown_hold' }, 'nothing');
    if (hold.expiresAtMs <= draft.nowMs) {
      expireHold(draft, hold);
      return ended(hold);
    }
    const main = draft.entries.length;
    closeHold(draft, hold, 'release', 'released');
    const { available, held } = balances(draft.wallet, ask.asset);
    const { settled, released } = hold.legs[0];
    const account = { availableAtoms: available, heldAtoms: held };
    const texts = { legsText: legsText(draft.wallet, hold.legs) };
    return done({ status: 'released', settledAtoms: settled, releasedAtoms: released, ...account }, { main, texts });
  });
}

export function extend(
  world: World,
  operation: Operation,
  ask: { asset: number; ref: string; amount: bigint; ttlMs: number; repeated: boolean; budgets?: Sent },
): Outcome {
  return perform(world, operation, (draft) => {
    const { wallet, nowMs } = draft;
    const hold = wallet.holds.get(ask.ref);
    if (!hold || assetOf(hold) !== ask.asset) return refused({ status: 'unknown_hold' }, 'nothing');
    const budgets = openBudgets(draft, ask.budgets, hold.tags);
    if (!budgets) return stale(draft);
    if (hold.expiresAtMs <= nowMs) {
      expireHold(draft, hold);
      return ended(hold);
    }
    const parts = hold.scopes && [{ asset: ask.asset, atoms: ask.amount, scopes: hold.scopes }];
    const decision = decide(draft, { ...ask, parts, mode: 'strict' }, { opensHold: false, budgets });
    if (decision.no) return declined(draft, decision, { ...ask, mode: 'strict' });
    const { atoms } = decision;
    const [first] = hold.legs;
    if (first.amount + atoms > codes.limit.amount_atoms) {
      return refused({ status: 'out_of_bounds', bound: codes.bound.amount }, 'nothing');
    }
    record(draft, 'extend', { asset: first.asset, hold }, (flow) => {
      takeInto(wallet, first, [{ atoms, scopes: hold.scopes ?? [] }], flow);
      countBudgets(draft, budgets, { asset: first.asset, amount: atoms }, hold.tags);
      first.amount += atoms;
      hold.expiresAtMs = Math.max(hold.expiresAtMs, nowMs + ask.ttlMs);
    });
    const { available, held } = balances(wallet, first.asset);
    const account = { totalAtoms: first.amount, availableAtoms: available, heldAtoms: held };
    return done(
      { status: 'extended', ...account, expiresAtMs: hold.expiresAtMs, atMs: nowMs },
      { texts: { legsText: legsText(wallet, hold.legs) } },
    );
  });
}

// A part of what was asked for: first parts first.
function fitted(
  wallet: Wallet,
  parts: Parts | undefined,
  { asset, amount }: { asset: number; amount: bigint },
): Part[] {
  const asked = partsOf(parts, asset, amount);
  return split(asked, reach(wallet, asset, asked).got, amount).given;
}

type Asked = {
  asset: number;
  amount: bigint;
  legs?: readonly AskedLeg[];
  parts?: Parts | undefined;
  fallbacks?: readonly AskedLine[];
  uses?: Uses;
};

// What counts over a period comes on top of what is asked for; lines that fall back are spread over what there is.
function reckon<Ask extends Asked>(
  draft: Draft,
  named: Ask,
  how: 'exact' | 'most',
):
  | { ask: Ask & Partial<Spread>; priced: Exclude<PricedUses, 'stale' | { tooLarge: number }>; linesText: string }
  | { refusal: Decision } {
  const { uses = { list: [], knownMs: 0 }, legs = [] } = named;
  const priced = priceUses(draft, uses, { atMs: draft.nowMs, how });
  if (priced === 'stale') return { refusal: stale(draft) };
  if ('tooLarge' in priced) return { refusal: tooLarge(priced) };
  const first = { ...named, legs: undefined };
  const added = addUses<{ asset: number; amount: bigint }>([first, ...legs], priced);
  if ('tooLarge' in added) return { refusal: tooLarge(added) };
  const [{ amount }, ...others] = added as [AskedLeg, ...AskedLeg[]];
  const parts = addToParts(named.parts, priced, named.fallbacks);
  const ask = { ...named, amount, legs: others, parts };
  const lines = pricedLines(named.fallbacks, priced);
  const asked = lines.length > 0 ? { ...ask, ...spread(draft.wallet, ask, lines) } : ask;
  return { ask: asked, priced, linesText: usesText(priced, amount) };
}

export function tooLarge({ tooLarge: lineNo }: { tooLarge: number }): Decision {
  return refused({ status: 'too_large', lineNo }, 'nothing');
}

// The caller's clock is in another window than Redis's. Stories have neither catalogs nor configurations.
export function stale({ nowMs }: Draft, atMs = nowMs) {
  const reply = { status: 'stale', standingVersion: 0, standingConfig: 0, redisMs: atMs, configText: '' };
  return refused(reply, 'nothing');
}

// Whoever comes to a hold too late is told so; the hold expires, and the call itself is not remembered.
function ended(hold: Hold) {
  const { settled, released } = hold.legs[0];
  const reply = { status: 'expired', settledAtoms: settled, releasedAtoms: released };
  return done(reply, { isMain: false, versioned: false });
}

export function credit(
  world: World,
  operation: Operation,
  ask: {
    asset: number;
    grantNo: number;
    amount: bigint;
    purpose: PurposeName;
    priority: number;
    scope: number;
    rollover?: Grant['rollover'];
    effectiveAtMs: number | undefined;
    expiresAtMs: number | undefined;
  },
): Outcome {
  return perform(world, operation, (draft) => {
    const { wallet, nowMs } = draft;
    const { asset, amount, purpose, priority, scope } = ask;
    const account = balances(wallet, asset);
    const isScheduled = ask.effectiveAtMs !== undefined && ask.effectiveAtMs > nowMs;
    const repaid = isScheduled || scope > 0 ? 0n : least(account.overage, amount);
    if (account.available + account.held + account.scheduled + amount - repaid > codes.limit.balance_atoms) {
      return refused({ status: 'out_of_bounds', bound: codes.bound.balance }, 'nothing');
    }
    if (wallet.grants.size >= codes.limit.grants) {
      return refused({ status: 'out_of_bounds', bound: codes.bound.grants }, 'nothing');
    }
    const effectiveAtMs = ask.effectiveAtMs ?? nowMs;
    const expiresAtMs = ask.expiresAtMs ?? codes.never_ms;
    const grant: Grant = {
      no: ask.grantNo,
      asset,
      amount,
      purpose,
      priority,
      scope,
      state: 'scheduled',
      effectiveAtMs,
      expiresAtMs,
      createdAtMs: nowMs,
      remaining: 0n,
      held: 0n,
      rollover: ask.rollover,
    };
    if (isScheduled) {
      wallet.grants.set(grant.no, grant);
      record(draft, 'schedule_grant', { asset, grantNo: grant.no }, () => {});
      addDue(wallet, effectiveAtMs, grant.no);
    } else {
      fund(draft, grant, 'grant', nowMs);
    }
    if (expiresAtMs < codes.never_ms && wallet.grants.has(grant.no)) addDue(wallet, expiresAtMs, grant.no);
    const state = wallet.grants.has(grant.no) ? grant.state : 'spent';
    return done({
      status: 'granted',
      remainingAtoms: grant.remaining,
      state: codes.grant_state[state],
      effectiveMs: effectiveAtMs,
      atMs: nowMs,
    });
  });
}

export function voidGrant(world: World, operation: Operation, ask: { asset: number; grantNo: number }): Outcome {
  return perform(world, operation, (draft) => {
    const grant = draft.wallet.grants.get(ask.grantNo);
    if (grant?.asset !== ask.asset) return refused({ status: 'unknown_grant' }, 'nothing');
    if (grant.state !== 'scheduled' && grant.state !== 'active') {
      return refused({ status: 'ended', state: codes.grant_state[grant.state] }, 'nothing');
    }
    const taken = grant.state === 'scheduled' ? grant.amount : grant.remaining;
    endGrant(draft, grant, 'voided', draft.nowMs);
    return done({ status: 'voided', takenAtoms: taken, heldAtoms: grant.held, atMs: draft.nowMs });
  });
}

/** From `none`: freeze. To `none`: lift that freeze. The system's reasons replace an operator's, never the reverse. */
export function changeFreeze(world: World, operation: Operation, ask: { from: FreezeName; to: FreezeName }): Outcome {
  return perform(world, operation, (draft) => {
    const now = draft.wallet.freeze;
    const replaces = now === 'operator' && ask.to !== 'none' && ask.to !== 'operator';
    if (ask.from === ask.to || (now !== ask.from && !replaces)) {
      return refused({ status: 'unchanged', freeze: codes.freeze[now] }, 'nothing');
    }
    draft.wallet.freeze = ask.to;
    record(draft, ask.to === 'none' ? 'unfreeze' : 'freeze', {}, () => {});
    return done({ status: 'changed', toFreeze: codes.freeze[ask.to] });
  });
}

export function expireHolds(world: World, operation: Operation, ask: { refs: string[] }): Outcome {
  return perform(world, operation, (draft) => {
    const overdue = new Set(overdueRefs(draft.wallet, draft.nowMs));
    const refs = ask.refs.filter((ref) => overdue.has(ref)).slice(0, codes.limit.expire_batch);
    for (const ref of refs) expireHold(draft, draft.wallet.holds.get(ref)!);
    return done({ status: 'expired', expiredCount: refs.length }, { isMain: false, versioned: false });
  });
}

export function applyDue(world: World, operation: Operation): Outcome {
  return perform(
    world,
    operation,
    (draft) => {
      const { appliedCount, isAll } = applyDueEvents(draft);
      const reply = { status: 'applied', appliedCount, moreFlag: isAll ? 0 : 1 };
      return done(reply, { isMain: false, versioned: false });
    },
    { leavesDue: true },
  );
}
