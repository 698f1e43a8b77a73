// A CPU profile of V8 as a tree of calls with their times, and what of it took longest.
import type { Profiler } from 'node:inspector';

export type Call = {
  /** `function file:line`. */
  name: string;
  /** Whose code it is: a folder of ours, a package, Node. */
  owner: string;
  selfUs: number;
  totalUs: number;
  calls: Call[];
};

const idle = '(idle)';

/** Without the time in which there was nothing to do. */
export function callTree({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): { root: Call; idleUs: number } {
  const selfUs = new Map<number, number>();
  // A sample lasts until the next one.
  samples.forEach((id, i) => selfUs.set(id, (selfUs.get(id) ?? 0) + Math.max(0, timeDeltas[i + 1] ?? 0)));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const toCall = (node: Profiler.ProfileNode): Call => {
    const calls = merged((node.children ?? []).map((id) => toCall(byId.get(id)!)));
    const own = selfUs.get(node.id) ?? 0;
    return {
      ...nameOf(node.callFrame),
      selfUs: own,
      totalUs: calls.reduce((sum, { totalUs }) => sum + totalUs, own),
      calls,
    };
  };
  const all = toCall(nodes[0]!);
  const idleUs = all.calls.find(({ name }) => name === idle)?.totalUs ?? 0;
  const calls = all.calls.filter(({ name }) => name !== idle);
  return { root: { ...all, name: 'all', calls, totalUs: all.totalUs - idleUs }, idleUs };
}

/** By what each took itself, wherever it was called from. */
export function longest(root: Call, by: 'name' | 'owner'): { name: string; share: number }[] {
  const us = new Map<string, number>();
  const add = (call: Call) => {
    us.set(call[by], (us.get(call[by]) ?? 0) + call.selfUs);
    call.calls.forEach(add);
  };
  add(root);
  return [...us].map(([name, own]) => ({ name, share: own / root.totalUs })).sort((a, b) => b.share - a.share);
}

/** The profile has a function once for each way that it was compiled. */
function merged(calls: Call[]): Call[] {
  const byName = new Map<string, Call>();
  for (const call of calls) {
    const known = byName.get(call.name);
    if (!known) byName.set(call.name, call);
    else {
      known.selfUs += call.selfUs;
      known.totalUs += call.totalUs;
      known.calls = merged([...known.calls, ...call.calls]);
    }
  }
  return [...byName.values()].sort((a, b) => b.totalUs - a.totalUs);
}

function nameOf({ functionName, url, lineNumber }: Profiler.ProfileNode['callFrame']): Pick<Call, 'name' | 'owner'> {
  const name = functionName || '(anonymous)';
  // `(program)` and `(garbage collector)` are what V8 calls its own.
  if (url === '') return { name, owner: functionName.startsWith('(') ? name : '(native)' };
  const inPackage = /node_modules\/((?:@[^/]+\/)?[^/]+)\/(.*)$/.exec(url);
  const ours = /\/dist\/(.*)$/.exec(url);
  if (inPackage) return { name: `${name} ${inPackage[1]}/${inPackage[2]}:${lineNumber + 1}`, owner: inPackage[1]! };
  if (ours) return { name: `${name} ${ours[1]}:${lineNumber + 1}`, owner: ours[1]!.split('/').slice(0, -1).join('/') };
  return { name: `${name} ${url}:${lineNumber + 1}`, owner: 'node' };
}
