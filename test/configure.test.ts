// A wallet's configuration and the catalog's version: who asks by what was replaced is told so, and nothing happens.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDatabase, type Sql } from '../src/db/connect.ts';
import { openLog } from '../src/log.ts';
import type { WalletConfig } from '../src/records.ts';
import { connectStore } from '../src/run/connect-store.ts';
import { noConfig, parseConfig } from '../src/wallet/config.ts';
import { configureWallet } from '../src/wallet/configure.ts';
import { charge } from '../src/wallet/charge.ts';
import { catalogKey, walletOf } from '../src/wallet/keys.ts';
import { oneNode } from '../src/wallet/nodes.ts';
import { ownOperation } from '../src/wallet/operation.ts';
import type { Store } from '../src/wallet/store.ts';
import type { Atoms } from '../src/units.ts';
import { startFarebox, type Farebox } from './farebox.ts';
import { openRedis } from './stores.ts';

let farebox: Farebox;
let sql: Sql;
let store: Store;
let environmentId: string;

beforeAll(async () => {
  farebox = await startFarebox();
  sql = openDatabase(farebox.database.url, { connectionsMax: 3, name: 'test' });
  const redis = await openRedis(farebox.redis.url);
  const log = openLog('silent', 'test');
  store = await connectStore({
    sql,
    nodes: oneNode(redis),
    log,
    markDirty: () => undefined,
    onFenced: () => undefined,
  });
  environmentId = (await sql<{ id: string }[]>`select id from environments`)[0]!.id;
});

afterAll(async () => {
  store.nodes.of(0).redis.disconnect();
  await sql.end();
  await farebox.stop();
});

async function targetOf(customerId: string) {
  await farebox.customer(customerId, '10');
  return { environmentId, ...walletOf(environmentId, customerId) };
}

const one: WalletConfig = { ...noConfig, version: 1, subscriptions: [{ productId: 'plan', version: 3 }] };

function chargeBy(wallet: Awaited<ReturnType<typeof targetOf>>, known: { catalogVersion?: number; config?: number }) {
  const config = { ...noConfig, version: known.config ?? 0 };
  const spender = { subject: undefined, labels: undefined, eventType: undefined };
  return charge(store, {
    ...{ wallet, environmentId, asset: 1, amount: 1_000_000_000n as Atoms, mode: 'strict', attached: '' },
    ...{ operation: ownOperation(), catalogVersion: known.catalogVersion, told: '' },
    ...{ config, spender, redisMs: Date.now() },
  });
}

test('a request that goes by an older configuration, or a newer one, is given the present one', async () => {
  const wallet = await targetOf('configured');
  expect(await chargeBy(wallet, {})).toMatchObject({ status: 'charged' });
  expect(await configureWallet(store, wallet, one)).toEqual({ status: 'configured', version: 1 });
  for (const config of [0, 2]) {
    const reply = await chargeBy(wallet, { config });
    if (reply.status !== 'stale') throw new Error(`answered ${reply.status}`);
    expect(parseConfig(reply.configVersion, reply.configText)).toEqual(one);
  }
  expect(await chargeBy(wallet, { config: 1 })).toMatchObject({ status: 'charged', available: 8_000_000_000n });
});

test('an older configuration that arrives late changes nothing', async () => {
  const wallet = await targetOf('late');
  await configureWallet(store, wallet, { ...one, version: 5 });
  expect(await configureWallet(store, wallet, one)).toEqual({ status: 'configured', version: 5 });
  expect(await chargeBy(wallet, { config: 1 })).toMatchObject({ status: 'stale', configVersion: 5 });
});

test('a catalog that was replaced prices nothing; one that Redis has not heard of is taken over', async () => {
  const wallet = await targetOf('priced');
  const catalog = catalogKey(wallet.partition);
  expect(await chargeBy(wallet, { catalogVersion: 4 })).toMatchObject({ status: 'charged' });
  expect(await store.nodes.of(0).redis.hget(catalog, environmentId)).toBe('4');
  expect(await chargeBy(wallet, { catalogVersion: 3 })).toMatchObject({ status: 'stale', catalogVersion: 4 });
  expect(await chargeBy(wallet, { catalogVersion: 10 })).toMatchObject({ status: 'charged' });
  expect(await chargeBy(wallet, { catalogVersion: 9 })).toMatchObject({ status: 'stale', catalogVersion: 10 });
  // What names its amount is priced by nobody.
  expect(await chargeBy(wallet, {})).toMatchObject({ status: 'charged', available: 7_000_000_000n });
});

test('the API learns of a configuration that it does not know, and answers as if nothing were', async () => {
  const wallet = await targetOf('learned');
  await configureWallet(store, wallet, one);
  const body = { customer_id: 'learned', asset: 'USD', amount: '1' };
  expect(await farebox.client.post('/v1/charge', body)).toMatchObject({ status: 200, body: { available: '9' } });
  expect(await farebox.client.post('/v1/authorize', body)).toMatchObject({ status: 200, body: { available: '8' } });
});
