// What a wallet in Redis says twice: the fields that follow from its grants and holds, kept so that scripts need not look.
//
// Consumption order, what falls due, counts, deadlines (lua/lib/wallet.lua, grants.lua, due.lua). The ledger has none of them,
// and scripts go by them without proof: an order that is wrong takes from the wrong grant, a deadline that is gone never
// comes. So they are held against what they follow from; lua/mend.lua makes them anew.
import { codes } from '../codes.gen.ts';
import type { LedgerWallet } from '../records.ts';
import { zeroAtoms, type Atoms } from '../units.ts';
import { cursor } from './packed.ts';

export type DerivedFields = {
  dueAtMs: number;
  openHolds: number;
  liveGrants: number;
  /** By asset, `1`, the numbers of its unscoped grants, four bytes each; by asset and scope, `1.3`, their sum before them. */
  orders: Map<string, Buffer>;
  /** By asset: how much of what is available is scoped. */
  scoped: Map<number, Atoms>;
  /** Instants and grant numbers, soonest first. */
  due: Buffer;
  /** Score in the partition's deadlines by hold ref; by the empty string, the wallet's own. */
  deadlines: Map<string, number | undefined>;
};

type Grant = LedgerWallet['grants'][number];
type Due = { atMs: number; grantNo: number };

const shownLength = 60;

/** A line for each that does not follow: `order of asset 1: 2 1, should be 1 2`. Empty: all is well. */
export function derivedDamage(derived: DerivedFields, { accounts, grants, holds }: LedgerWallet): string[] {
  const due = dueEvents(derived.due);
  const dueAtMs = due?.[0]?.atMs ?? codes.never_ms;
  const expected = ordersOf(accounts, grants);
  const orders = new Set([...expected.keys(), ...derived.orders.keys()]);
  const ownDeadline = dueAtMs === codes.never_ms ? undefined : dueAtMs;
  return [
    ...[...orders].flatMap((name) => {
      const order = derived.orders.get(name) ?? Buffer.alloc(0);
      return line(`order of asset ${name}`, orderText(name, order), expected.get(name) ?? '');
    }),
    ...accounts.flatMap(({ asset }) => {
      const scoped = sum(grants.filter((grant) => grant.asset === asset && grant.scope > 0));
      return line(`scoped in asset ${asset}`, String(derived.scoped.get(asset) ?? zeroAtoms), String(scoped));
    }),
    ...dueDamage(due, grants),
    ...line('due_at', derived.dueAtMs, dueAtMs),
    ...line('open holds', derived.openHolds, holds.length),
    ...line('live grants', derived.liveGrants, grants.length),
    ...line('deadline of the wallet', derived.deadlines.get(''), ownDeadline),
    ...holds.flatMap(({ ref, expiresAtMs }) =>
      line(`deadline of hold ${ref}`, derived.deadlines.get(ref), expiresAtMs),
    ),
  ];
}

function line(name: string, found: number | string | undefined, expected: number | string | undefined): string[] {
  return found === expected ? [] : [`${name}: ${shown(found)}, should be ${shown(expected)}`];
}

function shown(value: number | string | undefined): string {
  const text = String(value ?? '');
  return text === '' ? 'nothing' : text.length > shownLength ? `${text.slice(0, shownLength)}…` : text;
}

/** By their names. An order of scoped grants is not there when it is empty. */
function ordersOf(accounts: readonly { asset: number }[], grants: readonly Grant[]): Map<string, string> {
  const orders = new Map(accounts.map(({ asset }) => [String(asset), '']));
  const spendable = grants.filter(({ remaining }) => remaining > zeroAtoms);
  const nameOf = ({ asset, scope }: Grant) => (scope === 0 ? String(asset) : `${asset}.${scope}`);
  for (const name of new Set(spendable.map(nameOf))) {
    const standing = spendable.filter((grant) => nameOf(grant) === name);
    const numbers = inOrder(standing).join(' ');
    orders.set(name, name.includes('.') ? `${sum(standing)}: ${numbers}` : numbers);
  }
  return orders;
}

const sum = (grants: readonly Grant[]) => grants.reduce((total, { remaining }) => total + remaining, 0n);

/** As `comes_before` in lua/lib/order.lua. */
function inOrder(grants: readonly Grant[]): number[] {
  const rank = (grant: Grant) => [
    grant.priority,
    grant.scope > 0 ? 0 : 1,
    grant.expiresAtMs ?? codes.never_ms,
    codes.purpose[grant.purpose],
    grant.effectiveAtMs,
    grant.createdAtMs,
    grant.no,
  ];
  return grants
    .map((grant) => ({ no: grant.no, rank: rank(grant) }))
    .sort((a, b) => a.rank.reduce((found, value, i) => found || value - b.rank[i]!, 0))
    .map(({ no }) => no);
}

function orderText(name: string, packed: Buffer): string {
  const numberLength = 4;
  if (packed.length % numberLength !== 0) return `${packed.length} bytes`;
  if (name.includes('.') && packed.length > 0) {
    return `${packed.readDoubleBE()}: ${orderText('', packed.subarray(Float64Array.BYTES_PER_ELEMENT))}`;
  }
  return Array.from({ length: packed.length / numberLength }, (_, i) => packed.readUInt32BE(i * numberLength)).join(
    ' ',
  );
}

/** Undefined: it cannot be read, or is not in order. */
function dueEvents(packed: Buffer): Due[] | undefined {
  const eventLength = 12;
  if (packed.length % eventLength !== 0) return undefined;
  const events: Due[] = [];
  for (let at = 0; at < packed.length; at += eventLength) {
    const from = cursor(packed.subarray(at, at + eventLength));
    const atMs = from.bytes(8).readDoubleBE();
    if (!(atMs >= (events.at(-1)?.atMs ?? 0))) return undefined;
    events.push({ atMs, grantNo: from.uint32() });
  }
  return events;
}

/** Events of grants that have ended may stay: they are passed over when their turn comes. */
function dueDamage(events: Due[] | undefined, grants: readonly Grant[]): string[] {
  if (!events) return ['due: not a list of instants, soonest first'];
  const known = new Set(events.map(({ atMs, grantNo }) => `${grantNo} ${atMs}`));
  const missing = (name: string, { no }: Grant, atMs: number) =>
    known.has(`${no} ${atMs}`) ? [] : [`due: nothing, should be the ${name} of grant ${no} at ${atMs}`];
  return grants.flatMap((grant) => {
    const { state, effectiveAtMs, expiresAtMs } = grant;
    return [
      ...(state === 'scheduled' ? missing('start', grant, effectiveAtMs) : []),
      ...(expiresAtMs !== undefined && (state === 'scheduled' || state === 'active')
        ? missing('end', grant, expiresAtMs)
        : []),
    ];
  });
}
