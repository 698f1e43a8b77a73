// `farebox prices migrate` and `farebox events rate`: what the API's routes do, to their end, from the shell.
import { expect, test } from 'vitest';
import { runMigrateCustomers } from '../src/run/migrate-customers.ts';
import { runRateEvents } from '../src/run/rate-events.ts';
import { startContract } from './contract.client.ts';
import { expectStatus } from './farebox.ts';

const farebox = await startContract();
const { client, config } = farebox;

async function told(run: typeof runMigrateCustomers, ...args: string[]) {
  const lines: string[] = [];
  const problem = await run(config, args, (line) => void lines.push(line));
  return { problem, lines };
}

const priceOf = (event_type: string, unit_amount: string) => ({
  ...{ id: 'p', event_type, asset: 'USD', model: 'unit', quantity: 'n', unit_amount },
});

async function publish(id: string, more: object, ...amounts: string[]): Promise<void> {
  for (const [i, amount] of amounts.entries()) {
    const prices = [priceOf(id, amount)];
    if (i === 0) await expectStatus(client.post('/v1/products', { id, name: id, prices, ...more }), 201);
    else await expectStatus(client.post(`/v1/products/${id}/versions`, { prices }), 201);
    await expectStatus(client.post(`/v1/products/${id}/versions/${i + 1}/publish`), 200);
  }
}

test('all customers of a version are moved, page after page, after a dry run that moves nobody', async () => {
  await publish('plan', {}, '2', '3');
  const spend = { event_type: 'plan', data: { n: 1 } };
  const ids = Array.from({ length: 103 }, (_, i) => `c${String(i).padStart(3, '0')}`);
  const subscribe = async (id: string) => {
    await farebox.customer(id);
    await expectStatus(client.post(`/v1/customers/${id}/subscriptions`, { product_id: 'plan', version: 1 }), 201);
  };
  await Promise.all(ids.map(subscribe));
  for (const id of [ids[0]!, ids[102]!]) {
    await farebox.grant(id, '10');
    await expectStatus(client.post('/v1/charge', { customer_id: id, ...spend }), 200);
    await farebox.entriesOf(id);
  }
  const versions = ['plan', '--from', '1', '--to', '2'];
  const dry = await told(runMigrateCustomers, ...versions, '--dry-run');
  expect(dry.problem).toBeUndefined();
  const bill = '2 → 3 USD (+1)';
  expect(dry.lines).toEqual([
    ...ids.map((id, i) => `${id}: ${i === 0 || i === 102 ? bill : 'no events'}`),
    '103 customers are on version 1; nobody was moved',
  ]);
  expect((await client.post('/v1/charge', { customer_id: ids[0], ...spend })).body.amount).toBe('2');
  expect(await told(runMigrateCustomers, ...versions)).toEqual({
    problem: undefined,
    lines: ['100 moved, 3 left', '103 moved, 0 left'],
  });
  expect((await client.post('/v1/charge', { customer_id: ids[0], ...spend })).body.amount).toBe('3');
  expect((await told(runMigrateCustomers, ...versions)).lines).toEqual(['0 moved, 0 left']);
}, 60_000);

test('events without a price are charged once there is one, to the last', async () => {
  const id = await farebox.customer('later', '100');
  const poor = await farebox.customer('poor');
  const event = (i: number, customer_id = id) => ({ id: `e${i}`, customer_id, event_type: 'later', data: { n: 1 } });
  const events = [...Array.from({ length: 99 }, (_, i) => event(i)), event(0, poor)];
  await expectStatus(client.post('/v1/events', { events }), 200);
  await expectStatus(client.post('/v1/events', { events: [event(99), event(100), event(101)] }), 200);
  const unpriced = await told(runRateEvents, 'rate', '--customer', poor);
  expect(unpriced).toEqual({ problem: undefined, lines: ['poor e0: no_price', '1 unpriced'] });
  await publish('later', { default: true }, '0.5');
  const { problem, lines } = await told(runRateEvents, 'rate');
  expect(problem).toBeUndefined();
  expect(lines[0]).toBe('poor e0: insufficient_balance');
  expect(lines.slice(1).map((line) => line.split(', ').toSorted())).toEqual([['1 declined', '102 charged']]);
  expect(await farebox.walletOf(id)).toMatchObject({ accounts: [{ available: '49' }] });
  await farebox.grant(poor, '1');
  expect((await told(runRateEvents, 'rate')).lines).toEqual(['1 charged']);
  expect((await told(runRateEvents, 'rate')).lines).toEqual(['no event is unpriced']);
});

test.each<[typeof runMigrateCustomers, string[], RegExp]>([
  [runMigrateCustomers, [], /^use: farebox prices migrate/],
  [runMigrateCustomers, ['plan', '--from', '1'], /^use: farebox prices migrate/],
  [runMigrateCustomers, ['plan', '--from', '1', '--to', 'two'], /^use: farebox prices migrate/],
  [runMigrateCustomers, ['plan', '--from', '1', '--to', '1'], /on version 1 already/],
  [runMigrateCustomers, ['nothing', '--from', '1', '--to', '2'], /no such product/],
  [runMigrateCustomers, ['plan', '--from', '1', '--to', '9', '--dry-run'], /no version 9/],
  [runMigrateCustomers, ['plan', '--from', '1', '--to', '2', '--environment', 'env_0'], /no environment env_0/],
  [runRateEvents, [], /^use: farebox events rate/],
  [runRateEvents, ['list'], /^use: farebox events rate/],
  [runRateEvents, ['rate', '--customer', '?'], /.+/],
])('%o %j says what is wrong', async (run, args, problem) => {
  expect((await told(run, ...args)).problem).toMatch(problem);
});
