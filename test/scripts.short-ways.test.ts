// The short ways of lua/lib/plain.lua write and answer what the long way does, to the byte.
//
// The same calls on two Redis, one of which has them switched off; after each call all that is stored is the same.
import fc from 'fast-check';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { libraryText } from '../src/wallet/scripts.gen.ts';
import { randomStory } from './stories/random.ts';
import { newScene, play, type Scene } from './stories/scene.ts';
import { formatStep } from './stories/text.ts';
import { usualStory, type Told } from './stories/usual.ts';
import { connectForStories, fence, newWallet, openingCommands, send, type Command } from './stories/wallets.ts';
import { createRedis } from './stores.ts';
import { verifyRun } from './verify-run.ts';

/** Another seed tells other stories. */
const seed = Number(process.env['SHORT_WAYS_SEED'] ?? 5);
const usualCount = 120;
const anyCount = 40;
const ways = [
  ...[
    'hold',
    'hold from several',
    'hold with budgets',
    'charge',
    'charge with budgets',
    'settle',
    'settle with budgets',
  ],
  // Of budgets: of one asset, by the calendar.
  ...['count', 'settle counted'],
];
const takenMin = 24;

// A library in which each short way says afterwards that it was taken; and one in which none ever is.
const counting = { prelude: countingPrelude(), ways: countingWays() };
const without = {
  prelude: '',
  ways: {
    plain_spend: 'plain_spend.hold = function() end plain_spend.charge = function() end',
    plain_settle: 'plain_settle.settle = function() end',
    plain_budgets: 'plain_budgets.count = function() end plain_budgets.settle = function() end',
  },
};

// All that there is, sorted: of streams their length and last entries, of what expires in how many minutes.
const lookText = `
  local keys, seen = redis.call('KEYS', '*'), {}
  table.sort(keys)
  for i, key in ipairs(keys) do
    local kind, found = redis.call('TYPE', key).ok, nil
    if kind == 'hash' then
      local all = redis.call('HGETALL', key)
      found = {}
      for at = 1, #all, 2 do found[#found + 1] = { all[at], all[at + 1] } end
      table.sort(found, function(one, other) return one[1] < other[1] end)
    elseif kind == 'string' then
      found = redis.call('GET', key)
    elseif kind == 'zset' then
      found = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
    elseif kind == 'stream' then
      found = { redis.call('XLEN', key), redis.call('XREVRANGE', key, '+', '-', 'COUNT', 20) }
    end
    seen[i] = { key, kind, found, math.ceil(redis.call('PTTL', key) / 60000) }
  end
  return ARGV[1] == 'whole' and seen or redis.sha1hex(cmsgpack.pack(seen))`;
const digest: Command = { name: 'EVAL', values: [lookText, 0] };
const whole: Command = { name: 'EVAL', values: [lookText, 0, 'whole'] };

const stops: (() => Promise<void>)[] = [];
let short: Redis;
let long: Redis;
let callsCount = 0;

beforeAll(async () => {
  short = await connectWith(counting);
  long = await connectWith(without);
});

afterAll(async () => {
  short.disconnect();
  long.disconnect();
  await Promise.all(stops.map((stop) => stop()));
});

test(`${usualCount} stories of usual requests go alike on the short ways and on the long one`, async () => {
  for (let no = 0; no < usualCount; no += 1) {
    const { scene, told } = usualStory(seed * usualCount + no);
    await goAlike(scene, told);
  }
}, 120_000);

test(`so do ${anyCount} random stories`, async () => {
  for (const lines of fc.sample(randomStory(), { seed, numRuns: anyCount })) {
    const scene = newScene(newWallet());
    const told = lines.flatMap(({ step }) =>
      play(scene, step).calls.map(({ command }) => ({ said: formatStep(step), command })),
    );
    await goAlike(scene, told);
  }
}, 120_000);

