// Random stories: few holds and grants at a time and small amounts, so that their steps have to do with each other.
//
// Steps are drawn with a number in place of a name; `named` plays them on the model, and gives each the name of what
// it can be about: mostly something that is there by then. So a story also makes sense when it shrinks.
import fc from 'fast-check';
import type { FreezeName, PurposeName } from '../../src/records.ts';
import type { Mode } from '../model/decide.ts';
import type { StoryPeriod } from '../model/budgets.ts';
import type { Due } from '../model/settle.ts';
import type { AskedLeg } from '../model/wallet.ts';
import { priceNames, type StoryUse } from './prices.ts';
import { asideRef, newScene, play, type Scene } from './scene.ts';
import type { Falling, Line, Step } from './steps.ts';
import { formatStep } from './text.ts';

const lengthMax = 40;
/** So that one amount, 30 of it at most, comes close to 10^15 atoms, and a few fill a balance. */
const largeUnit = 33_333_333_333_333n;
const largeUnitsMax = 30n;

const nobody = { walletId: 'x'.repeat(22), partition: 0, customerId: 'nobody' };

/** A step, with numbers (as text) for names; or the repetition of an earlier one. */
type Drawn = Step | { verb: 'retry'; which: number; changed: boolean };

/** A story to run; as text it can be read, and told again. */
export function randomStory(): fc.Arbitrary<Line[]> {
  const unit = fc.constantFrom(1n, 1n, 1n, largeUnit);
  return fc
    .tuple(unit, firstGrants(), fc.array(oneStep(), { minLength: 1, maxLength: lengthMax, size: 'max' }))
    .map(([atoms, first, steps]) => {
      const lines: Line[] = named([...first, ...steps]).map((step) => ({ step: scaled(step, atoms) }));
      const text = lines.map(({ step }) => formatStep(step)).join('\n');
      return Object.assign(lines, { [fc.toStringMethod]: () => `\n${text}\n` });
    });
}

function scaled(step: Step, unit: bigint): Step {
  if (unit !== 1n && step.verb === 'budget') {
    return { ...step, limit: step.limit * unit, thresholds: step.thresholds.map((atoms) => atoms * unit) };
  }
  if (unit === 1n || !('amount' in step)) return step;
  const amount = (step.amount > largeUnitsMax ? largeUnitsMax : step.amount) * unit;
  const times = <T extends { amount: bigint }>(one: T): T => ({ ...one, amount: one.amount * unit });
  const falling =
    'falling' in step
      ? step.falling.map((line) => ({
          ...line,
          atoms: line.atoms > largeUnitsMax ? largeUnitsMax * unit : line.atoms * unit,
        }))
      : [];
  if ('dues' in step)
    return {
      ...step,
      amount,
      falling,
      dues: step.dues.map((due) => times({ ...due, amount: due.amount > largeUnitsMax ? largeUnitsMax : due.amount })),
    };
  if (!('legs' in step)) return { ...step, amount };
  return { ...step, amount, legs: step.legs.map(times), falling };
}

// No two legs of one asset.
function withOtherAssets<T extends { asset: number; legs: AskedLeg[] }>(step: T): T {
  const taken = new Set([step.asset]);
  return { ...step, legs: step.legs.filter((one) => !taken.has(one.asset) && taken.add(one.asset)) };
}

function oneStep(): fc.Arbitrary<Drawn> {
  const retry = fc.record({ verb: fc.constant('retry'), which: nat, changed: mostly(false, fc.boolean()) });
  const release = fc.record({ verb: fc.constant('release'), hold: which, as: otherAsset, key });
  return fc.oneof(
    { weight: 14, arbitrary: hold() },
    { weight: 12, arbitrary: settle() },
    { weight: 9, arbitrary: grant() },
    { weight: 6, arbitrary: extend() },
    { weight: 5, arbitrary: charge() },
    { weight: 4, arbitrary: release },
    { weight: 4, arbitrary: moveTo() },
    { weight: 3, arbitrary: fc.record({ verb: fc.constant('wait'), ms: span }) },
    { weight: 2, arbitrary: fc.record({ verb: fc.constant('void'), grant: which, key }) },
    { weight: 3, arbitrary: fc.record({ verb: fc.constant('aside'), name: which, grant: which, amount, mode: upTo }) },
    { weight: 4, arbitrary: fc.record({ verb: fc.constant('take'), hold: which, grant: which, amount, key }) },
    { weight: 3, arbitrary: retry },
    { weight: 3, arbitrary: budget() },
    { weight: 1, arbitrary: fc.record({ verb: fc.constant('drop'), budget: which }) },
    { weight: 1, arbitrary: fc.record({ verb: fc.constant('publish'), price: fc.constantFrom(...priceNames) }) },
    { weight: 3, arbitrary: fc.record({ verb: fc.constantFrom('sweep', 'apply_due', 'reload') }) },
    { weight: 1, arbitrary: fc.record({ verb: fc.constant('freeze'), by: freezer, key }) },
    // More often than it is frozen: a frozen wallet has few stories to tell.
    { weight: 4, arbitrary: fc.record({ verb: fc.constant('unfreeze'), by: freezer, key }) },
  );
}

