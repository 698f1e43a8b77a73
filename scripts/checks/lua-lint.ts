// Lint of Lua: luacheck, with what Redis gives a script as the only globals.
//
// It is no npm package. Where the system has none, Debian's and Ubuntu's package is unpacked into the cache.
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { unpackDebianPackage } from '../stores/debian.ts';
import { listFiles } from './list-files.ts';
import { outcomeOf, type Outcome } from './outcome.ts';
import { printedLines, runProgram } from './run-program.ts';

type Luacheck = {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
};

const PACKAGE = 'lua-check';
// What it depends on comes along even where the system has it, so that all of it is in one place.
const NEEDS = ['lua5.1', 'lua-argparse', 'lua-filesystem'];

export async function luaLint(root: string): Promise<Outcome> {
  if (listFiles(root, 'lua', /\.lua$/).length === 0) return { status: 'absent', what: 'lua/*.lua' };
  const luacheck = findOnPath(process.env['PATH'] ?? '') ?? (await findUnpacked(join(root, '.cache')));
  if (typeof luacheck === 'string') return { status: 'failed', findings: [luacheck] };
  const args = [...luacheck.args, '--no-cache', '--formatter', 'plain', '--codes', 'lua'];
  const ran = await runProgram(luacheck.file, args, { root, env: luacheck.env });
  return outcomeOf(ran.exitCode === 0 ? [] : printedLines(ran));
}

function findOnPath(path: string): Luacheck | null {
  const folder = path.split(delimiter).find((entry) => entry !== '' && existsSync(join(entry, 'luacheck')));
  return folder === undefined ? null : { file: join(folder, 'luacheck'), args: [], env: {} };
}

/** Else a line that says how to get it. */
async function findUnpacked(cacheDir: string): Promise<Luacheck | string> {
  const unpacked = await unpackDebianPackage(PACKAGE, { cacheDir, also: NEEDS });
  const install = 'install luacheck: `apt install lua-check`, `brew install luacheck` or `luarocks install luacheck`';
  switch (unpacked.status) {
    case 'not_debian':
      return install;
    case 'failed':
      return `${install} (fetching Debian's package failed: ${unpacked.reason})`;
    case 'unpacked': {
      const share = join(unpacked.root, 'usr', 'share', 'lua', '5.1');
      const modules = unpacked.libraryFolders.map((folder) => join(folder, 'lua', '5.1', '?.so'));
      const env = {
        LUA_PATH: `${share}/?.lua;${share}/?/init.lua`,
        LUA_CPATH: modules.join(';'),
        LD_LIBRARY_PATH: unpacked.libraryFolders.join(delimiter),
      };
      const bin = join(unpacked.root, 'usr', 'bin');
      return { file: join(bin, 'lua5.1'), args: [join(bin, 'luacheck')], env };
    }
  }
}
