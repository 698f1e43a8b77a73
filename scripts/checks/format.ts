// Format of TypeScript: as `.oxfmtrc.json` has it, so that nobody discusses it.
import { outcomeOf, type Outcome } from './outcome.ts';
import { printedLines, runTool } from './run-program.ts';

// What is generated, built or installed is left out by the configuration.
const FILES = ['**/*.{ts,tsx,mjs}'];

export async function format(root: string): Promise<Outcome> {
  const ran = await runTool('oxfmt', ['--list-different', ...FILES], { root });
  if (ran.exitCode === 0) return { status: 'ok' };
  const isList = ran.stdout.trim() !== '';
  const advice = ': not formatted; `npm run check -- --fix` does it';
  return outcomeOf(printedLines(ran).map((line) => (isList ? line + advice : line)));
}

export async function formatFiles(root: string): Promise<void> {
  const ran = await runTool('oxfmt', FILES, { root });
  if (ran.exitCode !== 0) throw new Error(printedLines(ran).join('\n'));
}
