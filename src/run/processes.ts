// Several processes of one role, and their parent: it starts them, replaces one that ends, and stops them in order.
//
// Gateways share a port. The parent accepts connections and hands each to the gateway that has been free for longest (node:cluster), and that is
// its part: a request goes from its connection to one gateway, to Redis, and back. A parent that stands still holds up nobody who is
// connected. In turn, because clients keep their connections: where each gateway accepts by itself, whoever wakes first takes
// more (of 64 connections over four processes 9 to 30, in turn 15 to 19). It costs the parent some 20 µs a connection. Listening
// apart (SO_REUSEPORT) needs Node 22.12, and what waits in the queue of a process that ends is lost.
//
// What keeps one process from starting keeps all of them from it, most likely: so the first starts alone, and if it cannot, it
// says why, once. Later an end is a fault: it is told, and another process starts, after a pause that grows while they end soon. While one
// serves this goes on for ever. When none does, the parent gives up: whoever started it may know more.
//
// Not guaranteed: a process that is killed takes along what it was answering, as any gateway does; and a connection that was being
// handed to it in that instant stays open, unanswered, until the client gives it up.
import cluster from 'node:cluster';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../log.ts';
import { gatherMetrics } from './gather-metrics.ts';
import type { FromParent, FromProcess } from './siblings.ts';

export type ProcessesOptions = {
  role: 'gateway' | 'worker';
  count: number;
  log: Log;
  /** Aborted: stop. */
  stop: AbortSignal;
};

type Exit = { code?: number | null; signal?: string | null; error?: Error };
type Process = {
  id: number;
  isStarted: boolean;
  /** What keeps it from deciding. */
  problems: string[];
  /** False: it ended before. */
  started: Promise<boolean>;
  ended: Promise<Exit>;
  send: (message: FromParent) => void;
  signal: (signal: NodeJS.Signals) => void;
};

/** Who ends sooner has not got far. */
const youngMs = 10_000;
const failuresMax = 5;
const pauseMs = { least: 100, most: 30_000 } as const;
/** Connections that have arrived are handed over still. */
const lastConnectionsMs = 250;
/** Longer than a process takes that stops in order. */
const stopBoundMs = 30_000;

/** Back when all have ended. True: as was asked, and in order. */
export async function runProcesses({ role, count, log, stop }: ProcessesOptions): Promise<boolean> {
  const over = new AbortController();
  const end = () => over.abort();
  stop.addEventListener('abort', end);
  const family = openFamily(count);
  let isFine = true;

  const keep = async (first = family.begin()): Promise<void> => {
    let failures = 0;
    for (let one = first; ; one = family.begin()) {
      const beganMs = performance.now();
      const { code, signal, error } = await one.ended;
      if (over.signal.aborted) {
        isFine &&= code === 0 || signal === 'SIGTERM';
        return;
      }
      const isGrown = one.isStarted && performance.now() - beganMs > youngMs;
      failures = isGrown ? 0 : failures + 1;
      const told = { process: one.id, code, signal, error };
      if (failures >= failuresMax && !family.serves()) {
        log.fatal(
          { ...told, failures },
          `no process of this ${role} stays: giving up. What they logged says why; each needs memory, and connections to Postgres, of its own`,
        );
        isFine = false;
        return end();
      }
      const nextInMs = Math.min(pauseMs.least * 2 ** failures, pauseMs.most);
      log.error({ ...told, next_in_ms: nextInMs }, 'a process ended by itself: another takes its place');
      await sleep(nextInMs, undefined, { signal: over.signal }).catch(() => undefined);
      if (over.signal.aborted) return;
    }
  };

  const first = family.begin();
  const isOver = onAbort(over.signal);
  if (stop.aborted) end();
  const isUp = await Promise.race([first.started, isOver.then(() => true)]);
  // It has said why.
  if (!isUp) return false;
  const kept = Promise.all([keep(first), ...Array.from({ length: over.signal.aborted ? 0 : count - 1 }, () => keep())]);
  await isOver;
  await stopInOrder(family);
  await kept;
  return isFine;
}

type Family = { begin: () => Process; serves: () => boolean; all: () => Process[] };

function openFamily(count: number): Family {
  cluster.schedulingPolicy = cluster.SCHED_RR;
  const running = new Map<number, Process>();
  const serving = () => [...running.values()].filter(({ isStarted }) => isStarted);
  const gathering = gatherMetrics(serving);
  const tellOthers = () => {
    const all = serving();
    for (const one of all) {
      const hindered = all.filter(({ id, problems }) => id !== one.id && problems.length > 0);
      const problems = hindered.map(({ id, problems }) => `process ${id}: ${problems.join('; ')}`);
      one.send({ kind: 'others', of: count, serving: all.length, problems });
    }
  };
  const begin = (): Process => {
    const child = cluster.fork();
    const ended = new Promise<Exit>((resolve) => {
      child.once('exit', (code: number | null, signal: string | null) => resolve({ code, signal }));
      // One that was never there does not end. What is sent to one that just ended fails, too: that is not news.
      child.on('error', (error) => child.process.pid === undefined && resolve({ error }));
    });
    const started = new Promise<boolean>((resolve) => {
      child.on('message', (message: FromProcess) => hear(message, () => resolve(true)));
      void ended.then(() => resolve(false));
    });
    const one: Process = {
      id: child.id,
      isStarted: false,
      problems: [],
      started,
      ended,
      send: (message) => void child.process.send(message, () => undefined),
      signal: (signal) => void child.process.kill(signal),
    };
    const hear = (message: FromProcess, onStarted: () => void) => {
      switch (message.kind) {
        case 'started':
          one.isStarted = true;
          onStarted();
          return tellOthers();
        case 'problems':
          one.problems = message.problems;
          return tellOthers();
        case 'gather':
          return gathering.ask(one, message.ask, message.metrics);
        case 'told':
          return gathering.hear(one, message.ask, message.metrics);
      }
    };
    running.set(one.id, one);
    void ended.then(() => {
      running.delete(one.id);
      gathering.end(one);
      tellOthers();
    });
    return one;
  };
  return { begin, serves: () => serving().length > 0, all: () => [...running.values()] };
}

async function stopInOrder({ all }: Family): Promise<void> {
  await sleep(lastConnectionsMs);
  // A machine that is busy may have given us no turn meanwhile: one to accept, one to hand over.
  for (let turn = 1; turn <= 2; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  for (const one of all()) one.signal('SIGTERM');
  const ended = Promise.all(all().map((one) => one.ended));
  await Promise.race([ended, sleep(stopBoundMs, undefined, { ref: false })]);
  for (const one of all()) one.signal('SIGKILL');
}

function onAbort(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
