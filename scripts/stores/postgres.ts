// A real Postgres in a folder of ours, for development, tests and benchmarks.
//
// The folder holds `data` (Postgres's own), `password` and `log`. It listens on the loopback interface
// only, on a free port, and asks for that password; there is no socket file. A server that an earlier run
// left behind is stopped first, never shared: so the settings and the process are always those of this run.
import { createHash, randomBytes } from 'node:crypto';
import {
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { advice } from './advice.ts';
import { findPostgres, type PostgresBinaries } from './postgres-binaries.ts';
import {
  commandLine,
  describeExit,
  type Exit,
  freePort,
  lastLines,
  startProgram,
  stopProcess,
  waitUntil,
} from './process.ts';
import { giveTo } from './unprivileged.ts';

export type PostgresOptions = {
  /** Made when absent. Only one server at a time can run on it. */
  readonly dataDir: string;
  /** One line of progress for people. */
  readonly say?: (line: string) => void;
  /** The database that `url` names; made when absent. */
  readonly database?: string;
  /** For data that is thrown away: no fsync, so a crash of the machine may corrupt it. */
  readonly throwaway?: boolean;
  /** Of each file of the log; default: Postgres's 16 MB. Heeded when the data are made. */
  readonly walSegmentMb?: number;
  /** More settings, by name. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly path?: string;
  readonly bundledOnly?: boolean;
};

export type PostgresServer = {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly version: string;
  /** Where the data really is: `dataDir`, unless root could not keep it there. */
  readonly dataDir: string;
  readonly exited: Promise<Exit>;
  readonly stop: () => Promise<void>;
};

const USER = 'farebox';
const INIT_BOUND_MS = 120_000;
// Replaying the log after a kill takes longer the more was written since the last checkpoint.
const READY_BOUND_MS = 60_000;
const STOP_BOUND_MS = 15_000;
const START_ATTEMPTS_MAX = 3;

export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const say = options.say ?? (() => {});
  mkdirSync(options.dataDir, { recursive: true, mode: 0o700 });
  const wanted = realpathSync(options.dataDir);
  const binaries = chooseBinaries(wanted, options);
  const folder = reachableFolder(wanted, binaries, say);
  await stopLeftPostgres(wanted);
  const password = keptPassword(folder);
  await initialize(folder, binaries, password, options, say);
  const database = options.database ?? 'farebox';
  for (let attempt = 1; ; attempt++) {
    const started = await launch(folder, binaries, options);
    if ('server' in started) {
      const { server, port } = started;
      const url = `postgres://${USER}:${password}@127.0.0.1:${port}/${database}`;
      await createDatabaseIfAbsent(url, database);
      return { url, port, version: binaries.version, dataDir: folder, ...server };
    }
    // A port taken in between, or memory that the dead server's last children still held: both pass.
    if (attempt === START_ATTEMPTS_MAX)
      throw advice(`Postgres did not start: ${started.reason} (${join(folder, 'log')})`);
  }
}

/** Stop the server that an earlier run left on this folder; nothing else, and nothing when there is none. */
export async function stopLeftPostgres(dataDir: string): Promise<void> {
  if (!existsSync(dataDir)) return;
  const wanted = realpathSync(dataDir);
  await stopLeft(join(wanted, 'data'));
  await stopLeft(join(temporaryFolder(wanted), 'data'));
}

async function stopLeft(cluster: string): Promise<void> {
  const pid = Number(readPidFile(cluster)[0]);
  // Its command line names the folder: another process that has come to bear this id does not.
  const running = () => commandLine(pid)?.includes(`-D ${cluster} `) === true;
  if (pid > 1) await stopProcess(pid, running, { signal: 'SIGINT', boundMs: STOP_BOUND_MS });
  rmSync(join(cluster, 'postmaster.pid'), { force: true });
}

function chooseBinaries(dataDir: string, options: PostgresOptions): PostgresBinaries {
  const search = { path: options.path ?? process.env['PATH'] ?? '', bundledOnly: options.bundledOnly ?? false };
  const present = [dataDir, temporaryFolder(dataDir)]
    .map((folder) => join(folder, 'data', 'PG_VERSION'))
    .find((file) => existsSync(file));
  const major = present === undefined ? null : Number(readFileSync(present, 'utf8'));
  for (const found of findPostgres(search)) {
    if (major === null || found.major === major) return found;
  }
  throw advice(
    major === null
      ? `no Postgres from 14 on runs here${process.getuid?.() === 0 ? ' as root' : ''}: install it (\`apt-get install postgresql\`, \`brew install postgresql\`), or set DATABASE_URL`
      : `the data in ${dataDir} are of Postgres ${major}, which is not here: install that version, or remove the folder to begin anew`,
  );
}

// Root's Postgres, run as a plain user that keeps no capability, can enter few folders. The name is the same
// at each start, and must not be one that somebody else has made in the shared folder.
function reachableFolder(dataDir: string, binaries: PostgresBinaries, say: (line: string) => void): string {
  if (binaries.runner.entersAnywhere) return dataDir;
  const folder = temporaryFolder(dataDir);
  mkdirSync(folder, { recursive: true, mode: 0o711 });
  const stat = lstatSync(folder);
  if (!stat.isDirectory() || stat.uid !== 0)
    throw advice(`${folder} is not ours: remove it, or start as an ordinary user`);
  say(`Postgres does not run as root: its data are in ${folder}, where a plain user can enter`);
  return folder;
}

