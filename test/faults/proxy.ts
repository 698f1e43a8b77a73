// A TCP proxy between gateways and Redis that loses, holds back and delays single calls of functions, as a plan says.
//
// It reads RESP in both directions, so that a fault befalls one FCALL and not whatever shares its packet. Each
// connection from a gateway has one of its own to Redis. A request that is held back waits on that one: the gateway's
// side is closed, so that it knows nothing and repeats over another connection, which overtakes; later the bytes arrive,
// with all that was sent behind them, and are applied if Redis still takes them. Nobody hears that reply.
import { createConnection, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { endOfValue, wordsOf } from './resp.ts';

/** One FCALL on its way: `name` is the script's, without the hash; `operationId` only of those that have one. */
export type FunctionCall = { name: string; operationId: string };

export type Fault =
  /** Redis gets it; the connection dies before the reply. */
  | { kind: 'drop_reply' }
  /** The connection dies; Redis gets it when `until` is over. */
  | { kind: 'hold_request'; until: Promise<unknown> }
  /** The connection stays, and all on it waits until then: the caller's own deadline may pass. */
  | { kind: 'stall_request'; until: Promise<unknown> }
  /** Redis gets half of it; the connection dies. */
  | { kind: 'cut_request' }
  /** This reply, and those behind it, come later. */
  | { kind: 'delay_reply'; ms: number };

export type Plan = (call: FunctionCall) => Fault | undefined;

export type Proxy = {
  url: string;
  /** From now on; undefined: no faults. */
  follow: (plan: Plan | undefined) => void;
  /** How often each fault was done. */
  counts: Record<Fault['kind'], number>;
  /** Resolves with the next answer to this operation that a gateway gets, or after `boundMs`. */
  answered: (operationId: string, boundMs: number) => Promise<void>;
  /** Requests that wait to be delivered. */
  waiting: () => number;
  stop: () => Promise<void>;
};

type State = {
  target: { host: string; port: number };
  plan: Plan | undefined;
  counts: Proxy['counts'];
  sockets: Set<Socket>;
  waiting: number;
  listeners: Map<string, (() => void)[]>;
};

export async function startProxy(redisUrl: string): Promise<Proxy> {
  const to = new URL(redisUrl);
  const counts = { drop_reply: 0, hold_request: 0, stall_request: 0, cut_request: 0, delay_reply: 0 };
  const state: State = {
    target: { host: to.hostname, port: Number(to.port) },
    plan: undefined,
    counts,
    sockets: new Set(),
    waiting: 0,
    listeners: new Map(),
  };
  const server: Server = createServer({ noDelay: true }, (near) => join(state, near));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  to.port = String(port);
  return {
    url: to.href,
    follow: (plan) => {
      state.plan = plan;
    },
    counts,
    answered: async (operationId, boundMs) => {
      const heard = new Promise<void>((resolve) => {
        state.listeners.set(operationId, [...(state.listeners.get(operationId) ?? []), resolve]);
      });
      await Promise.race([heard, sleep(boundMs, undefined, { ref: false })]);
    },
    waiting: () => state.waiting,
    stop: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of state.sockets) socket.destroy();
      await closed;
    },
  };
}

/** What becomes of a reply, one for each request that Redis was sent, in order. */
type Expected = { call: FunctionCall | undefined; fault: Fault | undefined };

