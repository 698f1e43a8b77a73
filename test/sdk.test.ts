// The client against a server that misbehaves on demand: lost replies, silence, refusals, half answers.
//
// The server is a small real one. It keeps one balance, remembers idempotency keys as the contract says, and counts what it
// applied, so that each story ends with the question that matters: was it applied once?
import { getEventListeners, once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { type Approved, each, type Farebox, farebox, FareboxError, type FareboxOptions, price, sum } from '../src/sdk/farebox.ts';

// ── The server ──

/** What happens to a request instead of the usual; `applied` tells whether its effect happens. */
type Fault =
  /** The connection closes without a reply. */
  | { readonly kind: 'drop'; readonly applied: boolean }
  /** The connection closes in the middle of the reply. */
  | { readonly kind: 'cut' }
  /** The usual, but later. */
  | { readonly kind: 'late'; readonly ms: number }
  | {
      readonly kind: 'answer';
      readonly applied: boolean;
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly text: string;
    };

type Seen = { readonly method: string; readonly url: string; readonly key: string | undefined; readonly body: string };
type Answer = { readonly status: number; readonly body: object };
type Held = { amount: bigint; status: 'open' | 'settled' | 'released'; settled: bigint; expiresMs: number; ttlMs: number };

let balance = 0n;
let version = 0;
let seen: Seen[] = [];
let applied: string[] = [];
let faults: { readonly path: string; readonly fault: Fault }[] = [];
let remembered = new Map<string, { body: string; answer: Answer }>();
let holds = new Map<string, Held>();

const server = createServer((request, response) => void serve(request, response));
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const gateway = client();

beforeEach(() => {
  balance = atoms('10');
  version = 0;
  seen = [];
  applied = [];
  faults = [];
  remembered = new Map();
  holds = new Map();
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

function client(options: Partial<FareboxOptions> = {}): Farebox {
  return farebox({ baseUrl, apiKey: 'fb_test_key', timeoutMs: 5_000, ...options });
}

/** The next requests whose path contains `path` meet these, one each. */
function next(path: string, ...list: readonly Fault[]): void {
  faults.push(...list.map((fault) => ({ path, fault })));
}

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks).toString();
  const url = request.url ?? '';
  const key = request.headers['idempotency-key'] as string | undefined;
  seen.push({ method: request.method ?? '', url, key, body });
  const index = faults.findIndex(({ path }) => url.includes(path));
  const fault = index < 0 ? null : (faults.splice(index, 1)[0]?.fault ?? null);
  if (fault?.kind === 'drop' && !fault.applied) return void request.socket.destroy();
  if (fault?.kind === 'answer' && !fault.applied) return reply(response, fault.status, fault.text, fault.headers);
  const answer = rememberedOr(`${url} ${key}`, body, () => apply(request.method ?? '', url, body));
  if (fault?.kind === 'late') await sleep(fault.ms);
  if (fault?.kind === 'drop') return void request.socket.destroy();
  if (fault?.kind === 'answer') return reply(response, fault.status, fault.text, fault.headers);
  const text = JSON.stringify(answer.body);
  if (fault?.kind !== 'cut') return reply(response, answer.status, text);
  response.writeHead(answer.status, { 'content-length': text.length });
  response.write(text.slice(0, text.length / 2), () => request.socket.destroy());
}

function reply(response: ServerResponse, status: number, text: string, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'x-request-id': 'req_1', ...headers }).end(text);
}

/** As the contract says: the same key and body give the stored answer again; a decline is not stored. */
function rememberedOr(scope: string, body: string, run: () => Answer): Answer {
  const stored = remembered.get(scope);
  if (stored) return stored.body === body ? stored.answer : { status: 422, body: problem(422, 'idempotency_conflict') };
  const answer = run();
  if (answer.status < 300 && !scope.endsWith('undefined')) remembered.set(scope, { body, answer });
  return answer;
}

