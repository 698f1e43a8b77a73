// One trial: a world, load, faults, and everything that is checked of it afterwards.
import { setTimeout as sleep } from 'node:timers/promises';
import { cpSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomOf } from '../../test/faults/seeded.ts';
import { audit } from '../audit/audit.ts';
import { waitUntil } from '../stores/process.ts';
import { readLosses } from '../../src/db/epochs.ts';
import { loadWallet } from '../../src/db/wallets.ts';
import { walletOf } from '../../src/wallet/keys.ts';
import { readStoredWallet, walletDifferences } from '../../src/wallet/stored-wallet.ts';
import { readBehind } from './behind.ts';
import { check } from './check/check.ts';
import { checkEnds } from './check/ends.ts';
import { openWallClock, readEpochs } from './check/kept.ts';
import { checkLosses, type LossWindow } from './check/losses.ts';
import { checkReported } from './check/reported.ts';
import { readLedger } from './check/ledger-entry.ts';
import type { Violation } from './check/violation.ts';
import { verdictOf, type Request } from './history.ts';
import { resolveAll, runLoad, type Load } from './load.ts';
import type { Part } from './options.ts';
import type { Postgres } from './postgres.ts';
import type { Scenario, Trial } from './scenario.ts';
import { openWorld, ordinary, type World, type WorldOptions } from './world.ts';

export type TrialOptions = {
  readonly scenario: Scenario;
  readonly seed: number;
  readonly rounds: number;
  readonly isBrief?: boolean;
  readonly part?: Part;
  readonly postgres: Postgres;
  /** Where the world's files go; removed at the end. */
  readonly folder: string;
  readonly say: (line: string) => void;
  /** Leave the files where something failed. */
  readonly keep?: boolean;
  /** How long doubts may last, and the ledger be behind, once the load has ended. */
  readonly patienceMs?: number;
  readonly world?: Partial<WorldOptions>;
};

/** What is read of a world once it stands still. */
export type Stores = Pick<World, 'sql' | 'redis' | 'environmentId'>;

export type TrialReport = {
  readonly scenario: string;
  readonly seed: number;
  readonly operations: number;
  readonly sent: number;
  readonly yes: number;
  readonly no: number;
  /** Whose outcome was unknown when the load ended. */
  readonly inDoubt: number;
  readonly entries: number;
  readonly lost: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly violations: readonly Violation[];
  readonly tookMs: number;
};

const customersCount = 8;
const clientsPerCustomer = 3;
const patienceMs = 30_000;

export async function runTrial(options: TrialOptions): Promise<TrialReport> {
  const beganMs = performance.now();
  const { scenario, seed } = options;
  const folder = join(options.folder, `${scenario.name}-${seed}`);
  const world = await openWorld(options.postgres, folder, { ...ordinary, ...scenario.world, ...options.world });
  try {
    const found = await underLoad(world, options);
    if (options.keep === true && found.violations.length > 0) {
      const kept = mkdtempSync(join(tmpdir(), 'farebox-faults-kept-'));
      cpSync(folder, kept, { recursive: true });
      options.say(`logs: ${kept}`);
    }
    return { scenario: scenario.name, seed, ...found, tookMs: Math.round(performance.now() - beganMs) };
  } finally {
    await world.close();
  }
}

