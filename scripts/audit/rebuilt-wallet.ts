// A wallet rebuilt from nothing but its entries and their transfers, and the first thing in them that does not follow.
//
// Balances come from transfers and are held against what the entry says of them; grants and holds come from what it says,
// and are held against the balances. Instants stay Postgres's text: they are only ever compared.
import { codes } from '../../src/codes.gen.ts';

export type Balances = { available: bigint; held: bigint; overage: bigint; scheduled: bigint };
export type GrantTerms = {
  purpose: string;
  priority: number;
  scoped: boolean;
  scope: number;
  asset: number;
  amount: bigint;
  effectiveAt: string;
  expiresAt: string | null;
  createdAt: string;
};
export type Grant = GrantTerms & { state: string; remaining: bigint; held: bigint };
/** One element for each leg; of the rates, one for each leg after the first. */
export type Hold = {
  createdAt: string;
  expiresAt: string;
  assets: number[];
  amounts: bigint[];
  held: bigint[];
  settled: bigint[];
  released: bigint[];
  rateNums: bigint[];
  rateDens: bigint[];
  sourceGrants: number[];
  sourceAtoms: bigint[];
};
export type RebuiltWallet = {
  version: bigint;
  freeze: string;
  accounts: Map<number, Balances>;
  /** Ended ones too. */
  grants: Map<number, Grant>;
  /** Open ones: those that ended are let go of, however many there were. */
  holds: Map<string, Hold>;
};

export type TransferRow = {
  no: number;
  occurredAt: string;
  asset: number;
  debit: string;
  credit: string;
  amount: bigint;
};
export type EntryRow = {
  version: bigint;
  occurredAt: string;
  kind: keyof typeof codes.kind;
  late: boolean;
  freeze: string;
  assets: number[];
  amounts: bigint[];
  available: bigint[];
  held: bigint[];
  overage: bigint[];
  scheduled: bigint[];
  moveGrants: number[];
  moveRemaining: bigint[];
  moveHeld: bigint[];
  grantNo: number | null;
  grantState: string;
  grantPurpose: string;
  grantPriority: number;
  grantScoped: boolean;
  grantScope: number;
  grantAsset: number;
  grantAmount: bigint;
  grantEffectiveAt: string;
  grantExpiresAt: string | null;
  grantCreatedAt: string;
  holdRef: string | null;
  holdStatus: string;
  holdCreatedAt: string;
  holdExpiresAt: string;
  holdAssets: number[];
  holdAmounts: bigint[];
  holdHeld: bigint[];
  holdSettled: bigint[];
  holdReleased: bigint[];
  holdRateNums: bigint[];
  holdRateDens: bigint[];
  holdSourceGrants: number[];
  holdSourceAtoms: bigint[];
};

/** What an entry did to one asset: its transfers, its grants and its hold must agree on it. */
type Change = { available: bigint; held: bigint; overage: bigint };

export function newWallet(): RebuiltWallet {
  return { version: 0n, freeze: 'none', accounts: new Map(), grants: new Map(), holds: new Map() };
}

/** Makes the wallet's next version; returns what is wrong with it, after which the wallet says nothing any more. */
export function applyEntry(
  wallet: RebuiltWallet,
  entry: EntryRow,
  transfers: readonly TransferRow[],
): string | undefined {
  if (entry.version !== wallet.version + 1n) return `version ${entry.version} where ${wallet.version + 1n} is due`;
  wallet.version = entry.version;
  const isFreezing = entry.kind === 'freeze' || entry.kind === 'unfreeze';
  if (!isFreezing && entry.freeze !== wallet.freeze) return `a ${entry.kind} that changes the freeze`;
  wallet.freeze = entry.freeze;
  if (transfers.some(({ occurredAt }) => occurredAt !== entry.occurredAt)) return 'a transfer at another instant';
  const scheduled = scheduledChange(wallet, entry);
  const changes = changesOf(transfers);
  return (
    applyTerms(wallet, entry, transfers) ??
    applyLegs(wallet, entry, changes, scheduled) ??
    applyMoves(wallet, entry, changes) ??
    repaidFirst(wallet, entry) ??
    applyHold(wallet, entry, changes)
  );
}

function changesOf(transfers: readonly TransferRow[]): Map<number, Change> {
  const changes = new Map<number, Change>();
  for (const { asset, debit, credit, amount } of transfers) {
    const change = changes.get(asset) ?? { available: 0n, held: 0n, overage: 0n };
    changes.set(asset, change);
    if (debit === 'available' || debit === 'held') change[debit] -= amount;
    if (credit === 'available' || credit === 'held') change[credit] += amount;
    // It is owed: overage that is debited grows.
    if (debit === 'overage') change.overage += amount;
    if (credit === 'overage') change.overage -= amount;
  }
  return changes;
}

