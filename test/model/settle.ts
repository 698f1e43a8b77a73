// Settling a hold, as the model answers it: in parts, finally, above what is held, and late.
import { codes } from '../../src/codes.gen.ts';
import { record, type Draft, type Flow } from './draft.ts';
import { closeHold, expireHold, spendHeld, take } from './money.ts';
import { done, perform, refused, type Operation, type Outcome } from './operation.ts';
import { balances, copyHold, least, type Hold, type World } from './wallet.ts';

type Ask = {
  asset: number;
  ref: string;
  amount: bigint;
  isFinal: boolean;
  onExcess: 'charge' | 'cap' | 'reject';
  /** The hold as the ledger has it, when it has expired. */
  expired: Hold | undefined;
};

export function settle(world: World, operation: Operation, ask: Ask): Outcome {
  return perform(world, operation, (draft) => {
    const open = draft.wallet.holds.get(ask.ref);
    if (!open && world.settledLate.has(ask.ref)) return refused({ status: 'closed' }, 'nothing');
    const hold = open ?? (ask.expired && copyHold(ask.expired));
    if (hold?.asset !== ask.asset) return refused({ status: 'unknown_hold' }, 'nothing');
    if (open && open.expiresAtMs <= draft.nowMs) expireHold(draft, open);
    const isLate = !draft.wallet.holds.has(ask.ref);

    const within = isLate ? hold.released : hold.held;
    if (ask.amount > within && ask.onExcess === 'reject') {
      return refused({ status: 'exceeds_hold', withinAtoms: within }, 'nothing');
    }
    const spend = ask.onExcess === 'cap' ? least(ask.amount, within) : ask.amount;
    const { available, overage } = balances(draft.wallet, hold.asset);
    const fromHeld = isLate ? 0n : least(spend, hold.held);
    const fromAvailable = least(spend - fromHeld, available);
    const owed = spend - fromHeld - fromAvailable;
    if (hold.settled + spend > codes.limit.balance_atoms || overage + owed > codes.limit.balance_atoms) {
      return refused({ status: 'out_of_bounds', bound: codes.bound.balance }, 'nothing');
    }

    const main = draft.entries.length;
    settleFrom(draft, hold, { ...ask, isLate }, (flow) => {
      spendHeld(draft.wallet, hold, fromHeld, flow);
      take(draft.wallet, hold.asset, fromAvailable, 'revenue', flow);
      flow('overage', 'revenue', owed);
      hold.settled += spend;
      if (isLate) hold.released -= least(hold.released, spend);
    });
    const after = balances(draft.wallet, hold.asset);
    const reply = {
      status: 'settled',
      settledAtoms: hold.settled,
      releasedAtoms: hold.released,
      overageAtoms: after.overage,
      availableAtoms: after.available,
      heldAtoms: after.held,
      lateFlag: isLate ? 1 : 0,
      openFlag: isLate || ask.isFinal ? 0 : 1,
    };
    return done(reply, { main, ...(isLate ? { late: hold.ref } : {}) });
  });
}

function settleFrom(
  draft: Draft,
  hold: Hold,
  { isLate, isFinal }: { isLate: boolean; isFinal: boolean },
  spend: (flow: Flow) => void,
): void {
  const { asset } = hold;
  if (isLate) record(draft, 'settle', { asset, hold, holdStatus: 'settled', late: true }, spend);
  else if (isFinal) closeHold(draft, hold, 'settle', 'settled', spend);
  else record(draft, 'settle', { asset, hold }, spend);
}
