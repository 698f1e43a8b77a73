// The contract of keys: what a key may do, until when, and that it sees nothing of other environments.
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { openDatabase } from '../src/db/connect.ts';
import { createEnvironment } from '../src/db/environments.ts';
import { createKey } from '../src/db/keys.ts';
import {
  expectFieldError,
  expectProblem,
  expectReplied,
  fromNow,
  instant,
  pagesOf,
  sleepUntil,
  startContract,
} from './contract.client.ts';
import type { Client } from './farebox.ts';

const farebox = await startContract();
const { as, client, customer, grant, hold, walletOf } = farebox;

const allScopes = ['authorize', 'read', 'credit', 'catalog', 'admin'] as const;
type Scope = (typeof allScopes)[number];

const makeKey = async (scopes: readonly Scope[], more: object = {}) => {
  const reply = await client.post('/v1/keys', { name: scopes.join('+'), scopes, ...more });
  expectReplied(reply, 201);
  return reply.body;
};

/** API.md: refused everywhere within 5 s. */
const revocationBoundMs = 5_000;

async function untilRefused(revoked: Client, sinceMs: number): Promise<number> {
  while ((await revoked.get('/v1/assets')).status !== 401) {
    if (Date.now() - sinceMs > 2 * revocationBoundMs) break;
    await sleep(50);
  }
  return Date.now() - sinceMs;
}

describe('a key', () => {
  test('has its secret in the reply that made it, and nowhere else', async () => {
    const expires_at = '2099-01-01T00:00:00.000Z';
    const made = await makeKey(['authorize', 'read'], { name: 'proxy', expires_at });
    expect(made).toEqual({
      id: expect.any(String),
      name: 'proxy',
      scopes: ['authorize', 'read'],
      created_at: expect.stringMatching(instant),
      expires_at,
      secret: expect.stringMatching(/^fb_test_\S{24,}$/),
    });
    const listed = await client.get('/v1/keys?limit=100');
    const { secret, ...shown } = made;
    expect(listed.body.data).toContainEqual(shown);
    expect(listed.text).not.toContain(secret);
    expect(listed.text).not.toContain('secret');
    expect(listed.text).not.toContain(farebox.key);
    expect((await as(secret).get('/v1/assets')).status).toBe(200);
  });

  test('works at once, and two are two', async () => {
    const made = await Promise.all(Array.from({ length: 5 }, () => makeKey(['read'])));
    expect(new Set(made.map(({ id }) => id)).size).toBe(5);
    expect(new Set(made.map(({ secret }) => secret)).size).toBe(5);
    for (const { secret } of made) expect((await as(secret).get('/v1/assets')).status).toBe(200);
  });

  test('lists are newest first, each once, whatever the page', async () => {
    const made = [await makeKey(['read']), await makeKey(['read']), await makeKey(['read'])];
    const listed = (await pagesOf(client, '/v1/keys?limit=2')).flat().map(({ id }) => id);
    expect(listed.slice(0, 3)).toEqual(made.map(({ id }) => id).reverse());
    expect(new Set(listed).size).toBe(listed.length);
  });

  test.each([
    [{ name: undefined }, 'name'],
    [{ name: '' }, 'name'],
    [{ name: 7 }, 'name'],
    [{ scopes: undefined }, 'scopes'],
    [{ scopes: 'read' }, 'scopes'],
    [{ scopes: ['root'] }, 'scopes'],
    [{ scopes: [] }, 'scopes'],
    [{ scopes: ['read', null] }, 'scopes'],
    [{ expires_at: 'never' }, 'expires_at'],
    [{ secret: 'fb_test_000000000000000000000000' }, 'secret'],
  ])('with %j is refused, and %s is named', async (change, field) => {
    expectFieldError(await client.post('/v1/keys', { name: 'refused', scopes: ['read'], ...change }), field);
  });

  test('a repeated request with an Idempotency-Key makes no second one, and shows the same secret', async () => {
    const headers = { 'idempotency-key': 'make a key' };
    const first = await client.post('/v1/keys', { name: 'once', scopes: ['read'] }, headers);
    const again = await client.post('/v1/keys', { scopes: ['read'], name: 'once' }, headers);
    expect(again.body).toEqual(first.body);
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    const named = (await pagesOf(client, '/v1/keys?limit=100')).flat().filter(({ name }) => name === 'once');
    expect(named).toHaveLength(1);
  });
});

