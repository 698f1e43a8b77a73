// What needs no key: is it alive, is it ready, its numbers, and what it can do.
import type { Context } from 'hono';
import type { ErrorCode } from '../errors.ts';
import { refuse, responseOf, type Refused } from './answer.ts';
import { docsPage, errorsPage } from './docs-page.ts';
import type { OpenApiDocument } from './openapi.ts';
import type { Api } from './route.ts';
import type { PublicRow } from './table.ts';

type Page = { status: 200 | 503; contentType: string; text: string; headers?: Record<string, string> };

export type PublicRoute = {
  summary: string;
  contentType: 'application/json' | 'text/html' | 'text/plain';
  replies: Partial<Record<200 | 503, string>>;
  errors?: readonly ErrorCode[];
  handle: (api: Api, document: () => OpenApiDocument, c: Context) => Page | Refused | Promise<Page | Refused>;
};

const json = (status: Page['status'], value: object): Page => ({
  status,
  contentType: 'application/json',
  text: JSON.stringify(value),
});

// Nothing is loaded from elsewhere, and the page talks to its own gateway only.
const pageHeaders = {
  'content-security-policy':
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
};
const html = (text: string): Page => ({
  status: 200,
  contentType: 'text/html; charset=utf-8',
  text,
  headers: pageHeaders,
});

export const livez: PublicRoute = {
  summary: 'Whether the process is alive',
  contentType: 'application/json',
  replies: { 200: 'It is.' },
  handle: () => json(200, { status: 'ok' }),
};

export const readyz: PublicRoute = {
  summary: 'Whether every partition takes decisions',
  contentType: 'application/json',
  replies: { 200: 'All do.', 503: 'Starting, recovering or draining; `dependencies` says what is missing.' },
  handle: async (api) => {
    const { ready, dependencies } = await api.readiness();
    return json(ready ? 200 : 503, { status: ready ? 'ready' : 'not_ready', dependencies });
  },
};

export const metrics: PublicRoute = {
  summary: 'Numbers, for Prometheus',
  contentType: 'text/plain',
  replies: { 200: 'In the text format.' },
  handle: async (api) => ({ status: 200, ...(await api.metrics()) }),
};

export const openApi: PublicRoute = {
  summary: 'This document',
  contentType: 'application/json',
  replies: { 200: 'OpenAPI 3.1.' },
  handle: (_api, document) => json(200, document()),
};

export const docs: PublicRoute = {
  summary: 'This document, to read and to try',
  contentType: 'text/html',
  replies: { 200: 'A page that loads nothing from other hosts.' },
  handle: (_api, document) => html(docsPage(document())),
};

export const errorDocs: PublicRoute = {
  summary: "Every error code: where a problem's `type` leads",
  contentType: 'text/html',
  replies: { 200: 'A page.' },
  handle: () => html(errorsPage()),
};

function responseTo(page: Page | Refused, requestId: string): Response {
  if (page.status === 'refused') return responseOf(page, requestId);
  const { status, contentType, text, headers } = page;
  const all = { ...headers, 'content-type': contentType, 'cache-control': 'no-store', 'x-request-id': requestId };
  return new Response(text, { status, headers: all });
}

/** As `serve`, with nobody to recognise and nothing to read. */
export function servePublic(
  api: Api,
  row: PublicRow,
  makeDocument: () => OpenApiDocument,
): (c: Context) => Promise<Response> {
  // Made when it is first asked for, and then kept: it takes longer than a request should.
  let made: OpenApiDocument | undefined;
  const document = (): OpenApiDocument => (made ??= makeDocument());
  const { method, path, route } = row;
  return async (c) => {
    const startedMs = performance.now();
    const requestId = api.requestIdOf(c.req.raw.headers.get('x-request-id'));
    let response: Response;
    try {
      response = responseTo(await route.handle(api, document, c), requestId);
    } catch (error) {
      api.log.error({ error, request_id: requestId, method, path }, 'a request failed');
      const refused = api.isUnavailable(error)
        ? refuse('unavailable', "a store can't be reached")
        : refuse('internal_error', 'an unexpected error, logged under this request_id');
      response = responseOf(refused, requestId);
    }
    api.observe({ method, path, status: response.status, tookMs: performance.now() - startedMs });
    return response;
  };
}
