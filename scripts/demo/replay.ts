// The replay: each request at its time, whether or not those before it were answered.
//
// An open loop, because people don't wait for each other: a gateway that slows down meets a growing queue, as it would in
// life. What is bounded is the number of requests under way; beyond it they start late, and that is reported.
import { setTimeout as sleep } from 'node:timers/promises';
import { type Farebox, FareboxError } from '../../src/sdk/farebox.ts';
import type { Crowd, DemoCustomer } from './customers.ts';
import { ASSET, modelMs, nanos, priceAtMost, priceInFact } from './prices.ts';
import { count, type Tally } from './tally.ts';
import type { Arrival } from './trace.ts';

export type ReplayOptions = {
  readonly speed: number | 'max';
  readonly concurrency: number;
  /** Aborted: no new requests; those under way are settled. */
  readonly signal: AbortSignal;
};

export async function replay(
  gateway: Farebox,
  arrivals: readonly Arrival[],
  crowd: Crowd,
  tally: Tally,
  options: ReplayOptions,
): Promise<void> {
  const { speed, signal } = options;
  const underWay = new Set<Promise<void>>();
  const startedMs = performance.now();
  for (const [index, arrival] of arrivals.entries()) {
    const dueMs = speed === 'max' ? 0 : startedMs + arrival.atMs / speed;
    await wait(dueMs - performance.now(), signal);
    while (underWay.size >= options.concurrency) await Promise.race(underWay);
    if (signal.aborted) break;
    if (speed !== 'max') noteLag(tally, performance.now() - dueMs);
    tally.sent += 1;
    const request = serve(gateway, arrival, crowd.askerOf(index), crowd, tally, options).finally(() => {
      underWay.delete(request);
      tally.inFlight = underWay.size;
    });
    underWay.add(request);
    tally.inFlight = underWay.size;
  }
  await Promise.all(underWay);
}

/** One request as a proxy serves it: hold, work, settle. */
async function serve(
  gateway: Farebox,
  arrival: Arrival,
  customer: DemoCustomer,
  crowd: Crowd,
  tally: Tally,
  { speed, signal }: ReplayOptions,
): Promise<void> {
  try {
    const askedMs = performance.now();
    const answer = await gateway.authorize({ customer_id: customer.id, asset: ASSET, amount: priceAtMost(arrival) });
    tally.authorizeMs.push(performance.now() - askedMs);
    if (answer.status === 'declined') {
      count(tally.declined, `${answer.code}, ${answer.limit_source}`);
      if (await crowd.declined(customer)) tally.topUps += 1;
      return;
    }
    tally.approved += 1;
    // A stop cuts the model's pause short; the answer is settled all the same.
    if (speed !== 'max') await wait(modelMs(arrival) / speed, signal);
    await settle(gateway, answer.id, priceInFact(arrival), customer.id, tally);
  } catch (error) {
    if (!(error instanceof FareboxError)) throw error;
    count(tally.failed, error.code);
  }
}

async function settle(
  gateway: Farebox,
  holdId: string,
  amount: string,
  customerId: string,
  tally: Tally,
): Promise<void> {
  const askedMs = performance.now();
  await gateway.settle(holdId, { amount });
  const atMs = performance.now();
  tally.settleMs.push(atMs - askedMs);
  tally.spent += nanos(amount);
  tally.lastSettle = { customerId, holdId, atMs };
}

// Below this it is a hiccup of timers or of the machine, soon made up for.
const LAG_MS_MIN = 250;

function noteLag(tally: Tally, lagMs: number): void {
  tally.behindMs = lagMs > LAG_MS_MIN ? lagMs : 0;
  tally.behindMsMax = Math.max(tally.behindMsMax, tally.behindMs);
}

async function wait(ms: number, signal: AbortSignal): Promise<void> {
  if (ms <= 0 || signal.aborted) return;
  try {
    await sleep(ms, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
