// How requests are read: who may, with what, in which shape; before anything is asked of a store.
import { describe, expect, test } from 'vitest';
import { table } from '../src/api/app.ts';
import { splitRow } from '../src/api/table.ts';
import type { Scope } from '../src/records.ts';
import { toAtoms } from '../src/units.ts';
import { ask, expiredSecret, holdId, secretOf, stubApp } from './api.stub.ts';
import { matches } from './path.ts';

const rows = table.map(splitRow);
const keyed = rows.filter((row) => row.access !== 'public');
const example: Record<string, string> = {
  customer_id: 'user_42',
  grant_id: 'grt_1',
  hold_id: holdId,
  key_id: 'key_1',
  code: 'USD',
};
const concrete = (path: string): string => path.replace(/\{([a-z_]+)\}/g, (_, name: string) => example[name] ?? name);
const money = { customer_id: 'user_42', asset: 'USD', amount: '1' };

describe('who may', () => {
  test.each(keyed)('$method $path needs a key, with its scope or admin', async ({ method, path, access }) => {
    const { app } = stubApp();
    const all: Scope[] = ['authorize', 'read', 'credit', 'catalog'];
    // A wrong type stops what is let through before a store is asked.
    const sent = {
      method,
      ...(method !== 'GET' && method !== 'DELETE' && { body: '1', headers: { 'content-type': 'a/b' } }),
    };
    expect(await ask(app, concrete(path), { ...sent, secret: null })).toMatchObject({
      status: 401,
      code: 'unauthorized',
    });
    for (const scope of all) {
      const { status, reply } = await ask(app, concrete(path), { ...sent, secret: secretOf(scope) });
      if ((access as Scope[]).includes(scope)) expect([401, 403]).not.toContain(status);
      else expect(reply).toMatchObject({ code: 'missing_scope', detail: expect.stringContaining(`\`${access[0]}\``) });
    }
    expect([401, 403]).not.toContain((await ask(app, concrete(path), sent)).status);
  });

  test.each([
    ['no header', undefined],
    ['nothing', ''],
    ['another scheme', 'Basic dXNlcjpwYXNz'],
    ['no key', 'Bearer'],
    ['no key but a space', 'Bearer '],
    ['a key in two', 'Bearer fb_test_ad min'],
    ['an unknown key', 'Bearer fb_live_0'],
    ['an expired key', `Bearer ${expiredSecret}`],
    ['a key cut off', 'Bearer fb_test_'],
  ])('%s is 401, and says how to authenticate', async (_, authorization) => {
    const headers = authorization === undefined ? {} : { authorization };
    const reply = await ask(stubApp().app, '/v1/keys', { secret: null, headers });
    expect(reply).toMatchObject({ status: 401, code: 'unauthorized' });
    expect(reply.headers.get('www-authenticate')).toBe('Bearer');
  });

  test('the scheme is read in any case', async () => {
    const { app } = stubApp();
    for (const scheme of ['Bearer', 'bearer', 'BEARER']) {
      const headers = { authorization: `${scheme} ${secretOf('admin')}` };
      expect((await ask(app, '/v1/assets', { secret: null, headers })).status).toBe(200);
    }
  });

  test('while keys can not be looked up, nobody is told that theirs is wrong', async () => {
    const { app } = stubApp({ authenticate: () => Promise.reject(new Error('unreachable')) });
    const { status, reply, headers } = await ask(app, '/v1/authorize', { body: money });
    expect(status).toBe(503);
    expect(reply).toMatchObject({ code: 'unavailable', outcome: 'not_applied', retryable: true });
    expect(headers.get('retry-after')).toBe('1');
  });
});

