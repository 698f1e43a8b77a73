// Redis has no rollback: whichever call of a script fails, until its first write nothing has changed.
//
// The scripts run from a second library, in which `redis` is one of ours: it counts the calls, and raises at the n-th.
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decodeReply, type RawReply } from '../src/wallet/script.ts';
import { libraryHash, libraryText, verifyRunScript } from '../src/wallet/scripts.gen.ts';
import { callsOf, expiryOf, mendingOf, moneyLines, restore, sendAll, snapshot, stage } from './stories/attempts.ts';
import type { Call } from './stories/gateway.ts';
import type { Scene } from './stories/scene.ts';
import { connectForStories, fence } from './stories/wallets.ts';
import { createRedis } from './stores.ts';
import { verifyRun } from './verify-run.ts';

const failure = 'the call that fails';
const failingHash = `${libraryHash}_failing`;
const prelude = `
local function real() return redis.call end
local register, failing_at, made = redis.register_function, 0, {}
local redis = { register_function = register }
function redis.call(...)
  made[#made + 1] = (...)
  if #made == failing_at then error({ err = 'ERR ${failure}' }) end
  return real()(...)
end
register('arm_${failingHash}', function(_, args) failing_at, made = tonumber(args[1]), {} end)
register('made_${failingHash}', function() return made end)
`.replaceAll('\n', ' ');

/** Everything else that the scripts call is a write. */
const reads = new Set(['MGET', 'TIME', 'HGET', 'HMGET', 'GET', 'HGETALL', 'HKEYS', 'EXISTS', 'ZRANGE']);

// Each has a hold h1 and a grant g2.
const states = {
  'a hold from three grants': `
    grant g1 promotional 10
    grant g2 bundled 10
    grant g3 paid 200
    grant g4 paid 50 asset 2
    hold h1 25 with 10:2@1/1
    extend h1 5
  `,
  'grants that end and start': `
    grant g1 paid 100 until 10s
    grant g2 paid 60 until 10s
    grant g3 paid 100 from 10s until 1h
    hold h1 130 ttl 1h
    to g1.end
  `,
  'a hold of grants that have ended': `
    grant g1 paid 50 until 10s
    grant g2 paid 30
    grant g3 paid 80
    hold h1 100 ttl 1h
    to g1.end
    apply_due
    void g2
  `,
  'an account that owes': `
    grant g1 paid 10
    grant g2 paid 10
    hold h1 20
    hold h2 0
    settle h2 15
  `,
  'holds past their deadline': `
    grant g1 paid 50 until 20s
    grant g2 paid 70
    hold h1 60
    hold h2 60
    to h1
  `,
  'a hold that the sweep has expired': `
    grant g1 paid 50
    grant g2 paid 50
    hold h1 60
    to h1
    sweep
  `,
  'a frozen wallet': `
    grant g1 paid 50 until 10s
    grant g2 paid 50
    hold h1 60
    freeze
    to g1.end
  `,
};

const attempts = { ...moneyLines, apply_due: 'apply_due', hydrate: 'reload' };

const writers = new Set<string>();
let redis: Redis;
let stop: () => Promise<void>;

beforeAll(async () => {
  const server = await createRedis();
  stop = server.stop;
  redis = await connectForStories(server.url);
  const [shebang = '', ...body] = libraryText.replaceAll(libraryHash, failingHash).split('\n');
  await redis.call('FUNCTION', 'LOAD', [shebang, prelude, ...body].join('\n'));
  const functionName = verifyRunScript.functionName.replace(libraryHash, failingHash);
  await verifyRun(redis, { fence, functionName });
});

afterAll(async () => {
  redis.disconnect();
  await stop();
});

describe.each(Object.entries(states))(
  'on %s, a call that fails before the first write changes nothing:',
  (_, state) => {
    test.each(Object.entries(attempts))('%s', async (name, line) => {
      const scene = await stage(redis, state);
      const calls = callsOf(scene, line);
      const attempt = calls.pop()!;
      await sendAll(redis, calls);
      if (await failAtEachCall(scene, attempt)) writers.add(name);
    });

    test('expire_holds', async () => {
      const scene = await stage(redis, state);
      if (await failAtEachCall(scene, expiryOf(scene))) writers.add('expire_holds');
    });

    test('mend', async () => {
      const scene = await stage(redis, state);
      if (await failAtEachCall(scene, mendingOf(scene))) writers.add('mend');
    });
  },
);

test('each script wrote in one state at least, so that there was something to fail before', () => {
  expect([...writers].sort()).toEqual([...Object.keys(attempts), 'expire_holds', 'mend'].sort());
});

test('a charge reads four times, then writes four times', async () => {
  const scene = await stage(redis, states['a hold from three grants']);
  const [charge] = callsOf(scene, 'charge 1');
  expect(await made(charge!)).toEqual(['MGET', 'TIME', 'HMGET', 'HGET', 'HSET', 'SET', 'XADD', 'SET']);
});

/** Says whether it writes at all. */
async function failAtEachCall(scene: Scene, attempt: Call): Promise<boolean> {
  const before = await snapshot(redis, scene);
  const names = await made(attempt);
  const firstWrite = names.findIndex((name) => !reads.has(name));
  const writes = firstWrite < 0 ? [] : names.slice(firstWrite);
  expect(writes.filter((name) => reads.has(name))).toEqual([]);
  for (let failingAt = 1; failingAt <= names.length; failingAt += 1) {
    await restore(redis, scene, before);
    const untouched = await snapshot(redis, scene);
    await expect(invoke(attempt, failingAt)).rejects.toThrow(failure);
    if (firstWrite < 0 || failingAt <= firstWrite + 1) expect(await snapshot(redis, scene)).toEqual(untouched);
  }
  return writes.length > 0;
}

/** What a call of the script calls, while all goes well; what it answers is the model's answer. */
async function made(attempt: Call): Promise<string[]> {
  const raw = (await invoke(attempt, 0)) as RawReply;
  if (attempt.answer) expect(decodeReply(attempt.answer.read, raw)).toEqual(attempt.answer.expected);
  return ((await redis.fcall(`made_${failingHash}`, 0)) as string[]).map(String);
}

async function invoke({ command }: Call, failingAt: number): Promise<unknown> {
  await redis.fcall(`arm_${failingHash}`, 0, failingAt);
  const [functionName, ...values] = command.values;
  return redis.callBuffer(command.name, String(functionName).replace(libraryHash, failingHash), ...values);
}
