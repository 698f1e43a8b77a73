// The demo as a process: from its options to the table, and a clean stop in between whenever one is asked for.
import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { farebox, FareboxError } from '../../src/sdk/farebox.ts';
import { advice } from '../stores/advice.ts';
import { drainLagMs, readBooks } from './books.ts';
import { MODELS, publishPrices } from './catalog.ts';
import { createCrowd, TEAMS } from './customers.ts';
import { type DemoOptions, readOptions, usage } from './options.ts';
import { type DemoGateway, startOwnGateway } from './own-gateway.ts';
import { postTo } from './post.ts';
import { ANSWER_TOKENS_MAX } from './prices.ts';
import { seconds, showProgress } from './progress.ts';
import { replay } from './replay.ts';
import { isSound, report, type Result } from './report.ts';
import { newTally } from './tally.ts';
import { readTrace } from './trace.ts';

const say = (line: string) => console.log(line);

export async function runDemo(args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const stop = new AbortController();
  // The same Ctrl-C may come twice, from the terminal and from npm: what is under way is ended once, in order.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort());
  try {
    const options = readOptions(args, env);
    if (options === null) return say(usage);
    process.exitCode = (await demo(options, stop.signal)) ? 0 : 1;
  } catch (error) {
    if (stop.signal.aborted && error === stop.signal.reason) return say('stopped');
    const isPlain = error instanceof FareboxError || (error instanceof Error && error.name === 'Advice');
    console.error(isPlain ? `demo: ${error.message}` : error);
    process.exitCode = 1;
  }
}

async function demo(options: DemoOptions, signal: AbortSignal): Promise<boolean> {
  const running = options.gateway ? foreignGateway(options.gateway) : await startOwnGateway(say, signal);
  try {
    const result = await play(running, options, signal);
    say(`\n${report(result)}\n`);
    return isSound(result);
  } finally {
    await running.stop();
  }
}

function foreignGateway(given: { readonly baseUrl: string; readonly apiKey: string }): DemoGateway {
  return {
    ...given,
    audit: () => Promise.resolve(null),
    over: new AbortController().signal,
    stop: () => Promise.resolve(),
  };
}

async function play(running: DemoGateway, options: DemoOptions, signal: AbortSignal): Promise<Result> {
  const gateway = farebox(running);
  const arrivals = readTrace(options.traceFile, options.requestsMax);
  const spanMs = arrivals.at(-1)?.atMs ?? 0;
  say(
    `${arrivals.length} requests of ${seconds(spanMs)} (Azure Public Dataset, CC BY 4.0) for ${options.customers} customers`,
  );
  say(
    `${MODELS.map(({ name }) => name).join(', ')} at models.dev's prices and a fifth more; held: ${ANSWER_TOKENS_MAX} tokens of answer`,
  );
  const post = postTo(running);
  const random = randomBytes(4).toString('hex');
  const catalog = await publishPrices(post, random);
  say(`each customer with a budget for each of its teams: ${TEAMS.join(', ')}`);
  const crowd = await createCrowd(gateway, post, arrivals, { count: options.customers, run: random, catalog });
  signal.throwIfAborted();

  const tally = newTally();
  say(
    options.speed === 'max'
      ? 'as fast as it goes'
      : `${options.speed} times real pace: about ${seconds(spanMs / options.speed)}`,
  );
  const ended = AbortSignal.any([signal, running.over]);
  // Each request under way listens, for as long as its model's pause lasts.
  setMaxListeners(0, ended);
  const endProgress = showProgress(tally, arrivals.length, process.stdout);
  try {
    await replay(gateway, arrivals, crowd, tally, { ...options, signal: ended });
  } finally {
    endProgress();
  }
  const tookMs = performance.now() - tally.startedMs;
  // Why, `stop` will tell.
  if (running.over.aborted) throw advice('the gateway ended by itself');
  if (signal.aborted) say('stopped: what was under way is settled');
  const lagMs = await drainLagMs(gateway, tally.lastSettle);
  const books = await readBooks(gateway, crowd.customers);
  const audit = await running.audit();
  return { tally, tookMs, requests: arrivals.length, speed: options.speed, drainLagMs: lagMs, books, audit };
}
