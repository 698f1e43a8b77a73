// Anything at all, by the thousand: no request gets a 5xx, and each refusal has the shape of the contract.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { json, leaksIn, startWithVictim } from './bad-input.victim.ts';
import { conventionFlaws } from './contract.client.ts';
import type { Reply } from './farebox.ts';

const { customer, entriesOf, get, hold, send, walletOf } = await startWithVictim();
await customer('fuzz', '1000');
const { id: holdId } = await hold('fuzz', '100', { ttl_ms: 3_600_000 });

const own = { subject: 's', labels: { a: 'b' }, metadata: { a: [1] } };
const times = { effective_at: '2026-01-01T00:00:00Z', expires_at: '2099-01-01T00:00:00Z' };
const targets: [method: string, path: string, body: object][] = [
  ['POST', '/v1/authorize', { customer_id: 'fuzz', asset: 'USD', amount: '1', mode: 'strict', ttl_ms: 60_000, ...own }],
  ['POST', '/v1/charge', { customer_id: 'fuzz', asset: 'USD', amount: '1', mode: 'up_to', ...own }],
  [
    'POST',
    '/v1/customers/fuzz/grants',
    { asset: 'USD', amount: '1', purpose: 'paid', priority: 5, ...times, metadata: {} },
  ],
  ['POST', `/v1/holds/${holdId}/settle`, { amount: '1', final: false, on_excess: 'charge', costs: [], metadata: {} }],
  [
    'POST',
    `/v1/holds/${holdId}/settle`,
    { amount: '1', final: false, costs: [{ vendor: 'v', amount: '1', asset: 'USD' }] },
  ],
  ['POST', `/v1/holds/${holdId}/extend`, { ttl_ms: 60_000, amount: '1' }],
  ['POST', '/v1/customers', { id: 'x', name: 'n', email: 'a@b.c', metadata: {} }],
  ['PATCH', '/v1/customers/fuzz', { name: 'n', email: 'a@b.c', metadata: {} }],
  ['POST', '/v1/assets', { code: 'FUZZ', name: 'n', scale: 2, kind: 'custom' }],
  ['POST', '/v1/keys', { name: 'n', scopes: ['read'], expires_at: times.expires_at }],
  ['POST', '/v1/customers/fuzz/wallet/unfreeze', {}],
];

type Asked = { method: string; path: string; body: string | Buffer | undefined; headers: Record<string, string> };

const target = fc.constantFrom(...targets);
const meaning = [
  '0',
  '1',
  '-1',
  '1e9',
  '0.1',
  '\0',
  '__proto__',
  'USD',
  'fuzz',
  times.expires_at,
  '0.000000001',
  '\ud800',
];
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ maxLength: 200 }),
  fc.constantFrom(...meaning, '9'.repeat(40)),
);
const value: fc.Arbitrary<unknown> = fc.oneof(
  text,
  fc.jsonValue({ maxDepth: 3 }),
  fc.double(),
  fc.constantFrom<unknown>(null, true, [], {}, '', 0, -0, 1e308, 2 ** 53, [[]], { amount: '1' }),
);

/** Right, but for some fields that are replaced, added or gone. */
const changed: fc.Arbitrary<Asked> = fc
  .tuple(target, fc.array(fc.tuple(fc.nat(), value), { minLength: 1, maxLength: 3 }), fc.option(fc.tuple(text, value)))
  .map(([[method, path, body], changes, more]) => {
    const fields = new Map<string, unknown>(Object.entries(body));
    const names = [...fields.keys()];
    for (const [at, other] of changes) {
      const name = names[at % (names.length + 1)];
      if (name === undefined) continue;
      // One change in five takes the field away.
      if (at % 5 === 0) fields.delete(name);
      else fields.set(name, other);
    }
    if (more) fields.set(more[0], more[1]);
    // By hand, since an object would lose a field called __proto__.
    const members = [...fields].map(([name, inner]) => `${JSON.stringify(name)}:${JSON.stringify(inner) ?? 'null'}`);
    return { method, path, body: `{${members.join(',')}}`, headers: json };
  });

/** The text of what is right, with some characters replaced. */
const scratches = fc.oneof(text, fc.constantFrom('{', '}', '[', ']', '"', ',', ':', '\\', '\\u', 'e', '-', '.'));
const scratched: fc.Arbitrary<Asked> = fc
  .tuple(target, fc.array(fc.tuple(fc.nat(), fc.nat(5), scratches), { maxLength: 3 }))
  .map(([[method, path, body], all]) => {
    const scratch = (old: string, [at, gone, into]: [number, number, string]) => {
      const from = at % (old.length + 1);
      return old.slice(0, from) + into + old.slice(from + gone);
    };
    return { method, path, body: all.reduce(scratch, JSON.stringify(body)), headers: json };
  });