/** No money moves when a grant is scheduled, so no transfer says it. */
function scheduledChange(wallet: RebuiltWallet, { kind, grantNo, grantAmount }: EntryRow): bigint {
  if (grantNo === null) return 0n;
  const before = wallet.grants.get(grantNo)?.state;
  if (before === undefined) return kind === 'schedule_grant' ? grantAmount : 0n;
  return before === 'scheduled' && (kind === 'activate_grant' || kind === 'void_grant') ? -grantAmount : 0n;
}

function applyTerms(wallet: RebuiltWallet, entry: EntryRow, transfers: readonly TransferRow[]): string | undefined {
  const { grantNo, kind } = entry;
  const funding = transfers.find(({ debit, credit }) => (debit + credit).includes('funding:'));
  if (grantNo === null) return funding && 'money from funding without a grant';
  if (funding && funding.debit !== `funding:${entry.grantPurpose}`)
    return `grant ${grantNo} is funded as ${funding.debit}`;
  const terms: GrantTerms = {
    purpose: entry.grantPurpose,
    priority: entry.grantPriority,
    scoped: entry.grantScoped,
    scope: entry.grantScope,
    asset: entry.grantAsset,
    amount: entry.grantAmount,
    effectiveAt: entry.grantEffectiveAt,
    expiresAt: entry.grantExpiresAt,
    createdAt: entry.grantCreatedAt,
  };
  const known = wallet.grants.get(grantNo);
  const isNew = kind === 'grant' || kind === 'schedule_grant';
  if (!known && !isNew) return `grant ${grantNo} never began`;
  if (known && isNew) return `grant ${grantNo} begins again`;
  // Rolled over, it lives on until another instant.
  const standing = known && kind === 'roll_over_grant' ? { ...known, expiresAt: terms.expiresAt } : known;
  const changed = standing && differences(standing, terms)[0];
  if (changed !== undefined) return `grant ${grantNo} changes its ${changed}`;
  wallet.grants.set(grantNo, { remaining: 0n, held: 0n, ...known, ...terms, state: entry.grantState });
  return undefined;
}

function applyLegs(
  wallet: RebuiltWallet,
  entry: EntryRow,
  changes: ReadonlyMap<number, Change>,
  scheduled: bigint,
): string | undefined {
  for (const asset of changes.keys())
    if (!entry.assets.includes(asset)) return `transfers in asset ${asset}, and no balances after`;
  if (scheduled !== 0n && !entry.assets.includes(entry.grantAsset)) return 'a scheduled grant, and no balances after';
  for (const [i, asset] of entry.assets.entries()) {
    const change = changes.get(asset) ?? { available: 0n, held: 0n, overage: 0n };
    const before = wallet.accounts.get(asset) ?? { available: 0n, held: 0n, overage: 0n, scheduled: 0n };
    const after: Balances = {
      available: before.available + change.available,
      held: before.held + change.held,
      overage: before.overage + change.overage,
      scheduled: before.scheduled + (asset === entry.grantAsset ? scheduled : 0n),
    };
    const said: Partial<Balances> = {};
    for (const name of ['available', 'held', 'overage', 'scheduled'] as const) {
      if (entry[name][i] !== after[name]) return `${name} after it is ${entry[name][i]}, by transfers ${after[name]}`;
      said[name] = after[name];
    }
    const amount = change.available + change.held - change.overage;
    if (entry.amounts[i] !== amount) return `its amount is ${entry.amounts[i]}, by transfers ${amount}`;
    wallet.accounts.set(asset, after);
  }
  return undefined;
}

function applyMoves(wallet: RebuiltWallet, entry: EntryRow, changes: ReadonlyMap<number, Change>): string | undefined {
  const moved = new Map<number, { available: bigint; held: bigint }>();
  for (const [i, no] of entry.moveGrants.entries()) {
    const grant = wallet.grants.get(no);
    const remaining = entry.moveRemaining[i] ?? 0n;
    const held = entry.moveHeld[i] ?? 0n;
    if (!grant) return `grant ${no} moves, and never began`;
    if (remaining + held > grant.amount) return `grant ${no} has more than its amount`;
    const sum = moved.get(grant.asset) ?? { available: 0n, held: 0n };
    sum.available += remaining - grant.remaining;
    sum.held += held - grant.held;
    moved.set(grant.asset, sum);
    grant.remaining = remaining;
    grant.held = held;
    if (grant.state === 'active' && remaining === 0n && held === 0n) grant.state = 'spent';
  }
  for (const asset of new Set([...changes.keys(), ...moved.keys()])) {
    const change = changes.get(asset);
    const sum = moved.get(asset);
    if ((change?.available ?? 0n) !== (sum?.available ?? 0n) || (change?.held ?? 0n) !== (sum?.held ?? 0n))
      return `its grants do not move as asset ${asset} does`;
  }
  return undefined;
}

