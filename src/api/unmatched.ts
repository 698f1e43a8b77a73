// What no row of the routing table takes: another method (405, or OPTIONS), or no such path (404).
import type { Context } from 'hono';
import { refuse, responseOf } from './answer.ts';
import type { Api } from './route.ts';
import type { Row } from './table.ts';

export function unmatched(api: Api, rows: readonly Row[]): (c: Context) => Response {
  const patterns = new Map(rows.map(({ path }) => [path, new RegExp(`^${path.replace(/\{[a-z_]+\}/g, '[^/]+')}$`)]));
  return (c) => {
    const { method, path } = c.req;
    const requestId = api.requestIdOf(c.req.raw.headers.get('x-request-id'));
    const taken = rows.filter((row) => patterns.get(row.path)?.test(path)).map((row) => row.method as string);
    const allow = [...taken, ...(taken.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].join(', ');
    if (taken.length > 0 && method === 'OPTIONS') {
      return new Response(null, { status: 204, headers: { allow, 'x-request-id': requestId } });
    }
    const refused =
      taken.length > 0
        ? refuse('method_not_allowed', `this route takes ${allow}`, { headers: { allow } })
        : refuse('not_found', 'no route has this path');
    const response = responseOf(refused, requestId);
    api.observe({ method, path: '', status: response.status, tookMs: 0 });
    return response;
  };
}