function apply(method: string, url: string, text: string): Answer {
  const body = text === '' ? {} : (JSON.parse(text) as Record<string, never>);
  const [path = ''] = url.split('?');
  const [, holdId, verb] = /^\/v1\/holds\/([^/]+)\/(\w+)$/.exec(path) ?? [];
  if (path === '/v1/authorize') return authorize(body);
  if (path === '/v1/charge') return charge(body);
  if (holdId && verb) return end(holdId, verb, body);
  applied.push(`${method} ${path}`);
  return { status: 200, body: { id: 'it', status: 'active' } };
}

type Body = { readonly customer_id?: string; readonly amount?: string; readonly mode?: string; readonly ttl_ms?: number };

function authorize({ customer_id, amount = '0', mode, ttl_ms = 60_000 }: Body): Answer {
  const wanted = atoms(amount);
  const taken = mode === 'up_to' && balance > 0n && wanted > balance ? balance : wanted;
  const terms = { customer_id, asset: 'USD', requested: amount, amount: text(taken) };
  if (mode === 'shadow' && taken <= balance) return { status: 200, body: { status: 'shadow_approved', ...terms } };
  if (mode === 'shadow') return { status: 200, body: { ...decline(amount), status: 'shadow_declined', customer_id } };
  if (taken > balance) return { status: 402, body: decline(amount) };
  const id = `hold_${holds.size + 1}`;
  balance -= taken;
  holds.set(id, { amount: taken, status: 'open', settled: 0n, expiresMs: performance.now() + ttl_ms, ttlMs: ttl_ms });
  applied.push(`hold ${amount}`);
  return { status: 200, body: approved(id) };
}

function approved(id: string): Partial<Approved> {
  const hold = holds.get(id) as Held;
  return {
    id,
    status: 'approved',
    amount: text(hold.amount),
    remaining_ttl_ms: hold.expiresMs - performance.now(),
    version: ++version,
  };
}

function charge({ amount = '0' }: Body): Answer {
  if (atoms(amount) > balance) return { status: 402, body: decline(amount) };
  balance -= atoms(amount);
  applied.push(`charge ${amount}`);
  return { status: 200, body: { id: 'chg_1', status: 'charged', amount } };
}

function end(id: string, verb: string, { amount = '0', ttl_ms }: Body): Answer {
  const hold = holds.get(id);
  if (!hold) return { status: 404, body: problem(404, 'hold_not_found') };
  if (hold.status !== 'open') return { status: 409, body: { ...problem(409, 'hold_closed'), hold_status: hold.status } };
  if (verb === 'extend') {
    if (atoms(amount) > balance) return { status: 402, body: decline(amount) };
    balance -= atoms(amount);
    hold.amount += atoms(amount);
    if (ttl_ms) hold.expiresMs = performance.now() + ttl_ms;
    applied.push(`extend ${amount}`);
    return { status: 200, body: approved(id) };
  }
  const late = performance.now() > hold.expiresMs;
  hold.status = verb === 'settle' ? 'settled' : 'released';
  hold.settled = verb === 'settle' ? atoms(amount) : 0n;
  balance += hold.amount - hold.settled;
  applied.push(verb === 'settle' ? `settle ${amount}` : 'release');
  return { status: 200, body: { id, status: hold.status, settled: text(hold.settled), late } };
}

function decline(amount: string): { [field: string]: unknown } {
  const reason = { affordable: text(balance), shortfall: text(atoms(amount) - balance), limit_source: 'balance' };
  return { ...problem(402, 'insufficient_balance'), status: 'declined', asset: 'USD', requested: amount, ...reason };
}

function problem(status: number, code: string, more: object = {}): object {
  const outcome = { retryable: status === 503, outcome: 'not_applied', request_id: 'req_1' };
  return { type: `about:${code}`, title: code, status, detail: `it is ${code}`, code, ...outcome, ...more };
}

const USD_SCALE = 9;