describe('the path', () => {
  test.each(rows)('$method $path answers other methods with 405 and what it takes', async ({ path }) => {
    const { app } = stubApp();
    const taken = rows.filter((row) => matches(row.path, concrete(path))).map((row) => row.method as string);
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].filter((one) => !taken.includes(one))) {
      const { status, code, headers } = await ask(app, concrete(path), { method });
      expect({ method, status, code }).toEqual({ method, status: 405, code: 'method_not_allowed' });
      expect(headers.get('allow')?.split(', ')).toEqual(expect.arrayContaining([...taken, 'OPTIONS']));
    }
    const options = await ask(app, concrete(path), { method: 'OPTIONS', secret: null });
    expect(options.status).toBe(204);
    expect(options.headers.get('allow')?.split(', ')).toEqual(expect.arrayContaining(taken));
  });

  test.each(['/', '/v1', '/v2/authorize', '/v1/authorize/', '//v1/authorize', '/v1/authorize/x', '/V1/authorize'])(
    '%s is no route',
    async (path) => expect(await ask(stubApp().app, path)).toMatchObject({ status: 404, code: 'not_found' }),
  );

  test.each([
    ['/v1/customers/%', 'customer_not_found'],
    ['/v1/customers/%zz', 'customer_not_found'],
    ['/v1/customers/%00', 'customer_not_found'],
    ['/v1/customers/%ff', 'customer_not_found'],
    ['/v1/customers/%F0%9F%98', 'customer_not_found'],
    ['/v1/customers/a%2Fb', 'customer_not_found'],
    ['/v1/customers/a%20b', 'customer_not_found'],
    ['/v1/customers/_a', 'customer_not_found'],
    [`/v1/customers/${'a'.repeat(129)}`, 'customer_not_found'],
    ['/v1/customers/%E2%80%AE/wallet', 'customer_not_found'],
    ['/v1/customers/user_42/grants/%00', 'grant_not_found'],
    ['/v1/holds/%00', 'hold_not_found'],
    ['/v1/holds/hold_1', 'hold_not_found'],
    [`/v1/holds/${holdId.replace('1.1.7', '2.1.7')}`, 'hold_not_found'],
    ['/v1/assets/%00', 'unknown_asset'],
    ['/v1/assets/usd', 'unknown_asset'],
    ['/v1/assets/EUR', 'unknown_asset'],
  ])('%s is %s', async (path, code) => expect((await ask(stubApp().app, path)).code).toBe(code));

  test('an id may be written with escapes', async () => {
    const { app } = stubApp();
    expect(await ask(app, '/v1/assets/%55SD')).toMatchObject({ status: 200, reply: { code: 'USD' } });
  });

  test('HEAD answers as GET, without the body', async () => {
    const head = await stubApp().app.request('/livez', { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
  });
});

describe('x-request-id', () => {
  test('is the one of the request where that is a sane one', async () => {
    const { app } = stubApp();
    const idFor = async (sent: string): Promise<string | null> =>
      (await ask(app, '/livez', { headers: { 'x-request-id': sent } })).headers.get('x-request-id');
    expect(await idFor('trace-1/2:3')).toBe('trace-1/2:3');
    for (const sent of ['', 'a b', '<script>', 'x'.repeat(129), 'é']) expect(await idFor(sent)).toMatch(/^req_/);
  });

  test('is another one for each request, in each process', async () => {
    const idOf = async (app: ReturnType<typeof stubApp>['app']): Promise<string | null> =>
      (await ask(app, '/nowhere')).headers.get('x-request-id');
    const [one, other] = [stubApp().app, stubApp().app];
    const ids = await Promise.all([idOf(one), idOf(one), idOf(other), idOf(other)]);
    expect(new Set(ids).size).toBe(4);
  });
});

