// Values that nobody should send: each gets a clear 4xx, changes nothing, and learns nothing of what runs here.
import { describe, expect, test } from 'vitest';
import { openDatabase } from '../src/db/connect.ts';
import { createEnvironment } from '../src/db/environments.ts';
import { createKey } from '../src/db/keys.ts';
import { expectRefused, json, spelled, startWithVictim } from './bad-input.victim.ts';

const farebox = await startWithVictim();
const { client, customer, entriesOf, get, grantId, hold, holdId, post, refused, send, unchanged, walletOf } = farebox;

const raw = String.raw;
const spend = '{"customer_id":"victim","asset":"USD","amount":"1"}';

describe('amounts', () => {
  // Each way to say one; `%` is where it goes.
  const sayings: [path: string, body: string][] = [
    ['/v1/customers/victim/grants', '{"asset":"USD","amount":%}'],
    ['/v1/authorize', '{"customer_id":"victim","asset":"USD","amount":%}'],
    ['/v1/authorize', '{"customer_id":"victim","asset":"USD","amount":%,"mode":"up_to"}'],
    ['/v1/authorize', '{"customer_id":"victim","asset":"USD","amount":%,"mode":"shadow"}'],
    ['/v1/charge', '{"customer_id":"victim","asset":"USD","amount":%}'],
    [`/v1/holds/${holdId}/settle`, '{"amount":%}'],
    [`/v1/holds/${holdId}/settle`, '{"amount":"0","costs":[{"vendor":"v","asset":"USD","amount":%}]}'],
    [`/v1/holds/${holdId}/extend`, '{"amount":%}'],
  ];
  const saidWith = (values: string[]) =>
    sayings.flatMap(([path, body]) => values.map((value) => [path, body.replace('%', () => value)] as const));

  const texts = [
    '',
    ...spelled(raw`-1 +1 -0 --1 \u0020 \u00201 1\u0020 1\n \t1 1\u00202 1\u00a0 \ufeff1 \u200b1 1\u0000 \u0000 1e3 1E3 1e-3
      1e400 1e e1 0x10 0b1 0o7 1n 1f 1_000 1,000 1,5 1.000,00 .5 5. . .. 1.2.3 00 01 00.1 -.5 1/2 50% $1 1\u0020USD USD
      one true null NaN nan Infinity -Infinity undefined [object\u0020Object] ٣ １ ๑ 𝟙 ½ 五 Ⅻ −1 1٫5 0.0000000001
      1.0000000000 0.00000000000 9007199.254740991 9007199.254740992 9007199.254740993 9007199254740991
      9007199254740993 18446744073709551616 4503599.627370497 1000000.000000001`),
    ...[`0.${'0'.repeat(38)}`, `0.${'0'.repeat(39)}`, '9'.repeat(40), '9'.repeat(41)],
    ...['9'.repeat(10_000), `1.${'0'.repeat(10_000)}`, '1'.repeat(60_000)],
  ];
  const values = [
    ...spelled(raw`1 0 1.5 -1 1e2 1E400 -1e400 1e-400 9007199254740993 9007199254740991 null true false [] [\"1\"] [1] {}
      {\"amount\":\"1\"} {\"toString\":\"1\"} {\"length\":1} [[[\"1\"]]]`),
    '123456789'.repeat(100),
  ];
  const malformed = [
    '',
    ...spelled(raw`NaN Infinity -Infinity undefined 0x10 01 1. .5 +1 - 1_0 '1' 1n \"1 \"\n\" 1\u00a0`),
  ];

  test('that are no decimal string, or too fine or large, are refused wherever they are said', async () => {
    const bodies = saidWith([...texts.map((text) => JSON.stringify(text)), ...values]);
    await unchanged(async () => {
      await Promise.all(bodies.map(([path, body]) => refused('POST', path, body, [422])));
    });
  });

  test('that are no JSON are refused as that', async () => {
    await unchanged(async () => {
      await Promise.all(saidWith(malformed).map(([path, body]) => refused('POST', path, body, [400])));
    });
  });
});

