// The table of ARCHITECTURE.md: what each folder may import. Read here, so that the words people read are the rule.
import { readTable } from './markdown-table.ts';

export type ImportRow = {
  /** A folder of `src`, a file directly in it without its ending, or a folder beside it. */
  readonly name: string;
  readonly isLeaf: boolean;
  /** Names of rows, or `any`. */
  readonly mayImport: readonly string[] | 'any';
  /** Names of packages; `node:fs` for one module of Node, `node:*` for all; or `any`. */
  readonly packages: readonly string[] | 'any';
  /** Rows and packages that no chain of imports may lead to. */
  readonly neverReaches: readonly string[];
};

export type ImportTable = { readonly rows: ReadonlyMap<string, ImportRow>; readonly faults: readonly string[] };

const HEADING = /^##\s+Imports\s*$/m;
const HEAD = ['folder', 'may import', 'packages', 'never reaches'];
const LEAVES = 'leaves';

export function readImportTable(markdown: string): ImportTable {
  const heading = HEADING.exec(markdown);
  const section = heading ? markdown.slice(heading.index + heading[0].length).split(/^## /m)[0]! : '';
  const table = readTable(section, HEAD[0]!);
  if (table?.head.join() !== HEAD.join()) {
    return { rows: new Map(), faults: [`below \`## Imports\` stands no table with the columns ${HEAD.join(', ')}`] };
  }
  const body = table.rows;
  const rows = body.flatMap(rowsOf);
  const leaves = rows.filter((row) => row.isLeaf).map((row) => row.name);
  const resolved = rows.map((row) => ({ ...row, mayImport: resolveLeaves(row, leaves) }));
  return { rows: new Map(resolved.map((row) => [row.name, row])), faults: tableFaults(resolved, body) };
}

/** A line may name several folders that follow the same rule. */
function rowsOf(cells: readonly string[]): ImportRow[] {
  const [folder = '', mayImport = '', packages = '', neverReaches = ''] = cells;
  return quoted(folder).map((name) => ({
    name,
    isLeaf: folder.startsWith('leaf'),
    mayImport: mayImport === 'any' ? 'any' : [...(/\bleaves\b/.test(mayImport) ? [LEAVES] : []), ...quoted(mayImport)],
    packages: packages === 'any' ? 'any' : quoted(packages),
    neverReaches: quoted(neverReaches),
  }));
}

function quoted(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1]!);
}

function resolveLeaves(row: ImportRow, leaves: readonly string[]): ImportRow['mayImport'] {
  if (row.mayImport === 'any') return 'any';
  return row.mayImport.flatMap((name) => (name === LEAVES ? leaves.filter((leaf) => leaf !== row.name) : [name]));
}

function tableFaults(rows: readonly ImportRow[], body: readonly (readonly string[])[]): string[] {
  const names = rows.map((row) => row.name);
  const twice = names.filter((name, at) => names.indexOf(name) !== at);
  const unknown = rows.flatMap((row) =>
    row.mayImport === 'any'
      ? []
      : row.mayImport.filter((name) => !names.includes(name)).map((name) => [row.name, name]),
  );
  return [
    ...twice.map((name) => `\`${name}\` has two rows: make them one`),
    ...unknown.map(
      ([row, name]) => `\`${row}\` may import \`${name}\`, which has no row: add one, or correct the name`,
    ),
    ...body
      .filter((cells) => cells.length !== HEAD.length)
      .map((cells) => `a row has not ${HEAD.length} cells: ${cells[0]}`),
  ];
}
