// A gateway that misbehaves on demand, for the client's tests: it drops connections, keeps silent, answers half.
//
// Behind it is one balance. It remembers idempotency keys as the contract says, and writes down what it applied,
// so that each story can end with the question that matters: was it applied once?
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeEach } from 'vitest';
import { type Farebox, farebox, FareboxError, type FareboxOptions, price } from '../src/sdk/farebox.ts';

/** What happens to a request instead of the usual; `applied` tells whether its effect happens. */
export type Fault =
  /** The connection closes without a reply. */
  | { readonly kind: 'drop'; readonly applied: boolean }
  /** The connection closes in the middle of the reply. */
  | { readonly kind: 'cut' }
  /** The usual, but later. */
  | { readonly kind: 'late'; readonly ms: number }
  /** Another reply. */
  | (Told & { readonly kind: 'answer'; readonly applied: boolean });

type Told = { readonly status: number; readonly text: string; readonly headers?: Record<string, string> };
type Answer = { readonly status: number; readonly body: object };
type Seen = { readonly method: string; readonly url: string; readonly key: string | undefined; readonly body: string };

export const lost: Fault = { kind: 'drop', applied: true };
export const unheard: Fault = { kind: 'drop', applied: false };

export function busy(headers: Record<string, string> = {}): Fault {
  return { kind: 'answer', applied: false, status: 503, headers, text: JSON.stringify(problem(503, 'busy')) };
}

export function problem(status: number, code: string, more: object = {}): object {
  const outcome = { retryable: status === 503, outcome: 'not_applied', request_id: 'req_1' };
  return { type: `about:${code}`, title: code, status, detail: `it is ${code}`, code, ...outcome, ...more };
}

export const order = { customer_id: 'user_42', asset: 'USD', amount: '2' };

