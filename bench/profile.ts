// `npm run profile -- authorize`: where a gateway's time goes under the load of a scenario.
//
// Writes a CPU profile (Chrome's DevTools and VS Code open it, by time) and a flame chart as a page of its own, and prints
// the top of it: by whose code it is, and by function. `--seconds 10`.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Profiler } from 'node:inspector';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { waitUntil } from '../scripts/stores/process.ts';
import { openBench } from './bench.ts';
import { flamePage } from './flame-page.ts';
import { callTree, longest } from './read-profile.ts';
import { scenarios } from './scenarios/all.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '10' },
    connections: { type: 'string', default: '64' },
  },
});
const [name = 'authorize'] = positionals;
const paired = scenarios.flatMap(({ sides, ...scenario }) => (sides ? [{ ...scenario, sides }] : []));
const scenario = paired.find((one) => one.name === name);
if (!scenario) throw new Error(`no scenario ${name}: choose from ${paired.map((one) => one.name).join(', ')}`);
const warmUpSeconds = 3;
const writeBoundMs = 60_000;
const ownersShown = 15;
const functionsShown = 25;

const folder = resolve('bench', 'profiles');
mkdirSync(folder, { recursive: true });
const file = join(folder, `${name}-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}.cpuprofile`);
process.env['FAREBOX_PROFILE_FILE'] = file;
const say = (line: string) => console.log(line);
const bench = await openBench({ say, gatewayArgs: ['--import', './dist/bench/profiled.js'] });
try {
  await bench.prepare(scenario.worlds);
  const connections = Number(values.connections);
  const seconds = Number(values.seconds);
  const { subject } = scenario.sides;
  say(`${subject.what}: warming up`);
  await subject.load(bench, connections, Math.min(seconds, warmUpSeconds));
  await bench.emptyOutboxes();
  say(`${subject.what}: ${seconds} s`);
  bench.signalGateway('SIGUSR2');
  const { requestsPerSecond } = await subject.load(bench, connections, seconds);
  bench.signalGateway('SIGUSR2');
  say(`${Math.round(requestsPerSecond)}/s, with the profiler on`);
  if (!(await waitUntil(() => existsSync(file), writeBoundMs, 100))) throw new Error('the gateway wrote no profile');
} finally {
  await bench.stop();
}
tell(JSON.parse(readFileSync(file, 'utf8')) as Profiler.Profile);

function tell(profile: Profiler.Profile): void {
  const { root, idleUs } = callTree(profile);
  const page = file.replace('.cpuprofile', '.html');
  writeFileSync(page, flamePage(`Farebox, ${name}`, root));
  const percent = (share: number) => `${(share * 100).toFixed(1)} %`.padStart(7);
  const table = (by: 'name' | 'owner', count: number) => {
    for (const { name: what, share } of longest(root, by).slice(0, count)) say(`${percent(share)}  ${what}`);
  };
  say(`\nidle ${percent(idleUs / (root.totalUs + idleUs)).trim()}; of the rest, by whose code it is:`);
  table('owner', ownersShown);
  say('\nby function, itself:');
  table('name', functionsShown);
  say(`\nwrote ${file}\nwrote ${page}`);
}
