// A whole Farebox for a test file: stores of its own, a worker and gateways in this process, and a client for them.
import { randomBytes } from 'node:crypto';
import type { Config } from '../src/config.ts';
import { openLog, type Log } from '../src/log.ts';
import { runGateway } from '../src/run/gateway.ts';
import { runMigrate } from '../src/run/migrate.ts';
import { runWorker } from '../src/run/worker.ts';
import { createDatabase, createRedis, createRedisCluster, onCluster, type TestDatabase } from './stores.ts';

export type Reply = { status: number; headers: Headers; body: any; text: string };
export type Client = {
  url: string;
  post: (path: string, body?: unknown, headers?: Record<string, string>) => Promise<Reply>;
  get: (path: string, headers?: Record<string, string>) => Promise<Reply>;
  send: (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Reply>;
};

export type Farebox = {
  key: string;
  config: Config;
  database: TestDatabase;
  /** Of its wallets and queues; under `npm run test:cluster` of its queues alone. */
  redis: Awaited<ReturnType<typeof createRedis>>;
  /** Of the first gateway. */
  client: Client;
  /** Another gateway on the same stores, or on a Redis behind a proxy. */
  addGateway: (over?: Partial<Config>) => Promise<Client>;
  /** A customer with so much to spend. */
  customer: (id: string, amount?: string, asset?: string) => Promise<string>;
  stop: () => Promise<void>;
};

export async function startFarebox(
  options: {
    over?: Partial<Config>;
    worker?: boolean;
    redisArgs?: readonly string[];
    isOnOneRedis?: boolean;
    log?: Log | undefined;
  } = {},
): Promise<Farebox> {
  const database = await createDatabase();
  const redis = await createRedis({ appendonly: 'everysec', extraArgs: options.redisArgs ?? [] });
  const cluster = onCluster && !options.isOnOneRedis ? await createRedisCluster() : undefined;
  const key = `fb_test_${randomBytes(24).toString('hex')}`;
  const config: Config = {
    host: '127.0.0.1',
    port: 0,
    databaseUrl: database.url,
    redisUrl: cluster?.url ?? redis.url,
    queueRedisUrl: redis.url,
    bootstrapKey: key,
    adminPassword: 'operator',
    durability: 'fast',
    processes: 1,
    logLevel: process.env['TEST_LOG_LEVEL'] ?? 'silent',
    ...options.over,
  };
  const log = options.log ?? openLog(config.logLevel, 'test');
  await runMigrate(config);
  const undo: (() => Promise<unknown>)[] = [];
  const worker = await runWorker(config, log);
  undo.push(worker.stop);
  if (options.worker === false) await undo.pop()!();
  const addGateway = async (over: Partial<Config> = {}): Promise<Client> => {
    const gateway = await runGateway({ ...config, ...over }, log);
    undo.push(gateway.stop);
    return clientOf(gateway.url, key);
  };
  const client = await addGateway();
  return {
    key,
    config,
    database,
    redis,
    client,
    addGateway,
    customer: async (id, amount, asset = 'USD') => {
      await expectStatus(client.post('/v1/customers', { id }), 201);
      if (amount !== undefined) {
        await expectStatus(client.post(`/v1/customers/${id}/grants`, { asset, amount, purpose: 'paid' }), 201);
      }
      return id;
    },
    stop: async () => {
      for (const step of undo.reverse()) await step();
      await cluster?.stop();
      await redis.stop();
      await database.drop();
    },
  };
}

export function clientOf(url: string, key: string | undefined): Client {
  const send: Client['send'] = async (method, path, body, headers = {}) => {
    const reply = await fetch(`${url}${path}`, {
      method,
      headers: {
        ...(key !== undefined && { authorization: `Bearer ${key}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await reply.text();
    return { status: reply.status, headers: reply.headers, text, body: parse(text) };
  };
  return {
    url,
    send,
    post: (path, body, headers) => send('POST', path, body, headers),
    get: (path, headers) => send('GET', path, undefined, headers),
  };
}

export async function expectStatus(sent: Promise<Reply>, status: number): Promise<Reply> {
  const reply = await sent;
  if (reply.status !== status) throw new Error(`expected ${status}, got ${reply.status}: ${reply.text}`);
  return reply;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