/** What a scope binds repays nothing: whoever owes has none left of the rest. */
function repaidFirst({ accounts, grants }: RebuiltWallet, { assets }: EntryRow): string | undefined {
  for (const asset of assets) {
    const { overage, available } = accounts.get(asset)!;
    if (overage === 0n || available === 0n) continue;
    const owes = [...grants.values()].some(
      (grant) => grant.asset === asset && grant.scope === 0 && grant.remaining > 0n,
    );
    if (owes) return 'overage, and money that is available';
  }
  return undefined;
}

function applyHold(wallet: RebuiltWallet, entry: EntryRow, changes: ReadonlyMap<number, Change>): string | undefined {
  const ref = entry.holdRef;
  if (ref === null) {
    for (const [asset, { held }] of changes)
      if (held !== 0n) return `asset ${asset} holds more or less, and no hold does`;
    return undefined;
  }
  const known = wallet.holds.get(ref);
  if (entry.kind === 'hold' && known) return `hold ${ref} is opened again`;
  // Whether a late settle may be, the proof of ends knows: the hold it settles has been let go of here.
  if (entry.kind !== 'hold' && !entry.late && !known) return `hold ${ref} is not open`;
  const hold = holdOf(entry);
  if (known && (!beginsAs(known, hold) || known.createdAt !== hold.createdAt))
    return `hold ${ref} changes its assets or its beginning`;
  if (hold.held.some((held, i) => held > (hold.amounts[i] ?? 0n))) return `hold ${ref} holds more than its amount`;
  const before = heldByAsset(known);
  const after = heldByAsset(hold);
  for (const [asset, { held }] of changes) {
    if (held !== (after.get(asset) ?? 0n) - (before.get(asset) ?? 0n))
      return `hold ${ref} does not move as asset ${asset} holds`;
  }
  for (const [asset, held] of after) {
    if (!changes.has(asset) && held !== (before.get(asset) ?? 0n)) return `hold ${ref} moves, and no money does`;
  }
  const sourced = new Map<number, bigint>();
  for (const [i, no] of hold.sourceGrants.entries()) {
    const asset = wallet.grants.get(no)?.asset ?? 0;
    sourced.set(asset, (sourced.get(asset) ?? 0n) + (hold.sourceAtoms[i] ?? 0n));
  }
  for (const asset of new Set([...after.keys(), ...sourced.keys()])) {
    if ((after.get(asset) ?? 0n) !== (sourced.get(asset) ?? 0n))
      return `hold ${ref} holds other than it took from grants`;
  }
  if (entry.holdStatus !== 'open') wallet.holds.delete(ref);
  else wallet.holds.set(ref, hold);
  return undefined;
}

function holdOf(entry: EntryRow): Hold {
  return {
    createdAt: entry.holdCreatedAt,
    expiresAt: entry.holdExpiresAt,
    assets: entry.holdAssets,
    amounts: entry.holdAmounts,
    held: entry.holdHeld,
    settled: entry.holdSettled,
    released: entry.holdReleased,
    rateNums: entry.holdRateNums,
    rateDens: entry.holdRateDens,
    sourceGrants: entry.holdSourceGrants,
    sourceAtoms: entry.holdSourceAtoms,
  };
}

/** Legs may come to a hold; those that it has stay what they are. */
function beginsAs(known: Hold, hold: Hold): boolean {
  const isSo = (before: readonly unknown[], after: readonly unknown[]) => before.every((one, i) => one === after[i]);
  return isSo(known.assets, hold.assets) && isSo(known.rateNums, hold.rateNums) && isSo(known.rateDens, hold.rateDens);
}

function heldByAsset(hold: Hold | undefined): Map<number, bigint> {
  return new Map(hold?.assets.map((asset, i) => [asset, hold.held[i] ?? 0n]));
}

/** The names under which `stored` has another value than `expected`. */
export function differences<T extends object>(stored: NoInfer<Partial<T>>, expected: T): (keyof T & string)[] {
  return (Object.keys(expected) as (keyof T & string)[]).filter(
    (name) => String(stored[name]) !== String(expected[name]),
  );
}
