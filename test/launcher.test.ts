// `npm start`: everything runs after one command, nothing runs after it, whatever happened in between.
//
// The stores are real. The app is a stand-in that behaves, or misbehaves, as the test wishes; once it is Farebox itself.
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import postgres from 'postgres';
import { afterEach, beforeEach, expect, inject, test, vi } from 'vitest';
import { beganAt, commandLine, freePort, waitUntil } from '../scripts/stores/process.ts';
import { createDatabase, createRedis } from './stores.ts';
import { submit } from './stripe/paying.ts';

const LAUNCHER = fileURLToPath(new URL('./launcher.process.ts', import.meta.url));
const STAND_IN = fileURLToPath(new URL('./launcher.stand-in.mjs', import.meta.url));

const FAREBOX = fileURLToPath(new URL('../dist/src/main.js', import.meta.url));

// A start makes a database, loads TypeScript and runs three Nodes: seconds, of which a busy machine makes many.
const START_BOUND_MS = 45_000;
vi.setConfig({ testTimeout: 120_000 });

let dataDir: string;
let port: number;
let launched: Launcher[];

beforeEach(async () => {
  dataDir = mkdtempSync(join(inject('stores').folder, 'launcher-'));
  port = await freePort();
  launched = [];
});

afterEach(async () => {
  for (const launcher of launched) await launcher.end('SIGTERM');
});

test('one command runs stores, migrations and both roles; SIGTERM leaves nothing', async () => {
  const launcher = await start();
  expect(launcher.output()).toContain(`Farebox is ready at http://127.0.0.1:${port}`);
  const [first, ...roles] = ran().map((call) => call.subcommand);
  expect([first, ...roles.sort()]).toEqual(['migrate', 'gateway', 'worker']);
  const pids = allPids(launcher);
  expect(pids.filter(isRunning)).toEqual(pids);
  expect(await launcher.end('SIGTERM')).toBe(0);
  expect(pids.filter(isRunning)).toEqual([]);
});

test('the next start has the same secrets and the same data', async () => {
  const first = await start();
  const before = ran().at(-1)!;
  await execute(before.DATABASE_URL, 'create table kept (id int)');
  const redis = new Redis(before.REDIS_URL);
  await redis.set('kept', '1');
  await redis.quit();
  await first.end('SIGTERM');

  const second = await start();
  const after = ran().at(-1)!;
  expect(after.FAREBOX_BOOTSTRAP_KEY).toBe(before.FAREBOX_BOOTSTRAP_KEY);
  expect(second.output()).toContain(after.FAREBOX_BOOTSTRAP_KEY);
  expect(secretLines(second)).toEqual(secretLines(first));
  expect(statSync(join(dataDir, 'secrets.json')).mode & 0o777).toBe(0o600);
  await execute(after.DATABASE_URL, 'select id from kept');
  const again = new Redis(after.REDIS_URL);
  expect(await again.get('kept')).toBe('1');
  await again.quit();
});

test('Ctrl-C reaches the launcher alone, which stops the others in order', async () => {
  const launcher = await start();
  const pids = allPids(launcher);
  // As a terminal does it: to the whole group at once.
  process.kill(-launcher.pid, 'SIGINT');
  process.kill(-launcher.pid, 'SIGINT');
  expect(await launcher.exited).toBe(0);
  expect(pids.filter(isRunning)).toEqual([]);
});

test('a second launcher on the same data says in one line who has them', async () => {
  const first = await start();
  const second = await start({ PORT: String(await freePort()) });
  expect(await second.exited).toBe(1);
  expect(second.output().trim().split('\n')).toEqual([
    expect.stringContaining(`already running at http://127.0.0.1:${port} (process ${first.pid})`),
  ]);
  expect(allPids(first).every(isRunning)).toBe(true);
});

test('after kill -9 of the launcher alone, the next start takes over', async () => {
  const first = await start();
  const left = allPids(first);
  await first.end('SIGKILL');
  const second = await start();
  expect(left.filter(isRunning)).toEqual([]);
  expect(secretLines(second)).toEqual(secretLines(first));
});

test('after kill -9 of everything, the next start has what was written', async () => {
  const first = await start();
  await execute(ran().at(-1)!.DATABASE_URL, 'create table kept (id int)');
  const killed = allPids(first);
  for (const pid of killed) kill(pid, 'SIGKILL');
  await first.exited;
  expect(await waitUntil(() => killed.filter(isRunning).length === 0, 10_000)).toBe(true);
  await start();
  await execute(ran().at(-1)!.DATABASE_URL, 'select id from kept');
});