test('each short way was taken in many of those calls', async () => {
  const taken = new Map((await short.fcall('taken', 0)) as [string, number][]);
  const counts = Object.fromEntries(ways.map((way) => [way, taken.get(way) ?? 0]));
  const seldom = Object.entries(counts).filter(([, count]) => count < takenMin);
  expect(seldom, `SHORT_WAYS_SEED=${seed}: ${JSON.stringify(counts)} of ${callsCount} calls`).toEqual([]);
});

async function goAlike({ wallet }: Scene, told: Told[]): Promise<void> {
  const opening = [{ name: 'FLUSHDB', values: [] }, ...openingCommands(wallet)];
  const commands = [...opening, ...told.flatMap(({ command }) => [command, digest])];
  const [ones, others] = await Promise.all([send(short, commands), send(long, commands)]);
  callsCount += told.length;
  const at = commands.findIndex(
    (_, index) => !isSame(ones[index], others[index]) || ones[index]?.status === 'rejected',
  );
  if (at < 0) return;
  const until = Math.floor((at - opening.length) / 2);
  const again = [...opening, ...told.slice(0, until + 1).map(({ command }) => command), whole];
  const [one, other] = await Promise.all([send(short, again), send(long, again)]);
  const story = told.map(({ said }, index) => `${index === until ? '>' : ' '} ${said}`).slice(0, until + 1);
  const where = `SHORT_WAYS_SEED=${seed}: the short way and the long one part at the last of these calls:`;
  expect(one.slice(-2).map(readable), [where, ...story].join('\n')).toEqual(other.slice(-2).map(readable));
  throw new Error(`${where}\n${story.join('\n')}\n${JSON.stringify([ones[at], others[at]].map(readable))}`);
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(readable(one)) === JSON.stringify(readable(other));
}

function readable(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.toString('latin1');
  if (Array.isArray(value)) return value.map(readable);
  if (value instanceof Error) return value.message;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, readable(inner)]));
}

async function connectWith({ prelude, ways }: { prelude: string; ways: Record<string, string> }): Promise<Redis> {
  const server = await createRedis();
  stops.push(server.stop);
  const redis = await connectForStories(server.url);
  const [shebang = '', ...body] = Object.entries(ways)
    .reduce((text, [module, change]) => {
      const parts = text.split(`\nreturn ${module}\n`);
      expect(parts).toHaveLength(2);
      return parts.join(`\n${change}\nreturn ${module}\n`);
    }, libraryText)
    .split('\n');
  await redis.call('FUNCTION', 'LOAD', 'REPLACE', [shebang, prelude.replaceAll('\n', ' '), ...body].join('\n'));
  await verifyRun(redis, { fence });
  return redis;
}

function countingPrelude(): string {
  return `
    local taken = {}
    local function say_taken(way) taken[way] = (taken[way] or 0) + 1 end
    redis.register_function('taken', function()
      local list = {}
      for way, count in pairs(taken) do list[#list + 1] = { way, count } end
      return list
    end)`;
}

// From the 18th place on there is what is written beside the wallet's head, the account and a grant.
function countingWays() {
  const counted = (way: string, name: string, text: string) => `
    local original = ${name}
    ${name} = function(...)
      local ready, reply, tags = original(...)
      if ready then
        say_taken('${way}')
        ${text}
      end
      return ready, reply, tags
    end`;
  const look = (way: string) => `
    local more, at = {}, 18
    while ready[at] do more[string.sub(ready[at], 1, 1)], at = true, at + 2 end
    if more.o then say_taken('${way} from several') end
    if more.b then say_taken('${way} with budgets') end`;
  const inTurn = (...texts: string[]) => texts.map((text) => `do ${text} end`).join('\n');
  return {
    plain_spend: inTurn(
      counted('hold', 'plain_spend.hold', look('hold')),
      counted('charge', 'plain_spend.charge', look('charge')),
    ),
    plain_settle: inTurn(counted('settle', 'plain_settle.settle', look('settle'))),
    plain_budgets: inTurn(
      counted('count', 'plain_budgets.count', ''),
      counted('settle counted', 'plain_budgets.settle', ''),
    ),
  };
}
