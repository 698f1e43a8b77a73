// What a campaign found, for keeps: figures as JSON beside the benchmarks', and the table in docs/reliability.md.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sumsOf, type Sum } from './report.ts';
import type { TrialReport } from './run-trial.ts';
import type { Scenario } from './scenario.ts';

const page = join('docs', 'reliability.md');
const marks = ['<!-- written by npm run faults -- --save -->', '<!-- end -->'] as const;

/** Returns the files that were written. */
export function saveReports(reports: readonly TrialReport[], scenarios: readonly Scenario[], seed: number): string[] {
  const sums = sumsOf(reports, scenarios);
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  const at = new Date().toISOString();
  const folder = join('bench', 'results');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `faults-${at.slice(0, 19).replaceAll(':', '')}-${commit}.json`);
  writeFileSync(file, `${JSON.stringify({ at, commit, seed, scenarios: sums, runs: reports }, null, 2)}\n`);
  const [begin, end] = marks;
  const text = readFileSync(page, 'utf8');
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${page} has no place for the table: ${marks.join(' … ')}`);
  const written = `${begin}\n\n${tableOf(sums)}\n\nCommit ${commit}, ${at.slice(0, 10)}, seeds from ${seed}.\n\n`;
  writeFileSync(page, text.slice(0, from) + written + text.slice(to));
  return [file, page];
}

function tableOf(sums: readonly Sum[]): string {
  const head = [
    'fault',
    'runs',
    'operations',
    'done to it',
    'in doubt, then resolved',
    'lost',
    'twice',
    'runs that failed',
  ];
  const rows = sums.map((sum) => [
    sum.fault,
    ...[sum.runs, sum.operations].map((count) => count.toLocaleString('en')),
    Object.entries(sum.counts)
      // How long something took, in all, says little.
      .filter(([what]) => !what.startsWith('ms '))
      .map(([what, count]) => `${count.toLocaleString('en')} ${what}`)
      .join(', ') || 'nothing',
    ...[sum.inDoubt, sum.lost, sum.twice, sum.failed].map((count) => count.toLocaleString('en')),
  ]);
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
