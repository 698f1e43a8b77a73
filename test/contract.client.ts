// A Farebox for the contract's tests: every exchange with it is held against the contract's conventions and /openapi.json.
//
// So each test also proves that the document tells the truth: the reply that it saw has a documented status, type and
// shape, and what was accepted was documented as acceptable.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect } from 'vitest';
import { type Client, clientOf, expectStatus, type Farebox, type Reply, startFarebox } from './farebox.ts';
import { flawsOf, type JsonSchema } from './contract.schema.ts';

export type OpenApi = { openapi: string; paths: Record<string, Record<string, any>>; components: any };

export type Contract = Farebox & {
  document: OpenApi;
  /** The same gateway with another key, or none. */
  as: (key: string | undefined) => Client;
  /** As the API shows it, without `as_of`. */
  walletOf: (customerId: string) => Promise<any>;
  grant: (customerId: string, amount: string, more?: object) => Promise<any>;
  hold: (customerId: string, amount: string, more?: object) => Promise<any>;
  /** All of them, oldest first, once the ledger has what the wallet has. */
  entriesOf: (customerId: string) => Promise<any[]>;
};

/** Stopped when the file ends. */
export async function startContract(): Promise<Contract> {
  const farebox = await startFarebox();
  afterAll(farebox.stop);
  const document = (await farebox.client.get('/openapi.json')).body as OpenApi;
  const as = (key: string | undefined) => checkedClient(clientOf(farebox.client.url, key), document);
  const client = as(farebox.key);
  const grant: Contract['grant'] = async (id, amount, more = {}) => {
    const body = { asset: 'USD', amount, purpose: 'paid', ...more };
    return (await expectStatus(client.post(`/v1/customers/${id}/grants`, body), 201)).body;
  };
  return {
    ...farebox,
    document,
    client,
    as,
    grant,
    customer: async (id, amount, asset = 'USD') => {
      await expectStatus(client.post('/v1/customers', { id }), 201);
      if (amount !== undefined) await grant(id, amount, { asset });
      return id;
    },
    walletOf: async (id) => {
      const { as_of, ...wallet } = (await expectStatus(client.get(`/v1/customers/${id}/wallet`), 200)).body;
      expect(as_of).toMatch(instant);
      return wallet;
    },
    hold: async (id, amount, more = {}) =>
      (await expectStatus(client.post('/v1/authorize', { customer_id: id, asset: 'USD', amount, ...more }), 200)).body,
    entriesOf: (id) => entriesOf(client, id),
  };
}

export const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** An instant so many milliseconds from now, as the API takes it. */
export const fromNow = (ms: number): string => new Date(Date.now() + ms).toISOString();

/** Until so many milliseconds after an instant. */
export const sleepUntil = (at: string, afterMs = 0): Promise<void> =>
  sleep(Math.max(0, Date.parse(at) + afterMs - Date.now()));

/** This status, or all that was said instead. */
export function expectReplied({ status, text }: Reply, expected: number): void {
  if (status !== expected) throw new Error(`expected ${expected}, got ${status}: ${text}`);
}

/** This refusal, and nothing happened. */
export function expectProblem(reply: Reply, status: number, code: string): void {
  expect({ ...reply.body, httpStatus: reply.status }).toMatchObject({
    httpStatus: status,
    code,
    outcome: 'not_applied',
  });
}

/** 422 that names this field. */
export function expectFieldError(reply: Reply, field: string): void {
  expectReplied(reply, 422);
  const paths: string[] = (reply.body.errors ?? []).map((error: any) => error.path);
  expect(
    paths.some((path) => path.includes(field)),
    `${field} in ${reply.text}`,
  ).toBe(true);
}

const ledgerBoundMs = 10_000;

async function entriesOf(client: Client, id: string): Promise<any[]> {
  const { version } = (await expectStatus(client.get(`/v1/customers/${id}/wallet`), 200)).body;
  const deadlineMs = Date.now() + ledgerBoundMs;
  for (;;) {
    const newest = (await expectStatus(client.get(`/v1/customers/${id}/entries?limit=1`), 200)).body.data;
    if ((newest[0]?.version ?? 0) >= version) break;
    if (Date.now() > deadlineMs) throw new Error(`the ledger has not got version ${version} of ${id}`);
    await sleep(25);
  }
  return (await pagesOf(client, `/v1/customers/${id}/entries?limit=100`)).flat().reverse();
}

/** The items of a list, page by page, to its end. */
export async function pagesOf(client: Client, path: string): Promise<any[][]> {
  const pages: any[][] = [];
  const joint = path.includes('?') ? '&' : '?';
  let cursor: string | null = null;
  do {
    const more: string = cursor === null ? '' : `${joint}cursor=${encodeURIComponent(cursor)}`;
    const { body }: Reply = await expectStatus(client.get(path + more), 200);
    expect(Object.keys(body).sort()).toEqual(['data', 'next_cursor']);
    pages.push(body.data);
    cursor = body.next_cursor;
  } while (cursor !== null && pages.length < 1_000);
  return pages;
}

// ── What holds for every exchange ──

