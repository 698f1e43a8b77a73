// A batch of entries as columns: what prove.ts and write-batch.ts hand to Postgres.
//
// Entries are in the order of wallet and version, so that indexes are walked, not jumped about in. Rows name their
// wallet and entry by number within the batch, counted from 1 as Postgres counts.
import { codes } from '../codes.gen.ts';
import { changeOf, type Entry, type Transfer } from '../outbox/entry.ts';
import type { DecodedEntry } from '../outbox/flaw.ts';
import type { PurposeName } from '../records.ts';
import { plainArray, textArray } from './array-text.ts';
import type { LedgerAccount } from './schema.ts';

export type Batch = ReturnType<typeof makeBatch>;

/** All entries of the batch in its order: `entries[n - 1]` is entry number n. */
export function makeBatch(decoded: readonly DecodedEntry[]) {
  const groups = [...groupByWallet(decoded).values()].sort(byWallet);
  const entries = groups.flat();
  const walletNos = groups.flatMap((group, i) => group.map(() => i + 1));
  const firsts = groups.flatMap((group) => group.slice(0, 1));
  return {
    entries,
    walletNos,
    wallets: {
      environmentId: plainArray(firsts.map(({ entry }) => entry.environment)),
      walletId: plainArray(firsts.map(({ entry }) => entry.walletId)),
    },
    heads: headColumns(entries, walletNos),
    legs: legColumns(entries, walletNos),
    transfers: transferColumns(entries, walletNos),
    moves: moveColumns(entries, walletNos),
    terms: termsColumns(entries),
    holds: holdColumns(entries, walletNos),
    operations: operationColumns(entries),
  };
}

/** Entries of each wallet, in the order they came in. */
export function groupByWallet(decoded: readonly DecodedEntry[]): Map<string, DecodedEntry[]> {
  const groups = new Map<string, DecodedEntry[]>();
  for (const one of decoded) {
    const key = one.entry.environment + one.entry.walletId;
    const group = groups.get(key);
    if (group) group.push(one);
    else groups.set(key, [one]);
  }
  return groups;
}

function byWallet([a]: DecodedEntry[], [b]: DecodedEntry[]): number {
  const left = a ? a.entry.environment + a.entry.walletId : '';
  const right = b ? b.entry.environment + b.entry.walletId : '';
  return left < right ? -1 : 1;
}

function headColumns(entries: readonly DecodedEntry[], walletNos: readonly number[]) {
  return {
    walletNo: plainArray(walletNos),
    version: plainArray(entries.map(({ entry }) => entry.version)),
    atMs: plainArray(entries.map(({ entry }) => entry.atMs)),
    partition: plainArray(entries.map(({ partition }) => partition)),
    epoch: plainArray(entries.map(({ epoch }) => epoch)),
    seq: plainArray(entries.map(({ seq }) => seq)),
    kind: plainArray(entries.map(({ entry }) => entry.kind)),
    late: plainArray(entries.map(({ entry }) => entry.late)),
    freeze: plainArray(entries.map(({ entry }) => entry.freeze)),
  };
}

