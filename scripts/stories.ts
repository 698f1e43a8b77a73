// More random stories than the tests run: `npm run stories -- --count 20000 --seed 7`. The same seed tells the same ones.
//
// On a Redis of its own, which is gone afterwards. A story on which model and Redis part is shrunk and printed as text;
// it can go into test/stories/examples.ts as it is.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { randomStory } from '../test/stories/random.ts';
import { runStory } from '../test/stories/run-story.ts';
import { connectForStories } from '../test/stories/wallets.ts';
import { startRedis } from './stores/redis.ts';

const progressEvery = 1_000;
const { values } = parseArgs({
  options: { count: { type: 'string', default: '10000' }, seed: { type: 'string', default: String(Date.now() % 1e9) } },
});
const count = Number(values.count);
const seed = Number(values.seed);
if (!Number.isInteger(count) || count < 1 || !Number.isInteger(seed)) {
  throw new Error('--count and --seed are whole numbers, and the count is at least 1');
}

const dataDir = mkdtempSync(join(tmpdir(), 'farebox-stories-'));
const server = await startRedis({ dataDir, appendonly: 'no', say: (line) => console.log(line) });
const redis = await connectForStories(server.url);
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void leave().then(() => process.exit(1)));
console.log(`${count} stories from seed ${seed}, on ${server.version}`);
const beganMs = performance.now();
let toldCount = 0;
const likeTheModel = fc.asyncProperty(randomStory(), async (lines) => {
  await runStory(redis, lines);
  toldCount += 1;
  if (toldCount % progressEvery === 0) console.log(`${toldCount} told`);
});
try {
  const outcome = await fc.check(likeTheModel, { seed, numRuns: count, includeErrorInReport: true });
  if (outcome.failed) {
    console.error(fc.defaultReportMessage(outcome));
    process.exitCode = 1;
  } else {
    console.log(`all like the model, in ${Math.round((performance.now() - beganMs) / 1_000)} s`);
  }
} finally {
  await leave();
}

async function leave(): Promise<void> {
  redis.disconnect();
  await server.stop();
  rmSync(dataDir, { recursive: true, force: true });
}
