// The packed records of a wallet, read and written as Lua's `struct` does it, big-endian (lua/lib/wallet.lua, holds.lua).
import { codes } from '../codes.gen.ts';
import type {
  AccountName,
  BudgetCounter,
  Counter,
  FreezeName,
  GrantStateName,
  HoldLeg,
  HoldLegs,
  HoldMarks,
  HoldStatusName,
  KindName,
  LedgerWallet,
  PurposeName,
  Rollover,
  SourcedLeg,
} from '../records.ts';
import { atomsFromRedis, zeroAtoms, type Atoms } from '../units.ts';

export type Balances = { available: Atoms; held: Atoms; overage: Atoms; scheduled: Atoms };
export type GrantTerms = {
  state: GrantStateName;
  purpose: PurposeName;
  priority: number;
  /** Which of the wallet's scopes; 0: it may be spent on anything. */
  scope: number;
  asset: number;
  amount: Atoms;
  effectiveAtMs: number;
  /** `codes.never_ms` when the grant never expires. */
  expiresAtMs: number;
  createdAtMs: number;
};
export type HoldTerms = { createdAtMs: number; expiresAtMs: number; legs: HoldLegs<SourcedLeg> } & HoldMarks;

export function namesByCode<T extends Record<string, number>>(table: T): (code: number) => keyof T {
  const names = new Map(Object.entries(table).map(([name, code]) => [code, name]));
  return (code) => {
    const name = names.get(code);
    if (name === undefined) throw new Error(`an entry says ${code}, which is none of ${Object.keys(table).join(', ')}`);
    return name;
  };
}

export const kindOf: (code: number) => KindName = namesByCode(codes.kind);
export const accountOf: (code: number) => AccountName = namesByCode(codes.account);
const purposeOf: (code: number) => PurposeName = namesByCode(codes.purpose);
export const grantStateOf: (code: number) => GrantStateName = namesByCode(codes.grant_state);
export const holdStatusOf: (code: number) => HoldStatusName = namesByCode(codes.hold_status);
export const freezeOf: (code: number) => FreezeName = namesByCode(codes.freeze);

/** Reads a hold's record, as it stands in the wallet's holds and in entries (lua/lib/holds.lua). */
export function decodeHold(packed: Buffer): HoldTerms {
  const from = cursor(packed);
  const first: SourcedLeg = { asset: from.uint16(), ...readLeg(from), num: one, den: one, sources: [] };
  const hold: HoldTerms = { createdAtMs: from.whole(), expiresAtMs: from.whole(), legs: [first], tags: [] };
  let leg = first;
  while (!from.atEnd()) {
    const grantNo = from.uint32();
    const asset = grantNo > 0 ? undefined : from.uint16();
    if (asset === undefined) leg.sources.push({ grantNo, atoms: from.atoms() });
    else if (asset === 0) readMark(from, hold);
    else hold.legs.push((leg = { asset, ...readLeg(from), num: from.atoms(), den: from.atoms(), sources: [] }));
  }
  return hold;
}

/** What a hold carries besides its legs, as the ledger keeps it: as in the hold's record, less what tells it from a leg. */
export function decodeMarks(packed: Buffer): HoldMarks {
  const from = cursor(packed);
  const marks: HoldMarks = { tags: [] };
  while (!from.atEnd()) readMark(from, marks);
  return marks;
}

export function packMarks(marks: HoldMarks): Buffer {
  return Buffer.concat(marksOf(marks));
}

function marksOf({ tags, scopes }: HoldMarks): Buffer[] {
  const marks = tags.map(({ budgetNo, asset, bucket, held }) =>
    Buffer.concat([uint16(budgetNo), uint16(asset), doubles(bucket, held)]),
  );
  // No budget has the number 0.
  return scopes ? [...marks, Buffer.concat([uint16(0), uint32(scopes.length), Buffer.from(scopes)])] : marks;
}

function readMark(from: Cursor, marks: HoldMarks): void {
  const budgetNo = from.uint16();
  if (budgetNo === 0) marks.scopes = [...from.bytes(from.uint32())];
  else marks.tags.push({ budgetNo, asset: from.uint16(), bucket: from.whole(), held: from.atoms() });
}

const one = 1n as Atoms;

function readLeg(from: Cursor): Omit<SourcedLeg, 'asset' | 'num' | 'den' | 'sources'> {
  return {
    amount: from.atoms(),
    held: from.atoms(),
    settled: from.atoms(),
    released: from.atoms(),
  };
}

export function readBalances(from: Cursor): Balances {
  return { available: from.atoms(), held: from.atoms(), overage: from.atoms(), scheduled: from.atoms() };
}

/** Of an account's record: how much of what is available is scoped. */
export function readScoped(from: Cursor): Atoms {
  readBalances(from);
  return from.atEnd() ? zeroAtoms : from.atoms();
}

export function readGrantTerms(from: Cursor): GrantTerms {
  return {
    state: grantStateOf(from.byte()),
    purpose: purposeOf(from.byte()),
    priority: from.byte(),
    scope: from.byte(),
    asset: from.uint16(),
    amount: from.atoms(),
    effectiveAtMs: from.whole(),
    expiresAtMs: from.whole(),
    createdAtMs: from.whole(),
  };
}

