// Grants with a scope, over HTTP: what they pay for, in which order, and what of it can be seen.
import { Redis } from 'ioredis';
import { beforeAll, describe, expect, test } from 'vitest';
import { audit } from '../scripts/audit/audit.ts';
import { openDatabase } from '../src/db/connect.ts';
import { expectFieldError, expectProblem, startContract, type Contract } from './contract.client.ts';
import { expectStatus } from './farebox.ts';

let contract: Contract;
let client: Contract['client'];

beforeAll(async () => {
  contract = await startContract();
  client = contract.client;
  await publish('chat', true, [
    price('chat', { id: 'tokens', quantity: 'tokens', unit_amount: '1' }),
    price('image', { id: 'images', quantity: 'images', unit_amount: '2' }),
  ]);
  await publish('search', false, [price('chat', { id: 'searches', quantity: 'searches', unit_amount: '3' })]);
});

const price = (event_type: string, more: object) => ({ event_type, asset: 'USD', model: 'unit', ...more });

async function publish(id: string, isDefault: boolean, prices: object[]) {
  await expectStatus(client.post('/v1/products', { id, name: id, default: isDefault, prices }), 201);
  await expectStatus(client.post(`/v1/products/${id}/versions/1/publish`), 200);
}

const images = { event_types: ['image'] };
const event = (customer_id: string, event_type: string, data: object, more: object = {}) => ({
  ...{ customer_id, event_type, data },
  ...more,
});
const charge = (body: object) => client.post('/v1/charge', body);
const accountOf = async (id: string) => (await contract.walletOf(id)).accounts[0];
const leftOf = async (id: string) => {
  const { body } = await expectStatus(client.get(`/v1/customers/${id}/grants`), 200);
  return Object.fromEntries(body.data.map((grant: any) => [grant.description, grant.remaining]));
};

describe('what a scope binds', () => {
  test('is spent on what it covers before anything else, and on nothing else', async () => {
    const id = await contract.customer('images');
    await contract.grant(id, '5', { description: 'any' });
    const scoped = await contract.grant(id, '10', { description: 'images', scope: images });
    expect(scoped).toMatchObject({ scope: images, remaining: '10', status: 'active' });
    expect(await accountOf(id)).toMatchObject({
      ...{ available: '15', scoped: '10' },
      grants: [{ scope: images }, {}],
    });

    await expectStatus(charge(event(id, 'chat', { tokens: 2 })), 200);
    expect(await leftOf(id)).toEqual({ any: '3', images: '10' });
    await expectStatus(charge(event(id, 'image', { images: 2 })), 200);
    expect(await leftOf(id)).toEqual({ any: '3', images: '6' });
    // Plain amounts say not what they are for.
    const refused = await charge({ customer_id: id, asset: 'USD', amount: '4' });
    expectProblem(refused, 402, 'insufficient_balance');
    expect(refused.body).toMatchObject({ available: '9', affordable: '3', shortfall: '1', limit_source: 'balance' });
    expectProblem(await charge(event(id, 'chat', { tokens: 4 })), 402, 'insufficient_balance');
    // Six of one, two of the other.
    await expectStatus(charge(event(id, 'image', { images: 4 })), 200);
    expect(await leftOf(id)).toEqual({ any: '1', images: '0' });
  });

  test.each([
    ['one of several event types', { event_types: ['video', 'chat'] }, { model: 'small' }, true],
    ['another event type', { event_types: ['video'] }, { model: 'small' }, false],
    ['a value', { dimensions: { model: 'small' } }, { model: 'small' }, true],
    ['one of several values', { dimensions: { model: ['large', 'small'] } }, { model: 'small' }, true],
    ['another value', { dimensions: { model: 'large' } }, { model: 'small' }, false],
    ['any value', { dimensions: { model: '*' } }, { model: 'small' }, true],
    ['no value', { dimensions: { model: '*' } }, {}, false],
    ['a number', { dimensions: { size: 1024 } }, { size: 1024 }, true],
    ['the product', { products: ['chat'] }, {}, true],
    ['another product', { products: ['search'] }, {}, false],
    [
      'all of it',
      { event_types: ['chat'], products: ['chat'], dimensions: { model: 'small' } },
      { model: 'small' },
      true,
    ],
    ['not all of it', { event_types: ['chat'], dimensions: { model: 'large' } }, { model: 'small' }, false],
  ])('%s', async (name, scope, data, isCovered) => {
    const id = await contract.customer(`scope:${name.replaceAll(' ', '-')}`);
    await contract.grant(id, '1', { scope });
    const { status } = await charge(event(id, 'chat', { tokens: 1, ...data }));
    expect(status).toBe(isCovered ? 200 : 402);
  });

  test('differs from line to line, where it is for a product', async () => {
    const id = await contract.customer('lines');
    await expectStatus(client.post(`/v1/customers/${id}/subscriptions`, { product_id: 'search' }), 201);
    await contract.grant(id, '6', { description: 'searches', scope: { products: ['search'] } });
    await contract.grant(id, '10', { description: 'chat', scope: { products: ['chat'] } });
    // 2 of searches are 6, and 10 tokens are 10: one token more, and neither of them can help.
    const both = event(id, 'chat', { tokens: 11, searches: 2 });
    const refused = await client.post('/v1/authorize', both);
    expectProblem(refused, 402, 'insufficient_balance');
    expect(refused.body).toMatchObject({ requested: '17', affordable: '16' });
    const less = await expectStatus(client.post('/v1/authorize', { ...both, mode: 'up_to' }), 200);
    expect(less.body.amount).toBe('16');
    expect(await leftOf(id)).toEqual({ searches: '0', chat: '0' });
    await expectStatus(client.post(`/v1/holds/${less.body.id}/release`), 200);
    await expectStatus(charge(event(id, 'chat', { tokens: 10, searches: 1 })), 200);
    expect(await leftOf(id)).toEqual({ searches: '3', chat: '0' });
  });
});

