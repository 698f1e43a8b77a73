// A wallet as it stands in Redis, read past the scripts and whatever its epoch: to be compared with what the ledger has.
import type { Redis } from 'ioredis';
import { codes } from '../codes.gen.ts';
import type { Counter, LedgerWallet, WalletConfig } from '../records.ts';
import { zeroAtoms } from '../units.ts';
import { call } from './call.ts';
import { noConfig, parseConfig } from './config.ts';
import { derivedDamage } from './derived.ts';
import { isOver } from './counters.ts';
import { clockKey, deadlinesKey, holdsKey, walletKey, type WalletRef } from './keys.ts';
import {
  cursor,
  decodeHold,
  freezeOf,
  readBalances,
  readGrantTerms,
  readRollover,
  readScoped,
  type Cursor,
} from './packed.ts';
import { readStoredScript } from './scripts.gen.ts';

/**
 * `epoch`: the one that it was last compared with the ledger in. `damage`: what it keeps beside its grants and holds, and
 * does not follow from them (derived.ts). `clockMs`: its partition's clock, the instant of the newest entry there.
 */
export type StoredWallet = { epoch: number; wallet: LedgerWallet; damage: string[]; clockMs: number };

/** In one step, so that it is one version; undefined when Redis does not have it. */
export async function readStoredWallet(redis: Redis, ref: WalletRef): Promise<StoredWallet | undefined> {
  // Not MULTI: Redis refuses that where it has no memory left, and a lost wallet must come back even then.
  const { partition } = ref;
  const keys = {
    ...{ walletKey: walletKey(ref), holdsKey: holdsKey(ref) },
    ...{ deadlinesKey: deadlinesKey(partition), clockKey: clockKey(partition) },
  };
  const reply = await call(redis, readStoredScript, keys, {});
  if (reply.status !== 'stored') throw new Error(reply.detail);
  const [fields, holds] = [byField(reply.fieldsPacked), byField(reply.holdsPacked)];
  const meta = fields.get('w');
  if (!meta) return undefined;
  const head = cursor(meta);
  const version = head.whole();
  const dueAtMs = head.bytes(8).readDoubleBE();
  const epoch = head.uint32();
  const [openHolds, liveGrants] = [head.uint16(), head.uint16()];
  const freeze = freezeOf(head.byte());
  const environmentId = head.rest().toString('latin1');
  const left = new Map(
    numbered(fields, 'g').map(({ no, from }) => [no, { remaining: from.atoms(), held: from.atoms() }]),
  );
  const rollovers = new Map(numbered(fields, 'r').map(({ no, from }) => [no, readRollover(from)]));
  const wallet = {
    environmentId,
    customerId: fields.get('c')?.toString() ?? '',
    walletId: ref.walletId,
    version,
    freeze,
    config: parseConfigOf(fields),
    accounts: numbered(fields, 'a').map(({ no, from }) => ({ asset: no, ...readBalances(from) })),
    grants: numbered(fields, 't').map(({ no, from }) => {
      const { expiresAtMs, ...terms } = readGrantTerms(from);
      const nothing = { remaining: zeroAtoms, held: zeroAtoms };
      return {
        no,
        ...terms,
        ...(left.get(no) ?? nothing),
        expiresAtMs: expiresAtMs === codes.never_ms ? undefined : expiresAtMs,
        rollover: rollovers.get(no),
      };
    }),
    counters: [...fields]
      .filter(([field]) => counterName.test(field))
      .map(([name, packed]) => ({ name, packed }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
    holds: [...holds]
      .map(([holdRef, packed]) => ({ ref: holdRef, ...decodeHold(packed) }))
      .sort((a, b) => (a.ref < b.ref ? -1 : 1)),
  };
  const orders = new Map(
    [...fields].filter(([field]) => field.startsWith('o')).map(([field, order]) => [field.slice(1), order]),
  );
  const scoped = new Map(numbered(fields, 'a').map(({ no, from }) => [no, readScoped(from)]));
  const deadlines = readDeadlines(holds, reply.scoresPacked);
  const due = fields.get('d') ?? Buffer.alloc(0);
  const derived = { dueAtMs, openHolds, liveGrants, orders, scoped, due, deadlines };
  return { epoch, wallet, damage: derivedDamage(derived, wallet), clockMs: reply.clockMs };
}

/** Scores come as the wallet's own first, then those of its holds; empty where there is none. */
function readDeadlines(holds: Map<string, Buffer>, scores: readonly Buffer[]): Map<string, number | undefined> {
  const score = (i: number) => (scores[i]?.length ? Number(String(scores[i])) : undefined);
  return new Map(['', ...holds.keys()].map((ref, i) => [ref, score(i)]));
}

function byField(flat: readonly Buffer[]): Map<string, Buffer> {
  return new Map(Array.from({ length: flat.length / 2 }, (_, i) => [String(flat[2 * i]), flat[2 * i + 1]!]));
}

// A budget's number, what a price's counter is called, or an asset's.
const counterName = /^[bm][0-9]+$|^u.{8}$/;

function parseConfigOf(fields: Map<string, Buffer>): WalletConfig {
  const version = Number(fields.get('n') ?? 0);
  return version === 0 ? noConfig : parseConfig(version, String(fields.get('x')));
}

/** The fields `<prefix><number>`, by number. */
function numbered(fields: Map<string, Buffer>, prefix: string): { no: number; from: Cursor }[] {
  return [...fields]
    .filter(([field]) => field.startsWith(prefix) && field.length > 1)
    .map(([field, packed]) => ({ no: Number(field.slice(1)), from: cursor(packed) }))
    .sort((a, b) => a.no - b.no);
}

/**
 * Where two pictures of a wallet differ, a line each: `grant 3 remaining: Redis 5, ledger 4`. Empty: they agree. Counters that
 * are over at `clockMs`, Redis's clock when it was read or later, may be in one of them alone.
 */
export function walletDifferences(redis: LedgerWallet, ledger: LedgerWallet, clockMs: number): string[] {
  const [there, here] = comparable(redis, ledger, clockMs);
  const [inRedis, inLedger] = [walletLines(there), walletLines(here)];
  return [...new Set([...inRedis.keys(), ...inLedger.keys()])].flatMap((name) => {
    const [left, right] = [inRedis.get(name) ?? 'nothing', inLedger.get(name) ?? 'nothing'];
    return left === right ? [] : [`${name}: Redis ${left}, ledger ${right}`];
  });
}

/**
 * Both without what may have been dropped since, or not yet: their configurations need not be of one instant, and a budget
 * that one of them does not have was deleted, or has only begun.
 */
export function comparable(redis: LedgerWallet, ledger: LedgerWallet, clockMs: number): [LedgerWallet, LedgerWallet] {
  const counts = (counter: Counter) => [redis, ledger].every(({ config }) => !isOver(counter, config, clockMs));
  return [
    { ...redis, counters: redis.counters.filter(counts) },
    { ...ledger, counters: ledger.counters.filter(counts) },
  ];
}

/** Everything that the ledger says of a wallet, by name: `grant 3 remaining` → `5`. Its configuration is not the ledger's. */
export function walletLines({ accounts, grants, holds, counters, ...head }: LedgerWallet): Map<string, string> {
  const { environmentId, customerId, walletId, version, freeze } = head;
  const named = { environmentId, customerId, walletId, version, freeze };
  const lines = new Map(Object.entries(named).map(([name, value]) => [name, String(value)]));
  const add = (of: string, fields: Record<string, unknown>) => {
    for (const [name, value] of Object.entries(fields)) lines.set(`${of} ${name}`, String(value));
  };
  for (const { asset, ...balances } of accounts) {
    // What a charge of nothing has touched is there in Redis, and no row in the ledger.
    if (Object.values(balances).some((atoms) => atoms !== zeroAtoms)) add(`asset ${asset}`, balances);
  }
  for (const { no, rollover, ...grant } of grants) {
    const rolls = rollover && `${rollover.parts} millionths, at most ${rollover.most}, until ${rollover.untilMs}`;
    add(`grant ${no}`, { ...grant, rollover: rolls });
  }
  for (const { name, packed } of counters) lines.set(`counter ${name}`, packed.toString('hex'));
  for (const { ref, legs, tags, scopes, ...hold } of holds) {
    const counted = tags.map((tag) => `${tag.held} of ${tag.asset} in ${tag.budgetNo} at ${tag.bucket}`).join(', ');
    add(`hold ${ref}`, { ...hold, budgets: counted, scopes: scopes?.join(', ') });
    legs.forEach(({ sources, ...leg }, i) =>
      add(`hold ${ref}${i === 0 ? '' : ` leg ${i + 1}`}`, {
        ...leg,
        sources: sources.map(({ grantNo, atoms }) => `${atoms} of ${grantNo}`).join(', '),
      }),
    );
  }
  return lines;
}
