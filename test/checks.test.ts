// The repository's checks fail on what they are for: each on a planted violation, and none on what is right.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { deadCode } from '../scripts/checks/dead-code.ts';
import { errorTable, errorTableFindings } from '../scripts/checks/error-table.ts';
import { format, formatFiles } from '../scripts/checks/format.ts';
import { generate, generated } from '../scripts/checks/generated.ts';
import { readImportTable } from '../scripts/checks/import-table.ts';
import { importFindings } from '../scripts/checks/imports.ts';
import { linkFindings } from '../scripts/checks/links.ts';
import { lint } from '../scripts/checks/lint.ts';
import { luaFormatFindings } from '../scripts/checks/lua-format.ts';
import { luaLint } from '../scripts/checks/lua-lint.ts';
import { luaShapeFindings } from '../scripts/checks/lua-shape.ts';
import { migrations } from '../scripts/checks/migrations.ts';
import type { Check, Outcome } from '../scripts/checks/outcome.ts';
import { readImports } from '../scripts/checks/read-imports.ts';
import { runChecks } from '../scripts/checks/run-checks.ts';
import { types } from '../scripts/checks/types.ts';

const project = resolve(import.meta.dirname, '..');
const CONFIGS = ['tsconfig.json', 'knip.json', 'stylua.toml', '.oxfmtrc.json', '.oxlintrc.json', '.luacheckrc'];
const roots: string[] = [];

afterAll(() => {
  for (const root of roots) rmSync(root, { recursive: true, force: true });
});

/** A small project with this one's configs and tools, and these files. */
function plant(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'farebox-planted-'));
  roots.push(root);
  mkdirSync(join(project, '.cache'), { recursive: true });
  for (const name of ['node_modules', '.cache']) symlinkSync(join(project, name), join(root, name));
  for (const name of CONFIGS) cpSync(join(project, name), join(root, name));
  for (const [path, text] of Object.entries({ 'package.json': '{ "type": "module" }\n', ...files })) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

function findingsOf(outcome: Outcome): string {
  return outcome.status === 'failed' ? outcome.findings.join('\n') : outcome.status;
}

describe('types', () => {
  test('a wrong type fails, also in a test', async () => {
    const root = plant({
      'src/right.ts': 'export const a: number = 1;\n',
      'test/wrong.ts': "const b: number = 'b';\n",
    });
    const findings = findingsOf(await types(root));
    expect(findings).toContain('test/wrong.ts(1,7)');
    expect(findings).not.toContain('right.ts');
  });
});

describe('format', () => {
  test('what is not formatted fails until it is fixed', async () => {
    const root = plant({ 'src/a.ts': 'export  const a = "a"\n', 'src/b.ts': "export const b = 'b';\n" });
    expect(findingsOf(await format(root))).toMatch(/^src\/a\.ts: not formatted[^\n]*$/);
    await formatFiles(root);
    expect(await format(root)).toEqual({ status: 'ok' });
    expect(readFileSync(join(root, 'src/a.ts'), 'utf8')).toBe("export const a = 'a';\n");
  });

  test('a generated file keeps the form its generator gave it', async () => {
    expect(await format(plant({ 'src/a.gen.ts': 'export const a = "a"\n', 'src/b.ts': '' }))).toEqual({ status: 'ok' });
  });
});

