// A gate between one process and both of its stores, which knows each request and each reply by name, and can stop at one.
//
// A step is named for the store, what is asked, and the side it is on: `redis xread asked` is a request that its store has
// not had yet, `postgres commit answered` a reply that the process has not had yet. Whoever stops the gate at a step does
// in that very moment what it wants to: kill the process, or freeze it. What was held back is passed on or dropped later.
import { createConnection, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { replyReader, requestReader, type Awaited } from './postgres-wire.ts';
import { endOfValue, wordsOf } from './resp.ts';

export type Stopped = {
  /** It arrives after all, if a request: late, when whoever sent it may be long gone. */
  pass: () => void;
  /** It never arrives, nor anything behind it. */
  drop: () => void;
};

export type Gate = {
  redisUrl: string;
  databaseUrl: string;
  /** From now on, or from the first message of a name on. */
  watch: (from?: string) => void;
  /** Each step that there was since then, in the order of their first times. */
  steps: () => string[];
  /** Stops at the next step of that name that is watched, once `skipped` more have passed; `act` is called before anything else moves. */
  stopAt: (step: string, skipped: number, act: (stopped: Stopped) => void) => void;
  /** No longer, if it has not happened. */
  forget: () => void;
  stop: () => Promise<void>;
};

type State = {
  /** Nothing is seen before it. */
  from: string | undefined;
  seen: Set<string>;
  order: { step: string; left: number; act: (stopped: Stopped) => void } | undefined;
  sockets: Set<Socket>;
};

export async function startGate(urls: { redisUrl: string; databaseUrl: string }): Promise<Gate> {
  const state: State = { from: undefined, seen: new Set(), order: undefined, sockets: new Set() };
  const [redis, postgres] = await Promise.all([
    listen(state, urls.redisUrl, redisSides),
    listen(state, urls.databaseUrl, postgresSides),
  ]);
  return {
    redisUrl: redis.url,
    databaseUrl: postgres.url,
    watch: (from) => {
      state.from = from;
      state.seen.clear();
    },
    steps: () => [...state.seen],
    stopAt: (step, skipped, act) => {
      state.order = { step, left: skipped, act };
    },
    forget: () => {
      state.order = undefined;
    },
    stop: async () => {
      const closed = [redis.server, postgres.server].map(
        (server) => new Promise<void>((resolve) => server.close(() => resolve())),
      );
      for (const socket of state.sockets) socket.destroy();
      await Promise.all(closed);
    },
  };
}

/** One message; without a name it is none that anybody stops at. */
type Message = { bytes: Buffer; name: string };
type Read = (chunk: Buffer) => Iterable<Message>;
type Sides = () => { ask: Read; answer: Read };

async function listen(state: State, to: string, sides: Sides): Promise<{ url: string; server: Server }> {
  const url = new URL(to);
  const target = { host: url.hostname, port: Number(url.port) };
  const server = createServer({ noDelay: true }, (near) => join(state, target, near, sides()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url.port = String((server.address() as AddressInfo).port);
  return { url: url.href, server };
}

function join(
  state: State,
  target: { host: string; port: number },
  near: Socket,
  { ask, answer }: ReturnType<Sides>,
): void {
  const far = createConnection({ ...target, noDelay: true });
  for (const socket of [near, far]) {
    state.sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => state.sockets.delete(socket));
  }
  const asking = oneWay(state, { to: far, both: [near, far], read: ask });
  const answering = oneWay(state, { to: near, both: [near, far], read: answer });
  near.on('data', asking.take);
  far.on('data', answering.take);
  // As the network: what was sent arrives, and then the end does.
  near.on('close', asking.end);
  far.on('close', answering.end);
}

function oneWay(state: State, way: { to: Socket; both: Socket[]; read: Read }) {
  const { to, both, read } = way;
  let held: Buffer[] | undefined;
  let isEnded = false;
  const end = () => {
    isEnded = true;
    if (!held) to.end();
  };
  const release = (messages: readonly Buffer[]) => {
    held = undefined;
    for (const bytes of messages) to.write(bytes);
    if (isEnded) to.end();
  };
  const take = (chunk: Buffer) => {
    for (const { bytes, name } of read(chunk)) {
      if (held) {
        held.push(bytes);
        continue;
      }
      const act = actAt(state, name);
      if (!act) {
        to.write(bytes);
        continue;
      }
      held = [bytes];
      act({
        pass: () => release(held ?? []),
        drop: () => {
          held = [];
          for (const socket of both) socket.destroy();
        },
      });
    }
  };
  return { take, end };
}

/** What to do at this step, if this is the one. */
function actAt(state: State, name: string): ((stopped: Stopped) => void) | undefined {
  if (state.from === name) state.from = undefined;
  if (name === '' || state.from !== undefined) return undefined;
  state.seen.add(name);
  const { order } = state;
  if (order?.step !== name) return undefined;
  order.left -= 1;
  if (order.left >= 0) return undefined;
  state.order = undefined;
  return order.act;
}

function redisSides(): ReturnType<Sides> {
  const waiting: string[] = [];
  const values = (nameOf: (value: Buffer) => string): Read => {
    let rest: Buffer = Buffer.alloc(0);
    return function* read(chunk) {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      for (let end = endOfValue(rest, 0); end !== undefined; end = endOfValue(rest, 0)) {
        const bytes = rest.subarray(0, end);
        rest = rest.subarray(end);
        yield { bytes, name: nameOf(bytes) };
      }
    };
  };
  return {
    ask: values((request) => {
      const name = commandOf(request);
      waiting.push(name);
      return name === '' ? '' : `${name} asked`;
    }),
    answer: values((reply) => {
      const name = waiting.shift() ?? '';
      const isNothing = /^[*$]-1/.test(reply.toString('latin1', 0, 3));
      return name === '' ? '' : `${name} answered${isNothing ? ' with nothing' : ''}`;
    }),
  };
}

const connecting = new Set(['auth', 'hello', 'client', 'select', 'quit']);

function commandOf(request: Buffer): string {
  const [command = '', first = '', second = ''] = wordsOf(request, 3);
  const name = command.toLowerCase();
  if (connecting.has(name)) return '';
  // Without the hash of its text.
  if (name === 'fcall') return `redis ${first.replace(/_[0-9a-z]+$/, '')}`;
  return name === 'eval' ? `redis eval of ${second} keys` : `redis ${name}`;
}

function postgresSides(): ReturnType<Sides> {
  const requests = requestReader();
  const waiting: { awaits: Awaited; name: string }[] = [];
  const replies = replyReader(() => waiting[0]?.awaits);
  return {
    ask: function* ask(chunk) {
      for (const { bytes, awaits, statement } of requests(chunk)) {
        const name = awaits === 'ready' && statement !== '' ? `postgres ${statement}` : '';
        if (awaits) waiting.push({ awaits, name });
        yield { bytes, name: name === '' ? '' : `${name} asked` };
      }
    },
    answer: function* answer(chunk) {
      for (const { bytes, isEnd } of replies(chunk)) {
        const name = isEnd ? (waiting.shift()?.name ?? '') : '';
        yield { bytes, name: name === '' ? '' : `${name} answered` };
      }
    },
  };
}
