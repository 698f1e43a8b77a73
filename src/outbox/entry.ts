// Entries as the scripts write them (lua/lib/entry.lua), read back into plain values.
//
// The layout, big-endian; change both files and the format number together:
//   B format, B kind, B late, B freeze, d version, d at_ms, I4 epoch, c12 environment, c22 wallet
//   B legs × { H asset, dddd account after, B transfers × { B debit, B credit, d atoms } }
//   H moves × { I4 grant, d remaining after, d held after }
//   I4 grant (0: none), its terms after
//   B length, hold ref (0: none) [, B status, H length, hold after]
//   B counters × { B length, name, H length, counter after }
//   B length, operation id; c11 fingerprint; H length, reply
//   the rest: what the caller attached
import { isUtf8 } from 'node:buffer';
import type { AccountName, Counter, FreezeName, HoldStatusName, KindName } from '../records.ts';
import type { Atoms } from '../units.ts';
import {
  accountOf,
  cursor,
  decodeHold,
  freezeOf,
  holdStatusOf,
  kindOf,
  readBalances,
  readGrantTerms,
  type Balances,
  type Cursor,
  type GrantTerms,
  type HoldTerms,
} from '../wallet/packed.ts';

export type Transfer = { debit: AccountName; credit: AccountName; atoms: Atoms };
export type Leg = { asset: number; after: Balances; transfers: Transfer[] };
export type GrantMove = { grantNo: number; remaining: Atoms; held: Atoms };
export type Entry = {
  kind: KindName;
  late: boolean;
  freeze: FreezeName;
  version: number;
  atMs: number;
  epoch: number;
  environment: string;
  walletId: string;
  legs: Leg[];
  moves: GrantMove[];
  grant?: { no: number; terms: GrantTerms };
  hold?: { ref: string; status: HoldStatusName; terms: HoldTerms };
  /** Of budgets and prices: those that it changed, as they are after it. */
  counters: Counter[];
  /** Empty for what happened beside the operation: grants that ended, holds that ran out. */
  operationId: string;
  fingerprint: string;
  reply: Buffer;
  attached: string;
};

const formatKnown = 1;

/** Reads one entry. Throws on anything that the layout does not explain: such an entry is for quarantine. */
export function decodeEntry(packed: Buffer): Entry {
  const from = cursor(packed);
  const format = from.byte();
  if (format !== formatKnown) throw new Error(`an entry of format ${format}: this release reads format ${formatKnown}`);
  const entry: Entry = {
    kind: kindOf(from.byte()),
    late: from.byte() === 1,
    freeze: freezeOf(from.byte()),
    version: from.whole(),
    atMs: from.whole(),
    epoch: from.uint32(),
    environment: from.text(12),
    walletId: from.text(22),
    legs: repeat(from.byte(), () => readLeg(from)),
    moves: repeat(from.uint16(), () => ({ grantNo: from.uint32(), remaining: from.atoms(), held: from.atoms() })),
    counters: [],
    operationId: '',
    fingerprint: '',
    reply: packed.subarray(0, 0),
    attached: '',
  };
  const grantNo = from.uint32();
  if (grantNo !== 0) entry.grant = { no: grantNo, terms: readGrantTerms(from) };
  const ref = from.text(from.byte());
  if (ref !== '') entry.hold = { ref, status: holdStatusOf(from.byte()), terms: decodeHold(from.bytes(from.uint16())) };
  entry.counters = repeat(from.byte(), () => ({ name: from.text(from.byte()), packed: from.bytes(from.uint16()) }));
  entry.operationId = from.text(from.byte());
  entry.fingerprint = from.text(11);
  entry.reply = from.bytes(from.uint16());
  const attached = from.rest();
  if (!isUtf8(attached)) throw new Error('what the caller attached is not UTF-8');
  entry.attached = attached.toString('utf8');
  return entry;
}

/** The change of available + held − overage that one leg made: what `amount` of the API's entry says. */
export function changeOf(leg: Leg): bigint {
  const own = (account: AccountName) => account === 'available' || account === 'held' || account === 'overage';
  return leg.transfers.reduce(
    (sum, { debit, credit, atoms }) => sum + (own(credit) ? atoms : 0n) - (own(debit) ? atoms : 0n),
    0n,
  );
}

function readLeg(from: Cursor): Leg {
  return {
    asset: from.uint16(),
    after: readBalances(from),
    transfers: repeat(from.byte(), () => ({
      debit: accountOf(from.byte()),
      credit: accountOf(from.byte()),
      atoms: from.atoms(),
    })),
  };
}

function repeat<T>(count: number, read: () => T): T[] {
  return Array.from({ length: count }, read);
}
