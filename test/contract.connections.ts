// A client with so many connections that stay open: for requests by the thousand, and for what only a connection shows.
import { Agent, type OutgoingHttpHeaders, request } from 'node:http';
import { createConnection } from 'node:net';
import type { Reply } from './farebox.ts';

export type Answer = Reply & {
  /** Of the connection that it came on. */
  localPort: number | undefined;
};

export type Connections = {
  post: (path: string, body?: unknown, headers?: OutgoingHttpHeaders) => Promise<Answer>;
  get: (path: string, headers?: OutgoingHttpHeaders) => Promise<Answer>;
  send: (method: string, path: string, body?: string | Buffer, headers?: OutgoingHttpHeaders) => Promise<Answer>;
  /** Requests that have left this process. */
  sentCount: () => number;
  close: () => void;
};

const boundMs = 30_000;
const ignored = () => {};

export function connect(url: string, key: string | undefined, connectionsMax: number): Connections {
  const { hostname, port } = new URL(url);
  const agent = new Agent({ keepAlive: true, maxSockets: connectionsMax });
  const authorization = key === undefined ? {} : { authorization: `Bearer ${key}` };
  let sentCount = 0;
  const send: Connections['send'] = (method, path, body, headers = {}) =>
    new Promise((resolve, reject) => {
      const isMeasured = body !== undefined && headers['transfer-encoding'] === undefined;
      const length = isMeasured ? { 'content-length': Buffer.byteLength(body) } : {};
      const all = { ...authorization, ...length, ...headers };
      let localPort: number | undefined;
      const sent = request({ hostname, port, agent, method, path, headers: all, timeout: boundMs }, (reply) => {
        const chunks: Buffer[] = [];
        reply.on('data', (chunk: Buffer) => chunks.push(chunk));
        reply.on('error', reject);
        reply.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          const headers = new Headers(
            Object.entries(reply.headersDistinct).flatMap(([name, all]) =>
              all!.map((one): [string, string] => [name, one]),
            ),
          );
          resolve({ status: reply.statusCode ?? 0, headers, text, body: parse(text), localPort });
        });
      });
      sent.on('timeout', () =>
        sent.destroy(new Error(`${method} ${path.slice(0, 100)}: no reply within ${boundMs} ms`)),
      );
      sent.on('error', reject);
      sent.on('finish', () => (sentCount += 1));
      sent.on('socket', (socket) => {
        localPort = socket.localPort;
        if (socket.connecting) socket.once('connect', () => (localPort = socket.localPort));
        // A connection that breaks after its reply concerns nobody; before it, the request says so.
        if (socket.listenerCount('error', ignored) === 0) socket.on('error', ignored);
      });
      sent.end(body);
    });
  return {
    send,
    post: (path, body = {}, headers = {}) =>
      send('POST', path, JSON.stringify(body), { 'content-type': 'application/json', ...headers }),
    get: (path, headers) => send('GET', path, undefined, headers),
    sentCount: () => sentCount,
    close: () => agent.destroy(),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The same POST so many times over one connection, some of them ahead of their replies: the statuses that came. */
export function postMany(url: string, key: string, path: string, body: object, count: number): Promise<number[]> {
  const { hostname, port, host } = new URL(url);
  const text = JSON.stringify(body);
  const headers = `Host: ${host}\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\nContent-Length: ${text.length}`;
  const one = `POST ${path} HTTP/1.1\r\n${headers}\r\n\r\n${text}`;
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: hostname, port: Number(port) });
    const statuses: number[] = [];
    let sent = 0;
    let rest = '';
    const send = () => {
      const more = Math.min(count, statuses.length + aheadMax) - sent;
      socket.write(one.repeat(more));
      sent += more;
    };
    socket.on('data', (chunk: Buffer) => {
      const heard = rest + chunk.toString('latin1');
      statuses.push(...statusesIn(heard));
      // A status line may come in two pieces.
      rest = heard
        .slice(Math.max(0, heard.lastIndexOf('HTTP/1.1 ')))
        .replace(/^HTTP\/1\.1 \d{3} /, '')
        .slice(-statusLineMax);
      if (statuses.length >= count) socket.end();
      else send();
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(statuses));
    send();
  });
}

const aheadMax = 50;
const statusLineMax = 'HTTP/1.1 200 '.length;

/** How long a connection may be silent before the client takes it that nothing more will come. */
const silenceMs = 300;
const firstSilenceMs = 1_500;

/**
 * All that a gateway says to these bytes. The client hangs up when the gateway has fallen silent, or at once: then
 * nothing is heard.
 */
export function talk(url: string, parts: readonly (string | Buffer)[], { hangUp = false } = {}): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: hostname, port: Number(port) });
    const chunks: Buffer[] = [];
    const heard = () => Buffer.concat(chunks).toString('latin1');
    const late = setTimeout(() => {
      socket.destroy();
      reject(new Error(`the connection was not closed within ${boundMs} ms; heard so far: ${heard().slice(0, 500)}`));
    }, boundMs);
    let silence = setTimeout(() => socket.end(), firstSilenceMs);
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      clearTimeout(silence);
      silence = setTimeout(() => socket.end(), silenceMs);
    });
    // What was heard until the connection broke counts.
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(late);
      clearTimeout(silence);
      resolve(heard());
    });
    for (const part of parts) socket.write(part, 'latin1');
    if (hangUp) socket.end();
  });
}

/** The statuses of the replies in what `talk` heard. */
export const statusesIn = (heard: string): number[] =>
  Array.from(heard.matchAll(/HTTP\/1\.1 (\d{3}) /g), ([, status]) => Number(status));
