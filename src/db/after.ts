// What a batch comes to: the state after it of every wallet, account, grant and hold that it touches, as columns.
//
// Rows here are fewer than entries: of what changes several times in a batch, only the last state is written.
import type { Entry } from '../outbox/entry.ts';
import type { DecodedEntry } from '../outbox/flaw.ts';
import { packMarks, readCrossing } from '../wallet/packed.ts';
import { arrayText, arrayTexts, columns, nothing, quoted } from './array-text.ts';
import { addHoldLeg, expiryOf, ledgerAccount, type Batch } from './batch.ts';

export type After = ReturnType<typeof afterBatch>;

export function afterBatch({ groups }: Batch) {
  const filled = emptyColumns();
  const balances = new Map<string, Balance>();
  groups.forEach((group, i) => {
    const wallet = afterWallet(group, balances);
    addWallet(filled, wallet, i + 1, group);
  });
  for (const { environmentId, asset, account, partition, change } of balances.values()) {
    const to = filled.environmentAccounts;
    to.environmentId.push(environmentId);
    to.asset.push(asset);
    to.account.push(account);
    to.partition.push(partition);
    to.change.push(change);
  }
  return {
    wallets: arrayTexts(filled.wallets),
    accounts: arrayTexts(filled.accounts),
    terms: { ...arrayTexts(filled.terms), count: filled.terms.grantNo.length },
    moves: arrayTexts(filled.moves),
    holds: arrayTexts(filled.holds),
    holdLegs: arrayTexts(filled.holdLegs),
    counters: { ...arrayTexts(filled.counters), count: filled.counters.name.length },
    environmentAccounts: { ...arrayTexts(filled.environmentAccounts), count: balances.size },
    credited: { ...arrayTexts(filled.credited), count: filled.credited.grantNo.length },
    crossings: { ...arrayTexts(filled.crossings), count: filled.crossings.asset.length },
  };
}

function emptyColumns() {
  return {
    /** One for each wallet, in the order of the batch's. */
    wallets: columns('version', 'freeze'),
    accounts: columns('walletNo', 'asset', 'available', 'held', 'overage', 'scheduled'),
    terms: columns(
      ...(['walletNo', 'grantNo', 'state', 'purpose', 'priority', 'scoped', 'scope', 'asset', 'amount'] as const),
      ...(['effectiveAtMs', 'expiresAtMs', 'createdAtMs'] as const),
    ),
    moves: columns('walletNo', 'grantNo', 'remaining', 'held'),
    holds: columns(
      ...(['walletNo', 'ref', 'partition', 'status', 'late', 'createdAtMs', 'expiresAtMs', 'endedAtMs'] as const),
      ...(['legFrom', 'legTo', 'sourceGrants', 'sourceAtoms', 'tagsHex'] as const),
    ),
    holdLegs: columns('asset', 'amount', 'held', 'settled', 'released', 'num', 'den'),
    counters: columns('walletNo', 'name', 'stateHex'),
    environmentAccounts: columns('environmentId', 'asset', 'account', 'partition', 'change'),
    credited: columns('walletNo', 'grantNo'),
    crossings: columns('walletNo', 'asset', 'crossingNo', 'atMs'),
  };
}

type Balance = { environmentId: string; asset: number; account: string; partition: number; change: bigint };
type Hold = { entry: Entry; hold: NonNullable<Entry['hold']>; partition: number; endedAtMs: number | undefined };
type AfterWallet = {
  legs: Map<number, Entry['legs'][number]>;
  grants: Map<number, NonNullable<Entry['grant']>>;
  moves: Map<number, Entry['moves'][number]>;
  holds: Map<string, Hold>;
  counters: Map<string, Buffer>;
  credited: number[];
  crossings: { asset: number; crossingNo: number; atMs: number }[];
};

function afterWallet(group: readonly DecodedEntry[], balances: Map<string, Balance>): AfterWallet {
  const after: AfterWallet = {
    ...{ legs: new Map(), grants: new Map(), moves: new Map(), holds: new Map(), counters: new Map() },
    credited: [],
    crossings: [],
  };
  for (const { entry, partition } of group) {
    for (const leg of entry.legs) {
      after.legs.set(leg.asset, leg);
      for (const { debit, credit, atoms } of leg.transfers) {
        addToBalance(balances, entry, leg.asset, debit, partition, -atoms);
        addToBalance(balances, entry, leg.asset, credit, partition, atoms);
      }
    }
    if (entry.grant) after.grants.set(entry.grant.no, entry.grant);
    if (entry.grant && (entry.kind === 'grant' || entry.kind === 'schedule_grant')) after.credited.push(entry.grant.no);
    for (const move of entry.moves) after.moves.set(move.grantNo, move);
    for (const counter of entry.counters) {
      after.counters.set(counter.name, counter.packed);
      const crossing = readCrossing(counter);
      if (crossing) after.crossings.push({ ...crossing, atMs: entry.atMs });
    }
    const { hold } = entry;
    if (!hold) continue;
    // A late settle comes after the hold's end, and doesn't move it.
    const endedAtMs = after.holds.get(hold.ref)?.endedAtMs ?? (hold.status === 'open' ? undefined : entry.atMs);
    after.holds.set(hold.ref, { entry, hold, partition, endedAtMs });
  }
  return after;
}

