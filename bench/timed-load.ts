// Load that is timed to the microsecond: at a fixed rate (open loop), or as fast as answers come.
//
// At a fixed rate each request has an instant at which it is due, and its latency counts from then: what waits for a free
// connection, or for us, waits as a caller would.
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { openClient, type Client, type Reply, type Target } from './client.ts';
import type { Pace } from './pacer.ts';
import type { Request, Steps } from './requests.ts';

export type Timed = {
  /** Answered within the time, by second. */
  perSecond: number;
  p50Us: number;
  p99Us: number;
  p999Us: number;
  mostUs: number;
  /** How late a request was sent, half of the time: what the generator itself adds. */
  sentLateP50Us: number;
  answered: number;
  /** Due, but still in line a while after the end. */
  leftOut: number;
  unexpected: number;
};

const startDelayMs = 20;
const tickLeastMs = 0.25;
/** So that a tick of one request does not fall into the one before. */
const rounding = 1e-9;
const lastAnswersMs = 2_000;

/**
 * So many requests in each second, evenly spaced; where they are close together, those of a tick are due at its beginning,
 * since to be woken for each would take a third of a core. What is in line a while after the end is not sent.
 */
export async function paced(
  target: Target,
  load: {
    perSecond: number;
    seconds: number;
    next: () => Request;
    /** Ends it sooner. */
    signal?: AbortSignal;
    onReply?: (reply: Reply, request: Request) => void;
  },
): Promise<Timed> {
  // In turn: one that nobody used for a while would be closed.
  const client = await openClient({ ...target, isInTurn: true });
  const count = Math.floor(load.perSecond * load.seconds);
  const gapMs = 1_000 / load.perSecond;
  const tickMs = Math.max(gapMs, tickLeastMs);
  const dueAtMs = (request: number) => startMs + Math.floor((request * gapMs) / tickMs + rounding) * tickMs;
  const latencies = histogram();
  const delays = histogram();
  let answered = 0;
  let unexpected = 0;
  const startMs = performance.now() + startDelayMs;
  const startNs = process.hrtime.bigint() + BigInt(startDelayMs * 1e6);
  let sent = 0;
  const sendDue = () => {
    for (let nowMs = performance.now(); sent < count && dueAtMs(sent) <= nowMs; nowMs = performance.now()) {
      const dueMs = dueAtMs(sent);
      sent += 1;
      record(delays, nowMs - dueMs);
      const request = load.next();
      client.send(request, (reply) => {
        record(latencies, performance.now() - dueMs);
        answered += 1;
        if (reply.status !== 200) unexpected += 1;
        load.onReply?.(reply, request);
      });
    }
  };
  const endNs = startNs + BigInt(Math.round(load.seconds * 1e9));
  const pace: Pace = { startNs, gapNs: tickMs * 1e6, endNs };
  const pacer = new Worker(new URL('./pacer.js', import.meta.url), { workerData: pace });
  pacer.on('message', sendDue);
  try {
    const ended = sleep(startDelayMs + load.seconds * 1_000, undefined, load.signal && { signal: load.signal });
    await Promise.race([client.broken, ended.catch(() => {})]);
    const answeredInTime = answered;
    const tookS = (performance.now() - startMs) / 1_000;
    if (!load.signal?.aborted) sendDue();
    for (let waitedMs = 0; answered < sent && waitedMs < lastAnswersMs; waitedMs += 50) {
      await Promise.race([client.broken, sleep(50)]);
    }
    await Promise.race([client.broken, client.finish()]);
    return {
      perSecond: answeredInTime / tookS,
      ...percentiles(latencies),
      sentLateP50Us: delays.percentile(50),
      answered,
      leftOut: sent - answered,
      unexpected,
    };
  } finally {
    client.close();
    await pacer.terminate();
  }
}

/** Each connection sends its next request when it has the last answer. */
export async function backToBack(target: Target, load: { steps: Steps; seconds: number }): Promise<Timed> {
  const client = await openClient(target);
  const latencies = histogram();
  let answered = 0;
  let unexpected = 0;
  const endMs = performance.now() + load.seconds * 1_000;
  const goOn = async () => {
    let last: { request: Request; reply: string } | undefined;
    for (let turn = 0; performance.now() < endMs; turn += 1) {
      const request = load.steps[turn % load.steps.length]!(turn % load.steps.length === 0 ? undefined : last);
      if (!request) return;
      const sentMs = performance.now();
      const reply = await ask(client, request);
      record(latencies, performance.now() - sentMs);
      answered += 1;
      if (reply.status !== 200) unexpected += 1;
      last = { request, reply: reply.body };
    }
  };
  try {
    await Promise.race([client.broken, Promise.all(Array.from({ length: target.connections }, goOn))]);
    return {
      perSecond: answered / load.seconds,
      ...percentiles(latencies),
      sentLateP50Us: 0,
      answered,
      leftOut: 0,
      unexpected,
    };
  } finally {
    client.close();
  }
}

/** All of these, once; the bodies of the answers, in the order in which they come. Any but 200 is an error. */
export async function sendAll(target: Target, requests: Iterable<Request>): Promise<string[]> {
  const client = await openClient(target);
  const rest = requests[Symbol.iterator]();
  const bodies: string[] = [];
  const goOn = async () => {
    for (let next = rest.next(); !next.done; next = rest.next()) {
      const { status, body } = await ask(client, next.value);
      if (status !== 200) throw new Error(`${next.value.path}: ${status} ${body}`);
      bodies.push(body);
    }
  };
  try {
    await Promise.race([client.broken, Promise.all(Array.from({ length: target.connections }, goOn))]);
    return bodies;
  } finally {
    client.close();
  }
}

const ask = (client: Client, request: Request): Promise<Reply> =>
  new Promise((resolve) => client.send(request, resolve));

function histogram(): RecordableHistogram {
  return createHistogram({ lowest: 1, highest: 600_000_000, figures: 3 });
}

function record(into: RecordableHistogram, ms: number): void {
  into.record(Math.max(1, Math.round(ms * 1_000)));
}

function percentiles(of: RecordableHistogram) {
  return {
    p50Us: of.percentile(50),
    p99Us: of.percentile(99),
    p999Us: of.percentile(99.9),
    mostUs: of.max,
  };
}
