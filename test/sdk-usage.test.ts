// Providers' usage objects, as they come, become one shape in which every token is counted once; garbage is refused.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { tokenUsage, usageFromAnthropic, usageFromGoogle, usageFromOpenAI } from '../src/sdk/farebox.ts';

const model = 'm';
const none = { cache_read_tokens: 0, cache_write_tokens: 0, cache_write_1h_tokens: 0 };

describe('OpenAI', () => {
  test.each([
    [
      'chat completions: cached tokens are part of the prompt, reasoning of the completion',
      {
        prompt_tokens: 2006,
        completion_tokens: 300,
        total_tokens: 2306,
        prompt_tokens_details: { cached_tokens: 1920, audio_tokens: 0 },
        completion_tokens_details: {
          reasoning_tokens: 256,
          audio_tokens: 0,
          accepted_prediction_tokens: 0,
          rejected_prediction_tokens: 0,
        },
      },
      { input_tokens: 86, cache_read_tokens: 1920, output_tokens: 300 },
    ],
    [
      'responses',
      {
        input_tokens: 12033,
        input_tokens_details: { cached_tokens: 11904 },
        output_tokens: 44,
        output_tokens_details: { reasoning_tokens: 0 },
        total_tokens: 12077,
      },
      { input_tokens: 129, cache_read_tokens: 11904, output_tokens: 44 },
    ],
    [
      'tokens written into the cache',
      {
        prompt_tokens: 194,
        prompt_tokens_details: { cached_tokens: 20, cache_write_tokens: 100 },
        completion_tokens: 2,
        total_tokens: 196,
      },
      { input_tokens: 74, cache_read_tokens: 20, cache_write_tokens: 100, output_tokens: 2 },
    ],
    [
      'no details, as with many who answer in this shape',
      { prompt_tokens: 9, completion_tokens: 12, total_tokens: 21, prompt_tokens_details: null },
      { input_tokens: 9, output_tokens: 12 },
    ],
    ['embeddings', { prompt_tokens: 8, total_tokens: 8 }, { input_tokens: 8, output_tokens: 0 }],
    [
      'xAI: reasoning is beside the completion, and in the total',
      {
        prompt_tokens: 32,
        completion_tokens: 9,
        total_tokens: 135,
        prompt_tokens_details: { text_tokens: 32, audio_tokens: 0, image_tokens: 0, cached_tokens: 6 },
        completion_tokens_details: { reasoning_tokens: 94, audio_tokens: 0 },
        num_sources_used: 0,
      },
      { input_tokens: 26, cache_read_tokens: 6, output_tokens: 103 },
    ],
  ])('%s', (_, usage, expected) => {
    expect(usageFromOpenAI(model, usage)).toEqual({ model, context: 'up_to_200k', ...none, ...expected });
  });

  test.each([
    [null, 'OpenAI usage is missing: a stream has it where the request says stream_options.include_usage'],
    [undefined, 'is missing'],
    [[], 'is not an object'],
    [{}, 'input_tokens is missing'],
    [{ prompt_tokens: 9, completion_tokens: 12 }, 'total_tokens is missing'],
    [{ prompt_tokens: null, completion_tokens: 12, total_tokens: 12 }, 'prompt_tokens is missing'],
    [{ prompt_tokens: 9, total_tokens: 21 }, 'total_tokens is 21, and its parts are 9'],
    [{ prompt_tokens: '9', completion_tokens: 12, total_tokens: 21 }, 'prompt_tokens is "9", not a whole number'],
    [{ prompt_tokens: 9, completion_tokens: -1, total_tokens: 8 }, 'completion_tokens is -1'],
    [{ prompt_tokens: 9.5, completion_tokens: 1, total_tokens: 10.5 }, 'prompt_tokens is 9.5'],
    [{ prompt_tokens: 2 ** 53, completion_tokens: 0, total_tokens: 2 ** 53 }, 'prompt_tokens is 9007199254740992'],
    [
      { prompt_tokens: 9, completion_tokens: 1, total_tokens: 10, prompt_tokens_details: { cached_tokens: 10 } },
      'prompt_tokens is 9, and 10 of it',
    ],
    [{ prompt_tokens: 9, completion_tokens: 1, total_tokens: 10, prompt_tokens_details: 3 }, 'not an object'],
    [{ input_tokens: 9, output_tokens: 1, cache_read_input_tokens: 0 }, 'this is Anthropic’s'],
  ])('%j is refused: %s', (usage, message) => {
    expect(() => usageFromOpenAI(model, usage)).toThrow(message);
  });
});

