// The contract of the ledger: one entry for each version of a wallet, what each says, and how they are found.
import { beforeAll, describe, expect, test } from 'vitest';
import {
  expectFieldError,
  expectReplied,
  fromNow,
  instant,
  pagesOf,
  sleepUntil,
  startContract,
} from './contract.client.ts';

const { client, customer, entriesOf, grant, hold, walletOf } = await startContract();

const list = async (id: string, query: string): Promise<any[]> =>
  (await pagesOf(client, `/v1/customers/${id}/entries?limit=100${query}`)).flat();
const settle = (id: string, body: object) => client.post(`/v1/holds/${id}/settle`, body);

/** Atoms of a signed amount of scale 9. */
function atoms(amount: string): bigint {
  const [whole = '0', part = ''] = amount.replace('-', '').split('.');
  return (amount.startsWith('-') ? -1n : 1n) * BigInt(whole + part.padEnd(9, '0'));
}

// One life with every kind of entry, told once: the tests below look at it.
const id = 'life';
let entries: any[];
const ids: Record<string, string> = {};

beforeAll(async () => {
  await customer(id);
  const effective_at = fromNow(1_500);
  const expires_at = fromNow(2_500);
  ids['first'] = (await grant(id, '10', { metadata: { order: 1 } })).id;
  ids['scheduled'] = (await grant(id, '3', { effective_at, priority: 90 })).id;
  ids['expiring'] = (await grant(id, '2', { expires_at, priority: 80 })).id;
  const terms = { subject: 'agent:planner', labels: { team: 'red' }, metadata: { call: 1 } };
  ids['parts'] = (await hold(id, '1', terms)).id;
  await client.post(`/v1/holds/${ids['parts']}/extend`, { amount: '0.5' });
  await settle(ids['parts']!, { amount: '0.3', final: false });
  await settle(ids['parts']!, { amount: '0.2', costs: [{ vendor: 'openai', amount: '0.01', asset: 'USD' }] });
  ids['released'] = (await hold(id, '1')).id;
  await client.post(`/v1/holds/${ids['released']}/release`);
  ids['expired'] = (await hold(id, '1', { ttl_ms: 1_000 })).id;
  ids['charge'] = (
    await client.post('/v1/charge', { customer_id: id, asset: 'USD', amount: '0.25', ...terms })
  ).body.id;
  await client.post(`/v1/customers/${id}/wallet/freeze`);
  await client.post(`/v1/customers/${id}/wallet/unfreeze`);
  ids['euros'] = (await grant(id, '5', { asset: 'EUR' })).id;
  ids['voided'] = (await grant(id, '4', { asset: 'EUR' })).id;
  await client.post(`/v1/customers/${id}/grants/${ids['voided']}/void`);
  await sleepUntil(expires_at, 1_000);
  await settle(ids['expired']!, { amount: '20' });
  entries = await entriesOf(id);
});

