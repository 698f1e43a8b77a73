// `npm run check`: every rule of this repository that a program can check. `-- --fix` mends what takes no judgement.
import { deadCode } from './checks/dead-code.ts';
import { errorTable } from './checks/error-table.ts';
import { format, formatFiles } from './checks/format.ts';
import { generate, generated } from './checks/generated.ts';
import { imports } from './checks/imports.ts';
import { links } from './checks/links.ts';
import { lint } from './checks/lint.ts';
import { formatLuaFiles, luaFormat } from './checks/lua-format.ts';
import { luaLint } from './checks/lua-lint.ts';
import { luaShape } from './checks/lua-shape.ts';
import { migrations } from './checks/migrations.ts';
import type { Check } from './checks/outcome.ts';
import { runChecks } from './checks/run-checks.ts';
import { types } from './checks/types.ts';

const checks: readonly Check[] = [
  { name: 'types', run: types },
  { name: 'format', run: format, fix: formatFiles },
  { name: 'lint', run: lint },
  { name: 'dead code', run: deadCode },
  { name: 'imports', run: imports },
  { name: 'Lua format', run: luaFormat, fix: formatLuaFiles },
  { name: 'Lua lint', run: luaLint },
  { name: 'Lua shape', run: luaShape },
  // Behind Lua's format: what is generated holds Lua, line by line.
  { name: 'generated', run: generated, fix: generate },
  { name: 'migrations', run: migrations },
  { name: 'error table', run: errorTable },
  { name: 'links', run: links },
];

// While the tree grows. Once it is whole, a check that finds nothing to look at has lost its way.
const absentAllowed = true;

const passed = await runChecks(checks, {
  root: process.cwd(),
  fix: process.argv.includes('--fix'),
  absentAllowed,
  print: (line) => console.log(line),
});
process.exitCode = passed ? 0 : 1;
