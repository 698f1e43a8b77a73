// The API inside this process, for one command of an operator's: its routes in one environment, with no server and no key.
import { createApp } from '../api/app.ts';
import { catalogCache } from '../api/catalog-cache.ts';
import type { Config } from '../config.ts';
import { closeDatabase, isDatabaseUnavailable, openDatabase, type Sql } from '../db/connect.ts';
import { listEnvironments } from '../db/environments.ts';
import { openLedger } from '../db/ledger.ts';
import { openLog } from '../log.ts';
import { openPayments } from '../payments/payments.ts';
import type { Key } from '../records.ts';
import type { Store } from '../wallet/store.ts';
import { openWallets } from '../wallet/wallets.ts';
import { paymentStore } from './payment-store.ts';
import { withStore } from './with-store.ts';

/** The body of a 200, as the route says it, or why there is none. */
export type Post = (path: string, body: object) => Promise<{ reply: unknown } | { problem: string }>;

/** What the work returns is told as a problem. */
export async function withOperatorApi(
  config: Config,
  environment: string | undefined,
  work: (post: Post) => Promise<string | undefined>,
): Promise<string | undefined> {
  const sql = openDatabase(config.databaseUrl, { connectionsMax: 4, name: 'operator' });
  try {
    const environments = await listEnvironments(sql);
    const id = environment?.replace(/^env_/, '');
    const found = id === undefined ? environments[0] : environments.find((one) => one.id === id);
    if (!found) return `there is no environment ${environment ?? 'yet: run farebox migrate'}`;
    const done = await withStore({ config, sql }, (store) => work(postTo(config, sql, store, found.id)));
    return done === 'unreachable' ? 'Redis cannot be reached' : done;
  } finally {
    await closeDatabase(sql);
  }
}

function postTo(config: Config, sql: Sql, store: Store, environmentId: string): Post {
  const log = openLog('silent', 'operator');
  const ledger = openLedger(sql, { announceRevocation: async () => undefined });
  const wallets = openWallets(store);
  const key: Key = {
    ...{ id: 'operator', environmentId, name: 'operator', scopes: ['admin'], createdAtMs: 0, expiresAtMs: undefined },
  };
  const app = createApp({
    ledger,
    wallets,
    log,
    payments: openPayments(paymentStore({ sql, config, store, onWarning: () => undefined })),
    catalogs: catalogCache({ ledger, readVersions: wallets.catalogVersions, onError: () => undefined }),
    authenticate: () => key,
    isUnavailable: isDatabaseUnavailable,
    backpressure: () => undefined,
    readiness: async () => ({ ready: true, dependencies: {} }),
    metrics: async () => ({ contentType: 'text/plain', text: '' }),
    countEvents: () => undefined,
    observe: () => undefined,
  });
  return async (path, body) => {
    const answer = await app.request(path, {
      method: 'POST',
      headers: { authorization: 'Bearer operator', 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const told: unknown = await answer.json();
    if (answer.status === 200) return { reply: told };
    const { detail } = told as { detail: string };
    return { problem: detail };
  };
}
