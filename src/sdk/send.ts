// One call over HTTP: a deadline, at most one retry, and a clear word on whether it happened.
//
// A retry is safe when the server can tell that it is one, so every POST carries an Idempotency-Key; a GET needs
// none. Nothing else is repeated unless the server says that it was not applied. The deadline covers everything:
// the first attempt may take half of it, the pause and the second attempt have the rest.
//
// What this does not guarantee: a first attempt that got no answer may still be on its way when the second is
// refused. Such a refusal says `outcome: "unknown"`, whatever the server said about the second alone.
import type { Declined, Outcome, Problem } from '../contract.ts';
import { FareboxError, type TransportCode } from './farebox-error.ts';

/** What is used of `fetch`: any of them will do, and so will an app's `request` in a test. */
export type Fetch = (
  url: string,
  init: { method: string; headers: Record<string, string>; body?: string; signal: AbortSignal },
) => FetchReply | PromiseLike<FetchReply>;

export type FetchReply = {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  text(): Promise<string>;
};

export type Connection = {
  /** Without a slash at the end. */
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly fetch: Fetch | undefined;
  readonly timeoutMs: number;
};

export type CallOptions = {
  /** From the call to its answer, the retry included; 1–600000 ms. */
  readonly timeoutMs?: number | undefined;
  /** Gives the call up. What was asked for may have happened all the same. */
  readonly signal?: AbortSignal | undefined;
  /** 1–128 printable ASCII characters. Absent: one is made for each call. The same key and request again have no further effect. */
  readonly idempotencyKey?: string | undefined;
};

export type Request = {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** With its query. */
  readonly path: string;
  readonly body?: object | undefined;
};

// Longer than any call takes, and below the 2^31 ms at which timers fire at once.
const TIMEOUT_MS_MAX = 600_000;
// Without a Retry-After: enough for a connection that was just closed, spread so that clients don't return together.
const PAUSE_MS_MIN = 50;
const PAUSE_MS_MAX = 150;

/** The body of a success or of a decline. Throws a FareboxError for everything else. */
export async function send(connection: Connection, request: Request, options: CallOptions = {}): Promise<unknown> {
  const { signal } = options;
  const idempotencyKey = request.method === 'POST' ? checkedKey(options.idempotencyKey ?? randomKey()) : null;
  const deadlineMs = performance.now() + checkedTimeoutMs(options.timeoutMs ?? connection.timeoutMs);
  const body = request.body === undefined ? undefined : JSON.stringify(request.body);
  const sending: Sending = { connection, request, body, idempotencyKey, signal };
  const leftMs = () => deadlineMs - performance.now();

  const isRepeatable = request.method === 'GET' || idempotencyKey !== null;
  const first = await attempt(sending, isRepeatable ? leftMs() / 2 : leftMs());
  const pauseMs = pauseBeforeRetryMs(first, isRepeatable);
  if (pauseMs === null || pauseMs >= leftMs()) return conclude(sending, first, 'not_applied');
  await pause(pauseMs, signal);
  const second = await attempt(sending, Math.max(leftMs(), 1));
  return conclude(sending, second, outcomeOf(sending, first));
}

export function randomKey(): string {
  if (typeof crypto.randomUUID === 'function') return crypto.randomUUID();
  // Browsers offer randomUUID to secure pages only.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Back after `ms`, or at once when `signal` is aborted. */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    if (signal?.aborted) done();
    else signal?.addEventListener('abort', done);
  });
}

type Sending = {
  readonly connection: Connection;
  readonly request: Request;
  readonly body: string | undefined;
  readonly idempotencyKey: string | null;
  readonly signal: AbortSignal | undefined;
};

type Attempt = Unanswered | Answered;
type Unanswered = {
  readonly status: 'unanswered';
  readonly code: TransportCode;
  readonly isSent: boolean;
  readonly cause: unknown;
};
type Answered = {
  readonly status: 'answered';
  readonly http: number;
  readonly headers: FetchReply['headers'];
  readonly body:
    | { readonly status: 'json'; readonly value: unknown }
    | { readonly status: 'not_json'; readonly cause: unknown };
};

