// The demo's prices: what models really cost, taken from data/model-prices.json as `farebox prices import` takes them, and
// published as a product of the demo's own, to which its customers are subscribed.
import { readFileSync } from 'node:fs';
import type { UnitPrice } from '../../src/contract.ts';
import { readModelList } from '../../src/pricing/model-list.ts';
import { modelPrices } from '../../src/pricing/model-prices.ts';
import { advice } from '../stores/advice.ts';
import type { Post } from './post.ts';
import { nanos } from './prices.ts';

export const EVENT_TYPE = 'chat.completion';

/** What is asked for, and how often among a hundred requests. */
export const MODELS = [
  { name: 'gpt-5-mini', share: 35 },
  { name: 'gemini-2.5-flash', share: 25 },
  { name: 'claude-haiku-4-5', share: 20 },
  { name: 'gpt-5', share: 12 },
  { name: 'claude-sonnet-4-5', share: 8 },
] as const;

export type Catalog = {
  readonly productId: string;
  /** About: of a call whose context is small, to fill wallets by; Farebox does the pricing. */
  readonly estimate: (model: string, inputTokens: number, outputTokens: number) => bigint;
};

export async function publishPrices(post: Post, run: string): Promise<Catalog> {
  const list = readModelList(JSON.parse(readFileSync('data/model-prices.json', 'utf8')) as unknown);
  if (list.status === 'no_list') throw advice(`data/model-prices.json ${list.message}`);
  const made = modelPrices(list, {
    providers: ['openai', 'anthropic', 'google'],
    models: MODELS.map(({ name }) => name),
    markup: '1.2',
    eventType: EVENT_TYPE,
    isByProvider: false,
    isFreeAllowed: false,
  });
  if (made.status === 'refused') throw advice(`no prices: ${made.flaws.map(({ message }) => message).join('; ')}`);
  const productId = `demo_models_${run}`;
  await post('/v1/products', { id: productId, name: 'Models', prices: made.prices });
  await post(`/v1/products/${productId}/versions/1/publish`, {});
  return { productId, estimate: estimator(made.prices) };
}

function estimator(prices: readonly UnitPrice[]): Catalog['estimate'] {
  const rateOf = (model: string, quantity: string): bigint => {
    const fits = (price: UnitPrice) => price.dimensions?.['model'] === model && price.quantity === quantity;
    const found =
      prices.find((price) => fits(price) && price.dimensions?.['context'] !== undefined) ?? prices.find(fits);
    if (!found) throw advice(`no price for ${quantity} of ${model}`);
    return nanos(found.unit_amount.slice(0, found.unit_amount.indexOf('.') + 10));
  };
  const rates = new Map(
    MODELS.map(({ name }) => [
      name as string,
      { input: rateOf(name, 'input_tokens'), output: rateOf(name, 'output_tokens') },
    ]),
  );
  return (model, inputTokens, outputTokens) => {
    const { input, output } = rates.get(model)!;
    return (input * BigInt(inputTokens) + output * BigInt(outputTokens)) / 1_000_000n + 1n;
  };
}
