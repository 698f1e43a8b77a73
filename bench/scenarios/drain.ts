// Authorizes and settles at half the floor's rate, with the worker beside: how far behind the ledger is, and what it costs.
//
// Then the worker stops for as long, while requests go on; and comes back. How long an entry waited is the time of the
// commit that brought it to Postgres less its own.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from '../bench.ts';
import { amounts, holdIdIn, settleOf, type Request } from '../requests.ts';
import { backToBack, paced, type Timed } from '../timed-load.ts';
import { worlds } from '../world.ts';
import { told, type Figure, type Outcome, type Run } from './scenario.ts';

const world = worlds.ledger;
const connections = 64;
const phaseSecondsMost = 60;
const phaseTurns = 6;
const lookEveryMs = 250;
const hourMs = 3_600_000;
/** What the worker takes within a moment. */
const caughtUpCount = 2_000;
/** Fewer say nothing about a rate. */
const aloneLeast = 20_000;

export async function measureDrain(bench: Bench, run: Run): Promise<Outcome> {
  const { key, environmentId } = bench.placeOf(world);
  const phaseS = Math.min(phaseSecondsMost, run.seconds * phaseTurns);
  const target = { url: bench.gatewayUrl, key, connections };
  const floor = await backToBack(
    { ...target, url: bench.floorUrl },
    { steps: amounts('/v1/authorize', world), seconds: run.seconds },
  );
  const perSecond = floor.perSecond / 2;
  const traffic = mixed();
  const send = async (what: string, signal?: AbortSignal): Promise<Timed> => {
    run.say(`  ${Math.round(perSecond)}/s for ${phaseS} s, ${what}`);
    const timed = await paced(target, { ...traffic, perSecond, seconds: phaseS, ...(signal && { signal }) });
    if (timed.unexpected > 0) throw new Error(`${timed.unexpected} answers that were not expected`);
    return timed;
  };

  await bench.letHoldsExpire();
  bench.worker.thaw();
  const before = await look(bench);
  const steady = await send('the worker beside');
  await bench.emptyOutboxes();
  const after = await look(bench);
  const lag = await lags(bench, environmentId, before.at);

  await bench.worker.stop();
  await send('the worker stopped');
  const backlog = await bench.entriesWaiting();
  const catchUp = await measureCatchUp(bench, (signal) => send('the worker is back', signal));
  await bench.emptyOutboxes();
  const versions = await compareVersions(bench, environmentId, traffic.versions);

  const entries = after.entries - before.entries;
  const cost = (name: string) => (after.cpuUs[name]! - before.cpuUs[name]!) / entries;
  const figures: Figure[] = [
    told('offered: half the floor’s rate', '/s', perSecond),
    // Below that the lag is that of a lower rate.
    told('answered, the worker beside', '/s', steady.perSecond, { atLeast: Math.round(0.95 * perSecond) }),
    told('lag of entries, p50', 'ms', lag.p50Ms),
    told('lag of entries, p99', 'ms', lag.p99Ms, { atMost: 1_000 }),
    told('wallets at the version that was acknowledged', '%', versions.equalShare * 100, { atLeast: 100 }),
    told('worker, CPU by entry', 'µs', cost('worker')),
    told('Postgres, CPU by entry', 'µs', cost('postgres')),
    told('Postgres, bytes by entry', 'B', (after.bytes - before.bytes) / entries),
    told('Postgres, bytes of its log by entry', 'B', (after.logBytes - before.logBytes) / entries),
    told(`entries that waited after ${phaseS} s without the worker`, '', backlog),
    told('catching up under load ÷ offered', '×', catchUp.underLoad / perSecond, { atLeast: 3 }),
    told('catching up alone ÷ offered', '×', catchUp.alone / perSecond),
    told('caught up after', 's', catchUp.tookS),
  ];
  return { figures, raw: { floor, perSecond, phaseS, steady, lag, before, after, backlog, catchUp, versions } };
}