test('values of the wrong kind are refused', async () => {
  const wrong = spelled(raw`null true -1 1.5 1e400 9007199254740993 \"1\" \"\" \"\\u0000\" [] {} [1] \"x\"`);
  const fine: Record<string, string[]> = { metadata: ['{}'], id: ['"1"', '"x"'], final: ['true'] };
  const sayings: [path: string, field: string, body: string][] = [
    ['/v1/authorize', 'ttl_ms', '{"customer_id":"victim","asset":"USD","amount":"1","ttl_ms":%}'],
    ['/v1/authorize', 'mode', '{"customer_id":"victim","asset":"USD","amount":"1","mode":%}'],
    ['/v1/authorize', 'asset', '{"customer_id":"victim","amount":"1","asset":%}'],
    ['/v1/customers/victim/grants', 'priority', '{"asset":"USD","amount":"1","priority":%}'],
    ['/v1/customers/victim/grants', 'purpose', '{"asset":"USD","amount":"1","purpose":%}'],
    ['/v1/customers/victim/grants', 'effective_at', '{"asset":"USD","amount":"1","effective_at":%}'],
    ['/v1/customers/victim/grants', 'expires_at', '{"asset":"USD","amount":"1","expires_at":%}'],
    ['/v1/customers/victim/grants', 'metadata', '{"asset":"USD","amount":"1","metadata":%}'],
    ['/v1/assets', 'scale', '{"code":"WRONG","kind":"custom","scale":%}'],
    ['/v1/assets', 'kind', '{"code":"WRONG","scale":1,"kind":%}'],
    ['/v1/keys', 'scopes', '{"name":"wrong","scopes":%}'],
    ['/v1/keys', 'scope', '{"name":"wrong","scopes":[%]}'],
    ['/v1/customers', 'id', '{"id":%}'],
    [`/v1/holds/${holdId}/settle`, 'final', '{"amount":"1","final":%}'],
    [`/v1/holds/${holdId}/settle`, 'on_excess', '{"amount":"1","on_excess":%}'],
    [`/v1/holds/${holdId}/extend`, 'ttl_ms', '{"ttl_ms":%}'],
  ];
  await unchanged(async () => {
    for (const [path, field, body] of sayings) {
      const said = wrong.filter((value) => !fine[field]?.includes(value));
      await Promise.all(
        said.map((value) =>
          refused(
            'POST',
            path,
            body.replace('%', () => value),
            [422],
          ),
        ),
      );
    }
  });
});