test('a stranger that has come to bear an old process id is let be', async () => {
  const first = await start();
  await first.end('SIGTERM');
  const stranger = spawn('sleep', ['60'], { detached: true });
  const began = beganAt(stranger.pid!);
  writeFileSync(join(dataDir, 'postgres/data/postmaster.pid'), `${stranger.pid}\n${dataDir}/postgres/data\n`);
  writeFileSync(join(dataDir, 'redis/redis.pid'), String(stranger.pid));
  const mark = { pid: stranger.pid, beganAt: '1', url: 'http://elsewhere' };
  writeFileSync(join(dataDir, 'launcher.json'), JSON.stringify({ ...mark, children: [{ ...mark, name: 'gateway' }] }));
  const second = await start();
  expect(second.output()).toContain('Farebox is ready');
  expect(beganAt(stranger.pid!)).toBe(began);
  stranger.kill('SIGKILL');
});

test('a port that is taken is named before anything starts', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve));
  const launcher = await start();
  expect(await launcher.exited).toBe(1);
  expect(launcher.output().trim()).toBe(
    `farebox: port ${port} on 127.0.0.1 is taken: stop what listens there, or set PORT to another one`,
  );
  other.close();
});

test('a folder that cannot be written is named with the way out', async () => {
  const file = join(dataDir, 'a-file');
  writeFileSync(file, '');
  const launcher = await start({ FAREBOX_DATA_DIR: join(file, 'below') });
  expect(await launcher.exited).toBe(1);
  expect(launcher.output()).toMatch(/^farebox: cannot write to .* or name another folder in FAREBOX_DATA_DIR\n$/);
});

test.each(['migrate', 'worker', 'gateway'])('a %s that fails is quoted, and all stops', async (subcommand) => {
  writeFileSync(join(dataDir, 'mood'), `${subcommand} fails`);
  const launcher = await start();
  expect(await launcher.exited).toBe(1);
  expect(launcher.output()).toContain(
    `farebox: ${subcommand} ended by itself (exit code 3): the ${subcommand} cannot: for a reason`,
  );
  expect(storePids().filter(isRunning)).toEqual([]);
  expect(
    ran()
      .map((call) => call.pid)
      .filter(isRunning),
  ).toEqual([]);
});

test.each(['gateway', 'Redis', 'Postgres'])('when %s dies later, all stops and says so', async (name) => {
  const launcher = await start();
  const pids = allPids(launcher);
  const [postgresPid, redisPid] = storePids();
  const gateway = ran().find((call) => call.subcommand === 'gateway')!;
  const victim = { gateway: gateway.pid, Redis: redisPid!, Postgres: postgresPid! }[name]!;
  kill(victim, 'SIGKILL');
  expect(await launcher.exited).toBe(1);
  expect(launcher.output()).toContain(`farebox: ${name} ended by itself (signal SIGKILL)`);
  expect(pids.filter(isRunning)).toEqual([]);
});

test('stores that the environment names are used, and none is started', async () => {
  const [database, redis] = await Promise.all([createDatabase(), createRedis()]);
  const launcher = await start({ DATABASE_URL: database.url, REDIS_URL: redis.url });
  expect(ran().at(-1)).toMatchObject({ DATABASE_URL: database.url, REDIS_URL: redis.url });
  expect(storePids()).toEqual([]);
  await launcher.end('SIGTERM');
  expect(isRunning(redis.pid)).toBe(true);
  await redis.stop();
  await database.drop();
});

test('secrets that the environment gives are used as they are, and not kept', async () => {
  const key = 'fb_test_given_by_the_environment';
  const launcher = await start({ FAREBOX_BOOTSTRAP_KEY: key });
  expect(ran().at(-1)!.FAREBOX_BOOTSTRAP_KEY).toBe(key);
  expect(launcher.output()).toContain(key);
  expect(readFileSync(join(dataDir, 'secrets.json'), 'utf8')).not.toContain(key);
});

test('SIGTERM while things start stops what has started', async () => {
  writeFileSync(join(dataDir, 'mood'), 'never ready');
  const launcher = await start({}, { isEnough: () => ran().length === 3 });
  const pids = allPids(launcher);
  expect(await launcher.end('SIGTERM')).toBe(0);
  expect(pids.filter(isRunning)).toEqual([]);
});

