// A world for tests of the ledger: real stores, an environment, customers, and the real scripts to make entries with.
//
// Scripts are called one by one and directly, so that a test decides what happens between any two of them.
import { verifyRun } from './verify-run.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { codes } from '../src/codes.gen.ts';
import { openDatabase, orm, type Sql } from '../src/db/connect.ts';
import { beginCredit } from '../src/db/credits.ts';
import { createCustomer } from '../src/db/customers.ts';
import { insertFirstAssets } from '../src/db/assets.ts';
import { partitionsCount } from '../src/limits.ts';
import type { Budget, LedgerWallet, PurposeName } from '../src/records.ts';
import type { Atoms } from '../src/units.ts';
import { packAllBudgets } from '../src/wallet/budgets.ts';
import { noConfig } from '../src/wallet/config.ts';
import {
  clockKey,
  deadlinesKey,
  fenceKey,
  holdsKey,
  lateKey,
  operationKey,
  outboxKey,
  walletKey,
  walletOf,
  type WalletRef,
} from '../src/wallet/keys.ts';
import { packLegs, type AskedLeg } from '../src/wallet/legs.ts';
import { readStoredWallet } from '../src/wallet/stored-wallet.ts';
import { decodeReply, type RawReply, type Script } from '../src/wallet/script.ts';
import * as scripts from '../src/wallet/scripts.gen.ts';
import { drainLane, type DrainOptions, type Drained } from '../src/worker/drain.ts';
import { openPartitions } from '../src/worker/open-partitions.ts';

export type World = Awaited<ReturnType<typeof openWorld>>;

const never = Number.MAX_SAFE_INTEGER;
const fingerprint = 'fingerprint';

export async function openWorld({ databaseUrl, redisUrl }: { databaseUrl: string; redisUrl: string }) {
  const sql = openDatabase(databaseUrl, { connectionsMax: 6, name: 'test' });
  const redis = new Redis(redisUrl, { protocol: 2, maxRetriesPerRequest: 0 });
  redis.on('error', () => {});
  await redis.function('LOAD', 'REPLACE', scripts.libraryText);
  const { installation } = await openPartitions({ sql, redis, onWarning: () => {} });
  await verifyRun(redis, { fence: `${installation}:1` });
  // Always the same id, so that wallets are in the same partitions in each run.
  const [count] = await sql<{ before: bigint }[]>`select count(*) as before from environments`;
  const environment = `ledgertest${String(count?.before ?? 0).padStart(2, '0')}`;
  await sql`insert into environments (id, name, mode) values (${environment}, 'test', 'test')`;
  await insertFirstAssets(orm(sql), environment);
  return { sql, redis, installation, environment, databaseUrl, counts: { operation: 0 } };
}

export async function closeWorld({ sql, redis }: World): Promise<void> {
  redis.disconnect();
  await sql.end({ timeout: 5 });
}

/** A customer with its wallet, in Postgres and in Redis. */
export async function addCustomer(
  world: World,
  customerId: string,
  environment = world.environment,
): Promise<WalletRef> {
  const operationId = nextOperation(world);
  await createCustomer(world.sql, environment, {
    id: customerId,
    name: undefined,
    email: undefined,
    metadata: {},
    operationId,
    fingerprint,
  });
  const wallet = walletOf(environment, customerId);
  await run(world, scripts.createWalletScript, wallet, { fence: fenceOf(world), environment, customerId, freeze: 0 });
  return wallet;
}

export type Grant = {
  amount: number;
  purpose?: PurposeName;
  priority?: number;
  effectiveAtMs?: number;
  expiresAtMs?: number;
  asset?: number;
};

/** The intent in Postgres, then the script, as a gateway does it. */
export async function grant(world: World, customerId: string, terms: Grant) {
  const { amount, purpose = 'paid', priority = 50, effectiveAtMs, expiresAtMs, asset = 1 } = terms;
  const operationId = nextOperation(world);
  const begun = await beginCredit(world.sql, world.environment, {
    customerId,
    operationId,
    fingerprint,
    asset,
    amount: BigInt(amount) as Atoms,
    purpose,
    priority,
    effectiveAtMs,
    expiresAtMs,
    description: undefined,
    metadata: {},
  });
  if (begun.status !== 'begun') throw new Error(begun.status);
  const { grantNo } = begun.credit;
  const reply = await run(world, scripts.creditScript, walletOf(world.environment, customerId), {
    ...operation(world, operationId),
    asset,
    grantNo,
    amountAtoms: BigInt(amount) as Atoms,
    purpose: codes.purpose[purpose],
    priority,
    effectiveAtMs: effectiveAtMs ?? 0,
    expiresAtMs: expiresAtMs ?? 0,
    ...{ scope: 0, rolloverPacked: '' },
    attached: '{"from":"a test"}',
  });
  if (reply.status !== 'granted') throw new Error(reply.status);
  return { grantNo, operationId, ...reply };
}

