// Put a deliberate bug into a copy of the compiled program.
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type Change = {
  /** Under `dist/src`; `lua`: the library of scripts, as it is sent to Redis. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** Wherever it stands; otherwise it must stand in one place. */
  readonly everywhere?: true;
};

/** `dist/src`, from `dist/scripts/faults/planted`. */
const source = fileURLToPath(new URL('../../../src/', import.meta.url));
const root = fileURLToPath(new URL('../../../../', import.meta.url));
const library = 'wallet/scripts.gen.js';

/** Returns the program with these changes. Throws where one does not apply: a bug that is not planted proves nothing. */
export function plant(folder: string, changes: readonly Change[]): string {
  const changed = changedFiles(changes);
  mkdirSync(folder, { recursive: true });
  for (const name of ['node_modules', 'drizzle', 'package.json']) symlinkSync(join(root, name), join(folder, name));
  const copy = join(folder, 'dist', 'src');
  cpSync(source, copy, { recursive: true });
  for (const [file, text] of changed) writeFileSync(join(copy, file), text);
  return join(copy, 'main.js');
}

/** Why these changes do not apply to the program as it is now compiled; undefined: they do. Nothing is written. */
export function whyNotPlanted(changes: readonly Change[]): string | undefined {
  try {
    changedFiles(changes);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The text of each file that changes, one change after the other. */
function changedFiles(changes: readonly Change[]): Map<string, string> {
  const texts = new Map<string, string>();
  for (const { file, from, to, everywhere } of changes) {
    const path = file === 'lua' ? library : file;
    const encode = file === 'lua' ? inLibrary : (text: string) => text;
    const parts = (texts.get(path) ?? readFileSync(join(source, path), 'utf8')).split(encode(from));
    const found = parts.length - 1;
    if (found === 0 || (found > 1 && !everywhere)) {
      throw new Error(`${file} has ${found} places that read ${JSON.stringify(from)}`);
    }
    texts.set(path, parts.join(encode(to)));
  }
  return texts;
}

/** As the library stands in the compiled file: a string of many lines, each ended by its escape and continued. */
function inLibrary(lua: string): string {
  return lua.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n\\\n');
}
