// Programs as processes: start one, know whether a process id still means it, wait with a bound, stop with a bound.
//
// Each program gets a session of its own. Ctrl-C reaches a whole terminal group at once, and a store that
// dies by it takes away what the gateway still needs for an orderly end. So the starter alone decides when
// a program stops, and a program outlives a starter that was killed. That is why everything here can be
// found again: by process id *and* by proof that the id has not passed to a stranger since.
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null; readonly error?: Error };

export type Program = {
  readonly pid: number;
  readonly exited: Promise<Exit>;
  readonly running: () => boolean;
};

export type ProgramOptions = {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Its output goes here; emptied first, so that it cannot grow from run to run. */
  readonly logFile: string;
  /** Default `/`: a store names all its files in full, and keeps no folder busy. */
  readonly cwd?: string;
  readonly user?: { readonly uid: number; readonly gid: number } | null;
  /** A channel that closes with us, for programs that should stop when their starter is gone. */
  readonly ipc?: boolean;
};

export function startProgram(options: ProgramOptions): Program {
  const log = openSync(options.logFile, 'w', 0o600);
  const child = spawn(options.file, options.args, {
    cwd: options.cwd ?? '/',
    env: options.env,
    detached: true,
    stdio: options.ipc ? ['ignore', log, log, 'ipc'] : ['ignore', log, log],
    ...(options.user ? { uid: options.user.uid, gid: options.user.gid } : {}),
  });
  closeSync(log);
  let ended = false;
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => {
      ended = true;
      resolve({ code, signal });
    });
    child.once('error', (error) => {
      ended = child.exitCode !== null || child.pid === undefined;
      if (ended) resolve({ code: null, signal: null, error });
    });
  });
  return { pid: child.pid ?? 0, exited, running: () => !ended };
}

/** `exit code 1`, `signal SIGKILL`: how a program ended, for a message. */
export function describeExit(exit: Exit): string {
  if (exit.error) return exit.error.message;
  return exit.signal ? `signal ${exit.signal}` : `exit code ${exit.code}`;
}

/** The command line of a living process; null when there is none (a zombie has none either). */
export function commandLine(pid: number): string | null {
  const read = process.platform === 'linux' ? readProc(pid, 'cmdline')?.replaceAll('\0', ' ') : ps(pid, 'args=');
  return read?.trim() || null;
}

/** When a process began, as the system tells it: with the id it names one process for ever. Null: no such process. */
export function beganAt(pid: number): string | null {
  if (process.platform !== 'linux') return ps(pid, 'lstart=') || null;
  // The second field is the program's name in parentheses and may hold spaces: count from behind it.
  const fields = readProc(pid, 'stat')?.split(') ').at(-1)?.split(' ');
  const isZombie = fields?.[0] === 'Z' || fields?.[0] === 'X';
  return fields === undefined || isZombie ? null : (fields[19] ?? null);
}

export async function waitUntil(
  isDone: () => boolean | Promise<boolean>,
  boundMs: number,
  everyMs = 20,
): Promise<boolean> {
  const endMs = performance.now() + boundMs;
  while (!(await isDone())) {
    if (performance.now() >= endMs) return false;
    await sleep(everyMs);
  }
  return true;
}

/** Ask, wait, insist. `running` must speak of the very process that is meant, not of its id alone. */
export async function stopProcess(
  pid: number,
  running: () => boolean,
  how: { readonly signal: NodeJS.Signals; readonly boundMs: number },
): Promise<void> {
  if (!running()) return;
  send(pid, how.signal);
  if (await waitUntil(() => !running(), how.boundMs)) return;
  send(pid, 'SIGKILL');
  if (!(await waitUntil(() => !running(), KILL_BOUND_MS))) throw new Error(`process ${pid} does not die of SIGKILL`);
}

// The kernel frees memory and files before a killed process is gone: with a large Redis, seconds.
const KILL_BOUND_MS = 10_000;

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // It went by itself between the look and the signal.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/**
 * A free port on the loopback interface, below the range that systems take for outgoing connections
 * (32768 and up): a server that restarts there finds it free again.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    if ((await tryListen(port, '127.0.0.1')) === null) return port;
  }
  throw new Error('no free port between 20000 and 32000 on 127.0.0.1');
}

/** Null when one can listen there, else the system's error code (`EADDRINUSE`, `EACCES`, …). */
export function tryListen(port: number, host: string): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(null)));
  });
}

/** The last lines of a log, for a message that says why something did not start. */
export function lastLines(file: string, count: number): string[] {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line.trim() !== '')
      .slice(-count);
  } catch {
    return [];
  }
}

function readProc(pid: number, name: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return null;
  }
}

function ps(pid: number, column: string): string | null {
  const result = spawnSync('ps', ['-o', column, '-p', String(pid)], { encoding: 'utf8', timeout: 5_000 });
  return result.status === 0 ? result.stdout.trim() : null;
}
