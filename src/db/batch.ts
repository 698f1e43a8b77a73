// A batch of entries as columns: what prove.ts and write-batch.ts hand to Postgres.
//
// Entries are in the order of wallet and version, so that indexes are walked, not jumped about in. Rows name their
// wallet, their entry and their hold by number within the batch, counted from 1 as Postgres counts. Legs, moves,
// the legs of holds and their sources lie one after the other in flat columns; an entry says from where to where its own do.
//
// One pass with plain loops: this is where a drain spends its own time, as against Postgres's.
import { codes } from '../codes.gen.ts';
import { changeOf, type Entry, type Transfer } from '../outbox/entry.ts';
import type { DecodedEntry } from '../outbox/flaw.ts';
import type { HoldLeg, PurposeName } from '../records.ts';
import { packMarks } from '../wallet/packed.ts';
import { arrayTexts, columns, nothing, quoted, type Column } from './array-text.ts';
import type { LedgerAccount } from './schema.ts';

export type Batch = ReturnType<typeof makeBatch>;

export function makeBatch(decoded: readonly DecodedEntry[]) {
  const groups = groupByWallet(decoded);
  const filled = emptyColumns();
  const entries: DecodedEntry[] = [];
  const walletNos: number[] = [];
  groups.forEach((group, i) => {
    const walletNo = i + 1;
    const wallet: OfWallet = { walletNo, terms: new Map(), holdNos: new Map() };
    for (const one of group) {
      entries.push(one);
      walletNos.push(walletNo);
      addEntry(filled, one, wallet, entries.length);
    }
    const first = group[0]?.entry;
    filled.wallets.environmentId.push(first?.environment ?? '');
    filled.wallets.walletId.push(first?.walletId ?? '');
  });
  return {
    groups,
    /** `entries[n - 1]` is entry number n, of wallet number `walletNos[n - 1]`. */
    entries,
    walletNos,
    wallets: arrayTexts(filled.wallets),
    heads: arrayTexts(filled.heads),
    legs: arrayTexts(filled.legs),
    transfers: arrayTexts(filled.transfers),
    moves: arrayTexts(filled.moves),
    terms: arrayTexts(filled.terms),
    holds: arrayTexts(filled.holds),
    holdLegs: arrayTexts(filled.holdLegs),
    sources: arrayTexts(filled.sources),
    counters: arrayTexts(filled.counters),
    operations: arrayTexts(filled.operations),
  };
}

/** Entries of each wallet, in the order they came in; wallets in the order of the indexes. */
function groupByWallet(decoded: readonly DecodedEntry[]): DecodedEntry[][] {
  const groups = new Map<string, DecodedEntry[]>();
  for (const one of decoded) {
    const key = one.entry.environment + one.entry.walletId;
    const group = groups.get(key);
    if (group) group.push(one);
    else groups.set(key, [one]);
  }
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
}

function emptyColumns() {
  return {
    wallets: columns('environmentId', 'walletId'),
    heads: columns(
      ...(['walletNo', 'version', 'atMs', 'partition', 'epoch', 'seq', 'kind', 'late', 'freeze'] as const),
      ...(['holdLegFrom', 'holdLegTo', 'sourceFrom', 'sourceTo', 'counterFrom', 'counterTo'] as const),
      ...(['legFrom', 'legTo', 'moveFrom', 'moveTo'] as const),
    ),
    legs: columns(
      ...(['entryNo', 'walletNo', 'asset', 'amount', 'available', 'held', 'overage', 'scheduled'] as const),
      'scheduledChange',
    ),
    transfers: columns('entryNo', 'walletNo', 'no', 'asset', 'debit', 'credit', 'amount'),
    moves: columns('entryNo', 'walletNo', 'grantNo', 'remaining', 'held', 'asset', 'amount'),
    terms: columns(
      ...(['grantNo', 'state', 'purpose', 'priority', 'scoped', 'scope', 'asset', 'amount'] as const),
      ...(['effectiveAtMs', 'expiresAtMs', 'createdAtMs'] as const),
    ),
    holds: columns('no', 'ref', 'status', 'createdAtMs', 'expiresAtMs', 'tagsHex'),
    holdLegs: columns('entryNo', 'asset', 'amount', 'held', 'settled', 'released', 'num', 'den'),
    sources: columns('grantNo', 'atoms'),
    counters: columns('name', 'stateHex'),
    operations: columns('operationId', 'fingerprint', 'replyHex', 'attached'),
  };
}

