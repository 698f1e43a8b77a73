// Types: the compiler has no complaint about sources, scripts, benchmarks and tests.
import { outcomeOf, type Outcome } from './outcome.ts';
import { printedLines, runTool } from './run-program.ts';

export async function types(root: string): Promise<Outcome> {
  const ran = await runTool('tsc', ['--noEmit', '--pretty', 'false', '-p', 'tsconfig.json'], { root });
  return outcomeOf(ran.exitCode === 0 ? [] : printedLines(ran));
}