/** Returns the hold's ref. */
export async function hold(
  world: World,
  customerId: string,
  amount: number,
  {
    ttlMs = 60_000,
    asset = 1,
    legs = [],
    budgetsPacked = '',
  }: { ttlMs?: number; asset?: number; legs?: readonly AskedLeg[]; budgetsPacked?: Buffer | string } = {},
) {
  const reply = await run(world, scripts.authorizeScript, walletOf(world.environment, customerId), {
    ...operation(world),
    asset,
    amountAtoms: BigInt(amount) as Atoms,
    mode: 'strict',
    ttlMs,
    repeated: '',
    attached: '{"subject":"agent:\\"planner\\"","labels":{"team":"rød"}}',
    ...{ catalogVersion: '', configVersion: '0', toldText: '' },
    budgetsPacked,
    ...{ legsPacked: packLegs({ asset }, legs), scopesPacked: '', fallbacksPacked: '', linesPacked: '' },
  });
  if (reply.status !== 'approved') throw new Error(reply.status);
  return `${reply.epoch}.${reply.version}`;
}

export async function settle(
  world: World,
  customerId: string,
  ref: string,
  amount: number,
  {
    final = true,
    asset = 1,
    expiredHold = '',
  }: { final?: boolean; asset?: number; expiredHold?: Buffer | string } = {},
) {
  const wallet = walletOf(world.environment, customerId);
  const reply = await run(
    world,
    scripts.settleScript,
    wallet,
    {
      ...operation(world),
      asset,
      holdRef: ref,
      amountAtoms: BigInt(amount) as Atoms,
      final: final ? '1' : '',
      onExcess: 'charge',
      expiredHold,
      attached: '',
      ...{
        catalogVersion: '',
        configVersion: '0',
        toldText: '',
        duesPacked: '',
        scopesPacked: '',
        fallbacksPacked: '',
        linesPacked: '',
      },
    },
    ref,
  );
  if (reply.status !== 'settled') throw new Error(reply.status);
  return reply;
}

export async function release(world: World, customerId: string, ref: string) {
  return run(world, scripts.releaseScript, walletOf(world.environment, customerId), {
    ...operation(world),
    asset: 1,
    holdRef: ref,
    attached: '',
  });
}

export async function extend(world: World, customerId: string, ref: string, { amount = 0, ttlMs = 0 }) {
  return run(world, scripts.extendScript, walletOf(world.environment, customerId), {
    ...operation(world),
    asset: 1,
    holdRef: ref,
    amountAtoms: BigInt(amount) as Atoms,
    ttlMs,
    repeated: '',
    attached: '',
    configVersion: '0',
    budgetsPacked: '',
  });
}

export async function charge(
  world: World,
  customerId: string,
  amount: number,
  legs: readonly AskedLeg[] = [],
  budgetsPacked: Buffer | string = '',
  linesPacked: Buffer | string = '',
) {
  const reply = await run(world, scripts.chargeScript, walletOf(world.environment, customerId), {
    ...operation(world),
    asset: 1,
    amountAtoms: BigInt(amount) as Atoms,
    mode: 'strict',
    repeated: '',
    attached: '',
    budgetsPacked,
    catalogVersion: '',
    configVersion: '0',
    toldText: '',
    ...{ legsPacked: packLegs({ asset: 1 }, legs), scopesPacked: '', fallbacksPacked: '', linesPacked },
  });
  if (reply.status !== 'charged') throw new Error(reply.status);
  return reply;
}

export async function voidGrant(world: World, customerId: string, grantNo: number) {
  return run(world, scripts.voidScript, walletOf(world.environment, customerId), {
    ...operation(world),
    asset: 1,
    grantNo,
    attached: '',
  });
}

/** `seenAt`: only while the wallet is there, `<epoch>.<version>`. */
export async function freeze(world: World, customerId: string, from: number, to: number, seenAt = '') {
  return run(world, scripts.freezeScript, walletOf(world.environment, customerId), {
    ...operation(world),
    fromFreeze: from,
    toFreeze: to,
    attached: '',
    seenAt,
  });
}

