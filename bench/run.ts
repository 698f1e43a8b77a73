// `npm run bench`: Farebox against the floor, in one run, on stores of its own.
//
// Floor and gateway take turns (A B A B …), so that a machine that gets slower slows both; what counts is the ratio.
// Workers are paused: two cores are the gateway's, Redis's and the load generator's. `--quick` takes a minute;
// `--pairs`, `--seconds`, `--connections 1,16,64` and names of scenarios choose.
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { execFileSync } from 'node:child_process';
import { startBench, type Bench } from './servers.ts';
import { load, type Measured, type Request } from './load.ts';

const scenarioNames = ['authorize', 'settle', 'charge'] as const;
type Scenario = (typeof scenarioNames)[number];
type Pair = { floor: Measured; farebox: Measured };
type Row = { scenario: Scenario; connections: number; pairs: Pair[] };

const customersCount = 1_000;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    pairs: { type: 'string' },
    seconds: { type: 'string' },
    connections: { type: 'string', default: '1,16,64' },
  },
});
const pairsCount = Number(values.pairs ?? (values.quick ? 1 : 5));
const seconds = Number(values.seconds ?? (values.quick ? 3 : 10));
const connectionsList = values.connections.split(',').map(Number);
const unknown = positionals.filter((name) => !(scenarioNames as readonly string[]).includes(name));
if (unknown.length > 0) throw new Error(`no scenario ${unknown.join(', ')}: choose from ${scenarioNames.join(', ')}`);
const scenarios = scenarioNames.filter((name) => positionals.length === 0 || positionals.includes(name));

const say = (line: string) => console.log(line);
const bench = await startBench({ customersCount, say });
const rows: Row[] = [];
try {
  for (const scenario of scenarios) {
    for (const connections of connectionsList) rows.push(await measureRow(bench, scenario, connections));
  }
  report(rows);
} finally {
  await bench.stop();
}

async function measureRow(servers: Bench, scenario: Scenario, connections: number): Promise<Row> {
  const pairs: Pair[] = [];
  for (let pair = 1; pair <= pairsCount; pair += 1) {
    const shared = { key: servers.key, connections, durationS: seconds };
    const floor = await load({ ...shared, url: servers.floorUrl, next: authorizeRequests() });
    const farebox = await measureFarebox(servers, scenario, connections);
    if (floor.non2xx + farebox.non2xx > 0) throw new Error(`${floor.non2xx} + ${farebox.non2xx} requests failed`);
    pairs.push({ floor, farebox });
    await servers.emptyOutboxes();
    say(
      `${scenario} × ${connections}, pair ${pair} of ${pairsCount}: floor ${perSecond(floor)}, farebox ${perSecond(farebox)}, ` +
        `ratio ${(farebox.requestsPerSecond / floor.requestsPerSecond).toFixed(2)}`,
    );
  }
  return { scenario, connections, pairs };
}

async function measureFarebox(servers: Bench, scenario: Scenario, connections: number): Promise<Measured> {
  const shared = { url: servers.gatewayUrl, key: servers.key, durationS: seconds };
  if (scenario === 'authorize') return load({ ...shared, connections, next: authorizeRequests() });
  if (scenario === 'charge') return load({ ...shared, connections, next: authorizeRequests('/v1/charge') });
  const holds: string[] = [];
  await load({
    ...shared,
    connections: 64,
    next: authorizeRequests(),
    onReply: (status, body) => {
      if (status === 200) holds.push((JSON.parse(body) as { id: string }).id);
    },
  });
  return load({ ...shared, connections, next: settleRequests(holds) });
}

function authorizeRequests(path = '/v1/authorize'): () => Request {
  let count = 0;
  const rest = { asset: 'USD', amount: '0.000001', subject: 'agent:planner', labels: { team: 'red' } };
  const bodies = Array.from({ length: customersCount }, (_, i) =>
    JSON.stringify({ customer_id: `bench_${i}`, ...rest }),
  );
  return () => ({ path, body: bodies[count++ % customersCount]! });
}

function settleRequests(holds: string[]): () => Request | undefined {
  return () => {
    const hold = holds.pop();
    return hold === undefined ? undefined : { path: `/v1/holds/${hold}/settle`, body: '{"amount":"0.0000004"}' };
  };
}

function report(done: Row[]): void {
  const table = done.map(({ scenario, connections, pairs }) => {
    const ratios = pairs.map(({ floor, farebox }) => farebox.requestsPerSecond / floor.requestsPerSecond);
    return {
      scenario,
      connections,
      floor: Math.round(median(pairs.map(({ floor }) => floor.requestsPerSecond))),
      farebox: Math.round(median(pairs.map(({ farebox }) => farebox.requestsPerSecond))),
      ratio: Number(median(ratios).toFixed(2)),
      ratioRange: `${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}`,
      p50Ms: median(pairs.map(({ farebox }) => farebox.p50Ms)),
      p99Ms: median(pairs.map(({ farebox }) => farebox.p99Ms)),
      floorP99Ms: median(pairs.map(({ floor }) => floor.p99Ms)),
    };
  });
  console.table(table);
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  const at = new Date().toISOString();
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version, redis: bench.redisVersion };
  const folder = join('bench', 'results');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${at.slice(0, 19).replaceAll(':', '')}-${commit}.json`);
  writeFileSync(
    file,
    `${JSON.stringify({ at, commit, machine, seconds, pairs: pairsCount, table, rows: done }, null, 2)}\n`,
  );
  say(`wrote ${file}`);
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

function perSecond(measured: Measured): string {
  return `${Math.round(measured.requestsPerSecond)}/s`;
}