describe('lint', () => {
  const later = 'export async function later(): Promise<number> {\n  return Promise.resolve(1);\n}\n';
  const withLater = "import { later } from './later.ts';\n";
  const broken: readonly [claim: string, rule: string, source: string][] = [
    ['a promise that floats', 'no-floating-promises', `${withLater}later();\n`],
    ['a promise as a condition', 'no-misused-promises', `${withLater}if (later()) void 0;\n`],
    ['an async listener', 'no-misused-promises', "process.on('exit', async () => await null);\n"],
    ['await of what is no promise', 'await-thenable', 'export const one = await 1;\n'],
    [
      'a switch that forgets a case',
      'switch-exhaustiveness-check',
      "export function f(x: 'yes' | 'no'): void {\n  switch (x) {\n    case 'yes':\n      return;\n  }\n}\n",
    ],
    [
      'a `default` that would hide a forgotten case',
      'switch-exhaustiveness-check',
      "export function f(x: 'yes'): void {\n  switch (x) {\n    case 'yes':\n      return;\n    default:\n  }\n}\n",
    ],
    ['a needless assertion', 'no-unnecessary-type-assertion', 'export const f = (x: number): number => x as number;\n'],
    ['any', 'no-explicit-any', 'export const f = (x: any): void => void x;\n'],
    ['a default export', 'no-default-export', 'export default 1;\n'],
    ['the console', 'no-console', "console.log('a');\n"],
  ];
  let found: readonly string[] = [];

  beforeAll(async () => {
    const files = broken.map(([, , source], at) => [`src/broken-${at}.ts`, source] as const);
    const right = `${withLater}export class Refusal extends Error {}\nawait later();\nvoid later();\n`;
    const kept = { 'src/later.ts': later, 'src/right.ts': right, 'scripts/print.ts': "console.log('a');\n" };
    found = findingsOf(await lint(plant({ ...Object.fromEntries(files), ...kept }))).split('\n');
  });

  test.each(broken.map((row, at) => [...row, at] as const))('%s fails in src', (_, rule, __, at) => {
    expect(found.filter((finding) => finding.startsWith(`src/broken-${at}.ts:`)).join()).toContain(rule);
  });

  test('what is awaited or void passes; a script may print; an error may be a class', () => {
    expect(found.filter((finding) => /later|right|print/.test(finding))).toEqual([]);
  });
});

describe('dead code', () => {
  const main = "import { used } from './used.ts';\nimport { one } from './made.gen.ts';\nused(one);\n";
  const made = 'export const one = 1;\nexport const two = 2;\n';
  const used = 'export function used(value: number): void {\n  void value;\n}\n';

  test('a file and an export that nothing uses fail, but for generated exports', async () => {
    const root = plant({
      'src/main.ts': main,
      'src/made.gen.ts': made,
      'src/used.ts': `${used}export const unused = 1;\n`,
      'src/dead.ts': 'export const dead = 1;\n',
    });
    const findings = findingsOf(await deadCode(root));
    expect(findings).toContain('src/dead.ts');
    expect(findings).toContain('src/used.ts: unused');
    expect(findings).not.toContain('made.gen.ts');
  });

  test('a package that nothing uses fails', async () => {
    const files = {
      'src/main.ts': 'void 0;\n',
      'package.json': '{ "type": "module", "dependencies": { "zod": "1" } }\n',
    };
    expect(findingsOf(await deadCode(plant(files)))).toContain('zod');
  });

  test('what the entries reach passes', async () => {
    const root = plant({ 'src/main.ts': main, 'src/made.gen.ts': made, 'src/used.ts': used });
    expect(await deadCode(root)).toEqual({ status: 'ok' });
  });
});