describe('Idempotency-Key', () => {
  const bad = ['', 'x'.repeat(129), 'ключ'.replace(/./g, 'é'), 'a\tb'];
  test.each(bad)('%j is refused', async (key) => {
    const sent = { body: money, headers: { 'idempotency-key': key } };
    expect(await ask(stubApp().app, '/v1/authorize', sent)).toMatchObject({
      status: 422,
      code: 'invalid_idempotency_key',
    });
  });

  test('is only looked at where something may be repeated', async () => {
    const { app } = stubApp();
    expect((await ask(app, '/v1/assets', { headers: { 'idempotency-key': 'é' } })).status).toBe(200);
  });

  test('of an outcome that stays unknown is named; a request without one gets one that repeats it', async () => {
    const ids: string[] = [];
    const { app } = stubApp({
      wallets: {
        charge: ({ operation }) => {
          ids.push(operation.id);
          return Promise.resolve({ status: 'unknown', detail: 'the connection closed' });
        },
      },
    });
    const first = await ask(app, '/v1/charge', { body: money });
    expect(first.reply).toMatchObject({ status: 503, code: 'outcome_unknown', outcome: 'unknown', retryable: true });
    const key = String(first.reply['idempotency_key']);
    const again = await ask(app, '/v1/charge', { body: money, headers: { 'idempotency-key': key } });
    expect(again.reply['idempotency_key']).toBe(key);
    expect(ids[1]).toBe(ids[0]);
    const other = await ask(app, '/v1/charge', { body: money });
    expect(other.reply['idempotency_key']).not.toBe(key);
    expect(ids[2]).not.toBe(ids[0]);
  });
});

