// One request to Stripe's API: key, parameters, idempotency, the route, what is expanded in its reply.
import type Stripe from 'stripe';
import { apiVersion } from './events.ts';
import type { IdempotencyKeys } from './idempotency.ts';
import type { PlannedFaults } from './planned-faults.ts';
import { fail, type Params, type ParamValue, type Reply } from './reply.ts';
import { readForm } from './form.ts';
import { findRoute } from './routes.ts';
import { makeId, type Books, type World } from './world.ts';

export type Exchange = { target: string; path: string; params: Params; status: number; body: object };
export type Served = { status: number; headers: Record<string, string>; body: object } | 'lost';

export type ApiParts = {
  /** What a request works with; events that it causes name it. */
  worldFor: (request: Stripe.Event.Request) => World;
  keys: IdempotencyKeys;
  faults: PlannedFaults;
  /** Hears of every reply, lost ones too. */
  onExchange: (exchange: Exchange) => void;
};

type Incoming = {
  method: string;
  path: string;
  query: string;
  form: string;
  authorization: string;
  idempotencyKey: string | null;
};

const testKey = /^Bearer (sk|rk)_test_\S+$/;

export async function serveApi(parts: ApiParts, incoming: Incoming): Promise<Served> {
  const { method, path, idempotencyKey: key } = incoming;
  const id = makeId('req');
  const headers = { 'request-id': id, 'stripe-version': apiVersion };
  const route = findRoute(method, path);
  if (!testKey.test(incoming.authorization)) return { headers, ...noKey };
  if (!route)
    return {
      headers,
      ...fail(404, { type: 'invalid_request_error', message: `Unrecognized request URL (${method}: ${path}).` }),
    };

  const fault = parts.faults.take(`${method} ${path}`);
  if (fault === 'lose_request') return 'lost';
  if (fault === 'hold_request') await parts.faults.held();
  if (fault === 'fail')
    return { headers, ...fail(500, { type: 'api_error', message: 'An unexpected error occurred.' }) };
  if (fault === 'limit')
    return {
      headers,
      ...fail(429, { type: 'invalid_request_error', code: 'rate_limit', message: 'Too many requests.' }),
    };

  const params = readForm(method === 'POST' ? incoming.form : incoming.query);
  const world = parts.worldFor({ id, idempotency_key: key });
  const work = async (): Promise<Reply> => {
    const reply = await route.handle(world, route.ids, params);
    return { ...reply, body: expanded(world.books, structuredClone(reply.body), params['expand']) };
  };
  const { reply, isReplayed } =
    key === null || method !== 'POST'
      ? { reply: await work(), isReplayed: false }
      : await parts.keys.once({ key, path, params: JSON.stringify(params) }, work);
  parts.onExchange({ target: route.target, path, params, status: reply.status, body: reply.body });
  if (fault === 'hold_reply') await parts.faults.held();
  if (fault === 'lose_reply' || reply.isLost) return 'lost';
  return {
    status: reply.status,
    headers: {
      ...headers,
      ...(key !== null && { 'idempotency-key': key }),
      ...(isReplayed && { 'idempotent-replayed': 'true' }),
    },
    body: reply.body,
  };
}

const noKey = fail(401, {
  type: 'invalid_request_error',
  message: 'Invalid API Key provided. The stand-in takes any key of test mode, sk_test_… or rk_test_…',
});

/** `latest_charge`, `data.payment_intent`: where an id stands, the object is put. */
function expanded(books: Books, body: object, paths: ParamValue | undefined): object {
  for (const path of Array.isArray(paths) ? paths : [])
    if (typeof path === 'string') expand(books, body, path.split('.'));
  return body;
}

function expand(books: Books, at: unknown, [name, ...rest]: string[]): void {
  if (Array.isArray(at)) {
    for (const item of at) expand(books, item, [name ?? '', ...rest]);
    return;
  }
  if (typeof at !== 'object' || at === null || name === undefined) return;
  const fields = at as Record<string, unknown>;
  const value = fields[name];
  if (typeof value === 'string') fields[name] = structuredClone(findById(books, value)) ?? value;
  if (rest.length > 0) expand(books, fields[name], rest);
}

function findById(books: Books, id: string): object | undefined {
  const { customers, paymentMethods, paymentIntents, charges, setupIntents } = books;
  return [customers, paymentMethods, paymentIntents, charges, setupIntents].find((kind) => Object.hasOwn(kind, id))?.[
    id
  ];
}
