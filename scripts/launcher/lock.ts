// One launcher for one data folder: a file that says who runs, and that is believed only while that very process lives.
//
// A process id alone would do until the system gives it away again, after a kill -9 or a reboot; with the
// time the process began it names one process for ever. The file also lists the launcher's children, so
// that the next start can stop those that a killed launcher could not.
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beganAt, stopProcess } from '../stores/process.ts';

type Mark = { readonly pid: number; readonly beganAt: string };
type Child = Mark & { readonly name: string };
type Held = Mark & { readonly url: string; readonly children: readonly Child[] };

export type Lock =
  | {
      readonly status: 'taken';
      readonly addChild: (name: string, pid: number) => void;
      readonly release: () => void;
    }
  | { readonly status: 'held'; readonly pid: number; readonly url: string };

const CHILD_STOP_BOUND_MS = 20_000;

export async function takeLock(dataDir: string, url: string, say: (line: string) => void): Promise<Lock> {
  const file = join(dataDir, 'launcher.json');
  const own = join(dataDir, `launcher.${process.pid}.json`);
  let held: Held = { pid: process.pid, beganAt: beganAt(process.pid) ?? '', url, children: [] };
  const write = () => writeFileSync(own, JSON.stringify(held), { mode: 0o600 });
  write();
  try {
    for (;;) {
      if (tryLink(own, file)) break;
      const other = readHeld(file);
      if (other !== null && isRunning(other)) return { status: 'held', pid: other.pid, url: other.url };
      await removeStale(file, `${own}.stale`, say);
    }
  } finally {
    rmSync(own, { force: true });
  }
  return {
    status: 'taken',
    addChild: (name, pid) => {
      const began = beganAt(pid);
      if (began === null) return;
      held = { ...held, children: [...held.children, { name, pid, beganAt: began }] };
      // Written aside and renamed, so that no moment shows half a file.
      write();
      renameSync(own, file);
    },
    release: () => rmSync(file, { force: true }),
  };
}

/** Linking, unlike writing, fails when the name exists, and shows the file whole from its first moment. */
function tryLink(own: string, file: string): boolean {
  try {
    linkSync(own, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

// Two starts may find the same stale file. Each moves the file away before it looks again, and puts back what
// turns out to be the other's new one.
async function removeStale(file: string, moved: string, say: (line: string) => void): Promise<void> {
  try {
    renameSync(file, moved);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  const found = readHeld(moved);
  if (found !== null && isRunning(found)) tryLink(moved, file);
  else for (const child of found?.children.filter(isRunning) ?? []) await stopChild(child, say);
  rmSync(moved, { force: true });
}

async function stopChild(child: Child, say: (line: string) => void): Promise<void> {
  say(`stopping the ${child.name} that an earlier run left (process ${child.pid})`);
  await stopProcess(child.pid, () => isRunning(child), { signal: 'SIGTERM', boundMs: CHILD_STOP_BOUND_MS });
}

function isRunning(mark: Mark): boolean {
  return mark.pid > 1 && beganAt(mark.pid) === mark.beganAt;
}

function readHeld(file: string): Held | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Held;
  } catch {
    return null;
  }
}
