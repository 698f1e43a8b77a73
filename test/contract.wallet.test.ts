// The contract of wallets: their shape at each step, and freezing.
import { describe, expect, test } from 'vitest';
import { expectProblem, expectReplied, fromNow, instant, sleepUntil, startContract } from './contract.client.ts';

const { client, customer, entriesOf, grant, hold, walletOf } = await startContract();

const freeze = (id: string, headers = {}) => client.post(`/v1/customers/${id}/wallet/freeze`, {}, headers);
const unfreeze = (id: string, headers = {}) => client.post(`/v1/customers/${id}/wallet/unfreeze`, {}, headers);

describe('a wallet', () => {
  test('of a new customer is empty, at version 0, as of now', async () => {
    await customer('new');
    const { body } = await client.get('/v1/customers/new/wallet');
    expect(body).toEqual({
      ...{ customer_id: 'new', status: 'active', freeze_reason: null, version: 0 },
      ...{ as_of: expect.stringMatching(instant), accounts: [] },
    });
    expect(Math.abs(Date.parse(body.as_of) - Date.now())).toBeLessThan(5_000);
  });

  test('has the shape of the contract', async () => {
    await customer('user_42');
    const expires_at = '2099-01-01T00:00:00.000Z';
    const paid = await grant('user_42', '10');
    const gift = await grant('user_42', '1', { asset: 'EUR', purpose: 'promotional', priority: 5, expires_at });
    await hold('user_42', '0.05');
    const wallet = await walletOf('user_42');
    wallet.accounts.sort((a: any, b: any) => (a.asset < b.asset ? 1 : -1));
    expect(wallet).toEqual({
      customer_id: 'user_42',
      status: 'active',
      freeze_reason: null,
      version: 3,
      accounts: [
        {
          ...{ asset: 'USD', available: '9.95', held: '0.05', overage: '0' },
          grants: [{ id: paid.id, purpose: 'paid', priority: 50, remaining: '9.95', held: '0.05', expires_at: null }],
        },
        {
          ...{ asset: 'EUR', available: '1', held: '0', overage: '0' },
          grants: [{ id: gift.id, purpose: 'promotional', priority: 5, remaining: '1', held: '0', expires_at }],
        },
      ],
    });
  });

  test('shows grants with something left or held, and keeps an account whose credit is gone', async () => {
    await customer('emptied', '1');
    await grant('emptied', '1');
    const { id } = await hold('emptied', '1.5');
    const account = (await walletOf('emptied')).accounts[0];
    expect(account).toMatchObject({ available: '0.5', held: '1.5' });
    expect(account.grants.map(({ remaining, held }: any) => [remaining, held])).toEqual([
      ['0', '1'],
      ['0.5', '0.5'],
    ]);
    await client.post(`/v1/holds/${id}/settle`, { amount: '1.5' });
    expect((await walletOf('emptied')).accounts[0].grants).toHaveLength(1);
    await client.post('/v1/charge', { customer_id: 'emptied', asset: 'USD', amount: '0.5' });
    expect((await walletOf('emptied')).accounts).toEqual([
      { asset: 'USD', available: '0', held: '0', overage: '0', grants: [] },
    ]);
  });

  test('an account that never had credit is absent, whatever was asked of it', async () => {
    await customer('no-credit');
    await hold('no-credit', '0', { asset: 'EUR' });
    await client.post('/v1/charge', { customer_id: 'no-credit', asset: 'EUR', amount: '0' });
    await client.post('/v1/charge', { customer_id: 'no-credit', asset: 'EUR', amount: '1' });
    const wallet = await walletOf('no-credit');
    expect(wallet).toMatchObject({ version: 2, accounts: [] });
  });

  test('its version counts what changed it, and nothing else', async () => {
    const id = await customer('counting', '10');
    const version = async () => (await walletOf(id)).version;
    expect(await version()).toBe(1);
    const spend = { customer_id: id, asset: 'USD', amount: '1' };
    await client.post('/v1/authorize', { ...spend, amount: '11' });
    await client.post('/v1/authorize', { ...spend, mode: 'shadow' });
    await client.post('/v1/charge', { ...spend, mode: 'shadow' });
    await client.post('/v1/charge', { ...spend, amount: '11' });
    await client.get(`/v1/customers/${id}/grants`);
    expect(await version()).toBe(1);
    const held = await hold(id, '1');
    expect([held.version, await version()]).toEqual([2, 2]);
    const settled = (await client.post(`/v1/holds/${held.id}/settle`, { amount: '0.5', final: false })).body;
    expect([settled.version, await version()]).toEqual([3, 3]);
    await client.post(`/v1/holds/${held.id}/settle`, { amount: '1', on_excess: 'reject' });
    expect(await version()).toBe(3);
    const released = (await client.post(`/v1/holds/${held.id}/release`)).body;
    expect([released.version, await version()]).toEqual([4, 4]);
    const charged = (await client.post('/v1/charge', spend)).body;
    expect([charged.version, await version()]).toEqual([5, 5]);
  });

  test('available is what a new hold can take, to the last atom', async () => {
    await customer('exact', '0.3');
    await grant('exact', '0.1');
    await hold('exact', '0.2');
    expect((await walletOf('exact')).accounts[0].available).toBe('0.2');
    const spend = { customer_id: 'exact', asset: 'USD', amount: '0.200000001' };
    expect((await client.post('/v1/authorize', spend)).body).toMatchObject({
      affordable: '0.2',
      shortfall: '0.000000001',
    });
    expect((await hold('exact', '0.2')).available).toBe('0');
  });

  test('several assets do not mix', async () => {
    await customer('assets', '5');
    await grant('assets', '7', { asset: 'EUR' });
    await hold('assets', '5');
    expect((await client.post('/v1/authorize', { customer_id: 'assets', asset: 'USD', amount: '1' })).status).toBe(402);
    expect((await hold('assets', '6', { asset: 'EUR' })).available).toBe('1');
    const { accounts } = await walletOf('assets');
    expect(Object.fromEntries(accounts.map((a: any) => [a.asset, [a.available, a.held]]))).toEqual({
      USD: ['0', '5'],
      EUR: ['1', '6'],
    });
  });

  test('of an unknown customer is not found', async () => {
    expectProblem(await client.get('/v1/customers/nobody/wallet'), 404, 'customer_not_found');
    expectProblem(await client.get('/v1/customers/%20/wallet'), 404, 'customer_not_found');
  });
});