// One gateway's connection and its counterpart.
function join(state: State, near: Socket): void {
  const far = createConnection({ ...state.target, noDelay: true });
  const expected: Expected[] = [];
  // Set while requests are held back: what comes meanwhile lies here, in order.
  let held: { request: Buffer; expects: Expected }[] | undefined;
  const speak = replies(near);

  const send = (request: Buffer, expects: Expected) => {
    expected.push(expects);
    far.write(request);
  };
  const holdBack = (request: Buffer, expects: Expected, until: Promise<unknown>) => {
    held = [{ request, expects }];
    state.waiting += 1;
    void until
      .catch(() => undefined)
      .then(() => {
        state.waiting -= 1;
        const [first, ...behind] = held ?? [];
        held = undefined;
        if (first) send(first.request, first.expects);
        // Those behind it have faults of their own still to come, unless nobody is there to be troubled.
        for (const one of behind) take(one.request);
        if (near.destroyed && expected.length === 0) far.end();
      });
  };
  const take = (request: Buffer) => {
    const call = callOf(request);
    const fault = call && !near.destroyed ? state.plan?.(call) : undefined;
    const expects = { call, fault };
    if (held) {
      held.push({ request, expects: { call, fault: undefined } });
      return;
    }
    if (fault) state.counts[fault.kind] += 1;
    switch (fault?.kind) {
      case 'hold_request':
        holdBack(request, { call, fault: undefined }, fault.until);
        near.destroy();
        return;
      case 'stall_request':
        holdBack(request, { call, fault: undefined }, fault.until);
        return;
      case 'cut_request':
        far.end(request.subarray(0, Math.ceil(request.length / 2)));
        near.destroy();
        return;
      case 'drop_reply':
      case 'delay_reply':
      case undefined:
        send(request, expects);
    }
  };
  const answer = (reply: Buffer) => {
    const expects = expected.shift();
    if (expects?.fault?.kind === 'drop_reply') near.destroy();
    if (!near.destroyed) {
      speak(reply, expects?.fault?.kind === 'delay_reply' ? expects.fault.ms : 0);
      if (expects?.call) hear(state, expects.call.operationId);
    } else if (expected.length === 0 && !held) {
      far.end();
    }
  };

  near.on('data', corking(far, values(take)));
  far.on('data', corking(near, values(answer)));
  // A gateway that leaves takes nothing back: what it sent is still delivered.
  near.on('close', () => {
    if (expected.length === 0 && !held) far.end();
  });
  far.on('close', () => near.destroy());
  for (const socket of [near, far]) {
    state.sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => state.sockets.delete(socket));
  }
}

/** Writes replies in order, each not before its delay is over. */
function replies(near: Socket): (reply: Buffer, delayMs: number) => void {
  const queue: { reply: Buffer; delayMs: number }[] = [];
  let busy = false;
  const flush = () => {
    busy = false;
    while (queue[0]?.delayMs === 0) near.write(queue.shift()!.reply);
    const next = queue[0];
    if (!next || near.destroyed) return;
    busy = true;
    const { delayMs } = next;
    next.delayMs = 0;
    setTimeout(flush, delayMs);
  };
  return (reply, delayMs) => {
    queue.push({ reply, delayMs });
    if (!busy) flush();
  };
}

/** What one chunk leads to leaves in one write. */
function corking(to: Socket, read: (chunk: Buffer) => void): (chunk: Buffer) => void {
  return (chunk) => {
    to.cork();
    read(chunk);
    to.uncork();
  };
}

/** Calls `take` with each whole value of a stream. */
function values(take: (value: Buffer) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    for (let end = endOfValue(bytes, at); end !== undefined; end = endOfValue(bytes, at)) {
      take(bytes.subarray(at, end));
      at = end;
    }
    rest = bytes.subarray(at);
  };
}

// FCALL, name, how many keys, the keys, then the arguments: a money script's fourth is the operation (lua/*.lua).
const operationAt = 3;

function callOf(request: Buffer): FunctionCall | undefined {
  // `*N\r\n$5\r\nFCALL` whatever N is; ioredis writes names in lower case.
  const head = request.toString('latin1', 0, 24).toLowerCase();
  if (!head.includes('\r\n$5\r\nfcall')) return undefined;
  const [, fullName = '', keysText = '0'] = wordsOf(request, 3);
  const keysCount = Number(keysText);
  const words = wordsOf(request, 3 + keysCount + operationAt + 1);
  return { name: fullName.replace(/_[0-9a-z]+$/, ''), operationId: words[3 + keysCount + operationAt] ?? '' };
}

function hear(state: State, operationId: string): void {
  for (const listener of state.listeners.get(operationId) ?? []) listener();
  state.listeners.delete(operationId);
}
