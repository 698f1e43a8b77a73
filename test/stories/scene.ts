// A story on its way: each step becomes calls of scripts, as the gateway and the sweep make them, each with the model's
// answer. Nothing here waits for Redis, so that a whole story is sent at once.
import { codes } from '../../src/codes.gen.ts';
import {
  authorizeScript,
  chargeScript,
  creditScript,
  extendScript,
  freezeScript,
  releaseScript,
  setAsideScript,
  takeBackScript,
  voidScript,
} from '../../src/wallet/scripts.gen.ts';
import type { WalletConfig } from '../../src/records.ts';
import type { Atoms } from '../../src/units.ts';
import { packAllBudgets, packBudgets } from '../../src/wallet/budgets.ts';
import { noConfig } from '../../src/wallet/config.ts';
import { packLegs } from '../../src/wallet/legs.ts';
import { packLines, type SentLine } from '../../src/wallet/lines.ts';
import { packRollover } from '../../src/wallet/packed.ts';
import type { Budget, Sent, StoryPeriod } from '../model/budgets.ts';
import * as model from '../model/calls.ts';
import { setAside, takeBack } from '../model/refund.ts';
import type { AskedLine } from '../model/fallback.ts';
import type { Use } from '../model/usage.ts';
import {
  least,
  newWorld,
  reloaded,
  type AskedLeg,
  type Hold,
  type Parts,
  type Reply,
  type World,
} from '../model/wallet.ts';
import type { SeenEntry } from './entries.ts';
import {
  applyDue,
  execute,
  forget,
  moveClock,
  operationOf,
  packLinesOf,
  settleAsGateway,
  sweep,
  type Call,
} from './gateway.ts';
import { hydrateArgs, newLedger, type Ledger } from './ledger.ts';
import { usesOf, type StoryPriceName, type StoryUse } from './prices.ts';
import type { Covered, Falling, Step } from './steps.ts';
import { beginningMs, epoch, hydrateCommand, type StoryWallet } from './wallets.ts';

export type Scene = {
  wallet: StoryWallet;
  world: World;
  stepNo: number;
  holds: Map<string, { ref: string; asset: number }>;
  grants: Map<string, { no: number; asset: number; startsAtMs: number; endsAtMs: number | undefined }>;
  /** Of the customer; and the time that the gateway knows, until Redis tells it another. */
  budgets: Map<string, Budget & { of: string | undefined; isDropped: boolean }>;
  knownMs: number;
  /** Prices that have their other version. */
  published: Set<StoryPriceName>;
  /** What the ledger has: the wallet, and the terms of holds that expired. */
  ledger: Ledger;
  expired: Map<string, Hold>;
  /** What the present step has led to so far. */
  calls: Call[];
  entries: SeenEntry[];
};

export type Played = { calls: Call[]; entries: SeenEntry[]; reply: Reply | undefined; world: World };

const unknownHold = { ref: `${epoch}.999999`, asset: 1 };
const unknownGrant = { no: 999_999, asset: 1 };
/** No hold's id names it. */
export const asideRef = (name: string): string => `ref_${name}`;

export function newScene(wallet: StoryWallet): Scene {
  return {
    wallet,
    world: newWorld({ nowMs: beginningMs, epoch }),
    stepNo: 0,
    holds: new Map(),
    grants: new Map(),
    budgets: new Map(),
    knownMs: beginningMs,
    published: new Set(),
    ledger: newLedger(),
    expired: new Map(),
    calls: [],
    entries: [],
  };
}

export function play(scene: Scene, step: Step): Played {
  scene.stepNo += 1;
  scene.calls = [];
  scene.entries = [];
  const reply = playStep(scene, step);
  return { calls: scene.calls, entries: scene.entries, reply, world: scene.world };
}

