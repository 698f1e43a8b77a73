// Several gateways on the same stores: however requests race, and wherever they come in, money is spent once.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { openDatabase } from '../src/db/connect.ts';
import { createEnvironment } from '../src/db/environments.ts';
import { createKey } from '../src/db/keys.ts';
import { startContract } from './contract.client.ts';
import { type Answer, connect, type Connections } from './contract.connections.ts';
import { clientOf } from './farebox.ts';

const farebox = await startContract();
const { client, customer, entriesOf, key, walletOf } = farebox;
const urls = [client.url, (await farebox.addGateway()).url, (await farebox.addGateway()).url];

const opened: Connections[] = [];
afterAll(() => {
  for (const { close } of opened) close();
});

/** One client for each gateway, with so many connections in all. */
function spread(connectionsMax: number, secret = key): Connections[] {
  const each = Math.ceil(connectionsMax / urls.length);
  const made = urls.map((url) => connect(url, secret, each));
  opened.push(...made);
  return made;
}

/** The same request so many times at once, at each gateway in turn. */
const flood = (through: Connections[], count: number, ask: (gateway: Connections, at: number) => Promise<Answer>) =>
  Promise.all(Array.from({ length: count }, (_, at) => ask(through[at % through.length]!, at)));

function tally(answers: Answer[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

/** Each version once, and the wallet's numbers are those of the last one. */
async function expectWhole(id: string): Promise<void> {
  const wallet = await walletOf(id);
  const entries = await entriesOf(id);
  expect(entries.map(({ version }) => version)).toEqual(Array.from({ length: wallet.version }, (_, at) => at + 1));
  const [{ available, held }] = wallet.accounts;
  expect(entries.at(-1)).toMatchObject({ available_after: available, held_after: held, overage_after: '0' });
}

describe.each([16, 64])('over %i connections', (connectionsMax) => {
  const gateways = spread(connectionsMax);

  test('of 200 who ask for 1 of 50 at once, exactly 50 get it', async () => {
    const id = await customer(`authorize-${connectionsMax}`, '50');
    const answers = await flood(gateways, 200, (gateway) =>
      gateway.post('/v1/authorize', { customer_id: id, asset: 'USD', amount: '1' }),
    );
    expect(tally(answers)).toEqual({ 200: 50, 402: 150 });
    const approved = answers.filter(({ status }) => status === 200).map(({ body }) => body);
    expect(new Set(approved.map((hold) => hold.id)).size).toBe(50);
    expect(approved.map(({ version }) => version).toSorted((a, b) => a - b)).toEqual(
      Array.from(approved, (_, at) => at + 2),
    );
    expect((await walletOf(id)).accounts[0]).toMatchObject({ available: '0', held: '50', overage: '0' });
    await expectWhole(id);

    const settled = await flood(gateways, 50, (gateway, at) =>
      gateway.post(`/v1/holds/${approved[at].id}/settle`, { amount: '0.5' }),
    );
    expect(tally(settled)).toEqual({ 200: 50 });
    expect((await walletOf(id)).accounts[0]).toMatchObject({ available: '25', held: '0', overage: '0' });
    await expectWhole(id);
  });

  test('of 200 who are charged 1 of 50 at once, exactly 50 are', async () => {
    const id = await customer(`charge-${connectionsMax}`, '50');
    const answers = await flood(gateways, 200, (gateway) =>
      gateway.post('/v1/charge', { customer_id: id, asset: 'USD', amount: '1' }),
    );
    expect(tally(answers)).toEqual({ 200: 50, 402: 150 });
    expect((await walletOf(id)).accounts[0]).toMatchObject({ available: '0', held: '0', overage: '0' });
    await expectWhole(id);
  });

  test('many wallets at once each spend their own', async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, (_, at) => customer(`many-${connectionsMax}-${at}`, '5')));
    const answers = await flood(gateways, 400, (gateway, at) =>
      gateway.post(at % 2 === 0 ? '/v1/authorize' : '/v1/charge', {
        customer_id: ids[at % 20],
        asset: 'USD',
        amount: '0.5',
      }),
    );
    expect(tally(answers)).toEqual({ 200: 200, 402: 200 });
    for (const [at, id] of ids.entries()) {
      const held = at % 2 === 0 ? '5' : '0';
      expect((await walletOf(id)).accounts[0]).toMatchObject({ available: '0', held, overage: '0' });
    }
    await expectWhole(ids[0]!);
    await expectWhole(ids[1]!);
  });

  test('up to what is left, and not an atom more, is given out', async () => {
    const id = await customer(`up-to-${connectionsMax}`, '10');
    const answers = await flood(gateways, 100, (gateway) =>
      gateway.post('/v1/charge', { customer_id: id, asset: 'USD', amount: '0.3', mode: 'up_to' }),
    );
    expect(tally(answers)).toEqual({ 200: 34, 402: 66 });
    const amounts = answers.filter(({ status }) => status === 200).map(({ body }) => body.amount);
    expect(amounts.filter((amount) => amount === '0.3')).toHaveLength(33);
    expect(amounts.filter((amount) => amount === '0.1')).toHaveLength(1);
    await expectWhole(id);
  });
});

