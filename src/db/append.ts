// Append what was read from a lane's outboxes to the ledger, in one transaction.
//
//   lock the checkpoints, in order   another drain of the lane waits here; if the checkpoints are no longer those that
//                                    the entries were read from, somebody else has appended them: nothing is written
//   prove                            prove.ts; what does not prove goes to quarantine, with all that follows it in its wallet
//   write                            write-batch.ts; what Postgres itself refuses is narrowed down to the wallet, and goes too
//   move the checkpoints             by exactly as many entries as were written or set aside
//
// So each entry is in the ledger or in quarantine, once, whatever crashes and however often a drain is repeated.
import type { BadEntry, DecodedEntry } from '../outbox/flaw.ts';
import type { Position } from '../outbox/read.ts';
import { arrayText } from './array-text.ts';
import { makeBatch, type Batch } from './batch.ts';
import type { Sql, Transaction } from './connect.ts';
import { prove, type Objection } from './prove.ts';
import { quarantineEntries } from './quarantine.ts';
import { writeBatch } from './write-batch.ts';

/** What one reading of a lane gave. `from` and `to`: the checkpoints that it started at and leads to, one a partition. */
export type Reading = { from: Position[]; to: Position[]; good: DecodedEntry[]; bad: BadEntry[] };

export type AppendStep = 'locked' | 'proven' | 'written' | 'moved';
export type Appended =
  | { status: 'appended'; written: number; quarantined: BadEntry[] }
  /** The checkpoints are elsewhere: read again from there. */
  | { status: 'moved' }
  /** Somebody else has had the lane for long. */
  | { status: 'busy' };

// Longer than a batch takes. A drain that waited would otherwise wait for as long as another one hangs.
const lockTimeoutMs = 5_000;
const lockNotAvailable = '55P03';
// What Postgres says of data that it will not have: data exceptions and violated constraints.
const refusedData = /^(22|23)...$/;

export async function appendEntries(
  sql: Sql,
  reading: Reading,
  reached: (step: AppendStep) => void,
): Promise<Appended> {
  try {
    return await sql.begin((transaction) => append(transaction, reading, reached));
  } catch (error) {
    if (stateOf(error) === lockNotAvailable) return { status: 'busy' };
    throw error;
  }
}

async function append(sql: Transaction, reading: Reading, reached: (step: AppendStep) => void): Promise<Appended> {
  if (!(await lockCheckpoints(sql, reading.from))) return { status: 'moved' };
  reached('locked');
  const batch = makeBatch(reading.good);
  const objections = batch.entries.length === 0 ? [] : await prove(sql, batch);
  const { kept, bad } = setAside(batch, objections, reading.bad);
  reached('proven');
  const refused = await writeOrNarrow(sql, bad.length === 0 ? batch : makeBatch(kept));
  const quarantined = [...bad, ...refused].sort((a, b) => a.partition - b.partition || a.seq - b.seq);
  await quarantineEntries(sql, quarantined);
  reached('written');
  const written = kept.length - refused.length;
  await moveCheckpoints(sql, reading, kept);
  reached('moved');
  return { status: 'appended', written, quarantined };
}

/** False when they are not where the reading began. */
async function lockCheckpoints(sql: Transaction, from: Position[]): Promise<boolean> {
  const [, rows] = await Promise.all([
    // The plan that suits a batch of ten is ruinous for one of thousands: each is planned for what it has.
    sql`select set_config('lock_timeout', ${String(lockTimeoutMs)}, true), set_config('plan_cache_mode', 'force_custom_plan', true)`,
    sql<{ partition: number; epoch: number; seq: bigint }[]>`
      select partition, epoch, seq from partitions
      where partition = any(${arrayText(from.map(({ partition }) => partition))}::smallint[])
      order by partition for update`,
  ]);
  const stored = new Map(rows.map((row) => [row.partition, row]));
  return from.every(({ partition, epoch, seq }) => {
    const row = stored.get(partition);
    return row?.epoch === epoch && row.seq === BigInt(seq);
  });
}

