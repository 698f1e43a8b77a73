// HTTP over a fixed number of connections, with as little as can be between the wire and the clock.
//
// Node's own client costs more than the servers that are measured. This one knows what they answer: a status, a
// content-length, a body in ASCII.
import { connect, type Socket } from 'node:net';
import type { Request } from './requests.ts';

export type Reply = { status: number; body: string };

export type Client = {
  /** On a connection that is free; what is sent meanwhile waits in line. */
  send: (request: Request, onReply: (reply: Reply) => void) => void;
  /** Rejects when a connection breaks: then nothing that was measured counts. */
  broken: Promise<never>;
  /** Sends nothing more of what waits, and tells when what was sent is answered. */
  finish: () => Promise<void>;
  close: () => void;
};

export type Target = {
  url: string;
  key: string;
  connections: number;
  /** The one that has been free for longest is next; default: the one that became free last. */
  isInTurn?: boolean;
};

type Sent = { text: string; onReply: (reply: Reply) => void };

const headEnd = '\r\n\r\n';

export async function openClient({ url, key, connections, isInTurn = false }: Target): Promise<Client> {
  const { hostname, port, host } = new URL(url);
  const common = `host: ${host}\r\nauthorization: Bearer ${key}\r\ncontent-type: application/json\r\n`;
  const waiting: Sent[] = [];
  let waitingFrom = 0;
  const free: ((sent: Sent) => void)[] = [];
  let isClosed = false;
  let onIdle: (() => void) | undefined;
  let onBroken: (error: Error) => void;
  const broken = new Promise<never>((_, reject) => {
    onBroken = (error) => !isClosed && reject(error);
  });
  broken.catch(() => {});

  const nextWaiting = (): Sent | undefined => {
    const sent = waiting[waitingFrom];
    if (sent) waitingFrom += 1;
    // Cut off now and then: to shift each one away would move all the others.
    if (waitingFrom > 1_024) {
      waiting.splice(0, waitingFrom);
      waitingFrom = 0;
    }
    return sent;
  };
  const use = (socket: Socket) => {
    let current: Sent | undefined;
    let text = '';
    const begin = (sent: Sent) => {
      current = sent;
      socket.write(sent.text);
    };
    socket.setNoDelay(true);
    socket.setEncoding('latin1');
    socket.on('data', (part: string) => {
      text += part;
      const reply = readReply(text);
      if (reply === 'partial' || !current) return;
      if (reply === 'unknown') return onBroken(new Error(`an answer without content-length: ${text}`));
      text = '';
      const { onReply } = current;
      current = undefined;
      // What waited goes first, so that the answer's handling delays nothing.
      const next = nextWaiting();
      if (next) begin(next);
      else free.push(begin);
      onReply(reply);
      if (free.length === connections) onIdle?.();
    });
    socket.on('error', (error) => onBroken(error));
    socket.on('close', () => onBroken(new Error('the server closed a connection')));
    free.push(begin);
  };
  const sockets = await Promise.all(
    Array.from(
      { length: connections },
      () =>
        new Promise<Socket>((resolve, reject) => {
          const socket = connect(Number(port), hostname, () => resolve(socket)).once('error', reject);
        }),
    ),
  );
  sockets.forEach(use);
  return {
    broken,
    send: ({ path, body, key: idempotencyKey }, onReply) => {
      const extra = idempotencyKey === undefined ? '' : `idempotency-key: ${idempotencyKey}\r\n`;
      const text = `POST ${path} HTTP/1.1\r\n${common}${extra}content-length: ${body.length}\r\n\r\n${body}`;
      const begin = isInTurn ? free.shift() : free.pop();
      if (begin) begin({ text, onReply });
      else waiting.push({ text, onReply });
    },
    finish: () => {
      waiting.length = 0;
      waitingFrom = 0;
      return new Promise((resolve) => {
        if (free.length === connections) resolve();
        else onIdle = resolve;
      });
    },
    close: () => {
      isClosed = true;
      for (const socket of sockets) socket.destroy();
    },
  };
}

function readReply(text: string): Reply | 'partial' | 'unknown' {
  const end = text.indexOf(headEnd);
  if (end < 0) return 'partial';
  const length = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, end + 2))?.[1];
  if (length === undefined) return 'unknown';
  const from = end + headEnd.length;
  if (text.length < from + Number(length)) return 'partial';
  return { status: Number(text.slice(9, 12)), body: text.slice(from) };
}