const mostly = <T>(usual: T, others: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: others });

const nat = fc.nat({ max: 999 });
const which = nat.map(String);
const key = fc.constant(undefined);
// Few values, so that sums of some equal others.
const someAmount = fc.constantFrom(1n, 2n, 3n, 5n, 10n, 10n, 15n, 20n, 30n, 50n, 100n);
const amount = fc.oneof(
  { weight: 1, arbitrary: fc.constant(0n) },
  { weight: 9, arbitrary: someAmount },
  { weight: 2, arbitrary: fc.bigInt({ min: 0n, max: 110n }) },
);
const asset = fc.constantFrom(1, 1, 1, 1, 2, 2, 3);
const rate = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom([1n, 1n], [2n, 1n], [1n, 2n], [3n, 2n], [7n, 3n], [100n, 1n], [0n, 0n]) },
  // Products of amounts with these are beyond any double.
  {
    weight: 1,
    arbitrary: fc.constantFrom([1_000_000_007n, 999_999_937n], [4_503_599_627_370_495n, 4_503_599_627_370_496n]),
  },
);
const leg = fc
  .record({ asset: fc.constantFrom(1, 2, 2, 3), amount: fc.constantFrom(0n, 1n, 2n, 3n, 5n, 10n), rate })
  .map(({ rate: [num = 0n, den = 0n], ...rest }): AskedLeg => ({ ...rest, num, den }));
const legs = mostly<AskedLeg[]>([], fc.array(leg, { minLength: 1, maxLength: 3 }));
const part = fc.record({ atoms: fc.constantFrom(0n, 1n, 5n, 10n), scopes: fc.constantFrom([], [1], [2], [1, 2]) });
const covered = fc.oneof(fc.constant(undefined), fc.array(part, { minLength: 1, maxLength: 3 }));
const use = fc.record({
  price: fc.constantFrom(...priceNames),
  quantity: fc.constantFrom('0', '0.5', '1', '2.5', '5', '10'),
});
const uses = mostly<StoryUse[]>(
  [],
  fc.uniqueArray(use, { minLength: 1, maxLength: 3, selector: ({ price }) => price }),
);
const fallingRate = fc
  .record({ asset: fc.constantFrom(1, 2, 2, 3, 3), rate: rate.filter(([num]) => num !== 0n) })
  .map(({ asset: of, rate: [num = 1n, den = 1n] }) => ({ asset: of, num, den }));
const fallingLine = fc
  .record({
    asset: fc.constantFrom(1, 1, 1, 2),
    atoms: amount,
    use: fc.constantFrom(0, 0, 0, 1, 2),
    scopes: fc.constantFrom([], [1], [2], [1, 2]),
    rates: fc.array(fallingRate, { minLength: 1, maxLength: 3 }),
  })
  // What counts over a period says by itself how much it is, and of what.
  .map((line) => (line.use > 0 ? { ...line, asset: 0, atoms: 0n } : line));
const falling = mostly<Falling[]>([], fc.array(fallingLine, { minLength: 1, maxLength: 3 }));
const otherAsset = fc.oneof(
  { weight: 19, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.constantFrom(1, 2) },
);
const again = mostly(false, fc.boolean());
const mode = mostly<Mode>('strict', fc.constantFrom('up_to', 'shadow'));
const upTo = fc.constantFrom<'strict' | 'up_to'>('strict', 'up_to');
const by = fc.constantFrom(undefined, 'ann', 'bob');
const freezer = fc.constantFrom<FreezeName>('operator', 'operator', 'reconcile', 'dispute');
const span = fc.oneof(
  fc.constantFrom(1, 999, 1_000, 5_000),
  fc.integer({ min: 1, max: 30_000 }),
  fc.constantFrom(59_999, 60_000, 60_001, 3_600_000, 86_400_000),
);

type Rolls = (Step & { verb: 'grant' })['rolls'];