describe('without a good key', () => {
  test.each([
    ['nothing', undefined],
    ['an unknown key', `fb_test_${'0'.repeat(48)}`],
    ['a key that lacks its last character', farebox.key.slice(0, -1)],
    ['a key with a character more', `${farebox.key}0`],
    ['a key in another case', farebox.key.toUpperCase()],
  ])('%s is 401, for every route that exists', async (_, key) => {
    for (const [path, operations] of Object.entries(farebox.document.paths)) {
      if (!path.startsWith('/v1/')) continue;
      for (const method of Object.keys(operations).filter((name) => name !== 'parameters')) {
        const concrete = path.replace(/\{[^}]+\}/g, 'any');
        const reply = await as(key).send(method.toUpperCase(), concrete, method === 'get' ? undefined : {});
        expectProblem(reply, 401, 'unauthorized');
      }
    }
  });
});

// What each scope is for, route by route, as far as the contract's words go.
const requests: [scope: Scope, method: string, path: string, body?: object][] = [
  ['authorize', 'POST', '/v1/authorize', { customer_id: 'scopes', asset: 'USD', amount: '0' }],
  ['authorize', 'POST', '/v1/charge', { customer_id: 'scopes', asset: 'USD', amount: '0' }],
  ['authorize', 'POST', '/v1/holds/hold_x/settle', { amount: '0' }],
  ['authorize', 'POST', '/v1/holds/hold_x/release', {}],
  ['authorize', 'POST', '/v1/holds/hold_x/extend', { ttl_ms: 1_000 }],
  ['read', 'GET', '/v1/customers'],
  ['read', 'GET', '/v1/customers/scopes'],
  ['read', 'GET', '/v1/customers/scopes/wallet'],
  ['read', 'GET', '/v1/customers/scopes/grants'],
  ['read', 'GET', '/v1/customers/scopes/entries'],
  ['read', 'GET', '/v1/assets'],
  ['credit', 'POST', '/v1/customers/scopes/grants', { asset: 'USD', amount: '1' }],
  ['catalog', 'POST', '/v1/assets', { code: 'SCOPED', scale: 0, kind: 'custom' }],
  ['admin', 'POST', '/v1/keys', { name: 'more', scopes: ['admin'] }],
  ['admin', 'DELETE', '/v1/keys/key_x'],
];

describe('scopes', () => {
  test('each allows its own and nothing else; admin allows all', async () => {
    await customer('scopes');
    const keys = new Map<Scope, Client>();
    for (const scope of allScopes) keys.set(scope, as((await makeKey([scope])).secret));
    for (const [needed, method, path, body] of requests) {
      for (const [scope, keyed] of keys) {
        const reply = await keyed.send(method, path, body);
        const allowed = scope === needed || scope === 'admin';
        const isRefused = reply.status === 403 && reply.body.code === 'missing_scope';
        expect({ scope, method, path, isRefused }).toEqual({ scope, method, path, isRefused: !allowed });
        expect(reply.status).not.toBe(401);
      }
    }
  });

  test('several in one key add up', async () => {
    const keyed = as((await makeKey(['credit', 'read'])).secret);
    await customer('adding-up');
    expect((await keyed.post('/v1/customers/adding-up/grants', { asset: 'USD', amount: '1' })).status).toBe(201);
    expect((await keyed.get('/v1/customers/adding-up/wallet')).status).toBe(200);
    const spend = { customer_id: 'adding-up', asset: 'USD', amount: '1' };
    expectProblem(await keyed.post('/v1/authorize', spend), 403, 'missing_scope');
    expect((await walletOf('adding-up')).accounts[0].available).toBe('1');
  });
});