/** What a budget has counted, as lua/lib/budgets.lua packs it. */
export function decodeBudgetCounter(packed: Buffer): BudgetCounter {
  const from = cursor(packed);
  const toldCount = from.byte();
  // In which bucket the first of them was told of, and how wide a bucket is.
  from.bytes(16);
  const thresholdsCount = from.byte();
  const told = Array.from({ length: toldCount }, () => from.atoms());
  from.bytes(8 * thresholdsCount);
  const buckets: BudgetCounter['buckets'] = [];
  while (!from.atEnd()) buckets.push({ name: from.whole(), spent: from.atoms(), held: from.atoms() });
  return { told, buckets };
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

/** `H asset, dddd account` each, as hydrate takes them. */
export function packAccounts(accounts: LedgerWallet['accounts']): Buffer {
  return Buffer.concat(
    accounts.map(({ asset, available, held, overage, scheduled }) =>
      Buffer.concat([uint16(asset), doubles(available, held, overage, scheduled)]),
    ),
  );
}

/** `I4 number, dd grant, terms` each, as hydrate takes them. */
export function packGrants(grants: LedgerWallet['grants']): Buffer {
  return Buffer.concat(
    grants.map((grant) =>
      Buffer.concat([
        uint32(grant.no),
        doubles(grant.remaining, grant.held),
        Buffer.from([codes.grant_state[grant.state], codes.purpose[grant.purpose], grant.priority, grant.scope]),
        uint16(grant.asset),
        doubles(grant.amount, grant.effectiveAtMs, grant.expiresAtMs ?? codes.never_ms, grant.createdAtMs),
      ]),
    ),
  );
}

/** `ddd parts, most, until`, as lua/lib/due.lua reads it; empty: nothing lives on. */
export function packRollover(rollover: Rollover | undefined): Buffer | '' {
  if (!rollover) return '';
  return doubles(rollover.parts, rollover.most, rollover.untilMs ?? codes.never_ms);
}

export function readRollover(from: Cursor): Rollover {
  const [parts, most, untilMs] = [from.whole(), from.atoms(), from.whole()];
  return { parts, most, untilMs: untilMs === codes.never_ms ? undefined : untilMs };
}

/** `I4 number`, and its rollover, each, as hydrate takes them. */
export function packRollovers(grants: LedgerWallet['grants']): Buffer {
  return Buffer.concat(
    grants.flatMap(({ no, rollover }) => (rollover ? [uint32(no), packRollover(rollover) as Buffer] : [])),
  );
}

/** `H asset, dd trigger` each, as hydrate takes them. */
export function packTriggers(triggers: LedgerWallet['triggers'] = []): Buffer {
  return Buffer.concat(
    triggers.map(({ asset, firesBelow, crossingNo }) =>
      Buffer.concat([uint16(asset), doubles(firesBelow, crossingNo)]),
    ),
  );
}

/** Of an entry's counter: the crossing that it tells of, if it is one of those; see lua/lib/triggers.lua. */
export function readCrossing({ name, packed }: Counter): { asset: number; crossingNo: number } | undefined {
  return name.startsWith('m') ? { asset: Number(name.slice(1)), crossingNo: packed.readUInt32BE() } : undefined;
}

/** `B length, ref, H length, record` each, as hydrate takes them. */
export function packHolds(holds: LedgerWallet['holds']): Buffer {
  return Buffer.concat(
    holds.map((hold) => {
      const record = packHold(hold);
      return Buffer.concat([Buffer.from([hold.ref.length]), Buffer.from(hold.ref), uint16(record.length), record]);
    }),
  );
}

/** `B length, name, H length, bytes` each, as hydrate takes them. */
export function packCounters(counters: readonly Counter[]): Buffer {
  return Buffer.concat(
    counters.map(({ name, packed }) =>
      Buffer.concat([Buffer.from([name.length]), Buffer.from(name), uint16(packed.length), packed]),
    ),
  );
}

/** A hold's record, as lua/lib/holds.lua packs it. */
export function packHold({ createdAtMs, expiresAtMs, legs: [first, ...others], ...marks }: HoldTerms): Buffer {
  return Buffer.concat([
    packLeg(first, createdAtMs, expiresAtMs),
    ...others.flatMap((leg) => [uint32(0), packLeg(leg, leg.num, leg.den)]),
    ...marksOf(marks).map((mark) => Buffer.concat([uint32(0), uint16(0), mark])),
  ]);
}

function packLeg(leg: SourcedLeg, ...more: (Atoms | number)[]): Buffer {
  return Buffer.concat([
    uint16(leg.asset),
    doubles(leg.amount, leg.held, leg.settled, leg.released, ...more),
    ...leg.sources.map(({ grantNo, atoms }) => Buffer.concat([uint32(grantNo), doubles(atoms)])),
  ]);
}

/** `H asset, d atoms, d num, d den` each, as authorize and charge take what goes with the first leg. */
export function packAskedLegs(legs: readonly Pick<HoldLeg, 'asset' | 'amount' | 'num' | 'den'>[]): Buffer {
  return Buffer.concat(
    legs.map(({ asset, amount, num, den }) => Buffer.concat([uint16(asset), doubles(amount, num, den)])),
  );
}

/** `H asset, d atoms` each, as settle takes what is due in other assets than the hold's first. */
export function packDues(dues: readonly Pick<HoldLeg, 'asset' | 'amount'>[]): Buffer {
  return Buffer.concat(dues.map(({ asset, amount }) => Buffer.concat([uint16(asset), doubles(amount)])));
}

export function uint16(value: number): Buffer {
  const packed = Buffer.alloc(2);
  packed.writeUInt16BE(value);
  return packed;
}

function uint32(value: number): Buffer {
  const packed = Buffer.alloc(4);
  packed.writeUInt32BE(value);
  return packed;
}

export function doubles(...values: (Atoms | number)[]): Buffer {
  const packed = Buffer.alloc(8 * values.length);
  values.forEach((value, index) => packed.writeDoubleBE(Number(value), 8 * index));
  return packed;
}
