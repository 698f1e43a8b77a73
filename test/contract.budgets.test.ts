// The contract of budgets, as someone meets it who has read nothing else: what is refused, what counts, what is told.
import { afterAll, describe, expect, test } from 'vitest';
import { openDatabase } from '../src/db/connect.ts';
import { budgetsMax } from '../src/limits.ts';
import { walletKey, walletOf } from '../src/wallet/keys.ts';
import { connectNodes } from '../src/wallet/nodes.ts';
import { expectFieldError, expectProblem, expectReplied, instant, pagesOf, startContract } from './contract.client.ts';
import { clientOf, expectStatus, startFarebox } from './farebox.ts';
import { startProxy } from './faults/proxy.ts';

const farebox = await startContract();
const { client } = farebox;
const sql = openDatabase(farebox.database.url, { connectionsMax: 3, name: 'test' });
const nodes = connectNodes(farebox.config.redisUrl, { onError: () => undefined });
await nodes.waitUntilReady(5_000);
const [environment] = await sql<{ id: string }[]>`select id from environments where is_default`;
afterAll(async () => {
  nodes.disconnect();
  await sql.end();
});

let named = 0;

/** With 100 dollars. */
const customer = () => farebox.customer(`customer_${(named += 1)}`, '100');

const lifetime = { unit: 'lifetime' };
const terms = { name: 'b', asset: 'USD', limit: '10', period: lifetime, match: {}, enforcement: 'hard' };

/** Made one after the other; their ids. */
async function budgets(id: string, ...all: object[]): Promise<string[]> {
  const ids: string[] = [];
  for (const one of all) ids.push((await created(id, one)).id);
  return ids;
}

const create = (id: string, more: object = {}, headers = {}) =>
  client.post(`/v1/customers/${id}/budgets`, { ...terms, ...more }, headers);
const created = async (id: string, more: object = {}) => (await expectStatus(create(id, more), 201)).body;
const patch = (id: string, budgetId: string, change: object) =>
  client.send('PATCH', `/v1/customers/${id}/budgets/${budgetId}`, change);
const remove = (id: string, budgetId: string) => client.send('DELETE', `/v1/customers/${id}/budgets/${budgetId}`);
const budgetOf = async (id: string, budgetId: string) =>
  (await expectStatus(client.get(`/v1/customers/${id}/budgets/${budgetId}`), 200)).body;

const authorize = (id: string, amount: string, more: object = {}) =>
  client.post('/v1/authorize', { customer_id: id, asset: 'USD', amount, ...more });
const charge = (id: string, amount: string, more: object = {}) =>
  client.post('/v1/charge', { customer_id: id, asset: 'USD', amount, ...more });
const settle = (holdId: string, body: object) => client.post(`/v1/holds/${holdId}/settle`, body);

