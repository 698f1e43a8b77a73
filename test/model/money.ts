// How money moves between grants and holds: taken in consumption order, given back last taken first.
//
// Whatever enters `available` repays what is owed first, whoever's money it is. What then belongs to a grant that has
// ended enters, and leaves again by an entry right after.
import { codes } from '../../src/codes.gen.ts';
import type { HoldStatusName } from '../../src/records.ts';
import { record, type Draft, type Flow } from './draft.ts';
import { dueAtMs, grantOf, least, spendable, type Grant, type Hold, type Wallet } from './wallet.ts';

/** Take what is available, into a hold or for good; says where from. */
export function take(
  wallet: Wallet,
  asset: number,
  atoms: bigint,
  into: 'hold' | 'revenue',
  flow: Flow,
): Hold['taken'] {
  const taken: Hold['taken'] = [];
  let missing = atoms;
  for (const grant of spendable(wallet, asset)) {
    const part = least(missing, grant.remaining);
    if (part === 0n) break;
    missing -= part;
    grant.remaining -= part;
    if (into === 'hold') grant.held += part;
    taken.push({ grantNo: grant.no, atoms: part });
  }
  if (missing > 0n) throw new Error(`the model takes ${missing} atoms more than there are`);
  flow('available', into === 'hold' ? 'held' : 'revenue', atoms);
  return taken;
}

/** More was taken for a hold: a grant that it took from before keeps its place. */
export function addTaken(hold: Hold, taken: Hold['taken']): void {
  for (const part of taken) {
    const before = hold.taken.find(({ grantNo }) => grantNo === part.grantNo);
    if (before) before.atoms += part.atoms;
    else hold.taken.push(part);
  }
}

/** Spend what a hold holds, first taken first. */
export function spendHeld(wallet: Wallet, hold: Hold, atoms: bigint, flow: Flow): void {
  let missing = atoms;
  for (const part of hold.taken) {
    const spent = least(missing, part.atoms);
    missing -= spent;
    part.atoms -= spent;
    grantOf(wallet, part.grantNo).held -= spent;
  }
  hold.taken = hold.taken.filter((part) => part.atoms > 0n);
  hold.held -= atoms;
  flow('held', 'revenue', atoms);
}

/** End a hold: what it still holds goes back in the same entry, after what `before` does. */
export function closeHold(
  draft: Draft,
  hold: Hold,
  kind: 'settle' | 'release' | 'expire_hold',
  holdStatus: HoldStatusName,
  before: (flow: Flow) => void = () => {},
): void {
  const { wallet } = draft;
  const leaving: Grant[] = [];
  record(draft, kind, { asset: hold.asset, hold, holdStatus }, (flow) => {
    before(flow);
    for (const { grantNo, atoms } of [...hold.taken].reverse()) {
      const grant = grantOf(wallet, grantNo);
      const repaid = least(wallet.owed.get(hold.asset) ?? 0n, atoms);
      flow('held', 'overage', repaid);
      flow('held', 'available', atoms - repaid);
      grant.held -= atoms;
      grant.remaining += atoms - repaid;
      if (grant.state !== 'active' && grant.remaining > 0n) leaving.push(grant);
    }
    hold.released += hold.held;
    hold.held = 0n;
    hold.taken = [];
    wallet.holds.delete(hold.ref);
  });
  for (const grant of leaving) leave(draft, grant);
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
    const repaid = least(draft.wallet.owed.get(asset) ?? 0n, grant.amount);
    grant.state = 'active';
    grant.remaining = grant.amount - repaid;
    flow('funding', 'overage', repaid);
    flow('funding', 'available', grant.remaining);
  });
}

/** A grant ends: what it has left goes. What is held of it goes when it returns. */
export function endGrant(draft: Draft, grant: Grant, how: 'expired' | 'voided', atMs: number): void {
  const isScheduled = grant.state === 'scheduled';
  const kind = how === 'expired' ? 'expire_grant' : 'void_grant';
  record(draft, kind, { asset: grant.asset, grantNo: grant.no, atMs }, (flow) => {
    if (!isScheduled) flow('available', how, grant.remaining);
    grant.remaining = 0n;
    grant.state = how;
  });
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
    else if (grant?.state === 'active') endGrant(draft, grant, 'expired', happenedAtMs);
    appliedCount += 1;
  }
  return { appliedCount, isAll: dueAtMs(wallet) > nowMs };
}