describe('a wallet that went through everything', () => {
  test('has one entry for each version, without gaps, none before the one it follows', async () => {
    const { version } = await walletOf(id);
    expect(entries.map((entry) => entry.version)).toEqual(Array.from({ length: version }, (_, at) => at + 1));
    const times = entries.map(({ occurred_at }) => occurred_at);
    expect(times.every((time, at) => at === 0 || times[at - 1] <= time)).toBe(true);
    expect(new Set(entries.map((entry) => entry.id)).size).toBe(version);
  });

  test('names the operation of each', () => {
    const nameless = entries.filter(({ operation_id }) => typeof operation_id !== 'string' || operation_id === '');
    expect(nameless).toEqual([]);
  });

  test('shows each kind, with what it changed and of what', () => {
    const told = entries.map(({ kind, asset, amount, hold_id, grant_id }) => ({
      what: `${kind} ${asset ?? '-'} ${amount}`,
      about: Object.keys(ids).find((name) => ids[name] === (hold_id ?? grant_id)),
    }));
    const dueKinds = /^(activate_grant|expire_grant|expire_hold) /;
    expect(told.filter(({ what }) => !dueKinds.test(what))).toEqual([
      { what: 'grant USD 10', about: 'first' },
      { what: 'schedule_grant USD 0', about: 'scheduled' },
      { what: 'grant USD 2', about: 'expiring' },
      { what: 'hold USD 0', about: 'parts' },
      { what: 'extend USD 0', about: 'parts' },
      { what: 'settle USD -0.3', about: 'parts' },
      { what: 'settle USD -0.2', about: 'parts' },
      { what: 'hold USD 0', about: 'released' },
      { what: 'release USD 0', about: 'released' },
      { what: 'hold USD 0', about: 'expired' },
      { what: 'charge USD -0.25', about: undefined },
      { what: 'freeze - 0', about: undefined },
      { what: 'unfreeze - 0', about: undefined },
      { what: 'grant EUR 5', about: 'euros' },
      { what: 'grant EUR 4', about: 'voided' },
      { what: 'void_grant EUR -4', about: 'voided' },
      { what: 'settle USD -20', about: 'expired' },
    ]);
    // What falls due comes between the others, whenever its time is.
    const due = told.filter(({ what }) => dueKinds.test(what));
    expect(due.toSorted((a, b) => (a.what < b.what ? -1 : 1))).toEqual([
      { what: 'activate_grant USD 3', about: 'scheduled' },
      { what: 'expire_grant USD -2', about: 'expiring' },
      { what: 'expire_hold USD 0', about: 'expired' },
    ]);
  });

  test('adds up: each amount is the change of available + held − overage', () => {
    const sums: Record<string, bigint> = {};
    for (const { asset, amount, available_after, held_after, overage_after, legs } of entries) {
      expect(legs).toBeUndefined();
      if (asset === null) continue;
      sums[asset] = (sums[asset] ?? 0n) + atoms(amount);
      expect(sums[asset]).toBe(atoms(available_after) + atoms(held_after) - atoms(overage_after));
    }
  });

  test('ends where the wallet is', async () => {
    for (const account of (await walletOf(id)).accounts) {
      const last = entries.findLast(({ asset }) => asset === account.asset);
      expect([last.available_after, last.held_after, last.overage_after]).toEqual([
        account.available,
        account.held,
        account.overage,
      ]);
    }
    expect(entries.at(-1)).toMatchObject({ available_after: '0', held_after: '0', overage_after: '7.75', late: true });
  });

  test('keeps who spent, and what the vendor got', () => {
    expect(entries.find(({ kind }) => kind === 'hold')).toMatchObject({
      subject: 'agent:planner',
      labels: { team: 'red' },
    });
    expect(entries.find(({ kind }) => kind === 'charge')).toMatchObject({
      subject: 'agent:planner',
      labels: { team: 'red' },
    });
    expect(entries.filter(({ costs }) => costs).map(({ amount, costs }) => [amount, costs])).toEqual([
      ['-0.2', [{ vendor: 'openai', amount: '0.01', asset: 'USD' }]],
    ]);
  });

  test('has the fields of the contract, and those that may be absent only where they say something', () => {
    const always = ['id', 'version', 'kind', 'asset', 'amount', 'available_after', 'held_after', 'overage_after'];
    for (const entry of entries) {
      expect(Object.keys(entry)).toEqual(expect.arrayContaining([...always, 'operation_id', 'occurred_at']));
      expect(entry.occurred_at).toMatch(instant);
      expect(entry.late ?? false).toBe(entry === entries.at(-1));
    }
  });
});

