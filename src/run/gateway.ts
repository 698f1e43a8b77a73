// The gateway: connections, caches, the API and its server, wired; started and stopped here.
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { getRequestListener } from '@hono/node-server';
import type { AddressInfo, Socket } from 'node:net';
import { createApp } from '../api/app.ts';
import { catalogCache } from '../api/catalog-cache.ts';
import { requestIds } from '../api/request-id.ts';
import type { Config } from '../config.ts';
import { closeDatabase, isDatabaseUnavailable, openDatabase, type Sql } from '../db/connect.ts';
import { readLosses } from '../db/epochs.ts';
import { hashSecret } from '../db/key-secret.ts';
import { openLedger } from '../db/ledger.ts';
import { healthIntervalMs } from '../limits.ts';
import type { Log } from '../log.ts';
import { gatewayMetrics } from '../metrics.ts';
import { oldestEntryAtMs } from '../outbox/age.ts';
import { openNudge } from '../outbox/nudge.ts';
import { openPayments } from '../payments/payments.ts';
import { confirmByReplica } from '../wallet/confirm.ts';
import { durabilityRank } from '../wallet/durability.ts';
import { readHealth, unknownHealth, type Health } from '../wallet/health.ts';
import { keyCache } from '../wallet/key-cache.ts';
import { revocationsKey } from '../wallet/keys.ts';
import { noPressure, outboxAges, pressureOf, pressureReasons, type Pressure } from '../wallet/pressure.ts';
import { connectNodes } from '../wallet/nodes.ts';
import { openWallets } from '../wallet/wallets.ts';
import { operatorPages } from '../web/operator-pages.ts';
import { connectStore } from './connect-store.ts';
import { every } from './every.ts';
import { paymentStore } from './payment-store.ts';
import { tellOfRefund } from './tell-of-refund.ts';
import { tellOfTopUp } from './tell-of-top-up.ts';
import { allMetrics } from './shared-metrics.ts';
import { openSiblings, processNo, type Others } from './siblings.ts';

const databaseConnectionsMax = 8;
const stopBoundMs = 15_000;
/**
 * An idle connection outlives the 60 s of common load balancers, as in nginx (75 s): who closes first must be the client, or a
 * request that it is about to write is reset. Node's own 5 s are shorter than any of them.
 */
const keepAliveMs = 75_000;
/** Connections that may wait to be accepted, as far as the kernel lets them (net.core.somaxconn); of more, each waits a second and longer. */
const backlog = 4_096;
/** Whoever sends something just now is answered still, and told that the connection closes. */
const lastRequestsMs = 250;
/** Of one that a caller waits for. */
const statementMsMax = 5_000;

export type Running = { url: string; stop: () => Promise<void> };

