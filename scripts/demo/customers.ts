// The demo's customers: a wallet each, filled so that some run dry, and filled again when they have been refused a few times.
import { randomBytes } from 'node:crypto';
import type { Farebox } from '../../src/sdk/farebox.ts';
import { inParallel } from './in-parallel.ts';
import { ASSET, nanos, priceAtMost, priceInFact, usd } from './prices.ts';
import type { Arrival } from './trace.ts';

export type DemoCustomer = {
  readonly id: string;
  granted: bigint;
  /** In a row, since the wallet was filled. */
  declines: number;
};

// So often a customer is refused before paying again.
const DECLINES_MAX = 5;
const SETUPS_AT_ONCE = 16;

export type Crowd = {
  readonly customers: readonly DemoCustomer[];
  /** Who asks: the trace doesn't say, so the requests are dealt out, the same way in each run. */
  readonly askerOf: (request: number) => DemoCustomer;
  /** True when the customer was refused often enough, and paid. */
  readonly declined: (customer: DemoCustomer) => Promise<boolean>;
};

export async function createCrowd(gateway: Farebox, arrivals: readonly Arrival[], count: number): Promise<Crowd> {
  const cost = arrivals.reduce((total, arrival) => total + nanos(priceInFact(arrival)), 0n);
  const share = cost / BigInt(count);
  // Below the dearest hold nothing would ever be approved.
  const dearest = arrivals.reduce((most, arrival) => maxOf(most, nanos(priceAtMost(arrival))), 0n);
  const run = randomBytes(4).toString('hex');
  const indexes = Array.from({ length: count }, (_, index) => index);
  const customers = indexes.map((index) => ({ id: `demo_${run}_${index}`, granted: 0n, declines: 0 }));

  await inParallel(SETUPS_AT_ONCE, indexes, async (index) => {
    const customer = customers[index];
    if (!customer) return;
    await gateway.customers.create({ id: customer.id, name: `Demo customer ${index}` });
    // From a fifth to nearly twice of what it will need on average: about a third run dry.
    const credit = 2n * dearest + (share * BigInt(20 + ((index * 7) % 16) * 10)) / 100n;
    await fill(gateway, customer, credit, 'promotional');
  });

  const random = randomFrom(42);
  const askers = arrivals.map(() => customers[Math.floor(random() * count)] as DemoCustomer);
  return {
    customers,
    askerOf: (request) => askers[request] as DemoCustomer,
    declined: async (customer) => {
      customer.declines += 1;
      if (customer.declines < DECLINES_MAX) return false;
      customer.declines = 0;
      await fill(gateway, customer, 2n * dearest + share / 2n, 'paid');
      return true;
    },
  };
}

async function fill(
  gateway: Farebox,
  customer: DemoCustomer,
  amount: bigint,
  purpose: 'promotional' | 'paid',
): Promise<void> {
  await gateway.grants.create(customer.id, { asset: ASSET, amount: usd(amount), purpose });
  customer.granted += amount;
}

function maxOf(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

// mulberry32: small, and the same numbers in every run.
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
