// Replay what a wallet has in quarantine, and lift its freeze once the ledger is what Redis says.
//
// Lifting follows the transaction, and may fail: replaying again does the rest.
import type { Config } from '../config.ts';
import type { Sql } from '../db/connect.ts';
import { unmarkFrozen } from '../db/quarantine.ts';
import { replayWallet } from '../db/replay.ts';
import { openLog } from '../log.ts';
import { liftBySystem } from '../wallet/freeze.ts';
import { connectRedis, waitUntilReady } from '../wallet/redis.ts';
import type { Store } from '../wallet/store.ts';
import { connectStore } from './connect-store.ts';
import { lookLong } from './look-long.ts';

const redisWaitMs = 5_000;

type Wallet = { environmentId: string; walletId: string; partition: number };
/** `stays`: in quarantine, or frozen. */
export type ReplayEnd = { status: 'out' | 'stays'; text: string };

export async function replay({ config, sql }: { config: Config; sql: Sql }, wallet: Wallet): Promise<ReplayEnd> {
  const replayed = await replayWallet(sql, wallet);
  if (replayed.status === 'no_wallet') return { status: 'stays', text: 'the ledger has no such wallet' };
  const { written, left, reason, rejected } = replayed;
  const told = `${written} replayed`;
  if (left > 0) return { status: 'stays', text: `${told}, ${left} stay: ${reason}` };
  if (rejected > 0) {
    return { status: 'stays', text: `${told}; ${rejected} were rejected: the wallet waits to be rebuilt` };
  }
  const redis = connectRedis(config.redisUrl, () => undefined);
  try {
    if (!(await waitUntilReady(redis, redisWaitMs))) {
      return { status: 'stays', text: `${told}; Redis cannot be reached, so the freeze stays: replay again` };
    }
    const log = openLog('silent', 'quarantine');
    const store = await connectStore({ sql, redis, log, markDirty: () => {}, onFenced: () => {} });
    const lifted = await lift(sql, store, wallet);
    return { ...lifted, text: `${told}; ${lifted.text}` };
  } finally {
    redis.disconnect();
  }
}

async function lift(sql: Sql, store: Store, wallet: Wallet): Promise<ReplayEnd> {
  const look = await lookLong(sql, store, wallet);
  if (look.status === 'differs' || look.status === 'unreadable') {
    return { status: 'stays', text: 'Redis differs from the ledger, so the freeze stays: farebox reconcile shows how' };
  }
  if (look.status === 'behind') {
    return { status: 'stays', text: 'the ledger does not have all its entries yet, so the freeze stays: replay again' };
  }
  const seen = look.status === 'equal' ? { epoch: look.epoch, version: look.redis.version } : undefined;
  const outcome = await liftBySystem(store, wallet, 'quarantine', seen);
  // Should anything of it have come into quarantine meanwhile, the watchdog freezes it anew.
  await unmarkFrozen(sql, wallet);
  switch (outcome.status) {
    case 'changed':
      return { status: 'out', text: 'the freeze is lifted' };
    case 'unchanged':
      return outcome.freeze === 'none'
        ? { status: 'out', text: 'the wallet is not frozen' }
        : { status: 'stays', text: `the wallet is frozen for another reason: ${outcome.freeze}` };
    case 'moved':
    case 'no_customer':
    case 'conflict':
    case 'unavailable':
    case 'unknown':
      return { status: 'stays', text: `the freeze could not be lifted (${outcome.status}): replay again` };
  }
}