describe('the list', () => {
  test('is newest first, whole, each once, whatever the page', async () => {
    for (const limit of [1, 3, 7, 100]) {
      const pages = await pagesOf(client, `/v1/customers/${id}/entries?limit=${limit}`);
      expect(pages.flat()).toEqual(entries.toReversed());
      expect(pages.slice(0, -1).every((page) => page.length === limit)).toBe(true);
    }
  });

  test('has 50 in a page unless told', async () => {
    const many = await customer('many', '10');
    const spend = { customer_id: many, asset: 'USD', amount: '0.1' };
    await Promise.all(Array.from({ length: 55 }, () => client.post('/v1/charge', spend)));
    await entriesOf(many);
    expect((await client.get(`/v1/customers/${many}/entries`)).body.data).toHaveLength(50);
  });

  test('can be narrowed to an asset', async () => {
    expect((await list(id, '&asset=EUR')).toReversed()).toEqual(entries.filter(({ asset }) => asset === 'EUR'));
    expect((await list(id, '&asset=USD')).toReversed()).toEqual(entries.filter(({ asset }) => asset === 'USD'));
  });

  test('can be narrowed to a kind, in pages too', async () => {
    const kinds =
      'grant schedule_grant activate_grant hold extend settle release expire_hold charge expire_grant void_grant freeze unfreeze refund';
    for (const kind of kinds.split(' ')) {
      const expected = entries.filter((entry) => entry.kind === kind).toReversed();
      expect(await list(id, `&kind=${kind}`)).toEqual(expected);
      expect(expected.length > 0 || kind === 'refund').toBe(true);
    }
    const pages = await pagesOf(client, `/v1/customers/${id}/entries?limit=1&kind=grant&asset=EUR`);
    expect(pages.flat().map(({ amount }) => amount)).toEqual(['4', '5']);
  });

  test('can be narrowed in time: from is inclusive, to is exclusive', async () => {
    for (const { occurred_at: at } of [entries[3], entries[11], entries.at(-1)]) {
      const after = entries.filter(({ occurred_at }) => occurred_at >= at).toReversed();
      const before = entries.filter(({ occurred_at }) => occurred_at < at).toReversed();
      expect(await list(id, `&from=${at}`)).toEqual(after);
      expect(await list(id, `&to=${at}`)).toEqual(before);
      const next = new Date(Date.parse(at) + 1).toISOString();
      expect(await list(id, `&from=${at}&to=${next}`)).toEqual(
        entries.filter((e) => e.occurred_at === at).toReversed(),
      );
      expect(await list(id, `&from=${at}&to=${at}`)).toEqual([]);
    }
    const shifted = new Date(Date.parse(entries[5].occurred_at) + 3_600_000).toISOString().replace('Z', '+01:00');
    const expected = entries.filter(({ occurred_at }) => occurred_at >= entries[5].occurred_at).toReversed();
    expect(await list(id, `&from=${encodeURIComponent(shifted)}`)).toEqual(expected);
  });

  test.each([
    ['kind=gift', 'kind'],
    ['kind=', 'kind'],
    ['from=yesterday', 'from'],
    ['to=2026-02-30T00:00:00Z', 'to'],
    ['from=1', 'from'],
    ['limit=0', 'limit'],
    ['limit=101', 'limit'],
  ])('narrowed by %s is refused, and %s is named', async (query, field) => {
    expectFieldError(await client.get(`/v1/customers/${id}/entries?${query}`), field);
  });

  test('refuses a cursor that is not one of its own', async () => {
    const other = (await client.get('/v1/assets?limit=1')).body.next_cursor;
    for (const cursor of ['x', '', '-1', 'null', '%00', 'a'.repeat(3_000), `${other}`]) {
      const { status } = await client.get(`/v1/customers/${id}/entries?cursor=${cursor}`);
      expect(status).toBe(422);
    }
  });

  test('of someone else shows nothing of this one', async () => {
    await customer('quiet');
    expect(await list('quiet', '')).toEqual([]);
    const { next_cursor } = (await client.get(`/v1/customers/${id}/entries?limit=1`)).body;
    const reply = await client.get(`/v1/customers/quiet/entries?cursor=${encodeURIComponent(next_cursor)}`);
    expect(reply.body.data ?? []).toEqual([]);
  });
});

describe('an entry', () => {
  test('appears within a second', async () => {
    const prompt = await customer('prompt', '10');
    const newest = async () => (await client.get(`/v1/customers/${prompt}/entries?limit=1`)).body.data[0]?.version;
    const tookMs: number[] = [];
    for (let version = 2; version <= 6; version++) {
      await client.post('/v1/charge', { customer_id: prompt, asset: 'USD', amount: '1' });
      const answeredAtMs = performance.now();
      await expect.poll(newest, { timeout: 20_000, interval: 20 }).toBe(version);
      tookMs.push(performance.now() - answeredAtMs);
    }
    // All but one: the machine may stand still for a moment.
    expect(tookMs.toSorted((a, b) => a - b).at(-2)).toBeLessThan(1_000);
  });

  test('of a declined request, a shadow or a refused one does not exist', async () => {
    const none = await customer('nothing', '1');
    const spend = { customer_id: none, asset: 'USD', amount: '2' };
    expectReplied(await client.post('/v1/authorize', spend), 402);
    expectReplied(await client.post('/v1/charge', { ...spend, mode: 'shadow' }), 200);
    expectReplied(await client.post('/v1/charge', { ...spend, amount: 2 }), 422);
    // Once the ledger has this one, it has whatever came before.
    expectReplied(await client.post('/v1/charge', { ...spend, amount: '1' }), 200);
    expect((await entriesOf(none)).map(({ kind }) => kind)).toEqual(['grant', 'charge']);
  });

  test('of a repeated request exists once, with one operation', async () => {
    const once = await customer('once', '10');
    const spend = { customer_id: once, asset: 'USD', amount: '1' };
    const again = () => client.post('/v1/charge', spend, { 'idempotency-key': 'again' });
    await again();
    await again();
    expect((await entriesOf(once)).map(({ kind }) => kind)).toEqual(['grant', 'charge']);
  });
});
