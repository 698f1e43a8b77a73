// Publishes that were committed, and broken off before every partition had them.
import { noteCatalogRaised, readCatalogsToRaise } from '../db/catalog.ts';
import type { Sql } from '../db/connect.ts';
import { raiseCatalog } from '../wallet/raise-catalog.ts';
import type { Store } from '../wallet/store.ts';

export async function raiseCatalogs(sql: Sql, store: Store): Promise<void> {
  for (const catalog of await readCatalogsToRaise(sql)) {
    const { status } = await raiseCatalog(store, catalog);
    if (status === 'raised') await noteCatalogRaised(sql, catalog);
  }
}