describe('ids', () => {
  const ids = [
    ...spelled(raw`%00 a%00 victim%00 victim%20 %20victim VICTIM victim%0d%0a %0d%0aX-Evil:%201 victim%0a %09 %7B%7D
      %7Bp001%7D p001 %7bvictim%7d * %3F %23 victim%3F victim%23x %5C %5c..%5c %2A .. . ... %2e %2e%2e %2e%2e%2f ..%2f..
      %2e%2e%2fcustomers%2fvictim %252e%252e ..; a%2fb %2f ' %27%20OR%201=1-- %22 %60 $(id) %24%7B7*7%7D %3Cscript%3E
      %7B%7B7*7%7D%7D ; %3B | , __proto__ constructor prototype toString hasOwnProperty null undefined NaN -1 0 1e9 true
      %F0%9F%98%80 %C3%A9 %EF%BB%BFvictim %E2%80%8Bvictim v%C4%B1ctim %EF%BD%96ictim hold_ hold_x grt_ grt_x.1 % %% %2
      %zz %u0041 %E0%A4%A %ff %c0%80 %ed%a0%80 %80victim`),
    ...[`${holdId}%00`, `${holdId}.`, `${holdId}.1`, holdId.toUpperCase(), grantId, 'x'.repeat(129), 'x'.repeat(8_000)],
  ];
  const routes: [method: string, path: string, body?: string][] = [
    ['GET', '/v1/customers/%'],
    ['PATCH', '/v1/customers/%', '{"name":"evil"}'],
    ['GET', '/v1/customers/%/wallet'],
    ['POST', '/v1/customers/%/wallet/freeze', '{}'],
    ['POST', '/v1/customers/%/wallet/unfreeze', '{}'],
    ['GET', '/v1/customers/%/grants'],
    ['POST', '/v1/customers/%/grants', '{"asset":"USD","amount":"1"}'],
    ['GET', '/v1/customers/%/entries'],
    ['GET', '/v1/customers/bystander/grants/%'],
    ['POST', '/v1/customers/bystander/grants/%/void', '{}'],
    ['GET', '/v1/holds/%'],
    ['POST', '/v1/holds/%/settle', '{"amount":"1"}'],
    ['POST', '/v1/holds/%/release', '{}'],
    ['POST', '/v1/holds/%/extend', '{"ttl_ms":60000}'],
    ['DELETE', '/v1/keys/%'],
    ['GET', '/v1/assets/%'],
  ];

  test.each(routes)('in %s %s that are the id of nothing are not found', async (method, path, body) => {
    await unchanged(async () => {
      await Promise.all(
        ids.map(async (id) => {
          const target = path.replace('%', () => id);
          const reply = await send(method, target, body, body === undefined ? {} : json);
          // An asset's code is a value, and a dot segment is no id at all: then another route may be meant.
          expectRefused(`${method} ${target}`, reply, [404, 400, 405, 422]);
          expect(reply.headers.get('x-evil')).toBeNull();
        }),
      );
    });
  });

  test('in bodies that are no customer id are refused', async () => {
    const wrong = [
      ...['', 'x'.repeat(129), 'x'.repeat(60_000)],
      ...spelled(raw`a\u0020b {} {p001} \u0000 victim\u0000 victim\r\n victim\n ../victim . * é \ud800 ｖictim vıctim`),
    ];
    await unchanged(async () => {
      for (const id of wrong) {
        const body = JSON.stringify({ customer_id: id, asset: 'USD', amount: '1' });
        await refused('POST', '/v1/authorize', body, [422]);
        await refused('POST', '/v1/charge', body, [422]);
        await refused('POST', '/v1/customers', JSON.stringify({ id }), [422]);
      }
      const large = JSON.stringify({ customer_id: 'x'.repeat(1_000_000), asset: 'USD', amount: '1' });
      await refused('POST', '/v1/authorize', large, [413]);
    });
  });

  test("of someone else's are not found", async () => {
    const sql = openDatabase(farebox.config.databaseUrl, { connectionsMax: 1, name: 'test' });
    const environment = await createEnvironment(sql, { name: 'foreign', mode: 'test' });
    const made = await createKey(sql, environment.id, { name: 'foreign', scopes: ['admin'], expiresAtMs: undefined });
    await sql.end();
    const foreign = { ...json, authorization: `Bearer ${made.secret}` };
    const asked: [method: string, path: string, body?: object][] = [
      ['GET', '/v1/customers/victim/wallet'],
      ['GET', `/v1/customers/victim/grants/${grantId}`],
      ['POST', `/v1/customers/victim/grants/${grantId}/void`, {}],
      ['POST', '/v1/customers/victim/grants', { asset: 'USD', amount: '1' }],
      ['POST', '/v1/customers/victim/wallet/freeze', {}],
      ['GET', `/v1/holds/${holdId}`],
      ['POST', `/v1/holds/${holdId}/settle`, { amount: '1' }],
      ['POST', `/v1/holds/${holdId}/release`, {}],
      ['POST', `/v1/holds/${holdId}/extend`, { amount: '1' }],
      ['POST', '/v1/charge', { customer_id: 'victim', asset: 'USD', amount: '1' }],
    ];
    await unchanged(async () => {
      for (const [method, path, body] of asked) {
        await refused(method, path, body && JSON.stringify(body), [404], foreign);
      }
      await refused('GET', `/v1/customers/bystander/grants/${grantId}`, undefined, [404]);
      await refused('POST', `/v1/customers/bystander/grants/${grantId}/void`, '{}', [404]);
    });
  });
});