/** Each hold is settled as soon as it may be its turn; what was acknowledged is kept, by wallet. */
function mixed() {
  // None may expire: that would be a version that nobody was told of.
  const [authorize] = amounts('/v1/authorize', world, undefined, { ttl_ms: hourMs });
  const holdIds: string[] = [];
  const versions = new Map<string, number>();
  return {
    versions,
    next: (): Request => {
      const id = holdIds.pop();
      return id === undefined ? authorize!(undefined)! : settleOf(id);
    },
    onReply: ({ body }: { body: string }, { path }: Request) => {
      const id = holdIdIn(body);
      const version = Number(/"version":(\d+)/.exec(body)?.[1]);
      if (id === undefined) return;
      const walletId = id.slice('hold_'.length, 'hold_'.length + 22);
      versions.set(walletId, Math.max(version, versions.get(walletId) ?? 0));
      if (path === '/v1/authorize') holdIds.push(id);
    },
  };
}

async function look({ sql, cpuUs }: Bench) {
  const [row] = await sql<{ at: Date; entries: string; bytes: string; log: string }[]>`
    select clock_timestamp() as at, (select sum(seq) from partitions) as entries,
      pg_database_size(current_database()) as bytes, pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') as log`;
  if (!row) throw new Error('Postgres said nothing');
  return {
    at: row.at,
    entries: Number(row.entries),
    bytes: Number(row.bytes),
    logBytes: Number(row.log),
    cpuUs: cpuUs(),
  };
}

async function lags({ sql }: Bench, environmentId: string, from: Date): Promise<{ p50Ms: number; p99Ms: number }> {
  const [row] = await sql<{ p50Ms: number; p99Ms: number }[]>`
    with waited as (
      select extract(epoch from pg_xact_commit_timestamp(xmin) - occurred_at)::float8 * 1000 as ms
      from entries where environment_id = ${environmentId} and occurred_at > ${from})
    select percentile_cont(0.5) within group (order by ms) as "p50Ms",
      percentile_cont(0.99) within group (order by ms) as "p99Ms"
    from waited`;
  return row ?? { p50Ms: Number.NaN, p99Ms: Number.NaN };
}

/** How many entries a second go to Postgres from the first one on, while requests go on; and then without them. */
async function measureCatchUp(bench: Bench, send: (signal: AbortSignal) => Promise<Timed>) {
  const over = new AbortController();
  const sending = send(over.signal).finally(() => over.abort());
  const { entries: from } = await look(bench);
  await bench.worker.start();
  const started = { atMs: performance.now(), entries: from };
  let began: typeof started | undefined;
  let last = started;
  while (!over.signal.aborted) {
    await sleep(lookEveryMs);
    last = { atMs: performance.now(), entries: (await look(bench)).entries };
    if (last.entries > from) began ??= last;
    if (began && (await bench.entriesWaiting()) < caughtUpCount) over.abort();
  }
  await sending;
  const alone = { ...last };
  await bench.emptyOutboxes();
  const end = { atMs: performance.now(), entries: (await look(bench)).entries };
  const rate = (a: typeof last, b: typeof last) => ((b.entries - a.entries) * 1_000) / (b.atMs - a.atMs);
  const start = began === undefined || began === last ? started : began;
  return {
    underLoad: rate(start, last),
    alone: end.entries - alone.entries > aloneLeast ? rate(alone, end) : Number.NaN,
    tookS: (end.atMs - start.atMs) / 1_000,
  };
}

async function compareVersions({ sql }: Bench, environmentId: string, acknowledged: ReadonlyMap<string, number>) {
  const rows = await sql<{ walletId: string; version: string }[]>`
    select wallet_id as "walletId", version from wallets where environment_id = ${environmentId}`;
  const inLedger = new Map(rows.map(({ walletId, version }) => [walletId, Number(version)]));
  const differing = [...acknowledged].filter(([walletId, version]) => inLedger.get(walletId) !== version);
  return { wallets: acknowledged.size, differing, equalShare: 1 - differing.length / acknowledged.size };
}
