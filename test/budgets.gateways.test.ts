// Budgets at several gateways at once, and after a Redis that lost everything: never more than a hard one allows.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { startContract } from './contract.client.ts';
import { expectStatus, type Client } from './farebox.ts';
import { openRedis } from './stores.ts';

const farebox = await startContract();
const { client } = farebox;
const second = await farebox.addGateway();
const redis = await openRedis(farebox.redis.url);
afterAll(() => redis.disconnect());

const terms = { name: 'b', asset: 'USD', limit: '10', period: { unit: 'lifetime' }, match: {}, enforcement: 'hard' };
const pathOf = (id: string) => `/v1/customers/${id}/budgets`;
const create = async (id: string, more: object = {}): Promise<string> =>
  (await expectStatus(client.post(pathOf(id), { ...terms, ...more }), 201)).body.id;
const budgetOf = async (id: string, budget: string) =>
  (await expectStatus(client.get(`${pathOf(id)}/${budget}`), 200)).body;
const spend = (on: Client, verb: 'charge' | 'authorize', id: string, amount: string, more: object = {}) =>
  on.post(`/v1/${verb}`, { customer_id: id, asset: 'USD', amount, ...more });

test('a change that one gateway has answered goes for the next request at the other', async () => {
  const id = await farebox.customer('next-door', '1000');
  await expectStatus(spend(second, 'charge', id, '1'), 200);
  const budget = await create(id);
  for (const limit of ['5', '30', '3', '50', '7']) {
    const { spent } = await budgetOf(id, budget);
    await expectStatus(client.send('PATCH', `${pathOf(id)}/${budget}`, { limit }), 200);
    const left = Math.max(0, Number(limit) - Number(spent));
    const refused = await spend(second, 'charge', id, String(left + 0.5));
    expect([limit, refused.status, refused.body.budget_id]).toEqual([limit, 402, budget]);
    await expectStatus(spend(second, 'charge', id, String(left)), 200);
  }
  await expectStatus(client.send('DELETE', `${pathOf(id)}/${budget}`), 204);
  await expectStatus(spend(second, 'charge', id, '100'), 200);
});

test('after a FLUSHALL budgets have counted what the ledger says, holds give back, and no alert is told twice', async () => {
  const id = await farebox.customer('flushed', '1000');
  const budget = await create(id, { alert_at: ['0.3'] });
  await create(id, { limit: '500', period: { rolling_ms: 86_400_000 } });
  await expectStatus(spend(client, 'charge', id, '4'), 200);
  const hold = await expectStatus(spend(client, 'authorize', id, '5', { ttl_ms: 3_600_000 }), 200);
  const before = await budgetOf(id, budget);
  expect(before).toMatchObject({ spent: '4', held: '5', remaining: '1' });
  await farebox.entriesOf(id);
  await redis.flushall();
  const shown = async () => (await client.get(`${pathOf(id)}/${budget}`)).body;
  await expect.poll(shown, { timeout: 60_000, interval: 250 }).toEqual(before);
  // A gateway hears by itself, and when it looks, that partitions are open again.
  const answerOf = async (on: Client) => {
    for (;;) {
      const answer = await spend(on, 'charge', id, '1.1');
      if (answer.status !== 503) return answer;
      await sleep(100);
    }
  };
  const answers = await Promise.all([client, second].map(answerOf));
  for (const { status, body } of answers) expect([status, body.budget_id]).toEqual([402, budget]);
  await expectStatus(client.post(`/v1/holds/${hold.body.id}/settle`, { amount: '2' }), 200);
  expect(await budgetOf(id, budget)).toMatchObject({ spent: '6', held: '0', remaining: '4' });
  await expectStatus(spend(second, 'charge', id, '4'), 200);
  expect((await spend(client, 'charge', id, '0.1')).status).toBe(402);
  const kinds = (await farebox.entriesOf(id)).map(({ kind }) => kind);
  expect(kinds.filter((kind) => kind === 'budget_alert')).toHaveLength(1);
}, 120_000);