describe('Anthropic', () => {
  test.each([
    [
      'cached tokens come beside the input',
      {
        input_tokens: 1,
        output_tokens: 67,
        cache_creation_input_tokens: 287,
        cache_read_input_tokens: 30433,
        service_tier: 'standard',
      },
      { input_tokens: 1, cache_read_tokens: 30433, cache_write_tokens: 287, output_tokens: 67 },
    ],
    [
      'what is kept for an hour is told apart',
      {
        input_tokens: 2048,
        cache_read_input_tokens: 1800,
        cache_creation_input_tokens: 248,
        output_tokens: 503,
        cache_creation: { ephemeral_5m_input_tokens: 148, ephemeral_1h_input_tokens: 100 },
        server_tool_use: { web_search_requests: 1 },
      },
      {
        input_tokens: 2048,
        cache_read_tokens: 1800,
        cache_write_tokens: 148,
        cache_write_1h_tokens: 100,
        output_tokens: 503,
      },
    ],
    [
      'no cache',
      { input_tokens: 12, output_tokens: 6, cache_creation_input_tokens: null, cache_read_input_tokens: null },
      { input_tokens: 12, output_tokens: 6 },
    ],
  ])('%s', (_, usage, expected) => {
    expect(usageFromAnthropic(model, usage)).toEqual({ model, context: 'up_to_200k', ...none, ...expected });
  });

  test.each([
    [undefined, 'Anthropic usage is missing: a stream begins it in message_start'],
    [{ output_tokens: 15 }, 'input_tokens is missing'],
    [{ input_tokens: 15 }, 'output_tokens is missing'],
    [{ input_tokens: 1, output_tokens: 1, cache_read_input_tokens: 'many' }, 'cache_read_input_tokens is "many"'],
    [
      {
        input_tokens: 1,
        output_tokens: 1,
        cache_creation_input_tokens: 10,
        cache_creation: { ephemeral_5m_input_tokens: 3, ephemeral_1h_input_tokens: 4 },
      },
      'cache_creation_input_tokens is 10, and cache_creation is 3 and 4',
    ],
    [{ input_tokens: 9, input_tokens_details: { cached_tokens: 5 }, output_tokens: 1, total_tokens: 10 }, 'OpenAI’s'],
    [{ prompt_tokens: 9, completion_tokens: 1, total_tokens: 10 }, 'OpenAI’s'],
  ])('%j is refused: %s', (usage, message) => {
    expect(() => usageFromAnthropic(model, usage)).toThrow(message);
  });
});

