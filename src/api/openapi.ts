// The OpenAPI 3.1 document, made from the routing table and from the very schemas that check requests.
import { OpenAPIHono, z } from '@hono/zod-openapi';
import { errors, type ErrorCode } from '../errors.ts';
import { eventBody } from './charge-event.ts';
import { paramRules, type ParamName } from './params.ts';
import { declinedReply, holdClosedReply, problemReply } from './problem-schemas.ts';
import type { KeyedRow, PublicRow, Row } from './table.ts';

type Operation = Parameters<OpenAPIHono['openAPIRegistry']['registerPath']>[0];
type Responses = Operation['responses'];
export type OpenApiDocument = ReturnType<OpenAPIHono['getOpenAPI31Document']>;

const about = {
  title: 'Farebox',
  version: '1',
  description:
    'The gateway that says yes or no before an AI model call costs money. Amounts are decimal strings; times are RFC 3339 UTC; errors are RFC 9457 problems, explained at /docs/errors.',
};

export function openApiOf(rows: readonly Row[]): OpenApiDocument {
  // Only its registry and generator are used: requests are served by route.ts.
  const { openAPIRegistry: registry, getOpenAPI31Document } = new OpenAPIHono();
  registry.registerComponent('securitySchemes', 'key', {
    type: 'http',
    scheme: 'bearer',
    description: 'A key, `fb_…`.',
  });
  for (const [name, schema] of [
    ['Problem', problemReply],
    ['Declined', declinedReply],
    ['HoldClosed', holdClosedReply],
    ['EventRequest', eventBody],
  ] as const) {
    registry.register(name, schema);
  }
  for (const row of rows) registry.registerPath(row.access === 'public' ? publicOperation(row) : operation(row));
  return getOpenAPI31Document({ openapi: '3.1.0', info: about, servers: [{ url: '/' }] });
}

function operation(row: KeyedRow): Operation {
  const { method, params, access, route } = row;
  return {
    ...common(row),
    ...(route.description !== undefined && { description: route.description }),
    security: access.map((scope) => ({ key: [scope] })),
    request: {
      ...(params.length > 0 && { params: paramsSchema(params) }),
      ...(route.query && { query: route.query as z.ZodObject }),
      ...(method === 'POST' && { headers: idempotencyHeader }),
      ...(route.body && {
        body: {
          required: !route.body.safeParse({}).success,
          content: { 'application/json': { schema: route.body } },
        },
      }),
    },
    responses: { ...success(row), ...failures(errorsOf(row)) },
  };
}

function publicOperation(row: PublicRow): Operation {
  const { contentType, replies } = row.route;
  const schema = contentType === 'application/json' ? { type: 'object' as const } : { type: 'string' as const };
  const responses: Responses = {};
  for (const [status, description] of Object.entries(replies)) {
    responses[status] = { description, headers: requestIdHeader, content: { [contentType]: { schema } } };
  }
  return {
    ...common(row),
    security: [],
    ...(row.params.length > 0 && { request: { params: paramsSchema(row.params) } }),
    responses: { ...responses, ...failures([...(row.route.errors ?? []), 'internal_error']) },
  };
}

function common({ method, path, route }: Row): Pick<Operation, 'method' | 'path' | 'summary' | 'operationId' | 'tags'> {
  const words = path
    .replace(/^\/v1\//, '')
    .split(/[^A-Za-z0-9]+/)
    .filter(Boolean);
  return {
    method: method.toLowerCase() as Operation['method'],
    path,
    summary: route.summary,
    operationId: [method.toLowerCase(), ...words].join('_'),
    tags: [tagOf(path)],
  };
}

/** What a path is about: its last word that is a resource. */
function tagOf(path: string): string {
  if (!path.startsWith('/v1/')) return 'running';
  const tags = [
    'authorize',
    'charge',
    'events',
    'holds',
    'wallet',
    'grants',
    'payment-methods',
    'top-ups',
    'entries',
    'subscriptions',
    'budgets',
    'products',
    'assets',
    'keys',
    'customers',
  ];
  return tags.find((tag) => path.split('/').includes(tag)) ?? 'running';
}

/** Every code that a route can answer: its own, and those that come from how requests are read. */
function errorsOf({ method, params, route }: KeyedRow): ErrorCode[] {
  const read: ErrorCode[] = ['unauthorized', 'missing_scope', 'invalid_request', 'internal_error', 'unavailable'];
  const body: ErrorCode[] = ['invalid_json', 'body_too_large', 'unsupported_media_type'];
  const post: ErrorCode[] = ['invalid_idempotency_key', 'idempotency_conflict', 'outcome_unknown'];
  const missing = params.map((name) => paramRules[name].missing);
  const all = [...route.errors, ...missing, ...read, ...(route.body ? body : []), ...(method === 'POST' ? post : [])];
  return [...new Set(all)];
}

function success({ method, route: { reply } }: KeyedRow): Responses {
  const headers = method === 'POST' ? { ...requestIdHeader, ...replayedHeader } : requestIdHeader;
  return {
    [reply.status]: {
      description: reply.description,
      headers,
      ...('schema' in reply && { content: { 'application/json': { schema: reply.schema } } }),
    },
  };
}

function failures(codes: readonly ErrorCode[]): Responses {
  const responses: Responses = {};
  for (const status of [...new Set(codes.map((code) => errors[code].status))].sort((a, b) => a - b)) {
    const here = codes.filter((code) => errors[code].status === status);
    responses[status] = {
      description: here.map((code) => `\`${code}\`: ${errors[code].title}.`).join('\n\n'),
      headers: {
        ...requestIdHeader,
        ...(here.every((code) => errors[code].retryable) ? {} : shouldRetryHeader),
        ...extraHeaders[status],
      },
      content: { 'application/problem+json': { schema: problemSchema(here) } },
    };
  }
  return responses;
}

/** The schema of a problem with one of these codes. */
function problemSchema(codes: readonly ErrorCode[]) {
  if (codes.every((code) => errors[code].status === 402)) return declinedReply;
  if (codes.length === 1 && codes[0] === 'hold_closed') return holdClosedReply;
  return {
    allOf: [
      { $ref: '#/components/schemas/Problem' },
      { type: 'object' as const, properties: { code: { type: 'string' as const, enum: [...codes] } } },
    ],
  };
}

function paramsSchema(params: readonly ParamName[]): z.ZodObject {
  const fields = params.map((name) => {
    const { pattern, description } = paramRules[name];
    return [name, z.string().regex(pattern).openapi({ description })] as const;
  });
  return z.object(Object.fromEntries(fields));
}

const idempotencyHeader = z.object({
  'Idempotency-Key': z
    .string()
    .regex(/^[\x20-\x7e]{1,128}$/)
    .optional()
    .openapi({ description: 'Makes a repeat safe: the same key and body again have no further effect.' }),
});

const header = (description: string, type: 'string' | 'integer' = 'string') => ({ description, schema: { type } });
const requestIdHeader = { 'x-request-id': header("The request's own where it sent a sane one, else made here.") };
const replayedHeader = {
  'Idempotent-Replayed': header('`true`: this is what the first request with this key was answered.'),
};
const shouldRetryHeader = { 'x-should-retry': header('`false` on whatever a retry will not mend.') };
const retryAfterHeader = { 'Retry-After': header('Seconds.', 'integer') };
const extraHeaders: Partial<Record<number, Record<string, ReturnType<typeof header>>>> = {
  401: { 'WWW-Authenticate': header('`Bearer`') },
  429: retryAfterHeader,
  503: retryAfterHeader,
};
