// The table of errors in the docs says what `src/errors.ts` says: the same codes, with the same status.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { readTable } from './markdown-table.ts';
import { outcomeOf, type Outcome } from './outcome.ts';

/** The first line of one of them: a table whose first column is `code`. */
const DOCS = ['docs/errors.md', 'README.md'];
const SOURCE = 'src/errors.ts';

export async function errorTable(root: string): Promise<Outcome> {
  if (!existsSync(join(root, SOURCE))) return { status: 'absent', what: SOURCE };
  const docs = DOCS.find((path) => existsSync(join(root, path)) && tableOf(readFileSync(join(root, path), 'utf8')));
  if (docs === undefined) return { status: 'absent', what: `table of errors in ${DOCS.join(' or ')}` };
  return outcomeOf(errorTableFindings(docs, readFileSync(join(root, docs), 'utf8'), await readErrors(root)));
}

type Errors = Readonly<Record<string, { readonly status: number }>>;

/** As compiled; `npm run check` has just done it. */
async function readErrors(root: string): Promise<Errors> {
  const compiled = join(root, 'dist', 'src', 'errors.js');
  const { errors } = (await import(pathToFileURL(compiled).href)) as { errors: Errors };
  return errors;
}

export function errorTableFindings(path: string, markdown: string, errors: Errors): string[] {
  const table = tableOf(markdown) ?? [];
  const told = new Map(table.map(({ code, status }) => [code, status]));
  const missing = Object.keys(errors).filter((code) => !told.has(code));
  const twice = table.map(({ code }) => code).filter((code, at, codes) => codes.indexOf(code) !== at);
  const unknown = [...told.keys()].filter((code) => !(code in errors));
  const other = [...told].filter(
    ([code, status]) => status !== '' && code in errors && status !== String(errors[code]!.status),
  );
  return [
    ...missing.map((code) => `${path}: \`${code}\` is missing from the table of errors`),
    ...twice.map((code) => `${path}: \`${code}\` stands in the table twice`),
    ...unknown.map((code) => `${path}: \`${code}\` is no error of ${SOURCE}`),
    ...other.map(([code, status]) => `${path}: \`${code}\` has status ${errors[code]!.status}, not ${status}`),
  ];
}

type Row = { readonly code: string; readonly status: string };

/** The table whose first column is headed `code`; a column `status` need not be there. */
function tableOf(markdown: string): Row[] | null {
  const table = readTable(markdown, 'code');
  const statusAt = table?.head.indexOf('status') ?? -1;
  return table && table.rows.map((cells) => ({ code: cells[0]!.replaceAll('`', ''), status: cells[statusAt] ?? '' }));
}
