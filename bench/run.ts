// `npm run bench`: Farebox against the floor, or against a plainer Farebox, in one run, on stores of its own.
//
// What counts are ratios of what took turns (pairs.ts). Workers are paused unless a scenario is about them: two cores
// are the gateway's, Redis's and the load generator's. A scenario that fails is told of, and the others go on.
import { parseArgs } from 'node:util';
import { openBench } from './bench.ts';
import { save, tableOf, type Done } from './report.ts';
import type { Run } from './scenarios/scenario.ts';
import { scenarios } from './scenarios/all.ts';
import { stopAllServers } from './servers.ts';
import { tidy } from './tidy.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    pairs: { type: 'string' },
    seconds: { type: 'string' },
    connections: { type: 'string', default: '64' },
  },
});
const say = (line: string) => console.log(line);
const run: Run = {
  pairs: Number(values.pairs ?? (values.quick ? 1 : 5)),
  seconds: Number(values.seconds ?? (values.quick ? 1.5 : 10)),
  connections: values.connections.split(',').map(Number),
  isQuick: values.quick,
  say,
};
const names = scenarios.map(({ name }) => name);
const unknown = positionals.filter((name) => !names.includes(name));
if (unknown.length > 0) throw new Error(`no scenario ${unknown.join(', ')}: choose from ${names.join(', ')}`);
const chosen = scenarios.filter(({ name, isQuick }) =>
  positionals.length > 0 ? positionals.includes(name) : !run.isQuick || isQuick,
);

if (values.list) for (const { name, what } of scenarios) say(`${name.padEnd(11)} ${what}`);
else await measureAll();

async function measureAll(): Promise<void> {
  const at = new Date();
  const { pairs, seconds, connections, isQuick } = run;
  let isInterrupted = false;
  const interrupted = () => {
    isInterrupted = true;
    void stopAllServers().finally(() => process.exit(130));
  };
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  const bench = await openBench({ say });
  const done: Done[] = [];
  let file = '';
  try {
    for (const [i, { name, what, worlds, measure }] of chosen.entries()) {
      say(`[${i + 1}/${chosen.length}] ${name}: ${what}`);
      const startedMs = performance.now();
      const tookS = () => Math.round((performance.now() - startedMs) / 1000);
      try {
        await bench.prepare(worlds);
        await bench.emptyOutboxes();
        await tidy(bench.redis);
        const outcome = await measure(bench, run);
        done.push({ scenario: name, tookS: tookS(), ...outcome });
      } catch (error) {
        if (isInterrupted) return;
        process.exitCode = 1;
        say(`  ${name} failed: ${(error as Error).stack}`);
        done.push({ scenario: name, tookS: tookS(), failed: (error as Error).message });
      }
      file = save(at, bench.versions, { pairs, seconds, connections, isQuick }, done);
    }
  } finally {
    await bench.stop();
  }
  say(`\n${tableOf(done)}\n\nwrote ${file}`);
}
