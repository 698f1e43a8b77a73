// Subscriptions that were changed in Postgres, and broken off before the wallet in Redis was told.
import type { Sql } from '../db/connect.ts';
import { listConfigsToPush, noteConfigPushed } from '../db/wallet-config.ts';
import { configureWallet } from '../wallet/configure.ts';
import { walletOf } from '../wallet/keys.ts';
import type { Store } from '../wallet/store.ts';

const customersPerLook = 100;

/** All there are, page by page: one that cannot be told now keeps nobody else waiting. */
export async function pushConfigs(sql: Sql, store: Store): Promise<void> {
  let after: { environmentId: string; customerId: string } | undefined;
  for (;;) {
    const due = await listConfigsToPush(sql, { after, limit: customersPerLook });
    for (const { config, ...customer } of due) {
      const { environmentId, customerId } = customer;
      const target = { environmentId, ...walletOf(environmentId, customerId) };
      const told = await configureWallet(store, target, config);
      if (told.status === 'configured') await noteConfigPushed(sql, customer, told.version);
      after = customer;
    }
    if (due.length < customersPerLook) return;
  }
}
