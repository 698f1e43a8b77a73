// Replay: entries in quarantine are tried again, in order, under the proofs that they failed before.
//
// One transaction for a wallet. Its partition's checkpoint is locked, so no drain appends or sets aside in between. What
// proves is written, and marked as replayed; the first entry that does not prove stays, with all that follow it. Only a
// wallet of which nothing is left there, and nothing was rejected, is taken out of quarantine.
import { decode, type DecodedEntry } from '../outbox/flaw.ts';
import { arrayText } from './array-text.ts';
import { isRefusedData } from './append.ts';
import { makeBatch } from './batch.ts';
import type { Sql, Transaction } from './connect.ts';
import { prove } from './prove.ts';
import { writeBatch } from './write-batch.ts';

export type Replayed =
  | { status: 'no_wallet' }
  | {
      status: 'replayed';
      written: number;
      /** What is still there, and what the first of it fails. */
      left: number;
      reason: string | undefined;
      /** Entries that were rejected: the wallet cannot go on from where the ledger has it. */
      rejected: number;
      partition: number;
    };

type Row = { id: number; decoded: DecodedEntry };

// A drain that has the lane ends sooner.
const lockTimeoutMs = 10_000;
/** Entries that are proven and written at once. */
const sliceLength = 1_000;

export async function replayWallet(
  sql: Sql,
  { environmentId, walletId }: { environmentId: string; walletId: string },
): Promise<Replayed> {
  return sql.begin(async (transaction) => {
    const [wallet] = await transaction<{ partition: number; quarantinedAt: string | null }[]>`
      select partition, quarantined_at::text as "quarantinedAt" from wallets
      where (environment_id, wallet_id) = (${environmentId}, ${walletId})`;
    if (!wallet) return { status: 'no_wallet' };
    const { partition } = wallet;
    await transaction`
      select set_config('lock_timeout', ${String(lockTimeoutMs)}, true), set_config('plan_cache_mode', 'force_custom_plan', true)`;
    await transaction`select from partitions where partition = ${partition} for update`;
    // The mark alone is an objection to every entry.
    await transaction`
      update wallets set quarantined_at = null where (environment_id, wallet_id) = (${environmentId}, ${walletId})`;
    const open = await readOpen(transaction, environmentId, walletId);
    const { written, reason } = await appendProvable(transaction, open.rows);
    await transaction`
      update quarantine set resolved_at = now(), resolution = 'replayed'
      where id = any(${arrayText(open.rows.slice(0, written).map(({ id }) => id))}::bigint[])`;
    const left = open.count - written;
    const rejected = await countRejected(transaction, environmentId, walletId);
    const isOut = left === 0 && rejected === 0;
    await transaction`
      update wallets set
        quarantined_at = case when ${isOut} then null else coalesce(${wallet.quarantinedAt}::timestamptz, now()) end,
        quarantine_frozen_at = case when ${isOut} then null else quarantine_frozen_at end
      where (environment_id, wallet_id) = (${environmentId}, ${walletId})`;
    return {
      status: 'replayed',
      written,
      left,
      reason: left > 0 ? (reason ?? open.flaw) : undefined,
      rejected,
      partition,
    };
  });
}

/** What is in quarantine of a wallet, in order, as far as it decodes; `count` is all of it, `flaw` what stops the decoding. */
async function readOpen(
  sql: Transaction,
  environmentId: string,
  walletId: string,
): Promise<{ rows: Row[]; count: number; flaw: string | undefined }> {
  const found = await sql<{ id: bigint; partition: number; epoch: number; seq: bigint; raw: Buffer }[]>`
    select id, partition, epoch, seq, raw from quarantine
    where (environment_id, wallet_id) = (${environmentId}, ${walletId}) and resolved_at is null
    order by epoch, seq, id`;
  const rows: Row[] = [];
  for (const { id, partition, epoch, seq, raw } of found) {
    const decoded = decode({ partition, epoch, seq: Number(seq), packed: raw });
    if (decoded.status === 'bad') return { rows, count: found.length, flaw: decoded.entry.reason };
    rows.push({ id: Number(id), decoded: decoded.entry });
  }
  return { rows, count: found.length, flaw: undefined };
}

/** Writes as many as prove, from the first on. */
async function appendProvable(
  sql: Transaction,
  rows: readonly Row[],
): Promise<{ written: number; reason: string | undefined }> {
  for (let from = 0; from < rows.length; from += sliceLength) {
    const slice = rows.slice(from, from + sliceLength).map(({ decoded }) => decoded);
    const { written, reason } = await appendSlice(sql, slice);
    if (written < slice.length) return { written: from + written, reason };
  }
  return { written: rows.length, reason: undefined };
}

async function appendSlice(
  sql: Transaction,
  slice: readonly DecodedEntry[],
): Promise<{ written: number; reason: string | undefined }> {
  const [objection] = await prove(sql, makeBatch(slice));
  const provable = objection ? slice.slice(0, objection.entryNo - 1) : slice;
  if (provable.length === 0) return { written: 0, reason: objection?.reason };
  try {
    await sql.savepoint((inner) => writeBatch(inner, makeBatch(provable)));
    return { written: provable.length, reason: objection?.reason };
  } catch (error) {
    if (!isRefusedData(error)) throw error;
    if (provable.length === 1) {
      return { written: 0, reason: `Postgres refuses it: ${error instanceof Error ? error.message : String(error)}` };
    }
  }
  // Postgres refuses one of them: halves, until what stands before it is written.
  const middle = Math.ceil(provable.length / 2);
  const before = await appendSlice(sql, provable.slice(0, middle));
  if (before.written < middle) return before;
  const after = await appendSlice(sql, provable.slice(middle));
  return { written: middle + after.written, reason: after.reason };
}

/** Entries that were rejected, and that neither the ledger has gone past since, nor a rebuilding of their wallet. */
async function countRejected(sql: Transaction, environmentId: string, walletId: string): Promise<number> {
  const [row] = await sql<{ count: bigint }[]>`
    select count(*) from quarantine
    where (environment_id, wallet_id) = (${environmentId}, ${walletId}) and resolution = 'rejected'
      and epoch >= (
        select coalesce(rebuilt_epoch, 0) from wallets
        where (wallets.environment_id, wallets.wallet_id) = (${environmentId}, ${walletId})
      )
      and not exists (
        select from entries
        where (entries.environment_id, entries.wallet_id) = (${environmentId}, ${walletId})
          and (entries.epoch, entries.seq) > (quarantine.epoch, quarantine.seq)
      )`;
  return Number(row?.count ?? 0n);
}
