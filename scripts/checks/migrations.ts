// Migrations are in step with the schema: drizzle-kit, working on a copy, has nothing to add.
//
// drizzle-kit ends with 0 whatever happens, so only its own words count as a yes.
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { outcomeOf, type Outcome } from './outcome.ts';
import { printedLines, runTool, type Ran } from './run-program.ts';

const CONFIG = 'drizzle.config.ts';
const FOLDER = 'drizzle';

export async function migrations(root: string): Promise<Outcome> {
  if (!existsSync(join(root, CONFIG))) return { status: 'absent', what: CONFIG };
  const copy = mkdtempSync(join(tmpdir(), 'farebox-check-'));
  try {
    const out = join(copy, FOLDER);
    if (existsSync(join(root, FOLDER))) cpSync(join(root, FOLDER), out, { recursive: true });
    const before = existsSync(out) ? readdirSync(out) : [];
    const config = join(copy, CONFIG);
    writeFileSync(config, copyConfig(root, out));
    const ran = await runTool('drizzle-kit', ['generate', '--config', config], { root });
    const added = existsSync(out)
      ? readdirSync(out).filter((name) => name.endsWith('.sql') && !before.includes(name))
      : [];
    return outcomeOf(
      migrationFindings(
        ran,
        added.map((name) => readFileSync(join(out, name), 'utf8')),
      ),
    );
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

/** The project's own, but for where it writes: relative to the root, since drizzle-kit puts `./` before it. */
function copyConfig(root: string, out: string): string {
  const from = JSON.stringify(resolve(root, CONFIG));
  return `import config from ${from};\nexport default { ...config, out: ${JSON.stringify(relative(resolve(root), out))} };\n`;
}

function migrationFindings(ran: Ran, addedSql: readonly string[]): string[] {
  const advice = 'the schema says what no migration does: `npx drizzle-kit generate`, and read what it wrote';
  if (addedSql.length > 0) return [advice, ...addedSql.flatMap((sql) => sql.trim().split('\n'))];
  if (ran.stdout.includes('No schema changes')) return [];
  // Whether a column was renamed or replaced, it asks people.
  if (ran.stderr.includes('TTY')) return [advice];
  return printedLines({ ...ran, stdout: ran.stderr });
}
