// One byte of the append-only file: Redis starts from the file cut there, beside a copy of the ledger as it was at that instant.
//
//   1  Redis starts from the cut file, and recovery is run
//   2  what was in doubt is asked again, and something of every wallet
//   3  Redis is killed and started again, and recovery is run again: a torn script in the file must not swallow what 2 did.
//      At every other byte Redis may not write its file anew meanwhile, so that the first half of that script comes to life
//   4  all that is checked after any trial, on this copy
import { cpSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { smallGateway, type SmallGateway } from '../../test/faults/small-gateway.ts';
import { closeDatabase, openDatabase } from '../../src/db/connect.ts';
import { readLosses } from '../../src/db/epochs.ts';
import { installationOf } from '../../src/db/installation.ts';
import { lanesCount } from '../../src/limits.ts';
import { laneOf } from '../../src/outbox/queues.ts';
import { connectRedis, waitUntilReady } from '../../src/wallet/redis.ts';
import { drainLane, type Drained } from '../../src/worker/drain.ts';
import { recover } from '../../src/worker/recover.ts';
import { waitUntil } from '../stores/process.ts';
import { startRedis } from '../stores/redis.ts';
import { appendOnlyFolder, cutAppendOnlyFile } from './append-only-file.ts';
import { check } from './check/check.ts';
import { openWallClock, readEpochs } from './check/kept.ts';
import { readLedger } from './check/ledger-entry.ts';
import { checkReported } from './check/reported.ts';
import type { Violation } from './check/violation.ts';
import type { Copies } from './copy-database.ts';
import { describeRequest, isYes, verdictOf, type Body, type Reply, type Request } from './history.ts';
import { checkBooks, checkStored, type Stores } from './run-trial.ts';

export type Torn = {
  /** Redis's files as they were when it was killed. */
  readonly dataDir: string;
  readonly appendonly: 'everysec' | 'always';
  readonly copies: Copies;
  readonly environmentId: string;
  readonly customers: readonly string[];
  /** All that was asked until then, and no more. */
  readonly requests: readonly Request[];
  /** Whether what was acknowledged may lie in what is cut off. */
  readonly mayLose: boolean;
};

export type CutFound = { readonly lost: number; readonly reported: number; readonly violations: readonly Violation[] };

const connectionsMax = 6;
const readyBoundMs = 10_000;
const appendedBoundMs = 10_000;
const neverRewriting = ['--rename-command', 'BGREWRITEAOF', ''];
const askedAgainMax = 100;
const askedAgainPauseMs = 20;

/** `dataDir`: where the Redis of this try has its files. */
export async function tryCut(torn: Torn, bytes: number, dataDir: string): Promise<CutFound> {
  const { copies, environmentId } = torn;
  const databaseUrl = await copies.make();
  rmSync(dataDir, { recursive: true, force: true });
  cpSync(appendOnlyFolder(torn.dataDir), appendOnlyFolder(dataDir), { recursive: true });
  cutAppendOnlyFile(dataDir, bytes);
  const server = await startRedis({
    ...{ dataDir, appendonly: torn.appendonly },
    extraArgs: bytes % 2 === 0 ? [] : neverRewriting,
  });
  const sql = openDatabase(databaseUrl, { connectionsMax, name: 'faults' });
  const redis = connectRedis(server.url, () => undefined);
  const stores = { sql, redis, environmentId };
  let gateway: SmallGateway | undefined;
  try {
    const drain = drainer(stores, await installationOf(sql));
    await recovered(stores, drain);
    gateway = await smallGateway({ sql, redisUrl: server.url, environmentId, markDirty: oneAtATime(drain) });
    const requests = torn.requests.map((request) => ({ ...request, attempts: [...request.attempts] }));
    const asked = await askAgain(gateway, requests, torn.customers);
    await untilAppended(redis);
    await server.kill();
    await server.restart();
    await recovered(stores, drain);
    const violations = await checkWallets(gateway, torn.customers);
    const entries = await readLedger(sql, environmentId);
    const mayLose = torn.mayLose
      ? { epochs: await readEpochs(sql), wallClock: openWallClock(), windows: [] }
      : undefined;
    const history = { environmentId, requests, entries };
    const found = check(history, { mayLose });
    violations.push(
      ...found.violations,
      ...(mayLose ? checkReported(history, mayLose) : []),
      ...(await checkStored(stores, torn.customers, Infinity)),
      ...(await checkBooks(stores)),
    );
    const afterwards = found.lost.filter((request) => asked.has(request));
    for (const request of afterwards) {
      const what = 'was acknowledged after the first restart, and lost with the second';
      violations.push({ check: 'acknowledged', who: describeRequest(request), what });
    }
    const reported = (await readLosses(sql)).lost.reduce((sum, { operations }) => sum + operations, 0);
    if (found.lost.length > reported) {
      const what = `${found.lost.length} acknowledged operations were lost, ${reported} reported`;
      violations.push({ check: 'reported', who: describeRequest(found.lost[0]!), what });
    }
    return { lost: found.lost.length, reported, violations };
  } finally {
    gateway?.stop();
    redis.disconnect();
    await closeDatabase(sql);
    await server.kill();
    await copies.drop(databaseUrl);
  }
}

/** With `everysec` Redis holds writes back while its disk is busy (docs/reliability.md): a loss of its own, and not what a cut does. */
async function untilAppended(redis: Stores['redis']): Promise<void> {
  const isEmpty = async () => /^aof_buffer_length:0\r?$/m.test(await redis.info('persistence'));
  if (!(await waitUntil(isEmpty, appendedBoundMs, 5))) throw new Error('Redis does not write its append-only file');
}

type Drain = (lane: number) => Promise<Drained>;

function drainer({ sql, redis }: Stores, installation: string): Drain {
  return (lane) =>
    drainLane({
      ...{ sql, redis, installation, lane, lanesCount },
      freezeWallet: async () => false,
      onBatch: () => undefined,
      onQuarantined: () => undefined,
      onForeignFence: () => undefined,
      onWarning: () => undefined,
    });
}

/** For wallets that wait for the ledger: they ask again, should it fail or have looked too early. */
function oneAtATime(drain: Drain): (partition: number) => void {
  const running = new Set<number>();
  return (partition) => {
    const lane = laneOf(partition, lanesCount);
    if (running.has(lane)) return;
    running.add(lane);
    const done = () => running.delete(lane);
    void drain(lane).then(done, done);
  };
}

async function recovered({ sql, redis }: Stores, drain: Drain): Promise<void> {
  if (!(await waitUntilReady(redis, readyBoundMs))) throw new Error('Redis cannot be reached after its restart');
  const outcome = await recover({
    ...{ sql, redis, installation: await installationOf(sql), drainLane: drain },
    readDurability: async () => 'fast',
    onWarning: () => undefined,
  });
  if (outcome.status !== 'recovered') throw new Error(`recovery after a restart says ${outcome.status}`);
}

/** What nobody knows the outcome of, until it is known; and a charge of nothing to every wallet. Returns what came to a yes. */
async function askAgain(
  gateway: SmallGateway,
  requests: Request[],
  customers: readonly string[],
): Promise<Set<Request>> {
  const again = requests.filter(
    (request) => request.attempts.length > 0 && !request.reusesKey && verdictOf(request) === 'open',
  );
  const charges = customers.map((customerId): Request => {
    const body = { customer_id: customerId, asset: 'USD', amount: '0' };
    return { kind: 'charge', customerId, path: '/v1/charge', body, key: `after the cut ${customerId}`, attempts: [] };
  });
  requests.push(...charges);
  const all = [...again, ...charges];
  await Promise.all(
    all.map(async (request) => {
      for (let attempt = 1; attempt <= askedAgainMax; attempt += 1) {
        await sendOnce(gateway, request);
        if (verdictOf(request) !== 'open' && request.attempts.at(-1)?.reply?.status !== 503) return;
        await sleep(askedAgainPauseMs);
      }
    }),
  );
  return new Set(all.filter(({ attempts }) => attempts.some(({ reply }) => isYes(reply))));
}

async function sendOnce(gateway: SmallGateway, { path, body, key, attempts }: Request): Promise<void> {
  const sentMs = performance.now();
  const { status, text, headers } = await gateway.post(path, body, { 'idempotency-key': key });
  const reply: Reply = {
    status,
    body: JSON.parse(text) as Body,
    replayed: headers.get('idempotent-replayed') === 'true',
  };
  attempts.push({ gateway: 'in process', sentMs, endedMs: performance.now(), reply });
}

/** Each can be read, which compares it with the ledger, and none was found to differ. */
async function checkWallets(gateway: SmallGateway, customers: readonly string[]): Promise<Violation[]> {
  const found = await Promise.all(
    customers.map(async (who): Promise<Violation[]> => {
      const read = () => gateway.get(`/v1/customers/${who}/wallet`);
      let answer = await read();
      // The gateway hears of the new epoch when it is refused.
      for (let attempt = 1; answer.status === 503 && attempt <= askedAgainMax; attempt += 1) {
        await sleep(askedAgainPauseMs);
        answer = await read();
      }
      const { status, text } = answer;
      if (status === 200 && (JSON.parse(text) as Body)['freeze_reason'] === null) return [];
      return [{ check: 'ends', who, what: `the wallet is answered ${status} ${text}` }];
    }),
  );
  return found.flat();
}
