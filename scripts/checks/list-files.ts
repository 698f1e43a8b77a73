// The project's own files: not what was installed, built, fetched or kept by a run.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const FOREIGN = new Set(['node_modules', 'dist']);

/** Paths from `root`, with `/`, sorted; folders whose names begin with a dot are left out. */
export function listFiles(root: string, folder: string, ending: RegExp): string[] {
  if (!existsSync(join(root, folder))) return [];
  const found: string[] = [];
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = folder === '.' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory() && !FOREIGN.has(entry.name) && !entry.name.startsWith('.')) {
      found.push(...listFiles(root, path, ending));
    } else if (entry.isFile() && ending.test(entry.name)) {
      found.push(path);
    }
  }
  return found.sort();
}
