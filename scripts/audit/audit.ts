// The audit: every proof that Postgres alone can give of the ledger, over one snapshot of it.
//
// A drain writes entries, what they come to and its checkpoints in one transaction, so any snapshot is whole: the audit may
// run beside live traffic, and sees nothing of what comes after its beginning. It reads only. The snapshot keeps old rows
// from being cleaned up for as long as it takes.
import type { Sql, Transaction } from '../../src/db/connect.ts';
import { balances } from './balances.ts';
import { counted } from './counted.ts';
import { credits } from './credits.ts';
import { ends } from './ends.ts';
import { holdings } from './holdings.ts';
import { payments } from './payments.ts';
import type { Proof, Verdict } from './proof.ts';
import { rebuild } from './rebuild.ts';
import { seqs } from './seqs.ts';
import { stripeBooks, type StripeBooks } from './stripe-books.ts';
import { versions } from './versions.ts';
import { zero } from './zero.ts';

const proofs: readonly Proof[] = [versions, seqs, balances, zero, holdings, ends, rebuild, counted, credits, payments];

export type Progress = { readonly name: string; readonly checked: number; readonly unit: string };
export type ProofReport = Verdict & Pick<Proof, 'name' | 'claim' | 'unit'> & { readonly tookMs: number };
export type Report = { readonly isSound: boolean; readonly proofs: readonly ProofReport[] };

/** Throws when it cannot be run; a ledger that does not prove is a report. `books`: of Stripe's stand-in, which it is held against. */
export async function audit(
  sql: Sql,
  onProgress: (progress: Progress) => void = () => {},
  books?: StripeBooks,
): Promise<Report> {
  return sql.begin('isolation level repeatable read read only', async (transaction) => {
    await prepare(transaction);
    const reports: ProofReport[] = [];
    for (const { name, claim, unit, run } of books ? [...proofs, stripeBooks(books)] : proofs) {
      onProgress({ name, checked: 0, unit });
      const beganAtMs = performance.now();
      const verdict = await run(transaction, (checked) => onProgress({ name, checked, unit }));
      reports.push({ name, claim, unit, ...verdict, tookMs: performance.now() - beganAtMs });
    }
    return { isSound: reports.every(({ failed }) => failed === 0), proofs: reports };
  });
}

/** Large sorts, read to their end, in a session of its own. */
async function prepare(sql: Transaction): Promise<void> {
  await sql`
    select set_config('statement_timeout', '0', true), set_config('work_mem', '64MB', true),
      set_config('cursor_tuple_fraction', '1', true), set_config('TimeZone', 'UTC', true),
      set_config('DateStyle', 'ISO', true)`;
}