describe('with one Idempotency-Key', () => {
  const gateways = spread(12);
  const times = Array.from({ length: 10 }, (_, at) => at);

  test.each(['authorize', 'charge'])('ten times in parallel at several gateways, %s happens once', async (path) => {
    const id = await customer(`same-${path}`, '100');
    const body = { customer_id: id, asset: 'USD', amount: '3' };
    for (const round of [1, 2, 3, 4, 5]) {
      const headers = { 'idempotency-key': `round ${round}` };
      const answers = await flood(gateways, 10, (gateway) => gateway.post(`/v1/${path}`, body, headers));
      expect(tally(answers)).toEqual({ 200: 10 });
      expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
      expect(answers.filter((answer) => answer.headers.get('idempotent-replayed') === 'true')).toHaveLength(9);
      const other = await gateways[round % 3]!.post(`/v1/${path}`, { ...body, amount: '4' }, headers);
      expect([other.status, other.body.code]).toEqual([422, 'idempotency_conflict']);
    }
    expect((await walletOf(id)).accounts[0]).toMatchObject({ available: '85', held: path === 'charge' ? '0' : '15' });
    await expectWhole(id);
  });

  test('two bodies in parallel: one is done, ever, and the other is a conflict', async () => {
    const id = await customer('two-bodies', '100');
    const answers = await flood(gateways, 10, (gateway, at) => {
      const body = { customer_id: id, asset: 'USD', amount: String(1 + (at % 2)) };
      return gateway.post('/v1/charge', body, { 'idempotency-key': 'k' });
    });
    expect(tally(answers)).toEqual({ 200: 5, 422: 5 });
    const [done] = answers.filter(({ status }) => status === 200);
    expect((await walletOf(id)).accounts[0].available).toBe(String(100 - Number(done!.body.amount)));
    await expectWhole(id);
  });

  test('ten times in parallel, a grant, a settle, a release and an extend happen once', async () => {
    const id = await customer('each-once', '100');
    const open = async () => (await farebox.hold(id, '10')).id;
    const paths: [path: string, body: object, status: number][] = [
      [`/v1/customers/${id}/grants`, { asset: 'USD', amount: '5' }, 201],
      [`/v1/holds/${await open()}/settle`, { amount: '4' }, 200],
      [`/v1/holds/${await open()}/settle`, { amount: '1', final: false }, 200],
      [`/v1/holds/${await open()}/release`, {}, 200],
      [`/v1/holds/${await open()}/extend`, { amount: '2' }, 200],
      ['/v1/customers', { name: 'once' }, 201],
    ];
    for (const [path, body, status] of paths) {
      const answers = await flood(gateways, 10, (gateway) => gateway.post(path, body, { 'idempotency-key': 'k' }));
      expect(tally(answers)).toEqual({ [status]: 10 });
      expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
      expect(answers.filter((answer) => answer.headers.get('idempotent-replayed') === 'true')).toHaveLength(9);
    }
    // 100 + 5 − 4 − 1, of which 9 and 12 are held.
    expect((await walletOf(id)).accounts[0]).toMatchObject({ available: '79', held: '21' });
    await expectWhole(id);
  });

  test('a repeat at another gateway, at once, is told the same', async () => {
    const id = await customer('next-door', '100');
    const body = { customer_id: id, asset: 'USD', amount: '1' };
    for (const at of times) {
      const headers = { 'idempotency-key': `door ${at}` };
      const first = await gateways[at % 3]!.post('/v1/authorize', body, headers);
      const again = await gateways[(at + 1) % 3]!.post('/v1/authorize', body, headers);
      expect([again.status, again.text]).toEqual([200, first.text]);
      expect(again.headers.get('idempotent-replayed')).toBe('true');
    }
  });

  test("another environment's key learns nothing of it", async () => {
    const sql = openDatabase(farebox.config.databaseUrl, { connectionsMax: 1, name: 'test' });
    const environment = await createEnvironment(sql, { name: 'stranger', mode: 'test' });
    const { secret } = await createKey(sql, environment.id, { name: 's', scopes: ['admin'], expiresAtMs: undefined });
    await sql.end();
    const strangers = spread(3, secret);
    const id = await customer('unheard-of', '100');
    const body = { customer_id: id, asset: 'USD', amount: '3' };
    const headers = { 'idempotency-key': 'k' };
    const first = await gateways[0]!.post('/v1/authorize', body, headers);
    expect(first.status).toBe(200);
    const told = (answer: Answer) => {
      const { request_id, ...rest } = answer.body;
      expect(request_id).toEqual(expect.any(String));
      return [answer.status, rest];
    };
    for (const stranger of strangers) {
      const nobody = await stranger.post('/v1/authorize', { ...body, customer_id: 'who-is-this' }, headers);
      for (const asked of [body, { ...body, amount: '4' }]) {
        const answer = await stranger.post('/v1/authorize', asked, headers);
        expect([answer.status, answer.body.code]).toEqual([404, 'customer_not_found']);
        expect(JSON.stringify(told(answer)).replaceAll(id, '?')).toBe(
          JSON.stringify(told(nobody)).replaceAll('who-is-this', '?'),
        );
      }
      const asked = { settle: { amount: '1' }, release: {}, extend: { ttl_ms: 60_000 } };
      for (const [verb, terms] of Object.entries(asked)) {
        const answer = await stranger.post(`/v1/holds/${first.body.id}/${verb}`, terms, headers);
        const never = await stranger.post(`/v1/holds/hold_x/${verb}`, terms, headers);
        expect([answer.status, answer.body.code]).toEqual([404, 'hold_not_found']);
        expect(JSON.stringify(told(answer)).replaceAll(first.body.id, '?')).toBe(
          JSON.stringify(told(never)).replaceAll('hold_x', '?'),
        );
      }
    }
    const again = await gateways[1]!.post('/v1/authorize', body, headers);
    expect(again.text).toBe(first.text);
    expect((await walletOf(id)).accounts[0]).toMatchObject({ available: '97', held: '3' });
  });
});