describe('the body', () => {
  const refused = async (path: string, body: unknown): Promise<string[]> => {
    const { status, code, errors } = await ask(stubApp().app, path, { body: JSON.stringify(body) });
    expect([status, code]).toEqual([422, 'invalid_request']);
    return (errors ?? []).map((error) => error.path).sort();
  };

  test.each<[string, unknown, string[]]>([
    ['/v1/authorize', {}, ['amount', 'asset', 'customer_id']],
    ['/v1/authorize', [], ['']],
    ['/v1/authorize', null, ['']],
    ['/v1/authorize', { ...money, extra: 1, more: 2 }, ['extra', 'more']],
    ['/v1/authorize', { ...money, amount: 1 }, ['amount']],
    ['/v1/authorize', { ...money, amount: '-1' }, ['amount']],
    ['/v1/authorize', { ...money, amount: '01' }, ['amount']],
    ['/v1/authorize', { ...money, amount: '1.' }, ['amount']],
    ['/v1/authorize', { ...money, amount: '1e3' }, ['amount']],
    ['/v1/authorize', { ...money, amount: '0.0000000001' }, ['amount']],
    ['/v1/authorize', { ...money, amount: '1.0000000000' }, ['amount']],
    ['/v1/authorize', { ...money, amount: '1'.repeat(41) }, ['amount']],
    ['/v1/authorize', { ...money, customer_id: '-a' }, ['customer_id']],
    ['/v1/authorize', { ...money, customer_id: 'a'.repeat(129) }, ['customer_id']],
    ['/v1/authorize', { ...money, mode: 'maybe' }, ['mode']],
    ['/v1/authorize', { ...money, ttl_ms: 999 }, ['ttl_ms']],
    ['/v1/authorize', { ...money, ttl_ms: 86_400_001 }, ['ttl_ms']],
    ['/v1/authorize', { ...money, ttl_ms: 1000.5 }, ['ttl_ms']],
    ['/v1/authorize', { ...money, ttl_ms: '1000' }, ['ttl_ms']],
    ['/v1/authorize', { ...money, labels: { team: 1 } }, ['labels.team']],
    ['/v1/authorize', { ...money, labels: [] }, ['labels']],
    ['/v1/authorize', { ...money, metadata: 'text' }, ['metadata']],
    ['/v1/authorize', { ...money, metadata: [] }, ['metadata']],
    ['/v1/authorize', { ...money, metadata: null }, ['metadata']],
    ['/v1/authorize', { ...money, metadata: { text: 'x'.repeat(4_086) } }, ['metadata']],
    ['/v1/authorize', { ...money, metadata: { text: 'é'.repeat(2_043) } }, ['metadata']],
    ['/v1/authorize', { ...money, subject: '' }, ['subject']],
    ['/v1/charge', { ...money, ttl_ms: 1000 }, ['ttl_ms']],
    [`/v1/holds/${holdId}/settle`, {}, ['amount']],
    [`/v1/holds/${holdId}/settle`, { amount: '1', final: 'yes' }, ['final']],
    [`/v1/holds/${holdId}/settle`, { amount: '1', on_excess: 'ignore' }, ['on_excess']],
    [`/v1/holds/${holdId}/settle`, { amount: '1', costs: [{ vendor: 'v', amount: '1' }] }, ['costs.0.asset']],
    [
      `/v1/holds/${holdId}/settle`,
      { amount: '1', costs: [{ vendor: 'v', amount: '0.1234567891', asset: 'USD' }] },
      ['costs.0.amount'],
    ],
    [`/v1/holds/${holdId}/release`, { amount: '1' }, ['amount']],
    [`/v1/holds/${holdId}/extend`, {}, ['ttl_ms']],
    [`/v1/holds/${holdId}/extend`, { ttl_ms: 1 }, ['ttl_ms']],
    ['/v1/customers', { id: '' }, ['id']],
    ['/v1/customers', { email: 'nobody' }, ['email']],
    ['/v1/customers', { name: null }, ['name']],
    ['/v1/customers/user_42/grants', { asset: 'USD', amount: '0' }, ['amount']],
    ['/v1/customers/user_42/grants', { asset: 'USD', amount: '1', scope: {} }, ['scope']],
    ['/v1/customers/user_42/grants', { asset: 'USD', amount: '1', priority: 101 }, ['priority']],
    ['/v1/customers/user_42/grants', { asset: 'USD', amount: '1', expires_at: '2026-02-30T00:00:00Z' }, ['expires_at']],
    ['/v1/customers/user_42/wallet/freeze', { reason: 'x' }, ['reason']],
    ['/v1/assets', { code: 'usd', scale: 9, kind: 'fiat' }, ['code']],
    ['/v1/assets', { code: 'A'.repeat(33), scale: 9, kind: 'fiat' }, ['code']],
    ['/v1/assets', { code: 'X', scale: 10, kind: 'other' }, ['kind', 'scale']],
    ['/v1/keys', { name: 'k', scopes: [] }, ['scopes']],
    ['/v1/keys', { name: 'k', scopes: ['read', 'read'] }, ['scopes']],
    ['/v1/keys', { name: 'k', scopes: ['root'] }, ['scopes.0']],
  ])('%s %j is refused at %j', async (path, body, paths) => expect(await refused(path, body)).toEqual(paths));

  test('what may be that long is taken', async () => {
    const { app } = stubApp({ wallets: { authorize: () => Promise.resolve({ status: 'no_customer' }) } });
    const most = {
      customer_id: `a${'@'.repeat(127)}`,
      metadata: { text: 'x'.repeat(4_085) },
      labels: { team: 'é'.repeat(256) },
      subject: 's'.repeat(256),
      ttl_ms: 86_400_000,
    };
    expect((await ask(app, '/v1/authorize', { body: { ...money, ...most } })).code).toBe('customer_not_found');
  });

  test.each([
    [{ ...money, amount: '1000000' }, 'customer_not_found'],
    [{ ...money, amount: '1000000.000000001' }, 'amount_too_large'],
    [{ ...money, amount: '9'.repeat(40) }, 'amount_too_large'],
    [{ ...money, asset: 'EUR' }, 'unknown_asset'],
    [{ ...money, asset: 'usd' }, 'unknown_asset'],
    [{ ...money, event_type: 'chat.completion' }, 'invalid_request'],
    [{ customer_id: 'a', event_type: 'chat.completion' }, 'invalid_request'],
  ])('%j is %s', async (body, code) => {
    const { app } = stubApp({ wallets: { authorize: () => Promise.resolve({ status: 'no_customer' }) } });
    expect((await ask(app, '/v1/authorize', { body })).code).toBe(code);
  });

  test('without fields to give, an empty one will do', async () => {
    const { app } = stubApp({ wallets: { release: () => Promise.resolve({ status: 'no_hold' }) } });
    for (const body of ['', '{}', ' {} ']) {
      const sent = { method: 'POST', ...(body !== '' && { body }) };
      expect((await ask(app, `/v1/holds/${holdId}/release`, sent)).code).toBe('hold_not_found');
    }
  });

  test('what was attached goes with the operation as it came; nothing, as nothing', async () => {
    const attached: string[] = [];
    const { app } = stubApp({
      wallets: {
        authorize: (request) => {
          attached.push(request.attached);
          return Promise.resolve({ status: 'no_customer' });
        },
      },
    });
    const given = { subject: 'agent:planner', labels: { team: 'red' }, metadata: { b: 1, a: [null] } };
    await ask(app, '/v1/authorize', { body: { ...money, ...given } });
    await ask(app, '/v1/authorize', { body: money });
    expect(attached).toEqual([JSON.stringify(given), '']);
  });
});