async function attempt(sending: Sending, boundMs: number): Promise<Attempt> {
  const { signal } = sending;
  if (signal?.aborted) return { status: 'unanswered', code: 'aborted', isSent: false, cause: signal.reason };
  const controller = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let onAbort = () => {};
  // A race, since not every `fetch` heeds its signal.
  const cutOff = new Promise<Unanswered>((resolve) => {
    const stop = (code: TransportCode, cause: unknown) => {
      // First, so that this decides the race and not what `fetch` makes of the abort.
      resolve({ status: 'unanswered', code, isSent: true, cause });
      controller.abort();
    };
    timer = setTimeout(() => stop('timeout', undefined), boundMs);
    onAbort = () => stop('aborted', signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([exchange(sending, controller.signal), cutOff]);
  } catch (cause) {
    return { status: 'unanswered', code: 'network_error', isSent: true, cause };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

async function exchange(
  { connection, request, body, idempotencyKey }: Sending,
  signal: AbortSignal,
): Promise<Answered> {
  // Looked up at each call, and called without a `this`, which browsers insist on.
  const fetch: Fetch = connection.fetch ?? globalThis.fetch;
  const headers: Record<string, string> = { accept: 'application/json', authorization: `Bearer ${connection.apiKey}` };
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (idempotencyKey !== null) headers['idempotency-key'] = idempotencyKey;
  const init = { method: request.method, headers, signal, ...(body === undefined ? {} : { body }) };
  const response = await fetch(connection.baseUrl + request.path, init);
  const text = await response.text();
  return { status: 'answered', http: response.status, headers: response.headers, body: parse(text) };
}

function parse(text: string): Answered['body'] {
  try {
    return { status: 'json', value: JSON.parse(text) };
  } catch (cause) {
    return { status: 'not_json', cause };
  }
}

/** How long to wait before the retry; null: no retry. */
function pauseBeforeRetryMs(first: Attempt, isRepeatable: boolean): number | null {
  if (first.status === 'unanswered') {
    if (first.code === 'aborted' || !isRepeatable) return null;
    return first.code === 'timeout' ? 0 : randomPauseMs();
  }
  if (!isRetryable(first)) return null;
  if (!isRepeatable && problemOf(first)?.outcome !== 'not_applied') return null;
  return retryAfterMs(first) ?? randomPauseMs();
}

function isRetryable(answered: Answered): boolean {
  if (answered.headers.get('x-should-retry') === 'false') return false;
  // What stands between may answer 502 to 504 without a problem in it.
  return problemOf(answered)?.retryable ?? [502, 503, 504].includes(answered.http);
}

function randomPauseMs(): number {
  return PAUSE_MS_MIN + Math.random() * (PAUSE_MS_MAX - PAUSE_MS_MIN);
}

/** Seconds or a date (RFC 9110 §10.2.3). */
function retryAfterMs({ headers }: Answered): number | null {
  const value = headers.get('retry-after')?.trim() ?? '';
  if (/^[0-9]+$/.test(value)) return Number(value) * 1_000;
  const dateMs = Date.parse(value);
  return Number.isNaN(dateMs) ? null : Math.max(0, dateMs - Date.now());
}

/** `before`: what is known of the attempt before this one. */
function conclude(sending: Sending, last: Attempt, before: Outcome): unknown {
  const outcome = before === 'unknown' ? 'unknown' : outcomeOf(sending, last);
  if (last.status === 'unanswered') throw unanswered(sending, last, outcome);
  const isSuccess = last.http >= 200 && last.http < 300;
  if (isSuccess && last.body.status === 'json') return last.body.value;
  // The one call whose success needs no body.
  if (isSuccess && sending.request.method === 'DELETE') return undefined;
  const decline = declineOf(last);
  if (decline === null) throw refused(sending, last, outcome);
  // The key, so that who must know can ask again.
  return outcome === 'unknown'
    ? { ...decline, outcome, idempotency_key: sending.idempotencyKey ?? undefined }
    : decline;
}

function outcomeOf({ request }: Sending, attempted: Attempt): Outcome {
  if (request.method === 'GET') return 'not_applied';
  if (attempted.status === 'unanswered') return attempted.isSent ? 'unknown' : 'not_applied';
  const said = problemOf(attempted)?.outcome ?? declineOf(attempted)?.outcome;
  // Without a word on it: a success that can't be read, or something in between gave up waiting.
  return said ?? (attempted.http < 300 || attempted.http >= 500 ? 'unknown' : 'not_applied');
}

function unanswered({ request, idempotencyKey }: Sending, last: Unanswered, outcome: Outcome): FareboxError {
  return new FareboxError(
    `${[nameOf(request), last.code, ...reasonsOf(last.cause)].join(': ')} (outcome ${outcome})`,
    {
      code: last.code,
      status: null,
      problem: null,
      requestId: null,
      outcome,
      retryable: last.code !== 'aborted',
      retryAfterMs: null,
      idempotencyKey,
      unsettled: null,
    },
    last.cause,
  );
}

/** Node says `fetch failed`, and why only in the cause of that. */
function reasonsOf(cause: unknown): string[] {
  return cause instanceof Error ? [cause.message, ...reasonsOf(cause.cause)] : [];
}

function refused({ request, idempotencyKey }: Sending, last: Answered, outcome: Outcome): FareboxError {
  const problem = problemOf(last);
  const transportCode: TransportCode = last.http < 300 ? 'invalid_reply' : 'http_error';
  const code = problem?.code ?? transportCode;
  return new FareboxError(
    `${nameOf(request)}: ${last.http} ${code}${problem?.detail ? `: ${problem.detail}` : ''}`,
    {
      code,
      status: last.http,
      problem,
      requestId: problem?.request_id ?? last.headers.get('x-request-id'),
      outcome,
      retryable: isRetryable(last),
      retryAfterMs: retryAfterMs(last),
      idempotencyKey,
      unsettled: null,
    },
    last.body.status === 'not_json' ? last.body.cause : undefined,
  );
}

function nameOf(request: Request): string {
  return `${request.method} ${request.path.split('?')[0]}`;
}

function problemOf(answered: Answered): Problem | null {
  const body = objectOf(answered);
  return answered.http >= 400 && typeof body?.['code'] === 'string' && body['status'] !== 'declined'
    ? (body as Problem)
    : null;
}

function declineOf(answered: Answered): Declined | null {
  const body = objectOf(answered);
  return answered.http === 402 && body?.['status'] === 'declined' ? (body as Declined) : null;
}

function objectOf({ body }: Answered): { [field: string]: unknown } | null {
  return body.status === 'json' && typeof body.value === 'object' && body.value !== null
    ? (body.value as { [field: string]: unknown })
    : null;
}

function checkedKey(key: string): string {
  if (!/^[\x20-\x7e]{1,128}$/.test(key)) throw new RangeError('idempotencyKey: 1 to 128 printable ASCII characters');
  return key;
}

export function checkedTimeoutMs(timeoutMs: number): number {
  if (!(timeoutMs >= 1 && timeoutMs <= TIMEOUT_MS_MAX)) throw new RangeError(`timeoutMs: 1 to ${TIMEOUT_MS_MAX}`);
  return timeoutMs;
}