describe('what ends', () => {
  const gateways = spread(12);

  test('one hold, settled, released and extended at once at several gateways, ends once', async () => {
    const id = await customer('one-end', '100');
    for (let round = 0; round < 10; round++) {
      const { id: holdId } = await farebox.hold(id, '1');
      const answers = await flood(gateways, 12, (gateway, at) =>
        gateway.post(`/v1/holds/${holdId}/${at % 2 === 0 ? 'settle' : 'release'}`, at % 2 === 0 ? { amount: '1' } : {}),
      );
      expect(tally(answers)).toEqual({ 200: 1, 409: 11 });
      const ended = answers.find(({ status }) => status === 200)!.body;
      for (const { status, body } of answers) {
        if (status === 409) expect([body.code, body.hold_status]).toEqual(['hold_closed', ended.status]);
      }
      for (const gateway of gateways) expect((await gateway.get(`/v1/holds/${holdId}`)).body.status).toBe(ended.status);
    }
    await expectWhole(id);
  });

  test('a key that was revoked at one gateway is refused by all within five seconds', async () => {
    const made = (await client.post('/v1/keys', { name: 'short', scopes: ['read'] })).body;
    const revoked = urls.map((url) => clientOf(url, made.secret));
    for (const gateway of revoked) expect((await gateway.get('/v1/assets')).status).toBe(200);
    const sinceMs = Date.now();
    expect((await clientOf(urls[1]!, key).send('DELETE', `/v1/keys/${made.id}`)).status).toBeLessThan(300);
    await Promise.all(
      revoked.map(async (gateway) => {
        while ((await gateway.get('/v1/assets')).status !== 401 && Date.now() - sinceMs < 10_000) await sleep(50);
        expect(Date.now() - sinceMs).toBeLessThan(5_000);
      }),
    );
    await sleep(1_500);
    for (const gateway of revoked) expect((await gateway.get('/v1/assets')).status).toBe(401);
  });

  test('a freeze at one gateway holds at all of them, from its reply on', async () => {
    const id = await customer('frozen', '100');
    for (let round = 0; round < 5; round++) {
      const freeze = await gateways[round % 3]!.post(`/v1/customers/${id}/wallet/freeze`);
      expect(freeze.status).toBe(200);
      for (const gateway of gateways) {
        expect((await gateway.post('/v1/charge', { customer_id: id, asset: 'USD', amount: '1' })).status).toBe(403);
      }
      expect((await gateways[(round + 1) % 3]!.post(`/v1/customers/${id}/wallet/unfreeze`)).status).toBe(200);
      const charged = await gateways[(round + 2) % 3]!.post('/v1/charge', {
        customer_id: id,
        asset: 'USD',
        amount: '1',
      });
      expect(charged.status).toBe(200);
    }
    expect((await walletOf(id)).accounts[0].available).toBe('95');
  });

  test('what one gateway made, the next one knows, at once', async () => {
    for (let round = 0; round < 5; round++) {
      const [one, two, three] = [0, 1, 2].map((at) => gateways[(round + at) % 3]!) as [
        Connections,
        Connections,
        Connections,
      ];
      const id = `known-${round}`;
      expect((await one.post('/v1/customers', { id })).status).toBe(201);
      expect((await two.post('/v1/assets', { code: `KNOWN${round}`, scale: 2, kind: 'custom' })).status).toBe(201);
      const grant = await three.post(`/v1/customers/${id}/grants`, { asset: `KNOWN${round}`, amount: '1.25' });
      expect([grant.status, grant.body.remaining]).toEqual([201, '1.25']);
      const held = await one.post('/v1/authorize', { customer_id: id, asset: `KNOWN${round}`, amount: '0.25' });
      expect([held.status, held.body.available]).toEqual([200, '1']);
      expect((await two.get(`/v1/holds/${held.body.id}`)).body).toMatchObject({ status: 'open', held: '0.25' });
      expect((await three.post(`/v1/holds/${held.body.id}/settle`, { amount: '0.2' })).body.available).toBe('1.05');
      expect((await one.get(`/v1/customers/${id}/grants`)).body.data[0]).toMatchObject({
        remaining: '1.05',
        held: '0',
      });
      const { secret } = (await two.post('/v1/keys', { name: 'new', scopes: ['read'] })).body;
      expect((await clientOf(urls[round % 3]!, secret).get('/v1/assets')).status).toBe(200);
    }
  });
});

test('an idle connection is kept for longer than the 60 seconds of common load balancers', async () => {
  const { headers } = await fetch(`${urls[0]}/livez`);
  expect(Number(/timeout=(\d+)/.exec(headers.get('keep-alive') ?? '')?.[1])).toBeGreaterThan(60);
});
