// Bring a wallet into Redis as the ledger knows it, or make sure that what Redis has is the same.
//
// A wallet is `absent` when Redis does not have it, and also when it was last compared with the ledger in another epoch: a
// Redis that lost writes, or was put back, has older wallets than the ledger. Before it is used again it is compared:
// equal → stamped with this epoch; behind the ledger, or ahead of it → rebuilt from it; equal in version and different →
// rebuilt and frozen, for somebody to look at.
//
// Safe because of the order: nothing but this can change such a wallet, so its last entry lies before the outbox's present
// end; once the ledger has passed that end, what Postgres says is the wallet's last state. Two callers at once do no harm:
// the scripts create if absent, and replace or stamp at the version that was compared only. Within a process whoever needs the
// same wallet waits for one load: a batch of a hundred events, or all who come at once after a loss, read it from Postgres once.
import { codes } from '../codes.gen.ts';
import { operationKeepMs } from '../limits.ts';
import type { LedgerWallet } from '../records.ts';
import { call } from './call.ts';
import { configText } from './config.ts';
import { isOver } from './counters.ts';
import { clockKey, deadlinesKey, fenceKey, holdsKey, scratchKey, walletKey, type WalletRef } from './keys.ts';
import { ledgerCaughtUp } from './ledger-wait.ts';
import { packAccounts, packCounters, packGrants, packHolds, packRollovers, packTriggers } from './packed.ts';
import { createWalletScript, hydrateScript, restampScript } from './scripts.gen.ts';
import type { Store } from './store.ts';
import { readStoredWallet, walletDifferences, type StoredWallet } from './stored-wallet.ts';
import { anyEnvironment, fencedDetail, retryAfterMs, type Target, type Trouble } from './target.ts';

// Somebody else was faster, and another one after that.
const attemptsMax = 4;
const differencesShownMax = 10;
// The script goes by the partition's, which is not known here: windows that are over leave the wallet later.
const noClockMs = 0;

export async function hydrateWallet(store: Store, target: Target): Promise<'ready' | Trouble> {
  const begun = store.loads.get(nameOf(target));
  const joined = begun && (await begun);
  // `ready` is no promise: who asks again is told `absent` if the wallet was lost since. But one that began before this call
  // may not have seen the customer who was created before it; the next one, which those who waited share, does.
  if (joined && (joined === 'ready' || joined.status !== 'no_customer')) return joined;
  return store.loads.get(nameOf(target)) ?? beginLoad(store, target);
}

const nameOf = ({ environmentId, walletId }: Target): string => `${environmentId} ${walletId}`;

function beginLoad(store: Store, target: Target): Promise<'ready' | Trouble> {
  const name = nameOf(target);
  const load = loadWallet(store, target).finally(() => store.loads.delete(name));
  store.loads.set(name, load);
  return load;
}

async function loadWallet(store: Store, target: Target): Promise<'ready' | Trouble> {
  const by = {
    environmentId: target.environmentId === anyEnvironment ? undefined : target.environmentId,
    walletId: target.walletId,
  };
  try {
    for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
      if (!(await store.ledger.loadWallet(by))) return { status: 'no_customer' };
      if (!(await ledgerCaughtUp(store, target.partition))) {
        return { status: 'unavailable', detail: 'the ledger has not caught up with this wallet yet', retryAfterMs };
      }
      const standing = await readStoredWallet(store.nodes.of(target.partition).redis, target);
      if (standing?.epoch === store.epochs[target.partition]) return 'ready';
      const wallet = await store.ledger.loadWallet(by);
      if (!wallet) return { status: 'no_customer' };
      const put = await putFrom(store, target, wallet, standing);
      if (put !== 'moved') return put;
    }
    return { status: 'unavailable', detail: 'this wallet is being brought back by others', retryAfterMs };
  } catch (error) {
    store.onWarning('loading a wallet from the ledger failed', { error, walletId: target.walletId });
    return { status: 'unavailable', detail: 'the ledger cannot be reached to load this wallet', retryAfterMs };
  }
}

/** A new customer's wallet: there is nothing yet that it could differ from. */
export async function putNewWallet(store: Store, target: Target, customerId: string): Promise<'ready' | Trouble> {
  const put = await createWallet(store, target, customerId, codes.freeze.none);
  return put === 'moved' ? hydrateWallet(store, target) : put;
}

type Put = 'ready' | 'moved' | Trouble;

async function putFrom(
  store: Store,
  target: Target,
  ledger: LedgerWallet,
  standing: StoredWallet | undefined,
): Promise<Put> {
  if (standing) return putBeside(store, target, ledger, standing);
  if (ledger.version > 0 || ledger.config.version > 0) return rebuild(store, target, ledger, '');
  return createWallet(
    store,
    { ...target, environmentId: ledger.environmentId },
    ledger.customerId,
    codes.freeze[ledger.freeze],
  );
}

