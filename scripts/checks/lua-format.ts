// Format of Lua: as `stylua.toml` has it.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as stylua from '@johnnymorganz/stylua';
import { listFiles } from './list-files.ts';
import { outcomeOf, type Outcome } from './outcome.ts';

const CONFIG = 'stylua.toml';

export async function luaFormat(root: string): Promise<Outcome> {
  const paths = listFiles(root, 'lua', /\.lua$/);
  if (paths.length === 0) return { status: 'absent', what: 'lua/*.lua' };
  const toml = readFileSync(join(root, CONFIG), 'utf8');
  return outcomeOf(paths.flatMap((path) => luaFormatFindings(path, readFileSync(join(root, path), 'utf8'), toml)));
}

export async function formatLuaFiles(root: string): Promise<void> {
  const toml = readFileSync(join(root, CONFIG), 'utf8');
  for (const path of listFiles(root, 'lua', /\.lua$/)) {
    const source = readFileSync(join(root, path), 'utf8');
    const formatted = formatLua(source, toml);
    if (formatted !== source) writeFileSync(join(root, path), formatted);
  }
}

export function luaFormatFindings(path: string, source: string, toml: string): string[] {
  try {
    const formatted = formatLua(source, toml).split('\n');
    const line = source.split('\n').findIndex((text, at) => text !== formatted[at]);
    return line < 0 ? [] : [`${path}:${line + 1}: not formatted; \`npm run check -- --fix\` does it`];
  } catch (error) {
    return [`${path}: ${String(error)}`];
  }
}

function formatLua(source: string, toml: string): string {
  return stylua.formatCode(source, readConfig(toml), null, stylua.OutputVerification.Full);
}

// What `stylua.toml` may say: the file is for editors too, but the formatter does not read it by itself.
const CHOICES: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  syntax: stylua.LuaVersion,
  line_endings: stylua.LineEndings,
  indent_type: stylua.IndentType,
  quote_style: stylua.QuoteStyle,
  call_parentheses: stylua.CallParenType,
  collapse_simple_statement: stylua.CollapseSimpleStatement,
};
const NUMBERS = ['column_width', 'indent_width'];

function readConfig(toml: string): stylua.Config {
  const config = stylua.Config.new();
  for (const line of toml.split('\n').filter((text) => text.trim() !== '')) {
    const [, name = '', value = ''] = /^(\w+) = "?(\w+)"?$/.exec(line) ?? [];
    const setting = NUMBERS.includes(name) ? Number(value) : CHOICES[name]?.[value];
    if (typeof setting !== 'number') throw new Error(`${CONFIG}: ${line} is not understood`);
    Object.assign(config, { [name]: setting });
  }
  return config;
}
