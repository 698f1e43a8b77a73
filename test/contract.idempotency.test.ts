// The contract of repeats: the same request with the same Idempotency-Key happens once and is answered the same.
import { describe, expect, test } from 'vitest';
import { expectProblem, expectReplied, startContract } from './contract.client.ts';
import type { Reply } from './farebox.ts';

const { client, customer, entriesOf, grant, hold, walletOf } = await startContract();

const keyed = (key: string) => ({ 'idempotency-key': key });
const charge = (customer_id: string, amount: string, key: string, more: object = {}) =>
  client.post('/v1/charge', { customer_id, asset: 'USD', amount, ...more }, keyed(key));
const availableOf = async (id: string) => (await walletOf(id)).accounts[0].available;

function expectReplay(again: Reply, first: Reply): void {
  expect({ status: again.status, body: again.body }).toEqual({ status: first.status, body: first.body });
  expect(again.headers.get('idempotent-replayed')).toBe('true');
}

function expectFirst(reply: Reply, status = 200): void {
  expectReplied(reply, status);
  expect(reply.headers.get('idempotent-replayed')).toBeNull();
}

describe('a repeat', () => {
  test('of any POST is answered the same, and has no further effect', async () => {
    const id = await customer('any', '100');
    const open = async () => (await hold(id, '5')).id;
    const [settled, released, extended] = [await open(), await open(), await open()];
    const given = (await grant(id, '2')).id;
    const posts: [status: number, path: string, body: object][] = [
      [200, '/v1/authorize', { customer_id: id, asset: 'USD', amount: '1' }],
      [200, '/v1/authorize', { customer_id: id, asset: 'USD', amount: '1000000', mode: 'up_to' }],
      [201, `/v1/customers/${id}/grants`, { asset: 'USD', amount: '50' }],
      [200, '/v1/charge', { customer_id: id, asset: 'USD', amount: '1' }],
      [200, `/v1/holds/${settled}/settle`, { amount: '3', final: false }],
      [200, `/v1/holds/${released}/release`, {}],
      [200, `/v1/holds/${extended}/extend`, { amount: '1', ttl_ms: 120_000 }],
      [200, `/v1/customers/${id}/grants/${given}/void`, {}],
      [201, '/v1/customers', { id: 'any-made', name: 'Any' }],
      [201, '/v1/customers', { name: 'Any, with an id of yours' }],
      [201, '/v1/assets', { code: 'ANY', scale: 2, kind: 'custom' }],
      [201, '/v1/keys', { name: 'any', scopes: ['read'] }],
      [200, `/v1/customers/${id}/wallet/freeze`, {}],
      [200, `/v1/customers/${id}/wallet/unfreeze`, {}],
    ];
    for (const [at, [status, path, body]] of posts.entries()) {
      const first = await client.post(path, body, keyed(`any ${at}`));
      expectFirst(first, status);
      const before = await walletOf(id);
      expectReplay(await client.post(path, body, keyed(`any ${at}`)), first);
      expectReplay(await client.post(path, body, keyed(`any ${at}`)), first);
      expect(await walletOf(id)).toEqual(before);
      const changed = { ...body, ...(path === '/v1/customers' ? { name: 'Other' } : { metadata: { other: true } }) };
      if (/authorize|charge|settle$|grants$|customers$/.test(path)) {
        expectProblem(await client.post(path, changed, keyed(`any ${at}`)), 422, 'idempotency_conflict');
      }
    }
    const { version } = await walletOf(id);
    expect((await entriesOf(id)).at(-1).version).toBe(version);
  });

  test('is answered the same after the world went on', async () => {
    const id = await customer('went-on', '10');
    const ask = () => client.post('/v1/authorize', { customer_id: id, asset: 'USD', amount: '4' }, keyed('k'));
    const first = await ask();
    await client.post(`/v1/holds/${first.body.id}/settle`, { amount: '1' });
    await client.post('/v1/charge', { customer_id: id, asset: 'USD', amount: '9' });
    expectReplay(await ask(), first);
    const settle = () => client.post(`/v1/holds/${first.body.id}/settle`, { amount: '1' }, keyed('k'));
    expectReplied(await settle(), 409);
    const other = await hold(id, '0');
    const end = () => client.post(`/v1/holds/${other.id}/settle`, { amount: '0' }, keyed('k'));
    const ended = await end();
    expectFirst(ended);
    expectReplay(await end(), ended);
    await entriesOf(id);
    expectReplay(await end(), ended);
    expectReplay(await ask(), first);
  });

  test('without a key, or with another one, is another request', async () => {
    const id = await customer('others', '10');
    const body = { customer_id: id, asset: 'USD', amount: '1' };
    const replies = [
      await client.post('/v1/charge', body),
      await client.post('/v1/charge', body),
      await charge(id, '1', 'a'),
      await charge(id, '1', 'A'),
      await charge(id, '1', 'a '.repeat(3).trim()),
    ];
    for (const reply of replies) expectFirst(reply);
    expect(await availableOf(id)).toBe('5');
  });
});

