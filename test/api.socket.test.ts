// Over real sockets: a body that is not read, or too large to be, never costs the client its answer or a next request its connection.
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bodyBytesMax } from '../src/limits.ts';
import { adminSecret, stubApp } from './api.stub.ts';

let server: Server;
let port: number;

beforeAll(async () => {
  const listener = getRequestListener(stubApp().app.fetch);
  server = createServer((incoming, outgoing) => void listener(incoming, outgoing));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

/** A connection, and all that came over it. */
async function open(): Promise<{ socket: Socket; received: () => string; until: (text: string) => Promise<void> }> {
  const socket = connect({ port, host: '127.0.0.1' });
  let text = '';
  let closed = false;
  socket.on('data', (chunk) => (text += String(chunk)));
  socket.on('close', () => (closed = true));
  socket.on('error', () => undefined);
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  const until = async (expected: string): Promise<void> => {
    const deadline = Date.now() + 5_000;
    while (!text.includes(expected)) {
      if (closed || Date.now() > deadline) throw new Error(`${closed ? 'closed' : 'waited'}; received: ${text}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  return { socket, received: () => text, until };
}

type Head = { path?: string; key?: string | null; type?: string; length?: number };

function head({ path = '/v1/charge', key = adminSecret, type = 'application/json', length }: Head): string {
  return [
    `POST ${path} HTTP/1.1`,
    'Host: farebox',
    ...(key === null ? [] : [`Authorization: Bearer ${key}`]),
    `Content-Type: ${type}`,
    length === undefined ? 'Transfer-Encoding: chunked' : `Content-Length: ${length}`,
    '\r\n',
  ].join('\r\n');
}

const statusOf = (received: string): string[] =>
  [...received.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status ?? '');
const next = 'GET /livez HTTP/1.1\r\nHost: farebox\r\nx-request-id: the-next-one\r\n\r\n';

describe('a body that is refused', () => {
  test.each<[string, Head, number, string]>([
    ['too large', {}, bodyBytesMax + 1, '413'],
    ['far too large', {}, 4 * 1024 * 1024, '413'],
    ['of a wrong type', { type: 'text/plain' }, 1_000, '415'],
    ['without a key', { key: null }, 1_000, '401'],
    ['without a key, and too large', { key: null }, 1024 * 1024, '401'],
    ['of no route', { path: '/nowhere' }, 200_000, '404'],
    ['of a route that takes none', { path: '/livez' }, 200_000, '405'],
  ])('%s: the connection takes a next request', async (_, given, length, status) => {
    const { socket, received, until } = await open();
    socket.write(head({ ...given, length }));
    socket.write(`"${'x'.repeat(length - 2)}"`);
    await until('request_id');
    socket.write(next);
    await until('the-next-one');
    expect(statusOf(received())).toEqual([status, '200']);
    socket.destroy();
  });

  test('too large, in chunks: the connection takes a next request', async () => {
    const { socket, received, until } = await open();
    socket.write(head({}));
    const chunk = `${(10_000).toString(16)}\r\n${'x'.repeat(10_000)}\r\n`;
    for (let sent = 0; sent < 100_000; sent += 10_000) socket.write(chunk);
    socket.write('0\r\n\r\n');
    await until('body_too_large');
    socket.write(next);
    await until('the-next-one');
    expect(statusOf(received())).toEqual(['413', '200']);
    socket.destroy();
  });

  test('larger than anybody reads: the client gets to read why', async () => {
    const { socket, received, until } = await open();
    socket.write(head({ length: 1024 * 1024 * 1024 }));
    socket.write('x'.repeat(100_000));
    await until('body_too_large');
    expect(statusOf(received())).toEqual(['413']);
    socket.destroy();
  });

  test('fetch gets the answer, and goes on', async () => {
    for (const bytes of [bodyBytesMax + 1, 1024 * 1024, 16 * 1024 * 1024]) {
      const reply = await fetch(`http://127.0.0.1:${port}/v1/charge`, {
        method: 'POST',
        headers: { authorization: `Bearer ${adminSecret}`, 'content-type': 'application/json' },
        body: new Uint8Array(bytes).fill(0x20),
      });
      expect([bytes, reply.status]).toEqual([bytes, 413]);
      expect(await reply.json()).toMatchObject({ code: 'body_too_large' });
    }
  });
});

test('requests that come without waiting are answered in order', async () => {
  const { socket, received, until } = await open();
  const body = '{"unknown":1}';
  socket.write(head({ length: body.length }) + body + head({ key: null, length: body.length }) + body + next);
  await until('the-next-one');
  expect(statusOf(received())).toEqual(['422', '401', '200']);
  socket.destroy();
});

test('a client that goes away in the middle of its body takes nothing along', async () => {
  const { socket } = await open();
  socket.write(head({ length: 1_000 }));
  socket.write('{"customer_id"');
  await new Promise((resolve) => setTimeout(resolve, 50));
  socket.destroy();
  const reply = await fetch(`http://127.0.0.1:${port}/livez`);
  expect(reply.status).toBe(200);
});
