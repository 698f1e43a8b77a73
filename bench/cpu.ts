// Processor time that processes have used, from /proc; NaN where there is none.
import { readFileSync } from 'node:fs';

/** Linux counts in hundredths of a second, whatever the kernel's own clock. */
const usPerTick = 10_000;

/** Of a process and its children, ended ones included, in µs. */
export function cpuUsOf(pid: number): number {
  const children = read(`/proc/${pid}/task/${pid}/children`)?.split(' ').map(Number).filter(Boolean) ?? [];
  return children.reduce((sum, child) => sum + (ticksOf(child)?.own ?? 0), totalTicks(pid)) * usPerTick;
}

function totalTicks(pid: number): number {
  const ticks = ticksOf(pid);
  return ticks === undefined ? Number.NaN : ticks.own + ticks.ofEnded;
}

function ticksOf(pid: number): { own: number; ofEnded: number } | undefined {
  // The second field is the program's name in parentheses and may hold spaces: count from behind it.
  const fields = read(`/proc/${pid}/stat`)?.split(') ').at(-1)?.split(' ').map(Number);
  if (fields === undefined) return undefined;
  const [user, system, endedUser, endedSystem] = fields.slice(11, 15);
  return { own: user! + system!, ofEnded: endedUser! + endedSystem! };
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
}