function playStep(scene: Scene, step: Step): Reply | undefined {
  switch (step.verb) {
    case 'grant':
      return playGrant(scene, step);
    case 'hold':
      return playHold(scene, step);
    case 'settle': {
      const { ref, asset } = holdOf(scene, step);
      const { amount, part, onExcess } = step;
      const { lines, list, fallbacks } = used(scene, step);
      const plain = withAssets(
        step.dues.filter((due) => due.asset !== asset),
        asset,
        [...list, ...fallbacks],
        (of) => ({ asset: of, amount: 0n }),
      );
      const parts = partsOf({ ...step, asset, legs: plain });
      const [{ amount: inAll }, ...dues] = withLines([{ asset, amount }, ...plain], fallbacks);
      const ask = { ref, asset, amount: inAll, dues, parts, fallbacks, told: 'settled', isFinal: !part, onExcess };
      return settleAsGateway(scene, step, ask, { lines, list });
    }
    case 'release': {
      const { ref, asset } = holdOf(scene, step);
      const caller = operationOf(scene, step);
      return execute(scene, releaseScript, caller, { asset, holdRef: ref }, (world) =>
        model.release(world, caller, { asset, ref }),
      );
    }
    case 'extend': {
      const { ref, asset } = holdOf(scene, step);
      const { amount, ttlMs, again } = step;
      const caller = operationOf(scene, step);
      const args = { asset, holdRef: ref, amountAtoms: amount as Atoms, ttlMs, repeated: again ? '1' : '0' };
      const argsNow = () => {
        const budgetsPacked = packAllBudgets(configOf(scene), scene.knownMs);
        return { ...args, configVersion: '0', budgetsPacked };
      };
      return execute(scene, extendScript, caller, argsNow, (world) =>
        model.extend(world, caller, { asset, ref, amount, ttlMs, repeated: again, budgets: sent(scene) }),
      );
    }
    case 'charge': {
      const { asset, mode, again } = step;
      const { lines, list, fallbacks } = used(scene, step);
      const { amount, legs, parts } = asked(step, list, fallbacks);
      const caller = operationOf(scene, step);
      const args = { mode, repeated: again ? '1' : '0', ...packed({ asset, amount, legs, parts, fallbacks }) };
      const told = toldOf('charged', legs, parts);
      const argsNow = () => ({ ...args, ...known(scene, step, told, lines) });
      return execute(scene, chargeScript, caller, argsNow, (world) =>
        model.charge(world, caller, {
          ...{ asset, amount, mode, repeated: again, legs, parts, fallbacks, told },
          ...{ budgets: sent(scene, step), uses: { list, knownMs: scene.knownMs } },
        }),
      );
    }
    case 'aside': {
      const { no, asset } = scene.grants.get(step.grant) ?? unknownGrant;
      const { amount, mode } = step;
      const [caller, ref] = [operationOf(scene, step), asideRef(step.name)];
      const args = { asset, holdRef: ref, grantNo: no, amountAtoms: amount as Atoms, mode };
      return execute(scene, setAsideScript, caller, args, (world) =>
        setAside(world, caller, { ref, asset, grantNo: no, amount, mode }),
      );
    }
    case 'take': {
      const { no, asset } = scene.grants.get(step.grant) ?? unknownGrant;
      const { amount } = step;
      const [caller, ref] = [operationOf(scene, step), asideRef(step.hold)];
      const args = { asset, holdRef: ref, grantNo: no, amountAtoms: amount as Atoms };
      return execute(scene, takeBackScript, caller, args, (world) =>
        takeBack(world, caller, { ref, asset, grantNo: no, amount }),
      );
    }
    case 'void': {
      const { no, asset } = scene.grants.get(step.grant) ?? unknownGrant;
      const caller = operationOf(scene, step);
      return execute(scene, voidScript, caller, { asset, grantNo: no }, (world) =>
        model.voidGrant(world, caller, { asset, grantNo: no }),
      );
    }
    case 'freeze':
    case 'unfreeze': {
      const [from, to] = step.verb === 'freeze' ? (['none', step.by] as const) : ([step.by, 'none'] as const);
      const caller = operationOf(scene, step);
      const args = { fromFreeze: codes.freeze[from], toFreeze: codes.freeze[to], seenAt: '' };
      return execute(scene, freezeScript, caller, args, (world) => model.changeFreeze(world, caller, { from, to }));
    }
    case 'budget':
      setBudget(scene, step);
      return undefined;
    case 'drop': {
      const dropped = scene.budgets.get(step.budget);
      if (dropped) scene.budgets.set(step.budget, { ...dropped, isDropped: true });
      return undefined;
    }
    case 'publish':
      if (!scene.published.delete(step.price)) scene.published.add(step.price);
      return undefined;
    case 'sweep':
      return sweep(scene);
    case 'apply_due':
      return applyDue(scene);
    case 'wait':
      return moveClock(scene, scene.world.nowMs + step.ms);
    case 'to':
      return moveClock(scene, (instantOf(scene, step.name) ?? scene.world.nowMs) + step.offsetMs);
    case 'reload':
      forget(scene);
      scene.calls.push({ command: hydrateCommand(scene.wallet, hydrateArgs(scene.ledger, scene.world.wallet.grants)) });
      scene.world = reloaded(scene.world);
      return undefined;
  }
}