describe('a budget', () => {
  test('is shown as it was asked for, with what it has counted, from the reply on', async () => {
    const id = await customer();
    const asked = {
      ...{ name: 'Team red', asset: 'USD', limit: '10.50', period: { unit: 'month', time_zone: 'Europe/Berlin' } },
      ...{ match: { labels: { team: 'red' } }, enforcement: 'hard', alert_at: ['1', '0.5', '0.80'] },
    };
    const made = await client.post(`/v1/customers/${id}/budgets`, asked);
    expectReplied(made, 201);
    expect(made.body).toEqual({
      ...asked,
      ...{ id: expect.stringMatching(/^bud_.+/), customer_id: id, limit: '10.5', alert_at: ['0.5', '0.80', '1'] },
      ...{ spent: '0', held: '0', remaining: '10.5', resets_at: expect.stringMatching(instant) },
      ...{ created_at: expect.stringMatching(instant), changed_at: made.body.created_at },
    });
    const red = { labels: { team: 'red' } };
    await expectStatus(charge(id, '2', red), 200);
    await expectStatus(charge(id, '1', { labels: { team: 'blue' } }), 200);
    const hold = await expectStatus(authorize(id, '3', red), 200);
    const counted = { ...made.body, spent: '2', held: '3', remaining: '5.5' };
    expect(await budgetOf(id, made.body.id)).toEqual(counted);
    expect((await client.get(`/v1/customers/${id}/budgets`)).body).toEqual({ data: [counted], next_cursor: null });
    await expectStatus(settle(hold.body.id, { amount: '9.5' }), 200);
    expect(await budgetOf(id, made.body.id)).toEqual({ ...made.body, spent: '11.5', remaining: '0' });
  });

  test('refuses by its labels; of several the tightest is named, and nothing is taken', async () => {
    const id = await customer();
    const [all, team, agent] = await budgets(
      id,
      { limit: '50' },
      { limit: '20', match: { labels: { team: 'red' } } },
      { limit: '10', match: { subject: 'agent:planner', labels: { team: 'red' } } },
    );
    const planner = { subject: 'agent:planner', labels: { team: 'red', run: '7' } };
    const refused = await authorize(id, '11', planner);
    expectProblem(refused, 402, 'budget_exceeded');
    expect(refused.body).toMatchObject({
      ...{ limit_source: 'budget', budget_id: agent, asset: 'USD' },
      ...{ requested: '11', affordable: '10', shortfall: '1', available: '100', held: '0' },
    });
    expect((await authorize(id, '15', { labels: { team: 'red' } })).status).toBe(200);
    expect((await authorize(id, '6', planner)).body.budget_id).toBe(team);
    expect((await authorize(id, '30', { labels: { team: 'blue' } })).status).toBe(200);
    expect((await authorize(id, '6')).body.budget_id).toBe(all);
  });

  test('counts what is held, gives back what is not spent, and up_to gets what is left', async () => {
    const id = await customer();
    await budgets(id, { period: { unit: 'month', time_zone: 'Europe/Berlin' } });
    const held = await expectStatus(authorize(id, '8'), 200);
    const rest = await expectStatus(authorize(id, '8', { mode: 'up_to' }), 200);
    expect(rest.body.amount).toBe('2');
    await expectStatus(settle(held.body.id, { amount: '3' }), 200);
    expectProblem(await charge(id, '5.01'), 402, 'budget_exceeded');
    await expectStatus(charge(id, '5'), 200);
    await expectStatus(client.post(`/v1/holds/${rest.body.id}/release`), 200);
    await expectStatus(charge(id, '2'), 200);
    expectProblem(await charge(id, '0.01'), 402, 'budget_exceeded');
  });

  test('has counted the same after its wallet was lost', async () => {
    const id = await customer();
    const [budget] = await budgets(id, {});
    await expectStatus(charge(id, '7'), 200);
    const key = walletKey(walletOf(environment!.id, id));
    await nodes.ofKey(key).del(key);
    const shown = async () => (await client.get(`/v1/customers/${id}/budgets/${budget}`)).body.spent;
    await expect.poll(shown, { timeout: 10_000 }).toBe('7');
    expectProblem(await charge(id, '3.01'), 402, 'budget_exceeded');
    await expectStatus(charge(id, '3'), 200);
  });

  test('is never passed by requests at once, and none is refused that fits in', async () => {
    const id = await customer();
    const red = { labels: { team: 'red' } };
    const [all, ofRed] = await budgets(id, {}, { limit: '6', match: red });
    const answers = await Promise.all(
      Array.from({ length: 64 }, async (_, i) => {
        const more = i % 2 === 0 ? red : { labels: { team: 'blue' } };
        const answer = i % 4 < 2 ? await authorize(id, '1', more) : await charge(id, '1', more);
        if (answer.status !== 200) expectProblem(answer, 402, 'budget_exceeded');
        return { ...answer, isRed: more === red };
      }),
    );
    const approved = answers.filter(({ status }) => status === 200);
    expect(approved).toHaveLength(10);
    const redCount = approved.filter(({ isRed }) => isRed).length;
    expect(redCount).toBeLessThanOrEqual(6);
    for (const { body } of approved) {
      if (body.id.startsWith('hold_')) await expectStatus(settle(body.id, { amount: '1' }), 200);
    }
    expect(await budgetOf(id, all!)).toMatchObject({ spent: '10', held: '0', remaining: '0' });
    expect(await budgetOf(id, ofRed!)).toMatchObject({ spent: String(redCount), held: '0' });
  });

  test('of nothing refuses all that costs something', async () => {
    const id = await customer();
    await budgets(id, { limit: '0' });
    expectProblem(await charge(id, '0.000000001'), 402, 'budget_exceeded');
    await expectStatus(charge(id, '0'), 200);
  });
});