export async function mend(world: World, wallet: WalletRef, seenAt: string) {
  return run(world, scripts.mendScript, wallet, { fence: fenceOf(world), seenAt });
}

export async function expireHolds(world: World, customerId: string, refs: string[]) {
  return run(world, scripts.expireHoldsScript, walletOf(world.environment, customerId), {
    ...operation(world),
    holdRefs: refs.join(' '),
  });
}

export async function applyDue(world: World, customerId: string) {
  return run(world, scripts.applyDueScript, walletOf(world.environment, customerId), operation(world));
}

export async function advanceClock(world: World, customerId: string, byMs: number) {
  return run(world, scripts.advanceClockScript, walletOf(world.environment, customerId), {
    fence: fenceOf(world),
    toMs: Date.now() + byMs,
  });
}

/** All that a story can do to a wallet, in one. */
export async function liveThrough(world: World, customerId: string): Promise<void> {
  await grant(world, customerId, { amount: 100, purpose: 'promotional' });
  await grant(world, customerId, { amount: 50, expiresAtMs: Date.now() + 100_000, priority: 10 });
  await grant(world, customerId, { amount: 7, effectiveAtMs: Date.now() + 50_000 });
  const voided = await grant(world, customerId, { amount: 9, effectiveAtMs: Date.now() + 500_000 });
  await grant(world, customerId, { amount: 1_000, asset: 2 });
  const first = await hold(world, customerId, 60);
  await settle(world, customerId, first, 20, { final: false });
  await extend(world, customerId, first, { amount: 5, ttlMs: 90_000 });
  await settle(world, customerId, first, 15);
  await charge(world, customerId, 3);
  const second = await hold(world, customerId, 10, { ttlMs: 1_000 });
  const third = await hold(world, customerId, 4);
  await hold(world, customerId, 500, { asset: 2, ttlMs: 10_000_000 });
  await release(world, customerId, third);
  await freeze(world, customerId, codes.freeze.none, codes.freeze.operator);
  await freeze(world, customerId, codes.freeze.operator, codes.freeze.none);
  await voidGrant(world, customerId, voided.grantNo);
  const overspent = await hold(world, customerId, 20, { ttlMs: 10_000_000 });
  await advanceClock(world, customerId, 200_000);
  await expireHolds(world, customerId, [second]);
  await settle(world, customerId, overspent, 500);
  await grant(world, customerId, { amount: 1_000 });
  await settle(world, customerId, await lateHold(world, customerId), 2);
  await liveInTwoAssets(world, customerId);
  await liveByBudgets(world, customerId);
}

/** Of two budgets a threshold is passed by a charge, another by a settle; a hold that counts in both stays open. */
async function liveByBudgets(world: World, customerId: string): Promise<void> {
  const standing = { asset: 1, limit: '1000', match: {}, enforcement: 'hard' as const, thresholds: ['1', '20'] };
  const budgets: Budget[] = [
    { no: 1, id: 'b1', period: { unit: 'lifetime' }, ...standing },
    { no: 2, id: 'b2', period: { rolling_ms: 3_600_000 }, ...standing },
  ];
  const { sql, environment } = world;
  for (const { no, id, asset, limit, period } of budgets) {
    await sql`
      insert into budgets (environment_id, customer_id, no, id, name, asset, "limit", period, match, is_hard, alert_at)
      values (${environment}, ${customerId}, ${no}, ${`${customerId}_${id}`}, ${id}, ${asset}, ${limit}::bigint,
        ${JSON.stringify(period)}::json, '{}', true, '{}')`;
  }
  const budgetsPacked = packAllBudgets({ ...noConfig, budgets }, Date.now());
  await charge(world, customerId, 3, [], budgetsPacked);
  await settle(world, customerId, await hold(world, customerId, 30, { budgetsPacked }), 20);
  await hold(world, customerId, 10, { ttlMs: 10_000_000, budgetsPacked });
}

