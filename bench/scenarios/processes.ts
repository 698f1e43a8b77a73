// One gateway of one process, of two and of four, on one port: what a request costs them, and what it costs Redis.
//
// The load generator takes its part of the machine: on two cores more processes cannot answer much more than one, and the rates
// say little. What shows there, too: at the same rate a request costs the gateway no more time, however many processes share it;
// and as fast as answers come, the cores are busy, so nobody waits for anybody. What it cannot show is a rate in proportion to cores.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from '../bench.ts';
import type { Target } from '../client.ts';
import { cpuUsOf } from '../cpu.ts';
import { amounts } from '../requests.ts';
import { backToBack, paced, type Timed } from '../timed-load.ts';
import { worlds } from '../world.ts';
import { redisCpuUs } from './redis-cpu.ts';
import { compared, median, told, type Figure, type Outcome, type Run } from './scenario.ts';

const world = worlds.plain;
const counts = [1, 2, 4] as const;
const connections = 64;
/** Of what one process does at most: nobody is short of a core. */
const share = 0.4;
const idleSecondsMost = 5;
const nothing: Cost = { gatewayUs: 0, redisUs: 0, loadUs: 0 };

type Cost = { gatewayUs: number; redisUs: number; loadUs: number };
type Loaded = { timed: Timed; byRequest: Cost };
type Turn = { most: Loaded; fixed: Loaded; idlePerSecond: Cost };

export async function measureProcesses(bench: Bench, run: Run): Promise<Outcome> {
  const turns = new Map<number, Turn[]>(counts.map((count) => [count, []]));
  let perSecond: number | undefined;
  for (let no = 1; no <= run.pairs; no += 1) {
    for (const count of counts) {
      const turn = await takeTurn(bench, run, { count, perSecond });
      perSecond ??= turn.most.timed.perSecond * share;
      turns.get(count)!.push(turn);
      run.say(`  turn ${no} of ${run.pairs}, ${count} processes: ${tell(turn)}`);
    }
  }
  return { figures: figuresOf(turns), raw: Object.fromEntries(turns) };
}

async function takeTurn(
  bench: Bench,
  run: Run,
  { count, perSecond }: { count: number; perSecond: number | undefined },
): Promise<Turn> {
  const steps = amounts('/v1/authorize', world);
  const gateway = await bench.startGateway(count);
  const counting = startCounting(bench, gateway.pid);
  try {
    const target: Target = { url: gateway.url, key: bench.placeOf(world).key, connections, isInTurn: true };
    // Warm-up: what is compiled, cached and connected at first is no request's cost.
    await backToBack(target, { steps, seconds: run.seconds });
    await bench.emptyOutboxes();
    const idle = await counting(() => sleep(Math.min(idleSecondsMost, run.seconds) * 1_000));
    const idlePerSecond = each(idle.spent, (us) => us / idle.seconds);
    const load = async (send: () => Promise<Timed>, besides: Cost): Promise<Loaded> => {
      const { result: timed, spent, seconds } = await counting(send);
      if (timed.unexpected > 0) throw new Error(`${timed.unexpected} answers that were not expected`);
      await bench.emptyOutboxes();
      return { timed, byRequest: each(spent, (us, of) => (us - besides[of] * seconds) / timed.answered) };
    };
    const most = await load(() => backToBack(target, { steps, seconds: run.seconds }), nothing);
    // What each process does every second is no request's: it is told by itself.
    const sendPaced = () =>
      paced(target, {
        perSecond: perSecond ?? most.timed.perSecond * share,
        seconds: run.seconds,
        next: () => steps[0]!(undefined)!,
      });
    return { most, fixed: await load(sendPaced, { ...idlePerSecond, loadUs: 0 }), idlePerSecond };
  } finally {
    await gateway.stop();
  }
}

/** What is spent while something is done. */
function startCounting({ redis }: Bench, gatewayPid: number) {
  const look = async (): Promise<Cost> => {
    const { user, system } = process.cpuUsage();
    return { gatewayUs: cpuUsOf(gatewayPid), redisUs: await redisCpuUs(redis), loadUs: user + system };
  };
  return async <T>(work: () => Promise<T>): Promise<{ result: T; spent: Cost; seconds: number }> => {
    const before = await look();
    const beganMs = performance.now();
    const result = await work();
    const after = await look();
    const seconds = (performance.now() - beganMs) / 1_000;
    return { result, spent: each(after, (us, of) => us - before[of]), seconds };
  };
}

function each(cost: Cost, change: (us: number, of: keyof Cost) => number): Cost {
  const { gatewayUs, redisUs, loadUs } = cost;
  return {
    gatewayUs: change(gatewayUs, 'gatewayUs'),
    redisUs: change(redisUs, 'redisUs'),
    loadUs: change(loadUs, 'loadUs'),
  };
}

function figuresOf(turns: ReadonlyMap<number, Turn[]>): Figure[] {
  const alone = turns.get(1)!;
  const by = (count: number, value: (turn: Turn) => number) =>
    turns.get(count)!.map((turn, at) => ({ base: value(alone[at]!), subject: value(turn) }));
  const most = counts.at(-1)!;
  const idleOf = (count: number, of: keyof Cost) =>
    median(turns.get(count)!.map(({ idlePerSecond }) => idlePerSecond[of]));
  const forIdle = (of: keyof Cost) => (idleOf(most, of) - idleOf(1, of)) / (most - 1);
  return [
    ...counts.slice(1).flatMap((count) => [
      compared(
        `${count} processes ÷ one: gateway’s time by request, same rate`,
        'µs',
        by(count, ({ fixed }) => fixed.byRequest.gatewayUs),
        { atMost: 1.15 },
      ),
      compared(
        `${count} processes ÷ one: Redis’s time by request, same rate`,
        'µs',
        by(count, ({ fixed }) => fixed.byRequest.redisUs),
      ),
      compared(
        `${count} processes ÷ one: rate, ${connections} connections`,
        '/s',
        by(count, (turn) => turn.most.timed.perSecond),
      ),
    ]),
    ...counts.map((count) =>
      told(`${count} processes: busy meanwhile`, 'cores', median(turns.get(count)!.map(({ most }) => busyCores(most)))),
    ),
    told('an idle process: its own time', 'µs/s', forIdle('gatewayUs')),
    told('an idle process: Redis’s time', 'µs/s', forIdle('redisUs')),
    told(
      'processes that fill one Redis',
      '',
      median(alone.map(({ most: { byRequest } }) => byRequest.gatewayUs / byRequest.redisUs)),
    ),
  ];
}

/** Gateway, Redis and load generator. */
function busyCores({ timed, byRequest: { gatewayUs, redisUs, loadUs } }: Loaded): number {
  return (timed.perSecond * (gatewayUs + redisUs + loadUs)) / 1e6;
}

function tell({ most, fixed }: Turn): string {
  const { gatewayUs, redisUs } = fixed.byRequest;
  const at = `${Math.round(fixed.timed.perSecond)}/s: gateway ${Math.round(gatewayUs)} µs, Redis ${Math.round(redisUs)} µs`;
  return `at most ${Math.round(most.timed.perSecond)}/s on ${busyCores(most).toFixed(1)} cores; at ${at}`;
}