function temporaryFolder(dataDir: string): string {
  return join(tmpdir(), `farebox-postgres-${createHash('sha256').update(dataDir).digest('hex').slice(0, 16)}`);
}

function keptPassword(folder: string): string {
  const file = join(folder, 'password');
  if (!existsSync(file)) writeFileSync(file, randomBytes(18).toString('base64url'), { mode: 0o600 });
  return readFileSync(file, 'utf8').trim();
}

// Made under another name and then renamed: a folder called `data` is always a whole one.
async function initialize(
  folder: string,
  binaries: PostgresBinaries,
  password: string,
  { throwaway, walSegmentMb }: PostgresOptions,
  say: (line: string) => void,
): Promise<void> {
  const { runner } = binaries;
  const cluster = join(folder, 'data');
  if (existsSync(cluster)) {
    if (runner.owner) giveTo(runner.owner, cluster);
    return;
  }
  say(`making a Postgres ${binaries.version} database in ${folder}`);
  const unfinished = join(folder, 'data.unfinished');
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { mode: 0o700 });
  // Beside the data and not in it, since initdb wants its folder empty; readable for the plain user too.
  const passwordFile = join(folder, 'password.initdb');
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (runner.owner) {
    giveTo(runner.owner, unfinished);
    chownSync(passwordFile, runner.owner.uid, runner.owner.gid);
  }
  const initdb = runner.command(join(binaries.folder, 'initdb'), [
    ...['-D', unfinished, '-U', USER, '-A', 'scram-sha-256', `--pwfile=${passwordFile}`],
    ...['-E', 'UTF8', '--locale=C'],
    ...(throwaway ? ['--no-sync'] : []),
    ...(walSegmentMb === undefined ? [] : [`--wal-segsize=${walSegmentMb}`]),
  ]);
  const logFile = join(folder, 'log');
  const program = startProgram({ ...initdb, env: cleanEnvironment(), logFile, user: runner.user });
  const isDone = await waitUntil(() => !program.running(), INIT_BOUND_MS);
  if (!isDone) await stopProcess(program.pid, program.running, { signal: 'SIGTERM', boundMs: STOP_BOUND_MS });
  const exit = await program.exited;
  rmSync(passwordFile, { force: true });
  if (exit.code !== 0) {
    throw advice(`initdb failed (${describeExit(exit)}): ${lastLines(logFile, 2).join(' ')} (${logFile})`);
  }
  renameSync(unfinished, cluster);
}

type Launched =
  | {
      readonly server: { readonly pid: number; readonly exited: Promise<Exit>; readonly stop: () => Promise<void> };
      readonly port: number;
    }
  | { readonly reason: string };

async function launch(folder: string, binaries: PostgresBinaries, options: PostgresOptions): Promise<Launched> {
  const cluster = join(folder, 'data');
  const port = await freePort();
  const settings: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    ...TUNED,
    ...(options.throwaway ? THROWAWAY : {}),
    ...options.settings,
  };
  const command = binaries.runner.command(join(binaries.folder, 'postgres'), [
    ...['-D', cluster],
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ]);
  const logFile = join(folder, 'log');
  const program = startProgram({ ...command, env: cleanEnvironment(), logFile, user: binaries.runner.user });
  const stop = () => stopProcess(program.pid, program.running, { signal: 'SIGINT', boundMs: STOP_BOUND_MS });
  // Postgres itself writes `ready` into its pid file: asked without a connection, as pg_ctl does it.
  const isReady = () => Number(readPidFile(cluster)[0]) === program.pid && readPidFile(cluster)[7]?.trim() === 'ready';
  const isUp = (await waitUntil(() => isReady() || !program.running(), READY_BOUND_MS)) && program.running();
  if (isUp) return { server: { pid: program.pid, exited: program.exited, stop }, port };
  await stop();
  const said = lastLines(logFile, 20).findLast((line) => /FATAL|ERROR|PANIC/.test(line));
  return { reason: said ?? describeExit(await program.exited) };
}

const TUNED: Readonly<Record<string, string>> = {
  max_connections: '100',
  shared_buffers: '128MB',
  max_wal_size: '1GB',
  // Short statements gain nothing from compiling, and the first one of a plan pays for it.
  jit: 'off',
  log_min_messages: 'warning',
  // UTC whatever the machine's zone: a log line means the same everywhere.
  timezone: 'UTC',
  log_timezone: 'UTC',
};

const THROWAWAY: Readonly<Record<string, string>> = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  // No checkpoint falls into a test run.
  checkpoint_timeout: '1h',
};

function readPidFile(cluster: string): string[] {
  try {
    return readFileSync(join(cluster, 'postmaster.pid'), 'utf8').split('\n');
  } catch {
    return [];
  }
}

// PGDATA, PGPORT and the like are meant for somebody else's server.
function cleanEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'] ?? '', LC_ALL: 'C' };
}

async function createDatabaseIfAbsent(url: string, database: string): Promise<void> {
  const sql = postgres(url.replace(/[^/]*$/, 'postgres'), { max: 1, onnotice: () => {} });
  try {
    const found = await sql`select 1 from pg_database where datname = ${database}`;
    if (found.length === 0) await sql`create database ${sql(database)}`;
  } finally {
    await sql.end({ timeout: 5 });
  }
}