describe('a hold', () => {
  test('goes on by the scopes that it was opened by', async () => {
    const id = await contract.customer('holds');
    await contract.grant(id, '10', { description: 'images', scope: images });
    const { body: held } = await expectStatus(client.post('/v1/authorize', event(id, 'image', { images: 2 })), 200);
    await expectStatus(client.post(`/v1/holds/${held.id}/extend`, { amount: '1' }), 200);
    expect(await leftOf(id)).toEqual({ images: '5' });
    // An amount is of what was authorized: two more than is held.
    const { body: settled } = await expectStatus(client.post(`/v1/holds/${held.id}/settle`, { amount: '7' }), 200);
    expect(settled).toMatchObject({ settled: '7', overage: '0' });
    expect(await leftOf(id)).toEqual({ images: '3' });
  });

  test('that is settled by another event gives back what does not cover it, and owes', async () => {
    const id = await contract.customer('another-event');
    await contract.grant(id, '10', { description: 'images', scope: images });
    const { body: held } = await expectStatus(client.post('/v1/authorize', event(id, 'image', { images: 2 })), 200);
    const rejected = { event_type: 'chat', data: { tokens: 1 }, on_excess: 'reject' };
    expectProblem(await client.post(`/v1/holds/${held.id}/settle`, rejected), 422, 'exceeds_hold');
    const chat = { event_type: 'chat', data: { tokens: 3 } };
    const { body: settled } = await expectStatus(client.post(`/v1/holds/${held.id}/settle`, chat), 200);
    expect(settled).toMatchObject({ settled: '3', released: '4', overage: '3' });
    expect(await accountOf(id)).toMatchObject({ available: '10', scoped: '10', overage: '3' });
    // Whoever owes gets nothing more, and what comes bound to a scope repays nothing.
    expectProblem(await charge(event(id, 'image', { images: 1 })), 402, 'wallet_in_overage');
    await contract.grant(id, '1', { description: 'more', scope: images });
    expect(await accountOf(id)).toMatchObject({ available: '11', overage: '3' });
    await contract.grant(id, '4', { description: 'any' });
    expect(await accountOf(id)).toMatchObject({ available: '12', scoped: '11', overage: '0' });
    await expectStatus(charge(event(id, 'image', { images: 6 })), 200);
    expect(await accountOf(id)).toEqual({ asset: 'USD', available: '0', held: '0', overage: '0', grants: [] });
  });
});