describe('imports', () => {
  const table = readImportTable(`# A\n\n## Imports\n\nWords.\n
| folder | may import | packages | never reaches |
|---|---|---|---|
| leaf \`units\` \`errors\` | leaves | | |
| \`wallet\` | leaves | \`ioredis\` \`node:*\` | \`db\` |
| \`outbox\` | leaves, \`wallet\`, \`db\`, \`api\` | \`bullmq\` | |
| \`api\` | leaves, \`wallet\`, \`outbox\` | \`hono\` | \`postgres\` |
| \`db\` | leaves | \`postgres\` \`node:fs\` | |
| \`main\` | any | any | |
| \`test\` | any | any | |

## Next\n\n| \`pricing\` | any | any | |\n`);
  const check = (files: Readonly<Record<string, string>>) =>
    importFindings(
      table,
      Object.entries(files).map(([path, source]) => ({ path, source })),
    );

  test.each<[claim: string, files: Record<string, string>, finding: string]>([
    [
      'a folder that the row does not name',
      { 'src/api/a.ts': "import { b } from '../db/b.ts';" },
      'src/api/a.ts:1: `api` may not import `db`; it may import `units`',
    ],
    ['a type from such a folder', { 'src/api/a.ts': "\nimport type { B } from '../db/b.ts';" }, 'src/api/a.ts:2'],
    ['a re-export from it', { 'src/api/a.ts': "export * from '../db/b.ts';" }, 'may not import `db`'],
    ['a dynamic import of it', { 'src/api/a.ts': "const b = await import('../db/b.ts');" }, 'may not import `db`'],
    [
      'a dynamic import of who knows what',
      { 'src/api/a.ts': 'await import(name);' },
      'src/api/a.ts:1: what is imported is computed',
    ],
    [
      'a package that the row does not name',
      { 'src/api/a.ts': "import { Redis } from 'ioredis';" },
      '`ioredis` is not among the packages of `api`',
    ],
    [
      'a part of such a package',
      { 'src/api/a.ts': "import { x } from '@scope/name/part';" },
      '`@scope/name` is not among',
    ],
    [
      'a module of Node, where none is allowed',
      { 'src/api/a.ts': "import { createHash } from 'node:crypto';" },
      '`node:crypto` is not among',
    ],
    ['one without its prefix', { 'src/api/a.ts': "import { readFile } from 'fs/promises';" }, '`node:fs` is not among'],
    ['another one than allowed', { 'src/db/a.ts': "import 'node:net';" }, '`node:net` is not among'],
    ['a folder without a row', { 'src/billing/a.ts': '' }, 'ARCHITECTURE.md: add a row for `billing`'],
    ['a leaf without a row', { 'src/clock.ts': '' }, 'add a row for `clock`'],
    ['main, from elsewhere', { 'src/wallet/a.ts': "import '../main.ts';" }, '`wallet` may not import `main`'],
    [
      'a file outside of the folders',
      { 'src/api/a.ts': "import p from '../../package.json' with { type: 'json' };" },
      '`api` may not import package.json',
    ],
    [
      'a circle of folders',
      { 'src/api/a.ts': "import '../outbox/b.ts';", 'src/outbox/b.ts': "import '../api/a.ts';" },
      'src/api/a.ts:1: the imports go in a circle: api → outbox → api',
    ],
    [
      'a circle of leaves',
      { 'src/units.ts': "import './errors.ts';", 'src/errors.ts': "import type {} from './units.ts';" },
      'errors → units → errors',
    ],
    [
      'a package that is reached in three steps',
      {
        'src/api/a.ts': "import '../outbox/b.ts';",
        'src/outbox/b.ts': "import '../db/c.ts';",
        'src/db/c.ts': "import 'postgres';",
      },
      '`api` never reaches `postgres`, but it does: src/api/a.ts:1 imports `outbox`, src/outbox/b.ts:1 imports `db`',
    ],
  ])('%s fails', (_, files, finding) => {
    expect(check(files).join('\n')).toContain(finding);
  });

  test('what the table allows passes', () => {
    const findings = check({
      'src/api/a.ts':
        "import { Hono } from 'hono';\nimport { u } from '../units.ts';\nimport './b.ts';\nimport '../wallet/w.ts';",
      'src/wallet/w.ts':
        "import { createHash } from 'node:crypto';\nimport type { R } from 'ioredis';\nimport '../errors.ts';",
      'src/errors.ts': "import '../src/units.ts';",
      'src/units.gen.ts': '',
      'src/db/c.ts': "import { readFile } from 'node:fs/promises';\nimport { sql } from 'postgres/x';",
      'src/main.ts': "import './api/a.ts';\nimport './db/c.ts';\nimport pino from 'pino';\nawait import(name);",
      'test/t.ts': "import '../src/db/c.ts';\nimport '../package.json';",
    });
    expect(findings).toEqual([]);
  });

  test.each([
    ['no table', '# A\n', 'no table with the columns folder'],
    ['a table elsewhere', tableOf('').replace('\n\n', '\n\n## Next\n\n'), 'no table with the columns folder'],
    ['a name without a row', tableOf('| `api` | `walet` | | |'), '`api` may import `walet`, which has no row'],
    ['two rows for one folder', tableOf('| `api` | | | |\n| `api` | any | | |'), '`api` has two rows'],
    ['a row with too few cells', tableOf('| `api` | any |'), 'a row has not 4 cells'],
  ])('%s fails', (_, markdown, finding) => {
    expect(importFindings(readImportTable(markdown), []).join('\n')).toContain(finding);
  });

  function tableOf(rows: string): string {
    return `## Imports\n\n| folder | may import | packages | never reaches |\n|---|---|---|---|\n${rows}\n`;
  }

  test('every kind of import is found, with its line, and nothing that only looks like one', () => {
    const source = String.raw`#!/usr/bin/env node
// import a from 'comment';
/* export * from 'comment';
*/ import 'effect';
import one, { type Two, three as four } from "double";
import * as all from 'namespace';
import type { Five } from 'type';
export { six as default } from 'reexport';
export type * from 'types';
const text = 'import a from "text"' + "import('text')" + \`
import 'template' \${await import('inside')} import('template')
\`;
const ratio = text.length / 2; await import('divided'); const half = ratio / 2;
const found = /import "regex'\`/.test(text) && /[/'"]/.exec('x');
if (ratio) /'/.test(text) || import('conditional');
type Seven = import('typeof').Seven; const eight = require('common'), nine = import(text);
const meta = import.meta.url, loader = { import: 1 }; loader.import; exports.require('method');
export const from = 'no'; export { text };
import last from \`last\`
`.replaceAll(/\\([`$])/g, '$1');
    expect(readImports(source).map(({ line, specifier }) => `${line} ${specifier}`)).toEqual([
      ...['4 effect', '5 double', '6 namespace', '7 type', '8 reexport', '9 types', '11 inside'],
      ...['13 divided', '15 conditional', '16 typeof', '16 common', '16 null', '19 last'],
    ]);
  });
});

describe('Lua', () => {
  const toml = readFileSync(join(project, 'stylua.toml'), 'utf8');

  test('what is not formatted fails, and so does what is no Lua', () => {
    const good = "#!lua\nlocal a = 'a'\nreturn a\n";
    expect(luaFormatFindings('lua/a.lua', good, toml)).toEqual([]);
    expect(luaFormatFindings('lua/a.lua', good.replaceAll("'", '"'), toml)[0]).toMatch(/^lua\/a\.lua:2: not formatted/);
    expect(luaFormatFindings('lua/a.lua', 'local = 1', toml)[0]).toContain('lua/a.lua: ');
  });

  test('an undefined name, an unused one, and a global that Redis does not have fail', async ({ skip }) => {
    const good = "#!lua\nlocal found = redis.call('GET', KEYS[1])\nreturn { found, ARGV[1], struct.pack('B', 1) }\n";
    const bad = "local unused = 1\nlocal file = io.open('x')\nreturn fiel\n";
    const findings = findingsOf(await luaLint(plant({ 'lua/good.lua': good, 'lua/bad.lua': bad })));
    if (findings.startsWith('install luacheck')) return skip(findings);
    expect(findings).toContain("lua/bad.lua:1:7: (W211) unused variable 'unused'");
    expect(findings).toContain("undefined variable 'io'");
    expect(findings).toContain("undefined variable 'fiel'");
    expect(findings).not.toContain('good.lua');
  });

  const commit =
    "local function commit(a)\n  if a[1] then\n    redis.call('SET', a.key, unpack(a))\n  end\nend\nreturn commit\n";
  const shape = (script: string, library: Readonly<Record<string, string>> = {}) =>
    luaShapeFindings([
      { path: 'lua/a.lua', source: script },
      ...Object.entries({ commit, ...library }).map(([name, source]) => ({ path: `lua/lib/${name}.lua`, source })),
    ]);
  const wrap = (before: string, after: string) =>
    `#!lua\nlocal commit = require('commit')\nlocal key = KEYS[1]\n${before}\n-- COMMIT\n${after}`;

  test.each([
    [
      'a script that writes what is ready',
      wrap("local n = redis.call('GET', key) + 1", "redis.call('SET', key, n, 'PX', -1)\nreturn { 'set', n, KEYS[1] }"),
    ],
    [
      'a script that leaves the writes to commit',
      wrap('local w = {}', 'commit(w, key, w.fields.first)\nreturn w.reply'),
    ],
    ['a script that only reads', "#!lua flags=no-writes\nreturn { redis.call('hget', KEYS[1], 'f') }"],
    ['a script with flags', "#!lua flags=allow-oom,no-cluster\n-- COMMIT\nredis.call('DEL', KEYS[1])"],
    ['an error reply', "#!lua\nreturn redis.error_reply('no ' .. ARGV[1])"],
    ['a field of that name', '#!lua\nlocal known = { redis = 1, require = 2 }\nreturn known.redis'],
  ])('%s passes', (_, script) => {
    expect(shape(script)).toEqual([]);
  });

  test.each([
    ['another first line', 'return 1', '1: the first line is `#!lua`'],
    ['a script that does not parse', '#!lua\nlocal = 1', 'lua/a.lua: [2:'],
    [
      'a write without a COMMIT line',
      "#!lua\nredis.call('SET', KEYS[1], 1)",
      '2: a write in a script that has no `-- COMMIT`',
    ],
    [
      'commit without a COMMIT line',
      "#!lua\nlocal commit = require('commit')\ncommit({})",
      '3: a write in a script that has no',
    ],
    [
      'a COMMIT line that is misspelt',
      "#!lua\n-- COMMIT now\nredis.call('SET', KEYS[1], 1)",
      '3: a write in a script that has no',
    ],
    [
      'a COMMIT line in a text',
      "#!lua\nlocal a = [[\n-- COMMIT\n]]\nredis.call('SET', KEYS[1], a)",
      'has no `-- COMMIT`',
    ],
    ['two COMMIT lines', wrap('', '-- COMMIT\ncommit(key)'), '6: a second'],
    [
      'a COMMIT line inside a block',
      "#!lua\nif KEYS[1] then\n  -- COMMIT\n  redis.call('DEL', KEYS[1])\nend",
      '3: `-- COMMIT` stands at the top level',
    ],
    ['a COMMIT line with no write behind it', wrap('', 'return key'), '5: nothing is written after COMMIT'],
    ['a write before COMMIT', wrap("redis.call('INCR', key)", 'commit(key)'), '4: a write before COMMIT'],
    [
      'a write in a function that is called before COMMIT',
      wrap("local function f()\n  redis.call('INCR', key)\nend\nf()", 'commit(key)'),
      '5: a write before',
    ],
    [
      'commit before COMMIT, under another name',
      wrap('local c = commit\nc(key)', 'commit(key)'),
      '4: a write before COMMIT',
    ],
    ['a command that is computed', wrap('redis.call(ARGV[1], key)', 'commit(key)'), '4: a write before COMMIT'],
    [
      'a command that nobody has called a read',
      wrap("redis.call('GETDEL', key)", 'commit(key)'),
      '4: a write before COMMIT',
    ],
    [
      'a write in a script that promises none',
      "#!lua flags=no-writes\n-- COMMIT\nredis.call('DEL', KEYS[1])",
      '3: a write in a script without',
    ],
    [
      'arithmetic after COMMIT',
      wrap('local n = 1', "redis.call('SET', key, n + 1)"),
      '6: after COMMIT all values are ready',
    ],
    ['concatenation after COMMIT', wrap('', "commit(key, 'a' .. key)"), '6: after COMMIT all values are ready'],
    [
      'a call among the values',
      wrap('local w = {}', "redis.call('SET', key, unpack(w))"),
      '6: after COMMIT all values are ready',
    ],
    ['a call in the reply', wrap('', 'commit(key)\nreturn { tostring(key) }'), '7: after COMMIT all values are ready'],
    ['a choice in the reply', wrap('', "commit(key)\nreturn { key or '' }"), '7: after COMMIT all values are ready'],
    ['a read after COMMIT', wrap('', "commit(key)\nredis.call('GET', key)"), '7: after COMMIT stand only'],
    ['a decision after COMMIT', wrap('', 'commit(key)\nif key then\n  return 1\nend'), '7: after COMMIT stand only'],
    ['another call after COMMIT', wrap('', "commit(key)\nstruct.pack('B', 1)"), '7: after COMMIT stand only'],
    [
      'redis under another name',
      "#!lua\nlocal call = redis.call\ncall('DEL', KEYS[1])",
      '2: redis is called by its own name',
    ],
    ['redis.call handed on', "#!lua\npcall(redis.call, 'DEL', KEYS[1])", '2: redis is called by its own name'],
    ['redis with an index', "#!lua\nredis['call']('DEL', KEYS[1])", '2: redis is called by its own name'],
    ['redis.pcall, which hides an error', "#!lua\nredis.pcall('GET', KEYS[1])", '2: redis is called by its own name'],
    ['a call without parentheses', "#!lua\nredis.call'FLUSHALL'", '2: a write in a script that has no'],
    ['a module that is not there', "#!lua\nlocal h = require('hodls')\nreturn h", '2: there is no lua/lib/hodls.lua'],
    ['a module whose name is computed', '#!lua\nlocal h = require(ARGV[1])\nreturn h', '2: `require` takes the name'],
  ])('%s fails', (_, script, finding) => {
    expect(shape(script).join('\n')).toContain(finding);
  });

  test.each([
    [
      'a write in the library',
      { holds: "return function(key)\n  redis.call('DEL', key)\nend" },
      'holds.lua:2: a write: of lua/lib, only',
    ],
    [
      'a library that requires commit',
      { holds: "local commit = require('commit')\nreturn commit" },
      'holds.lua:1: only scripts require',
    ],
    [
      'arithmetic in commit',
      { commit: "redis.call('SET', KEYS[1], ARGV[1] + 1)" },
      'commit.lua:1: `+` in what runs after COMMIT',
    ],
    [
      'a length in commit',
      { commit: "if #KEYS then\n  redis.call('DEL', KEYS[1])\nend" },
      'commit.lua:1: `#` in what runs',
    ],
    ['a read in commit', { commit: "redis.call('GET', KEYS[1])" }, 'commit.lua:1: a read after COMMIT'],
    [
      'another call in commit',
      { commit: "redis.call('SET', KEYS[1], tostring(1))" },
      'commit.lua:1: commit calls only',
    ],
  ])('%s fails', (_, library, finding) => {
    expect(shape('#!lua\nreturn 1', library).join('\n')).toContain(finding);
  });

  test('a library function may read', () => {
    expect(shape('#!lua\nreturn 1', { holds: "return redis.call('HGET', KEYS[1], 'f')" })).toEqual([]);
  });
});

describe('generated files', () => {
  test('what is stale fails until it is generated', async () => {
    const generator = `import { existsSync, writeFileSync } from 'node:fs';
if (!process.argv.includes('--check')) writeFileSync('a.gen.ts', '');
if (!existsSync('a.gen.ts')) {
  console.error('a.gen.ts: stale');
  process.exitCode = 1;
}
`;
    const root = plant({ 'scripts/generate.ts': generator });
    expect(findingsOf(await generated(root))).toBe('a.gen.ts: stale');
    await generate(root);
    expect(await generated(root)).toEqual({ status: 'ok' });
  });

  const schema = (columns: string) =>
    `import { pgTable, text } from 'drizzle-orm/pg-core';\nexport const a = pgTable('a', { ${columns} });\n`;
  const config = "export default { dialect: 'postgresql', schema: './src/db/schema.ts', out: './drizzle' };\n";
  const snapshot = {
    ...{ id: '0', prevId: '00000000-0000-0000-0000-000000000000', version: '7', dialect: 'postgresql' },
    ...{ enums: {}, schemas: {}, sequences: {}, roles: {}, policies: {}, views: {} },
    _meta: { columns: {}, schemas: {}, tables: {} },
    tables: {
      'public.a': {
        ...{ name: 'a', schema: '', indexes: {}, foreignKeys: {}, compositePrimaryKeys: {}, uniqueConstraints: {} },
        ...{ policies: {}, checkConstraints: {}, isRLSEnabled: false },
        columns: { id: { name: 'id', type: 'text', primaryKey: true, notNull: true } },
      },
    },
  };
  const journal = {
    version: '7',
    dialect: 'postgresql',
    entries: [{ idx: 0, version: '7', when: 1, tag: '0000_a', breakpoints: true }],
  };
  const migrated = (columns: string) => ({
    'drizzle.config.ts': config,
    'src/db/schema.ts': schema(columns),
    'drizzle/0000_a.sql': 'CREATE TABLE "a" ("id" text PRIMARY KEY NOT NULL);',
    'drizzle/meta/0000_snapshot.json': JSON.stringify(snapshot),
    'drizzle/meta/_journal.json': JSON.stringify(journal),
  });

  test.each([
    ['a column that no migration adds', "id: text('id').primaryKey(), b: text('b')", 'ADD COLUMN "b"'],
    ['a column that may have been renamed', "no: text('no').primaryKey()", 'the schema says what no migration does'],
    ['a schema that does not load', "id: text('id').primaryKey(), b: nothing()", 'nothing is not defined'],
  ])('%s fails', async (_, columns, finding) => {
    expect(findingsOf(await migrations(plant(migrated(columns))))).toContain(finding);
  });

  test('migrations in step with the schema pass, and none are written', async () => {
    const root = plant(migrated("id: text('id').primaryKey()"));
    expect(await migrations(root)).toEqual({ status: 'ok' });
    expect(readFileSync(join(root, 'drizzle/meta/_journal.json'), 'utf8')).toBe(JSON.stringify(journal));
  });
});

describe('docs', () => {
  const errors = { not_found: { status: 404 }, wallet_frozen: { status: 403 } };
  const head = '# Errors\n\n| Code | Status | What to do |\n|---|---|---|\n';

  test.each([
    ['a code that is missing', '| `not_found` | 404 | |', '`wallet_frozen` is missing'],
    [
      'a code that is no error',
      '| `not_found` | 404 | |\n| `wallet_frozen` | 403 | |\n| `gone` | 410 | |',
      '`gone` is no error',
    ],
    [
      'a code told twice',
      '| `not_found` | 404 | |\n| `wallet_frozen` | 403 | |\n| `not_found` | 404 | |',
      '`not_found` stands in the table twice',
    ],
    ['another status', '| `not_found` | 400 | |\n| `wallet_frozen` | 403 | |', '`not_found` has status 404, not 400'],
  ])('%s fails', (_, rows, finding) => {
    expect(errorTableFindings('docs/errors.md', head + rows, errors).join('\n')).toContain(finding);
  });

  test('a table that tells all errors passes', () => {
    const rows = '| `wallet_frozen` | 403 | Unfreeze it. |\n| `not_found` | 404 | |\n\n| `other` | table |\n';
    expect(errorTableFindings('docs/errors.md', head + rows, errors)).toEqual([]);
    expect(errorTableFindings('README.md', '| code |\n|---|\n| `wallet_frozen` |\n| `not_found` |', errors)).toEqual(
      [],
    );
  });

  test('the errors are read from what was compiled', async () => {
    const files = {
      'src/errors.ts': '',
      'dist/src/errors.js': 'export const errors = { not_found: { status: 404 } };\n',
      'README.md': '| code |\n|---|\n| `gone` |\n',
    };
    expect(findingsOf(await errorTable(plant(files)))).toContain('`not_found` is missing');
  });

  test('a link to a file that is not there fails; elsewhere, to an anchor or in code it does not', () => {
    const there = new Set(['docs/a.md', 'docs', 'README.md', 'docs/a b.png']);
    const good =
      '[a](a.md#top) ![b](<a b.png> "B") [r](../README.md) [w](https://x.y/z) [h](#here) [d](/docs) `[c](none.md)`';
    const code = '\n```md\n[c](none.md)\n```\n<a href="mailto:a@b.c">';
    const bad = '\n[x](none.md)\n[y]: ../none.md\n<img src="none.png">';
    expect(linkFindings('docs/b.md', good + code + bad, (path) => there.has(path))).toEqual([
      'docs/b.md:6: the link leads to docs/none.md, which is not there',
      'docs/b.md:7: the link leads to none.md, which is not there',
      'docs/b.md:8: the link leads to docs/none.png, which is not there',
    ]);
  });
});

describe('a run', () => {
  const says = (outcome: Outcome): Check => ({ name: outcome.status, run: () => Promise.resolve(outcome) });
  const run = async (checks: readonly Check[], options: { absentAllowed?: boolean; fix?: boolean } = {}) => {
    const lines: string[] = [];
    const common = { root: '.', fix: false, absentAllowed: true, print: (line: string) => void lines.push(line) };
    return { passed: await runChecks(checks, { ...common, ...options }), text: lines.join('\n') };
  };

  test('all that pass make it pass, with a line for each in their order', async () => {
    const slow: Check = {
      name: 'slow',
      run: () => new Promise((done) => setTimeout(() => done({ status: 'ok' }), 50)),
    };
    const { passed, text } = await run([slow, says({ status: 'ok' }), says({ status: 'absent', what: 'src/a.ts' })]);
    expect(passed).toBe(true);
    expect(text).toMatch(/^ok {5}slow .* s\nok {5}ok .* s\nok {5}absent .* s {3}nothing to look at yet: src\/a\.ts$/);
  });

  test('one that fails makes it fail, and says what it found', async () => {
    const { passed, text } = await run([
      says({ status: 'failed', findings: ['a.ts:1: wrong'] }),
      says({ status: 'ok' }),
    ]);
    expect(passed).toBe(false);
    expect(text).toContain('\n\nfailed:\n  a.ts:1: wrong');
  });

  test('one that breaks fails', async () => {
    const { passed, text } = await run([{ name: 'broken', run: () => Promise.reject(new Error('no such program')) }]);
    expect(passed).toBe(false);
    expect(text).toContain('no such program');
  });

  test('one with nothing to look at fails once that is not allowed', async () => {
    const { passed, text } = await run([says({ status: 'absent', what: 'src/a.ts' })], { absentAllowed: false });
    expect(passed).toBe(false);
    expect(text).toContain('there is no src/a.ts');
  });

  test('what can be fixed is fixed before it is checked', async () => {
    let isFixed = false;
    const outcome = (): Outcome => (isFixed ? { status: 'ok' } : { status: 'failed', findings: ['not formatted'] });
    const fix = () => Promise.resolve(void (isFixed = true));
    const checks: Check[] = [{ name: 'format', run: () => Promise.resolve(outcome()), fix }];
    expect((await run(checks)).passed).toBe(false);
    expect((await run(checks, { fix: true })).passed).toBe(true);
  });
});
