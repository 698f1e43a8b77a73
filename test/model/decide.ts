// Yes or no, as the contract says it: what may be taken, or why not and how much could be.
import { codes } from '../../src/codes.gen.ts';
import { tightest, type OpenBudget } from './budgets.ts';
import type { Draft } from './draft.ts';
import { refused, type Decision } from './operation.ts';
import { got, reach } from './scopes.ts';
import {
  balances,
  least,
  legsOf,
  legsText,
  overdueRefs,
  partsOf,
  spendable,
  sum,
  type AskedLeg,
  type Parts,
  type Wallet,
} from './wallet.ts';

export type Mode = 'strict' | 'up_to' | 'shadow';
type Ask = {
  asset: number;
  amount: bigint;
  mode: Mode;
  legs?: readonly AskedLeg[];
  parts?: Parts | undefined;
  /** See fallback.ts. */
  stoodIn?: bigint;
  inFlight?: bigint;
};
/** `short`: the asset of which there is too little; 0 where no money would help. */
type No = { no: keyof typeof codes.reason; affordable: bigint; short: number; budgetNo: number };
type Yes = { no: undefined; atoms: bigint };

/** Of several assets all is taken or nothing, whatever the mode; what others stand in for goes with what there is. */
export function decide(
  { wallet }: Draft,
  { legs = [], stoodIn = 0n, ...ask }: Ask,
  { opensHold, budgets }: { opensHold: boolean; budgets: OpenBudget[] },
): Yes | No {
  if (wallet.freeze !== 'none') return { no: 'frozen', affordable: 0n, short: 0, budgetNo: 0 };
  const alone = decideOne(wallet, budgets, legs.length > 0 ? { ...ask, mode: 'strict' } : ask);
  const lacking = legs
    .map((leg) => decideOne(wallet, budgets, { ...leg, parts: ask.parts, mode: 'strict' }))
    .find(({ no }) => no);
  let first = alone;
  if (alone.no && !lacking?.no && stoodIn > 0n) {
    const isOwing = alone.no === 'overage';
    if (ask.mode === 'up_to' && !isOwing) first = { no: undefined, atoms: alone.affordable };
    else if (alone.no !== 'budget') first = { ...alone, affordable: alone.affordable + stoodIn };
  }
  if (first.no) return first;
  // Nothing of the first asset would be approved, however little.
  if (lacking?.no) return { ...lacking, affordable: 0n };
  const isFull = opensHold && wallet.holds.size >= codes.limit.open_holds;
  return isFull ? { no: 'too_many_holds', affordable: 0n, short: 0, budgetNo: 0 } : first;
}

function decideOne(wallet: Wallet, budgets: OpenBudget[], ask: Omit<Ask, 'legs' | 'stoodIn'>): Yes | No {
  const { asset, amount, mode, parts, inFlight = 0n } = ask;
  const { held, overage } = balances(wallet, asset);
  const asked = partsOf(parts, asset, amount);
  // One part could be larger; several are what they are.
  const [one] = asked.length > 1 ? [] : asked;
  const available = one
    ? sum(spendable(wallet, asset, one.scopes).map((grant) => grant.remaining))
    : got(reach(wallet, asset, asked));
  const bound = tightest(budgets, asset);
  const affordable = bound ? least(available, bound.room) : available;
  const atoms = mode === 'up_to' ? least(amount, affordable) : amount;
  if (amount === 0n || (overage === 0n && atoms > 0n && atoms <= affordable)) return { no: undefined, atoms };
  if (overage > 0n) return { no: 'overage', affordable: 0n, short: asset, budgetNo: 0 };
  if (bound && bound.room < available) return { no: 'budget', affordable, short: asset, budgetNo: bound.no };
  return {
    no: available + held + inFlight >= amount ? 'held_in_flight' : 'balance',
    affordable,
    short: asset,
    budgetNo: 0,
  };
}

/** The "no": unless overdue holds could still make it a yes. A shadow is told what would have been. */
export function declined(
  { wallet, nowMs }: Draft,
  { no, affordable, short, budgetNo }: No,
  ask: Ask & { repeated: boolean; told?: string; linesText?: string },
): Decision {
  const { asset, mode, repeated, told, linesText } = ask;
  const { available, held } = balances(wallet, asset);
  const account = {
    reason: codes.reason[no],
    availableAtoms: available,
    heldAtoms: held,
    affordableAtoms: affordable,
    shortAsset: short,
    budgetNo,
    // An extension's no has none.
    ...(linesText !== undefined && { linesText }),
  };
  if (mode === 'shadow') {
    return refused({ status: 'shadow_declined', ...account, legsText: legsText(wallet, legsOf(ask)) });
  }
  const mayReturn = no === 'held_in_flight' || no === 'too_many_holds' || no === 'budget';
  const overdue = mayReturn ? overdueRefs(wallet, nowMs) : [];
  if (overdue.length > 0) return refused({ status: 'overdue', overdueRefs: overdue.join(' ') }, 'nothing');
  // An extend is told nothing besides.
  const texts = told === undefined ? {} : { toldText: told };
  return refused({ status: 'declined', ...account, ...texts }, 'version', repeated);
}