describe('the same request', () => {
  const spelled = (id: string): [string, string][] => [
    [
      'keys in another order',
      `{"metadata":{"b":[1,2],"a":{"y":2,"x":"é"}},"amount":"1","asset":"USD","customer_id":"${id}"}`,
    ],
    [
      'white space',
      ` {\n\t"customer_id" : "${id}" , "asset":"USD","amount" :"1","metadata":{"a":{"x":"é","y":2},"b":[1, 2]}}\r\n`,
    ],
    [
      'escapes',
      `{"customer\\u005fid":"${id}","asset":"\\u0055SD","amount":"1","metadata":{"a":{"x":"\\u00e9","y":2},"b":[1,2]}}`,
    ],
    [
      'other numerals',
      `{"customer_id":"${id}","asset":"USD","amount":"1","metadata":{"a":{"x":"é","y":2.0},"b":[1e0,0.2e1]}}`,
    ],
  ];

  test.each(spelled('x').map(([how], at) => [how, at] as const))(
    'is the same JSON value, whatever its %s',
    async (how, at) => {
      const id = (await client.post('/v1/customers', {})).body.id;
      await grant(id, '10');
      const body = { customer_id: id, asset: 'USD', amount: '1', metadata: { a: { x: 'é', y: 2 }, b: [1, 2] } };
      const first = await client.post('/v1/charge', body, keyed(how));
      expectFirst(first);
      expectReplay(await client.post('/v1/charge', spelled(id)[at]![1], keyed(how)), first);
      expect(await availableOf(id)).toBe('9');
    },
  );

  test('is the same without a body as with an empty one', async () => {
    const id = await customer('empty', '10');
    const path = `/v1/holds/${(await hold(id, '1')).id}/release`;
    const first = await client.post(path, undefined, keyed('k'));
    expectFirst(first);
    expectReplay(await client.post(path, {}, keyed('k')), first);
    expectReplay(await client.post(path, ' { } ', keyed('k')), first);
    expectReplay(await client.post(path, '', keyed('k')), first);
  });
});

describe('another request', () => {
  test.each([
    ['another amount', { amount: '2' }],
    ['the same amount, written otherwise', { amount: '1.0' }],
    ['a default, spelled out', { mode: 'strict' }],
    ['another asset', { asset: 'EUR' }],
    ['another subject', { subject: 'other' }],
    ['an array in another order', { metadata: { list: [2, 1] } }],
    ['a string where a number was', { metadata: { list: [1, '2'] } }],
    ['more metadata', { metadata: { list: [1, 2], more: null } }],
    ['no metadata', { metadata: undefined }],
    ['labels', { labels: {} }],
  ])('with the same key is a conflict and changes nothing: %s', async (_, change) => {
    const id = (await client.post('/v1/customers', {})).body.id;
    await grant(id, '10');
    const body = { customer_id: id, asset: 'USD', amount: '1', metadata: { list: [1, 2] } };
    const first = await client.post('/v1/charge', body, keyed('k'));
    expectFirst(first);
    const before = await walletOf(id);
    const conflict = await client.post('/v1/charge', { ...body, ...change }, keyed('k'));
    expectProblem(conflict, 422, 'idempotency_conflict');
    expect(conflict.headers.get('idempotent-replayed')).toBeNull();
    expect(await walletOf(id)).toEqual(before);
    expectReplay(await client.post('/v1/charge', body, keyed('k')), first);
  });

  test('of a hold that another one would not get is a conflict before it is a decline', async () => {
    const id = await customer('conflict-first', '10');
    await charge(id, '10', 'k');
    expectProblem(await charge(id, '11', 'k'), 422, 'idempotency_conflict');
  });

  test('is any on another path, or of another customer', async () => {
    const [one, two] = [await customer('one', '10'), await customer('two', '10')];
    const held = [await hold(one, '1'), await hold(one, '1')];
    expectFirst(await charge(one, '1', 'k'));
    expectFirst(await charge(two, '2', 'k'));
    expectFirst(await client.post('/v1/authorize', { customer_id: one, asset: 'USD', amount: '3' }, keyed('k')));
    for (const [at, { id }] of held.entries()) {
      expectFirst(await client.post(`/v1/holds/${id}/settle`, { amount: `0.${at + 1}` }, keyed('k')));
    }
    for (const [at, id] of [one, two].entries()) {
      expectFirst(
        await client.post(`/v1/customers/${id}/grants`, { asset: 'USD', amount: String(at + 1) }, keyed('k')),
        201,
      );
    }
    expect([await availableOf(one), await availableOf(two)]).toEqual(['6.7', '10']);
  });

  test('to a path that is written otherwise is the same', async () => {
    const id = await customer('path:1', '10');
    const body = { asset: 'USD', amount: '1' };
    const first = await client.post(`/v1/customers/path:1/grants`, body, keyed('k'));
    expectFirst(first, 201);
    expectReplay(await client.post(`/v1/customers/path%3A1/grants`, body, keyed('k')), first);
    expect(await availableOf(id)).toBe('11');
  });
});