describe('what is asked for', () => {
  test.each<[object, string]>([
    [{ name: undefined }, 'name'],
    [{ name: '' }, 'name'],
    [{ asset: undefined }, 'asset'],
    [{ limit: undefined }, 'limit'],
    [{ limit: 10 }, 'limit'],
    [{ limit: '-1' }, 'limit'],
    [{ limit: '0.0000000001' }, 'limit'],
    [{ period: undefined }, 'period'],
    [{ period: 'day' }, 'period'],
    [{ period: {} }, 'period.unit'],
    [{ period: { unit: 'year' } }, 'period.unit'],
    [{ period: { unit: 'day', time_zone: 'Europe/Atlantis' } }, 'period.time_zone'],
    [{ period: { unit: 'day', time_zone: '+02:00' } }, 'period.time_zone'],
    [{ period: { unit: 'lifetime', time_zone: '' } }, 'period.time_zone'],
    [{ period: { rolling_ms: 59_999 } }, 'period.rolling_ms'],
    [{ period: { rolling_ms: '60000' } }, 'period.rolling_ms'],
    [{ period: { rolling_ms: 60_000.5 } }, 'period.rolling_ms'],
    [{ period: { rolling_ms: 366 * 86_400_000 + 1 } }, 'period.rolling_ms'],
    [{ period: { rolling_ms: 60_000, unit: 'day' } }, 'period.unit'],
    [{ match: undefined }, 'match'],
    [{ match: { team: 'red' } }, 'match.team'],
    [{ match: { subject: '' } }, 'match.subject'],
    [{ match: { event_type: 'with space' } }, 'match.event_type'],
    [{ match: { labels: { team: 7 } } }, 'match.labels.team'],
    [{ match: { labels: Object.fromEntries('123456789'.split('').map((of) => [of, of])) } }, 'match.labels'],
    [{ match: { labels: { ['l'.repeat(65)]: '' } } }, 'match.labels'],
    [
      { match: { labels: { a: 'x'.repeat(256), b: 'x'.repeat(256), c: 'x'.repeat(256), d: 'é'.repeat(128) } } },
      'match',
    ],
    [{ enforcement: undefined }, 'enforcement'],
    [{ enforcement: 'soft' }, 'enforcement'],
    [{ alert_at: '0.5' }, 'alert_at'],
    [{ alert_at: [0.5] }, 'alert_at.0'],
    [{ alert_at: ['0.5', '0'] }, 'alert_at.1'],
    [{ alert_at: ['50%'] }, 'alert_at.0'],
    [{ alert_at: ['4.1'] }, 'alert_at.0'],
    [{ alert_at: ['0.5', '1', '0.50'] }, 'alert_at.2'],
    [{ alert_at: ['1', '2', '3', '4', '0.1', '0.2', '0.3', '0.4', '0.5'] }, 'alert_at'],
    [{ id: 'mine' }, 'id'],
  ])('%j is refused, and the field is named', async (more, field) => {
    const id = await customer();
    const refused = await create(id, more);
    expectFieldError(refused, field);
    expect(refused.body.errors.map((error: { path: string }) => error.path)).toContain(field);
    expect((await client.get(`/v1/customers/${id}/budgets`)).body.data).toEqual([]);
  });

  test('an asset that is not there, and a limit past one amount, are refused', async () => {
    const id = await customer();
    expectProblem(await create(id, { asset: 'GOLD' }), 422, 'unknown_asset');
    expectProblem(await create(id, { limit: '1000000.000000001' }), 422, 'amount_too_large');
    expectProblem(await create('nobody'), 404, 'customer_not_found');
    await expectStatus(create(id, { limit: '1000000', alert_at: ['4'] }), 201);
  });

  test('takes every period, and a zone for each of a calendar', async () => {
    const id = await customer();
    const units = ['hour', 'day', 'week', 'month', 'lifetime'];
    const periods = [
      ...units.map((unit) => ({ unit })),
      ...units.map((unit) => ({ unit, time_zone: 'Australia/Lord_Howe' })),
      ...[60_000, 366 * 86_400_000].map((ms) => ({ rolling_ms: ms })),
    ];
    for (const period of periods) {
      const made = await created(id, { period });
      expect(made.period).toEqual(period);
      expect([period, made.resets_at === null]).toEqual([period, 'rolling_ms' in period || period.unit === 'lifetime']);
      expect(await budgetOf(id, made.id)).toEqual(made);
    }
  });

  test(`is refused past ${budgetsMax} that stand; one that is deleted makes room`, async () => {
    const id = await customer();
    const ids = await budgets(id, ...Array.from({ length: budgetsMax }, (_, at) => ({ name: `b${at}` })));
    expectProblem(await create(id), 422, 'too_many_budgets');
    expectReplied(await remove(id, ids[3]!), 204);
    ids.push((await created(id, { name: 'last' })).id);
    const pages = await pagesOf(client, `/v1/customers/${id}/budgets?limit=25`);
    expect(pages.map((page) => page.length)).toEqual([25, 25, 14]);
    expect(pages.flat().map((one) => one.id)).toEqual(ids.filter((one) => one !== ids[3]).toReversed());
    // All of them are checked, and counted in.
    await expectStatus(charge(id, '9'), 200);
    expectProblem(await charge(id, '1.01'), 402, 'budget_exceeded');
    const { data } = (await client.get(`/v1/customers/${id}/budgets?limit=100`)).body;
    expect(new Set(data.map((one: { spent: string }) => one.spent))).toEqual(new Set(['9']));
  }, 60_000);

  test('needs the scope catalog or credit to be changed, and read to be seen', async () => {
    const id = await customer();
    const path = `/v1/customers/${id}/budgets`;
    for (const [scope, writes, reads] of [
      ['catalog', [201, 200, 204], 403],
      ['credit', [201, 200, 204], 403],
      ['read', [403, 403, 403], 200],
      ['authorize', [403, 403, 403], 403],
    ] as const) {
      const { body } = await client.post('/v1/keys', { name: scope, scopes: [scope] });
      const scoped = clientOf(client.url, body.secret);
      const { id: one } = await created(id);
      const made = await scoped.post(path, terms);
      const changed = await scoped.send('PATCH', `${path}/${one}`, { limit: '1' });
      const deleted = await scoped.send('DELETE', `${path}/${one}`);
      expect([scope, [made.status, changed.status, deleted.status]]).toEqual([scope, writes]);
      const { status } = await scoped.get(made.status === 201 ? `${path}/${made.body.id}` : `${path}/${one}`);
      expect([scope, status, (await scoped.get(path)).status]).toEqual([scope, reads, reads]);
    }
  });

  test('again with its Idempotency-Key is answered as the first was, whatever became of the budget', async () => {
    const id = await customer();
    const headers = { 'idempotency-key': 'k' };
    const first = await create(id, {}, headers);
    expectReplied(first, 201);
    await expectStatus(charge(id, '1'), 200);
    await expectStatus(patch(id, first.body.id, { limit: '5' }), 200);
    const again = await create(id, {}, headers);
    expect([again.status, again.text]).toEqual([201, first.text]);
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    expectProblem(await create(id, { limit: '11' }, headers), 422, 'idempotency_conflict');
    expect((await client.get(`/v1/customers/${id}/budgets`)).body.data).toHaveLength(1);
  });
});

