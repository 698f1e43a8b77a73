// Event data for the use of a model's tokens: one shape, whoever the provider is.
//
// Its counts are disjoint: every token is in exactly one, so that several prices on one event never charge a token twice, and
// one that `farebox prices import` made leaves none out. All are always there, zeros included, for a price whose field is
// missing refuses the event.

export type TokenUsage = {
  /** As the prices name it; providers answer with a dated one. */
  readonly model: string;
  /** Read, and neither from a cache nor into one. */
  readonly input_tokens: number;
  /** Read from the provider's cache. */
  readonly cache_read_tokens: number;
  /** Read, and written into the cache for its usual time. */
  readonly cache_write_tokens: number;
  /** Read, and written into the cache for an hour (Anthropic). */
  readonly cache_write_1h_tokens: number;
  /** Generated, thinking included. */
  readonly output_tokens: number;
  /** How much was read in all: where that decides which price a call has. */
  readonly context: ContextSize;
};

/** By the bounds at which providers change their prices: 200,000 and 272,000 tokens, each inclusive. */
export type ContextSize = 'up_to_200k' | 'up_to_272k' | 'over_272k';

/** What is not said is zero, but for the model. */
export type TokenCounts = { readonly model: string } & { readonly [count in Count]?: number | undefined };

type Count = Exclude<keyof TokenUsage, 'model' | 'context'>;

/**
 * Event data from counts of one's own: before a call, `tokenUsage({ model: 'gpt-5', input_tokens: 1200, output_tokens: 4096 })`
 * with the most that it may generate. Throws a TypeError for what is no whole number from 0.
 */
export function tokenUsage(counts: TokenCounts): TokenUsage {
  if (typeof counts.model !== 'string' || counts.model === '') throw new TypeError('token usage: model is missing');
  const count = (name: Count): number => wholeCount(counts[name] ?? 0, `token usage: ${name}`);
  const usage = {
    model: counts.model,
    input_tokens: count('input_tokens'),
    cache_read_tokens: count('cache_read_tokens'),
    cache_write_tokens: count('cache_write_tokens'),
    cache_write_1h_tokens: count('cache_write_1h_tokens'),
    output_tokens: count('output_tokens'),
  };
  const { input_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens } = usage;
  return {
    ...usage,
    context: contextSize(input_tokens + cache_read_tokens + cache_write_tokens + cache_write_1h_tokens),
  };
}

function contextSize(tokens: number): ContextSize {
  if (tokens <= 200_000) return 'up_to_200k';
  return tokens <= 272_000 ? 'up_to_272k' : 'over_272k';
}

/** A count as a provider gives it; `what` names it in the error. */
export function wholeCount(value: unknown, what: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  const got = value === undefined ? 'missing' : `${JSON.stringify(value) ?? typeof value}, not a whole number from 0`;
  throw new TypeError(`${what} is ${got}`);
}
