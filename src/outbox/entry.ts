// Entries as the scripts write them (lua/lib/entry.lua), read back into plain values.
//
// The layout, big-endian; change both files and the format number together:
//   B format, B kind, B late, B freeze, d version, d at_ms, I4 epoch, c12 environment, c22 wallet
//   B legs × { H asset, dddd account after, B transfers × { B debit, B credit, d atoms } }
//   H moves × { I4 grant, d remaining after, d held after }
//   I4 grant (0: none), its terms after
//   B length, hold ref (0: none) [, B status, H length, hold after]
//   B length, operation id; c11 fingerprint; H length, reply
//   the rest: what the caller attached
import { codes } from '../codes.gen.ts';
import type { AccountName, FreezeName, GrantStateName, HoldStatusName, KindName, PurposeName } from '../records.ts';
import { atomsFromRedis, type Atoms } from '../units.ts';

export type Transfer = { debit: AccountName; credit: AccountName; atoms: Atoms };
export type Balances = { available: Atoms; held: Atoms; overage: Atoms; scheduled: Atoms };
export type Leg = { asset: number; after: Balances; transfers: Transfer[] };
export type GrantMove = { grantNo: number; remaining: Atoms; held: Atoms };
export type GrantTerms = {
  state: GrantStateName;
  purpose: PurposeName;
  priority: number;
  scoped: boolean;
  asset: number;
  amount: Atoms;
  effectiveAtMs: number;
  /** `codes.never_ms` when the grant never expires. */
  expiresAtMs: number;
  createdAtMs: number;
};
export type HoldTerms = {
  asset: number;
  amount: Atoms;
  held: Atoms;
  settled: Atoms;
  released: Atoms;
  createdAtMs: number;
  expiresAtMs: number;
  /** What is still held, by the grant that it was taken from, in the order taken. */
  sources: { grantNo: number; atoms: Atoms }[];
};

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
  /** Empty for what happened beside the operation: grants that ended, holds that ran out. */
  operationId: string;
  fingerprint: string;
  reply: Buffer;
  attached: string;
};

const formatKnown = 1;

function namesByCode<T extends Record<string, number>>(table: T): (code: number) => keyof T {
  const names = new Map(Object.entries(table).map(([name, code]) => [code, name]));
  return (code) => {
    const name = names.get(code);
    if (name === undefined) throw new Error(`an entry says ${code}, which is none of ${Object.keys(table).join(', ')}`);
    return name;
  };
}

const kindOf = namesByCode(codes.kind);
const accountOf = namesByCode(codes.account);
export const purposeOf = namesByCode(codes.purpose);
export const grantStateOf = namesByCode(codes.grant_state);
const holdStatusOf = namesByCode(codes.hold_status);
export const freezeOf = namesByCode(codes.freeze);

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
    operationId: '',
    fingerprint: '',
    reply: packed.subarray(0, 0),
    attached: '',
  };
  const grantNo = from.uint32();
  if (grantNo !== 0) entry.grant = { no: grantNo, terms: readGrantTerms(from) };
  const ref = from.text(from.byte());
  if (ref !== '') entry.hold = { ref, status: holdStatusOf(from.byte()), terms: decodeHold(from.bytes(from.uint16())) };
  entry.operationId = from.text(from.byte());
  entry.fingerprint = from.text(11);
  entry.reply = from.bytes(from.uint16());
  entry.attached = from.rest().toString('utf8');
  return entry;
}

/** Reads a hold's record, as it stands in the wallet's holds and in entries (lua/lib/holds.lua). */
export function decodeHold(packed: Buffer): HoldTerms {
  const from = cursor(packed);
  const hold: HoldTerms = {
    asset: from.uint16(),
    amount: from.atoms(),
    held: from.atoms(),
    settled: from.atoms(),
    released: from.atoms(),
    createdAtMs: from.whole(),
    expiresAtMs: from.whole(),
    sources: [],
  };
  while (!from.atEnd()) hold.sources.push({ grantNo: from.uint32(), atoms: from.atoms() });
  return hold;
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

export function readBalances(from: Cursor): Balances {
  return { available: from.atoms(), held: from.atoms(), overage: from.atoms(), scheduled: from.atoms() };
}

export function readGrantTerms(from: Cursor): GrantTerms {
  return {
    state: grantStateOf(from.byte()),
    purpose: purposeOf(from.byte()),
    priority: from.byte(),
    scoped: from.byte() === 1,
    asset: from.uint16(),
    amount: from.atoms(),
    effectiveAtMs: from.whole(),
    expiresAtMs: from.whole(),
    createdAtMs: from.whole(),
  };
}

function repeat<T>(count: number, read: () => T): T[] {
  return Array.from({ length: count }, read);
}

export type Cursor = ReturnType<typeof cursor>;

/** Reads `struct`'s big-endian values one after the other; past the end it throws. */
export function cursor(packed: Buffer) {
  let at = 0;
  const advance = (length: number): number => {
    const from = at;
    at += length;
    if (at > packed.length) throw new Error(`ends at byte ${packed.length}, inside a value that needs ${at}`);
    return from;
  };
  const whole = (): number => {
    const value = packed.readDoubleBE(advance(8));
    if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${value} is not a whole number`);
    return value;
  };
  return {
    byte: (): number => packed.readUInt8(advance(1)),
    uint16: (): number => packed.readUInt16BE(advance(2)),
    uint32: (): number => packed.readUInt32BE(advance(4)),
    whole,
    atoms: (): Atoms => atomsFromRedis(whole()),
    bytes: (length: number): Buffer => packed.subarray(advance(length), at),
    text: (length: number): string => packed.toString('utf8', advance(length), at),
    rest: (): Buffer => packed.subarray(advance(packed.length - at), packed.length),
    atEnd: (): boolean => at >= packed.length,
  };
}
