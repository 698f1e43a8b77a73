// What Redis still has after a loss is believed as far as the ledger bears it out; and the way back works without memory.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { lateKey, operationKey } from '../src/wallet/keys.ts';
import { operationOf } from '../src/wallet/operation.ts';
import { expectSound } from './faults/books.ts';
import { openScene, type Scene } from './recover.scene.ts';

let scene: Scene;

beforeAll(async () => {
  scene = await openScene();
});

afterAll(() => scene.close());

beforeEach(() => expect.poll(scene.takesDecisions, { timeout: 20_000 }).toBe(true));

afterEach(() => scene.redis.config('SET', 'maxmemory', 0));

describe('of a script that was torn in the middle, the half that was written', () => {
  test('a record without an entry is not believed: the retry takes the money, once', async () => {
    const id = await scene.customer();
    const recordKey = (key: string) => {
      const body = { customer_id: id, asset: 'USD', amount: '40' };
      const request = { environmentId: scene.environmentId, path: '/v1/charge', customerId: id, key, body };
      return operationKey(scene.walletOf(id).partition, operationOf(request).id);
    };
    await scene.charge(id, '40', 'whole');
    const record = await scene.redis.getBuffer(recordKey('whole'));
    await scene.drained();
    // What the first half of a torn script leaves: what the record of `whole` says, under an id that the ledger never saw.
    await scene.redis.set(recordKey('torn'), record!, 'PX', 3_600_000);
    await scene.losing(scene.restart);
    const again = await scene.charge(id, '40', 'torn');
    expect([again.status, again.headers.get('idempotent-replayed')]).toEqual([200, null]);
    expect(await scene.account(id)).toEqual({ available: '20', held: '0' });
    const replays = [await scene.charge(id, '40', 'torn'), await scene.charge(id, '40', 'whole')];
    expect(replays.map(({ headers }) => headers.get('idempotent-replayed'))).toEqual(['true', 'true']);
    expect(replays[0]!.body).toEqual(again.body);
    await scene.drained();
    await expectSound(scene.sql);
  });

  test('a mark of a late settle without an entry is not believed: the usage is recorded, once', async () => {
    const id = await scene.customer();
    const hold = await scene.hold(id, '30', 1_000);
    const status = async () => (await scene.client.get(`/v1/holds/${hold}`)).body.status;
    await expect.poll(status, { timeout: 20_000 }).toBe('expired');
    const [{ ref } = { ref: '' }] = await scene.sql<{ ref: string }[]>`
      select ref from holds where wallet_id = ${scene.walletOf(id).walletId}`;
    const before = await scene.epochNow();
    await scene.losing(() => scene.redis.flushall());
    await scene.redis.set(lateKey(scene.walletOf(id), ref), before);
    const settled = await scene.client.post(`/v1/holds/${hold}/settle`, { amount: '25' });
    expect([settled.status, settled.body.late]).toEqual([200, true]);
    expect((await scene.client.post(`/v1/holds/${hold}/settle`, { amount: '25' })).status).toBe(409);
    expect(await scene.account(id)).toEqual({ available: '75', held: '0' });
  });
});

test('lost where Redis has no memory left, wallets come back so that holds end; new work is refused', async () => {
  const id = await scene.customer();
  const [settled, released] = [await scene.hold(id, '10'), await scene.hold(id, '20')];
  const expiring = await scene.hold(await scene.customer(), '5', 1_000);
  const other = await scene.customer();
  await scene.drained();
  await scene.losing(() => scene.redis.multi().flushall().config('SET', 'maxmemory', 1).exec(), scene.areOpen);
  expect((await scene.charge(other, '1')).status).toBe(503);
  expect((await scene.client.post('/v1/customers', {})).status).toBe(503);
  const post = async (path: string, body: object) => (await scene.client.post(`/v1/holds/${path}`, body)).status;
  // Until the ledger has what Redis has, they may be told to come back.
  await expect.poll(() => post(`${settled}/settle`, { amount: '7' }), { timeout: 20_000 }).toBe(200);
  await expect.poll(() => post(`${released}/release`, {}), { timeout: 20_000 }).toBe(200);
  expect(await scene.account(id)).toEqual({ available: '93', held: '0' });
  const status = async () => (await scene.client.get(`/v1/holds/${expiring}`)).body.status;
  await expect.poll(status, { timeout: 20_000 }).toBe('expired');
  await scene.redis.config('SET', 'maxmemory', 0);
  await expect.poll(async () => (await scene.charge(other, '1')).status, { timeout: 10_000 }).toBe(200);
  await scene.drained();
  await expectSound(scene.sql);
});
