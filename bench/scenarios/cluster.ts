// Wallets in a Redis Cluster of three primaries, against wallets in one Redis: what a decision costs there.
//
// On two cores three nodes decide no faster than one: they share the cores. What shows is that nothing is lost by cutting: each call
// goes to one node, in one round trip, and costs gateway and Redis as much as it does where there is one.
import type { Bench } from '../bench.ts';
import type { Target } from '../client.ts';
import { startClustered } from '../clustered.ts';
import { cpuUsOf } from '../cpu.ts';
import { amounts } from '../requests.ts';
import type { Redis } from '../servers.ts';
import { backToBack } from '../timed-load.ts';
import { worlds } from '../world.ts';
import { redisCpuUs } from './redis-cpu.ts';
import { compared, told, type Outcome, type Run } from './scenario.ts';

const primaries = 3;
const world = worlds.plain;
const connections = 64;

type Side = { target: Target; gatewayPid: number; redises: () => Redis[]; emptyOutboxes: () => Promise<void> };
type Turn = { perSecond: number; gatewayUs: number; redisUs: number; byNode: number[] };

export async function measureCluster(bench: Bench, run: Run): Promise<Outcome> {
  run.say(`  a Redis Cluster of ${primaries} primaries, and a Farebox on it`);
  const clustered = await startClustered(bench, primaries, world);
  const sides: Record<'base' | 'subject', Side> = {
    base: {
      target: { url: bench.gatewayUrl, key: bench.placeOf(world).key, connections, isInTurn: true },
      gatewayPid: bench.gatewayPid,
      redises: () => [bench.redis],
      emptyOutboxes: bench.emptyOutboxes,
    },
    subject: { ...clustered, target: { url: clustered.url, key: clustered.key, connections, isInTurn: true } },
  };
  const turns: { base: Turn; subject: Turn }[] = [];
  try {
    // What is compiled, cached and connected at first is no request's cost.
    for (const side of Object.values(sides)) await takeTurn(side, run.seconds);
    for (let no = 1; no <= run.pairs; no += 1) {
      const base = await takeTurn(sides.base, run.seconds);
      const subject = await takeTurn(sides.subject, run.seconds);
      turns.push({ base, subject });
      run.say(`  turn ${no} of ${run.pairs}: one Redis ${tell(base)}; ${primaries} primaries ${tell(subject)}`);
    }
  } finally {
    await clustered.stop();
  }
  const of = (name: 'perSecond' | 'gatewayUs' | 'redisUs') =>
    turns.map(({ base, subject }) => ({ base: base[name], subject: subject[name] }));
  const { byNode } = turns.at(-1)!.subject;
  return {
    figures: [
      compared(`${primaries} primaries ÷ one Redis: rate`, '/s', of('perSecond')),
      compared(`${primaries} primaries ÷ one Redis: gateway’s time by request`, 'µs', of('gatewayUs')),
      compared(`${primaries} primaries ÷ one Redis: Redis’s time by request`, 'µs', of('redisUs')),
      told('the busiest node’s part of all nodes’ time', '', Math.max(...byNode) / byNode.reduce((a, b) => a + b, 0)),
    ],
    raw: { turns },
  };
}

async function takeTurn({ target, gatewayPid, redises, emptyOutboxes }: Side, seconds: number): Promise<Turn> {
  const look = async () => ({ gateway: cpuUsOf(gatewayPid), nodes: await Promise.all(redises().map(redisCpuUs)) });
  const before = await look();
  const timed = await backToBack(target, { steps: amounts('/v1/authorize', world), seconds });
  const after = await look();
  if (timed.unexpected > 0) throw new Error(`${timed.unexpected} answers that were not expected`);
  await emptyOutboxes();
  const byNode = after.nodes.map((us, node) => us - before.nodes[node]!);
  return {
    perSecond: timed.perSecond,
    gatewayUs: (after.gateway - before.gateway) / timed.answered,
    redisUs: byNode.reduce((sum, us) => sum + us, 0) / timed.answered,
    byNode,
  };
}

function tell({ perSecond, gatewayUs, redisUs }: Turn): string {
  return `${Math.round(perSecond)}/s (gateway ${Math.round(gatewayUs)} µs, Redis ${Math.round(redisUs)} µs)`;
}
