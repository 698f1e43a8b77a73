// Run checks side by side and print a line for each, in their order, then what the failed ones found.
import { availableParallelism } from 'node:os';
import type { Check, Outcome } from './outcome.ts';

export type RunOptions = {
  readonly root: string;
  readonly fix: boolean;
  /** Whether a check may pass because what it looks at is not there yet. */
  readonly absentAllowed: boolean;
  readonly print: (line: string) => void;
};

type Run = { readonly check: Check; readonly outcome: Outcome; readonly tookMs: number };

const FINDINGS_MAX = 40;

/** True when all passed. */
export async function runChecks(checks: readonly Check[], options: RunOptions): Promise<boolean> {
  const { root, print } = options;
  if (options.fix) for (const check of checks) await check.fix?.(root);
  const passes = ({ status }: Outcome) => status === 'ok' || (status === 'absent' && options.absentAllowed);
  const runs = await runAll(checks, root, (run) => print(resultLine(run, passes(run.outcome))));
  const failed = runs.filter((run) => !passes(run.outcome));
  for (const { check, outcome } of failed) {
    print('');
    print(`${check.name}:`);
    for (const line of findingLines(outcome)) print(`  ${line}`);
  }
  return failed.length === 0;
}

/** As many at once as there are cores. `report` hears of each in their order, as soon as those before are done. */
async function runAll(checks: readonly Check[], root: string, report: (run: Run) => void): Promise<Run[]> {
  const done = new Map<number, Run>();
  const runs: Run[] = [];
  const left = checks.entries();
  const lane = async () => {
    for (const [place, check] of left) {
      done.set(place, await runOne(check, root));
      for (let run = done.get(runs.length); run !== undefined; run = done.get(runs.length)) {
        runs.push(run);
        report(run);
      }
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, lane));
  return runs;
}

async function runOne(check: Check, root: string): Promise<Run> {
  const beganAtMs = performance.now();
  let outcome: Outcome;
  try {
    outcome = await check.run(root);
  } catch (error) {
    // A check that can't tell has not passed.
    outcome = { status: 'failed', findings: [error instanceof Error ? error.message : String(error)] };
  }
  return { check, outcome, tookMs: performance.now() - beganAtMs };
}

function resultLine({ check, outcome, tookMs }: Run, passed: boolean): string {
  const seconds = `${(tookMs / 1000).toFixed(1)} s`.padStart(7);
  const note = outcome.status === 'absent' ? `   nothing to look at yet: ${outcome.what}` : '';
  return `${passed ? 'ok    ' : 'failed'} ${check.name.padEnd(12)}${seconds}${note}`;
}

function findingLines(outcome: Outcome): readonly string[] {
  switch (outcome.status) {
    case 'ok':
      return [];
    case 'absent':
      return [`there is no ${outcome.what}`];
    case 'failed': {
      const more = outcome.findings.length - FINDINGS_MAX;
      return [...outcome.findings.slice(0, FINDINGS_MAX), ...(more > 0 ? [`and ${more} more`] : [])];
    }
  }
}