/** Holds of 30 of asset 1, for which 40 of asset 2 stand in as 20 more, in every way that they can end; one stays open. */
async function liveInTwoAssets(world: World, customerId: string): Promise<void> {
  const legs = [{ asset: 2, amount: 40n as Atoms, num: 2n as Atoms, den: 1n as Atoms }];
  const first = await hold(world, customerId, 30, { legs });
  await settle(world, customerId, first, 35, { final: false });
  await settle(world, customerId, first, 30);
  await release(world, customerId, await hold(world, customerId, 30, { legs }));
  await charge(world, customerId, 3, legs);
  const second = await hold(world, customerId, 30, { legs, ttlMs: 1_000 });
  const third = await hold(world, customerId, 30, { legs, ttlMs: 1_000 });
  await advanceClock(world, customerId, 400_000);
  await expireHolds(world, customerId, [second]);
  await settle(world, customerId, third, 45);
  const open = await hold(world, customerId, 30, { legs, ttlMs: 10_000_000 });
  await settle(world, customerId, open, 35, { final: false });
}

/** A hold whose deadline has passed, but that nobody has swept. */
export async function lateHold(world: World, customerId: string): Promise<string> {
  const ref = await hold(world, customerId, 5, { ttlMs: 1_000 });
  await advanceClock(world, customerId, 300_000);
  return ref;
}

export async function walletInRedis(
  { redis, environment }: World,
  customerId: string,
): Promise<LedgerWallet | undefined> {
  return (await readStoredWallet(redis, walletOf(environment, customerId)))?.wallet;
}

/** Drains every lane once; what is not given is made to fail the test if it is called. */
export async function drainAll(world: World, options: Partial<DrainOptions> = {}): Promise<Drained> {
  const total: Drained = { status: 'drained', written: 0, quarantined: 0 };
  for (let lane = 0; lane < 2; lane++) {
    const drained = await drainLane({ ...drainOptions(world), lane, lanesCount: 2, ...options });
    total.written += drained.written;
    total.quarantined += drained.quarantined;
  }
  return total;
}

export function drainOptions(world: World): DrainOptions {
  const unexpected = (what: string) => (detail: unknown) => {
    throw new Error(`${what}: ${JSON.stringify(detail)}`);
  };
  return {
    sql: world.sql,
    redis: world.redis,
    installation: world.installation,
    lane: 0,
    lanesCount: 1,
    freezeWallet: unexpected('freeze'),
    onBatch: () => {},
    onQuarantined: unexpected('quarantined'),
    onForeignFence: unexpected('foreign fence'),
    onWarning: unexpected('warning'),
  };
}

/** Entries that are in the outboxes. */
export async function waitingCount({ redis }: World): Promise<number> {
  const lengths = await Promise.all(
    Array.from({ length: partitionsCount }, (_, partition) => redis.xlen(outboxKey(partition, 1))),
  );
  return lengths.reduce((sum, length) => sum + length, 0);
}

export async function until(isTrue: () => Promise<boolean>, boundMs = 10_000): Promise<void> {
  const deadline = Date.now() + boundMs;
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error('it did not happen in time');
    await sleep(10);
  }
}

export async function countOf(sql: Sql, table: string): Promise<number> {
  const [row] = await sql<{ count: bigint }[]>`select count(*) from ${sql(table)}`;
  return Number(row?.count);
}

export function fenceOf({ installation }: World): string {
  return `${installation}:1`;
}

function nextOperation(world: World): string {
  world.counts.operation += 1;
  return `operation-${world.counts.operation}`;
}

function operation(world: World, operationId = nextOperation(world)) {
  const { environment } = world;
  return {
    fence: fenceOf(world),
    notAfterMs: never,
    environment,
    operationId,
    fingerprint,
    keepMs: 60_000,
    lookedUp: '1',
  };
}

async function run<Keys, Args extends object, Reply extends { status: string }>(
  { redis }: World,
  script: Script<Keys, Args, Reply>,
  wallet: WalletRef,
  args: Args,
  holdRef = '',
): Promise<Reply> {
  const { partition } = wallet;
  const operationId = 'operationId' in args ? String(args.operationId) : '';
  const keys = {
    fenceKey: fenceKey(partition),
    clockKey: clockKey(partition),
    walletKey: walletKey(wallet),
    holdsKey: holdsKey(wallet),
    deadlinesKey: deadlinesKey(partition),
    operationKey: operationKey(partition, operationId),
    outboxKey: outboxKey(partition, 1),
    lateKey: lateKey(wallet, holdRef),
  };
  const encoded = script.encode(keys as Keys, args, args);
  const raw = await redis[script.binary ? 'callBuffer' : 'call']('FCALL', [
    script.functionName,
    script.keysCount,
    ...encoded,
  ]);
  return decodeReply(script, raw as RawReply);
}