describe('a change', () => {
  test('of a limit goes for the next request, and what was counted stays', async () => {
    const id = await customer();
    const [budget] = await budgets(id, {});
    const before = await budgetOf(id, budget!);
    await expectStatus(charge(id, '6'), 200);
    for (const [limit, remaining, refused, taken] of [
      ['20', '14', '14.1', '4'],
      ['10', '0', '0.1', '0'],
      ['7.5', '0', '0.1', '0'],
      ['12', '2', '2.1', '2'],
    ] as const) {
      const { spent } = await budgetOf(id, budget!);
      const changed = await patch(id, budget!, { limit });
      expectReplied(changed, 200);
      const { changed_at } = changed.body;
      expect(changed.body).toEqual({ ...before, limit, spent, remaining, changed_at });
      expectProblem(await charge(id, refused), 402, 'budget_exceeded');
      await expectStatus(charge(id, taken), 200);
    }
  });

  test('of name, match, enforcement and thresholds goes for the next request; what is absent stays', async () => {
    const id = await customer();
    const made = await created(id, { match: { labels: { team: 'red' } }, alert_at: ['1'] });
    const changed = async (change: object) => {
      const { changed_at, ...rest } = (await expectStatus(patch(id, made.id, change), 200)).body;
      expect(changed_at >= made.changed_at).toBe(true);
      return rest;
    };
    const { changed_at: _changedAt, ...first } = made;
    expect(await changed({})).toEqual(first);
    expect(await changed({ name: 'other', alert_at: [] })).toEqual({ ...first, name: 'other', alert_at: [] });
    expect(await changed({ match: { subject: 'ann' } })).toMatchObject({ name: 'other', match: { subject: 'ann' } });
    expectProblem(await charge(id, '11', { subject: 'ann' }), 402, 'budget_exceeded');
    await expectStatus(charge(id, '11', { labels: { team: 'red' } }), 200);
    expect(await changed({ enforcement: 'alert' })).toMatchObject({ enforcement: 'alert', limit: '10' });
    await expectStatus(charge(id, '11', { subject: 'ann' }), 200);
    await changed({ enforcement: 'hard', match: {} });
    expectProblem(await charge(id, '0.1'), 402, 'budget_exceeded');
  });

  test.each<[object, string]>([
    [{ asset: 'EUR' }, 'asset'],
    [{ period: lifetime }, 'period'],
    [{ spent: '0' }, 'spent'],
    [{ limit: null }, 'limit'],
    [{ limit: '0.0000000001' }, 'limit'],
    [{ name: '' }, 'name'],
    [{ match: { labels: [] } }, 'match.labels'],
    [{ enforcement: 'none' }, 'enforcement'],
    [{ alert_at: ['0.1', '0.1'] }, 'alert_at.1'],
  ])('to %j is refused, and the field is named', async (change, field) => {
    const id = await customer();
    const made = await created(id);
    expectFieldError(await patch(id, made.id, change), field);
    expect(await budgetOf(id, made.id)).toEqual(made);
  });

  test('at once with others: each is applied, whole', async () => {
    const id = await customer();
    const [budget] = await budgets(id, {});
    const changes = [{ limit: '20' }, { name: 'n' }, { alert_at: ['0.5'] }, { match: { subject: 'ann' } }];
    for (const reply of await Promise.all(changes.map((change) => patch(id, budget!, change))))
      expectReplied(reply, 200);
    expect(await budgetOf(id, budget!)).toMatchObject(Object.assign({}, ...changes));
    expectProblem(await charge(id, '20.1', { subject: 'ann' }), 402, 'budget_exceeded');
    await expectStatus(charge(id, '21'), 200);

    const limits = Array.from({ length: 10 }, (_, at) => String(30 + at));
    for (const reply of await Promise.all(limits.map((limit) => patch(id, budget!, { limit }))))
      expectReplied(reply, 200);
    const { limit } = await budgetOf(id, budget!);
    expect(limits).toContain(limit);
    // Redis has the one that Postgres has.
    expectProblem(await charge(id, `${limit}.1`, { subject: 'ann' }), 402, 'budget_exceeded');
    await expectStatus(charge(id, limit, { subject: 'ann' }), 200);
  });

  test('of what is not there, or is of another customer, is not found', async () => {
    const [id, other] = [await customer(), await customer()];
    const [budget] = await budgets(id, {});
    for (const [who, which] of [
      [other, budget!],
      [id, 'bud_nothing'],
      [id, '-'],
    ] as const) {
      expectProblem(await client.get(`/v1/customers/${who}/budgets/${which}`), 404, 'budget_not_found');
      expectProblem(await patch(who, which, { limit: '1' }), 404, 'budget_not_found');
      expectProblem(await remove(who, which), 404, 'budget_not_found');
    }
    expectProblem(await client.get('/v1/customers/nobody/budgets'), 404, 'customer_not_found');
    expectProblem(await client.get(`/v1/customers/nobody/budgets/${budget}`), 404, 'customer_not_found');
    expectProblem(await remove('nobody', budget!), 404, 'customer_not_found');
    expect(await budgetOf(id, budget!)).toMatchObject({ limit: '10' });
  });
});