function checkedClient(client: Client, document: OpenApi): Client {
  const send: Client['send'] = async (method, path, body, headers) => {
    const reply = await client.send(method, path, body, headers);
    const flaws = [...conventionFlaws(path, reply), ...documentFlaws(document, { method, path, body }, reply)];
    if (flaws.length > 0) {
      throw new Error(`${method} ${path} → ${reply.status} ${reply.text.slice(0, 2_000)}\n  ${flaws.join('\n  ')}`);
    }
    return reply;
  };
  return {
    url: client.url,
    send,
    post: (path, body, headers) => send('POST', path, body, headers),
    get: (path, headers) => send('GET', path, undefined, headers),
  };
}

export function conventionFlaws(path: string, { status, headers, body }: Reply): string[] {
  const flaws: string[] = [];
  const must = (holds: boolean, claim: string) => void (holds || flaws.push(claim));
  must((headers.get('x-request-id') ?? '') !== '', 'carries x-request-id');
  if (status >= 400 && !path.startsWith('/readyz') && !path.startsWith('/admin')) {
    must(headers.get('content-type') === 'application/problem+json', 'an error is application/problem+json');
    for (const member of ['type', 'title', 'detail', 'code', 'request_id']) {
      must(typeof body?.[member] === 'string' && body[member] !== '', `a problem has ${member}`);
    }
    must(body?.status === (status === 402 ? 'declined' : status), "a problem's status is the reply's");
    must(['applied', 'not_applied', 'unknown'].includes(body?.outcome), 'a problem has an outcome');
    must(typeof body?.retryable === 'boolean', 'a problem says whether it is retryable');
    must(body?.request_id === headers.get('x-request-id'), 'a problem repeats x-request-id');
    const unmendable = headers.get('x-should-retry') === 'false';
    must(unmendable === (body?.retryable === false), 'x-should-retry: false on exactly what a retry will not mend');
    must(status !== 503 || Number(headers.get('retry-after')) >= 1, 'a 503 says when to come again');
    must(
      body?.outcome !== 'unknown' || typeof body?.idempotency_key === 'string',
      'unknown names the key to retry with',
    );
  }
  if (path.startsWith('/v1/')) flaws.push(...spellingFlaws(body, ''));
  return flaws;
}

const amountNames = new Set(
  'amount available held overage remaining requested affordable shortfall settled released voided'.split(' ').concat(
    ['available_after', 'held_after', 'overage_after'], // of entries
  ),
);
const ownNames = new Set(['metadata', 'labels', 'data', 'scope']);
const amountSpelling = /^-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?$/;

/** Amounts without trailing zeros, instants in UTC with milliseconds, names in snake_case. */
function spellingFlaws(value: unknown, at: string): string[] {
  if (Array.isArray(value)) return value.flatMap((item, index) => spellingFlaws(item, `${at}[${index}]`));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => {
    const here = `${at}.${name}`;
    if (!/^[a-z][a-z0-9_]*$/.test(name)) return [`${here} is not snake_case`];
    if (ownNames.has(name) && !Array.isArray(inner)) return [];
    if (inner === null || inner === undefined) return [];
    if (amountNames.has(name)) {
      const isRight = typeof inner === 'string' && amountSpelling.test(inner) && inner !== '-0';
      return isRight ? [] : [`${here}: ${JSON.stringify(inner)} is not an amount as it is spelled in replies`];
    }
    if ((name.endsWith('_at') && name !== 'alert_at') || name === 'as_of') {
      return instant.test(String(inner)) ? [] : [`${here}: ${JSON.stringify(inner)} is no UTC time with milliseconds`];
    }
    return spellingFlaws(inner, here);
  });
}

type Request = { method: string; path: string; body: unknown };

export function documentFlaws(document: OpenApi, { method, path, body }: Request, reply: Reply): string[] {
  const template = templateOf(document, path);
  const operation = template === undefined ? undefined : document.paths[template]?.[method.toLowerCase()];
  if (!operation) return reply.status < 400 ? [`/openapi.json has no ${method} ${path}`] : [];
  const response = operation.responses[String(reply.status)];
  if (!response) return [`/openapi.json has no ${reply.status} for ${method} ${template}`];
  const flaws: string[] = [];
  const type = (reply.headers.get('content-type') ?? '').split(';')[0] ?? '';
  if (response.content === undefined) {
    if (reply.text !== '') flaws.push(`/openapi.json has no body for ${reply.status}`);
  } else {
    const schema: JsonSchema | undefined = response.content[type]?.schema;
    if (!schema) flaws.push(`/openapi.json has no ${type} for ${reply.status}`);
    else flaws.push(...flawsOf(document, schema, type.endsWith('json') ? reply.body : reply.text));
  }
  if (reply.status < 400 && method !== 'GET') {
    const schema: JsonSchema | undefined = operation.requestBody?.content['application/json'].schema;
    const sent = typeof body === 'string' ? JSON.parse(body || '{}') : (body ?? {});
    if (schema && method !== 'DELETE') {
      flaws.push(...flawsOf(document, schema, sent).map((flaw) => `accepted, though not documented: ${flaw}`));
    }
  }
  return flaws;
}

const matchers = new WeakMap<OpenApi, [template: string, matches: RegExp][]>();

/** The path in the document that this one is an instance of. */
function templateOf(document: OpenApi, path: string): string | undefined {
  let known = matchers.get(document);
  if (!known) {
    known = Object.keys(document.paths).map((name) => [name, new RegExp(`^${name.replace(/\{[^}]+\}/g, '[^/]+')}$`)]);
    matchers.set(document, known);
  }
  const bare = path.split('?')[0] ?? '';
  return known.find(([, matches]) => matches.test(bare))?.[0];
}
