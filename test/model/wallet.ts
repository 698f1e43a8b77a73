// A wallet as the documents describe it, without I/O: what random stories are compared with.
//
// It keeps no balances. What is available is what active grants have left, what is held is what open holds hold, and
// only what is owed is a number of its own; so a balance that the scripts keep is checked against a sum made elsewhere.
// A call returns a new world; a world that was refused something is the very same one.
import { codes } from '../../src/codes.gen.ts';
import type { FreezeName, GrantStateName, PurposeName } from '../../src/records.ts';
import { copyCounter, type Counter, type Tag } from './counters.ts';
import type { UsageBucket } from './usage.ts';

export type Grant = {
  no: number;
  asset: number;
  amount: bigint;
  purpose: PurposeName;
  priority: number;
  /** What it may be spent on; 0: anything. */
  scope: number;
  state: GrantStateName;
  effectiveAtMs: number;
  /** `codes.never_ms` when it never expires. */
  expiresAtMs: number;
  createdAtMs: number;
  remaining: bigint;
  held: bigint;
  /** Of what it has left when it expires: millionths, at most, and until when that lives on. */
  rollover?: { parts: bigint; most: bigint; untilMs: number } | undefined;
};

/** What scopes cover of a request, by asset; what is asked for in another asset, none covers. */
export type Parts = readonly { asset: number; atoms: bigint; scopes: readonly number[] }[];

/** What is asked for beside the first asset; `num` atoms of it stand in for `den` of the first, unless both are 0. */
export type AskedLeg = { asset: number; amount: bigint; num: bigint; den: bigint };

/** What a hold has of one asset. */
export type HoldLeg = AskedLeg & {
  held: bigint;
  settled: bigint;
  released: bigint;
  /** What is still held, by grant, in the order first taken. */
  taken: { grantNo: number; atoms: bigint }[];
};

export type Hold = {
  ref: string;
  createdAtMs: number;
  expiresAtMs: number;
  legs: [HoldLeg, ...HoldLeg[]];
  tags: Tag[];
  /** Which cover all of what was asked for; undefined: none covers any of it. */
  scopes?: number[] | undefined;
};

/** An instant at which a grant starts or expires. It stays until its turn comes, though the grant may have ended. */
type DueEvent = { atMs: number; grantNo: number };

export type Wallet = {
  version: number;
  freeze: FreezeName;
  owed: Map<number, bigint>;
  grants: Map<number, Grant>;
  holds: Map<string, Hold>;
  due: DueEvent[];
  /** What budgets have counted, by their numbers. */
  counters: Map<number, Counter>;
  /** What prices have counted, by the names of their counters. */
  usage: Map<string, UsageBucket[]>;
};

export type Balances = { available: bigint; held: bigint; overage: bigint; scheduled: bigint };

/** What a script answers: its status, then its values in the order of its signature. */
export type Reply = { status: string; [value: string]: string | number | bigint | boolean };

/** A wallet, the partition's counters, and what is remembered of operations. */
export type World = {
  wallet: Wallet;
  nowMs: number;
  epoch: number;
  seq: number;
  remembered: Map<string, { fingerprint: string; reply: Reply }>;
  /** Refs of expired holds that were settled since. */
  settledLate: Set<string>;
};

export function newWorld(at: { nowMs: number; epoch: number }): World {
  const wallet: Wallet = {
    version: 0,
    freeze: 'none',
    owed: new Map(),
    grants: new Map(),
    holds: new Map(),
    due: [],
    counters: new Map(),
    usage: new Map(),
  };
  return { ...at, wallet, seq: 0, remembered: new Map(), settledLate: new Set() };
}

export function copyWallet(wallet: Wallet): Wallet {
  return {
    ...wallet,
    owed: new Map(wallet.owed),
    grants: new Map([...wallet.grants].map(([no, grant]) => [no, { ...grant }])),
    holds: new Map([...wallet.holds].map(([ref, hold]) => [ref, copyHold(hold)])),
    due: [...wallet.due],
    counters: new Map([...wallet.counters].map(([no, counter]) => [no, copyCounter(counter)])),
    usage: new Map(wallet.usage),
  };
}

export function copyHold({ legs: [first, ...others], ...hold }: Hold): Hold {
  const copy = (leg: HoldLeg): HoldLeg => ({ ...leg, taken: leg.taken.map((part) => ({ ...part })) });
  return { ...hold, legs: [copy(first), ...others.map(copy)], tags: hold.tags.map((tag) => ({ ...tag })) };
}

/** The asset that a hold's id says. */
export function assetOf(hold: Hold | undefined): number | undefined {
  return hold?.legs[0].asset;
}