describe('a budget that is deleted', () => {
  test('refuses nothing from the reply on, though holds count in it, and is found no more', async () => {
    const id = await customer();
    const [budget, other] = await budgets(id, { alert_at: ['0.5'] }, { limit: '50' });
    const holds = [await expectStatus(authorize(id, '4'), 200), await expectStatus(authorize(id, '5'), 200)];
    expectProblem(await charge(id, '2'), 402, 'budget_exceeded');
    expectReplied(await remove(id, budget!), 204);
    await expectStatus(charge(id, '20'), 200);
    await expectStatus(settle(holds[0]!.body.id, { amount: '8' }), 200);
    await expectStatus(client.post(`/v1/holds/${holds[1]!.body.id}/extend`, { amount: '1' }), 200);
    await expectStatus(client.post(`/v1/holds/${holds[1]!.body.id}/release`), 200);
    expectProblem(await client.get(`/v1/customers/${id}/budgets/${budget}`), 404, 'budget_not_found');
    expectProblem(await patch(id, budget!, { limit: '1' }), 404, 'budget_not_found');
    expectProblem(await remove(id, budget!), 404, 'budget_not_found');
    const { data } = (await client.get(`/v1/customers/${id}/budgets`)).body;
    expect(data).toMatchObject([{ id: other, spent: '28', held: '0' }]);
    // The settle passed half of it, and nobody is told of a budget that is gone.
    const kinds = (await farebox.entriesOf(id)).map(({ kind }) => kind);
    expect(kinds).toEqual(['grant', 'hold', 'hold', 'charge', 'settle', 'extend', 'release']);
    // A new one begins at nothing.
    expect(await created(id)).toMatchObject({ spent: '0', held: '0' });
    await expectStatus(charge(id, '10'), 200);
    expectProblem(await charge(id, '1'), 402, 'budget_exceeded');
  });
});

