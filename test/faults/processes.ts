// Gateways and workers as processes of their own, as in production: started from `dist`, stopped or killed.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, startProgram, stopProcess, waitUntil, type Exit } from '../../scripts/stores/process.ts';

const builtMain = fileURLToPath(new URL('../../dist/src/main.js', import.meta.url));
// Loading takes a second; a machine that is busy otherwise makes several of it.
const startBoundMs = 45_000;
const stopBoundMs = 20_000;

export type RoleProcess = {
  /** Role and number. */
  name: string;
  url: string;
  /** The parent's, where there are several processes. */
  pid: number;
  running: () => boolean;
  exited: Promise<Exit>;
  signal: (signal: NodeJS.Signals) => void;
  /** At once, and back when it is gone. */
  kill: () => Promise<void>;
  /** In order; insists after a bound. */
  stop: () => Promise<Exit>;
  log: () => string;
};

export type ProcessOptions = {
  folder: string;
  env: Record<string, string>;
  /** The compiled program; default: the one in `dist`. */
  main?: string;
};

let started = 0;

/** `farebox gateway`, on a port of its own, once it is ready; or sooner, with `isEarly`. */
export async function startGateway(options: ProcessOptions, { isEarly = false } = {}): Promise<RoleProcess> {
  const url = `http://127.0.0.1:${await freePort()}`;
  const gateway = spawn(options, 'gateway', url);
  const isReady = () =>
    fetch(`${url}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );
  if (!isEarly) await waitFor(gateway, isReady);
  return gateway;
}

/** `farebox worker`, once it runs; or sooner, with `isEarly`. */
export async function startWorker(options: ProcessOptions, { isEarly = false } = {}): Promise<RoleProcess> {
  const worker = spawn(options, 'worker', '');
  if (!isEarly) await waitFor(worker, () => worker.log().includes('worker runs'));
  return worker;
}

/** `farebox migrate`, to its end. */
export async function migrate(options: ProcessOptions): Promise<void> {
  const program = spawn(options, 'migrate', '');
  const { code } = await program.exited;
  if (code !== 0) throw new Error(`farebox migrate: exit code ${code}\n${program.log()}`);
}

function spawn({ folder, env, main = builtMain }: ProcessOptions, role: string, url: string): RoleProcess {
  started += 1;
  const name = `${role}-${started}`;
  const logFile = join(folder, `${name}.log`);
  const program = startProgram({
    file: process.execPath,
    args: [main, role],
    env: { PATH: process.env['PATH'] ?? '', LOG_LEVEL: 'info', ...env, ...(url !== '' && { PORT: new URL(url).port }) },
    logFile,
    // Should this process be killed, they stop by themselves.
    ipc: true,
  });
  const { pid, running, exited } = program;
  const stopWith = (signal: NodeJS.Signals) => stopProcess(pid, running, { signal, boundMs: stopBoundMs });
  return {
    name,
    url,
    pid,
    running,
    exited,
    signal: (signal) => void process.kill(pid, signal),
    kill: () => stopWith('SIGKILL'),
    stop: async () => {
      await stopWith('SIGTERM');
      return exited;
    },
    log: () => readFileSync(logFile, 'utf8'),
  };
}

async function waitFor(role: RoleProcess, isReady: () => boolean | Promise<boolean>): Promise<void> {
  const isUp = await waitUntil(async () => !role.running() || (await isReady()), startBoundMs, 50);
  if (isUp && role.running()) return;
  await role.kill();
  throw new Error(`did not start:\n${role.log().slice(-2_000)}`);
}
