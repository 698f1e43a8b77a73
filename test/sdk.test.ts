// One call of the client, whatever the server does: deadline, retry, and what the caller is told.
import { getEventListeners } from 'node:events';
import { describe, expect, test, vi } from 'vitest';
import { freePort } from '../scripts/stores/process.ts';
import { each, type Farebox, FareboxError } from '../src/sdk/farebox.ts';
import {
  busy,
  failure,
  type Fault,
  lost,
  order,
  problem,
  startMisbehavingServer,
  timed,
  unheard,
} from './sdk.server.ts';

const server = await startMisbehavingServer();
const gateway = server.client();

describe('a retry', () => {
  test('after a lost reply applies nothing twice', async () => {
    server.next('charge', lost);
    expect(await gateway.charge(order)).toMatchObject({ status: 'charged', amount: '2' });
    expect(server.applied).toEqual(['charge 2']);
    expect(server.seen).toHaveLength(2);
    expect(server.seen[0]?.key).toMatch(/^[0-9a-f-]{36}$/);
    expect(server.seen[1]).toEqual(server.seen[0]);
  });

  test('carries the key that the caller chose', async () => {
    server.next('charge', unheard);
    await gateway.charge(order, { idempotencyKey: 'order 7' });
    expect(server.seen.map(({ key }) => key)).toEqual(['order 7', 'order 7']);
    expect(server.applied).toEqual(['charge 2']);
  });

  test('happens once: then the error has the key to go on with', async () => {
    server.next('charge', lost, unheard);
    const error = await failure(gateway.charge(order));
    expect(error).toMatchObject({ code: 'network_error', status: null, outcome: 'unknown', retryable: true });
    expect(error.cause).toBeInstanceOf(Error);
    expect(server.seen).toHaveLength(2);
    await gateway.charge(order, { idempotencyKey: error.idempotencyKey ?? '' });
    expect(server.applied).toEqual(['charge 2']);
  });

  test('after half a reply applies nothing twice', async () => {
    server.next('charge', { kind: 'cut' });
    expect(await gateway.charge(order)).toMatchObject({ status: 'charged' });
    expect(server.applied).toEqual(['charge 2']);
  });

  test('waits as long as the server asks', async () => {
    server.next('charge', busy({ 'retry-after': '1' }));
    const { result, ms } = await timed(gateway.charge(order));
    expect(result.status).toBe('charged');
    expect(ms).toBeGreaterThan(990);
  });

  test('waits until the date that the server names', async () => {
    // Whole seconds: it lies between 1 and 2 s ahead.
    server.next('charge', busy({ 'retry-after': new Date(Date.now() + 2_000).toUTCString() }));
    const { ms } = await timed(gateway.charge(order));
    expect(ms).toBeGreaterThan(900);
  });

  test('is not waited for past the deadline', async () => {
    server.next('charge', busy({ 'retry-after': '30' }));
    const { result, ms } = await timed(failure(gateway.charge(order)));
    expect(result).toMatchObject({ code: 'busy', status: 503, outcome: 'not_applied', retryAfterMs: 30_000 });
    expect(ms).toBeLessThan(1_000);
    expect(server.seen).toHaveLength(1);
  });

  test('does not happen where the server says that it is useless', async () => {
    server.next('charge', busy({ 'x-should-retry': 'false' }));
    expect(await failure(gateway.charge(order))).toMatchObject({ code: 'busy', retryable: false });
    expect(server.seen).toHaveLength(1);
  });

  test('happens when what stands between gave up, without a problem in its answer', async () => {
    server.next('charge', { kind: 'answer', applied: true, status: 502, text: '<h1>Bad Gateway</h1>' });
    expect(await gateway.charge(order)).toMatchObject({ status: 'charged' });
    expect(server.applied).toEqual(['charge 2']);
  });

  test.each([
    ['PATCH', () => gateway.customers.update('user_42', { name: 'Ada' })],
    ['DELETE', () => gateway.keys.revoke('key_1')],
  ])('does not repeat a %s that may have happened', async (_, call) => {
    server.next('/v1/', lost);
    expect(await failure(call())).toMatchObject({ outcome: 'unknown', idempotencyKey: null });
    expect(server.seen).toHaveLength(1);
    server.next('/v1/', busy());
    await call();
    expect(server.seen).toHaveLength(3);
  });

  test('repeats a GET, whose failure has changed nothing', async () => {
    server.next('wallet', lost);
    await gateway.wallets.get('user_42');
    server.next('wallet', lost, lost);
    expect(await failure(gateway.wallets.get('user_42'))).toMatchObject({
      outcome: 'not_applied',
      idempotencyKey: null,
    });
    expect(server.seen).toHaveLength(4);
  });
});