export function partsOf(parts: Parts | undefined, asset: number, amount: bigint): Parts {
  const own = (parts ?? []).filter((part) => part.asset === asset);
  return own.length > 0 ? own : [{ asset, atoms: amount, scopes: [] }];
}

/** The scopes that cover all of a request; undefined where none covers any of it. */
export function commonScopes(parts: Parts | undefined): number[] | undefined {
  if (!parts || parts.every(({ scopes }) => scopes.length === 0)) return undefined;
  return parts[0]!.scopes.filter((no) => parts.every(({ scopes }) => scopes.includes(no)));
}

/** The legs of a request: what was asked for, and what goes with it. */
export function legsOf(ask: { asset: number; amount: bigint; legs?: readonly AskedLeg[] }): Hold['legs'] {
  const leg = (asked: AskedLeg): HoldLeg => ({ ...asked, held: 0n, settled: 0n, released: 0n, taken: [] });
  return [leg({ asset: ask.asset, amount: ask.amount, num: 1n, den: 1n }), ...(ask.legs ?? []).map(leg)];
}

/** What a reply says of several legs, each with its account. */
export function legsText(wallet: Wallet, legs: readonly HoldLeg[]): string {
  if (legs.length === 1) return '';
  return legs
    .flatMap(({ asset, amount, held, settled, released }) => {
      const account = balances(wallet, asset);
      return [asset, amount, held, settled, released, account.available, account.held, account.overage];
    })
    .join(' ');
}

export function balances(wallet: Wallet, asset: number): Balances {
  const grants = [...wallet.grants.values()].filter((grant) => grant.asset === asset);
  const legs = [...wallet.holds.values()].flatMap((hold) => hold.legs).filter((leg) => leg.asset === asset);
  return {
    available: sum(grants.map(({ remaining }) => remaining)),
    held: sum(legs.map(({ held }) => held)),
    overage: wallet.owed.get(asset) ?? 0n,
    scheduled: sum(grants.filter(({ state }) => state === 'scheduled').map(({ amount }) => amount)),
  };
}

/** The grants of an account with something left that these scopes let spend, in the order in which they are spent. */
export function spendable(wallet: Wallet, asset: number, scopes: readonly number[] | 'all' = []): Grant[] {
  return [...wallet.grants.values()]
    .filter((grant) => grant.asset === asset && grant.remaining > 0n)
    .filter(({ scope }) => scope === 0 || scopes === 'all' || scopes.includes(scope))
    .sort(
      (a, b) =>
        a.priority - b.priority ||
        Number(b.scope > 0) - Number(a.scope > 0) ||
        a.expiresAtMs - b.expiresAtMs ||
        codes.purpose[a.purpose] - codes.purpose[b.purpose] ||
        a.effectiveAtMs - b.effectiveAtMs ||
        a.createdAtMs - b.createdAtMs ||
        a.no - b.no,
    );
}

export function grantOf(wallet: Wallet, no: number): Grant {
  const grant = wallet.grants.get(no);
  if (!grant) throw new Error(`the model has money of grant ${no}, which has left the wallet`);
  return grant;
}

/** What is due first comes first; of two at one instant, the one added earlier. */
export function addDue(wallet: Wallet, atMs: number, grantNo: number): void {
  const later = wallet.due.findIndex((event) => event.atMs > atMs);
  wallet.due.splice(later < 0 ? wallet.due.length : later, 0, { atMs, grantNo });
}

/** When the wallet is due next. */
export function dueAtMs(wallet: Wallet): number {
  return wallet.due[0]?.atMs ?? codes.never_ms;
}

/** Refs of the holds that are past their deadline but not expired yet, soonest first. */
export function overdueRefs(wallet: Wallet, nowMs: number): string[] {
  return [...wallet.holds.values()]
    .filter((hold) => hold.expiresAtMs <= nowMs)
    .sort((a, b) => a.expiresAtMs - b.expiresAtMs || (a.ref < b.ref ? -1 : 1))
    .map(({ ref }) => ref);
}

/** The wallet after a loss, from the ledger: events of grants that have ended are not made again. */
export function reloaded(world: World): World {
  const wallet = copyWallet(world.wallet);
  wallet.due = [];
  for (const grant of [...wallet.grants.values()].sort((a, b) => a.no - b.no)) {
    if (grant.state === 'scheduled') addDue(wallet, grant.effectiveAtMs, grant.no);
    const ends = grant.state === 'scheduled' || grant.state === 'active';
    if (ends && grant.expiresAtMs < codes.never_ms) addDue(wallet, grant.expiresAtMs, grant.no);
  }
  return { ...world, wallet };
}

export function least(...values: bigint[]): bigint {
  return values.reduce((least, value) => (value < least ? value : least));
}

export function sum(values: bigint[]): bigint {
  return values.reduce((total, value) => total + value, 0n);
}
