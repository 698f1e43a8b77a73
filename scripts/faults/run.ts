// `npm run faults`: which trials to run, progress while they do, and the sum of it.
//
// Exit status: 0 all held, 1 something did not, 2 the campaign could not run.
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stopLeftPostgres } from '../stores/postgres.ts';
import { stopLeftRedis } from '../stores/redis.ts';
import { readOptions, usage, type FaultsOptions } from './options.ts';
import { openPostgres, type Postgres } from './postgres.ts';
import { listPlanted, runPlanted } from './planted/run-planted.ts';
import { reportText, trialLine, violationLines } from './report.ts';
import { openSaving } from './save.ts';
import { tryTrial, type TrialReport } from './run-trial.ts';
import { scenarios } from './scenarios/all.ts';

const say = (line: string) => console.log(line);

export async function runFaults(args: readonly string[]): Promise<void> {
  try {
    const options = readOptions(args);
    if (options === undefined) return say(usage);
    if (options.list && options.planted) {
      process.exitCode = listPlanted() ? 0 : 1;
      return;
    }
    if (options.list)
      return say(scenarios.map(({ name, fault, mustHold }) => `${name.padEnd(24)}${fault}: ${mustHold}`).join('\n'));
    const work = options.planted ? runPlanted : campaign;
    process.exitCode = (await inFolder((folder, postgres) => work(options, folder, postgres))) ? 0 : 1;
  } catch (error) {
    console.error(error instanceof Error && error.name === 'Advice' ? `faults: ${error.message}` : error);
    process.exitCode = 2;
  }
  // A socket to a store that was killed must not keep us.
  process.exit();
}

async function inFolder<T>(work: (folder: string, postgres: Postgres) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'farebox-faults-'));
  // Gateways and workers leave when we do; stores would stay.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => void tidy(folder).finally(() => process.exit(2)));
  }
  try {
    return await work(folder, await openPostgres(join(folder, 'postgres'), say));
  } finally {
    await tidy(folder);
  }
}

/** Where trials have Redis's files, in a folder of their own each. */
const storesOf = ['redis', 'replica', 'torn', 'torn-too'];

/** Stops the stores that lie in the folder, and removes it. */
async function tidy(folder: string): Promise<void> {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  for (const name of names) for (const store of storesOf) await stopLeftRedis(join(folder, name, store));
  await stopLeftPostgres(join(folder, 'postgres'));
  rmSync(folder, { recursive: true, force: true });
}

async function campaign(options: FaultsOptions, folder: string, postgres: Postgres): Promise<boolean> {
  const chosen = scenarios.filter(({ name, isShort }) =>
    options.only.length > 0 ? options.only.includes(name) : !options.short || isShort === true,
  );
  say(
    `seed ${options.seed}: ${chosen.map(({ name }) => name).join(', ')}; ${options.runs} run${options.runs > 1 ? 's' : ''} each`,
  );
  const saving = options.save ? openSaving(scenarios) : undefined;
  const reports: TrialReport[] = [];
  const { rounds, part, short: isBrief, keep } = options;
  for (let run = 0; run < options.runs; run += 1) {
    for (const scenario of chosen) {
      const seed = options.seed + run;
      const report = await tryTrial({ scenario, seed, rounds, part, isBrief, keep, postgres, folder, say });
      reports.push(report);
      say(trialLine(report));
      for (const line of violationLines(report)) say(line);
      saving?.save(reports);
    }
  }
  say(`\n${reportText(reports, chosen)}`);
  if (saving) say(`written: ${saving.save(reports).join(', ')}`);
  return reports.every(({ violations }) => violations.length === 0);
}
