// Generate TypeScript from lua/: the Redis library, the scripts' typed signatures, and the shared codes.
//
// A script's signature stands in its first lines (`local amount_atoms = tonumber(ARGV[8])`) and its replies in its
// returns (`return { 'approved', take_atoms, … }`). Both are read from the syntax tree, so they cannot drift.
// `--check` compares instead of writing.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { bundle } from './lua/bundle.ts';
import { readCodes } from './lua/codes.ts';
import { parseLua } from './lua/parse.ts';
import { readSignature } from './lua/signature.ts';
import { writeCodes, writeScripts } from './lua/typescript.ts';

const root = process.cwd();
const luaDir = join(root, 'lua');
const modules = new Map(
  readdirSync(join(luaDir, 'lib'))
    .filter((file) => file.endsWith('.lua'))
    .map((file) => [basename(file, '.lua'), parseLua(readFileSync(join(luaDir, 'lib', file), 'utf8'), `lib/${file}`)]),
);
const codes = readCodes(modules.get('codes'));
const scripts = readdirSync(luaDir)
  .filter((file) => file.endsWith('.lua'))
  .sort()
  .map((file) => parseLua(readFileSync(join(luaDir, file), 'utf8'), file));
const signatures = scripts.map((script) => readSignature(script, modules));

const outputs = new Map([
  [join(root, 'src', 'codes.gen.ts'), writeCodes(codes)],
  [join(root, 'src', 'wallet', 'scripts.gen.ts'), writeScripts(signatures, bundle(scripts, modules, codes))],
]);
const check = process.argv.includes('--check');
for (const [path, text] of outputs) {
  const current = existsSync(path) ? readFileSync(path, 'utf8') : '';
  if (current === text) continue;
  if (check) {
    console.error(`${path} is not what lua/ says: run npm run generate`);
    process.exitCode = 1;
  } else {
    writeFileSync(path, text);
    console.log(`wrote ${path}`);
  }
}