describe.concurrent('the end of a key', () => {
  test('a revoked key is refused within five seconds, and stays so', async () => {
    const made = await makeKey(['read']);
    const revoked = as(made.secret);
    expect((await revoked.get('/v1/assets')).status).toBe(200);
    const sinceMs = Date.now();
    const reply = await client.send('DELETE', `/v1/keys/${made.id}`);
    expect(reply.status).toBeGreaterThanOrEqual(200);
    expect(reply.status).toBeLessThan(300);
    expect(await untilRefused(revoked, sinceMs)).toBeLessThan(revocationBoundMs);
    for (let count = 0; count < 10; count++) {
      expectProblem(await revoked.get('/v1/assets'), 401, 'unauthorized');
      await sleep(100);
    }
    expect((await client.get('/v1/assets')).status).toBe(200);
  });

  test('an expired key is refused', async () => {
    const expires_at = fromNow(1_500);
    const made = await makeKey(['read'], { expires_at });
    const expiring = as(made.secret);
    expect((await expiring.get('/v1/assets')).status).toBe(200);
    await sleepUntil(expires_at);
    expect(await untilRefused(expiring, Date.parse(expires_at))).toBeLessThan(revocationBoundMs);
  });

  test('a key that does not exist can not be revoked', async () => {
    for (const id of ['key_nobody', 'x', '00000000-0000-0000-0000-000000000000']) {
      expectProblem(await client.send('DELETE', `/v1/keys/${id}`), 404, 'key_not_found');
    }
  });

  test('a key may revoke itself', async () => {
    const made = await makeKey(['admin']);
    const sinceMs = Date.now();
    const reply = await as(made.secret).send('DELETE', `/v1/keys/${made.id}`);
    expect(reply.status).toBeLessThan(300);
    expect(await untilRefused(as(made.secret), sinceMs)).toBeLessThan(revocationBoundMs);
  });
});

