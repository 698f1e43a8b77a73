// One call of one script: its reply, or whether it may have been applied.
import type { Redis } from 'ioredis';
import { decodeReply, type Script } from './script.ts';
import { libraryText } from './scripts.gen.ts';

export type Failure =
  | { status: 'not_applied'; detail: string }
  /** The connection closed or the deadline passed: nobody knows, so it is repeated under the same operation id. */
  | { status: 'unknown'; detail: string };

// Redis refuses these before a script runs: https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors
const refusals = new Set([
  'OOM',
  'MOVED',
  'ASK',
  'TRYAGAIN',
  'CLUSTERDOWN',
  'CROSSSLOT',
  'LOADING',
  'BUSY',
  'READONLY',
  'NOREPLICAS',
  'MASTERDOWN',
  'MISCONF',
  'NOAUTH',
  'NOPERM',
  'NOPROTO',
]);

export async function call<Keys, Args, Reply extends { status: string }>(
  redis: Redis,
  script: Script<Keys, Args, Reply>,
  keys: Keys,
  args: Args,
): Promise<Reply | Failure> {
  if (redis.status !== 'ready') return { status: 'not_applied', detail: 'Redis cannot be reached' };
  for (let attempt = 1; ; attempt += 1) {
    try {
      return decodeReply(script, await send(redis, script, keys, args));
    } catch (error) {
      const failure = classify(error);
      if (failure !== 'no_library') return failure;
      if (attempt > 1) return { status: 'not_applied', detail: 'Redis does not keep the function library' };
      await loadLibrary(redis);
    }
  }
}

/** Give Redis the scripts. Names end in a hash of the text, so releases live side by side. */
async function loadLibrary(redis: Redis): Promise<void> {
  // REPLACE, because another gateway may be faster: the same name is the same text.
  await redis.call('FUNCTION', 'LOAD', 'REPLACE', libraryText);
}

function send<Keys, Args, Reply>(
  redis: Redis,
  script: Script<Keys, Args, Reply>,
  keys: Keys,
  args: Args,
): Promise<unknown[]> {
  corkUntilImmediate(redis);
  const values = script.encode(keys, args);
  return (
    script.binary
      ? redis.callBuffer('FCALL', script.functionName, script.keysCount, ...values)
      : redis.fcall(script.functionName, script.keysCount, ...values)
  ) as Promise<unknown[]>;
}

const corked = new WeakSet<object>();

// All calls of one turn of the event loop leave in one write: at 64 connections a system call each is a fifth of the cost.
function corkUntilImmediate(redis: Redis): void {
  const { stream } = redis;
  if (corked.has(stream)) return;
  corked.add(stream);
  stream.cork();
  setImmediate(() => {
    corked.delete(stream);
    stream.uncork();
  });
}

function classify(error: unknown): Failure | 'no_library' {
  const message = error instanceof Error ? error.message : String(error);
  const isReply = error instanceof Error && error.name === 'ReplyError';
  if (isReply && message === 'ERR Function not found') return 'no_library';
  if (isReply && refusals.has(message.split(' ', 1)[0]!)) return { status: 'not_applied', detail: message };
  return { status: 'unknown', detail: message };
}