// As a gateway does it, who asks for an amount is told nothing besides: such a request goes the short way (lua/lib/plain.lua).
function toldOf(text: string, legs: readonly AskedLeg[], parts: Parts | undefined): string {
  return legs.length > 0 || parts ? text : '';
}

// Nothing is priced; what is told comes back all the same.
function known(scene: Scene, { by }: { by: string | undefined }, told: string, lines: SentLine[]) {
  const spender = { subject: by, labels: undefined, eventType: undefined };
  const budgetsPacked = packBudgets(configOf(scene), spender, scene.knownMs);
  const linesPacked = packLines(lines, scene.knownMs);
  return { catalogVersion: '', configVersion: '0', toldText: told, budgetsPacked, linesPacked };
}

function standing({ budgets }: Scene) {
  return [...budgets.values()].filter(({ isDropped }) => !isDropped);
}

function sent(scene: Scene, step?: { by: string | undefined }): Sent {
  const covers = ({ of }: { of: string | undefined }) => !step || of === undefined || of === step.by;
  return { budgets: standing(scene).filter(covers), knownMs: scene.knownMs };
}

function configOf(scene: Scene): WalletConfig {
  const budgets = standing(scene).map(({ no, asset, limit, period, isHard, thresholds, of }) => ({
    ...{ no, id: `b${no}`, asset, limit: String(limit), match: { subject: of } },
    period: periodOf(period),
    enforcement: isHard ? ('hard' as const) : ('alert' as const),
    thresholds: thresholds.map(String),
  }));
  return { ...noConfig, budgets };
}

function periodOf(period: StoryPeriod): WalletConfig['budgets'][number]['period'] {
  if (typeof period === 'number') return { rolling_ms: period };
  return period === 'nepal_day' ? { unit: 'day', time_zone: 'Asia/Kathmandu' } : { unit: period };
}

// What a budget counts stays what it was.
function setBudget({ budgets }: Scene, step: Step & { verb: 'budget' }): void {
  const { name, limit, thresholds, alertOnly } = step;
  const { period, of, asset } = budgets.get(name) ?? step;
  const no = budgets.get(name)?.no ?? budgets.size + 1;
  budgets.set(name, { no, asset, isHard: !alertOnly, limit, period, thresholds, of, isDropped: false });
}

