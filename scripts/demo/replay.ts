// The replay: each request at its time, whether or not those before it were answered.
//
// An open loop, because people don't wait for each other: a gateway that slows down meets a growing queue, as it would in
// life. What is bounded is the number of requests under way; beyond it they start late, and that is reported.
import { setTimeout as sleep } from 'node:timers/promises';
import { type Farebox, FareboxError, tokenUsage } from '../../src/sdk/farebox.ts';
import { EVENT_TYPE } from './catalog.ts';
import type { Asker, Crowd } from './customers.ts';
import { ANSWER_TOKENS_MAX, answerTokens, modelMs, nanos } from './prices.ts';
import { add, count, type Tally } from './tally.ts';
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
  asker: Asker,
  crowd: Crowd,
  tally: Tally,
  { speed, signal }: ReplayOptions,
): Promise<void> {
  try {
    const askedMs = performance.now();
    const { customer, team, model } = asker;
    const answer = await gateway.authorize({
      ...{ customer_id: customer.id, labels: { team, model } },
      ...usageOf(model, arrival.promptTokens, ANSWER_TOKENS_MAX),
    });
    tally.authorizeMs.push(performance.now() - askedMs);
    if (answer.status === 'declined') {
      const isBudget = answer.limit_source === 'budget';
      count(tally.declined, isBudget ? `${answer.code}, team ${team}` : `${answer.code}, ${answer.limit_source}`);
      if (!isBudget && (await crowd.declined(customer))) tally.topUps += 1;
      return;
    }
    tally.approved += 1;
    // A stop cuts the model's pause short; the answer is settled all the same.
    if (speed !== 'max') await wait(modelMs(arrival) / speed, signal);
    await settle(gateway, answer.id, arrival, asker, tally);
  } catch (error) {
    if (!(error instanceof FareboxError)) throw error;
    count(tally.failed, error.code);
  }
}

async function settle(
  gateway: Farebox,
  holdId: string,
  arrival: Arrival,
  { customer, team, model }: Asker,
  tally: Tally,
): Promise<void> {
  const askedMs = performance.now();
  const { settled } = await gateway.settle(holdId, usageOf(model, arrival.promptTokens, answerTokens(arrival)));
  const atMs = performance.now();
  tally.settleMs.push(atMs - askedMs);
  const spent = nanos(settled);
  tally.spent += spent;
  add(tally.byTeam, team, spent);
  add(tally.byModel, model, spent);
  tally.lastSettle = { customerId: customer.id, holdId, atMs };
}

const usageOf = (model: string, input_tokens: number, output_tokens: number) => ({
  event_type: EVENT_TYPE,
  data: { ...tokenUsage({ model, input_tokens, output_tokens }) },
});

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
