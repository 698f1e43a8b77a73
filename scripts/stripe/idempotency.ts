// Idempotency keys, as Stripe keeps them: the first reply, whatever it was, for whoever comes with the same key again.
//
// https://docs.stripe.com/api/idempotent_requests: the same key with other parameters is an error, and so is a key whose
// first request is still under way; a request that was refused before anything was done uses up no key.
import { fail, type Reply } from './reply.ts';

type Kept = { path: string; params: string; reply: Reply | undefined };

export type IdempotencyKeys = {
  /** `isReplayed`: nothing was done now. */
  once: (
    request: { key: string; path: string; params: string },
    work: () => Promise<Reply>,
  ) => Promise<{ reply: Reply; isReplayed: boolean }>;
  /** As Stripe does after a day or longer. */
  forget: () => void;
};

export function idempotencyKeys(): IdempotencyKeys {
  const kept = new Map<string, Kept>();
  return {
    once: async ({ key, path, params }, work) => {
      const known = kept.get(key);
      if (known)
        return {
          reply: known.reply && isSame(known, path, params) ? known.reply : refusal(known, key, path, params),
          isReplayed: true,
        };
      const mine: Kept = { path, params, reply: undefined };
      kept.set(key, mine);
      const reply = await work().catch((error: unknown) => {
        kept.delete(key);
        throw error;
      });
      if (reply.isUnsaved) kept.delete(key);
      // Only the first one to ask loses its reply.
      else mine.reply = { ...reply, isLost: false };
      return { reply, isReplayed: false };
    },
    forget: () => kept.clear(),
  };
}

const isSame = (known: Kept, path: string, params: string): boolean => known.path === path && known.params === params;

function refusal(known: Kept, key: string, path: string, params: string): Reply {
  const other = `Try using a key other than '${key}' if you meant to execute a different request.`;
  if (known.path !== path) {
    return fail(400, {
      type: 'idempotency_error',
      message: `Keys for idempotent requests can only be used for the same endpoint they were first used for ('${known.path}' vs '${path}'). ${other}`,
    });
  }
  if (known.params !== params) {
    return fail(400, {
      type: 'idempotency_error',
      message: `Keys for idempotent requests can only be used with the same parameters they were first used with. ${other}`,
    });
  }
  return fail(409, {
    type: 'idempotency_error',
    code: 'idempotency_key_in_use',
    message: `There is currently another in-progress request using this Idempotent Key: ${key}.`,
  });
}