function playGrant(scene: Scene, step: Step & { verb: 'grant' }): Reply {
  const { name, asset, amount, purpose, priority, scope, fromMs, untilMs, rolls } = step;
  const no = scene.grants.get(name)?.no ?? scene.grants.size + 1;
  const { nowMs } = scene.world;
  const startsAtMs = nowMs + (fromMs ?? 0);
  const endsAtMs = untilMs === undefined ? undefined : nowMs + untilMs;
  const effectiveAtMs = fromMs === undefined ? undefined : startsAtMs;
  const untilRolledMs = rolls?.forMs === undefined ? undefined : (endsAtMs ?? 0) + rolls.forMs;
  const rollover = rolls && { parts: rolls.percent * 10_000, most: rolls.most, untilMs: untilRolledMs };
  const caller = operationOf(scene, step);
  const args = {
    asset,
    grantNo: no,
    amountAtoms: amount as Atoms,
    purpose: codes.purpose[purpose],
    priority,
    scope,
    rolloverPacked: packRollover(rollover && { ...rollover, most: rollover.most as Atoms }),
    effectiveAtMs: effectiveAtMs ?? 0,
    expiresAtMs: endsAtMs ?? 0,
  };
  const rolled = rollover && {
    parts: BigInt(rollover.parts),
    most: rollover.most,
    untilMs: rollover.untilMs ?? codes.never_ms,
  };
  const ask = {
    asset,
    grantNo: no,
    amount,
    purpose,
    priority,
    scope,
    rollover: rolled,
    effectiveAtMs,
    expiresAtMs: endsAtMs,
  };
  const reply = execute(scene, creditScript, caller, args, (world) => model.credit(world, caller, ask));
  const isNew = reply.status === 'granted' && reply['replayed'] !== true;
  if (isNew || !scene.grants.has(name)) scene.grants.set(name, { no, asset, startsAtMs, endsAtMs });
  return reply;
}

function playHold(scene: Scene, step: Step & { verb: 'hold' }): Reply {
  const { name, asset, mode, ttlMs, again } = step;
  const { lines, list, fallbacks } = used(scene, step);
  const { amount, legs, parts } = asked(step, list, fallbacks);
  const caller = operationOf(scene, step);
  const told = toldOf(name, legs, parts);
  const args = { mode, ttlMs, repeated: again ? '1' : '0', ...packed({ asset, amount, legs, parts, fallbacks }) };
  const ask = { asset, amount, mode, ttlMs, repeated: again, legs, parts, fallbacks, told };
  const argsNow = () => ({ ...args, ...known(scene, step, told, lines) });
  const reply = execute(scene, authorizeScript, caller, argsNow, (world) =>
    model.authorize(world, caller, {
      ...ask,
      ...{ budgets: sent(scene, step), uses: { list, knownMs: scene.knownMs } },
    }),
  );
  if (reply.status === 'approved') {
    scene.holds.set(name, { ref: `${String(reply['epoch'])}.${String(reply['version'])}`, asset });
  }
  return reply;
}

function used(
  { published }: Scene,
  step: { uses: readonly StoryUse[]; falling: readonly Falling[]; covered: Covered | undefined },
) {
  const { lines, list } = usesOf(step.uses, (price) => (published.has(price) ? 1 : 0));
  const fallbacks = fallen(step, list);
  const isFalling = (no: number) => fallbacks.some(({ use }) => use === no);
  return { lines: lines.map((line, i) => (isFalling(i + 1) ? { ...line, part: 0 } : line)), list, fallbacks };
}

// A use falls back once, no line on an asset twice; and without parts no scope covers any of it.
function fallen(
  step: { falling: readonly Falling[]; covered: Covered | undefined },
  uses: readonly Use[],
): AskedLine[] {
  const seen = new Set<number>();
  return step.falling.flatMap(({ use, ...line }) => {
    const of = uses[use - 1];
    if (use > 0 && (!of || seen.has(use))) return [];
    seen.add(use);
    const { asset, atoms } = of ? { asset: of.asset, atoms: 0n } : line;
    const assets = new Set([asset]);
    const rates = line.rates.filter((rate) => !assets.has(rate.asset) && assets.add(rate.asset));
    return [{ asset, atoms, use: of ? use : 0, scopes: step.covered ? line.scopes : [], rates }];
  });
}