// Every pair of what the first and the second attempt may meet. Whatever the caller is told must be true.
const usual: Fault = { kind: 'late', ms: 0 };
const meets: readonly (readonly [string, Fault | null])[] = [
  ['success', null],
  ['lost reply', lost],
  ['lost request', unheard],
  ['half a reply', { kind: 'cut' }],
  ['silence after applying', { kind: 'late', ms: 700 }],
  ['503 not applied', busy({ 'retry-after': '0' })],
  [
    '503 unknown',
    {
      kind: 'answer',
      applied: true,
      status: 503,
      text: JSON.stringify(problem(503, 'lost_redis', { outcome: 'unknown' })),
    },
  ],
  ['409', { kind: 'answer', applied: false, status: 409, text: JSON.stringify(problem(409, 'conflict')) }],
  ['502 after applying', { kind: 'answer', applied: true, status: 502, text: 'Bad Gateway' }],
  ['200 without JSON', { kind: 'answer', applied: false, status: 200, text: '<h1>Welcome to the hotel</h1>' }],
  [
    '402 after all',
    {
      kind: 'answer',
      applied: false,
      status: 402,
      text: JSON.stringify({ ...problem(402, 'insufficient_balance'), status: 'declined' }),
    },
  ],
];

// All at the same time, so each has a path of its own, and all a server of their own: what comes late disturbs nobody.
const crowd = await startMisbehavingServer();

test('what the caller is told is true, for every pair of accidents', async () => {
  const pairs = meets.flatMap((first) => meets.map((second) => [first, second] as const));
  const wrong = await Promise.all(
    pairs.map(async ([[first, fault], [second, other]], index) => {
      const path = `/pair_${index}/`;
      crowd.next(path, fault ?? usual, other ?? usual);
      const told = await outcomeOf(crowd.client({ baseUrl: crowd.url + path, timeoutMs: 1_000 }));
      const count = crowd.applied.filter((entry) => entry.includes(path)).length;
      const attempts = crowd.seen.filter(({ url }) => url.includes(path)).length;
      const isTrue = { applied: count === 1, not_applied: count === 0, unknown: count <= 1 }[told];
      return isTrue && attempts <= 2 ? [] : `${first}, ${second}: told ${told}, ${count} times in ${attempts} attempts`;
    }),
  );
  expect(wrong.flat()).toEqual([]);
});

async function outcomeOf(client: Farebox): Promise<'applied' | 'not_applied' | 'unknown'> {
  try {
    const answer = await client.charge(order);
    return answer.status === 'declined' ? answer.outcome : 'applied';
  } catch (error) {
    if (error instanceof FareboxError) return error.outcome;
    throw error;
  }
}

describe('a deadline', () => {
  test('ends a call that nobody answers, retry included', async () => {
    server.next('charge', { kind: 'late', ms: 6_000 }, { kind: 'late', ms: 6_000 });
    const { result, ms } = await timed(failure(gateway.charge(order, { timeoutMs: 1_500 })));
    expect(result).toMatchObject({ code: 'timeout', outcome: 'unknown' });
    expect(server.seen).toHaveLength(2);
    expect(ms).toBeGreaterThan(1_490);
    expect(ms).toBeLessThan(4_000);
  });

  test('leaves its second half for the retry', async () => {
    server.next('charge', { kind: 'late', ms: 6_000 });
    const { result, ms } = await timed(gateway.charge(order, { timeoutMs: 2_000 }));
    expect(result).toMatchObject({ status: 'charged' });
    expect(server.applied).toEqual(['charge 2']);
    expect(ms).toBeGreaterThan(990);
    expect(ms).toBeLessThan(2_000);
  });

  test('holds for a fetch that does not heed its signal', async () => {
    const deaf = server.client({ fetch: () => new Promise(() => {}) });
    expect(await failure(deaf.wallets.get('user_42', { timeoutMs: 100 }))).toMatchObject({ code: 'timeout' });
  });

  test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])('of %d ms is refused', async (timeoutMs) => {
    await expect(gateway.charge(order, { timeoutMs })).rejects.toThrow(RangeError);
    expect(server.seen).toHaveLength(0);
  });
});

