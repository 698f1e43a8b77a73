// Lint: the rules of `.oxlintrc.json`, with types. Above all, no promise floats.
import { outcomeOf, type Outcome } from './outcome.ts';
import { printedLines, runTool } from './run-program.ts';

export async function lint(root: string): Promise<Outcome> {
  const ran = await runTool('oxlint', ['--format', 'unix', '.'], { root });
  return outcomeOf(ran.exitCode === 0 ? [] : printedLines(ran));
}
