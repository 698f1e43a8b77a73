// Yes or no, as the contract says it: what may be taken, or why not and how much could be.
import { codes } from '../../src/codes.gen.ts';
import type { Draft } from './draft.ts';
import { refused, type Decision } from './operation.ts';
import { balances, least, overdueRefs } from './wallet.ts';

export type Mode = 'strict' | 'up_to' | 'shadow';
type Ask = { asset: number; amount: bigint; mode: Mode };
type No = { no: keyof typeof codes.reason; affordable: bigint };

export function decide(
  { wallet }: Draft,
  { asset, amount, mode }: Ask,
  { opensHold }: { opensHold: boolean },
): { no: undefined; atoms: bigint } | No {
  const { available, held, overage } = balances(wallet, asset);
  if (wallet.freeze !== 'none') return { no: 'frozen', affordable: 0n };
  const atoms = mode === 'up_to' ? least(amount, available) : amount;
  const isAffordable = amount === 0n || (overage === 0n && atoms > 0n && atoms <= available);
  if (isAffordable) {
    const isFull = opensHold && wallet.holds.size >= codes.limit.open_holds;
    return isFull ? { no: 'too_many_holds', affordable: 0n } : { no: undefined, atoms };
  }
  if (overage > 0n) return { no: 'overage', affordable: 0n };
  return { no: available + held >= amount ? 'held_in_flight' : 'balance', affordable: available };
}

/** The "no": unless overdue holds could still make it a yes. A shadow is told what would have been. */
export function declined(
  { wallet, nowMs }: Draft,
  { no, affordable }: No,
  { asset, mode, repeated }: Ask & { repeated: boolean },
): Decision {
  const { available, held } = balances(wallet, asset);
  const account = { reason: codes.reason[no], availableAtoms: available, heldAtoms: held, affordableAtoms: affordable };
  if (mode === 'shadow') return refused({ status: 'shadow_declined', ...account });
  const overdue = no === 'held_in_flight' || no === 'too_many_holds' ? overdueRefs(wallet, nowMs) : [];
  if (overdue.length > 0) return refused({ status: 'overdue', overdueRefs: overdue.join(' ') }, 'nothing');
  return refused({ status: 'declined', ...account }, 'version', repeated);
}
