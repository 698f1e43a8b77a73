// A wallet's entries, replayed through the pure model in the order of versions: what each must be, and what each yes must say.
//
// The model (test/model) knows the documents and not the scripts. Time is each entry's own: what Farebox wrote by itself,
// grants that start or end and holds that run out, is asked of the model at the instant that the entry names.
import { isDeepStrictEqual } from 'node:util';
import {
  applyDue,
  authorize,
  changeFreeze,
  charge,
  credit,
  expireHolds,
  extend,
  release,
  voidGrant,
} from '../../../test/model/calls.ts';
import type { Budget, Sent } from '../../../test/model/budgets.ts';
import type { Outcome } from '../../../test/model/operation.ts';
import { settle } from '../../../test/model/settle.ts';
import { newWorld, reloaded, type Hold, type World } from '../../../test/model/wallet.ts';
import type { HoldStatusName } from '../../../src/records.ts';
import type { Request } from '../history.ts';
import { readAsk } from './ask.ts';
import { entryDifferences } from './compare-entry.ts';
import type { LedgerEntry } from './ledger-entry.ts';

/** What a request did, where the ledger has it. */
export type Done = { readonly request: Request; readonly entry: LedgerEntry; readonly outcome: Outcome };
export type EndedHold = { version: number; status: HoldStatusName; hold: Hold };
export type Timeline = {
  /** What every request of the wallet counts in. */
  readonly budgets: Sent;
  /** The wallet as it was between calls, by version; a version in the midst of a call has none. */
  readonly worlds: Map<number, World>;
  readonly done: Done[];
  /** How a hold has ended, and ended again when it was settled late. */
  readonly ended: Map<string, EndedHold[]>;
  /** Where model and ledger part; nothing behind it was replayed. */
  readonly parted: { version: number; differences: string[] } | undefined;
};

type Replay = { world: World; expired: Map<string, Hold> } & Omit<Timeline, 'parted'>;

/** `requests`: by operation id. */
export function replay(
  entries: readonly LedgerEntry[],
  requests: ReadonlyMap<string, Request>,
  budgets: readonly Budget[] = [],
): Timeline {
  const state: Replay = {
    budgets: { budgets, knownMs: 0 },
    world: newWorld({ nowMs: 0, epoch: entries[0]?.epoch ?? 1 }),
    expired: new Map(),
    worlds: new Map(),
    done: [],
    ended: new Map(),
  };
  state.worlds.set(0, state.world);
  for (let at = 0; at < entries.length;) {
    const entry = entries[at]!;
    const request = entry.operationId === null ? undefined : requests.get(entry.operationId);
    const outcome = call(state, entry, request);
    const made = outcome?.entries ?? [];
    const differences = made.length === 0 ? entryDifferences(undefined, entry) : [];
    made.forEach((model, i) => differences.push(...entryDifferences(model, entries[at + i])));
    if (differences.length > 0 || !outcome) {
      return { ...state, parted: { version: entry.version, differences } };
    }
    take(state, outcome);
    if (request) state.done.push({ request, entry, outcome });
    at += made.length;
  }
  return { ...state, parted: undefined };
}

function take(state: Replay, outcome: Outcome): void {
  state.world = sharing(state.world, outcome.world);
  state.worlds.set(state.world.wallet.version, state.world);
  for (const { hold: change, version } of outcome.entries) {
    if (!change || change.status === 'open') continue;
    const { hold, status } = change;
    state.ended.set(hold.ref, [...(state.ended.get(hold.ref) ?? []), { version, status, hold }]);
    if (status === 'expired') state.expired.set(hold.ref, hold);
  }
}

/** The model copies a wallet for each call; of a long run, all versions fit into memory only as far as they share what is alike. */
function sharing({ wallet: before }: World, { wallet, ...world }: World): World {
  const grants = shared(before.grants, wallet.grants);
  return { ...world, wallet: { ...wallet, grants, holds: shared(before.holds, wallet.holds) } };
}

function shared<Key, Value>(before: ReadonlyMap<Key, Value>, after: ReadonlyMap<Key, Value>): Map<Key, Value> {
  return new Map(
    [...after].map(([key, value]) => {
      const earlier = before.get(key);
      return [key, earlier !== undefined && isDeepStrictEqual(earlier, value) ? earlier : value];
    }),
  );
}

/** The call that begins with this entry. Undefined: nothing the model knows begins so. */
function call(state: Replay, entry: LedgerEntry, request: Request | undefined): Outcome | undefined {
  const before = entry.epoch === state.world.epoch ? state.world : reloaded({ ...state.world, epoch: entry.epoch });
  // Repeats are a check of their own: here each operation comes once.
  const world: World = { ...before, nowMs: entry.atMs, remembered: new Map() };
  const operation = { id: `${entry.version}`, fingerprint: '' };
  if (request) return callOf(state, world, entry, request);
  switch (entry.kind) {
    case 'expire_hold':
      return expireHolds(world, operation, { refs: [entry.hold?.ref ?? ''] });
    case 'activate_grant':
    case 'expire_grant':
    case 'roll_over_grant':
      return applyDue(world, operation);
    case 'freeze':
    case 'unfreeze':
      return changeFreeze(world, operation, { from: world.wallet.freeze, to: entry.freeze });
    case 'grant':
    case 'schedule_grant':
    case 'void_grant':
    case 'hold':
    case 'extend':
    case 'settle':
    case 'release':
    case 'charge':
    case 'budget_alert':
    case 'refund':
      return undefined;
  }
}

function callOf(state: Replay, world: World, entry: LedgerEntry, request: Request): Outcome | undefined {
  const operation = { id: `${entry.version}`, fingerprint: '' };
  const ask = readAsk(request);
  switch (ask.kind) {
    case 'grant':
      return credit(world, operation, { ...ask, scope: 0, grantNo: entry.grant?.no ?? 0 });
    case 'void':
      return voidGrant(world, operation, ask);
    case 'authorize':
      return authorize(world, operation, { ...ask, repeated: false, budgets: state.budgets });
    case 'charge':
      return charge(world, operation, { ...ask, repeated: false, budgets: state.budgets });
    case 'extend':
      return extend(world, operation, { ...ask, repeated: false, budgets: state.budgets });
    case 'release':
      return release(world, operation, ask);
    case 'settle':
      return settle(world, operation, { ...ask, told: '', expired: state.expired.get(ask.ref) });
  }
}