describe('a threshold', () => {
  test('is told of once, by an entry that names its budget; the charge is answered with its own version', async () => {
    const id = await customer();
    const [budget] = await budgets(id, { name: 'Team red', enforcement: 'alert', alert_at: ['0.5', '1'] });
    const versions: number[] = [];
    for (const amount of ['4', '1', '1', '6', '6']) {
      const reply = await expectStatus(charge(id, amount), 200);
      versions.push(reply.body.version);
    }
    const entries = await farebox.entriesOf(id);
    expect(entries.map(({ kind }) => kind)).toEqual([
      ...['grant', 'charge', 'charge', 'budget_alert', 'charge', 'charge', 'budget_alert', 'charge'],
    ]);
    expect(entries.filter(({ kind }) => kind === 'charge').map(({ version }) => version)).toEqual(versions);
    const told = entries.filter(({ kind }) => kind === 'budget_alert').map((entry) => entry.budget);
    const red = { id: budget, name: 'Team red', asset: 'USD' };
    expect(told).toEqual([
      { ...red, threshold: '5', spent: '5' },
      { ...red, threshold: '10', spent: '12' },
    ]);
    const { walletId } = walletOf(environment!.id, id);
    const rows = await sql`
      select budget_id from entries where wallet_id = ${walletId} and budget_id is not null order by version`;
    expect(rows.map((row) => row['budget_id'])).toEqual([budget, budget]);
  });

  test('that a settle passes is told of, too, after it', async () => {
    const id = await customer();
    await budgets(id, { limit: '8', alert_at: ['0.25', '0.5', '1'] });
    const hold = await expectStatus(authorize(id, '8'), 200);
    const settled = await expectStatus(settle(hold.body.id, { amount: '5' }), 200);
    const entries = await farebox.entriesOf(id);
    expect(entries.map(({ kind }) => kind)).toEqual(['grant', 'hold', 'settle', 'budget_alert', 'budget_alert']);
    expect(settled.body.version).toBe(3);
    expect(entries.slice(3).map(({ budget }) => budget.threshold)).toEqual(['2', '4']);
  });

  test('of a limit that changed is another one, and the same is not told of twice', async () => {
    const id = await customer();
    const [budget] = await budgets(id, { enforcement: 'alert', alert_at: ['0.5'] });
    await expectStatus(charge(id, '6'), 200);
    await expectStatus(patch(id, budget!, { limit: '20' }), 200);
    await expectStatus(charge(id, '1'), 200);
    await expectStatus(patch(id, budget!, { limit: '10' }), 200);
    await expectStatus(charge(id, '1'), 200);
    await expectStatus(patch(id, budget!, { limit: '16' }), 200);
    await expectStatus(charge(id, '1'), 200);
    const told = (await farebox.entriesOf(id)).flatMap(({ budget: of }) => (of ? [of.threshold] : []));
    expect(told).toEqual(['5', '8']);
  });
});

