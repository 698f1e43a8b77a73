// What clients were told, compared with what the ledger has: each yes is there once, each no never.
import { expect } from 'vitest';
import { waitUntil } from '../../scripts/stores/process.ts';
import type { Sql } from '../../src/db/connect.ts';
import { partitionsCount } from '../../src/limits.ts';
import { clockKey } from '../../src/wallet/keys.ts';
import { operationOf } from '../../src/wallet/operation.ts';
import { cursor } from '../../src/wallet/packed.ts';
import { formatAmount, parseAmount } from '../../src/units.ts';
import type { Client } from '../farebox.ts';
import { verdictOf, yesOf, type Asked, type Kind } from './asked.ts';

const scale = 9;
const kindOfEntry: Record<Kind, string> = {
  grant: 'grant',
  authorize: 'hold',
  charge: 'charge',
  extend: 'extend',
  settle: 'settle',
  release: 'release',
};

export type BookEntry = { walletId: string; version: number; kind: string; operationId: string | null; amount: bigint };

export function atomsOf(text: string): bigint {
  const parsed = parseAmount(text, scale);
  if (parsed.status !== 'ok') throw new Error(`${text} is no amount`);
  return parsed.atoms;
}

/** Waits until the ledger has every entry that Redis wrote. */
export async function waitUntilDrained(
  { sql, redis }: { sql: Sql; redis: { getBuffer: (key: string) => Promise<Buffer | null> } },
  boundMs = 20_000,
): Promise<void> {
  let behind = 0;
  const isDrained = async () => {
    const rows = await sql<{ partition: number; seq: bigint }[]>`select partition, seq from partitions`;
    const ends = await Promise.all(
      Array.from({ length: partitionsCount }, async (_, partition) => {
        const packed = await redis.getBuffer(clockKey(partition));
        return packed ? BigInt(cursor(packed).whole()) : 0n;
      }),
    );
    behind = rows.filter(({ partition, seq }) => seq < ends[partition]!).length;
    return behind === 0;
  };
  if (!(await waitUntil(isDrained, boundMs, 50))) throw new Error(`the ledger is behind in ${behind} partitions`);
}

export async function readBook(sql: Sql): Promise<BookEntry[]> {
  return sql<BookEntry[]>`
    select wallet_id as "walletId", version::integer as version, kind, operation_id as "operationId",
      coalesce(amounts[1], 0) as amount
    from entries order by wallet_id, version`;
}

/** Versions of each wallet count from 1 without a gap, and no two entries share one. */
export function expectContiguous(book: readonly BookEntry[]): Map<string, number> {
  const last = new Map<string, number>();
  for (const { walletId, version } of book) {
    expect({ walletId, version }).toEqual({ walletId, version: (last.get(walletId) ?? 0) + 1 });
    last.set(walletId, version);
  }
  return last;
}

/** Each operation that was told yes has one entry, the one it was told of; any other has none, and there are no others. */
export function expectToldTruth(environmentId: string, all: readonly Asked[], book: readonly BookEntry[]): void {
  const byOperation = new Map<string, BookEntry[]>();
  for (const entry of book) {
    if (entry.operationId === null) continue;
    byOperation.set(entry.operationId, [...(byOperation.get(entry.operationId) ?? []), entry]);
  }
  const wrong: object[] = [];
  for (const asked of all) {
    const id = operationIdOf(environmentId, asked);
    const found = byOperation.get(id) ?? [];
    byOperation.delete(id);
    const yes = yesOf(asked);
    const isRight = yes
      ? found.length === 1 && found[0]!.kind === kindOfEntry[asked.kind] && isVersion(yes.body, found[0]!)
      : found.length === 0;
    if (!isRight) wrong.push({ ...brief(asked), found });
  }
  expect(wrong).toEqual([]);
  expect([...byOperation.values()].flat()).toEqual([]);
}

