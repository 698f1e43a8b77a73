// No sequence of approved requests exceeds a grant, scoped or recurring, or a hard budget: what settles exceed is taken besides.
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, expect, test } from 'vitest';
import { openDatabase } from '../src/db/connect.ts';
import { walletOf as addressOf } from '../src/wallet/keys.ts';
import { startContract } from './contract.client.ts';
import { expectStatus } from './farebox.ts';
import { expectSound } from './faults/books.ts';
import { moveClock } from './frozen-clock.ts';

const farebox = await startContract();
const clients = [farebox.client, await farebox.addGateway()];
const { client } = farebox;
const redis = new Redis(farebox.redis.url, { protocol: 2 });
const sql = openDatabase(farebox.database.url, { connectionsMax: 2, name: 'test' });
const [{ id: environmentId }] = await sql<[{ id: string }]>`select id from environments`;
afterAll(async () => {
  redis.disconnect();
  await sql.end();
});

const price = { id: 'p', event_type: 'work', asset: 'USD', model: 'unit', quantity: 'n', unit_amount: '1' };
await expectStatus(client.post('/v1/products', { id: 'work', name: 'work', default: true, prices: [price] }), 201);
await expectStatus(client.post('/v1/products/work/versions/1/publish'), 200);

const dayMs = 86_400_000;
const kinds = ['image', 'text'] as const;
const teams = ['red', 'blue'] as const;
const step = fc.record({
  n: fc.integer({ min: 1, max: 7 }),
  kind: fc.constantFrom(...kinds),
  team: fc.constantFrom(...teams),
  /** What becomes of it. */
  end: fc.constantFrom('charge', 'leave', 'release', 'settle all', 'settle some', 'extend'),
  mode: fc.constantFrom('strict', 'strict', 'up_to'),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
const world = fc.record({
  image: fc.integer({ min: 3, max: 12 }),
  any: fc.integer({ min: 3, max: 10 }),
  daily: fc.integer({ min: 1, max: 6 }),
  red: fc.integer({ min: 5, max: 25 }),
  all: fc.integer({ min: 10, max: 40 }),
  // What comes at once, and on which day.
  days: fc.array(fc.array(step, { minLength: 4, maxLength: 14 }), { minLength: 2, maxLength: 3 }),
});

/** How much was approved and not given back; a hold that is left open is settled at the end of its day. */
type Taken = { kept: number; open?: string };

async function take(customer_id: string, at: number, { n, kind, team, end, mode }: Step): Promise<Taken> {
  const by = clients[at % clients.length]!;
  const body = { customer_id, event_type: 'work', data: { n, kind }, labels: { team }, mode };
  const reply = await by.post(end === 'charge' ? '/v1/charge' : '/v1/authorize', body);
  if (reply.status === 402) {
    met.add(reply.body.code);
    return { kept: 0 };
  }
  if (reply.status !== 200) throw new Error(reply.text);
  const taken = Number(reply.body.amount);
  const path = `/v1/holds/${reply.body.id}`;
  switch (end) {
    case 'charge':
      return { kept: taken };
    case 'leave':
      return { kept: taken, open: path };
    case 'release':
      await expectStatus(by.post(`${path}/release`), 200);
      return { kept: 0 };
    case 'settle all':
    case 'settle some': {
      const spent = end === 'settle all' ? taken : Math.floor(taken / 2);
      await expectStatus(by.post(`${path}/settle`, { amount: String(spent) }), 200);
      return { kept: spent };
    }
    case 'extend': {
      const more = await by.post(`${path}/extend`, { amount: '2' });
      return { kept: more.status === 200 ? Number(more.body.amount) : taken, open: path };
    }
  }
}

let worlds = 0;
const met = new Set<string>();

test('what is approved and kept is never more than grants and hard budgets have, whatever came at once', async () => {
  await fc.assert(
    fc.asyncProperty(world, async ({ image, any, daily, red, all, days }) => {
      const id = await farebox.customer(`world_${(worlds += 1)}`);
      await farebox.grant(id, String(image), { scope: { dimensions: { kind: 'image' } } });
      await farebox.grant(id, String(any), { priority: 60 });
      const { effective_at } = await farebox.grant(id, String(daily), { recurrence: { each: 'day' } });
      const budget = { asset: 'USD', period: { unit: 'lifetime' }, enforcement: 'hard' };
      for (const [limit, match] of [
        [red, { labels: { team: 'red' } }],
        [all, {}],
      ] as const) {
        const terms = { ...budget, name: 'b', limit: String(limit), match };
        await expectStatus(client.post(`/v1/customers/${id}/budgets`, terms), 201);
      }
      const kept = { image: 0, text: 0, red: 0, blue: 0 };
      for (const [day, steps] of days.entries()) {
        if (day > 0) await moveTo(id, Date.parse(effective_at) + day * dayMs);
        const taken = await Promise.all(steps.map((one, at) => take(id, at, one)));
        for (const [at, { kind, team }] of steps.entries()) {
          kept[kind] += taken[at]!.kept;
          kept[team] += taken[at]!.kept;
        }
        // What a day's instance had left is gone with the day.
        const credit = any + daily * (day + 1);
        expect(kept.text).toBeLessThanOrEqual(credit);
        expect(kept.image + kept.text).toBeLessThanOrEqual(credit + image);
        expect(kept.red).toBeLessThanOrEqual(red);
        expect(kept.red + kept.blue).toBeLessThanOrEqual(all);
        const { accounts } = await farebox.walletOf(id);
        expect(accounts[0].overage).toBe('0');
        for (const { kept: amount, open } of taken) {
          if (open) await expectStatus(client.post(`${open}/settle`, { amount: String(amount) }), 200);
        }
        if (kept.red === red) met.add('red');
        if (kept.red + kept.blue === all) met.add('all');
      }
      const grants = (await client.get(`/v1/customers/${id}/grants?limit=100`)).body.data as any[];
      for (const { amount, remaining, held } of grants) {
        expect(Number(remaining)).toBeGreaterThanOrEqual(0);
        expect(Number(remaining) + Number(held)).toBeLessThanOrEqual(Number(amount));
      }
      await farebox.entriesOf(id);
    }),
    { numRuns: 12, seed: 11, endOnFailure: true },
  );
  // Each of them was what bound.
  expect([...met]).toEqual(expect.arrayContaining(['insufficient_balance', 'budget_exceeded', 'red', 'all']));
  await expectSound(sql);
}, 180_000);

function moveTo(customerId: string, toMs: number): Promise<void> {
  return moveClock(redis, addressOf(environmentId, customerId).partition, toMs);
}
