// What the campaign is told on the command line.
import { parseArgs } from 'node:util';
import { advice } from '../stores/advice.ts';

export type Part = { readonly no: number; readonly of: number };

export type FaultsOptions = {
  readonly seed: number;
  readonly runs: number;
  /** How long each run is: what a scenario does, so many times. */
  readonly rounds: number;
  /** Of what a scenario tries step by step, each N-th, from the K-th. */
  readonly part: Part;
  /** By name; empty: all, or the short selection. */
  readonly only: readonly string[];
  readonly short: boolean;
  readonly list: boolean;
  /** Leave the logs of what failed. */
  readonly keep: boolean;
  readonly planted: boolean;
  /** Write bench/results/faults-….json and the table in docs/reliability.md. */
  readonly save: boolean;
};

export const usage = `npm run faults -- [options]

  --seed N       choose the faults again as that run did; default: a new one, printed
  --runs N       each scenario N times, with seeds that count up; default 1
  --rounds N     each run N times as long; default 1
  --part K/N     of the steps that a scenario tries one by one, the K-th of N parts; default all of them, 1/1
  --only NAMES   these scenarios alone, separated by commas
  --short        the selection that continuous integration runs
  --planted      switch on deliberate bugs, one at a time, and name the check that catches each
  --save         write bench/results/faults-….json, and the table in docs/reliability.md; adds to what was saved of this commit
  --keep         leave the files of runs that failed, logs above all
  --list         name the scenarios; with --planted, the deliberate bugs, and which of them no longer apply`;

const flags = {
  seed: { type: 'string' },
  runs: { type: 'string', default: '1' },
  rounds: { type: 'string', default: '1' },
  part: { type: 'string', default: '1/1' },
  only: { type: 'string', default: '' },
  short: { type: 'boolean', default: false },
  planted: { type: 'boolean', default: false },
  save: { type: 'boolean', default: false },
  keep: { type: 'boolean', default: false },
  list: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

const seedMax = 2 ** 31 - 1;

/** Undefined: asked for help. */
export function readOptions(args: readonly string[]): FaultsOptions | undefined {
  const { values } = parse(args);
  if (values.help) return undefined;
  const { short, planted, save, list, keep } = values;
  return {
    seed: values.seed === undefined ? Math.floor(Math.random() * 1_000_000) : whole('seed', values.seed, 0, seedMax),
    runs: whole('runs', values.runs, 1, 100_000),
    rounds: whole('rounds', values.rounds, 1, 10_000),
    part: partOf(values.part),
    only: values.only.split(',').filter((name) => name !== ''),
    ...{ short, planted, save, list, keep },
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: flags, strict: true });
  } catch (error) {
    throw advice(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
  }
}

function partOf(text: string): Part {
  const [no = 0, of = 0] = text.split('/').map(Number);
  if (Number.isInteger(no) && Number.isInteger(of) && no >= 1 && no <= of) return { no, of };
  throw advice('--part is K/N, such as 2/5');
}

function whole(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw advice(`--${name} is a whole number from ${least} to ${most}`);
}
