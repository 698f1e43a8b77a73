// An automatic top-up that is broken off: at every word to Postgres, to Redis and to Stripe, before it is heard and after it is done.
// One charge, one grant.
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDatabase, type Sql } from '../src/db/connect.ts';
import { lanesCount } from '../src/limits.ts';
import { openLog } from '../src/log.ts';
import { laneOf } from '../src/outbox/queues.ts';
import { openPayments } from '../src/payments/payments.ts';
import { connectStore } from '../src/run/connect-store.ts';
import { paymentStore } from '../src/run/payment-store.ts';
import { walletOf } from '../src/wallet/keys.ts';
import { connectRedis } from '../src/wallet/redis.ts';
import type { Store } from '../src/wallet/store.ts';
import { applyPendingCredits } from '../src/worker/apply-credits.ts';
import { installationOf } from '../src/db/installation.ts';
import { drainLane } from '../src/worker/drain.ts';
import { lookAtTopUps } from '../src/worker/look-at-top-ups.ts';
import { seeToAutoTopUps } from '../src/worker/see-to-auto-top-ups.ts';
import { expectStatus } from './farebox.ts';
import { breakOff, type Parts } from './faults/broken-off.ts';
import { saveCard, startPaying, type Paying } from './stripe/paying.ts';

const customer = 'ada';
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
  store = await connectStore({ sql, redis, log: openLog('silent', 'test'), markDirty: () => {}, onFenced: () => {} });
  await store.clock.sample();
  installation = await installationOf(sql);
  lane = laneOf(walletOf(paying.environmentId, customer).partition, lanesCount);
  await paying.customer(customer, '20');
  await saveCard(paying, customer);
  const terms = { enabled: true, threshold: '10', amount: '50', monthly_limit: '100000' };
  await expectStatus(paying.client.send('PUT', `/v1/customers/${customer}/auto-top-up/USD`, terms), 200);
  await goOn(whole());
});
afterAll(async () => {
  redis.disconnect();
  await sql.end();
  await paying.stop();
});

/** What a worker does in a second, all of it due now. */
async function goOn(parts: Parts): Promise<void> {
  const payments = openPayments(paymentStore({ ...parts, onWarning: () => {} }));
  await lookAtTopUps(parts.sql, payments, () => {});
  await seeToAutoTopUps({ ...parts, payments, onError: () => {}, onEnd: () => {} });
}

const whole = (): Parts => ({ sql, store, config: paying.config });

const drain = () =>
  drainLane({
    ...{ sql, redis, lane, lanesCount, installation, freezeWallet: async () => false },
    ...{ onBatch: () => {}, onQuarantined: () => {}, onForeignFence: () => {}, onWarning: () => {} },
  });

/** Whoever had it is dead: what they had claimed comes to others, and pending credits grow old. */
async function endClaims(): Promise<void> {
  await sql`update auto_top_ups set look_at = now() where look_at is not null`;
  await sql`update top_ups set look_at = now() where look_at is not null`;
  await sql`update credits set attempted_at = now() - interval '1 minute' where state = 'pending'`;
}

const standing = async () => {
  const { accounts } = (await paying.client.get(`/v1/customers/${customer}/wallet`)).body;
  const [auto] = await sql`select state, armed_no > crossed_no and told_no = armed_no as is_told from auto_top_ups`;
  const { charges, paymentIntents } = paying.standIn.books;
  return {
    available: accounts[0].available,
    state: auto!['state'],
    isTold: auto!['is_told'],
    charges: Object.values(charges).length,
    asked: Object.values(paymentIntents).length,
  };
};

test.each([
  ['Postgres', 'before', 10],
  ['Postgres', 'after', 10],
  ['Redis', 'before', 2],
  ['Redis', 'after', 2],
  ['Stripe', 'before', 1],
  ['Stripe', 'after', 1],
] as const)(
  'broken off at any of its words to %s, %s it is heard, it goes on to one charge, one grant and the next crossing',
  async (to, when, wordsLeast) => {
    await expectStatus(paying.client.post('/v1/charge', { customer_id: customer, asset: 'USD', amount: '0' }), 200);
    let isBroken = true;
    let at = 0;
    while (isBroken) {
      at += 1;
      const before = await standing();
      expect(before).toMatchObject({ state: 'armed', isTold: true });
      const spent = Number(before.available) - 5;
      const body = { customer_id: customer, asset: 'USD', amount: String(spent) };
      await expectStatus(paying.client.post('/v1/charge', body), 200);
      await drain();
      isBroken = await breakOff({ to, at, when }, { paying, redis, store }, async (parts) => {
        await endClaims();
        await goOn(parts);
      });
      // Sooner or later somebody goes on with it; that they come too often must not matter.
      for (let time = 1; time <= 3; time += 1) {
        await endClaims();
        await goOn(whole());
        await drain();
        await applyPendingCredits(sql, store);
      }
      const charges = before.charges + 1;
      expect([at, await standing()]).toEqual([
        at,
        { available: '55', state: 'armed', isTold: true, charges, asked: before.asked + 1 },
      ]);
    }
    // It has as many words to say.
    expect(at).toBeGreaterThan(wordsLeast);
  },
  180_000,
);
