// What came of a run: a table for people, and JSON with machine, versions and commit in bench/results/.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Figure, Outcome } from './scenarios/scenario.ts';

export type Done = { scenario: string; tookS: number } & (Outcome | { failed: string });

/** Of a message; the rest is in the JSON. */
const failedMost = 100;
const headings = ['scenario', 'figure', 'base', 'Farebox', 'ratio', 'range', 'wanted', ''];

/** In Markdown, to be put into README.md as it stands. */
export function tableOf(done: readonly Done[]): string {
  const rows = done.flatMap((one) =>
    'failed' in one
      ? [[one.scenario, `failed: ${one.failed.slice(0, failedMost).split('\n')[0]}`, '', '', '', '', '', '']]
      : one.figures.map((figure) => [one.scenario, ...cellsOf(figure)]),
  );
  const all = [headings, headings.map(() => '---'), ...rows];
  const widths = headings.map((_, i) => Math.max(...all.map((row) => row[i]!.length)));
  return all.map((row) => `| ${row.map((cell, i) => cell.padEnd(widths[i]!)).join(' | ')} |`).join('\n');
}

function cellsOf({ figure, unit, base, subject, ratio, range, wanted, isMet }: Figure): string[] {
  return [
    figure,
    base === undefined ? '' : `${short(base)} ${unit}`,
    `${short(subject)} ${unit}`,
    ratio === undefined ? '' : ratio.toFixed(2),
    range === undefined ? '' : `${range[0].toFixed(2)}–${range[1].toFixed(2)}`,
    wanted ?? '',
    isMet === undefined ? '' : isMet ? 'met' : 'missed',
  ];
}

function short(value: number): string {
  if (Number.isNaN(value)) return '?';
  return value.toLocaleString('en', {
    maximumFractionDigits: Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0,
  });
}

export type Versions = { redis: string; postgres: string };

/** Returns the file. Called after each scenario with the same `at`, so that a run that breaks off leaves what it has. */
export function save(at: Date, versions: Versions, settings: Record<string, unknown>, done: readonly Done[]): string {
  const commit = git('rev-parse', '--short', 'HEAD');
  const machine = {
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform} ${process.arch}`,
  };
  const folder = join('bench', 'results');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${at.toISOString().slice(0, 19).replaceAll(':', '')}-${commit}.json`);
  const results = {
    at: at.toISOString(),
    commit,
    isClean: git('status', '--porcelain', '--', 'src', 'lua', 'bench/*.ts') === '',
    machine,
    versions: { node: process.version, ...versions },
    ...settings,
    scenarios: done,
  };
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
  return file;
}

function git(...args: string[]): string {
  return execFileSync('git', args, { encoding: 'utf8' }).trim();
}
