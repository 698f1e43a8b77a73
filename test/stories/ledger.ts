// The ledger's side of a story: the wallet as its entries alone tell it, and the proofs that they owe.
import { codes } from '../../src/codes.gen.ts';
import type { FreezeName, Rollover, SourcedLeg } from '../../src/records.ts';
import { packAccounts, packGrants, packHolds, packRollovers, type HoldTerms } from '../../src/wallet/packed.ts';
import type { HydrateArgs } from '../../src/wallet/scripts.gen.ts';
import type { Atoms } from '../../src/units.ts';
import type { Balances, Grant, Hold, HoldLeg } from '../model/wallet.ts';
import { packCounters } from '../../src/wallet/packed.ts';
import type { Counter } from '../model/counters.ts';
import { writeCounters } from './counters.ts';
import { writeUsage, type SeenUsage } from './prices.ts';
import type { SeenEntry, SeenGrant } from './entries.ts';

export type LedgerGrant = SeenGrant & { remaining: bigint; held: bigint; rollover?: Grant['rollover'] };
export type Ledger = {
  version: number;
  freeze: FreezeName;
  atMs: number;
  accounts: Map<number, Balances>;
  /** By number, and by ref: what the wallet carries. */
  grants: Map<number, LedgerGrant>;
  holds: Map<string, Hold>;
  counters: Record<number, Counter>;
  usage: SeenUsage;
};

export function newLedger(): Ledger {
  return {
    version: 0,
    freeze: 'none',
    atMs: 0,
    accounts: new Map(),
    grants: new Map(),
    holds: new Map(),
    counters: {},
    usage: {},
  };
}

/** Take the next entry; says what it fails to prove. */
export function takeEntry(ledger: Ledger, entry: SeenEntry): string[] {
  const complaints: string[] = [];
  if (entry.version !== ledger.version + 1) complaints.push(`version ${entry.version} follows ${ledger.version}`);
  if (entry.atMs < ledger.atMs) complaints.push(`version ${entry.version} happened before the one it follows`);
  for (const { asset, after, flows } of entry.legs) {
    const before = ledger.accounts.get(asset) ?? { available: 0n, held: 0n, overage: 0n, scheduled: 0n };
    for (const [account, sign] of [
      ['available', 1n],
      ['held', 1n],
      ['overage', -1n],
    ] as const) {
      const change = flows.reduce(
        (sum, flow) => sum + (flow.credit === account ? flow.atoms : 0n) - (flow.debit === account ? flow.atoms : 0n),
        0n,
      );
      if (before[account] + sign * change !== after[account]) {
        complaints.push(`version ${entry.version}: ${account} ${before[account]} and ${change} make ${after[account]}`);
      }
    }
    ledger.accounts.set(asset, after);
  }
  ledger.version = entry.version;
  ledger.atMs = entry.atMs;
  ledger.freeze = entry.freeze;
  takeGrants(ledger, entry);
  Object.assign(ledger.counters, entry.counters);
  Object.assign(ledger.usage, entry.usage);
  if (entry.hold) {
    const { status, ...hold } = entry.hold;
    if (status === 'open') ledger.holds.set(hold.ref, hold);
    else ledger.holds.delete(hold.ref);
  }
  return complaints;
}

// A grant with nothing left and nothing held has left the wallet; so has one that was voided before it began.
function takeGrants(ledger: Ledger, { grant, moves }: SeenEntry): void {
  if (grant) {
    const { remaining = 0n, held = 0n } = ledger.grants.get(grant.no) ?? {};
    ledger.grants.set(grant.no, { ...grant, remaining, held });
  }
  for (const { grantNo, remaining, held } of moves) {
    const known = ledger.grants.get(grantNo);
    if (!known) throw new Error(`the ledger has never heard of grant ${grantNo}`);
    ledger.grants.set(grantNo, { ...known, remaining, held });
    if (remaining === 0n && held === 0n) ledger.grants.delete(grantNo);
  }
  if (grant?.state === 'voided' && moves.length === 0) ledger.grants.delete(grant.no);
}

/** What hydrate takes, to put the wallet into Redis again. */
export function hydrateArgs(ledger: Ledger, asked: ReadonlyMap<number, Grant>): Partial<HydrateArgs> {
  // What rolls over stands in what was asked for, not in entries.
  const byNo = [...ledger.grants.values()]
    .sort((a, b) => a.no - b.no)
    .map((grant) => ({ ...grant, ...ledgerGrantOf(grant), rollover: rolloverOf(asked.get(grant.no)?.rollover) }));
  return {
    version: ledger.version,
    freeze: codes.freeze[ledger.freeze],
    accountsPacked: packAccounts(
      [...ledger.accounts].map(([asset, { available, held, overage, scheduled }]) => ({
        asset,
        available: available as Atoms,
        held: held as Atoms,
        overage: overage as Atoms,
        scheduled: scheduled as Atoms,
      })),
    ),
    grantsPacked: packGrants(byNo),
    rolloversPacked: packRollovers(byNo),
    countersPacked: packCounters([...writeCounters(ledger.counters), ...writeUsage(ledger.usage)]),
    holdsPacked: packHolds(
      [...ledger.holds.values()].map((hold) => ({
        ref: hold.ref,
        ...termsOf(hold, ({ taken }) => taken.map(({ grantNo, atoms }) => ({ grantNo, atoms: atoms as Atoms }))),
      })),
    ),
  };
}

function ledgerGrantOf({ amount, remaining, held }: LedgerGrant) {
  return { amount: amount as Atoms, remaining: remaining as Atoms, held: held as Atoms };
}

function rolloverOf(rollover: Grant['rollover']): Rollover | undefined {
  return rollover && { ...rollover, parts: Number(rollover.parts), most: rollover.most as Atoms };
}

/** A hold as packed.ts takes it. */
export function termsOf(hold: Hold, sourcesOf: (leg: HoldLeg) => SourcedLeg['sources']): HoldTerms {
  const terms = (leg: HoldLeg): SourcedLeg => ({
    asset: leg.asset,
    amount: leg.amount as Atoms,
    held: leg.held as Atoms,
    settled: leg.settled as Atoms,
    released: leg.released as Atoms,
    num: leg.num as Atoms,
    den: leg.den as Atoms,
    sources: sourcesOf(leg),
  });
  const [first, ...others] = hold.legs;
  return {
    createdAtMs: hold.createdAtMs,
    expiresAtMs: hold.expiresAtMs,
    legs: [terms(first), ...others.map(terms)],
    tags: hold.tags.map((tag) => ({ ...tag, held: tag.held as Atoms })),
    scopes: hold.scopes,
  };
}
