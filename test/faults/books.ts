// What clients were told, compared with what the ledger has: each yes is there once, each no never.
import { expect } from 'vitest';
import { audit } from '../../scripts/audit/audit.ts';
import { reportText } from '../../scripts/audit/report.ts';
import type { StripeBooks } from '../../scripts/audit/stripe-books.ts';
import { waitUntil } from '../../scripts/stores/process.ts';
import type { Sql } from '../../src/db/connect.ts';
import { partitionsCount } from '../../src/limits.ts';
import { clockKey } from '../../src/wallet/keys.ts';
import { operationOf } from '../../src/wallet/operation.ts';
import { cursor } from '../../src/wallet/packed.ts';
import { parseAmount } from '../../src/units.ts';
import type { Client, Reply } from '../farebox.ts';
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

/** Nothing was set aside, and the audit proves the rest. */
export async function expectSound(sql: Sql, stripe?: StripeBooks): Promise<void> {
  expect(await sql`select reason, wallet_id, version from quarantine order by id limit 5`).toHaveLength(0);
  const report = await audit(sql, () => {}, stripe);
  expect(report.isSound, reportText(report)).toBe(true);
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

/** Replays what clients were told, in the order of versions, and compares it with the wallets as they are. */
export async function expectBalances(client: Client, all: readonly Asked[]): Promise<void> {
  for (const customerId of new Set(all.map((asked) => asked.customerId))) {
    let wallet = await client.get(`/v1/customers/${customerId}/wallet`);
    // As soon as its partition is open again.
    await waitUntil(async () => {
      if (wallet.status === 503) wallet = await client.get(`/v1/customers/${customerId}/wallet`);
      return wallet.status !== 503;
    }, 10_000);
    expect(wallet.status, wallet.text).toBe(200);
    const account = wallet.body.accounts[0] ?? { available: '0', held: '0', overage: '0' };
    const is = {
      total: atomsOf(account.available) + atomsOf(account.held) - atomsOf(account.overage),
      held: atomsOf(account.held),
    };
    const told = replay(all.filter((asked) => asked.customerId === customerId));
    expect({ customerId, ...is }).toEqual({ customerId, ...told });
  }
}

/** `total`: granted less spent. Each hold is taken through its life, and how it ended compared with what was told of it. */
function replay(own: readonly Asked[]): { total: bigint; held: bigint } {
  let total = 0n;
  const held = new Map<string, bigint>();
  const settled = new Map<string, bigint>();
  const add = (to: Map<string, bigint>, id: string, atoms: bigint) => to.set(id, (to.get(id) ?? 0n) + atoms);
  const steps = own
    .flatMap((asked) => ({ asked, body: yesOf(asked)?.body }))
    .filter(({ body }) => body !== undefined)
    .sort((a, b) => (a.body.version ?? 0) - (b.body.version ?? 0));
  for (const { asked, body } of steps) {
    if (asked.kind === 'grant') total += atomsOf(body.amount);
    if (asked.kind === 'charge') total -= atomsOf(body.amount);
    if (asked.kind === 'authorize') add(held, body.id, atomsOf(body.amount));
    if (asked.kind === 'extend') add(held, body.id, atomsOf(body.requested));
    if (asked.kind !== 'settle' && asked.kind !== 'release') continue;
    const part = asked.kind === 'settle' ? atomsOf(String(asked.body['amount'])) : 0n;
    const still = held.get(body.id) ?? 0n;
    const left = part < still ? still - part : 0n;
    total -= part;
    add(settled, body.id, part);
    held.set(body.id, body.status === 'open' ? left : 0n);
    const ended = { settled: settled.get(body.id), released: body.status === 'open' ? 0n : left };
    expect({ settled: atomsOf(body.settled), released: atomsOf(body.released) }, body.id).toEqual(ended);
  }
  return { total, held: [...held.values()].reduce((sum, atoms) => sum + atoms, 0n) };
}

export function operationIdOf(environmentId: string, { kind, path, customerId, key, body }: Asked): string {
  // A body that names its customer counts in its own scope.
  const named = kind === 'authorize' || kind === 'charge' ? customerId : undefined;
  return operationOf({ environmentId, path, customerId: named, key, body }).id;
}

/** For a failure's message. */
export function brief(asked: Asked): object {
  const { kind, customerId, path, body, key } = asked;
  const said = ({ status, body: { code, outcome, detail } }: Reply) => [status, code, outcome, detail].join(' ').trim();
  const answers = asked.answers.map((reply) => (reply ? said(reply) : 'none'));
  return { kind, customerId, path, body, key, verdict: verdictOf(asked), answers: answers.slice(0, 6) };
}
