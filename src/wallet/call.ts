// One call of one script: its reply, or whether it may have been applied.
import type { Redis } from 'ioredis';
import { confirmationOf, type Confirmable } from './confirm.ts';
import { FunctionCall } from './function-call.ts';
import { decodeReply, type CommonArgs, type OwnArgs, type RawReply, type Script, type Value } from './script.ts';
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

export function call<Keys, Args, Reply extends { status: string }>(
  redis: Redis,
  script: Script<Keys, Args, Reply>,
  keys: Keys,
  args: Args,
): Promise<Reply | Failure> {
  return run(() => undefined, redis, script, script.encode(keys, args, args));
}

/** As `call`, for what somebody is answered: in class `replicated` the reply comes with word of whether a replica has it. */
export function callConfirmed<Keys, Args extends Partial<CommonArgs>, Reply extends { status: string }>(
  redis: Redis,
  script: Script<Keys, Args, Reply>,
  keys: Keys,
  args: OwnArgs<Args>,
  common: CommonArgs,
): Promise<(Reply & Confirmable) | Failure> {
  return run(confirmationOf, redis, script, script.encode(keys, args, common as Args));
}

async function run<Keys, Args, Reply extends { status: string }>(
  confirmation: typeof confirmationOf,
  redis: Redis,
  script: Script<Keys, Args, Reply>,
  values: Value[],
): Promise<(Reply & Confirmable) | Failure> {
  if (redis.status !== 'ready') return { status: 'not_applied', detail: 'Redis cannot be reached' };
  for (let attempt = 1; ; attempt += 1) {
    try {
      // Asked for before the call is written, so that it leaves with the calls of this turn.
      const confirmed = confirmation(redis);
      const reply = decodeReply(script, await send(redis, script, values));
      return confirmed ? { ...reply, confirmed } : reply;
    } catch (error) {
      const failure = classify(error);
      if (failure !== 'no_library') return failure;
      const refused = attempt > 1 ? 'Redis does not keep the function library' : await loadLibrary(redis);
      if (refused !== undefined) return { status: 'not_applied', detail: refused };
    }
  }
}

const loading = new WeakMap<Redis, Promise<string | undefined>>();

/** Give Redis the scripts, or say why not; once for all calls that miss them. Names end in a hash of the text, so releases live side by side. */
function loadLibrary(redis: Redis): Promise<string | undefined> {
  const begun = loading.get(redis) ?? load(redis).finally(() => loading.delete(redis));
  loading.set(redis, begun);
  return begun;
}

async function load(redis: Redis): Promise<string | undefined> {
  try {
    // Without REPLACE, which would empty the library's memory of what was verified (lua/lib/run.lua).
    await redis.call('FUNCTION', 'LOAD', libraryText);
    return undefined;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    // Another gateway was faster: the same name is the same text.
    if (/^ERR Library '.*' already exists/.test(message)) return undefined;
    // Without it no script ran, whatever became of the loading.
    return `the function library cannot be loaded: ${message}`;
  }
}

function send<Keys, Args, Reply>(redis: Redis, script: Script<Keys, Args, Reply>, values: Value[]): Promise<RawReply> {
  writeTogether(redis);
  const { functionName, keysCount, binary } = script;
  return redis.sendCommand(new FunctionCall(functionName, keysCount, values, binary)) as Promise<RawReply>;
}

const gathered = new WeakMap<object, number>();

// A system call for each would be a tenth of the cost, and with one for a whole turn of the event loop Redis would wait until
// all of its requests are read. So the first call of a turn leaves at once, and the others in groups: 3, 4, 8, 16 …
function writeTogether(redis: Redis): void {
  const { stream } = redis;
  const count = gathered.get(stream) ?? 0;
  gathered.set(stream, count + 1);
  if (count === 0) {
    setImmediate(() => {
      gathered.delete(stream);
      stream.uncork();
    });
  } else if (count === 1) {
    stream.cork();
  } else if (count >= 4 && (count & (count - 1)) === 0) {
    stream.uncork();
    stream.cork();
  }
}

function classify(error: unknown): Failure | 'no_library' {
  const message = error instanceof Error ? error.message : String(error);
  const isReply = error instanceof Error && error.name === 'ReplyError';
  if (isReply && message === 'ERR Function not found') return 'no_library';
  const word = message.split(' ', 1)[0]!;
  if (isReply && word === 'OOM') return { status: 'not_applied', detail: outOfMemory };
  if (isReply && refusals.has(word)) return { status: 'not_applied', detail: message };
  return { status: 'unknown', detail: message };
}

const outOfMemory =
  'Redis has no memory left for new work: raise its maxmemory, or see that workers run and Postgres answers, so that entries ' +
  'leave Redis; settle and release go on';