/** One that breaks off is a run that failed, and leaves what the next one needs. */
export async function tryTrial(options: TrialOptions): Promise<TrialReport> {
  const beganMs = performance.now();
  try {
    return await runTrial(options);
  } catch (error) {
    await options.postgres.mend();
    const what = `broke off: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
    const { scenario, seed } = options;
    return {
      ...{ scenario: scenario.name, seed, operations: 0, sent: 0, yes: 0, no: 0, inDoubt: 0, entries: 0, lost: 0 },
      counts: {},
      violations: [{ check: 'scenario', who: scenario.name, what }],
      tookMs: Math.round(performance.now() - beganMs),
    };
  }
}

async function underLoad(
  world: World,
  options: TrialOptions,
): Promise<Omit<TrialReport, 'scenario' | 'seed' | 'tookMs'>> {
  const { scenario, seed } = options;
  const requests: Request[] = [];
  const violations: Violation[] = [];
  const counts: Record<string, number> = {};
  const windows: LossWindow[] = [];
  const wallClock = openWallClock();
  const customers = Array.from({ length: customersCount }, (_, i) => `c${i}`);
  await createCustomers(world, customers);
  const pricing = await scenario.prepare?.(world, customers);
  let isOver = false;
  const load: Load = {
    gateways: () => world.gateways.filter(({ process }) => process.running()).map(({ client }) => client),
    ...{ seed, customers, clientsPerCustomer, requests, hasEvents: pricing !== undefined, long: scenario.long },
    isOver: () => isOver,
  };
  const trial: Trial = {
    ...{ world, pricing },
    random: randomOf(seed),
    say: options.say,
    isBrief: options.isBrief ?? false,
    part: options.part ?? { no: 1, of: 1 },
    asked: () => requests.length,
    requests,
    count: (what, by = 1) => void (counts[what] = (counts[what] ?? 0) + by),
    mayLoseBetween: (fromMs, toMs) => void windows.push({ fromMs, toMs }),
    blame: (violation) => violations.push(violation),
  };
  const running = runLoad(load);
  // Heard of where it is awaited; not before.
  running.catch(() => undefined);
  try {
    await scenario.inject(trial, options.rounds);
  } finally {
    isOver = true;
    await running;
    await scenario.heal?.(trial);
  }
  for (const role of [...world.workers, ...world.gateways.map((member) => member.process)]) {
    if (role.running()) continue;
    const said = role.log().trimEnd().split('\n').slice(-12).join(' | ');
    violations.push({ check: 'processes', who: role.name, what: `ended by itself: ${said}` });
  }
  const inDoubt = await resolveAll(load, options.patienceMs ?? patienceMs);
  violations.push(...(await settleDown(world, options.patienceMs ?? patienceMs)));
  const reported = await lossesReported(world);
  // Before the long check: workers and gateways that reach a store through this process would stand still meanwhile.
  violations.push(...(await checkStored(world, customers)));
  const entries = await readLedger(world.sql, world.environmentId);
  const mayLose = scenario.mayLose ? { epochs: await readEpochs(world.sql), wallClock, windows } : undefined;
  const history = { environmentId: world.environmentId, requests, entries, pricing };
  const findings = check(history, { mayLose, isCalm: scenario.isCalm ?? false });
  if (mayLose) violations.push(...checkReported(history, mayLose));
  violations.push(
    ...findings.violations,
    ...(await checkEnds(world, findings.timelines)),
    ...(await checkBooks(world)),
  );
  const { lost } = findings;
  violations.push(...checkLosses({ lost, reported, windows, keepsConfirmed: scenario.keepsConfirmed ?? false }));
  if (reported > 0) counts['entries reported lost'] = reported;
  const verdicts = requests.map(verdictOf);
  return {
    operations: requests.length,
    sent: requests.reduce((sum, { attempts }) => sum + attempts.length, 0),
    yes: verdicts.filter((verdict) => verdict === 'yes').length,
    no: verdicts.filter((verdict) => verdict === 'no').length,
    inDoubt,
    entries: entries.length,
    lost: lost.length,
    counts,
    violations,
  };
}

async function createCustomers({ gateways }: World, customers: readonly string[]): Promise<void> {
  const gateway = gateways[0]?.client;
  for (const id of customers) {
    const reply = await gateway?.post('/v1/customers', { id });
    if (reply?.status !== 201) throw new Error(`no customer ${id}: ${JSON.stringify(reply)}`);
  }
}

/** Until the ledger has all that Redis wrote, and nothing is about to happen by itself. */
async function settleDown(world: World, boundMs: number): Promise<Violation[]> {
  // Holds and grants that run out within the load's shortest times do so now, and not while we look.
  await sleep(lastDeadlineMs);
  let behind = '';
  const isDrained = async () => {
    try {
      const { entries, partitions } = await readBehind(world);
      behind = `${entries} entries of ${partitions.length} partitions are not there: ${partitions.slice(0, 5).join(', ')}`;
      return entries === 0;
    } catch (error) {
      behind = `the stores do not answer: ${(error as Error).message}`;
      return false;
    }
  };
  const isDone = await waitUntil(isDrained, boundMs, 100);
  return isDone ? [] : [{ check: 'drained', who: 'ledger', what: behind }];
}

/** The sweep is allowed a second. */
const overdueMsMax = 2_000;
const reportedWithinMs = 1_200;
// A hold's 2.5 s; the grants' 5 s count from long before the load ended, for most, and do no harm if not.
const lastDeadlineMs = 2_600;

/** Entries up to the last one that anybody was told of; an operation has one at least. */
async function lossesReported({ sql }: World): Promise<number> {
  // Gateways look every second.
  await sleep(reportedWithinMs);
  const { lost } = await readLosses(sql);
  return lost.reduce((sum, { operations }) => sum + operations, 0);
}

/** `overdueMs`: how long after its deadline a hold may be open; for ever where nobody sweeps. */
export async function checkStored(
  { sql, redis, environmentId }: Stores,
  customers: readonly string[],
  overdueMs = overdueMsMax,
): Promise<Violation[]> {
  const rows = await sql<{ partition: number; epoch: number }[]>`select partition, epoch from partitions`;
  const epochs = new Map(rows.map(({ partition, epoch }) => [partition, epoch]));
  const found = await Promise.all(
    customers.map(async (customerId): Promise<Violation[]> => {
      const wallet = walletOf(environmentId, customerId);
      const { partition } = wallet;
      const stored = await readStoredWallet(redis, wallet).catch((error: Error) => error);
      if (stored instanceof Error)
        return [{ check: 'stored', who: customerId, what: `cannot be read: ${stored.message}` }];
      const ledger = await loadWallet(sql, { environmentId, customerId });
      if (!ledger) return [{ check: 'stored', who: customerId, what: 'the ledger has no such wallet' }];
      const forgotten = ledger.holds.find(({ expiresAtMs }) => expiresAtMs < Date.now() - overdueMs);
      if (forgotten)
        return [{ check: 'swept', who: customerId, what: `hold ${forgotten.ref} ran out, and did not end` }];
      // Not in Redis, or not in this epoch: it is compared with the ledger when it is next used.
      if (!stored || stored.epoch !== epochs.get(partition) || stored.wallet.version !== ledger.version) return [];
      const differ = [...walletDifferences(stored.wallet, ledger, stored.clockMs), ...stored.damage];
      return differ.length === 0 ? [] : [{ check: 'stored', who: customerId, what: differ.slice(0, 5).join('; ') }];
    }),
  );
  return found.flat();
}

export async function checkBooks({ sql }: Stores): Promise<Violation[]> {
  const violations: Violation[] = [];
  const aside = await sql<{ reason: string; wallet: string | null; version: bigint | null }[]>`
    select reason, wallet_id as wallet, version from quarantine order by id limit 3`;
  for (const { reason, wallet, version } of aside) {
    violations.push({ check: 'quarantine', who: `${wallet ?? '?'} version ${version ?? '?'}`, what: reason });
  }
  const beyond = await sql<{ partition: number; epoch: number; seq: bigint }[]>`
    select partition, epoch, entries.seq from entries join epochs using (partition, epoch)
    where sealed_seq is not null and entries.seq > sealed_seq limit 3`;
  for (const { partition, epoch, seq } of beyond) {
    violations.push({
      check: 'sealed',
      who: `partition ${partition}`,
      what: `epoch ${epoch} has an entry at seq ${seq}`,
    });
  }
  const report = await audit(sql);
  for (const { name, failed, offenders } of report.proofs) {
    if (failed > 0) violations.push({ check: 'audit', who: name, what: `${offenders[0]?.who}: ${offenders[0]?.what}` });
  }
  return violations;
}
