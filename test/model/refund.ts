// Credit that was bought goes back, as the model has it: set aside from its own grant first, then taken, or set free.
import { codes } from '../../src/codes.gen.ts';
import { record, type Draft, type Flow } from './draft.ts';
import { closeHold } from './money.ts';
import { done, perform, refused, type Operation, type Outcome } from './operation.ts';
import {
  assetOf,
  balances,
  grantOf,
  least,
  legsOf,
  spendable,
  sum,
  type Hold,
  type Wallet,
  type World,
} from './wallet.ts';

export function setAside(
  world: World,
  operation: Operation,
  ask: { ref: string; asset: number; grantNo: number; amount: bigint; mode: 'strict' | 'up_to' },
): Outcome {
  return perform(world, operation, (draft) => {
    const { wallet, nowMs } = draft;
    const isStrict = ask.mode === 'strict';
    if (isStrict && wallet.freeze !== 'none') return refused({ status: 'frozen' }, 'nothing');
    const known = wallet.holds.get(ask.ref);
    if (known) return refused({ status: 'set_aside', takenAtoms: known.legs[0].held });
    const reach = isStrict ? leftOf(wallet, ask) : reachOf(wallet, ask.asset);
    if (reach === 0n || (isStrict && reach < ask.amount)) {
      return refused({ status: 'short', reachAtoms: reach }, 'nothing');
    }
    const taken = least(ask.amount, reach);
    const hold: Hold = {
      ref: ask.ref,
      createdAtMs: nowMs,
      expiresAtMs: codes.far_ms,
      legs: legsOf({ asset: ask.asset, amount: taken }),
      tags: [],
      scopes: undefined,
    };
    record(draft, 'hold', { asset: ask.asset, hold }, (flow) => {
      hold.legs[0].taken = takeOwnFirst(wallet, ask, taken, 'held', flow);
      hold.legs[0].held = taken;
      wallet.holds.set(hold.ref, hold);
    });
    return done({ status: 'set_aside', takenAtoms: taken });
  });
}

/** Nothing to take: the hold is released. */
export function takeBack(
  world: World,
  operation: Operation,
  ask: { ref: string; asset: number; grantNo: number; amount: bigint },
): Outcome {
  return perform(world, operation, (draft) => {
    const { wallet } = draft;
    const { asset, amount } = ask;
    const named = wallet.holds.get(ask.ref);
    const hold = assetOf(named) === asset ? named : undefined;
    if (!hold && amount === 0n) return refused({ status: 'nothing' }, 'nothing');
    const held = least(amount, hold?.legs[0].held ?? 0n);
    const available = least(amount - held, reachOf(wallet, asset));
    const owed = amount - held - available;
    if (balances(wallet, asset).overage + owed > codes.limit.balance_atoms) {
      return refused({ status: 'out_of_bounds' }, 'nothing');
    }
    const released = (hold?.legs[0].held ?? 0n) - held;
    const main = draft.entries.length;
    const take = (flow: Flow) => {
      if (hold) spendHeld(wallet, hold, held, flow);
      takeOwnFirst(wallet, ask, available, 'refunded', flow);
      flow(asset, 'overage', 'refunded', owed);
    };
    end(draft, { asset, hold, amount }, take);
    const numbers = { heldAtoms: held, availableAtoms: available, owedAtoms: owed, releasedAtoms: released };
    return done({ status: 'taken_back', ...numbers }, { main });
  });
}

function end(
  draft: Draft,
  { asset, hold, amount }: { asset: number; hold: Hold | undefined; amount: bigint },
  take: (flow: Flow) => void,
): void {
  if (!hold) return record(draft, 'refund', { asset }, take);
  hold.legs[0].settled += amount;
  return amount > 0n
    ? closeHold(draft, hold, 'refund', 'settled', take)
    : closeHold(draft, hold, 'release', 'released', take);
}

/** Of the grant that was bought. */
function leftOf(wallet: Wallet, { asset, grantNo }: { asset: number; grantNo: number }): bigint {
  const grant = wallet.grants.get(grantNo);
  const isOwn = grant?.asset === asset && grant.state === 'active' && grant.scope === 0;
  return isOwn ? grant.remaining : 0n;
}

function reachOf(wallet: Wallet, asset: number): bigint {
  return sum(spendable(wallet, asset).map(({ remaining }) => remaining));
}

function takeOwnFirst(
  wallet: Wallet,
  { asset, grantNo }: { asset: number; grantNo: number },
  atoms: bigint,
  to: 'held' | 'refunded',
  flow: Flow,
): { grantNo: number; atoms: bigint }[] {
  const own = leftOf(wallet, { asset, grantNo }) > 0n ? [grantOf(wallet, grantNo)] : [];
  const others = spendable(wallet, asset).filter(({ no }) => own.length === 0 || no !== grantNo);
  const taken: { grantNo: number; atoms: bigint }[] = [];
  let missing = atoms;
  for (const grant of [...own, ...others]) {
    const part = least(missing, grant.remaining);
    if (part === 0n) continue;
    missing -= part;
    grant.remaining -= part;
    if (to === 'held') grant.held += part;
    taken.push({ grantNo: grant.no, atoms: part });
  }
  flow(asset, 'available', to, atoms);
  return taken;
}

function spendHeld(wallet: Wallet, { legs: [leg] }: Hold, atoms: bigint, flow: Flow): void {
  let missing = atoms;
  for (const part of leg.taken) {
    const spent = least(missing, part.atoms);
    missing -= spent;
    part.atoms -= spent;
    grantOf(wallet, part.grantNo).held -= spent;
  }
  leg.taken = leg.taken.filter((part) => part.atoms > 0n);
  leg.held -= atoms;
  flow(leg.asset, 'held', 'refunded', atoms);
}
