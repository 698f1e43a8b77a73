// A route: what it takes and answers, and how a request becomes its handler's call. One function, no middleware.
//
//   authenticate → scope → Idempotency-Key → path → query → body → handle
//
// Each step may refuse, and the first that does is the answer. What is thrown is a store that can't be reached (503) or
// a bug (500); both say whether the request may have been applied.
import type { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { FieldError } from '../contract.ts';
import type { ErrorCode } from '../errors.ts';
import { refuse, responseOf, type Answer, type Refused } from './answer.ts';
import type { Assets } from './assets-cache.ts';
import { authenticate, secretOf } from './authenticate.ts';
import type { Deps } from './deps.ts';
import { readIdempotencyKey } from './idempotency.ts';
import { readJson } from './json.ts';
import { noParams, readParams, type Params } from './params.ts';
import { readQuery } from './query.ts';
import type { KeyedRow } from './table.ts';
import { validate, validateSizes } from './validate.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** What handlers work with. */
export type Api = Deps & {
  assets: Assets;
  requestIdOf: (incoming: string | null) => string;
};

/** One request, read and checked. */
export type Call<Body = unknown, Query = unknown> = {
  environmentId: string;
  /** What the caller's key was recognised by. */
  secret: string;
  requestId: string;
  /** As it was asked for. */
  url: string;
  /** The concrete path, decoded: one spelling for each thing. */
  path: string;
  params: Params;
  query: Query;
  body: Body;
  /** The body's JSON value as it came. */
  given: unknown;
  /** Of a route that `leavesFaults`: what no field may have in it, by path. */
  faults: readonly FieldError[];
  /** The caller's, or one of our own. */
  idempotencyKey: string;
  isKeyOwn: boolean;
  /** When it was first begun, perhaps longer ago than operations are remembered: the ledger is asked first. */
  begunMs?: number;
  /** Set with the first step that may have an effect: see operationFor. */
  mayBeApplied: boolean;
};

export type Route<Body, Query> = {
  summary: string;
  description?: string;
  query?: z.ZodType<Query>;
  body?: z.ZodType<Body>;
  /** Absent: bodyBytesMax. */
  bodyBytesMax?: number;
  /** What no field may have in it is told to the handler, which answers item by item. */
  leavesFaults?: true;
  /** Of a body that may be large: what is too much to hold against a schema, element by element. */
  refuseExcess?: (given: unknown) => Refused | undefined;
  reply: { status: 200 | 201; description: string; schema: z.ZodType } | { status: 204; description: string };
  /** Besides those that every route has. */
  errors: readonly ErrorCode[];
  /** Of a body that may be one of several: the one that this seems to be, which says best what is wrong with it. */
  bodySeeming?: (given: unknown) => z.ZodType<Body> | undefined;
  handle: (api: Api, call: Call<Body, Query>) => Answer | Promise<Answer>;
};

// oxlint-disable-next-line typescript/no-explicit-any -- what a table of routes holds: each knows its own types
export type AnyRoute = Route<any, any>;

/** Gives a route its types, from its schemas. */
export function defineRoute<Body = undefined, Query = undefined>(route: Route<Body, Query>): Route<Body, Query> {
  return route;
}

export function serve(api: Api, row: KeyedRow): (c: Context) => Promise<Response> {
  const { method, path } = row;
  return async (c) => {
    const startedMs = performance.now();
    const requestId = api.requestIdOf(c.req.raw.headers.get('x-request-id'));
    const call: Call = { ...emptyCall, requestId };
    let answer: Answer;
    try {
      answer = await answerTo(api, row, c, call);
    } catch (error) {
      answer = brokenAnswer(api, row, call, error);
    }
    const response = responseOf(answer, requestId);
    api.observe({ method, path, status: response.status, tookMs: performance.now() - startedMs });
    return response;
  };
}

// What is at hand is not awaited: each turn of the event loop's inner queue that a request takes is taken by all.
async function answerTo(api: Api, row: KeyedRow, c: Context, call: Call): Promise<Answer> {
  const request = c.req.raw;
  const secret = secretOf(request.headers.get('authorization'));
  const found = authenticate(api, secret, row.access);
  const authenticated = found instanceof Promise ? await found : found;
  if ('status' in authenticated) return authenticated;
  call.secret = secret ?? '';
  call.environmentId = authenticated.environmentId;
  const refused = readHead(api, row, c, call);
  if (refused) return refused;
  if (row.route.body) {
    const { bodyBytesMax: bytesMax, leavesFaults } = row.route;
    const body = await readJson(request, c.env, { bytesMax, leavesFaults });
    if (body.status === 'refused') return body;
    call.given = body.value;
    if (body.faults) call.faults = body.faults;
    const excess = row.route.refuseExcess?.(body.value);
    if (excess) return excess;
    const checked = validate(row.route.bodySeeming?.(body.value) ?? row.route.body, body.value);
    if (checked.status === 'refused') return checked;
    const oversized = validateSizes(checked.value as object, body.length);
    if (oversized) return oversized;
    call.body = checked.value;
  }
  return row.route.handle(api, call);
}

/** Whatever comes before the body. */
function readHead(api: Api, row: KeyedRow, c: Context, call: Call): Refused | undefined {
  const request = c.req.raw;
  if (row.method === 'POST') {
    const refused = readIdempotencyKey(api, request.headers.get('idempotency-key'), call);
    if (refused) return refused;
  }
  const refused = readParams(row, c, call);
  if (refused) return refused;
  call.url = request.url;
  const query = readQuery(call.url, row.route.query);
  if (query.status === 'refused') return query;
  call.query = query.value;
  return undefined;
}

const emptyCall: Call = {
  environmentId: '',
  secret: '',
  requestId: '',
  url: '',
  path: '',
  params: noParams,
  query: undefined,
  body: undefined,
  given: undefined,
  faults: [],
  idempotencyKey: '',
  isKeyOwn: false,
  mayBeApplied: false,
};

/** What was thrown, as an answer. */
export function brokenAnswer(
  api: Api,
  { method, path }: Pick<KeyedRow, 'method' | 'path'>,
  call: Call,
  error: unknown,
): Refused {
  const isUnavailable = api.isUnavailable(error);
  // A PATCH or DELETE names no operation, and has its effect in one step.
  const mayBeApplied =
    call.mayBeApplied ||
    ((method === 'PUT' || method === 'PATCH' || method === 'DELETE') && call.params !== emptyCall.params);
  const outcome = mayBeApplied ? 'unknown' : 'not_applied';
  const more = mayBeApplied && method === 'POST' ? { idempotency_key: call.idempotencyKey } : {};
  api.log.error({ error, request_id: call.requestId, method, path, outcome }, 'a request failed');
  if (!isUnavailable)
    return refuse('internal_error', 'an unexpected error, logged under this request_id', { outcome, more });
  return mayBeApplied && method === 'POST'
    ? refuse('outcome_unknown', 'the connection to a store broke before it answered', { outcome, more })
    : refuse('unavailable', "a store can't be reached", { outcome });
}
