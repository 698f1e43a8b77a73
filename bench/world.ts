// Who is in a benchmark: sets of funded customers, each with what its scenario is about.
//
// Each set has an environment of its own, so that one's catalog is no burden to another's requests.
import { customerOf } from './many-wallets.ts';

export type World = {
  name: string;
  customersCount: number;
  /** Each customer's credit, so much that no run uses it up. */
  grants: readonly string[];
  /** Every other customer has none. */
  isHalfFunded?: boolean;
  /** One customer is made through the API, and the others are written like it (many-wallets.ts). */
  isFilled?: boolean;
  /** Prices that match an event: one for input, output and cached tokens each. */
  matching: number;
  /** All prices of the catalog, those for other models included. */
  prices: number;
  /** Budgets that each request counts in. */
  budgets: number;
};

const funded = { customersCount: 1_000, grants: ['1000000'], matching: 0, prices: 0, budgets: 0 };

export const worlds = {
  plain: { ...funded, name: 'plain' },
  /** The usual way of an AI proxy: three prices, budgets for all, subject, team and both, promotional credit first. */
  priced: { ...funded, name: 'priced', grants: ['1000000', '1000000'], matching: 3, prices: 3, budgets: 4 },
  fewPrices: { ...funded, name: 'fewPrices', matching: 1, prices: 10 },
  manyPrices: { ...funded, name: 'manyPrices', matching: 1, prices: 10_000 },
  halfFunded: { ...funded, name: 'half', isHalfFunded: true },
  /** Takes all eight at once, until they come back. */
  eightGrants: { ...funded, name: 'eight', grants: Array<string>(8).fill('0.000001') },
  /** Nobody else's: each version of its wallets is known. */
  ledger: { ...funded, name: 'ledger' },
  ten: { ...funded, name: 'ten', customersCount: 10 },
  manyGrants: { ...funded, name: 'manyGrants', customersCount: 10, grants: Array<string>(1_000).fill('1000') },
  tenThousand: { ...funded, name: 'tenThousand', customersCount: 10_000, isFilled: true },
  hundredThousand: { ...funded, name: 'hundredThousand', customersCount: 100_000, isFilled: true },
  million: { ...funded, name: 'million', customersCount: 1_000_000, isFilled: true },
} as const satisfies Record<string, World>;

/** The id of one of a world's customers, by its number. */
export const customerIn = (world: World, no: number): string =>
  world.isFilled ? customerOf(no) : `${world.name}_${no}`;

/** An event that the prices of `matching` match. */
export const tokensEvent = {
  event_type: 'chat.completion',
  data: { model: 'model-0', input_tokens: 1_200, output_tokens: 400, cached_tokens: 800 },
};

const quantities = ['input_tokens', 'output_tokens', 'cached_tokens'];
const budgetMatches = [
  {},
  { subject: 'agent:planner' },
  { labels: { team: 'red' } },
  { subject: 'agent:planner', labels: { team: 'red' } },
];

/** What the others of a filled world are written like. */
export const modelId = 'model';

type Post = (path: string, body: unknown) => Promise<unknown>;

/** Make a world in the environment whose key `url` is called with. */
export async function prepare(world: World, url: string, key: string): Promise<void> {
  const post: Post = async (path, body) => {
    const reply = await fetch(`${url}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!reply.ok) throw new Error(`${path}: ${reply.status} ${await reply.text()}`);
    return reply.json();
  };
  if (world.prices > 0) {
    await post('/v1/products', { id: 'tokens', name: 'Tokens', default: true, prices: pricesOf(world) });
    await post('/v1/products/tokens/versions/1/publish', {});
  }
  if (world.isFilled) return prepareCustomer(world, { id: modelId, isFunded: true }, post);
  for (let from = 0; from < world.customersCount; from += 32) {
    const nos = Array.from({ length: Math.min(32, world.customersCount - from) }, (_, i) => from + i);
    const customers = nos.map((no) => ({ id: customerIn(world, no), isFunded: !world.isHalfFunded || no % 2 === 0 }));
    await Promise.all(customers.map((customer) => prepareCustomer(world, customer, post)));
  }
}

async function prepareCustomer(world: World, { id, isFunded }: { id: string; isFunded: boolean }, post: Post) {
  await post('/v1/customers', { id });
  for (const amount of isFunded ? world.grants : []) {
    await post(`/v1/customers/${id}/grants`, { asset: 'USD', amount, purpose: 'paid' });
  }
  for (const match of budgetMatches.slice(0, world.budgets)) {
    await post(`/v1/customers/${id}/budgets`, {
      name: JSON.stringify(match),
      asset: 'USD',
      limit: '1000000',
      period: { unit: 'month', time_zone: 'Europe/Berlin' },
      match,
      enforcement: 'hard',
    });
  }
}

/** Those that match `tokensEvent`, then the same for other models. */
function pricesOf(world: World): object[] {
  return Array.from({ length: world.prices }, (_, i) => {
    const model = Math.floor(i / world.matching);
    const quantity = quantities[i % world.matching]!;
    return {
      id: `p${i}`,
      event_type: tokensEvent.event_type,
      asset: 'USD',
      dimensions: { model: `model-${model}` },
      model: 'unit',
      quantity,
      unit_amount: '0.0000125',
      per: 1_000,
    };
  });
}