describe('freezing', () => {
  test('a frozen wallet approves nothing; settles and releases go on', async () => {
    const id = await customer('frozen', '10');
    const [one, two, three] = [await hold(id, '1'), await hold(id, '1'), await hold(id, '1')];
    const reply = await freeze(id);
    expectReplied(reply, 200);
    expect(await walletOf(id)).toMatchObject({ status: 'frozen', freeze_reason: 'operator', version: 5 });
    const spend = { customer_id: id, asset: 'USD', amount: '1' };
    for (const amount of ['1', '0', '100']) {
      for (const mode of ['strict', 'up_to']) {
        expectProblem(await client.post('/v1/authorize', { ...spend, amount, mode }), 403, 'wallet_frozen');
        expectProblem(await client.post('/v1/charge', { ...spend, amount, mode }), 403, 'wallet_frozen');
      }
    }
    expectProblem(await client.post(`/v1/holds/${three.id}/extend`, { amount: '1' }), 403, 'wallet_frozen');
    expect((await client.post(`/v1/holds/${one.id}/settle`, { amount: '0.4' })).body).toMatchObject({ settled: '0.4' });
    expect((await client.post(`/v1/holds/${two.id}/release`)).body).toMatchObject({ released: '1' });
    expect((await client.post(`/v1/holds/${three.id}/settle`, { amount: '2' })).body).toMatchObject({ settled: '2' });
    expect(await walletOf(id)).toMatchObject({
      status: 'frozen',
      version: 8,
      accounts: [{ available: '7.6', held: '0' }],
    });
  });

  test('a shadow of a frozen wallet says no, with 200', async () => {
    const id = await customer('frozen-shadow', '10');
    await freeze(id);
    const spend = { customer_id: id, asset: 'USD', amount: '1', mode: 'shadow' };
    for (const path of ['/v1/authorize', '/v1/charge']) {
      const { status, body } = await client.post(path, spend);
      expect([status, body.status, body.code]).toEqual([200, 'shadow_declined', 'wallet_frozen']);
    }
  });

  test('unfreezing lifts it, and what was refused is approved', async () => {
    const id = await customer('thawed', '10');
    await freeze(id);
    const headers = { 'idempotency-key': 'k' };
    const spend = { customer_id: id, asset: 'USD', amount: '1' };
    expectProblem(await client.post('/v1/charge', spend, headers), 403, 'wallet_frozen');
    const reply = await unfreeze(id);
    expectReplied(reply, 200);
    expect(await walletOf(id)).toMatchObject({ status: 'active', freeze_reason: null });
    expect((await client.post('/v1/charge', spend, headers)).status).toBe(200);
  });

  test('unfreezing what is not frozen is a conflict and changes nothing', async () => {
    const id = await customer('warm', '10');
    expect((await unfreeze(id)).status).toBe(409);
    await freeze(id);
    await unfreeze(id);
    expect((await unfreeze(id)).status).toBe(409);
    expect((await walletOf(id)).version).toBe(3);
  });

  test('each is one entry of amount 0', async () => {
    const id = await customer('written', '10');
    await freeze(id);
    await unfreeze(id);
    expect((await entriesOf(id)).map(({ kind, amount, version }) => [version, kind, amount])).toEqual([
      [1, 'grant', '10'],
      [2, 'freeze', '0'],
      [3, 'unfreeze', '0'],
    ]);
  });

  test('an empty wallet can be frozen too', async () => {
    const id = await customer('frozen-empty');
    expect((await freeze(id)).status).toBe(200);
    expectProblem(
      await client.post('/v1/authorize', { customer_id: id, asset: 'USD', amount: '0' }),
      403,
      'wallet_frozen',
    );
    expect(await walletOf(id)).toMatchObject({ status: 'frozen', version: 1, accounts: [] });
  });

  test('a repeat with the same Idempotency-Key is told the same, and freezes nothing again', async () => {
    const id = await customer('refrozen', '10');
    const first = await freeze(id, { 'idempotency-key': 'f' });
    const thaw = await unfreeze(id, { 'idempotency-key': 'f' });
    const again = await freeze(id, { 'idempotency-key': 'f' });
    expect([first.status, thaw.status, again.status]).toEqual([200, 200, 200]);
    expect(again.body).toEqual(first.body);
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    expect(await walletOf(id)).toMatchObject({ status: 'active', version: 3 });
  });

  test('grants of a frozen wallet still expire, and its holds still end', async () => {
    const id = await customer('frozen-time');
    const expires_at = fromNow(3_000);
    await grant(id, '5', { expires_at });
    await hold(id, '1', { ttl_ms: 1_000 });
    await freeze(id);
    await sleepUntil(expires_at);
    await expect
      .poll(() => walletOf(id), { timeout: 20_000 })
      .toMatchObject({ status: 'frozen', accounts: [{ available: '0', held: '0', grants: [] }] });
  });
});