const bytes: fc.Arbitrary<Asked> = fc
  .tuple(target, fc.uint8Array({ maxLength: 200 }))
  .map(([[method, path], content]) => ({ method, path, body: Buffer.from(content), headers: json }));

const encoded = text.map((part) => encodeURIComponent(part.replaceAll(/\p{Surrogate}/gu, '?')));
const words = 'v1 customers fuzz wallet grants entries holds keys assets USD settle void docs livez .. .'.split(' ');
// Backslashes stay out: what is no URL has a test of its own.
const odd = fc.string({ maxLength: 20 }).map((part) => part.replaceAll(/[^\x21-\x7e]|[?#\\]/g, '%'));
const parts = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...words, holdId, '') },
  { weight: 2, arbitrary: encoded },
  odd,
);
const queryNames = fc.constantFrom('limit', 'cursor', 'asset', 'kind', 'from', 'to', 'x');
const query = fc.oneof(
  fc.constant(''),
  fc.tuple(queryNames, encoded).map(([name, part]) => `?${name}=${part}`),
);
const anyPath: fc.Arbitrary<Asked> = fc
  .tuple(
    fc.constantFrom('GET', 'GET', 'GET', 'POST', 'PATCH', 'DELETE', 'PUT'),
    fc.array(parts, { maxLength: 6 }),
    query,
  )
  // The operators' pages are no part of the API.
  .filter(([, all]) => !all.join('/').includes('admin'))
  .map(([method, all, tail]) => {
    const path = `/${all.join('/')}${tail}`;
    return method === 'GET'
      ? { method, path, body: undefined, headers: {} }
      : { method, path, body: '{}', headers: json };
  });

const headerNames =
  'idempotency-key content-type authorization x-request-id accept content-encoding if-none-match origin';
const headed: fc.Arbitrary<Asked> = fc
  .tuple(fc.constantFrom(...headerNames.split(' ')), text)
  .map(([name, content]) => ({
    method: 'POST',
    path: '/v1/charge',
    body: '{"customer_id":"fuzz","asset":"USD","amount":"0"}',
    headers: { ...json, [name]: content.replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, '~') },
  }));

function flawsOf(reply: Reply): string[] {
  if (reply.status < 400) return [];
  const { title, type, code } = reply.body ?? {};
  const flaws = [...conventionFlaws('/v1/', reply), ...leaksIn(`${title} ${type} ${code}`)];
  return reply.status >= 500 ? ['it is a 5xx', ...flaws] : flaws;
}

// Twenty at once over connections that stay open; a failure shrinks to the one that matters.
const batchMax = 20;

test.each([
  ['with fields that are odd', changed, 70],
  ['with scratches in its JSON', scratched, 70],
  ['of random bytes', bytes, 10],
  ['to any path', anyPath, 60],
  ['with odd headers', headed, 15],
] as const)(
  'a request %s is answered below 500, in the shape of the contract',
  { timeout: 120_000 },
  async (_, asked, numRuns) => {
    const batches = fc.array(asked, { minLength: 1, maxLength: batchMax, size: 'max' });
    const property = fc.asyncProperty(batches, async (batch) => {
      const replies = await Promise.all(
        batch.map(({ method, path, body, headers }) => send(method, path, body, headers)),
      );
      for (const [at, reply] of replies.entries()) {
        const flaws = flawsOf(reply);
        if (flaws.length === 0) continue;
        throw new Error(
          `${JSON.stringify(batch[at])} → ${reply.status} ${reply.text.slice(0, 600)}: ${flaws.join('; ')}`,
        );
      }
    });
    await fc.assert(property, { numRuns });
  },
);

test('it leaves the gateway well, wallets whole, and the ledger complete', async () => {
  expect((await get('/readyz')).status).toBe(200);
  const wallet = await walletOf('fuzz');
  expect(wallet.status).toBe('active');
  const versions = (await entriesOf('fuzz')).map(({ version }) => version);
  expect(versions).toEqual(Array.from({ length: wallet.version }, (_, at) => at + 1));
  expect((await walletOf('victim')).accounts[0]).toMatchObject({ available: '6', held: '4' });
});
