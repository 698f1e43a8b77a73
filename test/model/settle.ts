// Settling a hold, as the model answers it: in parts, finally, above what is held, and late.
import { codes } from '../../src/codes.gen.ts';
import { alertBudgets, spendBudgets } from './budgets.ts';
import { record, type Draft, type Flow } from './draft.ts';
import { emptyLeg, pricedLines, settleLines, type AskedLine, type FallbackLine, type LegTaking } from './fallback.ts';
import { closeHold, expireHold, spendHeld, take } from './money.ts';
import { stale, tooLarge } from './calls.ts';
import { addToParts, addUses, countUses, instantOf, priceUses, usesText, type Uses } from './usage.ts';
import { done, perform, refused, type Decision, type Operation, type Outcome } from './operation.ts';
import { got, reach, reachHeld, split, within as cut, type Part } from './scopes.ts';
import {
  assetOf,
  balances,
  commonScopes,
  copyHold,
  least,
  legsText,
  partsOf,
  sum,
  type Hold,
  type HoldLeg,
  type Parts,
  type Wallet,
  type World,
} from './wallet.ts';

export type Due = { asset: number; amount: bigint };

type Ask = {
  asset: number;
  ref: string;
  amount: bigint;
  /** In other assets than the hold's first. */
  dues: readonly Due[];
  /** Of an event: what scopes cover. Undefined: it is an amount. */
  parts?: Parts | undefined;
  /** Of an event: its lines that fall back; they are in no part. */
  fallbacks?: readonly AskedLine[];
  uses?: Uses;
  /** Given back with the answer. */
  told: string;
  isFinal: boolean;
  onExcess: 'charge' | 'cap' | 'reject';
  /** The hold as the ledger has it, when it has expired. */
  expired: Hold | undefined;
};

export function settle(world: World, operation: Operation, named: Ask): Outcome {
  return perform(world, operation, (draft) => {
    const open = draft.wallet.holds.get(named.ref);
    if (!open && world.settledLate.has(named.ref)) return refused({ status: 'closed' }, 'nothing');
    const hold = open ?? (named.expired && copyHold(named.expired));
    if (!hold || assetOf(hold) !== named.asset) return refused({ status: 'unknown_hold' }, 'nothing');
    if (open && open.expiresAtMs <= draft.nowMs) expireHold(draft, open);
    const isLate = !draft.wallet.holds.has(named.ref);

    const [first] = hold.legs;
    for (const { asset } of named.dues) {
      if (!hold.legs.some((leg) => leg.asset === asset)) hold.legs.push(emptyLeg(asset));
    }
    if (hold.legs.length > codes.limit.hold_legs) return refused({ status: 'too_many_assets' }, 'nothing');
    const { wallet } = draft;
    const atMs = instantOf(draft, hold);
    const priced = priceUses(draft, named.uses ?? { list: [], knownMs: 0 }, { atMs, how: 'exact' });
    if (priced === 'stale') return stale(draft, atMs);
    if ('tooLarge' in priced) return tooLarge(priced);
    const added = addUses<Due>([{ asset: first.asset, amount: named.amount }, ...named.dues], priced);
    if ('tooLarge' in added) return tooLarge(added);
    const [{ amount }, ...dues] = added as [Due, ...Due[]];
    const ask = { ...named, amount, dues, parts: addToParts(named.parts, priced, named.fallbacks) };
    const lines = pricedLines(named.fallbacks, priced);
    const planned = lines.length > 0 ? byLines(wallet, hold, ask, lines, isLate) : byLegs(wallet, hold, ask, isLate);
    if ('refusal' in planned) return planned.refusal;
    if (hold.legs.length > codes.limit.hold_legs) return refused({ status: 'too_many_assets' }, 'nothing');
    const { parts } = planned;
    for (const { leg, part, excess, owed } of parts) {
      const { overage } = balances(wallet, leg.asset);
      const inAll = leg.settled + part + excess;
      if (inAll > codes.limit.balance_atoms || overage + owed > codes.limit.balance_atoms) {
        return refused({ status: 'out_of_bounds', bound: codes.bound.balance }, 'nothing');
      }
    }

    const main = draft.entries.length;
    settleFrom(draft, hold, { ...ask, isLate }, (flow) => {
      for (const { leg, part, excess, given } of parts) {
        if (isLate) take(draft.wallet, leg.asset, given, 'revenue', flow);
        else spendHeld(draft.wallet, leg, given, flow);
        if (isLate) leg.released -= part;
        leg.settled += part;
        spendBudgets(draft, hold, leg.asset, isLate ? 0n : part, (isLate ? part : 0n) + excess);
      }
      for (const { leg, excess, fromAvailable, owed } of parts) {
        take(draft.wallet, leg.asset, fromAvailable, 'revenue', flow);
        flow(leg.asset, 'overage', 'revenue', owed);
        leg.settled += excess;
        if (isLate) leg.released -= least(leg.released, excess);
      }
      countUses(draft, priced);
    });
    const { version } = draft.wallet;
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
    const texts = {
      legsText: legsText(draft.wallet, hold.legs),
      toldText: ask.told,
      linesText: usesText(priced, amount),
    };
    return done(reply, { main, version, texts, ...(isLate ? { late: hold.ref } : {}) });
  });
}