describe('a declined request', () => {
  test.each(['authorize', 'charge'])(
    'of %s is not remembered: the same key may succeed later, then is',
    async (path) => {
      const id = await customer(`declined-${path}`, '1');
      const ask = (amount: string) => client.post(`/v1/${path}`, { customer_id: id, asset: 'USD', amount }, keyed('k'));
      expectReplied(await ask('2'), 402);
      expectReplied(await ask('3'), 402);
      await grant(id, '2');
      const first = await ask('3');
      expectFirst(first);
      await grant(id, '10');
      expectReplay(await ask('3'), first);
      expect(await availableOf(id)).toBe('10');
    },
  );

  test('of extend and settle is not remembered either', async () => {
    const id = await customer('declined-later', '5');
    const { id: holdId } = await hold(id, '5');
    const post = (verb: string, body: object) => client.post(`/v1/holds/${holdId}/${verb}`, body, keyed('k'));
    expectReplied(await post('extend', { amount: '1' }), 402);
    expectProblem(await post('settle', { amount: '6', on_excess: 'reject' }), 422, 'exceeds_hold');
    await grant(id, '1');
    expectFirst(await post('extend', { amount: '1' }));
    expectFirst(await post('settle', { amount: '6', on_excess: 'reject' }));
  });

  test('that was not even valid is not remembered', async () => {
    const id = await customer('invalid', '5');
    expectReplied(await charge(id, '0.0000000000001', 'k'), 422);
    expectReplied(await client.post('/v1/charge', '{"customer_id":', keyed('k')), 400);
    expectFirst(await charge(id, '1', 'k'));
  });
});

describe('an Idempotency-Key', () => {
  test.each(['k', '~', '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}', 'with spaces inside', 'x'.repeat(128)])(
    'may be %s',
    async (key) => {
      const id = (await client.post('/v1/customers', {})).body.id;
      await grant(id, '10');
      const first = await charge(id, '1', key);
      expectFirst(first);
      expectReplay(await charge(id, '1', key), first);
    },
  );

  test.each([['x'.repeat(129)], ['x'.repeat(5_000)], ['é'], ['']])('may not be %j', async (key) => {
    const id = (await client.post('/v1/customers', {})).body.id;
    await grant(id, '10');
    const reply = await charge(id, '1', key);
    expect([400, 422]).toContain(reply.status);
    expect(await availableOf(id)).toBe('10');
  });

  test('does nothing to a GET', async () => {
    const id = await customer('get', '1');
    const read = () => client.get(`/v1/customers/${id}/wallet`, keyed('k'));
    expect((await read()).body.version).toBe(1);
    await grant(id, '1');
    const again = await read();
    expect(again.body.version).toBe(2);
    expect(again.headers.get('idempotent-replayed')).toBeNull();
  });

  test('used ten times at once happens once', async () => {
    const id = await customer('at-once', '10');
    for (const path of ['authorize', 'charge']) {
      const replies = await Promise.all(
        Array.from({ length: 10 }, () =>
          client.post(`/v1/${path}`, { customer_id: id, asset: 'USD', amount: '1' }, keyed('k')),
        ),
      );
      expect(replies.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200));
      expect(new Set(replies.map(({ text }) => text)).size).toBe(1);
      expect(replies.filter(({ headers }) => headers.get('idempotent-replayed') === 'true')).toHaveLength(9);
    }
    expect((await walletOf(id)).accounts[0]).toMatchObject({ available: '8', held: '1' });
  });
});
