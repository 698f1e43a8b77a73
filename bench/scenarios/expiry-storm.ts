// A hundred thousand holds that are due within one second, while others authorize: how much longer do they wait?
import { setTimeout as sleep } from 'node:timers/promises';
import { partitionsCount } from '../../src/limits.ts';
import { deadlinesKey } from '../../src/wallet/keys.ts';
import type { Bench } from '../bench.ts';
import { amounts, type Request } from '../requests.ts';
import { backToBack, paced, sendAll } from '../timed-load.ts';
import { worlds } from '../world.ts';
import { compared, told, type Outcome, type Run } from './scenario.ts';

const world = worlds.tenThousand;
const connections = 64;
const holdsMost = 100_000;
const share = 0.5;
const dueWithinMs = 1_000;
/** So that no hold of the other requests is due before all is over. */
const ttlMs = 3_600_000;
const boundMs = 120_000;

export async function measureExpiryStorm(bench: Bench, run: Run): Promise<Outcome> {
  const target = { url: bench.gatewayUrl, key: bench.placeOf(world).key, connections };
  const steps = amounts('/v1/authorize', world, undefined, { ttl_ms: ttlMs });
  const next = () => steps[0]!(undefined)!;
  await bench.letHoldsExpire();
  bench.worker.thaw();
  const most = await backToBack(target, { steps, seconds: run.seconds / 2 });
  const perSecond = most.perSecond * share;
  run.say(`  as usual: ${Math.round(perSecond)}/s for ${run.seconds} s`);
  const usual = await paced(target, { perSecond, seconds: run.seconds, next });

  const count = Math.min(holdsMost, run.seconds * 10_000);
  const dueAtMs = Date.now() + 5_000 + (count / most.perSecond) * 2_000;
  run.say(`  opening ${count.toLocaleString('en')} holds`);
  await sendAll(target, holds(count, dueAtMs));
  const aheadMs = dueAtMs - Date.now();
  if (aheadMs < 0) throw new Error('to open the holds took longer than they last');
  run.say(`  the storm comes in ${Math.round(aheadMs / 1_000)} s`);
  await sleep(aheadMs);
  const over = stormOver(bench, dueAtMs);
  const storm = await paced(target, { perSecond, seconds: run.seconds, next });
  const tookMs = await over;
  await bench.emptyOutboxes();
  const pair = (value: 'p50Us' | 'p99Us') => [{ base: usual[value], subject: storm[value] }];
  return {
    figures: [
      compared(`authorize p99 while ${count.toLocaleString('en')} holds are due ÷ usual`, 'µs', pair('p99Us'), {
        atMost: 2,
      }),
      compared('authorize p50', 'µs', pair('p50Us')),
      told('from the first one due until all had expired', 's', tookMs / 1_000),
    ],
    raw: { count, most, usual, storm, tookMs },
  };
}

/** Due at instants that are spread over one second, however long it takes to open them. */
function* holds(count: number, dueAtMs: number): Iterable<Request> {
  let ttl = 0;
  const [step] = amounts('/v1/authorize', world, undefined, { ttl_ms: 'TTL' });
  for (let no = 0; no < count; no += 1) {
    ttl = Math.round(dueAtMs + (no * dueWithinMs) / count - Date.now());
    const request = step!(undefined)!;
    yield { ...request, body: request.body.replace('"TTL"', String(Math.max(1_000, ttl))) };
  }
}

async function stormOver({ redis }: Bench, dueAtMs: number): Promise<number> {
  const startedMs = performance.now();
  for (; performance.now() - startedMs < boundMs; await sleep(250)) {
    const keys = Array.from({ length: partitionsCount }, (_, partition) => deadlinesKey(partition));
    const due = await Promise.all(keys.map((key) => redis.zcount(key, 0, dueAtMs + dueWithinMs)));
    if (due.every((left) => left === 0)) return performance.now() - startedMs;
  }
  return Number.NaN;
}