type Columns = ReturnType<typeof emptyColumns>;
/** Of the wallet at hand: the terms of grants that this batch has set, and its holds by number. */
type OfWallet = { walletNo: number; terms: Map<number, Terms>; holdNos: Map<string, number> };
type Terms = NonNullable<Entry['grant']>['terms'];

function addEntry(
  to: Columns,
  { entry, partition, epoch, seq }: DecodedEntry,
  wallet: OfWallet,
  entryNo: number,
): void {
  const { walletNo } = wallet;
  const { heads } = to;
  heads.walletNo.push(walletNo);
  heads.version.push(entry.version);
  heads.atMs.push(entry.atMs);
  heads.partition.push(partition);
  heads.epoch.push(epoch);
  heads.seq.push(seq);
  heads.kind.push(entry.kind);
  heads.late.push(entry.late);
  heads.freeze.push(entry.freeze);

  heads.legFrom.push(to.legs.asset.length + 1);
  addLegs(to, entry, walletNo, entryNo);
  heads.legTo.push(to.legs.asset.length);

  addTerms(to, entry.grant);
  // A grant that begins in this batch is not in the ledger yet when its first moves are proven.
  if (entry.grant) wallet.terms.set(entry.grant.no, entry.grant.terms);
  heads.moveFrom.push(to.moves.grantNo.length + 1);
  addMoves(to, entry, wallet, entryNo);
  heads.moveTo.push(to.moves.grantNo.length);

  heads.holdLegFrom.push(to.holdLegs.asset.length + 1);
  heads.sourceFrom.push(to.sources.grantNo.length + 1);
  addHold(to, entry.hold, wallet, entryNo);
  heads.holdLegTo.push(to.holdLegs.asset.length);
  heads.sourceTo.push(to.sources.grantNo.length);
  heads.counterFrom.push(to.counters.name.length + 1);
  for (const { name, packed } of entry.counters) {
    to.counters.name.push(quoted(name));
    to.counters.stateHex.push(packed.toString('hex'));
  }
  heads.counterTo.push(to.counters.name.length);
  addOperation(to, entry);
}

function addLegs({ legs, transfers }: Columns, entry: Entry, walletNo: number, entryNo: number): void {
  let no = 0;
  for (const leg of entry.legs) {
    legs.entryNo.push(entryNo);
    legs.walletNo.push(walletNo);
    legs.asset.push(leg.asset);
    legs.amount.push(changeOf(leg));
    legs.available.push(leg.after.available);
    legs.held.push(leg.after.held);
    legs.overage.push(leg.after.overage);
    legs.scheduled.push(leg.after.scheduled);
    legs.scheduledChange.push(scheduledChange(entry, leg.asset));
    for (const { debit, credit, atoms } of leg.transfers) {
      no += 1;
      transfers.entryNo.push(entryNo);
      transfers.walletNo.push(walletNo);
      transfers.no.push(no);
      transfers.asset.push(leg.asset);
      transfers.debit.push(ledgerAccount(debit, entry.grant?.terms.purpose));
      transfers.credit.push(ledgerAccount(credit, entry.grant?.terms.purpose));
      transfers.amount.push(atoms);
    }
  }
}

/** What an entry does to the scheduled credit of an account: no money moves, so no transfer says it. */
function scheduledChange({ kind, grant, moves }: Entry, asset: number): bigint {
  if (grant?.terms.asset !== asset) return 0n;
  if (kind === 'schedule_grant') return grant.terms.amount;
  if (kind === 'activate_grant') return -grant.terms.amount;
  // A grant voided before its start never had anything to move.
  if (kind === 'void_grant' && !moves.some((move) => move.grantNo === grant.no)) return -grant.terms.amount;
  return 0n;
}

