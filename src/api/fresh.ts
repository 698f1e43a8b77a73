// Ask by what this process knows of a wallet, and once more where Redis knows better.
import type { WalletConfig } from '../records.ts';
import type { Stale } from '../wallet/stale.ts';
import type { WalletRef } from '../wallet/keys.ts';
import type { Trouble } from '../wallet/target.ts';
import type { Api } from './route.ts';

// A change is learned at once; only changes that come faster than requests need a third.
const roundsMax = 4;
const retryAfterMs = 1_000;

export type Fresh = { config: WalletConfig; redisMs: number };

/** `ask` is given the wallet's configuration and Redis's time; a call that Redis finds stale has done nothing. */
export async function askFresh<Reply extends { status: string }>(
  api: Api,
  wallet: Pick<WalletRef, 'walletId'> & { environmentId: string },
  ask: (fresh: Fresh) => Promise<Reply | Stale>,
): Promise<Exclude<Reply, Stale> | Trouble> {
  const { configs, redisMs } = api.wallets;
  let nowMs = redisMs();
  for (let round = 1; round <= roundsMax; round += 1) {
    const reply = await ask({ config: configs.of(wallet), redisMs: nowMs });
    if (!isStale(reply)) return reply as Exclude<Reply, Stale>;
    configs.learn(wallet, reply.configVersion, reply.configText);
    if (reply.catalogVersion > 0) await api.catalogs.atLeast(wallet.environmentId, reply.catalogVersion);
    // At the edge of a window its clock is what counts.
    nowMs = reply.redisMs;
  }
  const detail = 'subscriptions or budgets of this wallet change faster than it can be asked';
  return { status: 'unavailable', detail, retryAfterMs };
}

function isStale(reply: { status: string }): reply is Stale {
  return reply.status === 'stale';
}