async function putBeside(store: Store, target: WalletRef, ledger: LedgerWallet, standing: StoredWallet): Promise<Put> {
  const { wallet: redis } = standing;
  const replacedVersion = String(redis.version);
  if (redis.version < ledger.version) return rebuild(store, target, ledger, replacedVersion);
  // Its entries wait for somebody to look at them, and are replayed up to where Redis has it.
  if (ledger.freeze === 'quarantine') return restamp(store, target, ledger, redis.version, codes.freeze.quarantine);
  const differences = walletDifferences(redis, ledger, standing.clockMs);
  if (differences.length === 0 && standing.damage.length === 0) {
    return restamp(store, target, ledger, redis.version, codes.freeze.none);
  }
  if (differences.length === 0) {
    const damage = standing.damage.slice(0, differencesShownMax);
    store.onWarning('a wallet agrees with the ledger, and is damaged: it is rebuilt', {
      walletId: target.walletId,
      damage,
    });
    return rebuild(store, target, ledger, replacedVersion);
  }
  const isAhead = redis.version > ledger.version;
  store.onWarning(`Redis and ledger disagree about a wallet: it is ${isAhead ? 'rebuilt' : 'rebuilt and frozen'}`, {
    walletId: target.walletId,
    differences: differences.slice(0, differencesShownMax),
  });
  // Ahead of a ledger that was drained to the end: a script that was torn in the middle, whose entry there never was.
  if (isAhead) return rebuild(store, target, ledger, replacedVersion);
  const put = await rebuild(store, target, { ...ledger, freeze: 'reconcile' }, replacedVersion);
  // One that was frozen for it before has been told of.
  if (put === 'ready' && redis.freeze !== 'reconcile') store.onDifference();
  return put;
}

async function rebuild(store: Store, target: WalletRef, wallet: LedgerWallet, replacedVersion: string): Promise<Put> {
  const { partition } = target;
  const keys = { ...wholeKeys(target), deadlinesKey: deadlinesKey(partition) };
  const reply = await call(store.nodes.of(target.partition).redis, hydrateScript, keys, {
    fence: store.fences[partition]!,
    environment: wallet.environmentId,
    customerId: wallet.customerId,
    version: wallet.version,
    freeze: codes.freeze[wallet.freeze],
    accountsPacked: packAccounts(wallet.accounts),
    grantsPacked: packGrants(wallet.grants),
    holdsPacked: packHolds(wallet.holds),
    countersPacked: packCounters(wallet.counters.filter((counter) => !isOver(counter, wallet.config, noClockMs))),
    rolloversPacked: packRollovers(wallet.grants),
    triggersPacked: packTriggers(wallet.triggers),
    replacedVersion,
    // Operations that Redis does not know may be in the ledger all the same, for as long as they are remembered.
    lookUpUntilMs: store.nodes.of(target.partition).clock.nowMs() + operationKeepMs,
    ...configArgs(wallet),
  });
  return reply.status === 'hydrated' || reply.status === 'present' ? 'ready' : refused(store, partition, reply);
}

/** Of a customer without entries: refused where Redis has no memory left. */
async function createWallet(store: Store, target: Target, customerId: string, freeze: number): Promise<Put> {
  const args = { fence: store.fences[target.partition]!, environment: target.environmentId, customerId, freeze };
  const reply = await call(store.nodes.of(target.partition).redis, createWalletScript, walletKeys(target), args);
  return reply.status === 'created' ? 'ready' : refused(store, target.partition, reply);
}

async function restamp(
  store: Store,
  target: WalletRef,
  ledger: LedgerWallet,
  version: number,
  freeze: number,
): Promise<Put> {
  const { partition } = target;
  const args = { fence: store.fences[partition]!, version, freeze, ...configArgs(ledger) };
  const reply = await call(store.nodes.of(target.partition).redis, restampScript, wholeKeys(target), args);
  return reply.status === 'stamped' ? 'ready' : refused(store, partition, reply);
}

function walletKeys(target: WalletRef): { fenceKey: string; clockKey: string; walletKey: string } {
  const { partition } = target;
  return { fenceKey: fenceKey(partition), clockKey: clockKey(partition), walletKey: walletKey(target) };
}

/** For the scripts that write all of it. */
function wholeKeys(target: WalletRef) {
  return { ...walletKeys(target), holdsKey: holdsKey(target), scratchKey: scratchKey(target.partition) };
}

function configArgs({ config }: LedgerWallet): { configVersion: string; configText: string } {
  return { configVersion: String(config.version), configText: configText(config) };
}

type Refusal = { status: 'moved' | 'fenced' | 'unverified' } | { status: 'not_applied' | 'unknown'; detail: string };

async function refused(store: Store, partition: number, reply: Refusal): Promise<'moved' | Trouble> {
  switch (reply.status) {
    case 'moved':
      return 'moved';
    case 'fenced':
    case 'unverified':
      await store.onFenced(partition);
      return { status: 'unavailable', detail: fencedDetail, retryAfterMs };
    case 'not_applied':
    case 'unknown':
      // Whatever became of it, asking again is safe.
      return { status: 'unavailable', detail: reply.detail, retryAfterMs };
  }
}
