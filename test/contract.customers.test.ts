// The contract of customers, assets and lists, as someone meets it who has read nothing else.
import { describe, expect, test } from 'vitest';
import { expectFieldError, expectProblem, expectReplied, instant, pagesOf, startContract } from './contract.client.ts';

const { client } = await startContract();

describe('customers', () => {
  test('one is created as asked for, and found again', async () => {
    const terms = { id: 'user_42', name: 'Zoë', email: 'zoe@example.com', metadata: { plan: { seats: 3 } } };
    const reply = await client.post('/v1/customers', terms);
    expectReplied(reply, 201);
    expect(reply.headers.get('content-type')).toMatch(/^application\/json/);
    expect(reply.body).toEqual({ ...terms, created_at: expect.stringMatching(instant) });
    const found = await client.get('/v1/customers/user_42');
    expect(found.status).toBe(200);
    expect(found.body).toEqual(reply.body);
  });

  test.each([
    ['{}', '{}', { 'content-type': 'application/json' }],
    ['an empty body', '', { 'content-type': 'application/json' }],
    ['no body and no type', undefined, {}],
  ])('%s makes a customer with an id of ours', async (_, body, headers) => {
    const reply = await client.post('/v1/customers', body, headers);
    expectReplied(reply, 201);
    expect(reply.body).toMatchObject({ id: expect.stringMatching(/^cus_.+/), name: null, email: null });
    expect((await client.get(`/v1/customers/${reply.body.id}`)).body).toEqual(reply.body);
  });

  test('two customers without an id are two', async () => {
    const [one, two] = await Promise.all([client.post('/v1/customers', {}), client.post('/v1/customers', {})]);
    expect(one.body.id).not.toBe(two.body.id);
  });

  test('an id in use is refused, whatever else is asked for', async () => {
    expect((await client.post('/v1/customers', { id: 'taken', name: 'first' })).status).toBe(201);
    const again = await client.post('/v1/customers', { id: 'taken', name: 'second' });
    expectProblem(again, 409, 'customer_exists');
    expect((await client.get('/v1/customers/taken')).body.name).toBe('first');
  });

  test('of ten who ask for one id at once, one gets it', async () => {
    const replies = await Promise.all(Array.from({ length: 10 }, () => client.post('/v1/customers', { id: 'rush' })));
    expect(replies.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(replies.filter(({ status }) => status === 409)).toHaveLength(9);
  });

  test.each(['a', '9', 'A_b.c:d@e-f', '0:@-_.', 'x'.repeat(128)])(
    '%s is an id, also when its path is percent-encoded',
    async (id) => {
      expect((await client.post('/v1/customers', { id })).status).toBe(201);
      expect((await client.get(`/v1/customers/${id}`)).body.id).toBe(id);
      const encoded = Array.from(id, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`).join('');
      expect((await client.get(`/v1/customers/${encoded}`)).body?.id).toBe(id);
      expect((await client.get(`/v1/customers/${encoded}/wallet`)).body?.customer_id).toBe(id);
    },
  );

  test.each([
    '',
    'x'.repeat(129),
    ...'_.:@-'.split('').map((first) => `${first}a`),
    ...[' a', 'a ', 'a b', 'a/b', 'a\n', 'a\u0000', 'ä', 'a{b}', 'a%20b', 'a?b', 'a#b', '٣', 'ａ'],
  ])('%j is no id', async (id) => {
    expectFieldError(await client.post('/v1/customers', { id }), 'id');
  });

  test.each([
    [{ id: 42 }, 'id'],
    [{ id: null }, 'id'],
    [{ name: 42 }, 'name'],
    [{ email: [] }, 'email'],
    [{ metadata: 'a' }, 'metadata'],
    [{ metadata: [] }, 'metadata'],
    [{ nmae: 'a' }, 'nmae'],
    [{ created_at: '2026-01-01T00:00:00Z' }, 'created_at'],
    [{ metadata: { blob: 'x'.repeat(4_096) } }, 'metadata'],
  ])('%j is refused, and the field is named', async (body, field) => {
    expectFieldError(await client.post('/v1/customers', body), field);
  });

  test('a change keeps what it does not name, null empties, metadata are replaced whole', async () => {
    const before = { id: 'changing', name: 'Old', email: 'old@example.com', metadata: { a: 1, b: 2 } };
    const { created_at } = (await client.post('/v1/customers', before)).body;
    const change = (body: object) => client.send('PATCH', '/v1/customers/changing', body);
    expect((await change({ name: 'New' })).body).toEqual({ ...before, name: 'New', created_at });
    expect((await change({ email: null, metadata: { c: 3 } })).body).toEqual({
      ...{ id: 'changing', name: 'New', email: null, metadata: { c: 3 } },
      created_at,
    });
    expectFieldError(await change({ id: 'other' }), 'id');
    expectFieldError(await change({ name: 7 }), 'name');
    expect((await client.get('/v1/customers/changing')).body).toMatchObject({ name: 'New', metadata: { c: 3 } });
  });

  test('what does not exist is not found', async () => {
    expectProblem(await client.get('/v1/customers/nobody'), 404, 'customer_not_found');
    expectProblem(await client.send('PATCH', '/v1/customers/nobody', { name: 'a' }), 404, 'customer_not_found');
    expectProblem(await client.get('/v1/customers/nobody/wallet'), 404, 'customer_not_found');
    expectProblem(await client.get('/v1/customers/nobody/grants'), 404, 'customer_not_found');
    expectProblem(await client.get('/v1/customers/nobody/entries'), 404, 'customer_not_found');
    expectProblem(await client.post('/v1/customers/nobody/wallet/freeze', {}), 404, 'customer_not_found');
    expectProblem(
      await client.post('/v1/customers/nobody/grants', { asset: 'USD', amount: '1' }),
      404,
      'customer_not_found',
    );
  });
});

describe('lists', () => {
  test('come newest first, whole, each once, whatever the page', async () => {
    const ids: string[] = [];
    for (let count = 0; count < 7; count++) {
      ids.push((await client.post('/v1/customers', { metadata: { count } })).body.id);
    }
    const newest = ids.toReversed();
    const pages = await pagesOf(client, '/v1/customers?limit=3');
    expect(pages.slice(0, -1).every((page) => page.length === 3)).toBe(true);
    const listed = pages.flat().map(({ id }) => id);
    expect(listed.slice(0, 7)).toEqual(newest);
    expect(new Set(listed).size).toBe(listed.length);
    expect((await pagesOf(client, '/v1/customers?limit=100')).flat()).toEqual(pages.flat());
    expect((await client.get('/v1/customers?limit=1')).body.data).toEqual([pages[0]![0]]);
  });

  test('a page goes on where the last one ended, though something came meanwhile', async () => {
    const first = (await client.get('/v1/customers?limit=2')).body;
    const rest = (await client.get(`/v1/customers?limit=2&cursor=${encodeURIComponent(first.next_cursor)}`)).body;
    await client.post('/v1/customers', {});
    const again = (await client.get(`/v1/customers?limit=2&cursor=${encodeURIComponent(first.next_cursor)}`)).body;
    expect(again).toEqual(rest);
  });

  test('a page has 50 unless told', async () => {
    await Promise.all(Array.from({ length: 51 }, () => client.post('/v1/customers', {})));
    const { data, next_cursor } = (await client.get('/v1/customers')).body;
    expect(data).toHaveLength(50);
    expect(next_cursor).toEqual(expect.any(String));
  });

  test('the last page says so', async () => {
    const assets = (await client.get('/v1/assets?limit=100')).body;
    expect(assets.next_cursor).toBeNull();
  });

  test.each(['0', '101', '-1', '1.5', 'ten', '', '1e1', ' 5', '0x10', '99999999999999999999'])(
    'a limit of %j is refused',
    async (limit) => {
      for (const list of ['customers', 'assets', 'keys']) {
        expectFieldError(await client.get(`/v1/${list}?limit=${encodeURIComponent(limit)}`), 'limit');
      }
    },
  );
});

describe('assets', () => {
  test('USD and EUR exist from the start', async () => {
    for (const code of ['USD', 'EUR']) {
      const found = await client.get(`/v1/assets/${code}`);
      expect(found.status).toBe(200);
      expect(found.body).toMatchObject({ code, scale: 9, kind: 'fiat' });
    }
    const codes = (await pagesOf(client, '/v1/assets')).flat().map(({ code }) => code);
    expect(codes).toEqual(expect.arrayContaining(['USD', 'EUR']));
  });

  test('one is created as asked for, and found again', async () => {
    const terms = { code: 'GPU_SECONDS', name: 'GPU seconds', scale: 3, kind: 'custom' };
    const reply = await client.post('/v1/assets', terms);
    expectReplied(reply, 201);
    expect(reply.body).toMatchObject(terms);
    expect((await client.get('/v1/assets/GPU_SECONDS')).body).toEqual(reply.body);
    expect((await client.get('/v1/assets?limit=1')).body.data).toEqual([reply.body]);
  });

  test('a code in use is refused, and the asset stays as it was', async () => {
    expect((await client.post('/v1/assets', { code: 'TWICE', scale: 2, kind: 'custom' })).status).toBe(201);
    const again = await client.post('/v1/assets', { code: 'TWICE', scale: 3, kind: 'custom' });
    expect(again.status).toBe(409);
    expect((await client.post('/v1/assets', { code: 'USD', scale: 2, kind: 'fiat' })).status).toBe(409);
    expect((await client.get('/v1/assets/TWICE')).body.scale).toBe(2);
  });

  test.each(['A', 'Z9_', `A${'_'.repeat(31)}`])('%s is a code', async (code) => {
    expect((await client.post('/v1/assets', { code, scale: 0, kind: 'custom' })).status).toBe(201);
  });

  test.each(['', 'usd', '1A', '_A', 'A-B', 'A B', 'A\n', 'Ä', `A${'_'.repeat(32)}`])('%j is no code', async (code) => {
    expectFieldError(await client.post('/v1/assets', { code, scale: 0, kind: 'custom' }), 'code');
  });

  test.each([
    [{ scale: -1 }, 'scale'],
    [{ scale: 10 }, 'scale'],
    [{ scale: 1.5 }, 'scale'],
    [{ scale: '2' }, 'scale'],
    [{ scale: undefined }, 'scale'],
    [{ kind: 'crypto' }, 'kind'],
    [{ kind: undefined }, 'kind'],
    [{ code: undefined }, 'code'],
    [{ rate: '2' }, 'rate'],
  ])('an asset with %j is refused, and the field is named', async (change, field) => {
    expectFieldError(await client.post('/v1/assets', { code: 'REFUSED', scale: 0, kind: 'custom', ...change }), field);
  });

  test('one that does not exist is unknown wherever it is named', async () => {
    await client.post('/v1/customers', { id: 'assetless' });
    const hold = (await client.post('/v1/authorize', { customer_id: 'assetless', asset: 'USD', amount: '0' })).body;
    const posts: [string, object][] = [
      ['/v1/customers/assetless/grants', { asset: 'NOPE', amount: '1' }],
      ['/v1/authorize', { customer_id: 'assetless', asset: 'NOPE', amount: '1' }],
      ['/v1/authorize', { customer_id: 'assetless', asset: 'NOPE', amount: '0', mode: 'shadow' }],
      ['/v1/charge', { customer_id: 'assetless', asset: 'NOPE', amount: '1' }],
      ['/v1/charge', { customer_id: 'assetless', asset: 'usd', amount: '1' }],
      [`/v1/holds/${hold.id}/settle`, { amount: '0', costs: [{ vendor: 'v', amount: '1', asset: 'NOPE' }] }],
    ];
    for (const [path, body] of posts) expectProblem(await client.post(path, body), 422, 'unknown_asset');
    expectProblem(await client.get('/v1/assets/NOPE'), 422, 'unknown_asset');
    expectProblem(await client.get('/v1/customers/assetless/entries?asset=NOPE'), 422, 'unknown_asset');
  });

  test('scales count: an asset of whole units takes no decimals, one of nine takes nine', async () => {
    await client.post('/v1/assets', { code: 'WHOLE', scale: 0, kind: 'custom' });
    await client.post('/v1/assets', { code: 'FINE', scale: 9, kind: 'custom' });
    await client.post('/v1/customers', { id: 'scales' });
    const grant = (asset: string, amount: string) => client.post('/v1/customers/scales/grants', { asset, amount });
    expect((await grant('WHOLE', '7')).body.amount).toBe('7');
    expectFieldError(await grant('WHOLE', '7.0'), 'amount');
    expectFieldError(await grant('WHOLE', '7.5'), 'amount');
    expect((await grant('FINE', '0.000000001')).body.amount).toBe('0.000000001');
    expectFieldError(await grant('FINE', '0.0000000010'), 'amount');
    const accounts = (await client.get('/v1/customers/scales/wallet')).body.accounts;
    expect(Object.fromEntries(accounts.map((account: any) => [account.asset, account.available]))).toEqual({
      WHOLE: '7',
      FINE: '0.000000001',
    });
  });
});
