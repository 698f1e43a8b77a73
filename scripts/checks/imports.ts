// Imports: what each folder imports is what the table in ARCHITECTURE.md lets it, and folders make no circles.
//
// So the decision to approve a request can't come to depend on Postgres, and a vendor can be replaced in one folder.
import { existsSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join, posix } from 'node:path';
import { readImportTable, type ImportRow, type ImportTable } from './import-table.ts';
import { listFiles } from './list-files.ts';
import { outcomeOf, type Outcome } from './outcome.ts';
import { readImports } from './read-imports.ts';

export type SourceFile = { readonly path: string; readonly source: string };

const TABLE = 'ARCHITECTURE.md';
const FOLDERS = ['src', 'scripts', 'bench', 'test'];

export async function imports(root: string): Promise<Outcome> {
  if (!existsSync(join(root, TABLE))) return { status: 'absent', what: TABLE };
  const paths = FOLDERS.flatMap((folder) => listFiles(root, folder, /\.[cm]?[jt]sx?$/));
  const files = paths.map((path) => ({ path, source: readFileSync(join(root, path), 'utf8') }));
  return outcomeOf(importFindings(readImportTable(readFileSync(join(root, TABLE), 'utf8')), files));
}

/** One import, as the table sees it: from a row to a row or to a package. */
type Edge = {
  readonly where: string;
  readonly from: string;
  readonly to: string;
  readonly kind: 'row' | 'package' | 'elsewhere' | 'computed';
};

export function importFindings(table: ImportTable, files: readonly SourceFile[]): string[] {
  const faults = table.faults.map((fault) => `${TABLE}: ${fault}`);
  if (table.rows.size === 0) return faults;
  const unlisted = new Set(files.map((file) => rowOf(file.path)).filter((name) => !table.rows.has(name)));
  const edges = files.flatMap(edgesOf).filter((edge) => edge.kind !== 'row' || edge.from !== edge.to);
  return [
    ...faults,
    ...[...unlisted].map(
      (name) => `${TABLE}: add a row for \`${name}\` to the table: what it may import, and its packages`,
    ),
    ...edges.flatMap((edge) => {
      const row = table.rows.get(edge.from);
      return row ? edgeFindings(edge, row) : [];
    }),
    ...[...table.rows.values()].flatMap((row) => reachFindings(row, edges)),
    ...circleFindings(edges.filter((edge) => table.rows.get(edge.from)?.mayImport !== 'any')),
  ];
}

function edgeFindings({ where, to, kind }: Edge, row: ImportRow): string[] {
  switch (kind) {
    case 'row':
      if (row.mayImport === 'any' || row.mayImport.includes(to)) return [];
      return [`${where}: \`${row.name}\` may not import \`${to}\`; it may import ${listed(row.mayImport)} (${TABLE})`];
    case 'package': {
      const isListed = row.packages === 'any' || row.packages.includes(to);
      if (isListed || (to.startsWith('node:') && row.packages.includes('node:*'))) return [];
      return [
        `${where}: \`${to}\` is not among the packages of \`${row.name}\`: if it belongs there, add it in ${TABLE}`,
      ];
    }
    case 'elsewhere':
      if (row.mayImport === 'any') return [];
      return [`${where}: \`${row.name}\` may not import ${to}, which lies in none of the folders of ${TABLE}`];
    case 'computed':
      if (row.mayImport === 'any') return [];
      return [`${where}: what is imported is computed, so that nobody can tell whether it may be: write its name`];
  }
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? 'nothing' : names.map((name) => `\`${name}\``).join(', ');
}

function reachFindings(row: ImportRow, edges: readonly Edge[]): string[] {
  return row.neverReaches.flatMap((target) => {
    const chain = chainTo(target, row.name, edges);
    if (chain === null) return [];
    const steps = chain.map((edge) => `${edge.where} imports \`${edge.to}\``).join(', ');
    return [`${TABLE}: \`${row.name}\` never reaches \`${target}\`, but it does: ${steps}`];
  });
}

/** A row that comes back to itself. Told once for each circle, from the row that stands first in the alphabet. */
function circleFindings(edges: readonly Edge[]): string[] {
  const names = [...new Set(edges.map((edge) => edge.from))].sort();
  const told = new Set<string>();
  return names.flatMap((name) => {
    const chain = told.has(name) ? null : chainTo(name, name, edges);
    if (chain === null) return [];
    for (const edge of chain) told.add(edge.from);
    const circle = [name, ...chain.map((edge) => edge.to)].join(' → ');
    return [
      `${chain[0]!.where}: the imports go in a circle: ${circle} (${chain.map((edge) => edge.where).join(', ')})`,
    ];
  });
}

/** The shortest chain of imports from one row to another row or to a package. */
function chainTo(target: string, start: string, edges: readonly Edge[]): readonly Edge[] | null {
  const seen = new Set<string>();
  let chains: (readonly Edge[])[] = edges.filter((edge) => edge.from === start).map((edge) => [edge]);
  while (chains.length > 0) {
    const found = chains.find((chain) => chain.at(-1)!.to === target);
    if (found) return found;
    const ends = chains.filter((chain) => !seen.has(chain.at(-1)!.to) && seen.add(chain.at(-1)!.to));
    chains = ends.flatMap((chain) =>
      edges.filter((edge) => edge.from === chain.at(-1)!.to).map((edge) => [...chain, edge]),
    );
  }
  return null;
}

function edgesOf(file: SourceFile): Edge[] {
  const from = rowOf(file.path);
  return readImports(file.source).map(({ line, specifier }) => {
    const where = `${file.path}:${line}`;
    if (specifier === null) return { where, from, to: '', kind: 'computed' };
    if (!/^\.{0,2}\//.test(specifier) && !/^\.{1,2}$/.test(specifier)) {
      return { where, from, to: packageOf(specifier), kind: 'package' };
    }
    const path = posix.join(posix.dirname(file.path), specifier);
    const isInside = FOLDERS.includes(path.split('/')[0]!) && !specifier.startsWith('/');
    return isInside ? { where, from, to: rowOf(path), kind: 'row' } : { where, from, to: path, kind: 'elsewhere' };
  });
}

/** `src/api/app.ts` → api; `src/units.ts` → units; `test/stores.ts` → test. */
function rowOf(path: string): string {
  const [top = '', inside = ''] = path.split('/');
  return top === 'src' ? inside.replace(/(\.gen)?\.[cm]?[jt]sx?$/, '') : top;
}

/** `drizzle-orm/postgres-js` → drizzle-orm; `fs/promises` → node:fs. */
function packageOf(specifier: string): string {
  if (isBuiltin(specifier)) return `node:${specifier.replace(/^node:/, '').split('/')[0]}`;
  const parts = specifier.split('/');
  return parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
}
