// A gateway for the demo alone, on new stores in a folder of its own, which is removed at the end.
//
// The launcher runs it, as `npm start` would; the stores are started here, because the audit needs their addresses. What a
// killed demo left running is found in that folder and stopped by the next one.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { launch } from '../launcher/launch.ts';
import { takeLock } from '../launcher/lock.ts';
import { readSettings, type Settings } from '../launcher/settings.ts';
import { advice } from '../stores/advice.ts';
import { startPostgres, stopLeftPostgres } from '../stores/postgres.ts';
import { freePort, waitUntil } from '../stores/process.ts';
import { startRedis, stopLeftRedis } from '../stores/redis.ts';

export type DemoGateway = {
  readonly baseUrl: string;
  readonly apiKey: string;
  /** Every balance against the ledger; null: the stores are not ours to read. */
  readonly audit: () => Promise<{ readonly isPassed: boolean; readonly said: string } | null>;
  /** Aborted when it ended by itself; `stop` then throws why. */
  readonly over: AbortSignal;
  readonly stop: () => Promise<void>;
};

type Say = (line: string) => void;
type Undo = (() => Promise<void> | void)[];

const main = fileURLToPath(new URL('../../src/main.js', import.meta.url));
const auditProgram = fileURLToPath(new URL('../audit.js', import.meta.url));

// Longer than the launcher's own bounds, which say more when they are reached.
const READY_BOUND_MS = 200_000;
const AUDIT_BOUND_MS = 300_000;

export async function startOwnGateway(say: Say, signal: AbortSignal): Promise<DemoGateway> {
  const undo: Undo = [];
  try {
    const env = await startStores(resolve(process.env['FAREBOX_DATA_DIR'] || '.data', 'demo'), say, signal, undo);
    const settings = readSettings(env);
    const launched = await launchUntilReady(settings, env, say, signal);
    undo.push(launched.stop);
    return {
      over: launched.over,
      baseUrl: settings.url,
      apiKey: env.FAREBOX_BOOTSTRAP_KEY,
      audit: () => runAudit(env),
      stop: () => takeDown(undo),
    };
  } catch (error) {
    await takeDown(undo);
    throw error;
  }
}

/** Back: the environment of a gateway on these stores. */
async function startStores(dataDir: string, say: Say, signal: AbortSignal, undo: Undo) {
  const [postgresDir, redisDir] = [join(dataDir, 'postgres'), join(dataDir, 'redis')];
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const lock = await takeLock(dataDir, '', say);
  if (lock.status === 'held') throw advice(`another demo runs (process ${lock.pid}): stop it, or wait for its end`);
  undo.push(() => rmSync(dataDir, { recursive: true, force: true }));
  await stopLeftPostgres(postgresDir);
  await stopLeftRedis(redisDir);
  for (const folder of [postgresDir, redisDir]) rmSync(folder, { recursive: true, force: true });

  const database = await startPostgres({ dataDir: postgresDir, say });
  undo.push(database.stop);
  signal.throwIfAborted();
  // Class `fast`, as `npm start` gives it.
  const redis = await startRedis({ dataDir: redisDir, appendonly: 'everysec', say, signal });
  undo.push(redis.stop);
  signal.throwIfAborted();
  return {
    ...process.env,
    HOST: '127.0.0.1',
    PORT: String(await freePort()),
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    QUEUE_REDIS_URL: redis.url,
    FAREBOX_DATA_DIR: join(dataDir, 'launcher'),
    FAREBOX_BOOTSTRAP_KEY: `fb_test_${randomBytes(24).toString('hex')}`,
    FAREBOX_DURABILITY: 'fast',
  };
}

type Launched = Pick<DemoGateway, 'over' | 'stop'>;

async function launchUntilReady(
  settings: Settings,
  env: NodeJS.ProcessEnv,
  say: Say,
  signal: AbortSignal,
): Promise<Launched> {
  const asked = new AbortController();
  const over = new AbortController();
  // The launcher's greeting, of several lines, is for people who stay.
  const sayLine: Say = (line) => (line.includes('\n') ? undefined : say(line));
  const running = launch({ main, settings, env, say: sayLine, signal: asked.signal }).finally(() => over.abort());
  // `stop` tells of a failure; until it is called, it must not count as unhandled.
  running.catch(() => {});
  const stop = async () => {
    asked.abort();
    await running;
  };
  const isStarted = async () => signal.aborted || over.signal.aborted || (await isReady(settings.url));
  const isDone = await waitUntil(isStarted, READY_BOUND_MS, 100);
  if (isDone && !over.signal.aborted && !signal.aborted) return { over: over.signal, stop };
  await stop();
  signal.throwIfAborted();
  throw advice(`the gateway is not ready after ${READY_BOUND_MS / 1_000} s`);
}

async function isReady(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

async function takeDown(undo: Undo): Promise<void> {
  const failures: unknown[] = [];
  // One that fails must not keep the others running.
  for (const step of undo.splice(0).reverse()) {
    try {
      await step();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

function runAudit(env: NodeJS.ProcessEnv): Promise<{ isPassed: boolean; said: string }> {
  return new Promise((done) => {
    execFile(process.execPath, [auditProgram], { env, timeout: AUDIT_BOUND_MS }, (error, stdout, stderr) => {
      // When it passed, its last line is the sum of it; when not, every line may matter.
      const said = error === null ? (stdout.trim().split('\n').at(-1) ?? '') : `${stdout}${stderr}`.trim();
      done({ isPassed: error === null, said: said.replaceAll(/^audit: /gm, '') });
    });
  });
}