export async function runGateway(config: Config, log: Log): Promise<Running> {
  const metrics = gatewayMetrics();
  const siblings = openSiblings(() => metrics.registry.getMetricsAsJSON());
  const sql = openDatabase(config.databaseUrl, {
    connectionsMax: databaseConnectionsMax,
    name: 'gateway',
    statementMsMax,
  });
  const nodes = connectNodes(config.redisUrl, {
    onError: (error) => log.warn({ error }, 'Redis connection'),
    onConnection: (redis) => {
      if (config.durability === 'replicated') confirmByReplica(redis, () => metrics.unconfirmedWaits.inc());
    },
  });
  const nudge = openNudge(config.queueRedisUrl, (error) => log.warn({ error }, 'queue connection'));
  const store = await connectStore({
    sql,
    nodes,
    log,
    markDirty: nudge.markDirty,
    onFenced: () => metrics.fenced.inc(),
    onDifference: () => metrics.reconcileDifferences.inc(),
  });
  const ledger = openLedger(sql, {
    announceRevocation: async () => void (await nodes.ofKey(revocationsKey).incr(revocationsKey)),
  });
  const keys = keyCache(nodes, (secret) => ledger.findKey(hashSecret(secret)));

  const wallets = openWallets(store);
  const payments = openPayments(
    paymentStore({
      ...{ sql, config, store, onWarning: (message, fields) => log.warn(fields, message) },
      ...{ onTopUp: tellOfTopUp(metrics.topUps, log), onRefundEnded: tellOfRefund(metrics.refunds, log) },
    }),
  );
  const catalogs = catalogCache({
    ledger,
    readVersions: wallets.catalogVersions,
    onError: (error) => log.warn({ error }, 'reading what was published'),
  });

  let health: Health = unknownHealth;
  let pressure: Pressure = noPressure;
  let oldestEntryAgeMs = 0;
  let draining = false;
  const readOldestAge = outboxAges(store, (place) => oldestEntryAtMs(nodes.of(place.partition).redis, place));
  const look = async () => {
    const previous = health;
    // With Postgres away the epochs stay as they were: Redis's fences are what counts.
    await store.refresh().catch(() => undefined);
    try {
      const polled = Promise.all([keys.poll(), catalogs.poll()]).then(
        () => [],
        (error: Error) => [`Redis does not answer: ${error.message}`],
      );
      [health, oldestEntryAgeMs] = await Promise.all([readHealth(store, config.durability), readOldestAge()]);
      const unpolled = await polled;
      // With a node of a cluster away it says so already.
      if (health.ready && unpolled.length > 0) health = { ...health, ready: false, problems: unpolled };
      // A Redis that does not answer says nothing about this: what was, stays.
      feel(pressureOf(pressure, { memoryShare: health.memoryShare, oldestEntryAgeMs }));
    } catch (error) {
      health = { ...unknownHealth, problems: [`Redis does not answer: ${(error as Error).message}`] };
    }
    metrics.partitionsOpen.set(health.partitionsOpen);
    metrics.redisClockOffset.set(health.clockOffsetMs / 1000);
    metrics.durability.set(durabilityRank[health.durability]);
    metrics.replicas.set(health.replicas);
    siblings.tell(health.problems);
    if (previous.problems.join() !== health.problems.join()) {
      log.info({ ready: health.ready, durability: health.durability, problems: health.problems }, 'readiness');
    }
  };
  const feel = (felt: Pressure) => {
    if (felt.detail !== pressure.detail) log.warn({ reasons: felt.reasons, detail: felt.detail }, 'backpressure');
    pressure = felt;
    for (const reason of pressureReasons)
      metrics.backpressure.labels(reason).set(felt.reasons.includes(reason) ? 1 : 0);
    metrics.memoryShare.set(health.memoryShare ?? 0);
    metrics.oldestEntryAge.set(oldestEntryAgeMs / 1000);
  };
  const looking = every(healthIntervalMs, look, (error) => log.error({ error }, 'looking at Redis'));
  await looking.now();

  const app = createApp({
    ledger,
    wallets,
    payments,
    catalogs,
    authenticate: keys.authenticate,
    isUnavailable: isDatabaseUnavailable,
    backpressure: () => pressure.detail,
    readiness: async () => ({
      ready: health.ready && !draining && (siblings.others()?.problems ?? []).length === 0,
      dependencies: {
        gateway: { status: draining ? 'draining' : 'ok', ...processesOf(siblings.others()) },
        redis: {
          status: health.problems.length === 0 ? 'ok' : health.problems.join('; '),
          durability: health.durability,
          required: config.durability,
          replicas: health.replicas,
          memory_ratio: health.memoryShare ?? null,
          partitions_open: health.partitionsOpen,
          ...(await lossesOf(sql)),
          clock_offset_ms: health.clockOffsetMs,
        },
        // Settling goes on, so it does not make the gateway unready.
        new_work: { status: pressure.detail ?? 'ok', oldest_entry_age_ms: oldestEntryAgeMs },
        // Decisions go on without it, so it does not make the gateway unready.
        postgres: {
          status: await sql`select 1`.then(
            () => 'ok',
            () => 'cannot be reached',
          ),
        },
      },
    }),
    metrics: async () => ({
      contentType: metrics.registry.contentType,
      text: await allMetrics(nodes, await siblings.gather()),
    }),
    countEvents: (status, count) => metrics.events.labels(status).inc(count),
    observe: ({ method, path, status, tookMs }) =>
      metrics.requests.labels(method, path, String(status)).observe(tookMs / 1000),
    log,
  });
  app.route(
    '/admin',
    operatorPages({ queues: nudge.queues, password: config.adminPassword, requestIdOf: requestIds() }),
  );

  const listener = getRequestListener(app.fetch);
  const server = createServer((incoming, outgoing) => {
    // Clients that never let go of their connections would keep a stopping gateway busy for ever.
    if (draining) outgoing.setHeader('connection', 'close');
    void listener(incoming, outgoing);
  });
  server.keepAliveTimeout = keepAliveMs;
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port: config.port, host: config.host, backlog }, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const url = `http://${config.host}:${port}`;
  log.info(
    { url, durability: health.durability, required: config.durability, replicas: health.replicas },
    'gateway listens',
  );

  return {
    url,
    stop: async () => {
      draining = true;
      looking.stop();
      await readWhatArrived();
      // In-flight requests are answered; connections that only wait are closed, now and as soon as they do.
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.keepAliveTimeout = 1;
      for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
      const cut = setTimeout(() => server.closeAllConnections(), stopBoundMs);
      await closed;
      clearTimeout(cut);
      await nudge.stop();
      // What it acknowledged last, nobody else could tell.
      await store.refresh().catch(() => undefined);
      nodes.disconnect();
      await closeDatabase(sql);
      log.info('gateway stopped');
    },
  };
}

/** Requests may lie in the kernel unread, on connections that look idle or are not accepted yet: closing those loses them. */
async function readWhatArrived(): Promise<void> {
  await sleep(lastRequestsMs);
  // A machine that is busy may have given us no turn meanwhile: one to accept, one to read.
  for (let turn = 1; turn <= 2; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Of a port that several processes share: who answers, how many do, and what keeps others from deciding. */
function processesOf(others: Others | undefined): Record<string, unknown> {
  if (others === undefined) return {};
  const { of, serving, problems } = others;
  return { process: processNo, processes: of, serving, ...(problems.length > 0 && { others: problems.join('; ') }) };
}

/** When Redis was last recovered, and how many acknowledged entries were lost with it, by what it promised then. */
async function lossesOf(sql: Sql): Promise<Record<string, unknown>> {
  const losses = await readLosses(sql).catch(() => undefined);
  if (losses?.recoveredAtMs === undefined) return {};
  const lost = Object.fromEntries(losses.lost.map(({ durability, operations }) => [durability, operations]));
  return {
    recovered_at: new Date(losses.recoveredAtMs).toISOString(),
    acknowledged_lost: lost,
    acknowledged_lost_is: 'at least',
  };
}
