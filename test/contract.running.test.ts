// The contract of what every reply has, of the routes that need no key, and of the document that describes it all.
import { describe, expect, test } from 'vitest';
import { type JsonSchema, resolve } from './contract.schema.ts';
import { expectFieldError, expectProblem, expectReplied, startContract } from './contract.client.ts';
import { onCluster } from './stores.ts';

const farebox = await startContract();
const { as, client, customer, document, hold, walletOf } = farebox;
const nobody = as(undefined);

// Every route of the contract that is in this version: money in and events are to come.
const routes = [
  'POST /v1/customers',
  'GET /v1/customers',
  'GET /v1/customers/{}',
  'PATCH /v1/customers/{}',
  'POST /v1/assets',
  'GET /v1/assets',
  'GET /v1/assets/{}',
  'POST /v1/customers/{}/grants',
  'GET /v1/customers/{}/grants',
  'GET /v1/customers/{}/grants/{}',
  'POST /v1/customers/{}/grants/{}/void',
  'POST /v1/customers/{}/budgets',
  'GET /v1/customers/{}/budgets',
  'GET /v1/customers/{}/budgets/{}',
  'PATCH /v1/customers/{}/budgets/{}',
  'DELETE /v1/customers/{}/budgets/{}',
  'POST /v1/keys',
  'GET /v1/keys',
  'DELETE /v1/keys/{}',
  'GET /v1/customers/{}/wallet',
  'POST /v1/customers/{}/wallet/freeze',
  'POST /v1/customers/{}/wallet/unfreeze',
  'POST /v1/authorize',
  'POST /v1/holds/{}/settle',
  'POST /v1/holds/{}/release',
  'POST /v1/holds/{}/extend',
  'GET /v1/holds/{}',
  'POST /v1/charge',
  'GET /v1/customers/{}/entries',
  'GET /livez',
  'GET /readyz',
  'GET /metrics',
  'GET /openapi.json',
  'GET /docs',
];

const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item)
    .filter(([method]) => /^(get|post|put|patch|delete)$/.test(method))
    .map(([method, operation]) => ({ route: `${method.toUpperCase()} ${path}`, path, method, operation })),
);

describe('the OpenAPI document', () => {
  test('is OpenAPI 3.1 and JSON, and needs no key', async () => {
    const reply = await nobody.get('/openapi.json');
    expectReplied(reply, 200);
    expect(reply.headers.get('content-type')).toMatch(/^application\/json/);
    expect(reply.body.openapi).toMatch(/^3\.1\./);
    expect(reply.body.info).toMatchObject({ title: expect.any(String), version: expect.any(String) });
  });

  test.each(routes)('has %s', (route) => {
    expect(operations.map((each) => each.route.replace(/\{[^}]+\}/g, '{}'))).toContain(route);
  });

  test('describes every parameter, body and reply of every route', () => {
    for (const { route, path, method, operation } of operations) {
      const { parameters = [], requestBody, responses, summary, security } = operation;
      expect({ route, summary }).toEqual({ route, summary: expect.stringMatching(/./) });
      const inPath = parameters.filter((each: any) => each.in === 'path').map(({ name }: any) => name);
      expect({ route, inPath }).toEqual({ route, inPath: [...path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => name) });
      const statuses = Object.keys(responses);
      expect(statuses.some((status) => status.startsWith('2'))).toBe(true);
      if (!path.startsWith('/v1/')) continue;
      expect(security?.length).toBeGreaterThan(0);
      expect(statuses).toEqual(expect.arrayContaining(['401', '403', '503']));
      if (method === 'post') {
        expect({ route, requestBody }).toEqual({ route, requestBody: expect.anything() });
        expect(statuses).toEqual(expect.arrayContaining(['400', '413', '415', '422']));
        const headers = parameters
          .filter((each: any) => each.in === 'header')
          .map(({ name }: any) => name.toLowerCase());
        expect(headers).toContain('idempotency-key');
      }
      const lists = /\/(customers|assets|keys|grants|entries)$/.test(path) && method === 'get';
      const inQuery = parameters.filter((each: any) => each.in === 'query').map(({ name }: any) => name);
      if (lists) expect(inQuery).toEqual(expect.arrayContaining(['limit', 'cursor']));
      if (path.endsWith('/entries')) expect(inQuery).toEqual(expect.arrayContaining(['asset', 'kind', 'from', 'to']));
    }
  });

  test('has each reference lead somewhere, and each operation its own id', () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, to]) => to!);
    for (const reference of references) expect(resolve(document, { $ref: reference })).toBeDefined();
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test.each([
    ['POST /v1/authorize', 402, ['insufficient_balance', 'wallet_in_overage']],
    ['POST /v1/authorize', 403, ['missing_scope', 'wallet_frozen']],
    ['POST /v1/authorize', 404, ['customer_not_found']],
    ['POST /v1/authorize', 422, ['amount_too_large', 'idempotency_conflict', 'unknown_asset', 'no_price']],
    ['POST /v1/authorize', 429, ['too_many_holds']],
    ['POST /v1/charge', 402, ['insufficient_balance', 'wallet_in_overage']],
    ['POST /v1/charge', 422, ['amount_too_large', 'idempotency_conflict', 'unknown_asset', 'no_price']],
    ['POST /v1/holds/{hold_id}/settle', 409, ['hold_closed']],
    [
      'POST /v1/holds/{hold_id}/settle',
      422,
      ['amount_too_large', 'exceeds_hold', 'idempotency_conflict', 'unknown_asset'],
    ],
    ['POST /v1/holds/{hold_id}/extend', 402, ['insufficient_balance']],
    ['POST /v1/holds/{hold_id}/extend', 409, ['hold_closed']],
    ['POST /v1/customers', 409, ['customer_exists']],
    ['POST /v1/customers/{customer_id}/grants', 422, ['amount_too_large', 'balance_limit', 'unknown_asset']],
  ])('names what %s answers with %i', (route, status, codes) => {
    const { operation } = operations.find((each) => each.route === route)!;
    const schema = operation.responses[status].content['application/problem+json'].schema;
    expect(codesOf(schema)).toEqual(expect.arrayContaining(codes));
  });
});