describe('JSON', () => {
  test('with a key twice is refused, at any depth and however it is spelled', async () => {
    const start = '{"customer_id":"victim","asset":"USD"';
    const bodies = [
      raw`"amount":"1","amount":"2"`,
      raw`"amount":"1","amount":"1"`,
      raw`"amount":"1","\u0061mount":"1"`,
      raw`"amount":"1","metadata":{"a":1,"a":1}`,
      raw`"amount":"1","metadata":{"a":{"b":{"c":1,"d":2,"c":3}}}`,
      raw`"amount":"1","metadata":{"a":[0,{"b":1},{"b":1,"b":2}]}`,
      raw`"amount":"1","metadata":{"":1,"":2}`,
      raw`"amount":"1","metadata":{"\"":1,"\u0022":2}`,
      raw`"amount":"1","metadata":{"\\":1,"\u005c":2}`,
      raw`"amount":"1","metadata":{"__proto__":1,"__proto__":2}`,
      raw`"amount":"1","metadata":{"constructor":1,"constructor":2}`,
      raw`"amount":"1","metadata":{"a":"\"b\":1","b":2,"b":3}`,
      raw`"amount":"1","metadata":{"1":1,"1":2}`,
      raw`"amount":"1","labels":{"team":"a","te\u0061m":"b"}`,
      raw`"amount":"1","metadata":{"é":1,"\u00e9":2}`,
      raw`"amount":"1","metadata":{"😀":1,"\ud83d\ude00":2}`,
      raw`"amount":"1" , "metadata" : {} ,  "metadata" :{}`,
    ];
    await unchanged(async () => {
      for (const body of bodies) {
        for (const path of ['/v1/authorize', '/v1/charge']) await refused('POST', path, `${start},${body}}`, [400]);
      }
      const settle = `/v1/holds/${holdId}/settle`;
      await refused('POST', settle, '{"amount":"1","amount":"1"}', [400]);
      await refused('POST', settle, '{"amount":"1","costs":[{"vendor":"a","vendor":"b"}]}', [400]);
      await refused('PATCH', '/v1/customers/victim', '{"name":"a","name":"b"}', [400]);
    });
  });

  test('with the same key in two objects, or as a value, is fine', async () => {
    const metadata = { a: { k: 1 }, b: { k: 1 }, k: 'k', l: ['k', 'k', { k: '"k":1,"k":2' }] };
    const { id } = (await client.post('/v1/customers', { metadata })).body;
    expect((await client.get(`/v1/customers/${id}`)).body.metadata).toEqual(metadata);
  });

  test('with __proto__ or constructor as a field is refused, and pollutes nothing', async () => {
    await unchanged(async () => {
      for (const name of ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', '__defineGetter__']) {
        for (const value of ['{"amount":"1"}', '{"polluted":true}', 'null', '"x"']) {
          await refused('POST', '/v1/charge', spend.replace('}', `,"${name}":${value}}`), [422]);
          await refused('POST', '/v1/charge', `{"${name}":${spend}}`, [422]);
          await refused('POST', `/v1/holds/${holdId}/release`, `{"${name}":${value}}`, [422]);
          await refused('PATCH', '/v1/customers/victim', `{"name":"x","${name}":${value}}`, [422]);
        }
      }
    });
    expect(({} as any).polluted).toBeUndefined();
  });

  test("with them inside what is the caller's own is kept as it came, or refused", async () => {
    for (const [at, own] of [
      '{"__proto__":{"polluted":true}}',
      '{"a":{"__proto__":{"polluted":true}}}',
      '{"constructor":{"prototype":{"polluted":true}},"toString":1,"hasOwnProperty":null,"then":{}}',
    ].entries()) {
      const reply = await send('POST', '/v1/customers', `{"id":"own-names-${at}","metadata":${own}}`, json);
      if (reply.status !== 201) expectRefused(own, reply, [422]);
      else expect(JSON.stringify((await get(`/v1/customers/own-names-${at}`)).body.metadata)).toBe(own);
      const labels = '{"customer_id":"bystander","asset":"USD","amount":"0","labels":{"__proto__":"x"}}';
      expect([200, 422]).toContain((await send('POST', '/v1/charge', labels, json)).status);
    }
    expect(({} as any).polluted).toBeUndefined();
    expect((await walletOf('bystander')).status).toBe('active');
  });

  test('that is truncated anywhere is refused', async () => {
    const whole = Buffer.from(
      raw`{"customer_id":"victim","asset":"USD","amount":"1","metadata":{"a":[1,true,null,"é\u00e9"]}}`,
    );
    await unchanged(async () => {
      const prefixes = Array.from({ length: whole.length - 1 }, (_, at) => whole.subarray(0, at + 1));
      await Promise.all(prefixes.map((prefix) => refused('POST', '/v1/charge', prefix, [400])));
    });
  });

  test('that is none, or more than one, is refused', async () => {
    const malformed = [
      ...[
        spend + spend,
        `${spend} x`,
        `${spend},`,
        `[${spend}`,
        `${spend}]`,
        `${spend}\0`,
        `\0${spend}`,
        `\ufeff${spend}`,
      ],
      ...[spend.replaceAll('"', "'"), spend.replace('}', ',}'), `/* */${spend}`, `${spend}// end`, `\u00a0${spend}`],
      ...spelled(raw`{ } [ \" {] {\"a\"} {a:1} {\"a\":} {1:2} x nul True <xml/> a=1&b=2 \u2028{} {\"\n\":1} \"\\x41\"`),
    ];
    const noObject = ['[]', `[${spend}]`, '""', '"x"', '0', '1', 'null', 'true', 'false', '[[]]'];
    await unchanged(async () => {
      for (const path of ['/v1/charge', `/v1/holds/${holdId}/release`, '/v1/customers']) {
        await Promise.all(malformed.map((body) => refused('POST', path, body, [400])));
        await Promise.all(noObject.map((body) => refused('POST', path, body, [422, 400])));
      }
    });
  });

  test('that is no UTF-8 is refused', async () => {
    const wrong = ['ff', 'feff', 'c080', 'c3', 'c328', 'e282', 'eda080', 'f5808080', '80', 'f0808080'];
    const [before, after] = [Buffer.from(spend.replace('}', ',"subject":"')), Buffer.from('"}')];
    await unchanged(async () => {
      for (const bytes of wrong) {
        await refused('POST', '/v1/charge', Buffer.concat([before, Buffer.from(bytes, 'hex'), after]), [400]);
      }
      await refused('POST', '/v1/charge', Buffer.from(`\ufeff${spend}`, 'utf16le'), [400]);
      await refused('POST', '/v1/charge', Buffer.from(spend, 'utf16le'), [400]);
    });
  });

  test('that is nested deeply is refused', async () => {
    const nested = (open: string, close: string, depth: number) => open.repeat(depth) + '1' + close.repeat(depth);
    await unchanged(async () => {
      for (const depth of [100, 1_000, 10_000]) {
        await refused('POST', '/v1/customers', `{"metadata":{"a":${nested('[', ']', depth)}}}`, [400, 422]);
        await refused('POST', '/v1/customers', `{"metadata":${nested('{"a":', '}', depth)}}`, [400, 422]);
        await refused('POST', '/v1/customers', nested('[', ']', depth), [400, 422]);
        await refused('POST', '/v1/customers', '[{"a":'.repeat(depth), [400, 422]);
      }
      await refused('POST', '/v1/customers', '['.repeat(65_536), [400, 422]);
    });
  });

  test('with characters that some store can not keep is kept as it came, or refused, and stops nothing', async () => {
    const odd = spelled(raw`\u0000 a\u0000b \ud800 \udc00 a\ud800 \ufffe \uffff \u202e 😀 \u007f \u001b[31m %s%n \\
      ';\u0020drop\u0020table\u0020entries;-- {p001} \t \u0085`);
    for (const [at, text] of odd.entries()) {
      const id = await customer(`odd-${at}`, '10');
      const kept = async (path: string, body: any, fields: string[] = []) => {
        const reply = await post(path, body);
        if (reply.status >= 400) return expectRefused(`${path} ${JSON.stringify(body)}`, reply, [422]);
        for (const field of fields) expect(reply.body[field]).toEqual(body[field]);
      };
      const own = { [text]: [text] };
      await kept('/v1/customers', { id: `${id}-made`, name: text, metadata: own }, ['name', 'metadata']);
      await kept('/v1/customers', { id: `${id}-mail`, email: `${text}@example.com` }, ['email']);
      await kept('/v1/assets', { code: `ODD${at}`, name: text, scale: 0, kind: 'custom' }, ['name']);
      await kept('/v1/keys', { name: text, scopes: ['read'] }, ['name']);
      const credit = { asset: 'USD', amount: '1', description: text, metadata: own };
      await kept(`/v1/customers/${id}/grants`, credit, ['description', 'metadata']);
      const use = { customer_id: id, asset: 'USD', amount: '1' };
      await kept('/v1/charge', { ...use, subject: text, labels: { [text]: text }, metadata: own });
      await kept('/v1/authorize', { ...use, subject: text });
      await kept('/v1/authorize', { ...use, labels: { [text]: text } });
      await kept('/v1/authorize', { ...use, metadata: own });
      await kept('/v1/charge', { ...use, asset: text });
      const costs = [{ vendor: text, amount: '1', asset: 'USD' }];
      await kept(`/v1/holds/${(await hold(id, '1')).id}/settle`, { amount: '1', costs, metadata: own });
    }
    // What was accepted has reached the ledger as it came, and no wallet was frozen over it.
    for (const [at, text] of odd.entries()) {
      const charged = (await entriesOf(`odd-${at}`)).find(({ kind }) => kind === 'charge');
      if (charged) expect([charged.subject, charged.labels]).toEqual([text, { [text]: text }]);
      expect((await walletOf(`odd-${at}`)).status).toBe('active');
    }
  });
});

