// Random stories of the usual requests: one amount, of one wallet, again and again; of amounts at the edges of what there is.
//
// What lua/lib/plain.lua is for, and all that may come between. They look at the model for what they ask for, and have
// besides what the model knows nothing of: prices, subscriptions, top-ups that are armed, settings of Redis's own.
import { codes } from '../../src/codes.gen.ts';
import type { Atoms } from '../../src/units.ts';
import { walletKey } from '../../src/wallet/keys.ts';
import { armTopUpScript, configureScript } from '../../src/wallet/scripts.gen.ts';
import type { StoryPeriod } from '../model/budgets.ts';
import { balances, spendable, sum } from '../model/wallet.ts';
import { pricing, withValue } from './arguments.ts';
import { newScene, play, type Scene } from './scene.ts';
import { randomFrom, type Random } from './seeded.ts';
import type { Step } from './steps.ts';
import { formatStep } from './text.ts';
import { fcall, fence, keysOf, newWallet, type Command } from './wallets.ts';

export type Told = { said: string; command: Command };
type Teller = {
  scene: Scene;
  random: Random;
  /** Of all amounts that are not taken from what there is. */
  unit: bigint;
  told: Told[];
  stepNo: number;
  configVersion: number;
  catalogVersion: number;
  crossingNo: number;
};

const stepsCount = 45;
/** So that one amount comes close to 10^15 atoms, and a few fill a balance. */
const largeUnit = 33_333_333_333_333n;
const threeLines = JSON.stringify([1, 2, 3].map((no) => ({ price: `p${no}`, quantity: '1.5', amount: 'ø' })));
const addOpenHolds = `local w = redis.call('HGET', KEYS[1], 'w')
  local count = struct.unpack('>H', w, 21) + ARGV[1]
  redis.call('HSET', KEYS[1], 'w', string.sub(w, 1, 20) .. struct.pack('>H', count) .. string.sub(w, 23))`;

/** The same seed tells the same story, of a wallet of its own. */
export function usualStory(seed: number): { scene: Scene; told: Told[] } {
  const random = randomFrom(seed);
  const unit = random.of([1n, 1n, 1n, largeUnit]);
  const counts = { stepNo: 0, configVersion: 0, catalogVersion: 1, crossingNo: 0 };
  const teller: Teller = { scene: newScene(newWallet()), random, unit, told: [], ...counts };
  for (let left = random.of([1, 1, 2, 3, 5, 9, 12]); left > 0; left -= 1) tell(teller, grant(teller));
  for (let left = random.of([0, 1, 1, 2, 4]); left > 0; left -= 1) tell(teller, budget(teller));
  for (let no = 0; no < stepsCount; no += 1) random.weighed(verbs)(teller);
  return { scene: teller.scene, told: teller.told };
}

const verbs: [weight: number, say: (teller: Teller) => void][] = [
  [18, (teller) => tell(teller, hold(teller))],
  [12, (teller) => tell(teller, charge(teller))],
  [20, settle],
  [3, (teller) => tell(teller, grant(teller))],
  [2, (teller) => aboutHold(teller, (name) => ({ verb: 'release', hold: name, key: key(teller), as: undefined }))],
  [1, (teller) => aboutHold(teller, (name) => extend(teller, name))],
  [1, (teller) => tell(teller, budget(teller))],
  [1, wait],
  [1, (teller) => aboutHold(teller, (name) => ({ verb: 'to', name, offsetMs: teller.random.of([-1, 0, 1]) }))],
  [1, (teller) => tell(teller, { verb: teller.random.of(['sweep', 'apply_due'] as const) })],
  [1, reload],
  [1, freezeAndThaw],
  [1, arm],
  [1, configure],
  [1, meddle],
];

function tell(teller: Teller, step: Step, before = teller.random.chance(0.05) ? otherValue(teller) : undefined): void {
  const { scene, told, random } = teller;
  const isPriced = random.chance(0.3);
  if (isPriced && random.chance(0.1)) teller.catalogVersion += 1;
  const calls = play(scene, step).calls.map(({ command }) => withVersions(teller, command, isPriced));
  const said = formatStep(step);
  const last = calls.at(-1);
  const names = last && pricing.get(String(last.values[0]));
  if (last && names && before) {
    told.push({ said: `${said}, with ${before.join(' ')}`, command: withValue(last, names, ...before) });
  }
  for (const command of calls) told.push({ said: isPriced ? `${said}, priced` : said, command });
  if (!last || !names || !random.chance(0.2)) return;
  told.push({ said: `${said}, again`, command: last });
  told.push({ said: `${said}, in conflict`, command: withValue(last, names, 'fingerprint', 'another one') });
}

