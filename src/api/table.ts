// The shape of the routing table in app.ts.
import type { Scope } from '../records.ts';
import { paramNamesOf, type ParamName } from './params.ts';
import type { AnyRoute, Method } from './route.ts';
import type { PublicRoute } from './running.ts';

export type TableRow =
  | readonly [target: string, access: Scope | readonly Scope[], route: AnyRoute]
  | readonly [target: string, access: 'public', route: PublicRoute];

export type KeyedRow = {
  method: Method;
  path: string;
  params: readonly ParamName[];
  access: readonly Scope[];
  route: AnyRoute;
};
export type PublicRow = {
  method: Method;
  path: string;
  params: readonly ParamName[];
  access: 'public';
  route: PublicRoute;
};
export type Row = KeyedRow | PublicRow;

const targetShape = /^(GET|POST|PUT|PATCH|DELETE) +(\/\S*)$/;

export function splitRow(row: TableRow): Row {
  const match = targetShape.exec(row[0]);
  if (!match) throw new Error(`${row[0]} is no method and path`);
  const target = { method: match[1] as Method, path: match[2] ?? '' };
  const params = paramNamesOf(target.path);
  if (row[1] === 'public') return { ...target, params, access: row[1], route: row[2] };
  const access = typeof row[1] === 'string' ? [row[1]] : row[1];
  return { ...target, params, access, route: row[2] };
}

/** `/v1/holds/{hold_id}` → `/v1/holds/:hold_id` */
export const honoPathOf = (path: string): string => path.replace(/\{([a-z_]+)\}/g, ':$1');
