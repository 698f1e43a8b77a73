// Bytes of Redis: what `used_memory` grows by, divided by how many there came to be.
//
// A hundred thousand wallets, then a hold in each, with all that an authorize leaves: its entry until the drain has been
// there, its operation until that is forgotten. What then remains is the hold. On servers of its own: what other
// scenarios left behind would be forgotten meanwhile.
import { setTimeout as sleep } from 'node:timers/promises';
import { openBench, type Bench } from '../bench.ts';
import { amounts, uniqueKey, type Request } from '../requests.ts';
import type { Redis } from '../servers.ts';
import { forgetOperations } from '../tidy.ts';
import { sendAll } from '../timed-load.ts';
import { worlds } from '../world.ts';
import { told, type Outcome, type Run } from './scenario.ts';

const world = worlds.hundredThousand;
const count = world.customersCount;
const connections = 64;
const hourMs = 3_600_000;

export async function measureMemory(_: Bench, run: Run): Promise<Outcome> {
  const bench = await openBench(run);
  try {
    return await measure(bench, run);
  } finally {
    await bench.stop();
  }
}

async function measure(bench: Bench, run: Run): Promise<Outcome> {
  const { redis } = bench;
  const empty = await usedBytes(redis);
  await bench.prepare([world]);
  const wallets = await usedBytes(redis);
  run.say(`  opening ${count.toLocaleString('en')} holds`);
  await sendAll({ url: bench.gatewayUrl, key: bench.placeOf(world).key, connections }, holds());
  const everything = await usedBytes(redis);
  await bench.emptyOutboxes();
  const drained = await usedBytes(redis);
  await forgetOperations(redis);
  const forgotten = await usedBytes(redis);
  const each = (bytes: number) => bytes / count;
  return {
    figures: [
      told('wallet with one grant', 'B', each(wallets - empty), { atMost: 400 }),
      told('open hold, one in a wallet', 'B', each(forgotten - wallets), { atMost: 450 }),
      told('remembered operation', 'B', each(drained - forgotten), { atMost: 230 }),
      told('entry in the outbox', 'B', each(everything - drained)),
    ],
    raw: { count, usedBytes: { empty, wallets, everything, drained, forgotten } },
  };
}

/** Under keys, since what is remembered without one would be forgotten within a minute. */
function* holds(): Iterable<Request> {
  const [step] = amounts('/v1/authorize', world, undefined, { ttl_ms: hourMs });
  for (let no = 0; no < count; no += 1) yield { ...step!(undefined)!, key: uniqueKey() };
}

/** Without what connections and the append-only file hold for the moment. */
async function usedBytes(redis: Redis): Promise<number> {
  await sleep(1_000);
  const info = await redis.info('memory');
  const read = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1]);
  return read('used_memory') - read('mem_clients_normal') - read('mem_aof_buffer');
}