/** Replies of all kinds but grants name the version that they made. */
function isVersion(body: { version?: number }, entry: BookEntry): boolean {
  return body.version === undefined || body.version === entry.version;
}

/** Money that came and went, and what is held, by what clients were told: compared with the wallet as it is. */
export async function expectBalances(client: Client, all: readonly Asked[]): Promise<void> {
  for (const customerId of new Set(all.map((asked) => asked.customerId))) {
    const own = all.filter((asked) => asked.customerId === customerId);
    const wallet = await client.get(`/v1/customers/${customerId}/wallet`);
    const account = wallet.body.accounts[0] ?? { available: '0', held: '0', overage: '0' };
    const told = replay(own);
    const is = {
      total: formatAmount(atomsOf(account.available) + atomsOf(account.held) - atomsOf(account.overage), scale),
      held: account.held,
    };
    expect({ customerId, ...is }).toEqual({ customerId, ...told });
  }
}

/** `total`: granted less spent. A hold is what it was, with what extended it, until something ended it. */
function replay(own: readonly Asked[]): { total: string; held: string } {
  let total = 0n;
  const held = new Map<string, bigint>();
  const add = (id: string, atoms: bigint) => held.set(id, (held.get(id) ?? 0n) + atoms);
  const ended = new Set<string>();
  for (const asked of own) {
    const yes = yesOf(asked);
    if (!yes) continue;
    const { body } = yes;
    if (asked.kind === 'grant') total += atomsOf(body.amount);
    if (asked.kind === 'charge') total -= atomsOf(body.amount);
    if (asked.kind === 'authorize') add(body.id, atomsOf(body.amount));
    if (asked.kind === 'extend') add(body.id, atomsOf(body.requested));
    if (asked.kind === 'settle') {
      const part = atomsOf(String(asked.body['amount']));
      total -= part;
      if (asked.body['final'] === false) add(body.id, -part);
    }
    if (asked.kind === 'release' || (asked.kind === 'settle' && body.status === 'settled')) ended.add(body.id);
  }
  const open = [...held].filter(([id]) => !ended.has(id));
  const sum = open.reduce((atoms, [, part]) => atoms + (part > 0n ? part : 0n), 0n);
  return { total: formatAmount(total, scale), held: formatAmount(sum, scale) };
}

/** How holds ended: what was set aside is settled, came back, or is still held; more was settled only where more was asked. */
export function expectHoldsAddUp(all: readonly Asked[]): void {
  const amounts = new Map<string, bigint>();
  for (const asked of all) {
    const body = yesOf(asked)?.body;
    if (!body || (asked.kind !== 'authorize' && asked.kind !== 'extend')) continue;
    const more = atomsOf(asked.kind === 'authorize' ? body.amount : body.requested);
    amounts.set(body.id, (amounts.get(body.id) ?? 0n) + more);
  }
  for (const asked of all) {
    const body = yesOf(asked)?.body;
    if (!body || (asked.kind !== 'settle' && asked.kind !== 'release') || body.status === 'open') continue;
    const amount = amounts.get(body.id) ?? 0n;
    const settled = atomsOf(body.settled);
    expect({ id: body.id, released: atomsOf(body.released) }).toEqual({
      id: body.id,
      released: settled < amount ? amount - settled : 0n,
    });
  }
}

export function operationIdOf(environmentId: string, { kind, path, customerId, key, body }: Asked): string {
  // A body that names its customer counts in its own scope.
  const named = kind === 'authorize' || kind === 'charge' ? customerId : undefined;
  return operationOf({ environmentId, path, customerId: named, key, body }).id;
}

/** For a failure's message. */
export function brief(asked: Asked): object {
  const { kind, customerId, path, body, key } = asked;
  const answers = asked.answers.map((reply) => (reply ? `${reply.status} ${reply.text}` : 'none'));
  return { kind, customerId, path, body, key, verdict: verdictOf(asked), answers };
}
