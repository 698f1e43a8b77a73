// A refund that is broken off: at every word to Postgres, to Redis and to Stripe, before it is heard and after it is done. One refund.
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDatabase, type Sql } from '../src/db/connect.ts';
import { installationOf } from '../src/db/installation.ts';
import { beginRefund } from '../src/db/refunds.ts';
import { lanesCount } from '../src/limits.ts';
import { openLog } from '../src/log.ts';
import { laneOf } from '../src/outbox/queues.ts';
import { openPayments } from '../src/payments/payments.ts';
import { connectStore } from '../src/run/connect-store.ts';
import { paymentStore } from '../src/run/payment-store.ts';
import type { Atoms } from '../src/units.ts';
import { walletOf } from '../src/wallet/keys.ts';
import { noFingerprint } from '../src/wallet/operation.ts';
import { connectRedis } from '../src/wallet/redis.ts';
import type { Store } from '../src/wallet/store.ts';
import { drainLane } from '../src/worker/drain.ts';
import { lookAtRefunds } from '../src/worker/look-at-refunds.ts';
import { expectStatus } from './farebox.ts';
import { expectSound } from './faults/books.ts';
import { breakOff, type Parts } from './faults/broken-off.ts';
import { saveCard, startPaying, type Paying } from './stripe/paying.ts';

const customer = 'ada';
const oneDollar = 1_000_000_000n as Atoms;
let paying: Paying;
let redis: Redis;
let sql: Sql;
let store: Store;
let lane: number;
let installation: string;

beforeAll(async () => {
  paying = await startPaying({ worker: false });
  // What it says nobody hears: the worker alone must find out.
  paying.standIn.webhooks.faults.lose = 1_000_000;
  redis = connectRedis(paying.redis.url, () => {});
  sql = openDatabase(paying.database.url, { connectionsMax: 4, name: 'test' });
  const log = openLog('silent', 'test');
  store = await connectStore({ sql, redis, log, markDirty: () => void drainSoon(), onFenced: () => {} });
  await store.clock.sample();
  installation = await installationOf(sql);
  lane = laneOf(walletOf(paying.environmentId, customer).partition, lanesCount);
  await paying.customer(customer);
  await saveCard(paying, customer);
});
afterAll(async () => {
  await drain();
  await expectSound(sql);
  redis.disconnect();
  await sql.end();
  await paying.stop();
});

const whole = (): Parts => ({ sql, store, config: paying.config });

/** What a worker does until a refund has ended: a look, another one once the ledger has what the first one did. */
async function goOn(parts: Parts): Promise<void> {
  const payments = openPayments(paymentStore({ ...parts, onWarning: () => {} }));
  for (let look = 1; look <= 2; look += 1) {
    await sql`update top_ups set refunds_look_at = now() where refunds_look_at is not null`;
    await lookAtRefunds(parts.sql, payments, () => {});
    await drain();
  }
}

const drain = () =>
  drainLane({
    ...{ sql, redis, lane, lanesCount, installation, freezeWallet: async () => false },
    ...{ onBatch: () => {}, onQuarantined: () => {}, onForeignFence: () => {}, onWarning: () => {} },
  });

/** Whoever waits for the ledger gets it. */
let draining: Promise<unknown> | undefined;
const drainSoon = () => {
  draining ??= drain()
    .catch(() => undefined)
    .finally(() => (draining = undefined));
  return draining;
};

const standing = async (topUpId: string) => {
  const { accounts } = (await paying.client.get(`/v1/customers/${customer}/wallet`)).body;
  const { charges, refunds } = paying.standIn.books;
  const charge = Object.values(charges).find(({ metadata }) => metadata['farebox_top_up'] === topUpId)!;
  const [open] = await sql`select count(*)::integer as count from refunds where ended_at is null`;
  return {
    available: Number(accounts[0].available),
    held: accounts[0].held,
    refunds: Object.values(refunds).filter((refund) => refund.charge === charge.id).length,
    cents: charge.amount_refunded,
    open: open!['count'],
  };
};

test.each([
  ['Postgres', 'before', 15],
  ['Postgres', 'after', 15],
  ['Redis', 'before', 4],
  ['Redis', 'after', 4],
  ['Stripe', 'before', 4],
  ['Stripe', 'after', 4],
] as const)(
  'broken off at any of its words to %s, %s it is heard, it goes on to one refund',
  async (to, when, wordsLeast) => {
    const buy = { asset: 'USD', amount: '2', payment: 'saved' };
    let isBroken = true;
    let at = 0;
    while (isBroken) {
      at += 1;
      // One of its own each time, and nothing to be done for the others: else there is more to say each time.
      await sql`update top_ups set refunds_look_at = null`;
      const { body } = await expectStatus(paying.client.post(`/v1/customers/${customer}/top-ups`, buy), 201);
      const before = await standing(body.id);
      const operation = { operationId: `${to}-${when}-${at}`, fingerprint: noFingerprint };
      const begun = await beginRefund(sql, paying.environmentId, body.id, { amount: oneDollar, ...operation });
      expect([at, begun.status]).toEqual([at, 'begun']);
      isBroken = await breakOff({ to, at, when }, { paying, redis, store }, goOn);
      // Sooner or later somebody goes on with it.
      for (let time = 1; time <= 3; time += 1) if ((await standing(body.id)).open > 0) await goOn(whole());
      expect([at, await standing(body.id)]).toEqual([
        at,
        {
          ...{ available: before.available - 1, held: '0', open: 0 },
          ...{ refunds: before.refunds + 1, cents: before.cents + 100 },
        },
      ]);
    }
    expect(at).toBeGreaterThan(wordsLeast);
  },
  600_000,
);