type Taking = { part: bigint; excess: bigint };
/** Of each leg: what it gives, and what is taken beyond, of which some is owed. */
type Planned = { parts: (Taking & LegTaking)[] } | { refusal: Decision };

// The legs of the hold stand in for its first asset.
function byLegs(wallet: Wallet, hold: Hold, ask: Ask, isLate: boolean): Planned {
  const [first] = hold.legs;
  const partsOfLeg = new Map(hold.legs.map((leg) => [leg, partsAt(hold, leg, ask)]));
  const reachOf = (leg: HoldLeg) => {
    const parts = partsOfLeg.get(leg)!;
    return isLate ? reach(wallet, leg.asset, parts) : reachHeld(wallet, leg, parts);
  };
  const has = (leg: HoldLeg) => (isLate ? leg.released : got(reachOf(leg)));
  const canGive = (leg: HoldLeg) => (isLate ? least(leg.released, got(reachOf(leg))) : has(leg));
  const takings = new Map<HoldLeg, Taking>();
  let within = has(first);
  for (const leg of hold.legs.slice(1)) {
    const due = dueIn(ask, leg.asset);
    if (due > has(leg) && ask.onExcess === 'reject') return { refusal: exceeds(leg.asset, has(leg)) };
    const spend = ask.onExcess === 'cap' ? least(due, has(leg)) : due;
    const part = least(spend, canGive(leg));
    takings.set(leg, { part, excess: spend - part });
    within += covers(leg, has(leg) - part);
  }
  within = least(within, BigInt(codes.limit.balance_atoms));
  if (ask.amount > within && ask.onExcess === 'reject') return { refusal: exceeds(first.asset, within) };
  takings.set(first, { part: 0n, excess: 0n });
  const spent = ask.onExcess === 'cap' ? least(ask.amount, within) : ask.amount;
  let left = spent;
  for (const leg of hold.legs) {
    const taking = takings.get(leg)!;
    const covered = least(left, covers(leg, canGive(leg) - taking.part));
    taking.part += comesTo(leg, covered);
    left -= covered;
  }
  takings.get(first)!.excess = left;
  return {
    parts: hold.legs.map((leg) => {
      const { part, excess } = takings.get(leg)!;
      const { given, rest } = split(partsOfLeg.get(leg)!, reachOf(leg).got, part);
      const beyond = cut(rest, leg === first ? spent - part - excess : 0n, excess);
      // Late, what the leg gives comes from there, too.
      const there = reach(wallet, leg.asset, [...(isLate ? given : []), ...beyond]).got.slice(
        isLate ? given.length : 0,
      );
      const fromAvailable = split(beyond, there, excess).given;
      const owed = excess - sum(fromAvailable.map(({ atoms }) => atoms));
      return { leg, part, excess, given, fromAvailable, owed };
    }),
  };
}

// The lines say what stands in for what.
function byLines(wallet: Wallet, hold: Hold, ask: Ask, lines: readonly FallbackLine[], isLate: boolean): Planned {
  const dues = [...hold.legs].map(({ asset }, i) => {
    const inAll = i === 0 ? ask.amount : dueIn(ask, asset);
    const amount = lines.filter((line) => line.asset === asset).reduce((left, { atoms }) => left - atoms, inAll);
    return { asset, amount, parts: partsOf(ask.parts, asset, amount) };
  });
  const taken = settleLines(wallet, hold, dues, lines, { isLate, onExcess: ask.onExcess });
  if ('short' in taken) return { refusal: exceeds(taken.short, taken.within) };
  const total = (parts: readonly Part[]) => sum(parts.map(({ atoms }) => atoms));
  return {
    parts: taken.map((one) => ({ ...one, part: total(one.given), excess: total(one.fromAvailable) + one.owed })),
  };
}

const dueIn = (ask: Ask, asset: number) => ask.dues.find((due) => due.asset === asset)?.amount ?? 0n;

// By an event, each line goes by its own scopes; by an amount, by those of what was authorized, and all that is held is for it.
function partsAt(hold: Hold, leg: HoldLeg, ask: Ask): Part[] {
  const [first] = hold.legs;
  const due = leg === first ? ask.amount : dueIn(ask, leg.asset);
  const own: Part = { atoms: due, scopes: hold.scopes ?? [], own: true };
  const parts: Part[] = ask.parts ? [...partsOf(ask.parts, leg.asset, due)] : [own];
  if (leg === first || leg.num === 0n) return parts;
  // What it gives for the first.
  const atoms = BigInt(codes.limit.balance_atoms);
  return [...parts, ask.parts ? { atoms, scopes: commonScopes(ask.parts) ?? [] } : { ...own, atoms }];
}

function exceeds(shortAsset: number, withinAtoms: bigint): Decision {
  return refused({ status: 'exceeds_hold', withinAtoms, shortAsset }, 'nothing');
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
