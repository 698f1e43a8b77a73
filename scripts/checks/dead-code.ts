// Dead code: knip finds files, exports and packages that nothing reaches from the entries in `knip.json`.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { outcomeOf, type Outcome } from './outcome.ts';
import { printedLines, runTool } from './run-program.ts';

const ENTRY = 'src/main.ts';

export async function deadCode(root: string): Promise<Outcome> {
  // Without it, all would seem dead.
  if (!existsSync(join(root, ENTRY))) return { status: 'absent', what: ENTRY };
  const ran = await runTool('knip', ['--no-progress', '--no-config-hints', '--reporter', 'compact'], { root });
  return outcomeOf(ran.exitCode === 0 ? [] : printedLines(ran));
}
