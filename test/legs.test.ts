// Holds and charges in several assets, in a whole Farebox: what replies, look-ups and entries say of each.
//
// No route asks for several assets, so they are asked for over Redis; all the rest is HTTP.
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { audit } from '../scripts/audit/audit.ts';
import { openDatabase, type Sql } from '../src/db/connect.ts';
import type { Atoms } from '../src/units.ts';
import { holdIdOf } from '../src/wallet/ids.ts';
import { fenceKey, moneyKeys, walletOf } from '../src/wallet/keys.ts';
import { packLegs } from '../src/wallet/legs.ts';
import { noFingerprint } from '../src/wallet/operation.ts';
import { authorizeScript, chargeScript } from '../src/wallet/scripts.gen.ts';
import { expectStatus, startFarebox, type Farebox } from './farebox.ts';
import { until } from './ledger.world.ts';
import { ask } from './stories/wallets.ts';

let farebox: Farebox;
let redis: Redis;
let sql: Sql;
let operationsCount = 0;

beforeAll(async () => {
  farebox = await startFarebox();
  redis = new Redis(farebox.redis.url, { protocol: 2 });
  sql = openDatabase(farebox.database.url, { connectionsMax: 1, name: 'test' });
  await expectStatus(farebox.client.post('/v1/assets', { code: 'CREDITS', scale: 0, kind: 'custom' }), 201);
});
afterAll(async () => {
  redis.disconnect();
  await sql.end();
  await farebox.stop();
});

const usd = (amount: number) => BigInt(amount * 1e9) as Atoms;
// A credit is worth a cent.
const rate = { num: 1n as Atoms, den: 10_000_000n as Atoms };

test('each leg is in the reply, the look-up and the entry, and the first is the reply’s own', async () => {
  const id = await holdOf(await customer('shown'), { usd: 3, credits: 200 });
  expect((await farebox.client.get(`/v1/holds/${id}`)).body).toMatchObject({
    ...{ asset: 'USD', amount: '3', held: '3', settled: '0', released: '0' },
    legs: [
      { asset: 'USD', amount: '3', held: '3', settled: '0', released: '0' },
      { asset: 'CREDITS', amount: '200', held: '200', settled: '0', released: '0' },
    ],
  });
  const part = await expectStatus(settle(id, { amount: '3.505', final: false }), 200);
  expect(part.body).toMatchObject({
    ...{ status: 'open', asset: 'USD', settled: '3', released: '0', overage: '0', available: '7', held: '0' },
    legs: [
      { asset: 'USD', settled: '3', released: '0', overage: '0', available: '7', held: '0' },
      // Half a cent is a credit.
      { asset: 'CREDITS', settled: '51', released: '0', overage: '0', available: '300', held: '149' },
    ],
  });
  const { body: extended } = await expectStatus(farebox.client.post(`/v1/holds/${id}/extend`, { amount: '1' }), 200);
  expect(extended).toMatchObject({
    ...{ amount: '4', available: '6', held: '1' },
    legs: [
      { asset: 'USD', amount: '4', available: '6', held: '1' },
      { asset: 'CREDITS', amount: '200', available: '300', held: '149' },
    ],
  });
  const released = await expectStatus(farebox.client.post(`/v1/holds/${id}/release`), 200);
  expect(released.body).toMatchObject({
    ...{ released: '1', settled: '3', available: '7', held: '0' },
    legs: [
      { asset: 'USD', released: '1', settled: '3', available: '7', held: '0' },
      { asset: 'CREDITS', released: '149', settled: '51', available: '449', held: '0' },
    ],
  });
  const [release, extend, settled, hold] = await entriesOf('shown', 'release');
  expect(release).toMatchObject({ hold_id: id, legs: [{ asset: 'USD' }, { asset: 'CREDITS', held_after: '0' }] });
  expect(extend).not.toHaveProperty('legs');
  expect(settled).toMatchObject({
    ...{ hold_id: id, asset: 'USD', amount: '-3', available_after: '7' },
    legs: [
      { asset: 'USD', amount: '-3', available_after: '7', held_after: '0', overage_after: '0' },
      { asset: 'CREDITS', amount: '-51', available_after: '300', held_after: '149', overage_after: '0' },
    ],
  });
  expect(hold).toMatchObject({ hold_id: id, amount: '0', legs: [{ asset: 'USD' }, { asset: 'CREDITS' }] });
});

test('a repeat is told the same of each leg', async () => {
  const id = await holdOf(await customer('repeated'), { usd: 1, credits: 100 });
  const key = { 'idempotency-key': 'once' };
  const first = await expectStatus(settle(id, { amount: '1.5' }, key), 200);
  expect(first.body.legs).toHaveLength(2);
  const again = await expectStatus(settle(id, { amount: '1.5' }, key), 200);
  expect(again.headers.get('idempotent-replayed')).toBe('true');
  expect(again.body).toEqual(first.body);
});