function addToBalance(
  balances: Map<string, Balance>,
  entry: Entry,
  asset: number,
  name: Parameters<typeof ledgerAccount>[0],
  partition: number,
  change: bigint,
): void {
  if (name === 'available' || name === 'held' || name === 'overage') return;
  const account = ledgerAccount(name, entry.grant?.terms.purpose);
  const key = `${entry.environment} ${asset} ${account} ${partition}`;
  const known = balances.get(key);
  if (known) known.change += change;
  else balances.set(key, { environmentId: entry.environment, asset, account, partition, change });
}

function addWallet(
  to: ReturnType<typeof emptyColumns>,
  after: AfterWallet,
  walletNo: number,
  group: DecodedEntry[],
): void {
  const last = group.at(-1)?.entry;
  to.wallets.version.push(last?.version ?? nothing);
  to.wallets.freeze.push(last?.freeze ?? nothing);
  for (const { asset, after: account } of after.legs.values()) {
    to.accounts.walletNo.push(walletNo);
    to.accounts.asset.push(asset);
    to.accounts.available.push(account.available);
    to.accounts.held.push(account.held);
    to.accounts.overage.push(account.overage);
    to.accounts.scheduled.push(account.scheduled);
  }
  for (const { no, terms } of after.grants.values()) {
    to.terms.walletNo.push(walletNo);
    to.terms.grantNo.push(no);
    to.terms.state.push(terms.state);
    to.terms.purpose.push(terms.purpose);
    to.terms.priority.push(terms.priority);
    to.terms.scoped.push(terms.scope > 0);
    to.terms.scope.push(terms.scope);
    to.terms.asset.push(terms.asset);
    to.terms.amount.push(terms.amount);
    to.terms.effectiveAtMs.push(terms.effectiveAtMs);
    to.terms.expiresAtMs.push(expiryOf(terms.expiresAtMs));
    to.terms.createdAtMs.push(terms.createdAtMs);
  }
  for (const { grantNo, remaining, held } of after.moves.values()) {
    to.moves.walletNo.push(walletNo);
    to.moves.grantNo.push(grantNo);
    to.moves.remaining.push(remaining);
    to.moves.held.push(held);
  }
  for (const hold of after.holds.values()) addHold(to, hold, walletNo);
  for (const [name, packed] of after.counters) {
    to.counters.walletNo.push(walletNo);
    to.counters.name.push(quoted(name));
    to.counters.stateHex.push(packed.toString('hex'));
  }
  for (const grantNo of after.credited) {
    to.credited.walletNo.push(walletNo);
    to.credited.grantNo.push(grantNo);
  }
  for (const { asset, crossingNo, atMs } of after.crossings) {
    to.crossings.walletNo.push(walletNo);
    to.crossings.asset.push(asset);
    to.crossings.crossingNo.push(crossingNo);
    to.crossings.atMs.push(atMs);
  }
}

function addHold(
  { holds: to, holdLegs }: ReturnType<typeof emptyColumns>,
  { entry, hold, partition, endedAtMs }: Hold,
  walletNo: number,
) {
  const { terms } = hold;
  to.walletNo.push(walletNo);
  to.ref.push(quoted(hold.ref));
  to.partition.push(partition);
  to.status.push(hold.status);
  to.late.push(entry.late);
  to.createdAtMs.push(terms.createdAtMs);
  to.expiresAtMs.push(terms.expiresAtMs);
  to.endedAtMs.push(endedAtMs ?? nothing);
  to.legFrom.push(holdLegs.asset.length + 1);
  for (const leg of terms.legs) addHoldLeg(holdLegs, leg);
  to.legTo.push(holdLegs.asset.length);
  // An array inside an array of texts; holds that still hold something when a batch ends are few, and their sources too.
  const sources = terms.legs.flatMap((leg) => leg.sources);
  to.sourceGrants.push(quoted(arrayText(sources.map(({ grantNo }) => grantNo))));
  to.sourceAtoms.push(quoted(arrayText(sources.map(({ atoms }) => atoms))));
  to.tagsHex.push(quoted(packMarks(terms).toString('hex')));
}
