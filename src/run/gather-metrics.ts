// The metrics of several processes, gathered by their parent when one of them is asked.
//
// A count that was shown never falls, since Prometheus takes a fall for a restart and adds all of it anew: of a process that is
// silent the last that it told counts, and the counts of one that ended stay. What that one counted afterwards is lost with it.
import { AggregatorRegistry } from 'prom-client';
import type { Metrics } from './shared-metrics.ts';
import type { FromParent } from './siblings.ts';

type Member = { id: number; send: (message: FromParent) => void };

export type Gathering = {
  ask: (asker: Member, ask: number, own: Metrics) => void;
  hear: (teller: Member, ask: number, metrics: Metrics) => void;
  end: (member: Member) => void;
};

/** Longer than a process needs that is not standing still. */
const silentMs = 3_000;

export function gatherMetrics(members: () => Member[]): Gathering {
  const last = new Map<number, Metrics>();
  let ended: Promise<Metrics> = Promise.resolve([]);
  let asksCount = 0;
  const open = new Map<number, { missing: Set<number>; answer: () => void }>();
  // What one that ended has sent may arrive after its end.
  const isMember = ({ id }: Member) => members().some((member) => member.id === id);
  const heard = (id: number, { missing, answer }: { missing: Set<number>; answer: () => void }) => {
    if (missing.delete(id) && missing.size === 0) answer();
  };
  return {
    ask: (asker, ask, own) => {
      if (!isMember(asker)) return;
      last.set(asker.id, own);
      asksCount += 1;
      const no = asksCount;
      const answer = () => {
        clearTimeout(timer);
        open.delete(no);
        const present = [...last.values()];
        void ended.then((counts) => asker.send({ kind: 'gathered', ask, metrics: [counts, ...present] }));
      };
      const timer = setTimeout(answer, silentMs);
      const others = members().filter(({ id }) => id !== asker.id);
      if (others.length === 0) return answer();
      open.set(no, { missing: new Set(others.map(({ id }) => id)), answer });
      for (const other of others) other.send({ kind: 'tell', ask: no });
    },
    hear: (teller, ask, metrics) => {
      if (!isMember(teller)) return;
      last.set(teller.id, metrics);
      const waiting = open.get(ask);
      if (waiting) heard(teller.id, waiting);
    },
    end: ({ id }) => {
      const left = (last.get(id) ?? []).filter(isCount);
      last.delete(id);
      ended = ended.then((before) => AggregatorRegistry.aggregate([before, left]).getMetricsAsJSON());
      for (const waiting of open.values()) heard(id, waiting);
    },
  };
}

/** A gauge says how something stands, which ends with its process. In JSON a type is its name. */
function isCount({ type }: Metrics[number]): boolean {
  return String(type) !== 'gauge';
}