// Of somebody who is behind, or who knows more than there is.
function otherValue({ random, configVersion, catalogVersion }: Teller): [name: string, value: string] {
  return random.of([
    ['environment', 'environment2'],
    ['configVersion', String(configVersion - 1)],
    ['catalogVersion', String(catalogVersion - 1)],
    ['fence', 'another'],
    ['asset', '3'],
  ]);
}

function withVersions(teller: Teller, command: Command, isPriced: boolean): Command {
  const names = pricing.get(String(command.values[0]));
  if (!names) return command;
  // A decline that is to be remembered is so for some time.
  const forgets = teller.random.chance(0.03) && command.values[2 + names.indexOf('repeated')] !== '1';
  const by = { configVersion: String(teller.configVersion), ...(forgets && { keepMs: 0 }) };
  const priced = isPriced && { catalogVersion: String(teller.catalogVersion), toldText: threeLines };
  return Object.entries({ ...by, ...priced }).reduce(
    (changed, [name, value]) => withValue(changed, names, name, value),
    command,
  );
}

function hold(teller: Teller): Step {
  const asset = someAsset(teller);
  const { random } = teller;
  return {
    ...{ verb: 'hold', name: `h${newNo(teller)}`, asset, amount: amountOf(teller, asset), mode: modeOf(teller) },
    ...{ ttlMs: random.of([1_000, 60_000, 60_000, 3_600_000, 86_400_000]), again: random.chance(0.1) },
    ...{ legs: [], covered: undefined, by: random.of([undefined, undefined, 'ann', 'bob']), uses: [], falling: [] },
  };
}

function charge(teller: Teller): Step {
  const asset = someAsset(teller);
  const { random } = teller;
  return {
    ...{ verb: 'charge', asset, amount: amountOf(teller, asset), mode: modeOf(teller), again: random.chance(0.1) },
    ...{ legs: [], covered: undefined, by: random.of([undefined, undefined, 'ann', 'bob']), uses: [], falling: [] },
    key: key(teller),
  };
}

function settle(teller: Teller): void {
  const { random, scene, unit } = teller;
  aboutHold(teller, (name) => {
    const { ref = '', asset = 1 } = scene.holds.get(name) ?? {};
    const held = scene.world.wallet.holds.get(ref)?.legs[0].held ?? 10n * unit;
    const amounts = [held, held, held, held, held - 1n, held - 1n, held / 2n, held / 3n, 1n, held + 1n, 0n];

    return {
      ...{ verb: 'settle', hold: name, amount: limited(random.of(amounts)), dues: [], covered: undefined, uses: [] },
      ...{ falling: [], part: random.chance(0.1), onExcess: random.of(['charge', 'charge', 'cap', 'reject'] as const) },
      ...{ key: key(teller), as: random.chance(0.03) ? 3 - asset : undefined },
    };
  });
}

function extend(teller: Teller, name: string): Step {
  const amount = amountOf(teller, 1);
  return { verb: 'extend', hold: name, amount, ttlMs: 60_000, again: false, key: key(teller), as: undefined };
}

function grant(teller: Teller): Step & { verb: 'grant' } {
  const { random, unit } = teller;
  const untilMs = random.of([undefined, undefined, undefined, undefined, 60_000, 3_600_000, 90_000_000]);
  return {
    ...{ verb: 'grant', name: `g${newNo(teller)}`, purpose: random.of(['paid', 'bundled', 'promotional'] as const) },
    ...{
      amount: limited(unit * random.of([0n, 1n, 10n, 30n, 100n, 1_000n, 1_000n]) + random.of([0n, 0n, 1n])),
      asset: someAsset(teller),
    },
    ...{ priority: random.of([50, 50, 50, 50, 10, 90]), scope: random.of([0, 0, 0, 0, 0, 0, 0, 1]), untilMs },
    ...{ fromMs: random.chance(0.1) ? 1_000 : undefined, rolls: undefined },
  };
}

// Half of them change one that there is.
function budget(teller: Teller): Step {
  const { random, scene, unit } = teller;
  const isUsual = random.chance(0.7);
  const known = random.of([undefined, ...scene.budgets.keys()]);
  const counted = [...scene.world.wallet.counters.values()].flatMap(({ buckets }) => buckets);
  const { spent, held } = random.of([{ name: 0, spent: 0n, held: 0n }, ...counted]);
  const near = spent + held + random.of([0n, 1n, 5n * unit]);
  const limits = [near, 10n * unit, 30n * unit, 100n * unit, 100n * unit, codes.limit.balance_atoms];
  const thresholds = [...new Set([near, 10n * unit])].filter((atoms) => atoms > 0n).sort((a, b) => (a < b ? -1 : 1));
  return {
    ...{
      verb: 'budget',
      name: known ?? `b${newNo(teller)}`,
      limit: BigInt(random.of(limits)),
      asset: someAsset(teller),
    },
    period: random.of<StoryPeriod>(
      isUsual ? (['hour', 'day', 'day', 'nepal_day'] as const) : (['lifetime', 60_000, 3_600_000] as const),
    ),
    ...{ of: random.of([undefined, undefined, undefined, 'ann']), alertOnly: random.chance(0.2) },
    thresholds: isUsual && random.chance(0.8) ? [] : thresholds,
  };
}

