// A stand-in for Stripe: its API as far as Farebox uses it, with books, pages, signed events, and faults on demand.
//
// For tests, and for trying Farebox out without an account. What it does is Stripe's test mode in small, from Stripe's public
// documentation; what it answers is held against Stripe's own OpenAPI description by the tests, and against the types of the
// official package by the compiler. It does not have: other payment methods than cards, captures, connected accounts, v2.
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type Stripe from 'stripe';
import { showAuthentication, showCheckout, submitAuthentication, submitCheckout, type Page } from './checkout-page.ts';
import { control } from './control.ts';
import { makeEvent } from './events.ts';
import { readForm } from './form.ts';
import { idempotencyKeys, type IdempotencyKeys } from './idempotency.ts';
import { plannedFaults, type PlannedFaults } from './planned-faults.ts';
import { serveApi, type ApiParts, type Exchange } from './serve-api.ts';
import { openWebhooks, type Endpoint, type Webhooks } from './webhooks.ts';
import { emptyBooks, type Books, type World } from './world.ts';

export type StandInOptions = {
  /** 0: a free one. */
  port?: number;
  endpoints?: Endpoint[];
  /** Pauses before an event is sent again; Stripe's own last for days. */
  retryDelaysMs?: readonly number[];
  slowMs?: number;
  /** Where the books are kept over a restart; absent: nowhere. */
  file?: string;
  onExchange?: (exchange: Exchange) => void;
};

export type StandIn = {
  url: string;
  books: Books;
  world: World;
  webhooks: Webhooks;
  faults: PlannedFaults;
  keys: IdempotencyKeys;
  stop: () => Promise<void>;
};

const retryDelaysMsDefault = [500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000];
const slowMsDefault = 3_000;

export async function startStandIn(options: StandInOptions = {}): Promise<StandIn> {
  const books = { ...emptyBooks(), ...(options.file === undefined ? {} : readBooks(options.file)) };
  const webhooks = openWebhooks(options.endpoints ?? [], options.retryDelaysMs ?? retryDelaysMsDefault);
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const nowSeconds = (): number => Math.floor(Date.now() / 1_000);
  const worldFor = (request: Stripe.Event.Request | null): World => ({
    books,
    url,
    nowSeconds,
    slowMs: options.slowMs ?? slowMsDefault,
    emit: (type, object) => {
      const event = makeEvent(books, { type, object, createdSeconds: nowSeconds(), request });
      webhooks.send(event);
      return event;
    },
  });
  const standIn: StandIn = {
    url,
    books,
    world: worldFor(null),
    webhooks,
    faults: plannedFaults(),
    keys: idempotencyKeys(),
    stop: async () => {
      webhooks.stop();
      standIn.faults.release();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await webhooks.idle();
    },
  };
  const { keys, faults } = standIn;
  const parts: ApiParts = { worldFor, keys, faults, onExchange: options.onExchange ?? (() => {}) };
  server.on('request', (incoming, outgoing) => {
    serve(standIn, parts, incoming, outgoing)
      .then(
        () =>
          options.file !== undefined && incoming.method !== 'GET' && writeFileSync(options.file, JSON.stringify(books)),
      )
      .catch((error: Error) => void outgoing.writeHead(500, { 'content-type': 'text/plain' }).end(error.stack));
  });
  return standIn;
}

async function serve(
  standIn: StandIn,
  parts: ApiParts,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const body = await readAll(incoming);
  const { pathname, search } = new URL(incoming.url ?? '/', standIn.url);
  const method = incoming.method ?? 'GET';
  const path = decodeURI(pathname);
  const shown = await showPage(standIn, method, path, body);
  if (shown) {
    if ('location' in shown) outgoing.writeHead(303, { location: shown.location }).end();
    else outgoing.writeHead(shown.status, pageHeaders).end(shown.html);
    return;
  }
  if (path.startsWith('/_stand_in/')) {
    const { status, body: answer } = await control(standIn, `${method} ${path}`, body);
    outgoing.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    return;
  }
  const served = await serveApi(parts, {
    method,
    path,
    query: search.slice(1),
    form: body,
    authorization: incoming.headers.authorization ?? '',
    idempotencyKey: (incoming.headers['idempotency-key'] as string | undefined) ?? null,
  });
  if (served === 'lost') {
    incoming.socket.destroy();
    return;
  }
  outgoing
    .writeHead(served.status, { ...served.headers, 'content-type': 'application/json' })
    .end(JSON.stringify(served.body));
}

const pageHeaders = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
};

async function showPage({ world }: StandIn, method: string, path: string, body: string): Promise<Page | undefined> {
  const [, checkout, authentication] = /^(?:\/c\/pay\/([^/]+)|\/_stand_in\/authenticate\/([^/]+))$/.exec(path) ?? [];
  if (checkout !== undefined) {
    return method === 'POST' ? submitCheckout(world, checkout, readForm(body)) : showCheckout(world, checkout);
  }
  if (authentication === undefined) return undefined;
  return method === 'POST'
    ? submitAuthentication(world, authentication, readForm(body))
    : showAuthentication(world, authentication);
}

async function readAll(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function readBooks(file: string): Partial<Books> {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Partial<Books>;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
}
