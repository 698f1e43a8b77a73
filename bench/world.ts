// Who is in a benchmark: sets of funded customers, each with what its scenario is about.
//
// Each set has an environment of its own, so that one's catalog is no burden to another's requests.

export type World = {
  name: string;
  customersCount: number;
  /** Each customer's credit, so much that no run uses it up. */
  grants: string[];
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
  fewPrices: { ...funded, name: 'few', matching: 1, prices: 10 },
  manyPrices: { ...funded, name: 'many', matching: 1, prices: 10_000 },
} as const satisfies Record<string, World>;

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
  for (let from = 0; from < world.customersCount; from += 32) {
    const count = Math.min(32, world.customersCount - from);
    await Promise.all(
      Array.from({ length: count }, (_, i) => prepareCustomer(world, `${world.name}_${from + i}`, post)),
    );
  }
}

async function prepareCustomer(world: World, id: string, post: Post): Promise<void> {
  await post('/v1/customers', { id });
  for (const amount of world.grants) {
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
