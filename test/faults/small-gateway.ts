// A gateway without sockets of its own but one: the API over a Redis connection, cheap enough to have dozens.
//
// What src/run/gateway.ts wires, less the server, the keys and what it shows of itself.
import { createApp } from '../../src/api/app.ts';
import { catalogCache } from '../../src/api/catalog-cache.ts';
import { isDatabaseUnavailable, type Sql } from '../../src/db/connect.ts';
import { openLedger } from '../../src/db/ledger.ts';
import { commandTimeoutMs } from '../../src/limits.ts';
import { openLog } from '../../src/log.ts';
import type { Key } from '../../src/records.ts';
import { connectStore } from '../../src/run/connect-store.ts';
import { oneNode, sampleClocks } from '../../src/wallet/nodes.ts';
import { connectRedis } from '../../src/wallet/redis.ts';
import { openPayments } from '../../src/payments/payments.ts';
import { paymentStore } from '../../src/run/payment-store.ts';
import { openWallets } from '../../src/wallet/wallets.ts';

type Reply = { status: number; headers: Headers; body: any; text: string };
export type SmallGateway = {
  url: string;
  send: (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Reply>;
  post: (path: string, body?: unknown, headers?: Record<string, string>) => Promise<Reply>;
  get: (path: string, headers?: Record<string, string>) => Promise<Reply>;
  stop: () => void;
};

export async function smallGateway(options: {
  sql: Sql;
  redisUrl: string;
  environmentId: string;
  markDirty: (partition: number) => void;
}): Promise<SmallGateway> {
  const { sql, redisUrl, environmentId, markDirty } = options;
  const log = openLog(process.env['TEST_LOG_LEVEL'] ?? 'silent', 'small gateway');
  const redis = connectRedis(redisUrl, () => undefined);
  // Dozens of them start at once, on a machine that may stand still meanwhile.
  redis.options.commandTimeout = 30 * commandTimeoutMs;
  const store = await connectStore({ sql, nodes: oneNode(redis), log, markDirty, onFenced: () => undefined });
  await sampleClocks(store.nodes);
  redis.options.commandTimeout = commandTimeoutMs;
  const ledger = openLedger(sql, { announceRevocation: async () => undefined });
  const key: Key = {
    id: 'key_test',
    environmentId,
    name: 'test',
    scopes: ['admin'],
    createdAtMs: 0,
    expiresAtMs: undefined,
  };
  const wallets = openWallets(store);
  const app = createApp({
    ledger,
    wallets,
    catalogs: catalogCache({ ledger, readVersions: wallets.catalogVersions, onError: () => undefined }),
    payments: openPayments(paymentStore({ sql, config: {}, store, onWarning: () => undefined })),
    authenticate: () => key,
    isUnavailable: isDatabaseUnavailable,
    backpressure: () => undefined,
    readiness: async () => ({ ready: true, dependencies: {} }),
    metrics: async () => ({ contentType: 'text/plain', text: '' }),
    countEvents: () => {},
    observe: () => undefined,
    log,
  });
  const send: SmallGateway['send'] = async (method, path, body, headers = {}) => {
    const reply = await app.request(path, {
      method,
      headers: {
        authorization: 'Bearer anything',
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await reply.text();
    return { status: reply.status, headers: reply.headers, text, body: JSON.parse(text) };
  };
  return {
    url: '',
    send,
    post: (path, body, headers) => send('POST', path, body, headers),
    get: (path, headers) => send('GET', path, undefined, headers),
    stop: () => redis.disconnect(),
  };
}