describe('the caller’s own signal', () => {
  test('gives the call up, with no retry and no listener left', async () => {
    const controller = new AbortController();
    server.next('charge', { kind: 'late', ms: 3_000 });
    const call = failure(gateway.charge(order, { signal: controller.signal }));
    await expect.poll(() => server.seen.length, { timeout: 3_000, interval: 10 }).toBe(1);
    controller.abort('gone');
    expect(await call).toMatchObject({ code: 'aborted', outcome: 'unknown', cause: 'gone', retryable: false });
    expect(server.seen).toHaveLength(1);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
  });

  test('aborted before, sends nothing', async () => {
    const error = await failure(gateway.charge(order, { signal: AbortSignal.abort() }));
    expect(error).toMatchObject({ code: 'aborted', outcome: 'not_applied' });
    expect(server.seen).toHaveLength(0);
  });

  test('ends the wait for a retry', async () => {
    const controller = new AbortController();
    // Longer than the test may take, so that only the abort ends it; the answer is there long before it.
    server.next('charge', busy({ 'retry-after': '300' }));
    setTimeout(() => controller.abort(), 1_000);
    const error = await failure(gateway.charge(order, { signal: controller.signal, timeoutMs: 600_000 }));
    expect(error).toMatchObject({ code: 'aborted', outcome: 'not_applied' });
    expect(server.seen).toHaveLength(1);
  });

  test('leaves no listener after a call that succeeded', async () => {
    const { signal } = new AbortController();
    server.next('charge', unheard);
    await gateway.charge(order, { signal });
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });
});

describe('a refusal', () => {
  test('for want of money is a value', async () => {
    const answer = await gateway.authorize({ ...order, amount: '12' });
    expect(answer).toMatchObject({
      status: 'declined',
      code: 'insufficient_balance',
      shortfall: '2',
      affordable: '10',
      outcome: 'not_applied',
    });
    expect(server.seen).toHaveLength(1);
  });

  test('after an attempt without an answer says that it is not sure', async () => {
    server.setSpendable('3');
    // The first attempt took the money, and the server has forgotten the key.
    server.next('charge', { kind: 'late', ms: 6_000 });
    const call = gateway.charge(order, { timeoutMs: 4_000 });
    await expect.poll(() => server.applied, { timeout: 2_000, interval: 10 }).toEqual(['charge 2']);
    server.forget();
    expect(await call).toMatchObject({ status: 'declined', outcome: 'unknown', idempotency_key: server.seen[0]?.key });
  });

  test.each([
    [400, 'malformed_json'],
    [401, 'unauthorized'],
    [403, 'wallet_frozen'],
    [404, 'customer_not_found'],
    [409, 'hold_closed'],
    [422, 'idempotency_conflict'],
    [429, 'too_many_holds'],
  ])('%i is thrown, with its code, and not repeated', async (status, code) => {
    server.next('authorize', { kind: 'answer', applied: false, status, text: JSON.stringify(problem(status, code)) });
    const error = await failure(gateway.authorize(order));
    expect(error).toMatchObject({
      name: 'FareboxError',
      code,
      status,
      outcome: 'not_applied',
      retryable: false,
      requestId: 'req_1',
    });
    expect(error.problem?.detail).toBe(`it is ${code}`);
    expect(error.message).toContain(code);
    expect(error.idempotencyKey).toBe(server.seen[0]?.key);
    expect(server.seen).toHaveLength(1);
  });

  test('in mode shadow is an answer of its own', async () => {
    expect(await gateway.authorize({ ...order, mode: 'shadow' })).toMatchObject({ status: 'shadow_approved' });
    const answer = await gateway.authorize({ ...order, amount: '12', mode: 'shadow' });
    expect(answer).toMatchObject({ status: 'shadow_declined', shortfall: '2' });
    expect(server.applied).toEqual([]);
  });

  test('a 200 from something else is not taken for an answer', async () => {
    server.next('authorize', { kind: 'answer', applied: false, status: 200, text: '<h1>Welcome to the hotel</h1>' });
    expect(await failure(gateway.authorize(order))).toMatchObject({
      code: 'invalid_reply',
      status: 200,
      outcome: 'unknown',
    });
  });
});

