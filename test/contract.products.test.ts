// The contract of products and their versions, as someone meets it who has read nothing else.
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { expectFieldError, expectProblem, expectReplied, instant, pagesOf, startContract } from './contract.client.ts';
import { clientOf } from './farebox.ts';

const farebox = await startContract();
const { client } = farebox;

const input = {
  id: 'gpt5_in',
  event_type: 'chat.completion',
  asset: 'USD',
  dimensions: { model: 'gpt-5' },
  model: 'unit',
  quantity: 'input_tokens',
  unit_amount: '1.25',
  per: 1_000_000,
};
const fee = { id: 'fee', event_type: 'chat.completion', asset: 'USD', model: 'unit', unit_amount: '0.001' };

let named = 0;
async function product(id = `product_${(named += 1)}`, prices: object[] = [fee]): Promise<string> {
  expectReplied(await client.post('/v1/products', { id, name: id, prices }), 201);
  return id;
}

describe('a product', () => {
  test('is created as asked for, with version 1 as a draft, and found again', async () => {
    const reply = await client.post('/v1/products', {
      id: 'llm',
      name: 'LLM usage',
      default: true,
      prices: [input, fee],
    });
    expectReplied(reply, 201);
    expect(reply.body).toEqual({
      id: 'llm',
      name: 'LLM usage',
      default: true,
      version: 1,
      status: 'draft',
      published_version: null,
      prices: [input, fee],
      created_at: expect.stringMatching(instant),
    });
    expect((await client.get('/v1/products/llm')).body).toEqual(reply.body);
    const { prices, ...listed } = reply.body;
    expect(prices).toHaveLength(2);
    expect((await client.get('/v1/products')).body.data).toContainEqual(listed);
    expect((await client.get('/v1/products/llm/versions/1')).body).toEqual({
      product_id: 'llm',
      version: 1,
      status: 'draft',
      prices: [input, fee],
      created_at: expect.stringMatching(instant),
      published_at: null,
    });
  });

  test('without an id has one of ours, and prices nobody by default', async () => {
    const reply = await client.post('/v1/products', { name: 'plain', prices: [] });
    expectReplied(reply, 201);
    expect(reply.body).toMatchObject({ id: expect.stringMatching(/^prod_.+/), default: false, prices: [] });
    expect((await client.get(`/v1/products/${reply.body.id}`)).body).toEqual(reply.body);
  });

  test('whose id is in use is refused; of ten who ask for one id at once, one gets it', async () => {
    const id = await product();
    expectProblem(await client.post('/v1/products', { id, name: 'again', prices: [] }), 409, 'product_exists');
    const rush = Array.from({ length: 10 }, () =>
      client.post('/v1/products', { id: 'rush', name: 'rush', prices: [] }),
    );
    const statuses = (await Promise.all(rush)).map(({ status }) => status);
    expect(statuses.toSorted((a, b) => a - b)).toEqual([201, ...Array.from({ length: 9 }, () => 409)]);
  });

  test.each([
    [{ prices: [] }, 'name'],
    [{ name: '', prices: [] }, 'name'],
    [{ name: 'a' }, 'prices'],
    [{ name: 'a', prices: {} }, 'prices'],
    [{ name: 'a', prices: [], id: 'a b' }, 'id'],
    [{ name: 'a', prices: [], id: '' }, 'id'],
    [{ name: 'a', prices: [], default: 'yes' }, 'default'],
    [{ name: 'a', prices: [], version: 2 }, 'version'],
    [{ name: 'a', prices: [{ ...fee, unit_amount: 1 }] }, 'prices.0.unit_amount'],
    [{ name: 'a', prices: [fee, fee] }, 'prices.1'],
    [{ name: 'a', prices: [{ ...fee, model: 'volume', unit_amount: undefined, tiers: [] }] }, 'prices.0.tiers'],
  ])('%j is refused, and the field is named', async (body, field) => {
    expectFieldError(await client.post('/v1/products', body), field);
  });

  test('priced in an asset that does not exist is refused, and the price is named', async () => {
    const reply = await client.post('/v1/products', { name: 'a', prices: [fee, { ...input, asset: 'NOTHING' }] });
    expectProblem(reply, 422, 'unknown_asset');
    expect(reply.body.errors).toEqual([{ path: 'prices.1.asset', message: expect.any(String) }]);
  });

  test('is listed newest first, page by page', async () => {
    const ids: string[] = [];
    for (let at = 0; at < 5; at += 1) ids.push(await product());
    const pages = await pagesOf(client, '/v1/products?limit=2');
    expect(pages.every((page) => page.length <= 2)).toBe(true);
    const listed = pages.flat().map(({ id }) => id);
    expect(listed.filter((id) => ids.includes(id))).toEqual(ids.toReversed());
    expect(new Set(listed).size).toBe(listed.length);
    expectFieldError(await client.get('/v1/products?cursor=nothing'), 'cursor');
  });
});

