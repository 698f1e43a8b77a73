// The API with nobody behind it: keys and assets are known, and whatever else is asked throws.
import { createApp } from '../src/api/app.ts';
import type { Deps, Ledger } from '../src/api/deps.ts';
import type { Wallets } from '../src/wallet/wallets.ts';
import type { Asset, Key, Scope } from '../src/records.ts';
import { holdIdOf, parseGrantId, parseHoldId } from '../src/wallet/ids.ts';
import { openConfigs } from '../src/wallet/config.ts';
import { walletOf } from '../src/wallet/keys.ts';
import { operationOf } from '../src/wallet/operation.ts';

export const secretOf = (...scopes: Scope[]): string => `fb_test_${scopes.join('-')}`;
export const adminSecret = secretOf('admin');
export const expiredSecret = 'fb_test_expired';

const environmentId = 'abcdefghijkl';
const usd: Asset = { number: 1, code: 'USD', name: 'US dollar', scale: 9, kind: 'fiat', createdAtMs: 0 };
export const holdId = holdIdOf('A'.repeat(22), 1, '1.7');

function keyOf(secret: string): Key | undefined {
  if (secret !== expiredSecret && !/^fb_test_[a-z-]+$/.test(secret)) return undefined;
  const scopes = secret.slice('fb_test_'.length).split('-') as Scope[];
  return {
    id: 'key_1',
    environmentId,
    name: 'a key',
    scopes: secret === expiredSecret ? ['admin'] : scopes,
    createdAtMs: 0,
    expiresAtMs: secret === expiredSecret ? Date.now() - 1 : undefined,
  };
}

/** Any property is a function that throws its name. */
function untouched<T extends object>(what: string, known: Partial<T>): T {
  return new Proxy(known, {
    get: (target, name) =>
      Reflect.get(target, name) ??
      (() => {
        throw new Error(`${what}.${String(name)} was called`);
      }),
  }) as T;
}

export type Logged = { fields: Record<string, unknown>; message: string };

export function stubApp({
  wallets = {},
  ...over
}: Partial<Omit<Deps, 'wallets'>> & { wallets?: Partial<Wallets> } = {}) {
  const logged: Logged[] = [];
  const observed: { method: string; path: string; status: number }[] = [];
  const app = createApp({
    ledger: untouched<Ledger>('ledger', { listAssets: () => Promise.resolve([usd]) }),
    wallets: untouched<Wallets>('wallets', {
      operationOf,
      parseHoldId,
      parseGrantId,
      holdIdOf,
      walletOf,
      configs: openConfigs(),
      redisMs: () => 0,
      ...wallets,
    }),
    catalogs: untouched<Deps['catalogs']>('catalogs', {}),
    payments: untouched<Deps['payments']>('payments', {}),
    authenticate: keyOf,
    isUnavailable: (error) => error instanceof Error && error.message === 'unreachable',
    backpressure: () => undefined,
    readiness: () => Promise.resolve({ ready: false, dependencies: { redis: { status: 'starting' } } }),
    metrics: () => Promise.resolve({ contentType: 'text/plain; version=0.0.4', text: 'up 1\n' }),
    observe: ({ method, path, status }) => void observed.push({ method, path, status }),
    countEvents: () => {},
    log: { error: (fields, message) => void logged.push({ fields, message }) },
    ...over,
  });
  return { app, logged, observed };
}

export type Sent = {
  method?: string;
  body?: string | Uint8Array<ArrayBuffer> | object;
  headers?: Record<string, string>;
  secret?: string | null;
};

/** The status, headers and JSON of a reply; checks what every reply promises. */
export async function ask(app: ReturnType<typeof stubApp>['app'], path: string, sent: Sent = {}) {
  const { method = sent.body === undefined ? 'GET' : 'POST', secret = adminSecret } = sent;
  const isRaw = typeof sent.body === 'string' || sent.body instanceof Uint8Array || sent.body === undefined;
  const response = await app.request(path, {
    method,
    headers: {
      ...(secret !== null && { authorization: `Bearer ${secret}` }),
      ...(sent.body !== undefined && { 'content-type': 'application/json' }),
      ...sent.headers,
    },
    ...(sent.body !== undefined && { body: isRaw ? (sent.body as string) : JSON.stringify(sent.body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') === true && text !== '';
  const reply = (isJson ? JSON.parse(text) : {}) as Record<string, unknown>;
  const { headers, status } = response;
  if (headers.get('x-request-id') === null) throw new Error('a reply without x-request-id');
  if (status >= 400 && isJson && path.startsWith('/v1')) checkProblem(reply, headers);
  return { status, headers, text, reply, code: reply['code'], errors: reply['errors'] as Fault[] | undefined };
}

export type Fault = { path: string; message: string };

function checkProblem(problem: Record<string, unknown>, headers: Headers): void {
  const must = ['type', 'title', 'status', 'detail', 'code', 'retryable', 'outcome', 'request_id'];
  const missing = must.filter((member) => problem[member] === undefined);
  if (missing.length > 0) throw new Error(`a problem without ${missing.join(', ')}`);
  if (!headers.get('content-type')?.startsWith('application/problem+json')) throw new Error('not problem+json');
  if (problem['request_id'] !== headers.get('x-request-id')) throw new Error('another request_id than the header');
  const mayRetry = headers.get('x-should-retry') !== 'false';
  if (mayRetry !== problem['retryable']) throw new Error('x-should-retry does not agree with retryable');
}
