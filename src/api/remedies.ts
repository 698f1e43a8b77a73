// What would make a declined request approved: each remedy by itself, with all of its steps.
import type { FreezeName } from '../records.ts';
import type { Remedy, RemedyStep } from '../contract.ts';
import type { Asset } from '../records.ts';
import { format } from './amount.ts';
import { formatTime } from './time.ts';

type Shown = Pick<Asset, 'code' | 'scale'>;

/** What is due in one asset, and the account before it. */
export type Need = { asset: Shown; due: bigint; available: bigint; held: bigint; overage: bigint };

/** A hard budget that covers the request; `due` is what is due in its asset. */
export type Limit = {
  id: string;
  asset: Shown;
  limit: bigint;
  spent: bigint;
  held: bigint;
  due: bigint;
  resetsAtMs: number | undefined;
};

export type Situation = {
  freeze: FreezeName;
  tooManyHolds: boolean;
  needs: readonly Need[];
  limits: readonly Limit[];
  /** Of the first asset. */
  affordable: bigint;
};

export function remediesFor(situation: Situation): Remedy[] {
  const { freeze, tooManyHolds, needs, limits, affordable } = situation;
  const frozen: RemedyStep[] = freeze === 'none' ? [] : [{ kind: 'unfreeze', freeze_reason: freeze }];
  const short = needs.filter(({ due, overage, available }) => due > 0n && available < due + overage);
  const tight = limits.filter((limit) => roomOf(limit) < limit.due);
  const credit = short.map(({ asset, due, overage, available }): RemedyStep => {
    return { kind: 'add_credit', asset: asset.code, amount: format(due + overage - available, asset) };
  });
  const raised = tight.map(({ id, asset, spent, held, due }): RemedyStep => {
    return { kind: 'raise_budget', budget_id: id, limit: format(spent + held + due, asset) };
  });
  const holds: RemedyStep[] = tooManyHolds ? [{ kind: 'await_holds' }] : [];
  const all = [{ steps: [...frozen, ...credit, ...raised, ...holds] }];
  if (frozen.length > 0 || tooManyHolds) return all;
  const [first] = needs;
  const canAskLess = needs.length === 1 && first && affordable > 0n;
  const comeBack = short.every(({ due, available, held, overage }) => overage === 0n && available + held >= due);
  const resets = tight.map(({ resetsAtMs, limit, due }) => (limit >= due ? (resetsAtMs ?? Infinity) : Infinity));
  const resetAtMs = Math.max(0, ...resets);
  return [
    ...all,
    ...(canAskLess
      ? [step({ kind: 'ask_for', asset: first.asset.code, amount: format(affordable, first.asset) })]
      : []),
    ...(tight.length === 0 && short.length > 0 && comeBack ? [step({ kind: 'await_holds' })] : []),
    ...(short.length === 0 && resetAtMs > 0 && resetAtMs < Infinity
      ? [step({ kind: 'wait_until', at: formatTime(resetAtMs) })]
      : []),
  ];
}

const step = (only: RemedyStep): Remedy => ({ steps: [only] });

export function roomOf({ limit, spent, held }: Pick<Limit, 'limit' | 'spent' | 'held'>): bigint {
  return limit > spent + held ? limit - spent - held : 0n;
}
