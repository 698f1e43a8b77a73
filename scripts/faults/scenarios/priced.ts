// Events that the catalog prices, in one asset and in two, under budgets; and prices that are published anew while they come.
import { setTimeout as sleep } from 'node:timers/promises';
import { waitUntil } from '../../stores/process.ts';
import { walletKey, walletOf } from '../../../src/wallet/keys.ts';
import { budgetsOf, pricesOf, product, storeBudgets, type Pricing } from '../pricing.ts';
import type { Scenario } from '../scenario.ts';
import type { World } from '../world.ts';

const publishesPerRound = 8;
const carriedBoundMs = 30_000;

export const priced: Scenario = {
  name: 'priced',
  fault: 'prices published anew while events come, under budgets, in several assets',
  mustHold: '0 lost, 0 twice; each event at a price of its time, all assets or none, no hard budget exceeded',
  isCalm: true,
  prepare: async (world, customers) => {
    const pricing: Pricing = {
      published: [],
      budgetsOf: (customerId) => budgetsOf(customers.indexOf(customerId)),
    };
    await publish(world, pricing);
    for (const customerId of customers) {
      await storeBudgets(world.sql, world.environmentId, customerId, pricing.budgetsOf(customerId));
    }
    const carry = customers.map((customerId) => walletKey(walletOf(world.environmentId, customerId)));
    const isCarried = async () =>
      (await Promise.all(carry.map((key) => world.redis.hget(key, 'x')))).every((text) => text?.includes('bud_'));
    if (!(await waitUntil(isCarried, carriedBoundMs, 50))) throw new Error('the wallets do not carry their budgets');
    return pricing;
  },
  inject: async ({ world, random, count, pricing }, rounds) => {
    if (!pricing) throw new Error('this scenario needs prices');
    for (let round = 0; round < publishesPerRound * rounds; round += 1) {
      await sleep(random.between(300, 1_500));
      await publish(world, pricing);
      count('versions published');
    }
    await sleep(1_000);
  },
};

/** A gateway after the other: the others learn of it from Redis. */
async function publish({ gateways }: World, { published }: Pricing): Promise<void> {
  const version = published.length + 1;
  const gateway = gateways[version % gateways.length]!.client;
  const prices = pricesOf(version);
  const terms = { id: product, name: product, default: true, prices };
  const draft =
    version === 1
      ? await gateway.post('/v1/products', terms)
      : await gateway.post(`/v1/products/${product}/versions`, { prices });
  if (draft.body['version'] !== version) throw new Error(`no version ${version}: ${JSON.stringify(draft)}`);
  const entry = { version, begunMs: performance.now(), doneMs: Infinity };
  published.push(entry);
  const done = await gateway.post(`/v1/products/${product}/versions/${version}/publish`, {});
  if (done.status !== 200) throw new Error(`version ${version} is not published: ${JSON.stringify(done)}`);
  entry.doneMs = performance.now();
}
