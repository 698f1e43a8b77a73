// Settling a hold, as the model answers it: in parts, finally, above what is held, and late.
import { codes } from '../../src/codes.gen.ts';
import { alertBudgets, spendBudgets } from './budgets.ts';
import { record, type Draft, type Flow } from './draft.ts';
import { closeHold, expireHold, spendHeld, take } from './money.ts';
import { done, perform, refused, type Operation, type Outcome } from './operation.ts';
import { assetOf, balances, copyHold, least, legsText, sum, type Hold, type HoldLeg, type World } from './wallet.ts';

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
    if (!hold || assetOf(hold) !== ask.asset) return refused({ status: 'unknown_hold' }, 'nothing');
    if (open && open.expiresAtMs <= draft.nowMs) expireHold(draft, open);
    const isLate = !draft.wallet.holds.has(ask.ref);

    const [first] = hold.legs;
    const within = least(
      sum(hold.legs.map((leg) => covers(leg, isLate ? leg.released : leg.held))),
      BigInt(codes.limit.balance_atoms),
    );
    if (ask.amount > within && ask.onExcess === 'reject') {
      return refused({ status: 'exceeds_hold', withinAtoms: within }, 'nothing');
    }
    const spend = ask.onExcess === 'cap' ? least(ask.amount, within) : ask.amount;
    let excess = spend;
    const parts = hold.legs.map((leg) => {
      const { available } = balances(draft.wallet, leg.asset);
      const covered = least(excess, covers(leg, isLate ? least(leg.released, available) : leg.held));
      excess -= covered;
      return { leg, atoms: comesTo(leg, covered) };
    });
    const { available, overage } = balances(draft.wallet, first.asset);
    const fromAvailable = least(excess, available - (isLate ? parts[0]!.atoms : 0n));
    const owed = excess - fromAvailable;
    const inAll = first.settled + parts[0]!.atoms + excess;
    if (inAll > codes.limit.balance_atoms || overage + owed > codes.limit.balance_atoms) {
      return refused({ status: 'out_of_bounds', bound: codes.bound.balance }, 'nothing');
    }

    const main = draft.entries.length;
    settleFrom(draft, hold, { ...ask, isLate }, (flow) => {
      for (const { leg, atoms } of parts) {
        if (isLate) take(draft.wallet, leg.asset, atoms, 'revenue', flow);
        else spendHeld(draft.wallet, leg, atoms, flow);
        if (isLate) leg.released -= atoms;
        leg.settled += atoms;
        const beyond = (isLate ? atoms : 0n) + (leg === first ? excess : 0n);
        spendBudgets(draft, hold, leg.asset, isLate ? 0n : atoms, beyond);
      }
      take(draft.wallet, first.asset, fromAvailable, 'revenue', flow);
      flow(first.asset, 'overage', 'revenue', owed);
      first.settled += excess;
      if (isLate) first.released -= least(first.released, excess);
    });
    alertBudgets(draft);
    const after = balances(draft.wallet, first.asset);
    const reply = {
      status: 'settled',
      settledAtoms: first.settled,
      releasedAtoms: first.released,
      overageAtoms: after.overage,
      availableAtoms: after.available,
      heldAtoms: after.held,
      lateFlag: isLate ? 1 : 0,
      openFlag: isLate || ask.isFinal ? 0 : 1,
    };
    const texts = { legsText: legsText(draft.wallet, hold.legs) };
    return done(reply, { main, texts, ...(isLate ? { late: hold.ref } : {}) });
  });
}

// What atoms of a leg stand for in the first one, rounded down; what atoms of the first one come to in it, rounded up.
function covers({ num, den }: HoldLeg, atoms: bigint): bigint {
  return num === 0n ? 0n : least((atoms * den) / num, BigInt(codes.limit.balance_atoms));
}
function comesTo({ num, den }: HoldLeg, atoms: bigint): bigint {
  return den === 0n ? 0n : (atoms * num + den - 1n) / den;
}

function settleFrom(
  draft: Draft,
  hold: Hold,
  { isLate, isFinal }: { isLate: boolean; isFinal: boolean },
  spend: (flow: Flow) => void,
): void {
  const { asset } = hold.legs[0];
  if (isLate) record(draft, 'settle', { asset, hold, holdStatus: 'settled', late: true }, spend);
  else if (isFinal) closeHold(draft, hold, 'settle', 'settled', spend);
  else record(draft, 'settle', { asset, hold }, spend);
}
