// A gateway as a client sees it: one request, sent once, with the instants of question and answer.
import { Agent, request as httpRequest } from 'node:http';
import { bodyOf, type Attempt, type Body, type Request } from './history.ts';

export type Client = {
  readonly name: string;
  /** Undefined: nothing listens there, so nothing was sent. */
  readonly send: (request: Request) => Promise<Attempt | undefined>;
  readonly get: (path: string) => Promise<{ status: number; body: Body }>;
  readonly post: (path: string, body: object) => Promise<{ status: number; body: Body }>;
  readonly remove: (path: string) => Promise<{ status: number; body: Body }>;
  /** Resolves once all that was to be sent by now is with the system: on a busy machine that takes a while. */
  readonly flushed: () => Promise<void>;
  readonly close: () => void;
};

// Longer than any gateway takes to say that it does not know.
const timeoutMs = 15_000;
const socketsMax = 64;
/** Below the five seconds after which Node's server closes a connection that idles: a request that meets that gets no answer. */
const idleMs = 3_000;

export function openClient(name: string, url: string, key: string): Client {
  const agent = new Agent({ keepAlive: true, maxSockets: socketsMax, timeout: idleMs });
  const leaving = new Set<Promise<void>>();
  const once = (method: string, path: string, body: object | undefined, idempotencyKey?: string) =>
    sendOnce({ agent, url, key, method, path, body, idempotencyKey, leaving });
  const simple = async (method: string, path: string, body?: object) => {
    let answer = await once(method, path, body);
    // A connection that waited for long may have been let go of just now; looking again does no harm.
    if (method === 'GET' && answer === 'broken') answer = await once(method, path, body);
    if (answer === 'refused' || answer === 'broken') return { status: 0, body: {} };
    return answer;
  };
  return {
    name,
    send: async (request) => {
      const sentMs = performance.now();
      const answer = await once('POST', request.path, bodyOf(request), request.key);
      if (answer === 'refused') return undefined;
      const reply = answer === 'broken' ? undefined : answer;
      return { gateway: name, sentMs, endedMs: performance.now(), reply };
    },
    get: (path) => simple('GET', path),
    post: (path, body) => simple('POST', path, body),
    remove: (path) => simple('DELETE', path),
    flushed: async () => void (await Promise.all(leaving)),
    close: () => agent.destroy(),
  };
}

type Answer = { status: number; body: Body; replayed: boolean } | 'refused' | 'broken';

function sendOnce(what: {
  agent: Agent;
  url: string;
  key: string;
  method: string;
  path: string;
  body: object | undefined;
  idempotencyKey: string | undefined;
  leaving: Set<Promise<void>>;
}): Promise<Answer> {
  const { agent, url, key, method, path, body, idempotencyKey, leaving } = what;
  const text = body === undefined ? undefined : JSON.stringify(body);
  const headers = {
    authorization: `Bearer ${key}`,
    ...(text !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
    ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
  };
  return new Promise((resolve) => {
    const sent = httpRequest(`${url}${path}`, { method, agent, headers, timeout: timeoutMs }, (response) => {
      let received = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        received += part;
      });
      response.on('error', () => resolve('broken'));
      response.on('close', () => resolve('broken'));
      response.on('end', () => {
        const replayed = response.headers['idempotent-replayed'] === 'true';
        resolve({ status: response.statusCode ?? 0, body: parse(received), replayed });
      });
    });
    sent.on('timeout', () => sent.destroy());
    sent.on('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED' ? 'refused' : 'broken'));
    const left = new Promise<void>((gone) => {
      for (const event of ['finish', 'error', 'close'] as const) sent.once(event, () => gone());
    }).finally(() => leaving.delete(left));
    leaving.add(left);
    sent.end(text);
  });
}

function parse(text: string): Body {
  try {
    return JSON.parse(text) as Body;
  } catch {
    return { unreadable: text.slice(0, 200) };
  }
}
