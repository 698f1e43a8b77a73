// Budgets, as a customer of the API meets them: what is refused, what counts, what is told.
import { afterAll, describe, expect, test } from 'vitest';
import { openDatabase } from '../src/db/connect.ts';
import type { BudgetMatch, BudgetPeriod } from '../src/records.ts';
import { connectRedis, waitUntilReady } from '../src/wallet/redis.ts';
import { walletKey, walletOf } from '../src/wallet/keys.ts';
import { expectProblem, startContract } from './contract.client.ts';
import { expectStatus } from './farebox.ts';

const farebox = await startContract();
const { client } = farebox;
const sql = openDatabase(farebox.database.url, { connectionsMax: 3, name: 'test' });
const redis = connectRedis(farebox.redis.url, () => undefined);
await waitUntilReady(redis, 5_000);
const [environment] = await sql<{ id: string }[]>`select id from environments where is_default`;
afterAll(async () => {
  redis.disconnect();
  await sql.end();
});

const usdAtoms = 1_000_000_000n;
let named = 0;

/** With 100 dollars. */
async function customer(): Promise<string> {
  const id = await farebox.customer(`customer_${(named += 1)}`);
  const grant = { asset: 'USD', amount: '100', purpose: 'paid' };
  await expectStatus(client.post(`/v1/customers/${id}/grants`, grant), 201);
  return id;
}

type Terms = { dollars: number; match?: BudgetMatch; period?: BudgetPeriod; isHard?: boolean; alertAt?: string[] };

/** Into Postgres, as no route does yet; the worker tells Redis. */
async function budgets(id: string, ...all: Terms[]): Promise<void> {
  await sql.begin(async (transaction) => {
    for (const [i, terms] of all.entries()) {
      const { dollars, match = {}, period = { unit: 'lifetime' }, isHard = true, alertAt = [] } = terms;
      await transaction`
        insert into budgets (environment_id, customer_id, no, id, name, asset, "limit", period, match, is_hard, alert_at)
        values (${environment!.id}, ${id}, ${i + 1}, ${`bud_${id}_${i + 1}`}, 'b', 1, ${String(BigInt(dollars) * usdAtoms)},
          ${transaction.json(period)}, ${transaction.json(match)}, ${isHard}, ${`{${alertAt.join(',')}}`}::text[])`;
    }
    await transaction`update customers set config_version = config_version + 1 where id = ${id}`;
  });
  const key = walletKey(walletOf(environment!.id, id));
  await expect.poll(async () => (await redis.hget(key, 'x')) ?? '', { timeout: 20_000 }).toContain(`bud_${id}_1`);
}

const authorize = (id: string, amount: string, more: object = {}) =>
  client.post('/v1/authorize', { customer_id: id, asset: 'USD', amount, ...more });
const charge = (id: string, amount: string, more: object = {}) =>
  client.post('/v1/charge', { customer_id: id, asset: 'USD', amount, ...more });

describe('a budget', () => {
  test('refuses by its labels; of several the tightest is named, and nothing is taken', async () => {
    const id = await customer();
    await budgets(
      id,
      { dollars: 50 },
      { dollars: 20, match: { labels: { team: 'red' } } },
      { dollars: 10, match: { subject: 'agent:planner', labels: { team: 'red' } } },
    );
    const planner = { subject: 'agent:planner', labels: { team: 'red', run: '7' } };
    const refused = await authorize(id, '11', planner);
    expectProblem(refused, 402, 'budget_exceeded');
    expect(refused.body).toMatchObject({
      ...{ limit_source: 'budget', budget_id: `bud_${id}_3`, asset: 'USD' },
      ...{ requested: '11', affordable: '10', shortfall: '1', available: '100', held: '0' },
    });
    expect((await authorize(id, '15', { labels: { team: 'red' } })).status).toBe(200);
    expect((await authorize(id, '6', planner)).body.budget_id).toBe(`bud_${id}_2`);
    expect((await authorize(id, '30', { labels: { team: 'blue' } })).status).toBe(200);
    expect((await authorize(id, '6')).body.budget_id).toBe(`bud_${id}_1`);
  });

  test('counts what is held, gives back what is not spent, and up_to gets what is left', async () => {
    const id = await customer();
    await budgets(id, { dollars: 10, period: { unit: 'month', time_zone: 'Europe/Berlin' } });
    const held = await expectStatus(authorize(id, '8'), 200);
    const rest = await expectStatus(authorize(id, '8', { mode: 'up_to' }), 200);
    expect(rest.body.amount).toBe('2');
    await expectStatus(client.post(`/v1/holds/${held.body.id}/settle`, { amount: '3' }), 200);
    expectProblem(await charge(id, '5.01'), 402, 'budget_exceeded');
    await expectStatus(charge(id, '5'), 200);
    await expectStatus(client.post(`/v1/holds/${rest.body.id}/release`), 200);
    await expectStatus(charge(id, '2'), 200);
    expectProblem(await charge(id, '0.01'), 402, 'budget_exceeded');
  });

  test('that only alerts refuses nothing; each threshold is an entry, once', async () => {
    const id = await customer();
    await budgets(id, { dollars: 10, isHard: false, alertAt: ['0.5', '1'] });
    for (const amount of ['4', '1', '1', '6', '6']) await expectStatus(charge(id, amount), 200);
    const kinds = async () => {
      const { body } = await client.get(`/v1/customers/${id}/entries?limit=50`);
      return body.data.map((entry: { kind: string }) => entry.kind).toReversed();
    };
    await expect
      .poll(kinds, { timeout: 10_000 })
      .toEqual(['grant', 'charge', 'charge', 'budget_alert', 'charge', 'charge', 'budget_alert', 'charge']);
  });

  test('is never exceeded by 64 connections at its edge', async () => {
    const id = await customer();
    await budgets(id, { dollars: 10 });
    const replies = await Promise.all(
      Array.from({ length: 64 }, (_, i) => (i % 2 === 0 ? authorize(id, '0.3') : charge(id, '0.3'))),
    );
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(33);
    for (const reply of replies.filter(({ status }) => status !== 200)) expectProblem(reply, 402, 'budget_exceeded');
  });

  test('has counted the same after its wallet was lost', async () => {
    const id = await customer();
    await budgets(id, { dollars: 10 });
    await expectStatus(charge(id, '7'), 200);
    await redis.del(walletKey(walletOf(environment!.id, id)));
    const refused = async () => (await charge(id, '3.01')).body.code;
    await expect.poll(refused, { timeout: 10_000 }).toBe('budget_exceeded');
    await expectStatus(charge(id, '3'), 200);
  });
});