describe('environments', () => {
  const sql = openDatabase(farebox.config.databaseUrl, { connectionsMax: 1, name: 'test' });
  const elsewhere = async (mode: 'test' | 'live' = 'live'): Promise<Client> => {
    const environment = await createEnvironment(sql, { name: 'other', mode });
    const terms = { name: 'first', scopes: [...allScopes], expiresAtMs: undefined };
    const { secret } = await createKey(sql, environment.id, terms);
    expect(secret).toMatch(new RegExp(`^fb_${mode}_`));
    return as(secret);
  };

  test('a key sees nothing of another one: what exists there is 404 here, and stays as it is', async () => {
    const other = await elsewhere();
    const id = await customer('private', '10');
    const granted = await grant(id, '5');
    const held = await hold(id, '3');
    const key = await makeKey(['read']);
    await client.post('/v1/assets', { code: 'PRIVATE', scale: 0, kind: 'custom' });
    const before = await walletOf(id);

    const notFound = async (code: string, method: string, path: string, body?: object) =>
      expectProblem(await other.send(method, path, body), 404, code);
    for (const part of ['', '/wallet', '/grants', '/entries']) {
      await notFound('customer_not_found', 'GET', `/v1/customers/private${part}`);
    }
    await notFound('customer_not_found', 'PATCH', '/v1/customers/private', { name: 'mine' });
    await notFound('customer_not_found', 'POST', '/v1/customers/private/grants', { asset: 'USD', amount: '1' });
    await notFound('customer_not_found', 'POST', '/v1/customers/private/wallet/freeze', {});
    await notFound('customer_not_found', 'POST', '/v1/authorize', { customer_id: id, asset: 'USD', amount: '1' });
    await notFound('customer_not_found', 'POST', '/v1/charge', { customer_id: id, asset: 'USD', amount: '1' });
    await notFound('hold_not_found', 'GET', `/v1/holds/${held.id}`);
    await notFound('hold_not_found', 'POST', `/v1/holds/${held.id}/settle`, { amount: '1' });
    await notFound('hold_not_found', 'POST', `/v1/holds/${held.id}/release`, {});
    await notFound('hold_not_found', 'POST', `/v1/holds/${held.id}/extend`, { ttl_ms: 80_000, amount: '1' });
    await notFound('key_not_found', 'DELETE', `/v1/keys/${key.id}`);
    expectProblem(await other.get('/v1/assets/PRIVATE'), 422, 'unknown_asset');
    expect((await other.get(`/v1/customers/private/grants/${granted.id}`)).status).toBe(404);
    expect((await other.post(`/v1/customers/private/grants/${granted.id}/void`, {})).status).toBe(404);

    for (const list of ['customers', 'keys', 'assets']) {
      expect((await other.get(`/v1/${list}?limit=100`)).text).not.toMatch(/private|PRIVATE|bootstrap/);
    }
    expect(await walletOf(id)).toEqual(before);
    expect((await as(key.secret).get('/v1/assets')).status).toBe(200);
  });

  test('the same customer id, asset code and Idempotency-Key there are others', async () => {
    const other = await elsewhere('test');
    await customer('shared', '10');
    await client.post('/v1/assets', { code: 'SHARED', scale: 0, kind: 'custom' });
    expect((await other.post('/v1/customers', { id: 'shared', name: 'theirs' })).status).toBe(201);
    expect((await other.post('/v1/assets', { code: 'SHARED', scale: 3, kind: 'custom' })).status).toBe(201);
    expect((await client.get('/v1/assets/SHARED')).body.scale).toBe(0);
    expect((await other.get('/v1/customers/shared/wallet')).body).toMatchObject({ version: 0, accounts: [] });

    const spend = { customer_id: 'shared', asset: 'USD', amount: '4' };
    const headers = { 'idempotency-key': 'same' };
    expect((await client.post('/v1/charge', spend, headers)).status).toBe(200);
    expect((await other.post('/v1/charge', spend, headers)).status).toBe(402);
    const credit = { asset: 'USD', amount: '5' };
    expect((await client.post('/v1/customers/shared/grants', credit, headers)).status).toBe(201);
    const theirs = await other.post('/v1/customers/shared/grants', { ...credit, amount: '1' }, headers);
    expect(theirs.body).toMatchObject({ amount: '1', remaining: '1' });
    expect((await walletOf('shared')).accounts[0].available).toBe('11');
    expect((await other.get('/v1/customers/shared/wallet')).body.accounts[0].available).toBe('1');
  });

  test('a cursor from there is of no use here', async () => {
    const other = await elsewhere();
    for (let count = 0; count < 3; count++) await other.post('/v1/customers', { id: `theirs-${count}` });
    const { next_cursor } = (await other.get('/v1/customers?limit=1')).body;
    const reply = await client.get(`/v1/customers?limit=100&cursor=${encodeURIComponent(next_cursor)}`);
    expect(reply.text).not.toContain('theirs');
  });

  test('the shell makes one, with its first key', async () => {
    const main = fileURLToPath(new URL('../dist/src/main.js', import.meta.url));
    const { databaseUrl, redisUrl, queueRedisUrl } = farebox.config;
    const urls = { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl, QUEUE_REDIS_URL: queueRedisUrl };
    const env = { ...process.env, ...urls };
    const shell = (...args: string[]) => promisify(execFile)(process.execPath, [main, ...args], { env });
    const { stdout } = await shell('environment', 'create', 'staging', '--mode', 'live');
    const secret = /fb_live_\S+/.exec(stdout)?.[0];
    expect(secret).toBeDefined();
    const there = as(secret);
    expect((await there.get('/v1/customers')).body).toEqual({ data: [], next_cursor: null });
    expect((await there.get('/v1/assets/USD')).body).toMatchObject({ scale: 9 });
    expect((await there.post('/v1/customers', { id: 'shell' })).status).toBe(201);
    expect((await there.post('/v1/keys', { name: 'second', scopes: ['read'] })).body.secret).toMatch(/^fb_live_/);
    await expect(shell('environment', 'create', 'staging', '--mode', 'play')).rejects.toThrow();
    await sql.end();
  });
});