function atoms(amount: string): bigint {
  const [units = '0', fraction = ''] = amount.split('.');
  return BigInt(units + fraction.padEnd(USD_SCALE, '0'));
}

function text(amount: bigint): string {
  return price(amount, '1', 10 ** USD_SCALE);
}

const busy = (headers: Record<string, string> = {}, more: object = {}): Fault => ({
  kind: 'answer',
  applied: false,
  status: 503,
  headers,
  text: JSON.stringify(problem(503, 'busy', more)),
});
const lost: Fault = { kind: 'drop', applied: true };
const unheard: Fault = { kind: 'drop', applied: false };
const order = { customer_id: 'user_42', asset: 'USD', amount: '2' };

async function failure(call: Promise<unknown>): Promise<FareboxError> {
  try {
    await call;
  } catch (error) {
    if (error instanceof FareboxError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

async function timed<Result>(call: Promise<Result>): Promise<{ result: Result; ms: number }> {
  const startedMs = performance.now();
  const result = await call;
  return { result, ms: performance.now() - startedMs };
}

// ── One call ──

describe('a retry', () => {
  test('after a lost reply applies nothing twice', async () => {
    next('charge', lost);
    expect(await gateway.charge(order)).toMatchObject({ status: 'charged', amount: '2' });
    expect(applied).toEqual(['charge 2']);
    expect(seen).toHaveLength(2);
    expect(seen[0]?.key).toMatch(/^[0-9a-f-]{36}$/);
    expect(seen[1]).toEqual(seen[0]);
  });

  test('carries the key that the caller chose', async () => {
    next('charge', unheard);
    await gateway.charge(order, { idempotencyKey: 'order 7' });
    expect(seen.map(({ key }) => key)).toEqual(['order 7', 'order 7']);
    expect(applied).toEqual(['charge 2']);
  });

  test('happens once: then the error has the key to go on with', async () => {
    next('charge', lost, unheard);
    const error = await failure(gateway.charge(order));
    expect(error).toMatchObject({ code: 'network_error', status: null, outcome: 'unknown', retryable: true });
    expect(error.cause).toBeInstanceOf(Error);
    expect(seen).toHaveLength(2);
    await gateway.charge(order, { idempotencyKey: error.idempotencyKey ?? '' });
    expect(applied).toEqual(['charge 2']);
  });

  test('after half a reply applies nothing twice', async () => {
    next('charge', { kind: 'cut' });
    expect(await gateway.charge(order)).toMatchObject({ status: 'charged' });
    expect(applied).toEqual(['charge 2']);
  });

  test('waits as long as the server asks', async () => {
    next('charge', busy({ 'retry-after': '1' }));
    const { result, ms } = await timed(gateway.charge(order));
    expect(result.status).toBe('charged');
    expect(ms).toBeGreaterThan(990);
  });

  test('waits until the date that the server names', async () => {
    // Whole seconds: it lies between 1 and 2 s ahead.
    next('charge', busy({ 'retry-after': new Date(Date.now() + 2_000).toUTCString() }));
    const { ms } = await timed(gateway.charge(order));
    expect(ms).toBeGreaterThan(900);
  });

  test('is not waited for past the deadline', async () => {
    next('charge', busy({ 'retry-after': '30' }));
    const { result, ms } = await timed(failure(gateway.charge(order)));
    expect(result).toMatchObject({ code: 'busy', status: 503, outcome: 'not_applied', retryAfterMs: 30_000 });
    expect(ms).toBeLessThan(1_000);
    expect(seen).toHaveLength(1);
  });

  test('does not happen where the server says that it is useless', async () => {
    next('charge', busy({ 'x-should-retry': 'false' }));
    expect(await failure(gateway.charge(order))).toMatchObject({ code: 'busy', retryable: false });
    expect(seen).toHaveLength(1);
  });

  test('happens when what stands between gave up, without a problem in its answer', async () => {
    next('charge', { kind: 'answer', applied: true, status: 502, text: '<h1>Bad Gateway</h1>' });
    expect(await gateway.charge(order)).toMatchObject({ status: 'charged' });
    expect(applied).toEqual(['charge 2']);
  });

  test.each([
    ['PATCH', () => gateway.customers.update('user_42', { name: 'Ada' })],
    ['DELETE', () => gateway.keys.revoke('key_1')],
  ])('does not repeat a %s that may have happened', async (_, call) => {
    next('/v1/', lost);
    expect(await failure(call())).toMatchObject({ outcome: 'unknown', idempotencyKey: null });
    expect(seen).toHaveLength(1);
    next('/v1/', busy());
    await call();
    expect(seen).toHaveLength(3);
  });

  test('repeats a GET, whose failure has changed nothing', async () => {
    next('wallet', lost);
    await gateway.wallets.get('user_42');
    next('wallet', lost, lost);
    expect(await failure(gateway.wallets.get('user_42'))).toMatchObject({ outcome: 'not_applied', idempotencyKey: null });
    expect(seen).toHaveLength(4);
  });
});

// Every pair of what the first and the second attempt may meet. Whatever the caller is told must be true.
const meets: readonly (readonly [string, Fault | null])[] = [
  ['success', null],
  ['lost reply', lost],
  ['lost request', unheard],
  ['half a reply', { kind: 'cut' }],
  ['silence after applying', { kind: 'late', ms: 700 }],
  ['503 not applied', busy({ 'retry-after': '0' })],
  ['503 unknown', { ...busy({}, { outcome: 'unknown' }), applied: true } as Fault],
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

describe('what the caller is told is true', () => {
  const pairs = meets.flatMap(([first, fault]) => meets.map(([second, other]) => [first, second, fault, other] as const));

  test('for every pair of accidents', async () => {
    const wrong = await Promise.all(
      pairs.map(async ([first, second, ...met], index) => {
        const customerId = `pair_${index}`;
        // A path of its own for each, since all run at the same time.
        for (const fault of met) next(`/${customerId}/`, fault ?? { kind: 'late', ms: 0 });
        const told = await tell(client({ baseUrl: `${baseUrl}/${customerId}`, timeoutMs: 1_000 }), customerId);
        const count = applied.filter((entry) => entry.includes(`/${customerId}/`)).length;
        const attempts = seen.filter(({ url }) => url.includes(`/${customerId}/`)).length;
        const isTrue = { applied: count === 1, not_applied: count === 0, unknown: count <= 1 }[told];
        return isTrue && attempts <= 2
          ? null
          : `${first}, ${second}: told ${told}, applied ${count} times in ${attempts} attempts`;
      }),
    );
    expect(wrong.filter((line) => line !== null)).toEqual([]);
  });

  async function tell(one: Farebox, customerId: string): Promise<'applied' | 'not_applied' | 'unknown'> {
    try {
      const answer = await one.charge({ ...order, customer_id: customerId });
      return answer.status === 'declined' ? answer.outcome : 'applied';
    } catch (error) {
      return (error as FareboxError).outcome;
    }
  }
});

describe('a deadline', () => {
  test('ends a call that nobody answers, retry included', async () => {
    next('charge', { kind: 'late', ms: 3_000 }, { kind: 'late', ms: 3_000 });
    const { result, ms } = await timed(failure(gateway.charge(order, { timeoutMs: 400 })));
    expect(result).toMatchObject({ code: 'timeout', outcome: 'unknown' });
    expect(seen).toHaveLength(2);
    expect(ms).toBeGreaterThan(390);
    expect(ms).toBeLessThan(1_500);
  });

  test('leaves its second half for the retry', async () => {
    next('charge', { kind: 'late', ms: 3_000 });
    const { result, ms } = await timed(gateway.charge(order, { timeoutMs: 1_000 }));
    expect(result).toMatchObject({ status: 'charged' });
    expect(applied).toEqual(['charge 2']);
    expect(ms).toBeGreaterThan(490);
    expect(ms).toBeLessThan(1_000);
  });

  test('holds for a fetch that does not heed its signal', async () => {
    const deaf = client({ fetch: () => new Promise(() => {}) });
    expect(await failure(deaf.wallets.get('user_42', { timeoutMs: 100 }))).toMatchObject({ code: 'timeout' });
  });

  test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])('of %d ms is refused', async (timeoutMs) => {
    await expect(gateway.charge(order, { timeoutMs })).rejects.toThrow(RangeError);
    expect(seen).toHaveLength(0);
  });
});

describe('the caller’s own signal', () => {
  test('gives the call up, with no retry and no listener left', async () => {
    const controller = new AbortController();
    next('charge', { kind: 'late', ms: 3_000 });
    const call = failure(gateway.charge(order, { signal: controller.signal }));
    await sleep(50);
    controller.abort('gone');
    expect(await call).toMatchObject({ code: 'aborted', outcome: 'unknown', cause: 'gone', retryable: false });
    expect(seen).toHaveLength(1);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
  });

  test('aborted before, sends nothing', async () => {
    const error = await failure(gateway.charge(order, { signal: AbortSignal.abort() }));
    expect(error).toMatchObject({ code: 'aborted', outcome: 'not_applied' });
    expect(seen).toHaveLength(0);
  });

  test('ends the wait for a retry', async () => {
    const controller = new AbortController();
    next('charge', busy({ 'retry-after': '3' }));
    setTimeout(() => controller.abort(), 50);
    const { result, ms } = await timed(failure(gateway.charge(order, { signal: controller.signal })));
    expect(result).toMatchObject({ code: 'aborted', outcome: 'not_applied' });
    expect(ms).toBeLessThan(1_000);
  });

  test('leaves no listener after a call that succeeded', async () => {
    const { signal } = new AbortController();
    next('charge', unheard);
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
    expect(seen).toHaveLength(1);
  });

  test('after an attempt without an answer says that it is not sure', async () => {
    balance = atoms('3');
    // The first attempt took the money, and the server has forgotten the key.
    next('charge', { kind: 'late', ms: 3_000 });
    const call = gateway.charge(order, { timeoutMs: 1_000 });
    await sleep(100);
    remembered.clear();
    expect(await call).toMatchObject({ status: 'declined', outcome: 'unknown', idempotency_key: seen[0]?.key });
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
    next('authorize', { kind: 'answer', applied: false, status, text: JSON.stringify(problem(status, code)) });
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
    expect(error.idempotencyKey).toBe(seen[0]?.key);
    expect(seen).toHaveLength(1);
  });

  test('in mode shadow is an answer of its own', async () => {
    expect(await gateway.authorize({ ...order, mode: 'shadow' })).toMatchObject({ status: 'shadow_approved' });
    const answer = await gateway.authorize({ ...order, amount: '12', mode: 'shadow' });
    expect(answer).toMatchObject({ status: 'shadow_declined', shortfall: '2' });
    expect(applied).toEqual([]);
  });

  test('a 200 from something else is not taken for an answer', async () => {
    next('authorize', { kind: 'answer', applied: false, status: 200, text: '<h1>Welcome to the hotel</h1>' });
    expect(await failure(gateway.authorize(order))).toMatchObject({ code: 'invalid_reply', status: 200, outcome: 'unknown' });
  });
});

describe('a request', () => {
  test('goes where it belongs, whatever the id', async () => {
    await gateway.wallets.get('a/../b?c#d');
    await client({ baseUrl: `${baseUrl}/prefix/` }).customers.list({ limit: 2, cursor: 'a&b' });
    await gateway.entries('team:a@b', { kind: 'settle', from: '2026-11-21T02:00:00+01:00', to: undefined });
    expect(seen.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'GET /v1/customers/a%2F..%2Fb%3Fc%23d/wallet',
      'GET /prefix/v1/customers?limit=2&cursor=a%26b',
      'GET /v1/customers/team%3Aa%40b/entries?kind=settle&from=2026-11-21T02%3A00%3A00%2B01%3A00',
    ]);
    for (const id of ['', '.', '..']) expect(() => gateway.wallets.get(id)).toThrow(RangeError);
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
    const keys = seen.map(({ key }) => key);
    expect(keys).not.toContain(undefined);
    expect(new Set(keys).size).toBe(10);
    expect(seen.map(({ body }) => body)).not.toContain('');
  });

  test('never shows the API key in an error', () => {
    expect(() => client({ apiKey: 'fb_test_se\ncret' })).toThrow(/^apiKey: printable/);
  });

  test('accepts a key with a line break after it, as files have', async () => {
    await client({ apiKey: 'fb_test_key\n' }).wallets.get('user_42');
    expect(seen).toHaveLength(1);
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

// ── withHold ──

describe('withHold', () => {
  test('settles what the work spent, and returns what it made', async () => {
    const answer = await gateway.withHold(order, async (hold) => {
      expect(hold).toMatchObject({ id: 'hold_1', amount: '2' });
      hold.spent('0.1');
      hold.spent({ amount: '0.3', metadata: { model: 'm' } });
      return 'tokens';
    });
    expect(answer).toMatchObject({ status: 'settled', result: 'tokens', hold: { id: 'hold_1' }, settlement: { settled: '0.3' } });
    expect(applied).toEqual(['hold 2', 'settle 0.3']);
    expect(seen.at(-1)?.body).toBe('{"amount":"0.3","metadata":{"model":"m"}}');
    expect(text(balance)).toBe('9.7');
  });

  test('does not work when it is declined', async () => {
    const answer = await gateway.withHold({ ...order, amount: '12' }, () => expect.unreachable());
    expect(answer).toMatchObject({ status: 'declined', shortfall: '2' });
  });

  test('settles what is known when the work throws, and throws the same again', async () => {
    const broken = new Error('model down');
    const call = gateway.withHold(order, (hold) => {
      hold.spent('0.1');
      throw broken;
    });
    await expect(call).rejects.toBe(broken);
    expect(applied).toEqual(['hold 2', 'settle 0.1']);
  });

  test.each([undefined, '0', '0.000'])('releases when the work throws and has spent %s', async (spent) => {
    const broken = new Error('model down');
    const call = gateway.withHold(order, async (hold) => {
      if (spent !== undefined) hold.spent(spent);
      throw broken;
    });
    await expect(call).rejects.toBe(broken);
    expect(applied).toEqual(['hold 2', 'release']);
    expect(text(balance)).toBe('10');
  });

  test('throws what the work threw even if the release fails', async () => {
    next('release', unheard, unheard);
    const call = gateway.withHold(order, () => Promise.reject(new Error('model down')));
    await expect(call).rejects.toThrow('model down');
  });

  test('does not take silence for free work', async () => {
    await expect(gateway.withHold(order, () => 'tokens')).rejects.toThrow('without a word on what it spent');
    expect(applied).toEqual(['hold 2', 'release']);
  });

  test.each(['0,5', '-1', '1e3', ''])('refuses %j as an amount where it is said', async (amount) => {
    await expect(gateway.withHold(order, (hold) => hold.spent(amount))).rejects.toThrow(RangeError);
    expect(applied).toEqual(['hold 2', 'release']);
  });

  test('settles what is known when the caller aborts', async () => {
    const controller = new AbortController();
    const call = gateway.withHold(
      order,
      async (hold) => {
        try {
          await sleep(5_000, undefined, { signal: controller.signal });
        } finally {
          hold.spent('0.4');
        }
      },
      { signal: controller.signal },
    );
    setTimeout(() => controller.abort(), 50);
    await expect(call).rejects.toMatchObject({ name: 'AbortError' });
    expect(applied).toEqual(['hold 2', 'settle 0.4']);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
  });

  test('does not wait for work that does not heed the abort, nor loses a later word on it', async () => {
    const controller = new AbortController();
    let tooLate: Promise<string> | undefined;
    const call = gateway.withHold(
      order,
      async (hold) => {
        hold.spent('0.1');
        tooLate = sleep(400).then(() => {
          try {
            hold.spent('0.2');
            return 'taken';
          } catch (error) {
            return (error as Error).message;
          }
        });
        await tooLate;
      },
      { signal: controller.signal, graceMs: 50 },
    );
    setTimeout(() => controller.abort('gone'), 50);
    await expect(call).rejects.toBe('gone');
    expect(applied).toEqual(['hold 2', 'settle 0.1']);
    expect(await tooLate).toContain('too late');
  });

  test('keeps a hold alive for as long as the work takes', async () => {
    const answer = await gateway.withHold({ ...order, ttl_ms: 500 }, async (hold) => {
      await sleep(1_300);
      hold.spent('1');
    });
    expect(answer).toMatchObject({ settlement: { late: false } });
    expect(applied.filter((entry) => entry.startsWith('extend')).length).toBeGreaterThanOrEqual(3);
    const count = seen.length;
    await sleep(500);
    expect(seen).toHaveLength(count);
  });

  test('keeps a hold alive through failures', async () => {
    next('extend', unheard, unheard);
    const answer = await gateway.withHold({ ...order, ttl_ms: 2_000 }, async (hold) => {
      await sleep(2_500);
      hold.spent('1');
    });
    expect(answer).toMatchObject({ settlement: { late: false } });
  });

  test('extends no longer than it is told to', async () => {
    const work = async (hold: { spent: (amount: string) => void }) => {
      await sleep(700);
      hold.spent('1');
    };
    const never = await gateway.withHold({ ...order, ttl_ms: 400 }, work, { keepAliveMs: 0 });
    expect(never).toMatchObject({ settlement: { late: true } });
    expect(applied).toEqual(['hold 2', 'settle 1']);
    await gateway.withHold({ ...order, ttl_ms: 400 }, work, { keepAliveMs: 300 });
    expect(applied.slice(2)).toEqual(['hold 2', 'extend 0', 'settle 1']);
  });

  test('lets the work ask for more', async () => {
    await gateway.withHold(order, async (hold) => {
      expect(await hold.extend({ amount: '9' })).toMatchObject({ status: 'declined' });
      expect(hold.amount).toBe('2');
      expect(await hold.extend({ amount: '3' })).toMatchObject({ status: 'approved' });
      expect(hold.amount).toBe('5');
      hold.spent('4');
    });
    expect(text(balance)).toBe('6');
  });

  test('knows the hold as it is, when the replies to two extends cross', async () => {
    await gateway.withHold(order, async (hold) => {
      next('extend', { kind: 'late', ms: 300 });
      const slow = hold.extend({ amount: '1' });
      await sleep(100);
      await hold.extend({ amount: '2' });
      await slow;
      expect(hold.amount).toBe('5');
      hold.spent('1');
    });
  });

  test('settles once though the reply is lost', async () => {
    next('settle', lost);
    const answer = await gateway.withHold(order, (hold) => hold.spent('1'));
    expect(answer).toMatchObject({ settlement: { settled: '1' } });
    expect(applied).toEqual(['hold 2', 'settle 1']);
  });

  test('settles after an outage that is longer than one retry', async () => {
    next('settle', unheard, unheard, busy(), lost, unheard);
    await gateway.withHold(order, (hold) => hold.spent('1'));
    expect(applied).toEqual(['hold 2', 'settle 1']);
    expect(new Set(seen.slice(1).map(({ key }) => key)).size).toBe(1);
  });

  test('never loses a settle in silence: the error has what it takes to repeat it', async () => {
    next('settle', lost, unheard, unheard, unheard);
    const error = await failure(gateway.withHold(order, (hold) => (hold.spent('1'), 'tokens'), { settleMs: 500 }));
    expect(error.unsettled).toMatchObject({ holdId: 'hold_1', amount: '1', result: 'tokens' });
    expect(error.message).toContain('hold_1: 1 not settled');
    const { holdId, amount, idempotencyKey } = error.unsettled ?? expect.unreachable();
    faults = [];
    expect(await gateway.settle(holdId, { amount }, { idempotencyKey })).toMatchObject({ status: 'settled', settled: '1' });
    expect(applied).toEqual(['hold 2', 'settle 1']);
  });

  test('tells of both when the work threw and its cost can not be settled', async () => {
    const broken = new Error('model down');
    const call = gateway.withHold(order, async (hold) => {
      hold.spent('1');
      await gateway.release(hold.id);
      throw broken;
    });
    const error = await failure(call);
    expect(error).toMatchObject({
      code: 'hold_closed',
      status: 409,
      unsettled: { holdId: 'hold_1', amount: '1', workError: broken },
    });
    expect(error.cause).toMatchObject({ code: 'hold_closed' });
  });
});

// ── Arithmetic ──

describe('price', () => {
  test.each([
    [1_200, '1.25', undefined, '0.0015'],
    [0, '1.25', undefined, '0'],
    [1, '0.15', undefined, '0.00000015'],
    [1, '0.0001', undefined, '0.000000001'],
    [3, '1', 3, '1'],
    [1, '1', 3, '0.333333334'],
    [2, '1', 3, '0.666666667'],
    [9_007_199_254_740_993n, '1', 1, '9007199254740993'],
    [7, '10', 1, '70'],
  ])('of %s at %s for each %s is %s', (quantity, unitAmount, per, expected) => {
    expect(price(quantity, unitAmount, per)).toBe(expected);
  });

  test('is never less than exact, and by less than one unit of the scale more', () => {
    const decimals = fc.tuple(fc.bigInt(0n, 10n ** 12n), fc.nat(12));
    fc.assert(
      fc.property(
        fc.bigInt(0n, 10n ** 15n),
        decimals,
        fc.integer({ min: 1, max: 10 ** 9 }),
        fc.nat(9),
        (quantity, [digits, decimal], per, scale) => {
          const unitAmount = price(digits, '1', 10n ** BigInt(decimal), decimal);
          const got = price(quantity, unitAmount, per, scale);
          const [units = '', fraction = ''] = got.split('.');
          const gotAtoms = BigInt(units + fraction.padEnd(scale, '0'));
          // got / 10^scale against quantity × digits / (per × 10^decimal), without dividing.
          const divisor = BigInt(per) * 10n ** BigInt(decimal);
          const excess = gotAtoms * divisor - quantity * digits * 10n ** BigInt(scale);
          expect(excess >= 0n && excess < divisor).toBe(true);
          expect(got).toMatch(/^(0|[1-9][0-9]*)(\.[0-9]*[1-9])?$/);
        },
      ),
    );
  });

  test.each([[-1], [0.5], [2 ** 53], [Number.NaN]])('refuses %d of anything', (quantity) => {
    expect(() => price(quantity, '1')).toThrow(RangeError);
  });
});

describe('sum', () => {
  test.each([
    [[], '0'],
    [['0.1', '0.2'], '0.3'],
    [['1', '0.000000001', '2.50'], '3.500000001'],
    [['999.9', '0.1'], '1000'],
  ])('of %j is %s', (amounts, expected) => {
    expect(sum(...amounts)).toBe(expected);
  });

  test.each(['.5', '01', '-1', '1e3', '1.', ' 1'])('refuses %j', (amount) => {
    expect(() => sum(amount)).toThrow(RangeError);
  });
});
