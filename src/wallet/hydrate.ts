// Put a wallet into Redis as the ledger knows it. Create-if-absent, so that two callers at once do no harm.
//
// Safe because of the order: the wallet was absent, so its last entry lies before the outbox's present end; once the
// ledger has passed that end, what Postgres says is the wallet's last state.
import { codes } from '../codes.gen.ts';
import type { LedgerWallet } from '../records.ts';
import { call } from './call.ts';
import { clockKey, deadlinesKey, fenceKey, holdsKey, walletKey, type WalletRef } from './keys.ts';
import { ledgerCaughtUp } from './ledger-wait.ts';
import { packAccounts, packGrants, packHolds } from './packed.ts';
import { hydrateScript } from './scripts.gen.ts';
import type { Store } from './store.ts';
import { anyEnvironment, retryAfterMs, type Target, type Trouble } from './target.ts';

export async function hydrateWallet(store: Store, target: Target): Promise<'ready' | Trouble> {
  const by = {
    environmentId: target.environmentId === anyEnvironment ? undefined : target.environmentId,
    walletId: target.walletId,
  };
  try {
    if (!(await store.ledger.loadWallet(by))) return { status: 'no_customer' };
    if (!(await ledgerCaughtUp(store, target.partition))) {
      return { status: 'unavailable', detail: 'the ledger has not caught up with this wallet yet', retryAfterMs };
    }
    const wallet = await store.ledger.loadWallet(by);
    return wallet ? await putWallet(store, target, wallet) : { status: 'no_customer' };
  } catch (error) {
    store.onWarning('loading a wallet from the ledger failed', { error, walletId: target.walletId });
    return { status: 'unavailable', detail: 'the ledger cannot be reached to load this wallet', retryAfterMs };
  }
}

export async function putWallet(store: Store, target: WalletRef, wallet: LedgerWallet): Promise<'ready' | Trouble> {
  const { partition } = target;
  const reply = await call(
    store.redis,
    hydrateScript,
    {
      fenceKey: fenceKey(partition),
      clockKey: clockKey(partition),
      walletKey: walletKey(target),
      holdsKey: holdsKey(target),
      deadlinesKey: deadlinesKey(partition),
    },
    {
      fence: store.fences[partition]!,
      environment: wallet.environmentId,
      customerId: wallet.customerId,
      version: wallet.version,
      freeze: codes.freeze[wallet.freeze],
      accountsPacked: packAccounts(wallet.accounts),
      grantsPacked: packGrants(wallet.grants),
      holdsPacked: packHolds(wallet.holds),
    },
  );
  switch (reply.status) {
    case 'hydrated':
    case 'present':
      return 'ready';
    case 'fenced':
      store.onFenced(partition);
      return { status: 'unavailable', detail: 'this part of Redis does not belong to the present epoch', retryAfterMs };
    case 'not_applied':
    case 'unknown':
      // Create-if-absent: whatever became of it, asking again is safe.
      return { status: 'unavailable', detail: reply.detail, retryAfterMs };
  }
}
