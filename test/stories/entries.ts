// An entry as a story sees it: the same shape for what the model expects and for what was read from the outbox.
//
// Left open on purpose: the order of moves and of transfers, and into how many rows a flow is cut.
import { decodeEntry, type Entry } from '../../src/outbox/entry.ts';
import type { AccountName, FreezeName, HoldStatusName, KindName, SourcedLeg } from '../../src/records.ts';
import { readCounters } from './counters.ts';
import { readUsage, type SeenUsage } from './prices.ts';
import { cursor, type GrantTerms, type HoldTerms } from '../../src/wallet/packed.ts';
import type { Counter } from '../model/counters.ts';
import type { ModelEntry, Transfer } from '../model/draft.ts';
import type { Balances, Grant, Hold, HoldLeg, Reply } from '../model/wallet.ts';
import { environment, epoch, type StoryWallet } from './wallets.ts';

type Flow = { debit: AccountName; credit: AccountName; atoms: bigint };
export type SeenGrant = Omit<Grant, 'remaining' | 'held' | 'rollover'>;
export type SeenEntry = {
  kind: KindName;
  late: boolean;
  freeze: FreezeName;
  version: number;
  atMs: number;
  epoch: number;
  environment: string;
  walletId: string;
  legs: { asset: number; after: Balances; flows: Flow[] }[];
  moves: { grantNo: number; remaining: bigint; held: bigint }[];
  grant: SeenGrant | undefined;
  hold: (Hold & { status: HoldStatusName }) | undefined;
  /** By the budget's number. */
  counters: Record<number, Counter>;
  usage: SeenUsage;
  /** Undefined for what happened beside the operation. */
  operation: { id: string; fingerprint: string; reply: (string | number)[]; attached: string } | undefined;
};

export type Caller = { id: string; fingerprint: string; attached: string };

export function expectedEntry(
  { walletId }: StoryWallet,
  entry: ModelEntry,
  operation: (Caller & { reply: Reply }) | undefined,
): SeenEntry {
  const { kind, late, freeze, version, atMs, legs, moves, grant, hold } = entry;
  return {
    ...{ kind, late, freeze, version, atMs, epoch, environment, walletId },
    legs: legs.map(({ asset, after, transfers }) => ({ asset, after, flows: flowsOf(transfers) })),
    moves: byGrant(moves),
    grant: grant && seenGrant(grant.no, grant),
    hold: hold && { status: hold.status, ...hold.hold },
    counters: Object.fromEntries(entry.counters),
    usage: Object.fromEntries(entry.usage),
    operation: operation && {
      id: operation.id,
      fingerprint: operation.fingerprint,
      reply: replyValues(operation.reply),
      attached: operation.attached,
    },
  };
}

export function readEntry(packed: Buffer): SeenEntry {
  const entry = decodeEntry(packed);
  const { kind, late, freeze, version, atMs, legs, moves, grant, hold } = entry;
  return {
    ...{ kind, late, freeze, version, atMs, epoch: entry.epoch },
    ...{ environment: entry.environment, walletId: entry.walletId },
    legs: legs.map(({ asset, after, transfers }) => ({ asset, after, flows: flowsOf(transfers) })),
    moves: byGrant(moves),
    grant: grant && seenGrant(grant.no, grant.terms),
    hold: hold && { status: hold.status, ...seenHold(hold.ref, hold.terms) },
    counters: readCounters(entry.counters),
    usage: readUsage(entry.counters),
    operation: operationOf(entry),
  };
}

export function seenHold(ref: string, { legs: [first, ...others], tags, scopes, ...dates }: HoldTerms): Hold {
  const seen = ({ sources, ...leg }: SourcedLeg): HoldLeg => ({ ...leg, taken: sources });
  return { ref, ...dates, legs: [seen(first), ...others.map(seen)], tags, scopes };
}

function seenGrant(no: number, terms: GrantTerms | Omit<SeenGrant, 'no'>): SeenGrant {
  const { asset, amount, purpose, priority, state, effectiveAtMs, expiresAtMs, createdAtMs, scope } = terms;
  return { no, asset, amount, purpose, priority, state, effectiveAtMs, expiresAtMs, createdAtMs, scope };
}

function byGrant(moves: SeenEntry['moves']): SeenEntry['moves'] {
  return moves
    .map(({ grantNo, remaining, held }) => ({ grantNo, remaining, held }))
    .sort((a, b) => a.grantNo - b.grantNo);
}

function flowsOf(transfers: Transfer[]): Flow[] {
  const flows = new Map<string, Flow>();
  for (const { debit, credit, atoms } of transfers) {
    const pair = `${debit} ${credit}`;
    flows.set(pair, { debit, credit, atoms: atoms + (flows.get(pair)?.atoms ?? 0n) });
  }
  return [...flows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, flow]) => flow);
}

// A packed reply is its status, a zero byte, how many numbers it has, these as doubles, and its texts, with zero bytes
// between them. Empty ones are left out here.
function operationOf({ operationId, fingerprint, reply, attached }: Entry): SeenEntry['operation'] {
  if (operationId === '') return undefined;
  const end = reply.indexOf(0);
  const values: (string | number)[] = [reply.toString('utf8', 0, end)];
  const from = cursor(reply.subarray(end + 1));
  for (let count = from.byte(); count > 0; count -= 1) values.push(from.whole());
  values.push(
    ...from
      .rest()
      .toString()
      .split('\0')
      .filter((text) => text !== ''),
  );
  return { id: operationId, fingerprint, reply: values, attached };
}

function replyValues(reply: Reply): (string | number)[] {
  return Object.values(reply)
    .filter((value) => value !== '')
    .map((value) => (typeof value === 'bigint' ? Number(value) : (value as string | number)));
}