describe('queries', () => {
  const lists = ['customers', 'assets', 'keys', 'customers/victim/grants', 'customers/victim/entries'].map(
    (list) => `/v1/${list}`,
  );

  test('with a bad limit or cursor are refused', async () => {
    const limits = [
      '',
      '9'.repeat(400),
      ...spelled(raw`0 -1 101 1e2 1.0 0x1 NaN Infinity \u00201 1\u0020 \u0000 ٣ true [1]`),
    ];
    const inside = spelled(raw`[\"x\",\"y\"] [null,null] [1e400,\"x\"] {\"a\":1} [\"\\u0000\",1] [] [[],{}]`);
    const cursors = [
      ...['', 'x'.repeat(5_000), ...spelled(raw`x 0 -1 null {} [] [1] \u0000 ÿ .. ' é AAAA ====`)],
      ...inside.flatMap((value) => [btoa(value), Buffer.from(value).toString('base64url')]),
    ];
    await unchanged(async () => {
      for (const list of lists) {
        await Promise.all([
          ...limits.map((limit) => refused('GET', `${list}?limit=${encodeURIComponent(limit)}`, undefined, [422])),
          ...cursors.map((cursor) => refused('GET', `${list}?cursor=${encodeURIComponent(cursor)}`, undefined, [422])),
        ]);
        await refused('GET', `${list}?limit=1&limit=2`, undefined, [422]);
      }
    });
  });

  test("with another list's cursor, or a mangled one, break nothing", async () => {
    const cursors: string[] = [];
    for (const list of lists) {
      const next: string | null = (await get(`${list}?limit=1`)).body.next_cursor;
      if (next !== null)
        cursors.push(next, next.slice(0, -1), `${next}A`, next.slice(1), Array.from(next).reverse().join(''));
    }
    expect(cursors.length).toBeGreaterThan(4);
    for (const list of lists) {
      for (const cursor of cursors) {
        const reply = await get(`${list}?cursor=${encodeURIComponent(cursor)}`);
        if (reply.status !== 200) expectRefused(`${list} ${cursor}`, reply, [422]);
      }
    }
  });

  test('that are garbage are refused or ignored', async () => {
    const queries = [
      ...spelled(raw`? ?& ?= ?=1 ?% ?%zz=1 ?a=% ?limit ?limit[]=1 ?limit[$gt]=1 ?__proto__=1 ?constructor=1 ?__proto__[x]=1
        ?%00 ?? ?# ?limit=5#x ?%ff=%ff`),
      ...['?a'.repeat(500), `?${'a=1&'.repeat(2_000)}`],
    ];
    await unchanged(async () => {
      for (const list of lists) {
        for (const query of queries) {
          const reply = await get(list + query);
          if (reply.status !== 200) expectRefused(list + query, reply, [422, 400, 404]);
        }
      }
    });
    expect(({} as any).x).toBeUndefined();
  });
});