function grant(): fc.Arbitrary<Step & { verb: 'grant' }> {
  return fc
    .record({
      name: which,
      purpose: fc.constantFrom<PurposeName>('paid', 'bundled', 'promotional'),
      amount: fc.oneof(amount, fc.constantFrom(30n, 50n, 100n, 200n)),
      asset,
      priority: mostly(50, fc.constantFrom(0, 10, 49, 51, 100)),
      scope: fc.constantFrom(0, 0, 0, 1, 2),
      fromMs: mostly<number | undefined>(
        undefined,
        fc.oneof(
          span,
          span.map((ms) => -ms),
        ),
      ),
      lastsMs: fc.oneof(fc.constant(undefined), span),
      rolls: mostly<Rolls>(
        undefined,
        fc.record({
          percent: fc.constantFrom(1, 33, 50, 100),
          most: fc.constantFrom(0n, 1n, 10n, 1000n),
          forMs: fc.oneof(fc.constant(undefined), span),
        }),
      ),
      isOver: fc.nat({ max: 29 }).map((number) => number === 29),
    })
    .map(({ lastsMs, isOver, rolls, ...terms }) => {
      const verb = 'grant' as const;
      if (lastsMs === undefined) return { verb, ...terms, untilMs: undefined, rolls: undefined };
      // A credit that was asked for in time, and comes late.
      if (isOver && terms.fromMs === undefined) return { verb, ...terms, untilMs: -lastsMs, rolls };
      return { verb, ...terms, untilMs: Math.max(terms.fromMs ?? 0, 0) + lastsMs, rolls };
    });
}

// Mostly one, so that there is something to spend; seldom more than one call applies when they end.
function firstGrants(): fc.Arbitrary<Step[]> {
  const many = fc
    .tuple(fc.integer({ min: 14, max: 20 }), grant())
    .map(([count, first]) =>
      Array.from({ length: count }, (_, no) => ({ ...first, fromMs: undefined, untilMs: 60_000 + no })),
    );
  const inEachAsset = fc
    .tuple(grant(), grant(), grant())
    .map((each) => each.map((one, i) => ({ ...one, asset: i + 1, amount: one.amount + 100n, fromMs: undefined })));
  return fc.oneof(
    { weight: 12, arbitrary: fc.tuple(grant()) },
    { weight: 10, arbitrary: inEachAsset },
    { weight: 7, arbitrary: fc.constant<Step[]>([]) },
    { weight: 1, arbitrary: many },
  );
}

function hold(): fc.Arbitrary<Step> {
  const ttlMs = fc.constantFrom(1_000, 5_000, 60_000, 60_000, 60_000, 3_600_000, 86_400_000);
  const small = fc.constantFrom(0n, 1n, 2n, 3n, 5n, 10n, 10n, 15n, 20n, 30n);
  const asked = fc.oneof({ weight: 3, arbitrary: small }, { weight: 1, arbitrary: amount });
  return fc
    .record({
      verb: fc.constant('hold' as const),
      name: which,
      amount: asked,
      asset,
      mode,
      ttlMs,
      again,
      legs,
      covered,
      by,
      uses,
      falling,
    })
    .map(withOtherAssets);
}

function settle(): fc.Arbitrary<Step> {
  const part = fc.constantFrom(false, true);
  const onExcess = mostly('charge' as const, fc.constantFrom('cap', 'reject'));
  const due = fc.record({ asset: fc.constantFrom(1, 2, 2, 3), amount });
  const dues = mostly<Due[]>([], fc.uniqueArray(due, { minLength: 1, maxLength: 2, selector: (one) => one.asset }));
  return fc.record({
    verb: fc.constant('settle'),
    hold: which,
    amount,
    dues,
    covered,
    uses,
    falling,
    part,
    onExcess,
    key,
    as: otherAsset,
  });
}

function extend(): fc.Arbitrary<Step> {
  const ttlMs = fc.constantFrom(0, 0, 1_000, 60_000, 3_600_000);
  return fc.record({ verb: fc.constant('extend'), hold: which, amount, ttlMs, again, key, as: otherAsset });
}

function charge(): fc.Arbitrary<Step> {
  const any = fc
    .record({ verb: fc.constant('charge' as const), amount, asset, mode, again, key, legs, covered, by, uses, falling })
    .map(withOtherAssets);
  // All that there is: what is settled then is owed.
  const all = { amount: 1000n, mode: 'up_to' as const, legs: [], uses: [], falling: [] };
  return fc.oneof({ weight: 2, arbitrary: any }, { weight: 1, arbitrary: any.map((step) => ({ ...step, ...all })) });
}