describe('Google', () => {
  test.each([
    [
      'cached content is part of the prompt, thoughts come beside the candidates',
      {
        promptTokenCount: 5000,
        cachedContentTokenCount: 4096,
        candidatesTokenCount: 120,
        thoughtsTokenCount: 800,
        totalTokenCount: 5920,
        promptTokensDetails: [{ modality: 'TEXT', tokenCount: 5000 }],
      },
      { input_tokens: 904, cache_read_tokens: 4096, output_tokens: 920 },
    ],
    [
      'what tools put into the prompt is input',
      { promptTokenCount: 50, toolUsePromptTokenCount: 300, candidatesTokenCount: 20, totalTokenCount: 370 },
      { input_tokens: 350, output_tokens: 20 },
    ],
    [
      'also where the total is without it',
      { promptTokenCount: 50, toolUsePromptTokenCount: 300, candidatesTokenCount: 20, totalTokenCount: 70 },
      { input_tokens: 350, output_tokens: 20 },
    ],
    [
      'nothing but thoughts: zero is left out',
      { promptTokenCount: 7, thoughtsTokenCount: 93, totalTokenCount: 100 },
      { input_tokens: 7, output_tokens: 93 },
    ],
    [
      'the Live API',
      { promptTokenCount: 100, responseTokenCount: 50, totalTokenCount: 150 },
      { input_tokens: 100, output_tokens: 50 },
    ],
  ])('%s', (_, usage, expected) => {
    expect(usageFromGoogle(model, usage)).toEqual({ model, context: 'up_to_200k', ...none, ...expected });
  });

  test.each([
    [undefined, 'Google usage is missing: pass usageMetadata'],
    [{ candidatesTokenCount: 20, totalTokenCount: 20 }, 'promptTokenCount is missing'],
    [{ promptTokenCount: 7, candidatesTokenCount: 20 }, 'totalTokenCount is missing'],
    [{ promptTokenCount: 7, totalTokenCount: 100 }, 'totalTokenCount is 100, and its parts are 7'],
    [{ promptTokenCount: 7, cachedContentTokenCount: 8, totalTokenCount: 7 }, '8 of it'],
    [{ usageMetadata: { promptTokenCount: 7 } }, 'promptTokenCount is missing'],
  ])('%j is refused: %s', (usage, message) => {
    expect(() => usageFromGoogle(model, usage)).toThrow(message);
  });
});

test('no token is lost or counted twice: the parts are the provider’s own total', () => {
  const count = fc.nat(400_000);
  const total = (usage: ReturnType<typeof tokenUsage>) =>
    usage.input_tokens +
    usage.cache_read_tokens +
    usage.cache_write_tokens +
    usage.cache_write_1h_tokens +
    usage.output_tokens;
  fc.assert(
    fc.property(count, count, count, count, count, (fresh, read, write, hour, output) => {
      const all = fresh + read + write + hour + output;
      const readTokens = fresh + read + write + hour;
      const openAI = usageFromOpenAI(model, {
        input_tokens: readTokens,
        input_tokens_details: { cached_tokens: read, cache_write_tokens: write },
        output_tokens: output,
        total_tokens: all,
      });
      const anthropic = usageFromAnthropic(model, {
        input_tokens: fresh,
        cache_read_input_tokens: read,
        cache_creation_input_tokens: write + hour,
        cache_creation: { ephemeral_5m_input_tokens: write, ephemeral_1h_input_tokens: hour },
        output_tokens: output,
      });
      const google = usageFromGoogle(model, {
        promptTokenCount: fresh + read,
        cachedContentTokenCount: read,
        toolUsePromptTokenCount: write,
        candidatesTokenCount: output,
        thoughtsTokenCount: hour,
        totalTokenCount: all,
      });
      for (const usage of [openAI, anthropic, google]) {
        expect(total(usage)).toBe(all);
        expect(usage.cache_read_tokens).toBe(read);
      }
      const size = readTokens <= 200_000 ? 'up_to_200k' : readTokens <= 272_000 ? 'up_to_272k' : 'over_272k';
      expect([openAI.context, anthropic.context]).toEqual([size, size]);
    }),
  );
});

describe('one’s own counts', () => {
  test('are whole: what is not said is zero', () => {
    expect(tokenUsage({ model, input_tokens: 1200, output_tokens: 4096 })).toEqual({
      model,
      ...none,
      input_tokens: 1200,
      output_tokens: 4096,
      context: 'up_to_200k',
    });
  });

  test.each([
    [200_000, 0, 'up_to_200k'],
    [200_000, 1, 'up_to_272k'],
    [0, 272_000, 'up_to_272k'],
    [1, 272_000, 'over_272k'],
  ])(
    'the context is all that was read: %d and %d from the cache are %s',
    (input_tokens, cache_read_tokens, context) => {
      expect(tokenUsage({ model, input_tokens, cache_read_tokens, output_tokens: 10 ** 6 }).context).toBe(context);
    },
  );

  test('of what is no count are refused', () => {
    expect(() => tokenUsage({ model, input_tokens: 0.5 })).toThrow('input_tokens is 0.5');
    expect(() => tokenUsage({ model: '', input_tokens: 5 })).toThrow('model is missing');
  });
});