test('a grant that ends takes its scoped money along', async () => {
  const id = await contract.customer('ends');
  const { id: grantId } = await contract.grant(id, '10', { scope: images });
  await contract.grant(id, '2', { scope: images, expires_at: new Date(Date.now() + 1_500).toISOString() });
  expect(await accountOf(id)).toMatchObject({ available: '12', scoped: '12' });
  const voided = await expectStatus(client.post(`/v1/customers/${id}/grants/${grantId}/void`, {}), 200);
  expect(voided.body).toMatchObject({ voided: '10', scope: images });
  await new Promise((resolve) => setTimeout(resolve, 1_600));
  expect(await accountOf(id)).toEqual({ asset: 'USD', available: '0', held: '0', overage: '0', grants: [] });
});

test('one scope that is written twice is one; the 256th different one is refused', async () => {
  const id = await contract.customer('many');
  const scope = (value: number) => ({ dimensions: { value, b: 1 } });
  await contract.grant(id, '0.01', { scope: scope(1) });
  // As if they had been asked for, one by one.
  const sql = openDatabase(contract.database.url, { connectionsMax: 1, name: 'test' });
  await sql`insert into scopes (environment_id, customer_id, no, scope)
    select environment_id, id, no, json_build_object('event_types', array[no::text])
    from customers, generate_series(2, 254) as no where id = ${id}`;
  await sql.end();
  await contract.grant(id, '0.01', { scope: scope(255) });
  const body = { asset: 'USD', amount: '1', scope: scope(256) };
  expectProblem(await client.post(`/v1/customers/${id}/grants`, body), 422, 'too_many_scopes');
  await contract.grant(id, '1', { scope: { dimensions: { b: 1, value: 255 } } });
  await expectStatus(charge(event(id, 'chat', { tokens: '1.01', value: 255, b: 1 })), 200);
});

test.each([
  [{}, 'scope'],
  [{ event_types: [] }, 'scope.event_types'],
  [{ event_types: [''] }, 'scope.event_types'],
  [{ dimensions: { model: [] } }, 'scope.dimensions'],
  [{ models: ['small'] }, 'models'],
  [{ dimensions: {} }, 'scope'],
])('scope %j is refused, and %s is named', async (scope, field) => {
  const { id } = (await client.post('/v1/customers', {})).body;
  expectFieldError(await client.post(`/v1/customers/${id}/grants`, { asset: 'USD', amount: '1', scope }), field);
});

test('after Redis lost all of it, wallets are what they were, and the ledger of all of this is sound', async () => {
  const ids = ['images', 'lines', 'holds', 'another-event', 'ends'];
  const id = await contract.customer('lost', '1');
  await contract.grant(id, '10', { scope: images });
  const { body: held } = await expectStatus(client.post('/v1/authorize', event(id, 'image', { images: 2 })), 200);
  const before = await Promise.all([...ids, id].map(contract.walletOf));
  await contract.entriesOf(id);
  for (const each of ids) await contract.entriesOf(each);
  const sql = openDatabase(contract.database.url, { connectionsMax: 1, name: 'test' });
  expect((await audit(sql)).proofs.filter(({ failed }) => failed > 0)).toEqual([]);
  await sql.end();
  for (const url of contract.config.redisUrl.split(',')) {
    const redis = new Redis(url, { protocol: 2 });
    await redis.flushall();
    redis.disconnect();
  }
  await expect
    .poll(() => Promise.all([...ids, id].map(contract.walletOf)).catch(() => []), { timeout: 20_000 })
    .toEqual(before);
  // What it holds is for images still.
  await expectStatus(client.post(`/v1/holds/${held.id}/extend`, { amount: '6' }), 200);
  await expectStatus(charge(event(id, 'chat', { tokens: 1 })), 200);
});
