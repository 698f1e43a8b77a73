// The next versions of a wallet, entry by entry: each change is recorded with what it moved, and must add up.
import { isDeepStrictEqual } from 'node:util';
import type { AccountName, FreezeName, HoldStatusName, KindName } from '../../src/records.ts';
import { copyCounter, type Counter } from './counters.ts';
import type { UsageBucket } from './usage.ts';
import {
  balances,
  copyHold,
  copyWallet,
  type Balances,
  type Grant,
  type Hold,
  type Wallet,
  type World,
} from './wallet.ts';

export type Transfer = { debit: AccountName; credit: AccountName; atoms: bigint };
export type ModelEntry = {
  kind: KindName;
  late: boolean;
  freeze: FreezeName;
  version: number;
  atMs: number;
  /** By asset, in the order in which money first moved; none when no money is concerned. */
  legs: { asset: number; after: Balances; transfers: Transfer[] }[];
  /** Grants whose numbers changed, as they are after it. */
  moves: { grantNo: number; remaining: bigint; held: bigint }[];
  grant: Grant | undefined;
  hold: { status: HoldStatusName; hold: Hold } | undefined;
  /** Of the budgets whose counters it changed, as they are after it. */
  counters: Map<number, Counter>;
  /** Of the prices whose counters it changed. */
  usage: Map<string, UsageBucket[]>;
};

/** A copy of the wallet that a call works on, and the entries that it has made so far. */
export type Draft = {
  wallet: Wallet;
  nowMs: number;
  epoch: number;
  entries: ModelEntry[];
  /** Counters that the call has looked at, in that order; those that an entry touches become the wallet's. */
  counters: Map<number, Counter>;
  touched: Set<number>;
  /** Counters of prices that the present entry has changed. */
  used: Set<string>;
};

/** Says that money of an asset goes from one account of the double entry to another. */
export type Flow = (asset: number, debit: AccountName, credit: AccountName, atoms: bigint) => void;

export function draftOf(world: World): Draft {
  const { nowMs, epoch } = world;
  const wallet = copyWallet(world.wallet);
  return { wallet, nowMs, epoch, entries: [], counters: new Map(), touched: new Set(), used: new Set() };
}

/** Make the wallet's next version: `change` changes grants and holds, and names each flow of money. */
export function record(
  draft: Draft,
  kind: KindName,
  about: {
    /** The first leg's, whether money moves in it or not. */
    asset?: number;
    grantNo?: number;
    hold?: Hold;
    holdStatus?: HoldStatusName;
    atMs?: number;
    late?: true;
  },
  change: (flow: Flow) => void,
): void {
  const { wallet } = draft;
  const before = copyWallet(wallet);
  draft.touched.clear();
  draft.used.clear();
  const transfers = new Map<number, Transfer[]>(about.asset === undefined ? [] : [[about.asset, []]]);
  change((asset, debit, credit, atoms) => {
    if (atoms < 0n) throw new Error(`the model moves ${atoms} atoms`);
    if (atoms === 0n) return;
    transfers.set(asset, [...(transfers.get(asset) ?? []), { debit, credit, atoms }]);
    const owes = (account: AccountName) => (account === 'overage' ? atoms : 0n);
    wallet.owed.set(asset, (wallet.owed.get(asset) ?? 0n) + owes(debit) - owes(credit));
  });
  wallet.version += 1;
  const counters = new Map([...draft.touched].map((no) => [no, copyCounter(draft.counters.get(no)!)]));
  for (const [no, counter] of counters) wallet.counters.set(no, copyCounter(counter));
  const grant = about.grantNo === undefined ? undefined : wallet.grants.get(about.grantNo);
  draft.entries.push({
    kind,
    late: about.late ?? false,
    freeze: wallet.freeze,
    version: wallet.version,
    atMs: about.atMs ?? draft.nowMs,
    legs: [...transfers].map(([asset, ofAsset]) => legOf(before, wallet, asset, ofAsset)),
    moves: movesOf(before, wallet, about.grantNo),
    grant: grant && { ...grant },
    hold: about.hold && { status: about.holdStatus ?? 'open', hold: copyHold(about.hold) },
    counters,
    usage: new Map([...draft.used].map((name) => [name, [...wallet.usage.get(name)!]])),
  });
  for (const { no, state, remaining, held } of wallet.grants.values()) {
    if (state !== 'scheduled' && remaining === 0n && held === 0n) wallet.grants.delete(no);
  }
}

// Balances are sums over grants and holds; the flows that were named must explain how they changed.
function legOf(before: Wallet, after: Wallet, asset: number, transfers: Transfer[]): ModelEntry['legs'][number] {
  const was = balances(before, asset);
  const is = balances(after, asset);
  const explained = transfers.reduce(
    (so, { debit, credit, atoms }) => {
      const change = (account: AccountName) => (credit === account ? atoms : 0n) - (debit === account ? atoms : 0n);
      return {
        available: so.available + change('available'),
        held: so.held + change('held'),
        overage: so.overage - change('overage'),
      };
    },
    { available: was.available, held: was.held, overage: was.overage },
  );
  const { available, held, overage } = is;
  if (!isDeepStrictEqual(explained, { available, held, overage })) throw new Error('the model does not add up');
  return { asset, after: is, transfers };
}

function movesOf(before: Wallet, after: Wallet, namedNo: number | undefined): ModelEntry['moves'] {
  return [...after.grants.values()]
    .filter(({ no, state, remaining, held }) => {
      const was = before.grants.get(no);
      const changed = remaining !== (was?.remaining ?? 0n) || held !== (was?.held ?? 0n);
      // Of the grant that an entry is about, it tells the numbers in any case, unless the grant never came into force.
      const neverInForce = state === 'scheduled' || (state === 'voided' && was?.state === 'scheduled');
      return changed || (no === namedNo && !neverInForce);
    })
    .map(({ no, remaining, held }) => ({ grantNo: no, remaining, held }));
}
