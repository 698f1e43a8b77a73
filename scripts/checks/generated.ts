// Generated files are current: generating them again would change nothing.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { outcomeOf, type Outcome } from './outcome.ts';
import { printedLines, runTool } from './run-program.ts';

const GENERATOR = 'scripts/generate.ts';

export async function generated(root: string): Promise<Outcome> {
  if (!existsSync(join(root, GENERATOR))) return { status: 'absent', what: GENERATOR };
  const ran = await runTool('tsx', [GENERATOR, '--check'], { root });
  return outcomeOf(ran.exitCode === 0 ? [] : printedLines(ran));
}

export async function generate(root: string): Promise<void> {
  if (!existsSync(join(root, GENERATOR))) return;
  const ran = await runTool('tsx', [GENERATOR], { root });
  if (ran.exitCode !== 0) throw new Error(printedLines(ran).join('\n'));
}