test('with a stand-in for Stripe a customer buys credit on a page, and an event brings it', async () => {
  const launcher = await start({ STRIPE_STAND_IN: 'on' }, { app: FAREBOX });
  const stripeUrl = /stand-in for Stripe on (\S+)/.exec(launcher.output())![1]!;
  // Whatever is printed is for pasting, so it is pasted.
  const [customer, , , , purchase] = launcher.output().match(/^(curl|AUTHORIZED=).*$/gm)!;
  await paste(customer);
  const topUp = JSON.parse(await paste(purchase!)) as { checkout_url: string };
  expect(topUp.checkout_url).toContain(`${stripeUrl}/c/pay/`);
  expect(await submit(topUp.checkout_url, { card: 'pm_card_visa' })).toBe(`http://127.0.0.1:${port}/docs`);
  const deliveries = async () => {
    const reply = await fetch(`${stripeUrl}/_stand_in/deliveries`);
    return (await reply.json()) as { type: string; status?: number }[];
  };
  const isTold = async () =>
    (await deliveries()).some((one) => one.type === 'payment_intent.succeeded' && one.status === 200);
  expect(await waitUntil(isTold, START_BOUND_MS)).toBe(true);
  const path = '/v1/customers/user_42/wallet';
  const wallet = purchase!.replace(/\/v1\S*/, path).replace(/-d '.*'$/, '');
  expect(await waitUntil(async () => (await paste(wallet)).includes('"available":"25"'), START_BOUND_MS)).toBe(true);
  expect(await launcher.end('SIGTERM')).toBe(0);
  await expect(fetch(stripeUrl)).rejects.toThrow();
});

test('a stand-in for Stripe and Stripe itself exclude each other', async () => {
  const launcher = await start({ STRIPE_STAND_IN: 'on', STRIPE_SECRET_KEY: 'sk_test_of_somebody' });
  expect(await launcher.exited).toBe(1);
  expect(launcher.output()).toBe(
    'farebox: STRIPE_STAND_IN and STRIPE_SECRET_KEY are both set: pay at one of them, and leave the other out\n',
  );
});

type Launcher = {
  readonly pid: number;
  readonly output: () => string;
  readonly exited: Promise<number | null>;
  readonly end: (signal: NodeJS.Signals) => Promise<number | null>;
};

/** Back when it is ready, has ended, or `isEnough`. */
async function start(
  env: NodeJS.ProcessEnv = {},
  { isEnough = () => false, app = STAND_IN }: { isEnough?: () => boolean; app?: string } = {},
): Promise<Launcher> {
  const before = ran().length;
  const child = spawn(process.execPath, ['--import', 'tsx', LAUNCHER, app], {
    env: {
      PATH: process.env['PATH'],
      // As below npm: it ends by itself when the process that started it, here the test's, is gone.
      npm_lifecycle_event: 'start',
      FAREBOX_DATA_DIR: dataDir,
      PORT: String(port),
      ...env,
    },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  let ended = false;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (part: string) => (text += part));
  }
  const exited = new Promise<number | null>((resolve) => {
    child.once('close', (code) => {
      ended = true;
      resolve(code);
    });
  });
  const launcher: Launcher = {
    pid: child.pid!,
    output: () => text,
    exited,
    end: (signal) => {
      child.kill(signal);
      return exited;
    },
  };
  launched.push(launcher);
  // The gateway may answer before the worker has said that it ran.
  const isUp = () => text.includes('Ctrl-C stops everything') && (app !== STAND_IN || ran().length >= before + 3);
  expect(await waitUntil(() => ended || isUp() || isEnough(), START_BOUND_MS)).toBe(true);
  return launcher;
}

type Call = {
  readonly subcommand: string;
  readonly pid: number;
  readonly DATABASE_URL: string;
  readonly REDIS_URL: string;
  readonly FAREBOX_BOOTSTRAP_KEY: string;
};

/** What the stand-in was called for, in order. */
function ran(): Call[] {
  return read('ran')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Call);
}

function storePids(): number[] {
  const pids = [read('postgres/data/postmaster.pid').split('\n')[0], read('redis/redis.pid')];
  return pids.map(Number).filter((pid) => pid > 0);
}

function allPids(launcher: Launcher): number[] {
  const roles = ran().filter((call) => call.subcommand !== 'migrate');
  return [launcher.pid, ...storePids(), ...roles.slice(-2).map((call) => call.pid)];
}

function secretLines(launcher: Launcher): string[] {
  return launcher
    .output()
    .split('\n')
    .filter((line) => /^ {2}(key|operator) /.test(line));
}

function read(name: string): string {
  try {
    return readFileSync(join(dataDir, name), 'utf8');
  } catch {
    return '';
  }
}

/** As a user does: a line of what was printed, in a shell. */
async function paste(line: string): Promise<string> {
  const { stdout } = await promisify(execFile)('bash', ['-c', line]);
  return stdout;
}

function isRunning(pid: number): boolean {
  return commandLine(pid) !== null;
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone already: the roles end with their launcher.
  }
}

async function execute(url: string, statement: string): Promise<void> {
  const sql = postgres(url, { max: 1 });
  await sql.unsafe(statement);
  await sql.end();
}