/** Money comes from the funding account of its grant's purpose. */
export function ledgerAccount(account: Transfer['debit'], purpose: PurposeName | undefined): LedgerAccount {
  if (account !== 'funding') return account;
  if (purpose === undefined) throw new Error('funding without a grant: flaw.ts lets none through');
  return `funding:${purpose}`;
}

function addMoves({ moves }: Columns, entry: Entry, { walletNo, terms }: OfWallet, entryNo: number): void {
  for (const move of entry.moves) {
    const begun = terms.get(move.grantNo);
    moves.entryNo.push(entryNo);
    moves.walletNo.push(walletNo);
    moves.grantNo.push(move.grantNo);
    moves.remaining.push(move.remaining);
    moves.held.push(move.held);
    moves.asset.push(begun?.asset ?? nothing);
    moves.amount.push(begun?.amount ?? nothing);
  }
}

function addTerms({ terms: to }: Columns, grant: Entry['grant']): void {
  const terms = grant?.terms;
  to.grantNo.push(grant?.no ?? nothing);
  to.state.push(terms?.state ?? nothing);
  to.purpose.push(terms?.purpose ?? nothing);
  to.priority.push(terms?.priority ?? nothing);
  to.scoped.push(terms ? terms.scope > 0 : nothing);
  to.scope.push(terms?.scope ?? nothing);
  to.asset.push(terms?.asset ?? nothing);
  to.amount.push(terms?.amount ?? nothing);
  to.effectiveAtMs.push(terms?.effectiveAtMs ?? nothing);
  to.expiresAtMs.push(terms ? expiryOf(terms.expiresAtMs) : nothing);
  to.createdAtMs.push(terms?.createdAtMs ?? nothing);
}

export function expiryOf(expiresAtMs: number): number | typeof nothing {
  return expiresAtMs === codes.never_ms ? nothing : expiresAtMs;
}

function addHold(to: Columns, hold: Entry['hold'], { holdNos }: OfWallet, entryNo: number): void {
  const { holds, holdLegs, sources } = to;
  const terms = hold?.terms;
  if (hold && !holdNos.has(hold.ref)) holdNos.set(hold.ref, holdNos.size + 1);
  holds.no.push(hold ? (holdNos.get(hold.ref) ?? nothing) : nothing);
  holds.ref.push(hold ? quoted(hold.ref) : nothing);
  holds.status.push(hold?.status ?? nothing);
  holds.createdAtMs.push(terms?.createdAtMs ?? nothing);
  holds.expiresAtMs.push(terms?.expiresAtMs ?? nothing);
  holds.tagsHex.push(terms ? quoted(packMarks(terms).toString('hex')) : nothing);
  if (!terms) return;
  for (const leg of terms.legs) {
    holdLegs.entryNo.push(entryNo);
    addHoldLeg(holdLegs, leg);
    for (const { grantNo, atoms } of leg.sources) {
      sources.grantNo.push(grantNo);
      sources.atoms.push(atoms);
    }
  }
}

export function addHoldLeg(
  to: Record<'asset' | 'amount' | 'held' | 'settled' | 'released' | 'num' | 'den', Column>,
  leg: HoldLeg,
): void {
  to.asset.push(leg.asset);
  to.amount.push(leg.amount);
  to.held.push(leg.held);
  to.settled.push(leg.settled);
  to.released.push(leg.released);
  to.num.push(leg.num);
  to.den.push(leg.den);
}

function addOperation({ operations }: Columns, { operationId, fingerprint, reply, attached }: Entry): void {
  const isThere = operationId !== '';
  operations.operationId.push(isThere ? quoted(operationId) : nothing);
  operations.fingerprint.push(isThere ? quoted(fingerprint) : nothing);
  operations.replyHex.push(isThere ? reply.toString('hex') : nothing);
  operations.attached.push(isThere ? quoted(attached) : nothing);
}