/** Parts the entries that prove from those that don't, or that come after a bad one in their wallet. */
function setAside(
  batch: Batch,
  objections: Objection[],
  flawed: BadEntry[],
): { kept: DecodedEntry[]; bad: BadEntry[] } {
  if (objections.length === 0 && flawed.length === 0) return { kept: batch.entries, bad: [] };
  const firstObjection = new Map(objections.map((objection) => [batch.walletNos[objection.entryNo - 1], objection]));
  const firstFlaw = new Map<string, number>();
  for (const { environmentId, walletId, seq } of flawed) {
    if (environmentId !== undefined && walletId !== undefined) {
      firstFlaw.set(environmentId + walletId, Math.min(seq, firstFlaw.get(environmentId + walletId) ?? seq));
    }
  }
  const kept: DecodedEntry[] = [];
  const bad: BadEntry[] = [...flawed];
  batch.entries.forEach((decoded, i) => {
    const { entry, seq } = decoded;
    const objection = firstObjection.get(batch.walletNos[i]);
    const flawedFrom = firstFlaw.get(entry.environment + entry.walletId) ?? Infinity;
    if (seq < flawedFrom && (!objection || i + 1 < objection.entryNo)) kept.push(decoded);
    else bad.push(refuse(decoded, i + 1 === objection?.entryNo ? objection.reason : followsQuarantined));
  });
  return { kept, bad };
}

const followsQuarantined = 'follows an entry in quarantine';

function refuse(decoded: DecodedEntry, reason: string): BadEntry {
  const { entry, ...raw } = decoded;
  return { ...raw, reason, environmentId: entry.environment, walletId: entry.walletId, version: entry.version };
}

/** Writes the batch. Where Postgres refuses it, halves it until the wallets that are to blame stand alone: they are returned. */
async function writeOrNarrow(sql: Transaction, batch: Batch): Promise<BadEntry[]> {
  if (batch.entries.length === 0) return [];
  try {
    await sql.savepoint((inner) => writeBatch(inner, batch));
    return [];
  } catch (error) {
    if (!isRefusedData(error)) throw error;
    const { groups } = batch;
    if (groups.length === 1) {
      const reason = `Postgres refuses it: ${error instanceof Error ? error.message : String(error)}`;
      return batch.entries.map((entry) => refuse(entry, reason));
    }
    const middle = Math.ceil(groups.length / 2);
    const first = await writeOrNarrow(sql, makeBatch(groups.slice(0, middle).flat()));
    return [...first, ...(await writeOrNarrow(sql, makeBatch(groups.slice(middle).flat())))];
  }
}

async function moveCheckpoints(sql: Transaction, { to, good, bad }: Reading, kept: DecodedEntry[]): Promise<void> {
  const counts = new Map<number, number>();
  for (const { partition } of good) counts.set(partition, (counts.get(partition) ?? 0) + 1);
  for (const { partition, standsFor = 1 } of bad) counts.set(partition, (counts.get(partition) ?? 0) + standsFor);
  const clocks = new Map<number, number>();
  for (const { partition, entry } of kept) {
    clocks.set(partition, Math.max(clocks.get(partition) ?? 0, entry.atMs));
  }
  const moved = await sql`
    update partitions set seq = reading.seq, clock_ms = greatest(partitions.clock_ms, reading.clock_ms)
    from unnest(
      ${arrayText(to.map(({ partition }) => partition))}::smallint[],
      ${arrayText(to.map(({ seq }) => seq))}::bigint[],
      ${arrayText(to.map(({ partition }) => counts.get(partition) ?? 0))}::bigint[],
      ${arrayText(to.map(({ partition }) => clocks.get(partition) ?? 0))}::bigint[]
    ) as reading (partition, seq, count, clock_ms)
    where partitions.partition = reading.partition and partitions.seq + reading.count = reading.seq`;
  if (moved.count !== to.length) throw new Error('the checkpoints would move by other than the entries that were read');
}

/** Whether Postgres says that it will not have these data, whatever happens. */
export function isRefusedData(error: unknown): boolean {
  return refusedData.test(stateOf(error) ?? '');
}

function stateOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