export async function failure(call: Promise<unknown>): Promise<FareboxError> {
  try {
    await call;
  } catch (error) {
    if (error instanceof FareboxError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

export async function timed<Result>(call: Promise<Result>): Promise<{ result: Result; ms: number }> {
  const startedMs = performance.now();
  const result = await call;
  return { result, ms: performance.now() - startedMs };
}

export type MisbehavingServer = {
  readonly url: string;
  readonly client: (options?: Partial<FareboxOptions>) => Farebox;
  /** The next requests whose path contains `path` meet these, one each. */
  readonly next: (path: string, ...faults: readonly Fault[]) => void;
  /** Meets no more faults. */
  readonly behave: () => void;
  /** Remembers no more keys. */
  readonly forget: () => void;
  readonly spendable: () => string;
  readonly setSpendable: (amount: string) => void;
  /** The requests that arrived. */
  readonly seen: Seen[];
  /** The effects that happened. */
  readonly applied: string[];
};

/** One for a test file: before each test as new, with 10 USD; gone after all. */
export async function startMisbehavingServer(): Promise<MisbehavingServer> {
  const seen: Seen[] = [];
  const applied: string[] = [];
  const faults: { readonly path: string; readonly fault: Fault }[] = [];
  const remembered = new Map<string, { readonly body: string; readonly answer: Answer }>();
  let wallet = newWallet(applied);

  const http = createServer((request, response) => {
    void serve(request, response);
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;

  beforeEach(() => {
    for (const list of [seen, applied, faults]) list.length = 0;
    remembered.clear();
    wallet = newWallet(applied);
  });
  afterAll(() => {
    http.closeAllConnections();
    http.close();
  });

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = await read(request);
    seen.push(asked);
    const index = faults.findIndex(({ path }) => asked.url.includes(path));
    const fault = index < 0 ? undefined : faults.splice(index, 1)[0]?.fault;
    const isApplied = fault === undefined || !('applied' in fault) || fault.applied;
    const { status, body } = isApplied ? rememberedOr(asked, () => wallet.apply(asked)) : { status: 0, body: {} };
    const usual = { status, text: JSON.stringify(body) };
    switch (fault?.kind) {
      case 'drop':
        request.socket.destroy();
        return;
      case 'cut':
        response.writeHead(status, { 'content-length': usual.text.length });
        response.write(usual.text.slice(0, usual.text.length / 2), () => request.socket.destroy());
        return;
      case 'late':
        await sleep(fault.ms);
        tell(response, usual);
        return;
      case 'answer':
        tell(response, fault);
        return;
      case undefined:
        tell(response, usual);
    }
  }

  /** As the contract says: the same key and body give the stored answer again; a decline is not stored. */
  function rememberedOr({ url: path, key, body }: Seen, run: () => Answer): Answer {
    const stored = remembered.get(`${path} ${key}`);
    if (stored?.body === body) return stored.answer;
    if (stored) return { status: 422, body: problem(422, 'idempotency_conflict') };
    const answer = run();
    if (answer.status < 300 && key !== undefined) remembered.set(`${path} ${key}`, { body, answer });
    return answer;
  }

  return {
    url,
    client: (options = {}) => farebox({ baseUrl: url, apiKey: 'fb_test_key', timeoutMs: 5_000, ...options }),
    next: (path, ...list) => void faults.push(...list.map((fault) => ({ path, fault }))),
    behave: () => void (faults.length = 0),
    forget: () => remembered.clear(),
    spendable: () => text(wallet.balance),
    setSpendable: (amount) => void (wallet.balance = atoms(amount)),
    seen,
    applied,
  };
}

async function read(request: IncomingMessage): Promise<Seen> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const key = request.headers['idempotency-key'] as string | undefined;
  return { method: request.method ?? '', url: request.url ?? '', key, body: Buffer.concat(chunks).toString() };
}

function tell(response: ServerResponse, { status, text: body, headers = {} }: Told): void {
  response.writeHead(status, { 'x-request-id': 'req_1', ...headers }).end(body);
}

type Body = { readonly amount?: string; readonly mode?: string; readonly ttl_ms?: number };
type Held = { amount: bigint; status: 'open' | 'settled' | 'released'; expiresMs: number };

function newWallet(applied: string[]) {
  const holds = new Map<string, Held>();
  let version = 0;
  const wallet = { balance: atoms('10'), apply };
  return wallet;

  function apply({ method, url, body }: Seen): Answer {
    const given = (body === '' ? {} : JSON.parse(body)) as Body;
    const [path = ''] = url.split('?');
    const [, holdId, verb] = /^\/v1\/holds\/([^/]+)\/(\w+)$/.exec(path) ?? [];
    if (path === '/v1/authorize') return authorize(given);
    if (path === '/v1/charge') return charge(given);
    if (holdId && verb) return change(holdId, verb, given);
    applied.push(`${method} ${path}`);
    return { status: 200, body: { id: 'it', status: 'active' } };
  }

  function authorize({ amount = '0', mode, ttl_ms = 60_000 }: Body): Answer {
    const isCovered = atoms(amount) <= wallet.balance;
    if (mode === 'shadow' && isCovered) return { status: 200, body: { status: 'shadow_approved', amount } };
    if (mode === 'shadow') return { status: 200, body: { ...declined(amount).body, status: 'shadow_declined' } };
    if (!isCovered) return declined(amount);
    const id = `hold_${holds.size + 1}`;
    wallet.balance -= atoms(amount);
    holds.set(id, { amount: atoms(amount), status: 'open', expiresMs: performance.now() + ttl_ms });
    applied.push(`hold ${amount}`);
    return approved(id);
  }

  function charge({ amount = '0' }: Body): Answer {
    if (atoms(amount) > wallet.balance) return declined(amount);
    wallet.balance -= atoms(amount);
    applied.push(`charge ${amount}`);
    return { status: 200, body: { id: 'chg_1', status: 'charged', amount } };
  }

  function change(id: string, verb: string, { amount = '0', ttl_ms }: Body): Answer {
    const hold = holds.get(id);
    if (!hold) return { status: 404, body: problem(404, 'hold_not_found') };
    if (hold.status !== 'open') return { status: 409, body: problem(409, 'hold_closed', { hold_status: hold.status }) };
    const isLate = performance.now() > hold.expiresMs;
    if (verb === 'extend' && atoms(amount) > wallet.balance) return declined(amount);
    applied.push(verb === 'release' ? verb : `${verb} ${amount}`);
    if (verb === 'extend') {
      wallet.balance -= atoms(amount);
      hold.amount += atoms(amount);
      if (ttl_ms) hold.expiresMs = performance.now() + ttl_ms;
      return approved(id);
    }
    hold.status = verb === 'settle' ? 'settled' : 'released';
    wallet.balance += hold.amount - atoms(amount);
    return { status: 200, body: { id, status: hold.status, settled: amount, late: isLate } };
  }

  function approved(id: string): Answer {
    const { amount = 0n, expiresMs = 0 } = holds.get(id) ?? {};
    const time = { remaining_ttl_ms: expiresMs - performance.now(), version: ++version };
    return { status: 200, body: { id, status: 'approved', amount: text(amount), ...time } };
  }

  function declined(amount: string): Answer {
    const shortfall = text(atoms(amount) - wallet.balance);
    const decision = {
      status: 'declined',
      asset: 'USD',
      requested: amount,
      affordable: text(wallet.balance),
      shortfall,
    };
    return { status: 402, body: { ...problem(402, 'insufficient_balance'), ...decision, limit_source: 'balance' } };
  }
}

const USD_SCALE = 9;

function atoms(amount: string): bigint {
  const [units = '0', fraction = ''] = amount.split('.');
  return BigInt(units + fraction.padEnd(USD_SCALE, '0'));
}

function text(amount: bigint): string {
  return price(amount, '1', 10 ** USD_SCALE);
}
