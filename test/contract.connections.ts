// A client with so many connections that stay open: for requests by the thousand, and for what only a connection shows.
import { Agent, type OutgoingHttpHeaders, request } from 'node:http';

export type Answer = {
  status: number;
  headers: NodeJS.Dict<string | string[]>;
  text: string;
  body: any;
  /** Of the connection that it came on. */
  localPort: number | undefined;
};

export type Connections = {
  post: (path: string, body?: unknown, headers?: OutgoingHttpHeaders) => Promise<Answer>;
  get: (path: string, headers?: OutgoingHttpHeaders) => Promise<Answer>;
  send: (method: string, path: string, body?: string | Buffer, headers?: OutgoingHttpHeaders) => Promise<Answer>;
  close: () => void;
};

const boundMs = 30_000;

export function connect(url: string, key: string | undefined, connectionsMax: number): Connections {
  const { hostname, port } = new URL(url);
  const agent = new Agent({ keepAlive: true, maxSockets: connectionsMax });
  const authorization = key === undefined ? {} : { authorization: `Bearer ${key}` };
  const send: Connections['send'] = (method, path, body, headers = {}) =>
    new Promise((resolve, reject) => {
      const all = { ...authorization, ...headers };
      const sent = request({ hostname, port, agent, method, path, headers: all, timeout: boundMs }, (reply) => {
        const chunks: Buffer[] = [];
        reply.on('data', (chunk: Buffer) => chunks.push(chunk));
        reply.on('error', reject);
        reply.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          const { statusCode: status = 0, headers: told } = reply;
          resolve({ status, headers: told, text, body: parse(text), localPort: sent.socket?.localPort });
        });
      });
      sent.on('timeout', () =>
        sent.destroy(new Error(`${method} ${path.slice(0, 100)}: no reply within ${boundMs} ms`)),
      );
      sent.on('error', reject);
      if (body !== undefined) sent.setHeader('content-length', Buffer.byteLength(body));
      sent.end(body);
    });
  return {
    send,
    post: (path, body = {}, headers = {}) =>
      send('POST', path, JSON.stringify(body), { 'content-type': 'application/json', ...headers }),
    get: (path, headers) => send('GET', path, undefined, headers),
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