describe('the query', () => {
  test.each([
    ['limit=0', 'limit'],
    ['limit=101', 'limit'],
    ['limit=1.5', 'limit'],
    ['limit=', 'limit'],
    ['limit=+1', 'limit'],
    ['limit=1&limit=2', 'limit'],
    ['cursor=', 'cursor'],
    ['cursor=%00', 'cursor'],
    ['cursor=nonsense', 'cursor'],
    ['page=2', 'page'],
    ['__proto__=1', '__proto__'],
  ])('?%s is refused', async (query, path) => {
    const { status, code, errors } = await ask(stubApp().app, `/v1/assets?${query}`);
    expect([status, code, errors?.[0]?.path]).toEqual([422, 'invalid_request', path]);
  });

  test.each([
    ['kind=refunds', 'kind'],
    ['from=yesterday', 'from'],
    ['to=2026-01-01', 'to'],
    ['asset=', 'asset'],
  ])('?%s of entries is refused', async (query, path) => {
    const { errors } = await ask(stubApp().app, `/v1/customers/user_42/entries?${query}`);
    expect(errors?.[0]?.path).toBe(path);
  });

  test('a cursor of another list is told, not thrown', async () => {
    const bad = () => Promise.resolve('bad_cursor' as const);
    const { app } = stubApp({
      ledger: { listCustomers: bad, listKeys: bad, listGrants: bad, listEntries: bad } as never,
      wallets: { walletIdOf: () => 'A'.repeat(22) },
    });
    for (const list of ['customers', 'keys', 'customers/user_42/grants', 'customers/user_42/entries']) {
      expect(await ask(app, `/v1/${list}?cursor=x`)).toMatchObject({ status: 422, code: 'invalid_request' });
    }
  });

  test('assets come a page at a time, newest first, each once', async () => {
    const assets = Array.from({ length: 7 }, (_, at) => ({
      number: at + 1,
      code: `A${at + 1}`,
      name: '',
      scale: 0,
      kind: 'custom' as const,
      createdAtMs: 0,
    }));
    const { app } = stubApp({ ledger: { listAssets: () => Promise.resolve(assets) } as never });
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const { reply } = await ask(app, `/v1/assets?limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`);
      seen.push(...(reply['data'] as { code: string }[]).map(({ code }) => code));
      cursor = reply['next_cursor'] as string | null;
    }
    expect(seen).toEqual(['A7', 'A6', 'A5', 'A4', 'A3', 'A2', 'A1']);
  });
});