describe('a request', () => {
  test('goes where it belongs, whatever the id', async () => {
    await gateway.wallets.get('a/../b?c#d');
    await server.client({ baseUrl: `${server.url}/prefix/` }).customers.list({ limit: 2, cursor: 'a&b' });
    await gateway.entries('team:a@b', { kind: 'settle', from: '2026-11-21T02:00:00+01:00', to: undefined });
    expect(server.seen.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'GET /v1/customers/a%2F..%2Fb%3Fc%23d/wallet',
      'GET /prefix/v1/customers?limit=2&cursor=a%26b',
      'GET /v1/customers/team%3Aa%40b/entries?kind=settle&from=2026-11-21T02%3A00%3A00%2B01%3A00',
    ]);
    for (const id of ['', '.', '..']) expect(() => gateway.wallets.get(id)).toThrow(RangeError);
  });

  test('about a budget says which, of whom', async () => {
    const period = { unit: 'day', time_zone: 'Europe/Berlin' } as const;
    const terms = { name: 'red', asset: 'USD', limit: '10', period, match: {}, enforcement: 'hard' } as const;
    await gateway.budgets.create('user_42', terms);
    await gateway.budgets.list('user_42', { limit: 2 });
    await gateway.budgets.get('user_42', 'bud_1');
    await gateway.budgets.update('user_42', 'bud_1', { limit: '20' });
    server.next('budgets', { kind: 'answer', applied: true, status: 204, text: '' });
    expect(await gateway.budgets.delete('user_42', 'bud_1')).toBeUndefined();
    expect(server.seen.map(({ method, url, body }) => `${method} ${url} ${body}`)).toEqual([
      `POST /v1/customers/user_42/budgets ${JSON.stringify(terms)}`,
      'GET /v1/customers/user_42/budgets?limit=2 ',
      'GET /v1/customers/user_42/budgets/bud_1 ',
      'PATCH /v1/customers/user_42/budgets/bud_1 {"limit":"20"}',
      'DELETE /v1/customers/user_42/budgets/bud_1 ',
    ]);
  });

  test('about events says which, and a lost reply sends the same ones again', async () => {
    const events = [{ id: 'e1', customer_id: 'user_42', event_type: 'chat', data: { tokens: 3 } }];
    server.next('/v1/events', lost);
    await gateway.events.send({ events });
    await gateway.events.list({ status: 'unpriced', customer_id: 'user_42', limit: 2 });
    await gateway.events.rate();
    await gateway.events.rate({ customer_id: 'user_42', cursor: 'c' });
    expect(server.seen.map(({ method, url, body }) => `${method} ${url} ${body}`)).toEqual([
      `POST /v1/events ${JSON.stringify({ events })}`,
      `POST /v1/events ${JSON.stringify({ events })}`,
      'GET /v1/events?status=unpriced&customer_id=user_42&limit=2 ',
      'POST /v1/events/rate {}',
      'POST /v1/events/rate {"customer_id":"user_42","cursor":"c"}',
    ]);
    expect(server.applied.filter((what) => what === 'POST /v1/events')).toHaveLength(1);
  });

  test('has a key of its own, wherever it changes something', async () => {
    await gateway.customers.create();
    await gateway.assets.create({ code: 'TOKENS', scale: 0, kind: 'custom' });
    await gateway.grants.create('user_42', { asset: 'USD', amount: '10' });
    await gateway.grants.void('user_42', 'grt_1');
    await gateway.keys.create({ name: 'proxy', scopes: ['authorize'] });
    await gateway.wallets.freeze('user_42');
    await gateway.wallets.unfreeze('user_42');
    await gateway.authorize(order);
    await gateway.extend('hold_1', { ttl_ms: 1_000 });
    await gateway.release('hold_1');
    const keys = server.seen.map(({ key }) => key);
    expect(keys).not.toContain(undefined);
    expect(new Set(keys).size).toBe(10);
    expect(server.seen.map(({ body }) => body)).not.toContain('');
  });

  test('has a key where the page is not secure, too', async () => {
    vi.stubGlobal('crypto', { getRandomValues: crypto.getRandomValues.bind(crypto) });
    await gateway.charge(order).finally(() => vi.unstubAllGlobals());
    expect(server.seen[0]?.key).toMatch(/^[0-9a-f]{32}$/);
  });

  test('that deletes needs no body in its reply', async () => {
    server.next('keys', { kind: 'answer', applied: true, status: 204, text: '' });
    expect(await gateway.keys.revoke('key_1')).toBeUndefined();
  });

  test('never shows the API key in an error', () => {
    expect(() => server.client({ apiKey: 'fb_test_se\ncret' })).toThrow(/^apiKey: printable/);
  });

  test('says why there is no connection', async () => {
    const nowhere = server.client({ baseUrl: `http://127.0.0.1:${await freePort()}` });
    expect((await failure(nowhere.wallets.get('user_42'))).message).toMatch(
      /GET .*wallet: network_error: .*ECONNREFUSED/,
    );
  });

  test('accepts a key with a line break after it, as files have', async () => {
    await server.client({ apiKey: 'fb_test_key\n' }).wallets.get('user_42');
    expect(server.seen).toHaveLength(1);
  });
});

test('each goes through all pages, and fetches none that is not asked for', async () => {
  const pages = new Map([
    [undefined, { data: [1, 2], next_cursor: 'b' }],
    ['b', { data: [], next_cursor: 'c' }],
    ['c', { data: [3], next_cursor: null }],
  ]);
  const asked: (string | undefined)[] = [];
  const list = async (cursor: string | undefined) => {
    asked.push(cursor);
    return pages.get(cursor) ?? expect.unreachable();
  };
  const items: number[] = [];
  for await (const item of each(list)) items.push(item);
  expect(items).toEqual([1, 2, 3]);
  expect(asked).toEqual([undefined, 'b', 'c']);
  for await (const item of each(list)) if (item === 1) break;
  expect(asked).toEqual([undefined, 'b', 'c', undefined]);
});