describe('the same request again, with its Idempotency-Key,', () => {
  test('is answered as the first one was, whatever became of the product since', async () => {
    const headers = { 'idempotency-key': 'a product' };
    const body = { name: 'once', prices: [fee] };
    const first = await client.post('/v1/products', body, headers);
    const { id } = first.body;
    const draft = await client.post(`/v1/products/${id}/versions`, { prices: [input] }, headers);
    expectReplied(draft, 201);
    const published = await client.post(`/v1/products/${id}/versions/2/publish`, {}, headers);
    expectReplied(published, 200);
    for (const [path, sent, reply] of [
      ['/v1/products', body, first],
      [`/v1/products/${id}/versions`, { prices: [input] }, draft],
      [`/v1/products/${id}/versions/2/publish`, undefined, published],
    ] as const) {
      expect(reply.headers.get('idempotent-replayed')).toBeNull();
      const again = await client.post(path, sent, headers);
      expect([again.status, again.body]).toEqual([reply.status, reply.body]);
      expect(again.headers.get('idempotent-replayed')).toBe('true');
    }
    expect((await client.get(`/v1/products/${id}`)).body.version).toBe(2);
    expectProblem(await client.post('/v1/products', { ...body, name: 'other' }, headers), 422, 'idempotency_conflict');
    const other = await client.post(`/v1/products/${id}/versions`, { prices: [fee] }, headers);
    expectProblem(other, 422, 'idempotency_conflict');
  });
});

describe('a version', () => {
  test('follows the one before, without gaps, from however many at once', async () => {
    const id = await product();
    const made = await Promise.all(
      Array.from({ length: 10 }, () => client.post(`/v1/products/${id}/versions`, { prices: [input] })),
    );
    const versions = made.map(({ body }) => body.version).toSorted((a, b) => a - b);
    expect(versions).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(made[0]!.body).toEqual({
      product_id: id,
      version: expect.any(Number),
      status: 'draft',
      prices: [input],
      created_at: expect.stringMatching(instant),
      published_at: null,
    });
    const found = await client.get(`/v1/products/${id}`);
    expect(found.body).toMatchObject({ version: 11, status: 'draft', published_version: null, prices: [input] });
  });

  test('is published for good: publishing it again answers the same', async () => {
    const id = await product();
    const reply = await client.post(`/v1/products/${id}/versions/1/publish`);
    expectReplied(reply, 200);
    expect(reply.body).toMatchObject({ product_id: id, version: 1, status: 'published', prices: [fee] });
    expect(reply.body.published_at).toMatch(instant);
    await sleep(5);
    expect((await client.post(`/v1/products/${id}/versions/1/publish`, {})).body).toEqual(reply.body);
    expect((await client.get(`/v1/products/${id}/versions/1`)).body).toEqual(reply.body);
    expect((await client.get(`/v1/products/${id}`)).body).toMatchObject({ status: 'published', published_version: 1 });
    expectReplied(await client.post(`/v1/products/${id}/versions`, { prices: [] }), 201);
    const later = await client.get(`/v1/products/${id}`);
    expect(later.body).toMatchObject({ version: 2, status: 'draft', published_version: 1 });
  });

  test('that does not exist is not found, and neither is one of a product that does not', async () => {
    const id = await product();
    for (const version of ['2', '0', '01', '-1', 'latest', '999999999', '9999999999']) {
      expectProblem(await client.get(`/v1/products/${id}/versions/${version}`), 404, 'version_not_found');
      expectProblem(await client.post(`/v1/products/${id}/versions/${version}/publish`), 404, 'version_not_found');
    }
    for (const path of ['', '/versions/1']) {
      expectProblem(await client.get(`/v1/products/nothing${path}`), 404, 'product_not_found');
    }
    expectProblem(await client.post('/v1/products/nothing/versions', { prices: [] }), 404, 'product_not_found');
    expectProblem(await client.post('/v1/products/nothing/versions/1/publish'), 404, 'product_not_found');
    expectFieldError(await client.post(`/v1/products/${id}/versions`, {}), 'prices');
    expectFieldError(await client.post(`/v1/products/${id}/versions/1/publish`, { prices: [] }), 'prices');
  });

  test('takes the scope catalog to write and read to read', async () => {
    const id = await product();
    const withScope = async (scope: string) => {
      const { body } = await client.post('/v1/keys', { name: scope, scopes: [scope] });
      return clientOf(client.url, body.secret);
    };
    const [reader, writer] = [await withScope('read'), await withScope('catalog')];
    const writes = ['/v1/products', `/v1/products/${id}/versions`, `/v1/products/${id}/versions/1/publish`];
    for (const path of writes) expectProblem(await reader.post(path, {}), 403, 'missing_scope');
    const reads = ['/v1/products', `/v1/products/${id}`, `/v1/products/${id}/versions/1`];
    for (const path of reads) {
      expectReplied(await reader.get(path), 200);
      expectProblem(await writer.get(path), 403, 'missing_scope');
    }
    expectReplied(await writer.post(writes[1]!, { prices: [] }), 201);
    expectReplied(await writer.post(writes[2]!), 200);
  });
});