// Legs, moves and hold sources lie one after the other in flat arrays; `from` and `to` say where those of each entry do.
function legColumns(entries: readonly DecodedEntry[], walletNos: readonly number[]) {
  const legs = entries.flatMap(({ entry }, i) =>
    entry.legs.map((leg) => ({ ...leg, entryNo: i + 1, walletNo: walletNos[i] ?? 0, entry })),
  );
  return {
    ...slices(entries, ({ entry }) => entry.legs.length),
    entryNo: plainArray(legs.map((leg) => leg.entryNo)),
    walletNo: plainArray(legs.map((leg) => leg.walletNo)),
    asset: plainArray(legs.map((leg) => leg.asset)),
    amount: plainArray(legs.map(changeOf)),
    available: plainArray(legs.map((leg) => leg.after.available)),
    held: plainArray(legs.map((leg) => leg.after.held)),
    overage: plainArray(legs.map((leg) => leg.after.overage)),
    scheduled: plainArray(legs.map((leg) => leg.after.scheduled)),
    scheduledChange: plainArray(legs.map((leg) => scheduledChange(leg.entry, leg.asset))),
  };
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

function transferColumns(entries: readonly DecodedEntry[], walletNos: readonly number[]) {
  const transfers = entries.flatMap(({ entry }, i) =>
    entry.legs
      .flatMap((leg) => leg.transfers.map((transfer) => ({ asset: leg.asset, transfer })))
      .map(({ asset, transfer }, no) => ({
        entryNo: i + 1,
        walletNo: walletNos[i] ?? 0,
        no: no + 1,
        asset,
        ...transfer,
        purpose: entry.grant?.terms.purpose,
      })),
  );
  return {
    entryNo: plainArray(transfers.map((transfer) => transfer.entryNo)),
    walletNo: plainArray(transfers.map((transfer) => transfer.walletNo)),
    no: plainArray(transfers.map((transfer) => transfer.no)),
    asset: plainArray(transfers.map((transfer) => transfer.asset)),
    debit: plainArray(transfers.map((transfer) => ledgerAccount(transfer.debit, transfer.purpose))),
    credit: plainArray(transfers.map((transfer) => ledgerAccount(transfer.credit, transfer.purpose))),
    amount: plainArray(transfers.map((transfer) => transfer.atoms)),
  };
}

/** Money comes from the funding account of its grant's purpose. */
export function ledgerAccount(account: Transfer['debit'], purpose: PurposeName | undefined): LedgerAccount {
  if (account !== 'funding') return account;
  if (purpose === undefined) throw new Error('funding without a grant: flaw.ts lets none through');
  return `funding:${purpose}`;
}

function moveColumns(entries: readonly DecodedEntry[], walletNos: readonly number[]) {
  // A grant that begins in this batch is not in the ledger yet when its first moves are proven.
  const begun = new Map<string, { asset: number; amount: bigint }>();
  const moves = entries.flatMap(({ entry }, i) => {
    const walletNo = walletNos[i] ?? 0;
    if (entry.grant) begun.set(`${walletNo} ${entry.grant.no}`, entry.grant.terms);
    return entry.moves.map((move) => ({
      ...move,
      entryNo: i + 1,
      walletNo,
      terms: begun.get(`${walletNo} ${move.grantNo}`),
    }));
  });
  return {
    ...slices(entries, ({ entry }) => entry.moves.length),
    entryNo: plainArray(moves.map((move) => move.entryNo)),
    walletNo: plainArray(moves.map((move) => move.walletNo)),
    grantNo: plainArray(moves.map((move) => move.grantNo)),
    remaining: plainArray(moves.map((move) => move.remaining)),
    held: plainArray(moves.map((move) => move.held)),
    asset: plainArray(moves.map((move) => move.terms?.asset ?? null)),
    amount: plainArray(moves.map((move) => move.terms?.amount ?? null)),
  };
}

function termsColumns(entries: readonly DecodedEntry[]) {
  const terms = entries.map(({ entry }) => entry.grant?.terms);
  return {
    grantNo: plainArray(entries.map(({ entry }) => entry.grant?.no ?? null)),
    state: plainArray(terms.map((of) => of?.state ?? null)),
    purpose: plainArray(terms.map((of) => of?.purpose ?? null)),
    priority: plainArray(terms.map((of) => of?.priority ?? null)),
    scoped: plainArray(terms.map((of) => of?.scoped ?? null)),
    asset: plainArray(terms.map((of) => of?.asset ?? null)),
    amount: plainArray(terms.map((of) => of?.amount ?? null)),
    effectiveAtMs: plainArray(terms.map((of) => of?.effectiveAtMs ?? null)),
    expiresAtMs: plainArray(terms.map((of) => (of ? expiryOf(of.expiresAtMs) : null))),
    createdAtMs: plainArray(terms.map((of) => of?.createdAtMs ?? null)),
  };
}

export function expiryOf(expiresAtMs: number): number | null {
  return expiresAtMs === codes.never_ms ? null : expiresAtMs;
}

function holdColumns(entries: readonly DecodedEntry[], walletNos: readonly number[]) {
  const terms = entries.map(({ entry }) => entry.hold?.terms);
  const sources = terms.flatMap((of) => of?.sources ?? []);
  return {
    walletNo: plainArray(walletNos),
    ref: textArray(entries.map(({ entry }) => entry.hold?.ref ?? null)),
    status: plainArray(entries.map(({ entry }) => entry.hold?.status ?? null)),
    asset: plainArray(terms.map((of) => of?.asset ?? null)),
    amount: plainArray(terms.map((of) => of?.amount ?? null)),
    held: plainArray(terms.map((of) => of?.held ?? null)),
    settled: plainArray(terms.map((of) => of?.settled ?? null)),
    released: plainArray(terms.map((of) => of?.released ?? null)),
    createdAtMs: plainArray(terms.map((of) => of?.createdAtMs ?? null)),
    expiresAtMs: plainArray(terms.map((of) => of?.expiresAtMs ?? null)),
    ...slices(entries, ({ entry }) => entry.hold?.terms.sources.length ?? 0),
    sourceGrant: plainArray(sources.map((source) => source.grantNo)),
    sourceAtoms: plainArray(sources.map((source) => source.atoms)),
  };
}

function operationColumns(entries: readonly DecodedEntry[]) {
  const ofOperation = <T>(value: (entry: Entry) => T) =>
    entries.map(({ entry }) => (entry.operationId === '' ? null : value(entry)));
  return {
    operationId: textArray(ofOperation((entry) => entry.operationId)),
    fingerprint: textArray(ofOperation((entry) => entry.fingerprint)),
    replyHex: plainArray(ofOperation((entry) => entry.reply.toString('hex'))),
    attached: textArray(ofOperation((entry) => entry.attached)),
  };
}

/** Which elements of a flat array are whose: none where `to` lies before `from`. */
function slices(
  entries: readonly DecodedEntry[],
  count: (entry: DecodedEntry) => number,
): { from: string; to: string } {
  const from: number[] = [];
  const to: number[] = [];
  let end = 0;
  for (const entry of entries) {
    from.push(end + 1);
    end += count(entry);
    to.push(end);
  }
  return { from: plainArray(from), to: plainArray(to) };
}