// Subscriptions are not in entries.
function reload(teller: Teller): void {
  teller.configVersion = 0;
  tell(teller, { verb: 'reload' });
}

function wait(teller: Teller): void {
  tell(teller, { verb: 'wait', ms: teller.random.of([1, 999, 60_000, 3_600_000, 86_400_000]) });
}

function freezeAndThaw(teller: Teller): void {
  tell(teller, { verb: 'freeze', by: 'operator', key: key(teller) });
  teller.random.weighed(verbs.slice(0, 3))(teller);
  tell(teller, { verb: 'unfreeze', by: 'operator', key: key(teller) });
}

// A top-up, a little below what there is.
function arm(teller: Teller): void {
  const { scene, random, unit } = teller;
  const { available } = balances(scene.world.wallet, 1);
  const below = [available, available - 1n, available - 10n * unit, 1n, 0n].filter((atoms) => atoms >= 0n);
  const firesBelowAtoms = random.of(below) as Atoms;
  teller.crossingNo += 1;
  const args = { fence, asset: 1, firesBelowAtoms, crossingNo: teller.crossingNo };
  const command = fcall(armTopUpScript, keysOf(scene.wallet), args);
  teller.told.push({ said: `arm below ${firesBelowAtoms}`, command });
}

function configure(teller: Teller): void {
  teller.configVersion += 1;
  const args = { fence, version: teller.configVersion, configText: '{}' };
  const command = fcall(configureScript, keysOf(teller.scene.wallet), args);
  teller.told.push({ said: `configure ${teller.configVersion}`, command });
}

// What takes too long to come about by itself: as many holds as there may be; a wallet that came from the ledger.
function meddle(teller: Teller): void {
  const { scene, random, told } = teller;
  const key = walletKey(scene.wallet);
  if (random.chance(0.5)) {
    const values = [key, 'l', String(scene.world.nowMs + random.of([-1, 0, 1, 5_000]))];
    told.push({ said: `operations are looked up until ${values[2]}`, command: { name: 'HSET', values } });
    tell(teller, hold(teller), ['lookedUp', '0']);
    return;
  }
  const add = (count: number) =>
    told.push({ said: `${count} more open holds`, command: { name: 'EVAL', values: [addOpenHolds, 1, key, count] } });
  const count = codes.limit.open_holds - scene.world.wallet.holds.size - random.of([0, 1]);
  add(count);
  random.weighed(verbs.slice(0, 3))(teller);
  add(-count);
}

function aboutHold(teller: Teller, step: (name: string) => Step): void {
  const { scene, random } = teller;
  const isAny = random.chance(0.1);
  const names = [...scene.holds].filter(([, { ref }]) => isAny || scene.world.wallet.holds.has(ref));
  if (names.length > 0) tell(teller, step(random.of(names)[0]));
}

// A little; or what takes the first grants wholly, or what there is, or what a budget has left: just, or one more or less.
function amountOf({ scene, random, unit }: Teller, asset: number): bigint {
  const { wallet } = scene.world;
  const small = unit * random.of([0n, 1n, 3n, 5n, 5n, 10n, 10n]) + random.of([0n, 0n, 1n]);
  if (random.chance(0.8)) return small;
  const left = spendable(wallet, asset).map(({ remaining }) => remaining);
  const edges = [
    ...left.map((_, no) => sum(left.slice(0, no + 1))),
    ...[...scene.budgets.values()].map(({ no, limit }) => {
      const buckets = wallet.counters.get(no)?.buckets ?? [];
      return limit - sum(buckets.map(({ spent, held }) => spent + held));
    }),
  ];
  const [atoms, by] = [
    random.of([...edges, sum(left), BigInt(codes.limit.amount_atoms)]),
    random.of([-1n, 0n, 0n, 1n]),
  ];
  return limited(atoms + by);
}

function limited(atoms: bigint): bigint {
  const most = BigInt(codes.limit.amount_atoms);
  if (atoms < 0n) return 0n;
  return atoms > most ? most : atoms;
}

function newNo(teller: Teller): number {
  teller.stepNo += 1;
  return teller.stepNo;
}

const key = (teller: Teller) => `k${newNo(teller)}`;
const someAsset = ({ random }: Teller) => random.of([1, 1, 1, 1, 1, 1, 1, 2]);
const modeOf = ({ random }: Teller) =>
  random.of(['strict', 'strict', 'strict', 'strict', 'strict', 'strict', 'up_to', 'shadow'] as const);
