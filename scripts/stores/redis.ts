// A real Redis (or Valkey) in a folder of ours, for development, tests and benchmarks.
//
// The folder holds its append-only file, `redis.conf` (with a password of this folder's own), `redis.pid` and
// `log`. It listens on the loopback interface only. A server that an earlier run left behind is stopped first.
// It never evicts (`noeviction`): a wallet that was evicted would be money gone.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { advice } from './advice.ts';
import {
  commandLine,
  describeExit,
  type Exit,
  freePort,
  lastLines,
  type Program,
  startProgram,
  stopProcess,
  waitUntil,
} from './process.ts';
import { findRedis, type RedisBinary } from './redis-binaries.ts';

export type RedisOptions = {
  /** Made when absent. Only one server at a time can run on it. */
  readonly dataDir: string;
  /** Whether writes reach a file, and how soon: class `fast` is `everysec`, class `durable` is `always`. */
  readonly appendonly: 'no' | 'everysec' | 'always';
  /** One line of progress for people. */
  readonly say?: (line: string) => void;
  /** More settings, as on the command line: `['--maxmemory', '100mb']`. */
  readonly extraArgs?: readonly string[];
  readonly port?: number;
  /** Default: one of its own. */
  readonly password?: string;
  /** Where a downloaded program is kept; default `.cache` in the working folder. */
  readonly cacheDir?: string;
  readonly path?: string;
  /** Ends a download of the program. */
  readonly signal?: AbortSignal;
};

export type RedisServer = {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly version: string;
  /** When the process that runs now ends. */
  readonly exited: Promise<Exit>;
  /** An orderly end: what was written is on disk. */
  readonly stop: () => Promise<void>;
  /** A sudden one; back when the process is gone. */
  readonly kill: (signal?: NodeJS.Signals) => Promise<void>;
  /** The same data, port and password, in a new process. */
  readonly restart: () => Promise<void>;
};

// Loading: about 10 s for each GB of append-only file.
const READY_BOUND_MS = 60_000;
const STOP_BOUND_MS = 10_000;
const START_ATTEMPTS_MAX = 3;

export async function startRedis(options: RedisOptions): Promise<RedisServer> {
  mkdirSync(options.dataDir, { recursive: true, mode: 0o700 });
  // One spelling of the folder, since the process is recognized by it.
  const folder = realpathSync(options.dataDir);
  const binary = await findRedis({
    path: options.path ?? process.env['PATH'] ?? '',
    cacheDir: options.cacheDir ?? '.cache',
    ...(options.say ? { say: options.say } : {}),
    ...(options.signal ? { signal: options.signal } : {}),
  });
  await stopLeftRedis(folder);
  const password = options.password ?? randomBytes(18).toString('base64url');
  let { program, port } = await launchOnFreePort();

  async function launchOnFreePort(): Promise<{ program: Program; port: number }> {
    for (let attempt = 1; ; attempt++) {
      const candidate = options.port ?? (await freePort());
      const launched = await launch(folder, binary, { ...options, port: candidate, password });
      if ('program' in launched) return { program: launched.program, port: candidate };
      // Somebody may have taken the port since it was found free.
      if (attempt === START_ATTEMPTS_MAX)
        throw advice(`Redis did not start: ${launched.reason} (${join(folder, 'log')})`);
    }
  }

  const stop = async () => {
    await stopProcess(program.pid, program.running, { signal: 'SIGTERM', boundMs: STOP_BOUND_MS });
    rmSync(join(folder, 'redis.pid'), { force: true });
  };
  return {
    url: `redis://:${password}@127.0.0.1:${port}`,
    port,
    version: `${binary.name} ${binary.version}`,
    get pid() {
      return program.pid;
    },
    get exited() {
      return program.exited;
    },
    stop,
    kill: (signal = 'SIGKILL') => stopProcess(program.pid, program.running, { signal, boundMs: STOP_BOUND_MS }),
    restart: async () => {
      await stop();
      const launched = await launch(folder, binary, { ...options, port, password });
      if ('reason' in launched) throw advice(`Redis did not start again: ${launched.reason} (${join(folder, 'log')})`);
      program = launched.program;
    },
  };
}

/** Stop the server that an earlier run left on this folder; nothing else, and nothing when there is none. */
export async function stopLeftRedis(dataDir: string): Promise<void> {
  if (!existsSync(dataDir)) return;
  const folder = realpathSync(dataDir);
  const pidFile = join(folder, 'redis.pid');
  const pid = readPid(pidFile);
  // Its command line names our file: another process that has come to bear this id does not.
  const running = () => commandLine(pid)?.includes(join(folder, 'redis.conf')) === true;
  if (pid > 1) await stopProcess(pid, running, { signal: 'SIGTERM', boundMs: STOP_BOUND_MS });
  rmSync(pidFile, { force: true });
}

type Settings = RedisOptions & { readonly port: number; readonly password: string };

async function launch(
  folder: string,
  binary: RedisBinary,
  settings: Settings,
): Promise<{ program: Program } | { reason: string }> {
  const configFile = join(folder, 'redis.conf');
  const logFile = join(folder, 'log');
  // In a file, since a command line is for everyone to read.
  writeFileSync(configFile, config(folder, settings), { mode: 0o600 });
  const args = [configFile, ...(settings.extraArgs ?? [])];
  const env = { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', ...binary.env };
  const program = startProgram({ file: binary.file, args, env, logFile });
  writeFileSync(join(folder, 'redis.pid'), String(program.pid));
  const isReady = async () => !program.running() || (await answers(settings.port, settings.password));
  if ((await waitUntil(isReady, READY_BOUND_MS)) && program.running()) return { program };
  await stopProcess(program.pid, program.running, { signal: 'SIGTERM', boundMs: STOP_BOUND_MS });
  return { reason: lastLines(logFile, 1)[0] ?? describeExit(await program.exited) };
}

function config(folder: string, settings: Settings): string {
  return `bind 127.0.0.1
port ${settings.port}
requirepass ${settings.password}
dir ${JSON.stringify(folder)}
save ""
appendonly ${settings.appendonly === 'no' ? 'no' : 'yes'}
appendfsync ${settings.appendonly === 'no' ? 'everysec' : settings.appendonly}
maxmemory-policy noeviction
# A hash that is kept as a list is searched from its beginning: with hundreds of open holds in a wallet an authorize takes half as
# long again.
hash-max-listpack-entries 32
# Compressing is a quarter of the work of writing the append-only file anew, and takes it from the cores that decide.
rdbcompression no
# So that the command line goes on naming this file, by which the process is known to be ours.
set-proc-title no
`;
}

/** Whether the server there knows the password and takes commands: then it is the one just started. */
function answers(port: number, password: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: '127.0.0.1' });
    let reply = '';
    const done = (isUp: boolean) => {
      socket.destroy();
      resolve(isUp);
    };
    socket.setEncoding('utf8').setTimeout(2_000, () => done(false));
    socket.once('connect', () => socket.write(`AUTH ${password}\r\nPING\r\n`));
    socket.once('error', () => done(false));
    socket.once('close', () => done(false));
    socket.on('data', (text: string) => {
      reply += text;
      if (reply.includes('\n-') || reply.startsWith('-')) done(false);
      if (reply.includes('+PONG')) done(true);
    });
  });
}

function readPid(pidFile: string): number {
  try {
    return Number(readFileSync(pidFile, 'utf8')) || 0;
  } catch {
    return 0;
  }
}
