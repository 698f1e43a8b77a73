// `npm run bench:reopen`: how long nobody can spend after Redis was lost, with many wallets in both stores.
//
// From the damage to a gateway's readiness, and to the first yes that a caller gets, with a gateway and a worker as processes
// of their own. What Redis itself takes is told apart: to come back with its files loaded, or to be emptied, before which
// nobody can do anything; and to write its append-only file anew, as it was found to be at it after the damage.
// `--wallets 1000000`, `--save` the figures, `--audit` the books afterwards.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { connectRedis, waitUntilReady } from '../src/wallet/redis.ts';
import { customerOf } from './many-wallets.ts';
import { startWorld, type World } from './reopen-world.ts';

const { values } = parseArgs({
  options: {
    wallets: { type: 'string', default: '100000' },
    save: { type: 'boolean', default: false },
    audit: { type: 'boolean', default: false },
  },
});
const walletsCount = Number(values.wallets);
const boundMs = 300_000;
const lookEveryMs = 20;
const watchEveryMs = 10;

type Row = {
  damage: string;
  /** Until Redis takes commands again. */
  redisBackMs: number;
  readyMs: number;
  firstYesMs: number;
  /** Of `readyMs` and `firstYesMs`, what is not Redis's own. */
  oursToReadyMs: number;
  oursToFirstYesMs: number;
  /** What the worker says that recovery took. */
  recoveryMs: number;
  /** Until it was written anew; 0: it was not. */
  rewriteMs: number;
};

const say = (line: string) => console.log(line);
const world = await startWorld(walletsCount, say);
const rows: Row[] = [];
try {
  rows.push(await measure('killed and restarted', world.killAndRestart));
  await world.joinReplica();
  rows.push(await measure('failed over to a replica', world.failOver));
  rows.push(await measure('emptied', world.empty));
  console.table(rows);
  if (values.save) save();
  if (values.audit) say(await world.audited());
} finally {
  await world.stop();
}

async function measure(damage: string, doDamage: World['empty']): Promise<Row> {
  await world.spendALittle();
  const before = await readiness();
  const recoveries = world.recoveriesMs().length;
  const watch = watchRewriting();
  const startedMs = performance.now();
  const sinceStart = () => Math.round(performance.now() - startedMs);
  const damaged = doDamage().then(sinceStart);
  const ready = until(async () => {
    const now = await readiness();
    return now.ready && now.recoveredAt !== before.recoveredAt;
  }).then(sinceStart);
  // Only what comes after the damage can be a yes: Redis is emptied or killed before it is asked.
  await sleep(1);
  let asked = 0;
  const yes = until(async () => {
    const body = { customer_id: customerOf((asked += 7919) % walletsCount), asset: 'USD', amount: '0.01' };
    const reply = await world.post('/v1/authorize', body).catch(() => undefined);
    return reply?.status === 200;
  }).then(sinceStart);
  const [redisBackMs, readyMs, firstYesMs] = await Promise.all([damaged, ready, yes]);
  const rewriteMs = await watch.ended();
  // The worker says so when gateways have gone on already.
  await until(async () => world.recoveriesMs().length > recoveries);
  const recoveryMs = world.recoveriesMs().at(-1) ?? Number.NaN;
  const row = {
    damage,
    redisBackMs,
    readyMs,
    firstYesMs,
    oursToReadyMs: readyMs - redisBackMs,
    oursToFirstYesMs: firstYesMs - redisBackMs,
    recoveryMs,
    rewriteMs,
  };
  say(JSON.stringify(row));
  return row;
}

async function readiness(): Promise<{ ready: boolean; recoveredAt: unknown }> {
  const reply = await fetch(`${world.gatewayUrl}/readyz`);
  const body = (await reply.json()) as { dependencies?: { redis?: { recovered_at?: unknown } } };
  return { ready: reply.status === 200, recoveredAt: body.dependencies?.redis?.recovered_at };
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (const endMs = performance.now() + boundMs; performance.now() < endMs; await sleep(lookEveryMs)) {
    if (await isSo()) return;
  }
  throw new Error(`not within ${boundMs / 1000} s`);
}

/** How long Redis writes its append-only file anew, from now on; `ended` waits until it does not. */
function watchRewriting(): { ended: () => Promise<number> } {
  const redis = connectRedis(world.redisUrl, () => {});
  let sinceMs: number | undefined;
  let tookMs = 0;
  let isRewriting = false;
  let isOver = false;
  const watching = (async () => {
    for (; !isOver || isRewriting; await sleep(watchEveryMs)) {
      const info = await redis.info('persistence').catch(() => undefined);
      if (info === undefined) continue;
      isRewriting = /aof_rewrite_(in_progress|scheduled):1/.test(info);
      if (isRewriting) sinceMs ??= performance.now();
      else if (sinceMs !== undefined) {
        tookMs += performance.now() - sinceMs;
        sinceMs = undefined;
      }
    }
  })();
  return {
    ended: async () => {
      await waitUntilReady(redis, 5_000);
      isOver = true;
      await watching;
      redis.disconnect();
      return Math.round(tookMs);
    },
  };
}

function save(): void {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  const at = new Date().toISOString();
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version, redis: world.redisVersion };
  const folder = join('bench', 'results');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `reopen-${at.slice(0, 19).replaceAll(':', '')}-${commit}.json`);
  writeFileSync(file, `${JSON.stringify({ at, commit, machine, wallets: walletsCount, rows }, null, 2)}\n`);
  say(`wrote ${file}`);
}
