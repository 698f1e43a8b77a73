// Providers' usage objects → event data, each token counted once.
//
// They count differently. Cached tokens are part of OpenAI's and Google's input and come beside Anthropic's; thinking is part of
// OpenAI's and Anthropic's output and comes beside Google's (and beside xAI's, which otherwise answers as OpenAI does).
//
// A usage that is missing, partial or contradicts itself is a TypeError, for a count that is taken as zero is work given away.
// A count that is absent is zero only where the provider leaves it out, and, where it gives a total, the total agrees.
import { tokenUsage, type TokenUsage, wholeCount } from './token-usage.ts';

/**
 * From the `usage` of OpenAI's chat completions, responses or embeddings, or of those who answer in their shape:
 * `usageFromOpenAI('gpt-5', reply.usage)`. Source: https://platform.openai.com/docs/api-reference (`usage`: cached tokens are
 * details of the input, reasoning tokens of the output); https://docs.x.ai/docs/key-information/consumption-and-rate-limits
 * (reasoning tokens count apart from completion tokens, and in the total).
 */
export function usageFromOpenAI(model: string, usage: unknown): TokenUsage {
  const all = objectOf(usage, 'OpenAI usage', 'a stream has it where the request says stream_options.include_usage');
  const [input, output] =
    'prompt_tokens' in all ? ['prompt_tokens', 'completion_tokens'] : ['input_tokens', 'output_tokens'];
  if ('cache_read_input_tokens' in all && !('total_tokens' in all)) {
    throw new TypeError('OpenAI usage: this is Anthropic’s, see usageFromAnthropic');
  }
  const count = counter(all, 'OpenAI usage');
  const ofInput = counter(optionalObject(all, `${input}_details`), `OpenAI usage: ${input}_details`);
  const ofOutput = counter(optionalObject(all, `${output}_details`), `OpenAI usage: ${output}_details`);

  const inputTokens = count(input);
  const cacheReadTokens = ofInput('cached_tokens', 0);
  const cacheWriteTokens = ofInput('cache_write_tokens', 0);
  const outputTokens = count(output, 0);
  const besideOutput = ofOutput('reasoning_tokens', 0);
  const totalTokens = count('total_tokens');
  const shownTokens = inputTokens + outputTokens;
  if (totalTokens !== shownTokens && totalTokens !== shownTokens + besideOutput) {
    throw contradiction('OpenAI usage', `total_tokens is ${totalTokens}, and its parts are ${shownTokens}`);
  }
  return tokenUsage({
    model,
    input_tokens: without(inputTokens, cacheReadTokens + cacheWriteTokens, 'OpenAI usage', input),
    cache_read_tokens: cacheReadTokens,
    cache_write_tokens: cacheWriteTokens,
    output_tokens: totalTokens - inputTokens,
  });
}

/**
 * From the `usage` of Anthropic's messages; of a stream, `message_start`'s with `message_delta`'s over it. Tools that Anthropic
 * runs (`server_tool_use`) are not tokens. Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching (all
 * that was read is `cache_read_input_tokens + cache_creation_input_tokens + input_tokens`; `cache_creation` splits the second
 * by how long it is kept).
 */
export function usageFromAnthropic(model: string, usage: unknown): TokenUsage {
  const all = objectOf(usage, 'Anthropic usage', 'a stream begins it in message_start and ends it in message_delta');
  if ('input_tokens_details' in all || 'prompt_tokens' in all) {
    throw new TypeError('Anthropic usage: this is OpenAI’s, see usageFromOpenAI');
  }
  const count = counter(all, 'Anthropic usage');
  const writtenTokens = count('cache_creation_input_tokens', 0);
  const split = optionalObject(all, 'cache_creation');
  const ofWritten = counter(split, 'Anthropic usage: cache_creation');
  const hourTokens = ofWritten('ephemeral_1h_input_tokens', 0);
  const minutesTokens = split === undefined ? writtenTokens : ofWritten('ephemeral_5m_input_tokens', 0);
  if (minutesTokens + hourTokens !== writtenTokens) {
    const parts = `cache_creation is ${minutesTokens} and ${hourTokens}`;
    throw contradiction('Anthropic usage', `cache_creation_input_tokens is ${writtenTokens}, and ${parts}`);
  }
  return tokenUsage({
    model,
    input_tokens: count('input_tokens'),
    cache_read_tokens: count('cache_read_input_tokens', 0),
    cache_write_tokens: minutesTokens,
    cache_write_1h_tokens: hourTokens,
    output_tokens: count('output_tokens'),
  });
}

/**
 * From the `usageMetadata` of Gemini, of a stream the last one. It leaves out counts that are zero, so that the total decides
 * whether all are there. Source: https://ai.google.dev/api/generate-content#UsageMetadata (the prompt's count includes cached
 * content; thoughts and what tools put into the prompt are counts of their own).
 */
export function usageFromGoogle(model: string, usage: unknown): TokenUsage {
  const all = objectOf(usage, 'Google usage', 'pass usageMetadata; a stream has all of it in its last chunk');
  const count = counter(all, 'Google usage');
  const promptTokens = count('promptTokenCount');
  const cachedTokens = count('cachedContentTokenCount', 0);
  const toolTokens = count('toolUsePromptTokenCount', 0);
  // The Live API calls candidates responses.
  const answerTokens = count('responseTokenCount' in all ? 'responseTokenCount' : 'candidatesTokenCount', 0);
  const outputTokens = answerTokens + count('thoughtsTokenCount', 0);
  const totalTokens = count('totalTokenCount');
  // The total of some versions is without what tools put into the prompt.
  const partsTokens = promptTokens + outputTokens;
  if (totalTokens !== partsTokens + toolTokens && totalTokens !== partsTokens) {
    throw contradiction(
      'Google usage',
      `totalTokenCount is ${totalTokens}, and its parts are ${partsTokens + toolTokens}`,
    );
  }
  return tokenUsage({
    model,
    input_tokens: without(promptTokens, cachedTokens, 'Google usage', 'promptTokenCount') + toolTokens,
    cache_read_tokens: cachedTokens,
    output_tokens: outputTokens,
  });
}

type Fields = { readonly [name: string]: unknown };

function objectOf(value: unknown, what: string, hint: string): Fields {
  if (isFields(value)) return value;
  const got = value === undefined || value === null ? 'missing' : 'not an object';
  throw new TypeError(`${what} is ${got}: ${hint}`);
}

function optionalObject(all: Fields, name: string): Fields | undefined {
  const value = all[name] ?? undefined;
  if (value !== undefined && !isFields(value))
    throw new TypeError(`${name} is ${JSON.stringify(value)}, not an object`);
  return value;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Reads counts; one without `absent` must be there. Providers write null for it, too. */
function counter(all: Fields | undefined, what: string): (name: string, absent?: number) => number {
  return (name, absent) => wholeCount(all?.[name] ?? absent, `${what}: ${name}`);
}

function without(all: number, part: number, what: string, name: string): number {
  if (part <= all) return all - part;
  throw contradiction(what, `${name} is ${all}, and ${part} of it are from or into the cache`);
}

function contradiction(what: string, which: string): TypeError {
  return new TypeError(`${what} contradicts itself: ${which}`);
}