describe('a large catalog', () => {
  // Not held against the document, which takes far longer than the gateway does.
  const large = clientOf(client.url, farebox.key);
  const many = (count: number) =>
    Array.from({ length: count }, (_, at) => ({ ...input, id: `p${at}`, dimensions: { model: `model-${at}` } }));

  test('of ten thousand prices is taken and given back; one more is refused', async () => {
    const prices = many(10_000);
    const reply = await large.post('/v1/products', { id: 'large', name: 'large', prices });
    expectReplied(reply, 201);
    expectReplied(await large.post('/v1/products/large/versions/1/publish'), 200);
    expect((await large.get('/v1/products/large/versions/1')).body.prices).toEqual(prices);
    expectFieldError(await large.post('/v1/products', { name: 'larger', prices: many(10_001) }), 'prices');
  }, 60_000);

  const manyKeys = Object.fromEntries(Array.from({ length: 200_000 }, (_, at) => [`k${at}`, 7]));
  test.each([
    ['many dimensions', { prices: [{ ...fee, dimensions: manyKeys }] }, 'prices.0.dimensions'],
    ['many assets to fall back on', { prices: [{ ...fee, fallback: Object.values(manyKeys) }] }, 'prices.0.fallback'],
    ['many fields that nobody knows', { prices: [], ...manyKeys }, 'k0'],
    ['a million prices', { prices: Array.from({ length: 1_000_000 }, () => 7) }, 'prices'],
    [
      'a million tiers',
      {
        prices: [
          { ...fee, unit_amount: undefined, model: 'graduated', tiers: Array.from({ length: 1_000_000 }, () => 7) },
        ],
      },
      'prices.0.tiers',
    ],
  ])(
    'of %s is refused at once, with few words',
    async (_, body, field) => {
      const reply = await large.post('/v1/products', { name: 'absurd', ...body });
      expectFieldError(reply, field);
      expect(reply.text.length).toBeLessThan(10_000);
    },
    60_000,
  );

  test('past 4 MiB is refused; other routes still take 64 KiB', async () => {
    const blob = 'x'.repeat(4 * 1024 * 1024);
    expectProblem(await large.post('/v1/products', { name: blob, prices: [] }), 413, 'body_too_large');
    expectProblem(await large.post('/v1/customers', { name: blob.slice(0, 70_000) }), 413, 'body_too_large');
    expectFieldError(await large.post('/v1/products', { name: blob.slice(0, 70_000), prices: [] }), 'name');
  });
});
