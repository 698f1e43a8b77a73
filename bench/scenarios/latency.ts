// Open loop: requests at 70 % of what each can do at most, and their latency from the instant at which each was due.
//
// The maximum is measured anew before each turn, with the same load generator and for as long: a machine that is slower now,
// or gets slower as holds come to be, would else be asked for more than it has. Then one request at a time, on one connection.
import type { Bench } from '../bench.ts';
import type { Target } from '../client.ts';
import { amounts } from '../requests.ts';
import { backToBack, paced, type Timed } from '../timed-load.ts';
import { worlds } from '../world.ts';
import { compared, median, told, type Outcome, type Run } from './scenario.ts';

const share = 0.7;
const connections = 64;
const world = worlds.plain;

type Turn = { most: Timed; paced: Timed; alone: Timed };

export async function measureLatency(bench: Bench, run: Run): Promise<Outcome> {
  const { key } = bench.placeOf(world);
  const turns: { base: Turn; subject: Turn }[] = [];
  for (let no = 1; no <= run.pairs; no += 1) {
    const base = await takeTurn(bench, run, { url: bench.floorUrl, key, connections });
    const subject = await takeTurn(bench, run, { url: bench.gatewayUrl, key, connections });
    turns.push({ base, subject });
    run.say(`  pair ${no} of ${run.pairs}: floor ${tell(base)}; Farebox ${tell(subject)}`);
  }
  const of = (value: (turn: Turn) => number) =>
    turns.map(({ base, subject }) => ({ base: value(base), subject: value(subject) }));
  const twice = { atMost: 2 };
  return {
    figures: [
      compared(
        'p50 at 70 % of its own maximum',
        'µs',
        of((turn) => turn.paced.p50Us),
        twice,
      ),
      compared(
        'p99 at 70 % of its own maximum',
        'µs',
        of((turn) => turn.paced.p99Us),
        twice,
      ),
      compared(
        'p50 at 1 connection',
        'µs',
        of(({ alone }) => alone.p50Us),
        { atMost: 1.6 },
      ),
      compared(
        'p99 at 1 connection',
        'µs',
        of(({ alone }) => alone.p99Us),
      ),
      compared(
        'the rate that was 70 %',
        '/s',
        of((turn) => turn.paced.perSecond),
      ),
      told('sent late by the generator, p50', 'µs', median(turns.map(({ subject }) => subject.paced.sentLateP50Us))),
    ],
    raw: turns,
  };
}

async function takeTurn(bench: Bench, { seconds }: Run, target: Target): Promise<Turn> {
  const steps = amounts('/v1/authorize', world);
  const most = await backToBack(target, { steps, seconds });
  await bench.emptyOutboxes();
  const atShare = await paced(target, {
    perSecond: most.perSecond * share,
    seconds,
    next: () => steps[0]!(undefined)!,
  });
  await bench.emptyOutboxes();
  const alone = await backToBack({ ...target, connections: 1 }, { steps, seconds: seconds / 2 });
  await bench.emptyOutboxes();
  const unexpected = most.unexpected + atShare.unexpected + alone.unexpected;
  if (unexpected > 0) throw new Error(`${unexpected} answers that were not expected`);
  return { most, paced: atShare, alone };
}

function tell({ most, paced: atShare, alone }: Turn): string {
  const of = ({ p50Us, p99Us }: Timed) => `${p50Us}, ${p99Us} µs`;
  return `at most ${Math.round(most.perSecond)}/s, at 70 % p50, p99 ${of(atShare)}, alone ${of(alone)}`;
}