describe('what goes wrong', () => {
  test('a bug is a 500 with the request id and nothing of its inside, and is logged', async () => {
    const { app, logged } = stubApp();
    const { status, reply, text } = await ask(app, '/v1/authorize', { body: money });
    expect(status).toBe(500);
    expect(reply).toMatchObject({ code: 'internal_error', outcome: 'unknown', retryable: true });
    expect(text).not.toMatch(/wallets|Error|\.ts/);
    expect(logged).toMatchObject([{ fields: { request_id: reply['request_id'], path: '/v1/authorize' } }]);
    expect(JSON.stringify(logged)).not.toContain(secretOf('admin'));
  });

  test('a store that is away before anything was begun has applied nothing', async () => {
    const away = () => Promise.reject(new Error('unreachable'));
    const { app } = stubApp({ ledger: { listAssets: away, findCustomer: away, updateCustomer: away } as never });
    const posted = await ask(app, '/v1/authorize', { body: money });
    expect(posted.reply).toMatchObject({ status: 503, code: 'unavailable', outcome: 'not_applied' });
    const got = await ask(app, '/v1/customers/user_42');
    expect(got.reply).toMatchObject({ status: 503, code: 'unavailable', outcome: 'not_applied' });
    const patched = await ask(app, '/v1/customers/user_42', { method: 'PATCH', body: {} });
    expect(patched.reply).toMatchObject({ status: 503, code: 'unavailable', outcome: 'unknown' });
  });

  test('a store that goes away after something was begun leaves the outcome open, and names the key', async () => {
    const { app } = stubApp({ ledger: { createCustomer: () => Promise.reject(new Error('unreachable')) } as never });
    const { reply } = await ask(app, '/v1/customers', { body: {}, headers: { 'idempotency-key': 'mine' } });
    expect(reply).toMatchObject({ status: 503, code: 'outcome_unknown', outcome: 'unknown', idempotency_key: 'mine' });
  });

  test('each request is observed once, under its route', async () => {
    const { app, observed } = stubApp();
    await ask(app, `/v1/holds/${holdId}/release`, { body: { amount: 1 } });
    await ask(app, '/livez');
    await ask(app, '/nowhere');
    expect(observed).toEqual([
      { method: 'POST', path: '/v1/holds/{hold_id}/release', status: 422 },
      { method: 'GET', path: '/livez', status: 200 },
      { method: 'GET', path: '', status: 404 },
    ]);
  });
});

describe('a no', () => {
  const declined = (
    reason: 'balance' | 'held_in_flight' | 'overage' | 'frozen' | 'too_many_holds',
    mode = 'strict',
  ) => {
    const numbers = {
      available: toAtoms(2n * 10n ** 8n),
      held: toAtoms(10n ** 9n),
      affordable: toAtoms(2n * 10n ** 8n),
    };
    const reply = mode === 'shadow' ? { status: 'shadow_declined', version: 3 } : { status: 'declined' };
    const { app } = stubApp({
      wallets: { authorize: () => Promise.resolve({ ...reply, reason, ...numbers } as never) },
    });
    return ask(app, '/v1/authorize', { body: { ...money, mode } });
  };
  const numbers = { asset: 'USD', requested: '1', available: '0.2', held: '1', affordable: '0.2', shortfall: '0.8' };

  test('for want of money is a 402 that says what would be a yes', async () => {
    const { status, reply } = await declined('balance');
    expect(status).toBe(402);
    expect(reply).toMatchObject({
      ...numbers,
      status: 'declined',
      code: 'insufficient_balance',
      limit_source: 'balance',
    });
  });

  test.each([
    ['held_in_flight', 402, { code: 'insufficient_balance', limit_source: 'held_in_flight', retryable: true }],
    ['overage', 402, { code: 'wallet_in_overage', limit_source: 'overage', retryable: false }],
    ['frozen', 403, { code: 'wallet_frozen', status: 403 }],
    ['too_many_holds', 429, { code: 'too_many_holds', status: 429, retryable: true }],
  ] as const)('because of %s is a %i', async (reason, status, expected) => {
    const answer = await declined(reason);
    expect(answer.status).toBe(status);
    expect(answer.reply).toMatchObject(expected);
  });

  test.each(['balance', 'held_in_flight', 'overage', 'frozen', 'too_many_holds'] as const)(
    'because of %s in mode shadow is a 200',
    async (reason) => {
      const { status, reply } = await declined(reason, 'shadow');
      expect(status).toBe(200);
      expect(reply).toMatchObject({ ...numbers, status: 'shadow_declined', customer_id: 'user_42', version: 3 });
      expect(reply['id']).toBeUndefined();
    },
  );
});
