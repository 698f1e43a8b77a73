// The table at the end.
import type { Books } from './books.ts';
import { usd } from './prices.ts';
import { latency, seconds } from './progress.ts';
import { percentile, type Spending, type Tally, total } from './tally.ts';

export type Result = {
  readonly tally: Tally;
  readonly tookMs: number;
  readonly requests: number;
  readonly speed: number | 'max';
  readonly drainLagMs: number | null;
  readonly books: Books;
  /** What the audit said; null: not ours to audit. */
  readonly audit: { readonly isPassed: boolean; readonly said: string } | null;
};

export function report(result: Result): string {
  const { tally, tookMs } = result;
  const rows: (readonly [string, string])[] = [
    ['requests', `${tally.sent} of ${result.requests} in ${seconds(tookMs)}, ${perSecond(tally.sent, tookMs)}`],
    ['pace', pace(result)],
    ['approved', `${tally.approved}, ${usd(tally.spent)} USD spent`],
    ...spending('by team', tally.byTeam),
    ...spending('by model', tally.byModel),
    ['declined', `${total(tally.declined)}; ${tally.topUps} top-ups`],
    ...reasons(tally.declined),
    ...(tally.failed.size > 0 ? [['FAILED', String(total(tally.failed))] as const, ...reasons(tally.failed)] : []),
    ['authorize', `${latency(tally.authorizeMs)} (p50/p99), slowest ${slowest(tally.authorizeMs)}`],
    ['settle', `${latency(tally.settleMs)} (p50/p99), slowest ${slowest(tally.settleMs)}`],
    ['drain lag', result.drainLagMs === null ? 'not seen in the ledger' : `${result.drainLagMs.toFixed(0)} ms`],
    ['books', books(result)],
    ['audit', audit(result)],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`.trimEnd()).join('\n');
}

/** Whether all that was promised held. */
export function isSound({ tally, books, audit: verdict }: Result): boolean {
  return tally.failed.size === 0 && difference(tally, books) === 0n && (verdict?.isPassed ?? true);
}

function pace({ speed, tally }: Result): string {
  if (speed === 'max') return 'as fast as it goes';
  if (tally.behindMsMax === 0) return `${speed} times the trace's, kept`;
  return `${speed} times the trace's, NOT kept: up to ${seconds(tally.behindMsMax)} behind (lower --speed, or raise --concurrency)`;
}

function reasons(counts: ReadonlyMap<string, number>): (readonly [string, string])[] {
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  return sorted.map(([reason, times]) => [`  ${reason}`, String(times)] as const);
}

function spending(title: string, by: ReadonlyMap<string, Spending>): (readonly [string, string])[] {
  const sorted = [...by].sort(([, a], [, b]) => (b.spent > a.spent ? 1 : -1));
  const names = sorted.map(
    ([name, { requests, spent }]) => [`  ${name}`, `${usd(spent)} USD, ${requests} requests`] as const,
  );
  return [[title, ''], ...names];
}

function slowest(values: readonly number[]): string {
  return `${(percentile(values, 100) ?? 0).toFixed(1)} ms`;
}

function perSecond(times: number, tookMs: number): string {
  return `${((times * 1_000) / Math.max(1, tookMs)).toFixed(0)}/s`;
}

/** What is in the wallets and should not be, or is missing there. */
function difference(tally: Tally, { granted, available, held, overage }: Books): bigint {
  return available + held - overage - (granted - tally.spent);
}

function books({ tally, books: read }: Result): string {
  const left = `granted ${usd(read.granted)} − spent ${usd(tally.spent)} = available ${usd(read.available)} + held ${usd(read.held)}`;
  const wrong = difference(tally, read);
  if (wrong === 0n) return left;
  const why = tally.failed.size > 0 ? ' (calls without an answer may have been applied)' : '';
  return `DIFFER by ${wrong < 0n ? '−' : ''}${usd(wrong < 0n ? -wrong : wrong)} USD: ${left} − overage ${usd(read.overage)}${why}`;
}

function audit({ audit: verdict }: Result): string {
  if (verdict === null) return 'not run: the stores are not the demo’s';
  return verdict.isPassed ? verdict.said : `FAILED: ${verdict.said}`;
}
