// Take the ledger's side: a wallet that Redis has otherwise is rebuilt from Postgres, and its freeze is lifted.
//
//   1  nothing of it waits in quarantine, and the ledger has every entry that its partition had
//   2  Redis     the wallet is forgotten, as it was compared, and its partition is closed (lua/forget.lua says why)
//   3  worker    recovery: the partition is drained and sealed, the next epoch is begun and opened
//   4  Postgres  it is taken out of quarantine; entries of earlier epochs come too late from here on
//   5  Redis     it is loaded from the ledger, compared once more, and the freeze is lifted by an entry of its own
//
// A loop of looks: each sees how far things have come, and does the next step. So a run that was ended anywhere is finished
// by the next one, and two at once do no harm. Others in the partition lose nothing: recovery drains what they have
// written, and meanwhile they are told to come back, for a second or two.
import { setTimeout as sleep } from 'node:timers/promises';
import { markRebuilt, readInQuarantine } from '../db/rebuild.ts';
import { replayWallet } from '../db/replay.ts';
import type { Sql } from '../db/connect.ts';
import { call } from '../wallet/call.ts';
import { liftBySystem } from '../wallet/freeze.ts';
import { hydrateWallet } from '../wallet/hydrate.ts';
import { holdIdOf } from '../wallet/ids.ts';
import { deadlinesKey, fenceKey, holdsKey, walletKey, type WalletRef } from '../wallet/keys.ts';
import { ledgerCaughtUp } from '../wallet/ledger-wait.ts';
import { forgetScript } from '../wallet/scripts.gen.ts';
import type { Store } from '../wallet/store.ts';
import { walletDifferences } from '../wallet/stored-wallet.ts';
import type { Look } from '../worker/reconcile-wallet.ts';
import { lookLong } from './look-long.ts';

export type TakeStep = 'compared' | 'forgotten' | 'opened' | 'unmarked' | 'loaded' | 'lifted';

export type TakeOptions = {
  sql: Sql;
  store: Store;
  wallet: WalletRef & { environmentId: string };
  /** Without it nothing is changed: what would be lost is printed. */
  isSure: boolean;
  print: (text: string) => void;
  /** How long a worker may take to open a partition. */
  workerWaitMs?: number;
  /** Called after each step, for tests that break off between any two. */
  reached?: (step: TakeStep) => void;
};

/** `stays`: as it was, or on its way; the text says what to do. */
export type Taken = { status: 'taken' | 'unsure' | 'stays'; text: string };

const roundsMax = 20;
const lookAgainMs = 250;

export async function takeLedger(options: TakeOptions): Promise<Taken> {
  let hasForgotten = false;
  for (let round = 1; round <= roundsMax; round += 1) {
    const next = await takeStep(options, hasForgotten);
    if (typeof next === 'object') return next;
    hasForgotten ||= next === 'forgotten';
    if (next === 'again') await sleep(lookAgainMs);
  }
  return stays('the wallet keeps changing: run this again');
}

/** `again`: something came between, or the stores are away. */
type Next = Taken | 'done' | 'forgotten' | 'again';

async function takeStep(options: TakeOptions, hasForgotten: boolean): Promise<Next> {
  const { sql, store, wallet, isSure, reached = () => {} } = options;
  const { partition } = wallet;
  if (!(await untilOpen(options))) {
    return stays(`partition ${partition} is closed, and no worker opens it: start one, and run this again`);
  }
  if (hasForgotten) reached('opened');
  const epoch = store.epochs[partition]!;
  // Before the ledger is asked whether it has everything: what is forgotten must not have changed since.
  const head = (await store.nodes.of(partition).redis.hgetBuffer(walletKey(wallet), 'w')) ?? Buffer.alloc(0);
  if (!(await ledgerCaughtUp(store, partition))) {
    return stays(
      `entries of partition ${partition} are on their way to the ledger and do not get there: see that a worker runs, then run this again`,
    );
  }
  const { waiting, isMarked, rejectedEpoch } = await readInQuarantine(sql, wallet);
  if (waiting > 0) {
    // Of the new epoch, behind the mark: they prove.
    if (hasForgotten && (await replayWallet(sql, wallet)).status === 'replayed') return 'again';
    return stays(`${waiting} of its entries wait in quarantine: replay or reject them first (farebox quarantine)`);
  }
  const look = await lookLong(sql, store, wallet);
  reached('compared');
  if (look.status === 'unknown') return stays('the ledger has no such wallet');
  // Versions that were given to what was rejected must not be given again in the same epoch.
  const isOver = rejectedEpoch === undefined || rejectedEpoch < epoch;
  const isGone = look.status === 'absent' || (look.status === 'other_epoch' && !isMarked);
  if (isOver && (isGone || agrees(look))) {
    if (!isSure) return unsure('nothing would be lost: say --yes');
    if (!(await markRebuilt(sql, wallet, epoch))) return 'again';
    reached('unmarked');
    return agrees(look) ? lift(options, look) : load(options);
  }
  for (const line of lossLines(look, wallet)) options.print(line);
  if (!isSure) return unsure(`this gives up what Redis has of the wallet, for ever: say --yes`);
  return forget(options, head);
}

