// What an authorize costs Redis, by the grants of its wallet: a thousand holds, then all released, again and again, in turn
// with the floor.
import { startCounting, type Bench } from '../bench.ts';
import { amounts, holdIdIn, type Request } from '../requests.ts';
import { sendAll } from '../timed-load.ts';
import { worlds, type World } from '../world.ts';
import { compared, type Outcome, type Run } from './scenario.ts';

/** Each wallet with eight grants once: then nothing is left in it until it is released. */
const count = worlds.eightGrants.customersCount;
const connections = 64;
/** The first thousand find caches cold and are not counted. */
const thousands = 6;

const kinds = {
  one: { world: worlds.plain, amount: '0.000001' },
  // All that each of the eight has.
  eight: { world: worlds.eightGrants, amount: '0.000008' },
  // The same ten wallets' worth of requests to compare the last one with.
  ten: { world: worlds.ten, amount: '0.000001' },
  many: { world: worlds.manyGrants, amount: '0.000001' },
};
export const redisCostWorlds = Object.values(kinds).map(({ world }) => world);

type Costs = Record<keyof typeof kinds | 'floor', number>;

export async function measureRedisCost(bench: Bench, run: Run): Promise<Outcome> {
  const rounds: Costs[] = [];
  for (let no = 1; no <= run.pairs; no += 1) {
    const floor = await costOf(bench, worlds.plain, '0.000001', bench.floorUrl);
    const round: Partial<Costs> = { floor };
    for (const [name, { world, amount }] of Object.entries(kinds)) {
      round[name as keyof Costs] = await costOf(bench, world, amount);
    }
    rounds.push(round as Costs);
    run.say(`  round ${no} of ${run.pairs}, µs in scripts: ${tell(round)}`);
  }
  const of = (base: keyof Costs, subject: keyof Costs) =>
    rounds.map((round) => ({ base: round[base], subject: round[subject] }));
  return {
    figures: [
      compared('authorize, one grant ÷ floor', 'µs', of('floor', 'one'), { atMost: 3.2 }),
      compared('authorize from eight grants ÷ floor', 'µs', of('floor', 'eight'), { atMost: 4 }),
      compared('one of 1,000 grants ÷ one of one', 'µs', of('ten', 'many'), { atMost: 1.2 }),
    ],
    raw: rounds,
  };
}

/** Redis's time in scripts by authorize. */
async function costOf(bench: Bench, world: World, amount: string, url = bench.gatewayUrl): Promise<number> {
  const target = { url, key: bench.placeOf(world).key, connections };
  const [step] = amounts('/v1/authorize', world, undefined, { amount });
  let sumUs = 0;
  for (let no = 0; no < thousands; no += 1) {
    const requests = Array.from({ length: count }, () => step!(undefined)!);
    const cost = await startCounting(bench);
    const bodies = await sendAll(target, requests);
    const { redisUs } = await cost.by(count);
    if (no > 0) sumUs += redisUs;
    if (url === bench.gatewayUrl) await sendAll(target, bodies.map(releaseOf));
  }
  await bench.emptyOutboxes();
  return sumUs / (thousands - 1);
}

const releaseOf = (body: string): Request => ({ path: `/v1/holds/${holdIdIn(body)}/release`, body: '{}' });

function tell(costs: Partial<Costs>): string {
  return Object.entries(costs)
    .map(([name, us]) => `${name} ${us.toFixed(1)}`)
    .join(', ');
}
