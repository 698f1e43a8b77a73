// Entries of the ledger, listed and looked up; they are written by append.ts alone.
import { and, arrayContains, asc, between, desc, eq, gte, inArray, lt } from 'drizzle-orm';
import type { Counter, EntryFilter, EntryRecord, HoldOpening, PageRequest } from '../records.ts';
import { toAtoms } from '../units.ts';
import { decodeBudgetCounter, decodeMarks } from '../wallet/packed.ts';
import { toldOf } from '../wallet/told.ts';
import { orm, type Sql } from './connect.ts';
import { cursorOf, pageOf, type Listed } from './page.ts';
import { budgets, credits, entries } from './schema.ts';

const cursors = cursorOf('number');

export async function listEntries(
  sql: Sql,
  environmentId: string,
  walletId: string,
  filter: EntryFilter,
  page: PageRequest,
): Promise<Listed<EntryRecord>> {
  const after = cursors.read(page.cursor);
  if (after === 'bad_cursor') return after;
  const rows = await select(sql)
    .where(
      and(
        eq(entries.environmentId, environmentId),
        eq(entries.walletId, walletId),
        after && lt(entries.version, after[0]),
        filter.asset === undefined ? undefined : arrayContains(entries.assets, [filter.asset]),
        filter.kind === undefined ? undefined : eq(entries.kind, filter.kind),
        filter.fromMs === undefined ? undefined : gte(entries.occurredAt, filter.fromMs),
        filter.toMs === undefined ? undefined : lt(entries.occurredAt, filter.toMs),
      ),
    )
    .orderBy(desc(entries.version))
    .limit(page.limit + 1);
  const cursor = (row: (typeof rows)[number]) => cursors.write([row.entry.version]);
  const listed = pageOf(rows, { limit: page.limit, item: toListed, cursor });
  return { ...listed, items: await withInstances(sql, environmentId, walletId, listed.items) };
}

/** Entries about instances of recurring grants, with which those are. */
async function withInstances(
  sql: Sql,
  environmentId: string,
  walletId: string,
  items: EntryRecord[],
): Promise<EntryRecord[]> {
  const grantNos = [...new Set(items.flatMap(({ grantNo }) => grantNo ?? []))];
  if (grantNos.length === 0) return items;
  const rows = await orm(sql)
    .select({ grantNo: credits.grantNo, id: credits.recurrenceId, instance: credits.instance })
    .from(credits)
    .where(
      and(eq(credits.environmentId, environmentId), eq(credits.walletId, walletId), inArray(credits.grantNo, grantNos)),
    );
  const instances = new Map<number | undefined, { id: string; instance: number }>();
  for (const { grantNo, id, instance } of rows) {
    if (id !== null && instance !== null) instances.set(grantNo, { id, instance });
  }
  return items.map((item) => {
    const recurrence = instances.get(item.grantNo);
    return recurrence ? { ...item, recurrence } : item;
  });
}

/** Both ends included, the oldest first. */
export async function listEntriesBetween(
  sql: Sql,
  environmentId: string,
  walletId: string,
  versions: { from: number; to: number },
): Promise<EntryRecord[]> {
  const rows = await select(sql)
    .where(
      and(
        eq(entries.environmentId, environmentId),
        eq(entries.walletId, walletId),
        between(entries.version, versions.from, versions.to),
      ),
    )
    .orderBy(asc(entries.version));
  return rows.map(toListed);
}

/** The entry that opened a hold, named by what the hold's ref says of it. */
export async function findOpening(
  sql: Sql,
  environmentId: string,
  walletId: string,
  ref: string,
): Promise<HoldOpening | undefined> {
  const version = Number(ref.split('.')[1]);
  const [row] = await orm(sql)
    .select()
    .from(entries)
    .where(
      and(
        eq(entries.environmentId, environmentId),
        eq(entries.walletId, walletId),
        eq(entries.version, version),
        eq(entries.holdRef, ref),
        eq(entries.kind, 'hold'),
      ),
    );
  if (!row) return undefined;
  const sources = (row.holdSourceGrants ?? []).map((grantNo, i) => ({
    grantNo,
    taken: element(row.holdSourceAtoms ?? [], i),
    remainingAfter: element(row.moveRemaining, row.moveGrants.indexOf(grantNo)),
  }));
  const { tags } = decodeMarks(row.holdTags ?? Buffer.alloc(0));
  const amounts = new Map((row.holdAssets ?? []).map((asset, i) => [asset, element(row.holdAmounts ?? [], i)]));
  return { ...toEntry(row), amounts, sources, tags, counters: countersOf(row) };
}

/** Those that it changed, as they were after it. */
export function countersOf({ counterNames, counterStates }: Row['entry']): Counter[] {
  return (counterNames ?? []).map((name, i) => ({ name, packed: element(counterStates ?? [], i) }));
}

function select(sql: Sql) {
  return orm(sql)
    .select({ entry: entries, budget: { name: budgets.name, asset: budgets.asset } })
    .from(entries)
    .leftJoin(budgets, and(eq(budgets.environmentId, entries.environmentId), eq(budgets.id, entries.budgetId)));
}

type Row = { entry: typeof entries.$inferSelect; budget: { name: string; asset: number } | null };

function toListed({ entry, budget }: Row): EntryRecord {
  return { ...toEntry(entry), alert: budget ? alertOf(entry, budget) : undefined };
}

/** But for what an alert tells of. */
export function toEntry(row: Row['entry']): EntryRecord {
  return {
    walletId: row.walletId,
    version: row.version,
    kind: row.kind,
    late: row.late,
    legs: row.assets.map((asset, i) => ({
      asset,
      amount: element(row.amounts, i),
      availableAfter: element(row.availableAfter, i),
      heldAfter: element(row.heldAfter, i),
      overageAfter: element(row.overageAfter, i),
    })),
    holdRef: row.holdRef ?? undefined,
    grantNo: row.grantNo ?? undefined,
    operationId: row.operationId ?? '',
    attached: row.attached ?? '',
    told: row.reply ? toldOf(row.reply) : '',
    occurredAtMs: row.occurredAt,
  };
}

/** What its counter was then: the threshold that it tells of is the last one told of. */
function alertOf({ budgetId, counterStates }: Row['entry'], { name, asset }: NonNullable<Row['budget']>) {
  const [state] = counterStates ?? [];
  const counter = state && decodeBudgetCounter(state);
  const threshold = counter?.told.at(-1);
  if (budgetId === null || !counter || threshold === undefined) throw new Error('an alert that tells of nothing');
  const spent = toAtoms(counter.buckets.reduce((sum, bucket) => sum + bucket.spent, 0n));
  return { budgetId, budgetName: name, asset, threshold, spent };
}

/** Arrays of one entry are of one length: a CHECK of the table. */
function element<T>(array: T[], i: number): T {
  const value = array[i];
  if (value === undefined) throw new Error('an entry with arrays of different lengths');
  return value;
}
