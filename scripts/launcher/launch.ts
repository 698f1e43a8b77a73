// From nothing to a running Farebox, and back to nothing: stores, migrations, a worker, a gateway.
//
// What was started is stopped in the opposite order, whatever the reason: the gateway first, so that nothing new
// comes; then the worker, which carries on what is left; then Redis and Postgres. Every wait has a bound.
import { accessSync, constants, mkdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { advice } from '../stores/advice.ts';
import { startPostgres, stopLeftPostgres } from '../stores/postgres.ts';
import {
  describeExit,
  type Exit,
  lastLines,
  type Program,
  startProgram,
  stopProcess,
  tryListen,
  waitUntil,
} from '../stores/process.ts';
import { startRedis, stopLeftRedis } from '../stores/redis.ts';
import { greeting } from './greeting.ts';
import { type Lock, takeLock } from './lock.ts';
import { keptSecrets, type Secrets } from './secrets.ts';
import type { Settings } from './settings.ts';
import { startStripeStandIn, type StripeStandIn } from './stripe.ts';

export type LaunchOptions = {
  /** The compiled `main.js`, with the subcommands `migrate`, `worker`, `gateway`. */
  readonly main: string;
  readonly settings: Settings;
  readonly env: NodeJS.ProcessEnv;
  readonly say: (line: string) => void;
  /** Aborted: stop, whatever is under way. */
  readonly signal: AbortSignal;
};

type Part = { readonly name: string; readonly exited: Promise<Exit>; readonly logFile: string };
type Undo = (() => Promise<void> | void)[];

const MIGRATE_BOUND_MS = 120_000;
const READY_BOUND_MS = 60_000;
// A gateway finishes the requests it has, a worker the lane it drains.
const CHILD_STOP_BOUND_MS = 20_000;

/** Back when all has stopped again because `signal` was aborted. Throws, after stopping all, when something failed. */
export async function launch(options: LaunchOptions): Promise<void> {
  const { settings, signal, say } = options;
  const undo: Undo = [];
  try {
    const { parts, secrets, stripe } = await bringUp(options, undo);
    say(greeting(settings, { secrets, shownDir: shown(settings.dataDir), stripeUrl: stripe?.url }));
    const ended = await Promise.race([onAbort(signal), ...parts.map(untilEnd)]);
    if (ended !== null) throw diagnosis(ended.part, ended.exit);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    if (undo.length > 1) say('stopping');
    await takeDown(undo);
  }
}

type Up = { readonly parts: Part[]; readonly secrets: Secrets; readonly stripe: StripeStandIn | undefined };

async function bringUp(options: LaunchOptions, undo: Undo): Promise<Up> {
  const { settings, signal, say } = options;
  const startedMs = performance.now();
  makeDataDir(settings.dataDir);
  const lock = await takeLock(settings.dataDir, settings.url, say);
  if (lock.status === 'held') {
    throw advice(
      `already running at ${lock.url} (process ${lock.pid}) on ${shown(settings.dataDir)}: stop it, or give this one a FAREBOX_DATA_DIR and a PORT of its own`,
    );
  }
  undo.push(lock.release);
  await checkPort(settings);
  const secrets = keptSecrets(settings);
  const database = await postgresFor(options, undo);
  signal.throwIfAborted();
  const redis = await redisFor(options, undo);
  signal.throwIfAborted();
  const stripe = settings.hasStripeStandIn ? await startStripeStandIn(settings) : undefined;
  if (stripe) undo.push(stripe.stop);
  const app: App = {
    options,
    lock,
    undo,
    env: {
      ...options.env,
      ...stripe?.env,
      HOST: settings.host,
      PORT: String(settings.port),
      DATABASE_URL: database.url,
      REDIS_URL: redis.url,
      FAREBOX_BOOTSTRAP_KEY: secrets.bootstrapKey,
      FAREBOX_ADMIN_PASSWORD: secrets.adminPassword,
    },
  };
  await migrate(app);
  await stripe?.tellApp(database.url);
  const worker = startPart(app, 'worker');
  const gateway = startPart(app, 'gateway');
  const parts = [...database.parts, ...redis.parts, worker.part, gateway.part];
  await untilReady(settings.url, parts, signal);
  say(`worker and gateway ready after ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
  return { parts, secrets, stripe };
}

function makeDataDir(dataDir: string): void {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    accessSync(dataDir, constants.W_OK | constants.X_OK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw advice(
      `cannot write to ${shown(dataDir)} (${code}): make it writable, or name another folder in FAREBOX_DATA_DIR`,
    );
  }
}

async function checkPort({ port, host }: Settings): Promise<void> {
  const code = await tryListen(port, host);
  if (code === 'EADDRINUSE')
    throw advice(`port ${port} on ${host} is taken: stop what listens there, or set PORT to another one`);
  if (code !== null)
    throw advice(`cannot listen on ${host}, port ${port} (${code}): set HOST and PORT to what this machine allows`);
}

type Store = { readonly url: string; readonly parts: readonly Part[] };

async function postgresFor({ settings, say }: LaunchOptions, undo: Undo): Promise<Store> {
  const dataDir = join(settings.dataDir, 'postgres');
  if (settings.databaseUrl !== null) {
    await stopLeftPostgres(dataDir);
    say('Postgres: the one that DATABASE_URL names');
    return { url: settings.databaseUrl, parts: [] };
  }
  const server = await startPostgres({ dataDir, say });
  undo.push(server.stop);
  say(`Postgres ${server.version} on 127.0.0.1:${server.port}`);
  return {
    url: server.url,
    parts: [{ name: 'Postgres', exited: server.exited, logFile: join(server.dataDir, 'log') }],
  };
}

async function redisFor({ settings, say, signal }: LaunchOptions, undo: Undo): Promise<Store> {
  const dataDir = join(settings.dataDir, 'redis');
  if (settings.redisUrl !== null) {
    await stopLeftRedis(dataDir);
    say('Redis: the one that REDIS_URL names');
    return { url: settings.redisUrl, parts: [] };
  }
  const server = await startRedis({ dataDir, say, signal, appendonly: settings.appendonly });
  undo.push(server.stop);
  say(`${server.version} on 127.0.0.1:${server.port}`);
  return { url: server.url, parts: [{ name: 'Redis', exited: server.exited, logFile: join(dataDir, 'log') }] };
}

type App = {
  readonly options: LaunchOptions;
  readonly lock: Extract<Lock, { status: 'taken' }>;
  readonly undo: Undo;
  readonly env: NodeJS.ProcessEnv;
};

async function migrate(app: App): Promise<void> {
  const { signal, say } = app.options;
  const { program, part } = startPart(app, 'migrate');
  await waitUntil(() => !program.running() || signal.aborted, MIGRATE_BOUND_MS);
  signal.throwIfAborted();
  if (program.running())
    throw advice(`migrations take longer than ${MIGRATE_BOUND_MS / 1000} s: see ${shown(part.logFile)}`);
  const exit = await program.exited;
  if (exit.code !== 0) throw diagnosis(part, exit);
  say('migrations applied');
}

/** One subcommand of the app as a process that ends with us: its channel closes even if we are killed. */
function startPart(app: App, name: 'migrate' | 'worker' | 'gateway'): { program: Program; part: Part } {
  const { main, settings, signal } = app.options;
  signal.throwIfAborted();
  const logFile = join(settings.dataDir, `${name}.log`);
  const program = startProgram({
    file: process.execPath,
    args: [main, name],
    env: app.env,
    cwd: process.cwd(),
    logFile,
    ipc: true,
  });
  app.undo.push(() => stopProcess(program.pid, program.running, { signal: 'SIGTERM', boundMs: CHILD_STOP_BOUND_MS }));
  app.lock.addChild(name, program.pid);
  return { program, part: { name, exited: program.exited, logFile } };
}

async function untilReady(url: string, parts: readonly Part[], signal: AbortSignal): Promise<void> {
  let said = 'no answer';
  const isReady = async () => {
    try {
      const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) });
      said = `${response.status} ${(await response.text()).slice(0, 300)}`;
      return response.status === 200;
    } catch {
      return false;
    }
  };
  const ended: { part: Part; exit: Exit }[] = [];
  for (const part of parts) void untilEnd(part).then((end) => ended.push(end));
  const isDone = await waitUntil(
    async () => signal.aborted || ended.length > 0 || (await isReady()),
    READY_BOUND_MS,
    100,
  );
  signal.throwIfAborted();
  if (ended[0]) throw diagnosis(ended[0].part, ended[0].exit);
  if (!isDone) {
    const gateway = parts.find((part) => part.name === 'gateway');
    throw advice(
      `the gateway is not ready after ${READY_BOUND_MS / 1000} s (${said}): see ${gateway ? shown(gateway.logFile) : 'its log'}`,
    );
  }
}

async function untilEnd(part: Part): Promise<{ part: Part; exit: Exit }> {
  return { part, exit: await part.exited };
}

function onAbort(signal: AbortSignal): Promise<null> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(null);
    signal.addEventListener('abort', () => resolve(null), { once: true });
  });
}

function diagnosis(part: Part, exit: Exit): Error {
  const said = lastLines(part.logFile, 1)[0];
  return advice(
    `${part.name} ended by itself (${describeExit(exit)})${said ? `: ${spoken(said)}` : ''} (see ${shown(part.logFile)})`,
  );
}

/** The message of a line that the app's logger wrote as JSON; any other line as it is. */
function spoken(line: string): string {
  try {
    const { msg, err } = JSON.parse(line) as { msg?: unknown; err?: { message?: unknown } };
    return [msg, err?.message].filter((text) => typeof text === 'string').join(': ') || line;
  } catch {
    return line;
  }
}

/** A path as one would type it: from the working folder, where it lies below that. */
function shown(path: string): string {
  const fromHere = relative(process.cwd(), path);
  return fromHere !== '' && !fromHere.startsWith('..') ? fromHere : path;
}

async function takeDown(undo: Undo): Promise<void> {
  const failures: unknown[] = [];
  // One that fails must not keep the others running.
  for (const step of undo.reverse()) {
    try {
      await step();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}
