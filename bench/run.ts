// `npm run bench`: Farebox against the floor, or against a plainer Farebox, in one run, on stores of its own.
//
// Base and subject take turns (A B A B …), so that a machine that gets slower slows both; what counts is the ratio.
// Workers are paused: two cores are the gateway's, Redis's and the load generator's. `--quick` takes a minute;
// `--pairs`, `--seconds`, `--connections 1,16,64` and names of scenarios choose.
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { execFileSync } from 'node:child_process';
import type { Measured } from './load.ts';
import { scenarios, type Scenario } from './scenarios.ts';
import { startBench, type Bench } from './servers.ts';

type Pair = { base: Measured; subject: Measured };
type Row = { scenario: Scenario; connections: number; pairs: Pair[] };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    pairs: { type: 'string' },
    seconds: { type: 'string' },
    connections: { type: 'string' },
  },
});
const pairsCount = Number(values.pairs ?? (values.quick ? 1 : 5));
const seconds = Number(values.seconds ?? (values.quick ? 3 : 10));
const connectionsList = (values.connections ?? (values.quick ? '64' : '1,16,64')).split(',').map(Number);
const names = scenarios.map(({ name }) => name);
const unknown = positionals.filter((name) => !names.includes(name));
if (unknown.length > 0) throw new Error(`no scenario ${unknown.join(', ')}: choose from ${names.join(', ')}`);
const chosen = scenarios.filter(({ name }) => positionals.length === 0 || positionals.includes(name));

const say = (line: string) => console.log(line);
const worlds = [...new Set(chosen.flatMap((scenario) => scenario.worlds))];
const bench = await startBench({ worlds, say });
const rows: Row[] = [];
try {
  for (const scenario of chosen) {
    for (const connections of connectionsList) rows.push(await measureRow(bench, scenario, connections));
  }
  report(rows);
} finally {
  await bench.stop();
}

async function measureRow(servers: Bench, scenario: Scenario, connections: number): Promise<Row> {
  const pairs: Pair[] = [];
  for (let no = 1; no <= pairsCount; no += 1) {
    const base = await scenario.base(servers, connections, seconds);
    await servers.emptyOutboxes();
    const subject = await scenario.subject(servers, connections, seconds);
    await servers.emptyOutboxes();
    if (base.non2xx + subject.non2xx > 0) throw new Error(`${base.non2xx} + ${subject.non2xx} requests failed`);
    const pair = { base, subject };
    pairs.push(pair);
    say(
      `${scenario.name} × ${connections}, pair ${no} of ${pairsCount}: ${scenario.against} ${perSecond(base)}, ` +
        `${scenario.name} ${perSecond(subject)}, ratio ${rateRatio(pair).toFixed(2)}, in Redis ${redisRatio(pair).toFixed(2)}`,
    );
  }
  return { scenario, connections, pairs };
}

function report(done: Row[]): void {
  const table = done.map(({ scenario, connections, pairs }) => {
    const ratios = pairs.map(rateRatio);
    const rate = median(ratios);
    const redis = median(pairs.map(redisRatio));
    return {
      scenario: scenario.name,
      against: scenario.against,
      connections,
      base: Math.round(median(pairs.map(({ base }) => base.requestsPerSecond))),
      subject: Math.round(median(pairs.map(({ subject }) => subject.requestsPerSecond))),
      ratio: Number(rate.toFixed(2)),
      range: `${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}`,
      bar: connections === 64 ? told(rate >= scenario.bar.rate, scenario.bar.rate) : '',
      redis: Number(redis.toFixed(2)),
      redisBar: scenario.bar.redis === undefined ? '' : told(redis <= scenario.bar.redis, scenario.bar.redis),
      p50Ms: median(pairs.map(({ subject }) => subject.p50Ms)),
      p99Ms: median(pairs.map(({ subject }) => subject.p99Ms)),
      baseP99Ms: median(pairs.map(({ base }) => base.p99Ms)),
    };
  });
  console.table(table);
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  const at = new Date().toISOString();
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version, redis: bench.redisVersion };
  const folder = join('bench', 'results');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${at.slice(0, 19).replaceAll(':', '')}-${commit}.json`);
  const runs = done.map(({ scenario, connections, pairs }) => ({ scenario: scenario.name, connections, pairs }));
  const results = { at, commit, machine, seconds, pairs: pairsCount, table, rows: runs };
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
  say(`wrote ${file}`);
}

function told(isMet: boolean, bar: number): string {
  return `${bar} ${isMet ? 'met' : 'missed'}`;
}

function rateRatio({ base, subject }: Pair): number {
  return subject.requestsPerSecond / base.requestsPerSecond;
}

function redisRatio({ base, subject }: Pair): number {
  return subject.redisUs / base.redisUs;
}

function median(numbers: number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

function perSecond(measured: Measured): string {
  return `${Math.round(measured.requestsPerSecond)}/s`;
}