test('one that has expired is settled late, from the legs that the ledger has', async () => {
  const id = await holdOf(await customer('late'), { usd: 10, credits: 100, ttlMs: 1_000 });
  await until(async () => (await farebox.client.get(`/v1/holds/${id}`)).body.status === 'expired');
  const { body } = await expectStatus(settle(id, { amount: '10.4' }), 200);
  expect(body).toMatchObject({
    ...{ late: true, status: 'settled', settled: '10', released: '0', overage: '0', available: '0' },
    legs: [{ asset: 'USD' }, { asset: 'CREDITS', settled: '40', released: '60', available: '460', held: '0' }],
  });
  expect((await farebox.client.get(`/v1/holds/${id}`)).body.legs).toMatchObject([
    { asset: 'USD', settled: '10' },
    { asset: 'CREDITS', settled: '40', released: '60' },
  ]);
});

test('a hold in one asset has no legs to show', async () => {
  await customer('plain');
  const body = { customer_id: 'plain', asset: 'USD', amount: '1' };
  const held = await expectStatus(farebox.client.post('/v1/authorize', body), 200);
  expect(held.body).not.toHaveProperty('legs');
  expect((await farebox.client.get(`/v1/holds/${held.body.id}`)).body).not.toHaveProperty('legs');
  expect((await settle(held.body.id, { amount: '1' })).body).not.toHaveProperty('legs');
});

test('a charge takes all of them, and the ledger of all of this is sound', async () => {
  const { keys, args } = await call(await customer('charged'), { usd: 3, credits: 499 });
  expect(await ask(redis, chargeScript, keys, args)).toMatchObject({
    ...{ status: 'charged', takeAtoms: usd(3) },
    legsText: `1 ${usd(3)} 0 ${usd(3)} 0 ${usd(7)} 0 0 3 499 0 499 0 1 0 0`,
  });
  const [charge] = await entriesOf('charged', 'charge');
  expect(charge).toMatchObject({
    legs: [{ amount: '-3' }, { asset: 'CREDITS', amount: '-499', available_after: '1' }],
  });
  const more = await call('charged', { usd: 1, credits: 2 });
  expect(await ask(redis, chargeScript, more.keys, more.args)).toMatchObject({ status: 'declined', shortAsset: 3 });
  expect((await audit(sql)).proofs.filter(({ failed }) => failed > 0)).toEqual([]);
});

test.each(['amounts', 'settled', 'released', 'rate_dens'])(
  'the audit sees a change of `%s` in a second leg',
  async (column) => {
    // Rates are those of the legs after the first.
    const element = column === 'rate_dens' ? 1 : 2;
    const change = (by: number) =>
      sql.unsafe(`
      update holds set ${column}[${element}] = ${column}[${element}] + ${by}
      where (wallet_id, ref) in (select wallet_id, ref from holds where cardinality(assets) = 2 order by created_at limit 1)`);
    expect((await change(1)).count).toBe(1);
    const failed = (await audit(sql)).proofs.filter(({ failed: count }) => count > 0);
    expect((await change(-1)).count).toBe(1);
    expect(failed.map(({ name }) => name)).toContain('rebuild');
  },
);

/** With 10 dollars and 500 credits. */
async function customer(id: string): Promise<string> {
  await farebox.customer(id, '10');
  await expectStatus(farebox.client.post(`/v1/customers/${id}/grants`, { asset: 'CREDITS', amount: '500' }), 201);
  return id;
}

async function holdOf(customerId: string, what: { usd: number; credits: number; ttlMs?: number }): Promise<string> {
  const { keys, args, walletId } = await call(customerId, what);
  const reply = await ask(redis, authorizeScript, keys, { ...args, ttlMs: what.ttlMs ?? 60_000 });
  if (reply.status !== 'approved') throw new Error(`authorize answered ${reply.status}`);
  return holdIdOf(walletId, 1, `${reply.epoch}.${reply.version}`);
}

/** What authorize and charge take. */
async function call(customerId: string, what: { usd: number; credits: number }) {
  const [environment] = await sql<{ id: string }[]>`select id from environments`;
  const wallet = walletOf(environment!.id, customerId);
  operationsCount += 1;
  const operationId = `legs.${operationsCount}`;
  const fence = (await redis.get(fenceKey(wallet.partition))) ?? '';
  const args = {
    ...{ fence, notAfterMs: Date.now() + 60_000, environment: environment!.id, operationId },
    ...{ fingerprint: noFingerprint, keepMs: 60_000, lookedUp: '0', asset: 1, amountAtoms: usd(what.usd) },
    ...{
      mode: 'strict',
      repeated: '0',
      attached: '',
      catalogVersion: '',
      configVersion: '0',
      toldText: '',
      budgetsPacked: '',
    },
    linesPacked: '',
    legsPacked: packLegs({ asset: 1 }, [{ asset: 3, amount: BigInt(what.credits) as Atoms, ...rate }]),
    scopesPacked: '',
    fallbacksPacked: '',
  };
  return { keys: moneyKeys(wallet, Number(fence.split(':')[1]), operationId), args, walletId: wallet.walletId };
}

function settle(id: string, body: object, headers?: Record<string, string>) {
  return farebox.client.post(`/v1/holds/${id}/settle`, body, headers);
}

/** Newest first, once the newest is of this kind. */
async function entriesOf(customerId: string, newest: string) {
  const list = async () => (await farebox.client.get(`/v1/customers/${customerId}/entries`)).body.data;
  await until(async () => (await list())[0]?.kind === newest);
  return list();
}