/** A worker sees a closed fence within a second. `unverified` would not do: one partition speaks for many there. */
async function untilOpen({ store, wallet: { partition }, workerWaitMs = 30_000 }: TakeOptions): Promise<boolean> {
  const deadline = Date.now() + workerWaitMs;
  for (;;) {
    await store.refresh();
    if ((await store.nodes.of(partition).redis.get(fenceKey(partition))) === store.fences[partition]) return true;
    if (Date.now() > deadline) return false;
    await sleep(lookAgainMs);
  }
}

type Compared = Extract<Look, { status: 'equal' | 'differs' }>;

/** All but the freeze, which may be in one of them alone: whoever loads a wallet may have to freeze it without an entry. */
function agrees(look: Look): look is Compared {
  if (look.status !== 'equal' && look.status !== 'differs') return false;
  return walletDifferences({ ...look.redis, freeze: look.ledger.freeze }, look.ledger, look.clockMs).length === 0;
}

async function forget({ store, wallet, print, reached = () => {} }: TakeOptions, head: Buffer): Promise<Next> {
  const { partition } = wallet;
  const keys = {
    fenceKey: fenceKey(partition),
    walletKey: walletKey(wallet),
    holdsKey: holdsKey(wallet),
    deadlinesKey: deadlinesKey(partition),
  };
  const fence = store.fences[partition]!;
  const reply = await call(store.nodes.of(partition).redis, forgetScript, keys, { fence, headPacked: head });
  switch (reply.status) {
    case 'forgotten':
      print(`Redis has let go of the wallet; partition ${partition} is closed until a worker opens its next epoch`);
      reached('forgotten');
      return 'forgotten';
    case 'moved':
    case 'fenced':
    case 'unverified':
    case 'not_applied':
    case 'unknown':
      return 'again';
  }
}

async function load({ store, wallet, print, reached = () => {} }: TakeOptions): Promise<Next> {
  if ((await hydrateWallet(store, wallet)) !== 'ready') return 'again';
  print(`the wallet is loaded from the ledger, in epoch ${store.epochs[wallet.partition]}`);
  reached('loaded');
  return 'done';
}

async function lift({ store, wallet, reached = () => {} }: TakeOptions, look: Compared): Promise<Next> {
  const { freeze, version } = look.redis;
  if (freeze === 'none') return taken('Redis and the ledger agree; the wallet is not frozen');
  if (freeze !== 'reconcile' && freeze !== 'quarantine') {
    return taken(`Redis and the ledger agree; the wallet stays frozen: ${freeze}`);
  }
  const { status } = await liftBySystem(store, wallet, freeze, { epoch: look.epoch, version });
  if (status !== 'changed') return 'again';
  reached('lifted');
  return taken(`Redis and the ledger agree; the freeze (${freeze}) is lifted`);
}

/** What is given up, for whoever has to answer for it. */
function lossLines(look: Exclude<Look, { status: 'unknown' }>, { walletId }: WalletRef): string[] {
  switch (look.status) {
    case 'absent':
    case 'other_epoch':
      return ['what was rejected was acknowledged, and is given up'];
    case 'unreadable':
      return [`what Redis has of the wallet cannot be read, and is given up: ${look.detail}`];
    case 'equal':
    case 'differs':
    case 'behind': {
      const { redis, ledger } = look;
      const known = new Set(ledger.holds.map(({ ref }) => ref));
      const holds = redis.holds.filter(({ ref }) => !known.has(ref));
      return [
        redis.version > ledger.version
          ? `LOST: what was acknowledged after version ${ledger.version}, up to ${redis.version}; the ledger does not have it`
          : `nothing is lost that was acknowledged: the ledger has version ${ledger.version}, Redis ${redis.version}`,
        ...holds.map(
          ({ ref, legs: [{ asset }] }) => `LOST: ${holdIdOf(walletId, asset, ref)}, which nobody can settle then`,
        ),
      ];
    }
  }
}

const taken = (text: string): Taken => ({ status: 'taken', text });
const unsure = (text: string): Taken => ({ status: 'unsure', text });
const stays = (text: string): Taken => ({ status: 'stays', text });
