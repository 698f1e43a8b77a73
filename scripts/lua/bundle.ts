// Bundle lua/ into one Redis library: the modules of lua/lib, and a function for each script.
//
// A library is evaluated once, when it is loaded, so a call pays for its own work only: the same scripts as EVALSHA
// texts defined some fifty closures anew at every call, a fifth of its cost (figures in ARCHITECTURE.md). `codes.…` is
// replaced by its number. Names end in a hash of the text, so that two releases can share one Redis.
import { createHash } from 'node:crypto';
import { lookUpCode, type Codes } from './codes.ts';
import { memberPath, requiredModule, type LuaFile, type Node } from './parse.ts';

export type Library = { hash: string; text: string };

// A global of a library is found behind two tables at each use, and not at all while the library is loaded: so they are
// upvalues, filled by the first call.
const globals = ['string', 'struct', 'math', 'table', 'unpack', 'ipairs', 'pairs', 'tonumber', 'type'];
const globalsText = `
local outer = function() return redis, ${globals.join(', ')} end
local redis, ${globals.join(', ')} = redis
local bound = false
local function bind()
redis, ${globals.join(', ')} = outer()
bound = true
end`.trim();

const requireText = `
local loaded, modules = {}, {}
local function require(name)
local module = loaded[name]
if module == nil then
module = modules[name]()
loaded[name] = module
end
return module
end`.trim();

export function bundle(scripts: LuaFile[], modules: Map<string, LuaFile>, codes: Codes): Library {
  const parts = [globalsText, requireText];
  for (const [name, file] of modules) {
    checkRequires(file, modules);
    if (name !== 'codes') parts.push(`modules['${name}'] = function()\n${strip(inlineCodes(file, codes))}\nend`);
  }
  for (const script of scripts) {
    checkRequires(script, modules);
    parts.push(registration(script, codes));
  }
  const body = parts.join('\n');
  const hash = createHash('sha256').update(body).digest('hex').slice(0, 12);
  return { hash, text: `#!lua name=farebox_${hash}\n${body.replaceAll('<hash>', hash)}\n` };
}

// What a script requires is resolved when the library is loaded; the rest of it is the function.
function registration(script: LuaFile, codes: Codes): string {
  const lines = strip(inlineCodes(script, codes)).split('\n');
  const requires = lines.filter((line) => isRequire(line));
  const body = lines.filter((line) => !isRequire(line));
  const flags = /flags=(\S+)/.exec(script.shebang)?.[1]?.split(',') ?? [];
  return [
    'do',
    ...requires,
    'redis.register_function({',
    `function_name = '${script.name.replace('.lua', '')}_<hash>',`,
    `flags = { ${flags.map((flag) => `'${flag}'`).join(', ')} },`,
    'callback = function(KEYS, ARGV)',
    'if not bound then bind() end',
    ...body,
    'end,',
    '})',
    'end',
  ].join('\n');
}

function isRequire(line: string): boolean {
  return /^local \w+ = require\('\w+'\)$/.test(line);
}

function checkRequires(file: LuaFile, modules: Map<string, LuaFile>): void {
  for (const node of file.nodes) {
    const name = requiredModule(node);
    if (name !== undefined && !modules.has(name)) {
      throw new Error(`${file.name} requires ${name}, and lua/lib/${name}.lua does not exist`);
    }
  }
}

function inlineCodes(file: LuaFile, codes: Codes): string {
  const edits: { from: number; to: number; text: string }[] = [];
  for (const node of file.nodes) {
    const path = node.type === 'MemberExpression' ? memberPath(node) : undefined;
    if (path?.[0] === 'codes') {
      const code = lookUpCode(codes, path);
      if (code !== undefined) edits.push({ from: node.range[0], to: node.range[1], text: String(code) });
      else if (path.length === 3) throw new Error(`${file.name} uses ${path.join('.')}, which codes.lua does not have`);
    } else if (node.type === 'LocalStatement' && requiredModule((node.init as Node[])[0]) === 'codes') {
      edits.push({ from: node.range[0], to: node.range[1], text: '' });
    }
  }
  let text = file.text;
  for (const edit of edits.sort((a, b) => b.from - a.from)) {
    text = text.slice(0, edit.from) + edit.text + text.slice(edit.to);
  }
  return text;
}

// Comments and indentation are for the reader of lua/.
function strip(text: string): string {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('--'))
    .join('\n');
}
