// Yes or no, as the contract says it: what may be taken, or why not and how much could be.
import { codes } from '../../src/codes.gen.ts';
import type { Draft } from './draft.ts';
import { refused, type Decision } from './operation.ts';
import { balances, least, overdueRefs, type AskedLeg, type Wallet } from './wallet.ts';

export type Mode = 'strict' | 'up_to' | 'shadow';
type Ask = { asset: number; amount: bigint; mode: Mode; legs?: readonly AskedLeg[] };
/** `short`: the asset of which there is too little; 0 where no money would help. */
type No = { no: keyof typeof codes.reason; affordable: bigint; short: number };
type Yes = { no: undefined; atoms: bigint };

/** Of several assets all is taken or nothing, whatever the mode. */
export function decide({ wallet }: Draft, { legs = [], ...ask }: Ask, { opensHold }: { opensHold: boolean }): Yes | No {
  if (wallet.freeze !== 'none') return { no: 'frozen', affordable: 0n, short: 0 };
  const first = decideOne(wallet, legs.length > 0 ? { ...ask, mode: 'strict' } : ask);
  if (first.no) return first;
  const lacking = legs.map((leg) => decideOne(wallet, { ...leg, mode: 'strict' })).find(({ no }) => no);
  // Nothing of the first asset would be approved, however little.
  if (lacking?.no) return { ...lacking, affordable: 0n };
  const isFull = opensHold && wallet.holds.size >= codes.limit.open_holds;
  return isFull ? { no: 'too_many_holds', affordable: 0n, short: 0 } : first;
}

function decideOne(wallet: Wallet, { asset, amount, mode }: Omit<Ask, 'legs'>): Yes | No {
  const { available, held, overage } = balances(wallet, asset);
  const atoms = mode === 'up_to' ? least(amount, available) : amount;
  if (amount === 0n || (overage === 0n && atoms > 0n && atoms <= available)) return { no: undefined, atoms };
  if (overage > 0n) return { no: 'overage', affordable: 0n, short: asset };
  return { no: available + held >= amount ? 'held_in_flight' : 'balance', affordable: available, short: asset };
}

/** The "no": unless overdue holds could still make it a yes. A shadow is told what would have been. */
export function declined(
  { wallet, nowMs }: Draft,
  { no, affordable, short }: No,
  { asset, mode, repeated }: Ask & { repeated: boolean },
): Decision {
  const { available, held } = balances(wallet, asset);
  const account = {
    reason: codes.reason[no],
    availableAtoms: available,
    heldAtoms: held,
    affordableAtoms: affordable,
    shortAsset: short,
    budgetNo: 0,
  };
  if (mode === 'shadow') return refused({ status: 'shadow_declined', ...account });
  const overdue = no === 'held_in_flight' || no === 'too_many_holds' ? overdueRefs(wallet, nowMs) : [];
  if (overdue.length > 0) return refused({ status: 'overdue', overdueRefs: overdue.join(' ') }, 'nothing');
  return refused({ status: 'declined', ...account }, 'version', repeated);
}