function withLines<Leg extends { asset: number; amount: bigint }>(
  legs: [Leg, ...Leg[]],
  lines: readonly AskedLine[],
): [Leg, ...Leg[]] {
  const inAll = (leg: Leg): Leg => {
    const own = lines.filter(({ asset }) => asset === leg.asset);
    return { ...leg, amount: own.reduce((sum, { atoms }) => sum + atoms, leg.amount) };
  };
  const [first, ...others] = legs;
  return [inAll(first), ...others.map(inAll)];
}

// Parts are of what does not fall back.
function asked(step: Asked, uses: readonly Use[], fallbacks: readonly AskedLine[]) {
  const plain = legsWith(step, [...uses, ...fallbacks]);
  const parts = partsOf({ ...step, legs: plain });
  const own = { asset: step.asset, amount: step.amount, num: 1n, den: 1n };
  const [{ amount }, ...legs] = withLines([own, ...plain], fallbacks);
  return { amount, legs, parts };
}

// Each asset that a price is in is asked for, if only of nothing.
function withAssets<Leg extends { asset: number }>(
  given: readonly Leg[],
  first: number,
  uses: readonly { asset: number }[],
  make: (asset: number) => Leg,
): Leg[] {
  const all = [...given];
  for (const { asset } of uses) {
    if (asset !== first && !all.some((leg) => leg.asset === asset)) all.push(make(asset));
  }
  return all;
}

function legsWith(step: { asset: number; legs: readonly AskedLeg[] }, uses: readonly { asset: number }[]): AskedLeg[] {
  return withAssets(step.legs, step.asset, uses, (asset) => ({ asset, amount: 0n, num: 0n, den: 0n }));
}

function packed({ asset, amount, legs, parts, fallbacks }: Ask) {
  const others = legs.map((leg) => ({
    asset: leg.asset,
    amount: leg.amount as Atoms,
    num: leg.num as Atoms,
    den: leg.den as Atoms,
  }));
  return {
    ...{ asset, amountAtoms: amount as Atoms, legsPacked: packLegs({ asset }, others) },
    ...packLinesOf(parts, fallbacks),
  };
}

type Ask = {
  asset: number;
  amount: bigint;
  legs: readonly AskedLeg[];
  parts: Parts | undefined;
  fallbacks: readonly AskedLine[];
};

type Asked = { asset: number; amount: bigint; legs: readonly AskedLeg[]; covered: Covered | undefined };

// Atoms are those of the step, the last part's whatever is left of it.
function partsOf(
  step: Omit<Asked, 'legs'> & { legs: readonly { asset: number; amount: bigint }[] },
): Parts | undefined {
  const { asset, covered, legs } = step;
  if (!covered) return undefined;
  let left = step.amount;
  const parts = covered.map(({ atoms, scopes }, i) => {
    const mine = i === covered.length - 1 ? left : least(atoms, left);
    left -= mine;
    return { asset, atoms: mine, scopes };
  });
  const others = legs.map((leg) => ({ asset: leg.asset, atoms: leg.amount, scopes: covered[0]?.scopes ?? [] }));
  return [...parts, ...others];
}

function holdOf(scene: Scene, step: { hold: string; as: number | undefined }): { ref: string; asset: number } {
  const hold = scene.holds.get(step.hold) ?? unknownHold;
  return { ref: hold.ref, asset: step.as ?? hold.asset };
}

// `h1`: the deadline of an open hold; `g1.start`, `g1.end`: the dates of a grant.
function instantOf(scene: Scene, name: string): number | undefined {
  const [of = '', date] = name.split('.');
  const grant = scene.grants.get(of);
  if (date !== undefined) return date === 'start' ? grant?.startsAtMs : grant?.endsAtMs;
  return scene.world.wallet.holds.get(scene.holds.get(of)?.ref ?? '')?.expiresAtMs;
}