// Half of them change one that there is.
function budget(): fc.Arbitrary<Step> {
  const thresholds = fc.uniqueArray(fc.constantFrom(1n, 5n, 10n, 20n, 30n), { maxLength: 3 });
  return fc.record({
    verb: fc.constant('budget' as const),
    name: which,
    limit: fc.constantFrom(0n, 10n, 20n, 30n, 30n),
    period: fc.constantFrom<StoryPeriod>('hour', 'day', 'nepal_day', 'lifetime', 60_000, 3_600_000),
    of: by,
    asset,
    alertOnly: mostly(false, fc.boolean()),
    thresholds: thresholds.map((list) => list.sort((a, b) => Number(a - b))),
  });
}

function moveTo(): fc.Arbitrary<Step> {
  const date = fc.tuple(which, fc.constantFrom('start', 'end', 'end')).map(([no, end]) => `${no}.${end}`);
  return fc.record({ verb: fc.constant('to'), name: fc.oneof(which, date), offsetMs: fc.constantFrom(0, 0, -1, 1) });
}

function named(drawn: Drawn[]): Step[] {
  const steps: Step[] = [];
  const scene = newScene(nobody);
  for (const step of drawn) {
    const said = step.verb === 'retry' ? repeated(steps, step) : withName(scene, step, steps.length + 1);
    if (!said) continue;
    steps.push(said);
    play(scene, said);
  }
  return steps;
}

// Undefined: there is nothing that it could be about.
function withName(scene: Scene, step: Step, stepNo: number): Step | undefined {
  const { holds, grants, freeze } = scene.world.wallet;
  const pickHold = (number: string) => pick(Number(number), scene.holds, ({ ref }) => holds.has(ref));
  const pickBudget = (number: string) => pick(Number(number), scene.budgets, ({ isDropped }) => !isDropped);
  const pickGrant = (number: string) => pick(Number(number), scene.grants, ({ no }) => grants.has(no));
  switch (step.verb) {
    case 'hold':
      return { ...step, name: `h${stepNo}` };
    case 'grant':
      return { ...step, name: `g${stepNo}` };
    case 'budget': {
      const known = Number(step.name) % 2 === 0 ? undefined : pickBudget(step.name);
      return { ...step, name: known ?? `b${stepNo}` };
    }
    case 'drop': {
      const budget = pickBudget(step.budget);
      return budget === undefined ? undefined : { ...step, budget };
    }
    case 'settle':
    case 'extend':
    case 'release': {
      const hold = pickHold(step.hold);
      return hold === undefined ? undefined : { ...step, hold };
    }
    case 'aside': {
      const grant = pickGrant(step.grant);
      return grant === undefined ? undefined : { ...step, grant, name: `a${stepNo}` };
    }
    case 'take': {
      const grant = pickGrant(step.grant);
      const asides = [...holds.keys()].filter((ref) => ref.startsWith(asideRef('')));
      const ref = asides[Number(step.hold) % asides.length];
      const hold = ref === undefined ? 'a0' : ref.slice(asideRef('').length);
      return grant === undefined ? undefined : { ...step, grant, hold };
    }
    case 'void': {
      const name = pickGrant(step.grant);
      return name === undefined ? undefined : { ...step, grant: name };
    }
    case 'to': {
      const [number = '', date] = step.name.split('.');
      const of = date === undefined ? pickHold(number) : pickGrant(number);
      return of === undefined ? undefined : { ...step, name: date === undefined ? of : `${of}.${date}` };
    }
    case 'unfreeze':
      if (freeze === 'none') return step.by === 'operator' ? undefined : step;
      return step.by === 'operator' ? { ...step, by: freeze } : step;
    case 'charge':
    case 'publish':
    case 'freeze':
    case 'sweep':
    case 'apply_due':
    case 'wait':
    case 'reload':
      return step;
  }
}

// One in eight is about something that ended.
function pick<T>(number: number, all: Map<string, T>, isThere: (one: T) => boolean): string | undefined {
  const names = [...all].filter(([, one]) => number % 8 === 0 || isThere(one)).map(([name]) => name);
  return names[Math.floor(number / 8) % names.length];
}

// A step once more; where it has no name, a key makes the two one operation. `changed`: under the same key, not the same.
function repeated(steps: Step[], { which: number, changed }: Drawn & { verb: 'retry' }): Step | undefined {
  if (steps.length === 0) return undefined;
  const index = steps.length - 1 - (number % Math.min(steps.length, 5));
  const first = steps[index]!;
  const keyed: Step = 'key' in first ? { ...first, key: first.key ?? `k${index + 1}` } : first;
  steps[index] = keyed;
  return changed && 'amount' in keyed ? { ...keyed, amount: keyed.amount + 1n } : keyed;
}
