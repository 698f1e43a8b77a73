// What one of several processes knows of the others, through their parent (processes.ts).
//
// No decision waits for any of this. Metrics are gathered when they are asked for; and what keeps one process from deciding is told to
// all when it changes, since whoever asks a shared port whether it is ready may be answered by any of them.
import cluster from 'node:cluster';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Metrics } from './shared-metrics.ts';

export type FromProcess =
  | { kind: 'started' }
  | { kind: 'problems'; problems: string[] }
  | { kind: 'gather'; ask: number; metrics: Metrics }
  | { kind: 'told'; ask: number; metrics: Metrics };

export type FromParent =
  | ({ kind: 'others' } & Others)
  | { kind: 'tell'; ask: number }
  | { kind: 'gathered'; ask: number; metrics: Metrics[] };

/** `problems`: what keeps others from deciding. */
export type Others = { of: number; serving: number; problems: string[] };

export type Siblings = {
  others: () => Others | undefined;
  /** What keeps this one from deciding. */
  tell: (problems: string[]) => void;
  /** The metrics of all, this one's included. */
  gather: () => Promise<Metrics[]>;
};

/** Longer than the parent waits for a silent process. */
const gatherMsMax = 5_000;

/** Its number among its parent's, never given twice; undefined where a process is alone. */
export const processNo = cluster.worker?.id;

/** Once it does what it is there for. */
export function tellStarted(): void {
  send({ kind: 'started' });
}

/** node:cluster ends a process at once whose parent is gone; ours answers what it has, and stops in order. */
export function outliveParent(): void {
  const { worker } = cluster;
  process.prependOnceListener('disconnect', () => {
    if (worker) worker.exitedAfterDisconnect = true;
  });
}

export function openSiblings(readMetrics: () => Promise<Metrics>): Siblings {
  const { worker } = cluster;
  if (!worker) return { others: () => undefined, tell: () => undefined, gather: async () => [await readMetrics()] };
  let others: Others = { of: 1, serving: 1, problems: [] };
  let told: string | undefined;
  let asksCount = 0;
  const asked = new Map<number, (metrics: Metrics[]) => void>();
  worker.on('message', (message: FromParent) => {
    switch (message.kind) {
      case 'others':
        others = message;
        return;
      case 'tell':
        void readMetrics().then((metrics) => send({ kind: 'told', ask: message.ask, metrics }));
        return;
      case 'gathered':
        asked.get(message.ask)?.(message.metrics);
        return;
    }
  });
  return {
    others: () => others,
    tell: (problems) => {
      if (told === problems.join()) return;
      told = problems.join();
      send({ kind: 'problems', problems });
    },
    gather: async () => {
      const own = await readMetrics();
      if (!worker.isConnected()) return [own];
      asksCount += 1;
      const ask = asksCount;
      const gathered = new Promise<Metrics[]>((resolve) => asked.set(ask, resolve));
      send({ kind: 'gather', ask, metrics: own });
      const metrics = await Promise.race([gathered, sleep(gatherMsMax, undefined, { ref: false })]);
      asked.delete(ask);
      // Of this one alone they would look as if all counts had begun anew.
      if (!metrics) throw new Error('the parent of these processes does not gather their metrics');
      return metrics;
    },
  };
}

/** A parent that is gone hears nothing, and that is no fault of ours. */
function send(message: FromProcess): void {
  cluster.worker?.process.send?.(message, undefined, {}, () => undefined);
}
