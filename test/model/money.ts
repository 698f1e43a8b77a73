// How money moves between grants and holds: taken in consumption order, given back last taken first.
//
// Whatever enters `available` repays what is owed first, whoever's money it is. What then belongs to a grant that has
// ended enters, and leaves again by an entry right after.
import { codes } from '../../src/codes.gen.ts';
import type { HoldStatusName } from '../../src/records.ts';
import { giveBackBudgets } from './budgets.ts';
import { record, type Draft, type Flow } from './draft.ts';
import { got, reach, reachHeld, type Part } from './scopes.ts';
import { addDue, dueAtMs, grantOf, least, sum, type Grant, type Hold, type HoldLeg, type Wallet } from './wallet.ts';

/** Take what is available, into a hold or for good; says where from. */
export function take(
  wallet: Wallet,
  asset: number,
  parts: readonly Part[],
  into: 'hold' | 'revenue',
  flow: Flow,
): HoldLeg['taken'] {
  const reached = reach(wallet, asset, parts);
  const atoms = sum(parts.map((part) => part.atoms));
  if (got(reached) !== atoms) throw new Error(`the model takes ${atoms} atoms, and there are ${got(reached)}`);
  for (const { grantNo, atoms: part } of reached.taken) {
    const grant = grantOf(wallet, grantNo);
    grant.remaining -= part;
    if (into === 'hold') grant.held += part;
  }
  flow(asset, 'available', into === 'hold' ? 'held' : 'revenue', atoms);
  return reached.taken;
}

/** Take more into a leg of a hold: a grant that it took from before keeps its place. */
export function takeInto(wallet: Wallet, leg: HoldLeg, parts: readonly Part[], flow: Flow): void {
  for (const part of take(wallet, leg.asset, parts, 'hold', flow)) {
    const before = leg.taken.find(({ grantNo }) => grantNo === part.grantNo);
    if (before) before.atoms += part.atoms;
    else leg.taken.push(part);
  }
  leg.held += sum(parts.map(({ atoms }) => atoms));
}

/** Spend what a leg of a hold holds, first taken first. */
export function spendHeld(wallet: Wallet, leg: HoldLeg, parts: readonly Part[], flow: Flow): void {
  const reached = reachHeld(wallet, leg, parts);
  const atoms = got(reached);
  for (const { grantNo, atoms: spent } of reached.taken) {
    leg.taken.find((part) => part.grantNo === grantNo)!.atoms -= spent;
    grantOf(wallet, grantNo).held -= spent;
  }
  leg.taken = leg.taken.filter((part) => part.atoms > 0n);
  leg.held -= atoms;
  flow(leg.asset, 'held', 'revenue', atoms);
}

/** End a hold: what it still holds goes back in the same entry, after what `before` does. */
export function closeHold(
  draft: Draft,
  hold: Hold,
  kind: 'settle' | 'release' | 'expire_hold' | 'refund',
  holdStatus: HoldStatusName,
  before: (flow: Flow) => void = () => {},
): void {
  const { wallet } = draft;
  const leaving: Grant[] = [];
  record(draft, kind, { asset: hold.legs[0].asset, hold, holdStatus }, (flow) => {
    before(flow);
    for (const leg of hold.legs) {
      leaving.push(...giveBack(wallet, leg, flow));
      leg.released += leg.held;
      leg.held = 0n;
      leg.taken = [];
    }
    giveBackBudgets(draft, hold);
    wallet.holds.delete(hold.ref);
  });
  for (const grant of leaving) leave(draft, grant);
}

/** What a leg holds goes back; returns the grants that have ended and got some. */
function giveBack(wallet: Wallet, { asset, taken }: HoldLeg, flow: Flow): Grant[] {
  const ended: Grant[] = [];
  for (const { grantNo, atoms } of [...taken].reverse()) {
    const grant = grantOf(wallet, grantNo);
    const repaid = grant.scope > 0 ? 0n : least(wallet.owed.get(asset) ?? 0n, atoms);
    flow(asset, 'held', 'overage', repaid);
    flow(asset, 'held', 'available', atoms - repaid);
    grant.held -= atoms;
    grant.remaining += atoms - repaid;
    if (grant.state !== 'active' && grant.remaining > 0n) ended.push(grant);
  }
  return ended;
}

/** A hold's deadline has passed: it expires. */
export function expireHold(draft: Draft, hold: Hold): void {
  closeHold(draft, hold, 'expire_hold', 'expired');
}

/** A grant comes into force. */
export function fund(draft: Draft, grant: Grant, kind: 'grant' | 'activate_grant', atMs: number): void {
  const { asset, no } = grant;
  draft.wallet.grants.set(no, grant);
  record(draft, kind, { asset, grantNo: no, atMs }, (flow) => {
    const repaid = grant.scope > 0 ? 0n : least(draft.wallet.owed.get(asset) ?? 0n, grant.amount);
    grant.state = 'active';
    grant.remaining = grant.amount - repaid;
    flow(asset, 'funding', 'overage', repaid);
    flow(asset, 'funding', 'available', grant.remaining);
  });
}

/** A grant ends: what it has left goes. What is held of it goes when it returns. */
export function endGrant(draft: Draft, grant: Grant, how: 'expired' | 'voided', atMs: number): void {
  const isScheduled = grant.state === 'scheduled';
  const kind = how === 'expired' ? 'expire_grant' : 'void_grant';
  record(draft, kind, { asset: grant.asset, grantNo: grant.no, atMs }, (flow) => {
    if (!isScheduled) flow(grant.asset, 'available', how, grant.remaining);
    grant.remaining = 0n;
    grant.state = how;
  });
}

// A part of what it has left may live on, and with it what is held.
function expireGrant(draft: Draft, grant: Grant, atMs: number): void {
  const { asset, no, rollover, remaining, held } = grant;
  const kept = rollover ? least((remaining * rollover.parts) / 1_000_000n, rollover.most) : 0n;
  if (!rollover || (kept === 0n && held === 0n)) return endGrant(draft, grant, 'expired', atMs);
  record(draft, 'roll_over_grant', { asset, grantNo: no, atMs }, (flow) => {
    flow(asset, 'available', 'expired', remaining - kept);
    grant.remaining = kept;
    grant.expiresAtMs = rollover.untilMs;
    grant.rollover = undefined;
  });
  if (rollover.untilMs < codes.never_ms) addDue(draft.wallet, rollover.untilMs, no);
}

// What came back to a grant that has ended leaves.
function leave(draft: Draft, grant: Grant): void {
  endGrant(draft, grant, grant.state === 'voided' ? 'voided' : 'expired', draft.nowMs);
}

/** Apply what is due, soonest first, at most 16 events; says how many, and whether that was all. */
export function applyDueEvents(draft: Draft): { appliedCount: number; isAll: boolean } {
  const { wallet, nowMs } = draft;
  let appliedCount = 0;
  while (dueAtMs(wallet) <= nowMs && appliedCount < codes.limit.due_events) {
    const { atMs, grantNo } = wallet.due.shift()!;
    const grant = wallet.grants.get(grantNo);
    const happenedAtMs = Math.max(atMs, grant?.createdAtMs ?? 0);
    if (grant?.state === 'scheduled') fund(draft, grant, 'activate_grant', happenedAtMs);
    else if (grant?.state === 'active' && grant.expiresAtMs <= atMs) expireGrant(draft, grant, happenedAtMs);
    appliedCount += 1;
  }
  return { appliedCount, isAll: dueAtMs(wallet) > nowMs };
}