describe('a settle', () => {
  test('by an event that costs in another asset counts in that asset’s budgets', async () => {
    await expectStatus(client.post('/v1/assets', { code: 'TOKENS', scale: 0, kind: 'custom' }), 201);
    const price = { event_type: 'call', model: 'unit' };
    const prices = [
      { ...price, id: 'fee', asset: 'USD', unit_amount: '2' },
      { ...price, id: 'tokens', asset: 'TOKENS', quantity: 'tokens', unit_amount: '1' },
    ];
    await expectStatus(client.post('/v1/products', { id: 'plan', name: 'plan', default: true, prices }), 201);
    await expectStatus(client.post('/v1/products/plan/versions/1/publish'), 200);
    const id = await customer();
    await farebox.grant(id, '1000', { asset: 'TOKENS' });
    const [usd, tokens] = await budgets(id, {}, { asset: 'TOKENS', limit: '50', match: { subject: 'ann' } });
    const hold = await expectStatus(authorize(id, '3', { subject: 'ann' }), 200);
    await expectStatus(settle(hold.body.id, { event_type: 'call', data: { tokens: 40 } }), 200);
    expect(await budgetOf(id, usd!)).toMatchObject({ spent: '2', held: '0' });
    expect(await budgetOf(id, tokens!)).toMatchObject({ spent: '40', held: '0' });
    const event = { customer_id: id, event_type: 'call', data: { tokens: 11 }, subject: 'ann' };
    const refused = await client.post('/v1/authorize', event);
    expectProblem(refused, 402, 'budget_exceeded');
    // All legs or none: the first asset has been left alone, too.
    expect(refused.body).toMatchObject({ budget_id: tokens });
    expect(await budgetOf(id, usd!)).toMatchObject({ spent: '2', held: '0' });
    expect((await farebox.walletOf(id)).accounts.map((account: { held: string }) => account.held)).toEqual(['0', '0']);
    await expectStatus(client.post('/v1/authorize', { ...event, data: { tokens: 10 } }), 200);
  });
});

describe('the wallet in Redis', () => {
  test('that cannot be told: 503, done but not yet in effect; a repeat tells it', async () => {
    const alone = await startFarebox({ worker: false, isOnOneRedis: true });
    const proxy = await startProxy(alone.redis.url);
    try {
      const behind = await alone.addGateway({ redisUrl: proxy.url });
      const id = await alone.customer('cut', '100');
      const path = `/v1/customers/${id}/budgets`;
      const isCut = (on: boolean) =>
        proxy.follow(on ? ({ name }) => (name === 'configure' ? { kind: 'cut_request' } : undefined) : undefined);
      const spend = async () =>
        (await alone.client.post('/v1/charge', { customer_id: id, asset: 'USD', amount: '11' })).status;
      const { body: budget } = await expectStatus(alone.client.post(path, { ...terms, limit: '50' }), 201);
      const asked = [
        () => behind.send('PATCH', `${path}/${budget.id}`, { limit: '10' }),
        () => behind.send('DELETE', `${path}/${budget.id}`),
      ];
      for (const [at, ask] of asked.entries()) {
        isCut(true);
        const broken = await ask();
        expect(broken.body).toMatchObject({ status: 503, code: 'not_yet_effective', outcome: 'applied' });
        expect(await spend()).toBe([200, 402][at]);
        isCut(false);
        await expect.poll(async () => (await ask()).status, { timeout: 10_000 }).toBe([200, 204][at]);
        expect(await spend()).toBe([402, 200][at]);
      }
      expect((await asked[1]!()).status).toBe(404);
    } finally {
      await alone.stop();
      await proxy.stop();
    }
  }, 60_000);
});
