// The campaign's words: a line for each run, what it found, and a table of all of it.
import type { TrialReport } from './run-trial.ts';
import type { Scenario } from './scenario.ts';

const violationsShownMax = 6;
const widthMax = 700;

export function trialLine({
  scenario,
  seed,
  operations,
  yes,
  inDoubt,
  lost,
  counts,
  violations,
  tookMs,
}: TrialReport): string {
  const counted = Object.entries(counts).map(([what, count]) => `, ${count} ${what}`);
  const sum = `${operations} operations, ${yes} yes, ${inDoubt} in doubt, ${lost} lost${counted.join('')}`;
  const verdict = violations.length === 0 ? 'ok    ' : 'FAILED';
  return `${verdict}  ${scenario.padEnd(22)} seed ${seed}: ${sum}; ${(tookMs / 1_000).toFixed(1)} s`;
}

export function violationLines({ scenario, seed, violations }: TrialReport): string[] {
  if (violations.length === 0) return [];
  const more = violations.length - violationsShownMax;
  return [
    ...violations
      .slice(0, violationsShownMax)
      .map(({ check, who, what }) => `        ${check}: ${who}: ${what}`.slice(0, widthMax)),
    ...(more > 0 ? [`        and ${more} more`] : []),
    `        run it again: npm run faults -- --only ${scenario} --seed ${seed}`,
  ];
}

export type Sum = {
  readonly name: string;
  readonly fault: string;
  readonly mustHold: string;
  readonly runs: number;
  readonly operations: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly inDoubt: number;
  readonly lost: number;
  readonly twice: number;
  readonly failed: number;
};

export function sumsOf(reports: readonly TrialReport[], scenarios: readonly Scenario[]): Sum[] {
  return scenarios.flatMap(({ name, fault, mustHold }) => {
    const own = reports.filter(({ scenario }) => scenario === name);
    if (own.length === 0) return [];
    const counts: Record<string, number> = {};
    for (const report of own) {
      for (const [what, count] of Object.entries(report.counts)) counts[what] = (counts[what] ?? 0) + count;
    }
    const sum = (of: (report: TrialReport) => number) => own.reduce((total, report) => total + of(report), 0);
    return {
      ...{ name, fault, mustHold, counts },
      runs: own.length,
      operations: sum(({ operations }) => operations),
      inDoubt: sum(({ inDoubt }) => inDoubt),
      lost: sum(({ lost }) => lost),
      twice: sum(({ violations }) => violations.filter(({ check }) => check === 'once').length),
      failed: own.filter(({ violations }) => violations.length > 0).length,
    };
  });
}

export function reportText(reports: readonly TrialReport[], scenarios: readonly Scenario[]): string {
  const head = ['scenario', 'runs', 'operations', 'in doubt', 'lost', 'twice', 'failed'];
  const rows = sumsOf(reports, scenarios).map(({ name, runs, operations, inDoubt, lost, twice, failed }) =>
    [name, runs, operations, inDoubt, lost, twice, failed].map((cell) => cell.toLocaleString('en')),
  );
  const widths = head.map((name, at) => Math.max(name.length, ...rows.map((row) => row[at]?.length ?? 0)) + 2);
  const line = (cells: readonly string[]) =>
    cells.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join('');
  const failed = reports.filter(({ violations }) => violations.length > 0).length;
  const verdict =
    failed === 0
      ? `faults: all held, in ${reports.length} runs`
      : `faults: FAILED in ${failed} of ${reports.length} runs`;
  return [line(head), ...rows.map(line), verdict].join('\n');
}
