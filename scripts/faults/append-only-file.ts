// Redis's append-only file, and how it is torn.
import { readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';

/** Of a Redis whose data lie in this folder. */
export const appendOnlyFolder = (dataDir: string): string => join(dataDir, 'appendonlydir');

/** The one that is appended to. */
export function appendOnlyFile(dataDir: string): string {
  const files = readdirSync(appendOnlyFolder(dataDir)).filter((name) => name.endsWith('.incr.aof'));
  const newest = files.map((name) => ({ name, no: Number(name.split('.').at(-3)) })).sort((a, b) => b.no - a.no)[0];
  if (!newest) throw new Error('there is no append-only file to cut');
  return join(appendOnlyFolder(dataDir), newest.name);
}

/** It loses its end, as with a machine that went down before it was written. */
export function cutAppendOnlyFile(dataDir: string, bytes: number): void {
  const file = appendOnlyFile(dataDir);
  truncateSync(file, Math.max(0, statSync(file).size - bytes));
}