function codesOf(schema: JsonSchema): string[] {
  const { properties, allOf = [], anyOf = [], oneOf = [] } = resolve(document, schema);
  const own: string[] = properties?.code?.enum ?? [properties?.code?.const].filter(Boolean);
  return [...own, ...[...allOf, ...anyOf, ...oneOf].flatMap(codesOf)];
}

describe('without a key', () => {
  test('livez answers', async () => {
    expectReplied(await nobody.get('/livez'), 200);
    expectReplied(await as('nonsense').get('/livez'), 200);
  });

  test('readyz answers, in JSON, for each dependency', async () => {
    const { status, body } = await nobody.get('/readyz');
    expect(status).toBe(200);
    expect(JSON.stringify(body)).toMatch(/redis/);
    expect(JSON.stringify(body)).toMatch(/postgres/);
    expect(JSON.stringify(body)).not.toMatch(/:\/\/|password/);
  });

  test('metrics answers, for Prometheus', async () => {
    const { status, headers, text } = await nobody.get('/metrics');
    expect(status).toBe(200);
    expect(headers.get('content-type')).toMatch(/^text\/plain/);
    const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(samples.length).toBeGreaterThan(10);
    for (const sample of samples) expect(sample).toMatch(/^[a-zA-Z_:][a-zA-Z0-9_:]*(\{.*\})? \S+( \d+)?$/);
  });

  test('metrics name no customer', async () => {
    await customer('secret-customer', '1');
    await hold('secret-customer', '1');
    expect((await nobody.get('/metrics')).text).not.toContain('secret-customer');
  });

  test('docs is a page that loads nothing from other hosts', async () => {
    const { status, headers, text } = await nobody.get('/docs');
    expect(status).toBe(200);
    expect(headers.get('content-type')).toMatch(/^text\/html/);
    expect(text.length).toBeGreaterThan(1_000);
    const loaded = [
      ...text.matchAll(
        /<(?:script|link|img|iframe|source|object|embed|base)\b[^>]*?\b(?:src|href|data)\s*=\s*["']?([^"'\s>]+)/gi,
      ),
    ];
    for (const [, address] of loaded) expect(address).not.toMatch(/^(https?:)?\/\//);
    expect(text).not.toMatch(/@import|url\(\s*["']?(https?:)?\/\/|\bfetch\(\s*["'`]https?:|\bimport\(\s*["'`]https?:/i);
  });

  test('docs shows every route of the contract', async () => {
    const { text } = await nobody.get('/docs');
    const words = text
      .replaceAll(/<[^>]*>/g, '')
      .replaceAll('&#47;', '/')
      .replaceAll(/[{}]/g, '');
    for (const path of new Set(routes.map((route) => route.split(' ')[1]!.split('/{}')[0]!)))
      expect(words).toContain(path);
  });

  test("the operators' pages want a login, and take it", async () => {
    for (const path of ['/admin/queues', '/admin/queues/', '/admin/queues/api/queues']) {
      const refused = await fetch(`${client.url}${path}`, { redirect: 'manual' });
      expect(refused.status).toBe(401);
      expect(refused.headers.get('www-authenticate')).toMatch(/^Basic/i);
      const wrong = { authorization: `Basic ${btoa('admin:wrong')}` };
      expect((await fetch(`${client.url}${path}`, { headers: wrong, redirect: 'manual' })).status).toBe(401);
      const withKey = { authorization: `Bearer ${farebox.key}` };
      expect((await fetch(`${client.url}${path}`, { headers: withKey, redirect: 'manual' })).status).toBe(401);
    }
    const right = { authorization: `Basic ${btoa('admin:operator')}` };
    expect((await fetch(`${client.url}/admin/queues`, { headers: right })).status).toBe(200);
  });
});

describe('every reply', () => {
  const requestIdOf = async (path: string) => (await fetch(`${client.url}${path}`)).headers.get('x-request-id');

  test.each(['/livez', '/readyz', '/metrics', '/openapi.json', '/docs', '/nowhere', '/v1/nowhere', '/v1/customers'])(
    'of %s carries x-request-id, its own',
    async (path) => {
      const ids = [await requestIdOf(path), await requestIdOf(path)];
      expect(ids).toEqual([expect.stringMatching(/./), expect.stringMatching(/./)]);
      expect(ids[0]).not.toBe(ids[1]);
    },
  );

  test("of the operators' pages carries x-request-id", async () => {
    expect(await requestIdOf('/admin/queues')).toEqual(expect.stringMatching(/./));
  });

  test('of a path that does not exist is a problem too', async () => {
    for (const path of ['/', '/v1', '/v1/nowhere', '/v2/customers', '/v1/customers/a/b', '/v1//customers', '/docs/x']) {
      expectProblem(await client.get(path), 404, 'not_found');
    }
    expectProblem(await client.post('/v1/nowhere', {}), 404, 'not_found');
  });
});

describe('problems', () => {
  test('lead to where each code is explained', async () => {
    const seen = [
      await client.get('/nowhere'),
      await client.get('/v1/customers/nobody'),
      await client.post('/v1/authorize', {}),
      await client.post('/v1/authorize', { customer_id: await customer('poor'), asset: 'USD', amount: '1' }),
      await nobody.get('/v1/customers'),
    ];
    for (const { body } of seen) {
      const { pathname, hash } = new URL(body.type, client.url);
      const page = await nobody.get(pathname);
      expectReplied(page, 200);
      expect(page.text).toContain(body.code);
      expect(page.text).toContain(`id="${hash.slice(1)}"`);
    }
  });

  test('name every field that is wrong', async () => {
    const reply = await client.post('/v1/authorize', { asset: 7, amount: '1', mode: 'x', labels: { a: 1 } });
    expectProblem(reply, 422, 'invalid_request');
    for (const error of reply.body.errors) {
      expect(error).toEqual({ path: expect.any(String), message: expect.stringMatching(/./) });
    }
    for (const field of ['customer_id', 'asset', 'mode', 'labels']) expectFieldError(reply, field);
  });
});

// The last: it takes Redis away.
describe.skipIf(onCluster)('without Redis', () => {
  test('nothing is approved: 503, with what became of it and when to come again', { timeout: 60_000 }, async () => {
    const id = await customer('closed', '10');
    const { id: holdId } = await hold(id, '1');
    const before = await walletOf(id);
    await farebox.redis.kill();
    const spend = { customer_id: id, asset: 'USD', amount: '1' };
    const asked: [string, object][] = [
      ['/v1/authorize', spend],
      ['/v1/authorize', { ...spend, amount: '0' }],
      ['/v1/charge', spend],
      ['/v1/authorize', { ...spend, mode: 'shadow' }],
      [`/v1/holds/${holdId}/settle`, { amount: '1' }],
      [`/v1/holds/${holdId}/release`, {}],
      [`/v1/customers/${id}/grants`, { asset: 'USD', amount: '1' }],
    ];
    const replies = await Promise.all(
      asked.map(([path, body], at) => client.post(path, body, { 'idempotency-key': `${at}` })),
    );
    for (const [at, { status, body, headers }] of replies.entries()) {
      expect({ status, retryable: body.retryable }).toEqual({ status: 503, retryable: true });
      expect(['not_applied', 'unknown']).toContain(body.outcome);
      expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
      if (body.outcome === 'unknown') expect(body.idempotency_key).toBe(`${at}`);
    }
    expectReplied(await client.get(`/v1/customers/${id}/wallet`), 503);
    expectReplied(await nobody.get('/livez'), 200);
    await expect.poll(async () => (await nobody.get('/readyz')).status, { timeout: 10_000 }).toBe(503);
    await farebox.redis.restart();
    await expect.poll(async () => (await nobody.get('/readyz')).status, { timeout: 20_000 }).toBe(200);
    // The grant was written before Redis was asked, and a worker sees it through: repeated, it is there, once.
    const [path, body] = asked.at(-1)!;
    const repeat = () => client.post(path, body, { 'idempotency-key': String(asked.length - 1) });
    expectReplied(await repeat(), 201);
    expect((await repeat()).headers.get('idempotent-replayed')).toBe('true');
    const [{ grants, ...account }] = before.accounts;
    const granted = expect.objectContaining({ remaining: '1', held: '0' });
    expect(await walletOf(id)).toEqual({
      ...before,
      version: before.version + 1,
      accounts: [{ ...account, available: '10', grants: [granted, ...grants] }],
    });
    expectReplied(await client.post('/v1/authorize', spend), 200);
    expect((await walletOf(id)).accounts[0].available).toBe('9');
  });
});
