// Reconcile in a worker: what it finds goes to log and metrics.
import type { Sql } from '../db/connect.ts';
import type { Log } from '../log.ts';
import type { workerMetrics } from '../metrics.ts';
import { dropCounters } from '../wallet/drop-counters.ts';
import { freezeBySystem } from '../wallet/freeze.ts';
import { mendWallet } from '../wallet/mend.ts';
import type { Store } from '../wallet/store.ts';
import { reconcilePage, type PageDone } from '../worker/reconcile.ts';

/** Of a wallet's differences, in the log; `farebox reconcile` shows all. */
const differencesShown = 5;

export function reconcilePages(options: {
  sql: Sql;
  store: Store;
  metrics: ReturnType<typeof workerMetrics>;
  log: Log;
}): () => Promise<PageDone> {
  const { sql, store, metrics, log } = options;
  return () =>
    reconcilePage({
      sql,
      store,
      freezeWallet: (wallet, seen) => freezeBySystem(store, wallet, 'reconcile', seen),
      onLooked: (outcome) => metrics.reconciled.labels(outcome).inc(),
      onDifference: ({ differences, ...wallet }) => {
        metrics.reconcileDifferences.inc();
        const first = differences.slice(0, differencesShown);
        log.error(
          { ...wallet, differences: first, count: differences.length },
          'a wallet differs from the ledger: frozen',
        );
      },
      mendWallet: (wallet, seen) => mendWallet(store, wallet, seen),
      dropCounters: (wallet, names) => dropCounters(store, wallet, names),
      onMended: ({ damage, ...wallet }) => {
        const first = damage.slice(0, differencesShown);
        log.error(
          { ...wallet, damage: first, count: damage.length },
          'what a wallet keeps beside its grants and holds did not follow from them: mended',
        );
      },
      onUnreadable: (wallet, detail) => log.error({ ...wallet, detail }, 'a wallet in Redis cannot be read'),
      onProgress: (ratio) => metrics.reconcileProgress.set(ratio),
      onPassEnd: ({ pass, walletsCount, beganAtMs, endedAtMs }) => {
        metrics.reconcilePassDuration.set((endedAtMs - beganAtMs) / 1000);
        log.info(
          { pass, wallets: walletsCount, tookMs: endedAtMs - beganAtMs },
          'every wallet was compared with the ledger',
        );
      },
    });
}
