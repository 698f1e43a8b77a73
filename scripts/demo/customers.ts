// The demo's customers: a wallet each, filled so that some run dry, and filled again when they have been refused a few times. Their
// teams have budgets, of which some run dry as well.
import type { Farebox } from '../../src/sdk/farebox.ts';
import { inParallel } from './in-parallel.ts';
import { MODELS, type Catalog } from './catalog.ts';
import type { Post } from './post.ts';
import { ANSWER_TOKENS_MAX, answerTokens, ASSET, usd } from './prices.ts';
import type { Arrival } from './trace.ts';

export type DemoCustomer = {
  readonly id: string;
  granted: bigint;
  /** In a row, since the wallet was filled. */
  declines: number;
};

export const TEAMS = ['search', 'support', 'research'] as const;

/** Who asks, for which team, and what model. */
export type Asker = { readonly customer: DemoCustomer; readonly team: string; readonly model: string };

// So often a customer is refused before paying again.
const DECLINES_MAX = 5;
const SETUPS_AT_ONCE = 16;

export type Crowd = {
  readonly customers: readonly DemoCustomer[];
  /** The trace doesn't say, so the requests are dealt out, the same way in each run. */
  readonly askerOf: (request: number) => Asker;
  /** True when the customer was refused often enough, and paid. */
  readonly declined: (customer: DemoCustomer) => Promise<boolean>;
};

export type CrowdOptions = { readonly count: number; readonly run: string; readonly catalog: Catalog };

export async function createCrowd(
  gateway: Farebox,
  post: Post,
  arrivals: readonly Arrival[],
  { count, run, catalog }: CrowdOptions,
): Promise<Crowd> {
  const indexes = Array.from({ length: count }, (_, index) => index);
  const customers = indexes.map((index) => ({ id: `demo_${run}_${index}`, granted: 0n, declines: 0 }));
  const random = randomFrom(42);
  const askers = arrivals.map((): Asker => ({
    customer: customers[Math.floor(random() * count)] as DemoCustomer,
    team: TEAMS[Math.floor(random() * TEAMS.length)] as string,
    model: modelOf(random() * 100),
  }));

  const costOf = (tokens: (arrival: Arrival) => number) =>
    arrivals.map((arrival, i) => catalog.estimate(askers[i]!.model, arrival.promptTokens, tokens(arrival)));
  const share = costOf(answerTokens).reduce((total, cost) => total + cost, 0n) / BigInt(count);
  // Below the dearest hold nothing would ever be approved.
  const dearest = costOf(() => ANSWER_TOKENS_MAX).reduce(maxOf, 0n);

  await inParallel(SETUPS_AT_ONCE, indexes, async (index) => {
    const customer = customers[index];
    if (!customer) return;
    await gateway.customers.create({ id: customer.id, name: `Demo customer ${index}` });
    await post(`/v1/customers/${customer.id}/subscriptions`, { product_id: catalog.productId });
    // From a fifth to nearly twice of what it will need on average: about a third run dry.
    const credit = 2n * dearest + (share * BigInt(20 + ((index * 7) % 16) * 10)) / 100n;
    await fill(gateway, customer, credit, 'promotional');
    for (const [no, team] of TEAMS.entries()) {
      // From half to nearly twice of what a team will need on average.
      const limit = dearest + (share * BigInt(50 + (((index + no) * 5) % 16) * 10)) / (100n * BigInt(TEAMS.length));
      await post(`/v1/customers/${customer.id}/budgets`, {
        ...{ name: `Team ${team}`, asset: ASSET, limit: usd(limit), period: { unit: 'month' } },
        ...{ match: { labels: { team } }, enforcement: 'hard' },
      });
    }
  });

  return {
    customers,
    askerOf: (request) => askers[request] as Asker,
    declined: async (customer) => {
      customer.declines += 1;
      if (customer.declines < DECLINES_MAX) return false;
      customer.declines = 0;
      await fill(gateway, customer, 2n * dearest + share / 2n, 'paid');
      return true;
    },
  };
}

function modelOf(percent: number): string {
  let rest = percent;
  const found = MODELS.find(({ share }) => (rest -= share) < 0);
  return (found ?? MODELS[0]).name;
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
