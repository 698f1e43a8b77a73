// What a campaign found, for keeps: figures as JSON beside the benchmarks', and the table in docs/reliability.md.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sumsOf, type Sum } from './report.ts';
import type { TrialReport } from './run-trial.ts';
import type { Scenario } from './scenario.ts';

const folder = join('bench', 'results');
const page = join('docs', 'reliability.md');
const marks = ['<!-- written by npm run faults -- --save -->', '<!-- end -->'] as const;

type Saved = { at: string; commit: string; runs: TrialReport[] };

/**
 * Says how to save, again and again, what came of the runs so far: a long campaign leaves its figures wherever it is broken
 * off. Runs of the same commit that were saved before count with them. `save` returns the files that were written.
 */
export function openSaving(scenarios: readonly Scenario[]): { save: (reports: readonly TrialReport[]) => string[] } {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  mkdirSync(folder, { recursive: true });
  const known = readdirSync(folder).find((name) => name.startsWith('faults-') && name.endsWith(`-${commit}.json`));
  const name = known ?? `faults-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}-${commit}.json`;
  const file = join(folder, name);
  const before = known ? (JSON.parse(readFileSync(file, 'utf8')) as Saved).runs : [];
  return {
    save: (reports) => {
      const runs = [...before, ...reports];
      const sums = sumsOf(runs, scenarios);
      const at = new Date().toISOString();
      writeFileSync(file, `${JSON.stringify({ at, commit, scenarios: sums, runs }, null, 2)}\n`);
      writeTable(`${tableOf(sums)}\n\n${totalOf(sums)}\n\nCommit ${commit}, ${at.slice(0, 10)}.`);
      return [file, page];
    },
  };
}

function writeTable(table: string): void {
  const [begin, end] = marks;
  const text = readFileSync(page, 'utf8');
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${page} has no place for the table: ${marks.join(' … ')}`);
  writeFileSync(page, `${text.slice(0, from)}${begin}\n\n${table}\n\n${text.slice(to)}`);
}

function totalOf(sums: readonly Sum[]): string {
  const total = (of: (sum: Sum) => number) => sums.reduce((all, sum) => all + of(sum), 0).toLocaleString('en');
  return `In all ${total(({ runs }) => runs)} runs and ${total(({ operations }) => operations)} operations; failed: ${total(({ failed }) => failed)}.`;
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
