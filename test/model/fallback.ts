// Lines that fall back on other assets, as the documents describe them: line after line, asset after asset, as far as what is
// there goes; what is left stays with the line's own asset.
import { codes } from '../../src/codes.gen.ts';
import { reach, reachHeld, type Part } from './scopes.ts';
import {
  balances,
  least,
  partsOf,
  sum,
  type AskedLeg,
  type Hold,
  type HoldLeg,
  type Parts,
  type Wallet,
} from './wallet.ts';

/** `num` atoms of it for `den` of the line's. */
export type Rate = { asset: number; num: bigint; den: bigint };
export type FallbackLine = { asset: number; atoms: bigint; scopes: readonly number[]; rates: readonly Rate[] };
/** `use`: which of what counts over a period it is, from 1, whose cost comes on top; 0: none. */
export type AskedLine = FallbackLine & { use: number };

/** With what each costs. */
export function pricedLines(lines: readonly AskedLine[] = [], priced: readonly { atoms: bigint }[]): FallbackLine[] {
  return lines.map((line) => ({ ...line, atoms: line.atoms + (priced[line.use - 1]?.atoms ?? 0n) }));
}

type Progress = { covered: bigint; taken: bigint };
type Walked = FallbackLine & { left: bigint; progress: Progress[] };
/** Takes so much of an asset, or as much as there is that pays for whole atoms of the line; says how much. */
type Purse = {
  there: (asset: number, atoms: bigint, scopes: readonly number[]) => bigint;
  claim: (asset: number, part: Part) => void;
};

// A line pays in its own asset first, one for one.
const begin = (line: FallbackLine): Walked => ({
  ...line,
  rates: [{ asset: line.asset, num: 1n, den: 1n }, ...line.rates],
  left: line.atoms,
  progress: [line, ...line.rates].map(() => ({ covered: 0n, taken: 0n })),
});

function draw(line: Walked, { there, claim }: Purse): void {
  for (const [i, { asset, num, den }] of line.rates.entries()) {
    const so = line.progress[i]!;
    // Rounded up once, however often something is taken.
    const price = (covered: bigint) => (covered * num + den - 1n) / den;
    const wanted = so.covered + line.left;
    const most = so.taken + there(asset, price(wanted) - so.taken, line.scopes);
    const covered = least(wanted, (most * den) / num);
    claim(asset, { atoms: price(covered) - so.taken, scopes: line.scopes });
    line.left = wanted - covered;
    line.progress[i] = { covered, taken: price(covered) };
  }
}

function claims(): { of: (asset: number) => Part[]; claim: Purse['claim'] } {
  const all = new Map<number, Part[]>();
  const of = (asset: number) => all.get(asset) ?? [];
  return { of, claim: (asset, part) => void (part.atoms > 0n && all.set(asset, [...of(asset), part])) };
}

const last = (atoms: readonly bigint[]): bigint => atoms.at(-1)!;

type Asked = { asset: number; amount: bigint; legs: readonly AskedLeg[]; parts?: Parts | undefined };
export type Spread = {
  amount: bigint;
  legs: AskedLeg[];
  parts: Parts | undefined;
  /** What others stand in for of the first asset, where all is due in that. */
  stoodIn: bigint;
  /** What open holds hold that would stand in for what is lacking. */
  inFlight: bigint;
};

/** What a request asks for of each asset, its lines spread over what there is. */
export function spread(wallet: Wallet, asked: Asked, lines: readonly FallbackLine[]): Spread {
  const legs = [{ asset: asked.asset, amount: asked.amount, num: 1n, den: 1n }, ...asked.legs].map((leg) => ({
    ...leg,
  }));
  for (const { asset, atoms } of lines) legs.find((leg) => leg.asset === asset)!.amount -= atoms;
  const purse = claims();
  for (const { asset, amount } of legs) {
    for (const part of partsOf(asked.parts, asset, amount)) purse.claim(asset, part);
  }
  const there: Purse['there'] = (asset, atoms, scopes) =>
    balances(wallet, asset).overage > 0n ? 0n : last(reach(wallet, asset, [...purse.of(asset), { atoms, scopes }]).got);
  let [stoodIn, inFlight] = [0n, 0n];
  for (const line of lines.map(begin)) {
    draw(line, { there, claim: purse.claim });
    purse.claim(line.asset, { atoms: line.left, scopes: line.scopes });
    const asks = line.progress.map(({ taken }, i) => taken + (i === 0 ? line.left : 0n));
    for (const [i, { asset, num, den }] of line.rates.entries()) {
      let leg = legs.find((known) => known.asset === asset);
      if (!leg && asks[i]! > 0n) legs.push((leg = { asset, amount: 0n, num: 0n, den: 0n }));
      if (!leg || asks[i] === 0n) continue;
      leg.amount += asks[i]!;
      if (i > 0 && line.asset === asked.asset && leg.num === 0n) Object.assign(leg, { num, den });
    }
    const others = line.rates.slice(1);
    stoodIn += sum(line.progress.slice(1).map(({ covered }) => covered));
    if (line.left > 0n) inFlight += sum(others.map((rate) => worth(rate, balances(wallet, rate.asset).held)));
  }
  const [first, ...others] = legs as [AskedLeg, ...AskedLeg[]];
  const parts = legs.flatMap(({ asset }) => purse.of(asset).map((part) => ({ ...part, asset })));
  return { amount: first.amount, legs: others, parts, stoodIn: asked.legs.length === 0 ? stoodIn : 0n, inFlight };
}

function worth({ num, den }: Rate, atoms: bigint): bigint {
  return least((atoms * den) / num, BigInt(codes.limit.balance_atoms));
}

type Due = { asset: number; amount: bigint; parts: readonly Part[] };
export type LegTaking = { leg: HoldLeg; given: Part[]; fromAvailable: Part[]; owed: bigint };

/**
 * What a settle takes of each leg of a hold, which gets legs for what it has none of: what the leg has, what its account has
 * beyond that, and what is owed. Or in which asset the hold has too little, and how much it has for that.
 */
export function settleLines(
  wallet: Wallet,
  hold: Hold,
  dues: readonly Due[],
  lines: readonly FallbackLine[],
  { isLate, onExcess }: { isLate: boolean; onExcess: 'charge' | 'cap' | 'reject' },
): LegTaking[] | { short: number; within: bigint } {
  const plain = dues.flatMap(({ asset, parts }) =>
    parts.map(({ atoms, scopes }) => ({ asset, atoms, scopes, rates: [] as Rate[] })),
  );
  let all = [...plain, ...lines].map(begin);
  const legIn = (asset: number) => hold.legs.find((leg) => leg.asset === asset);
  if (onExcess !== 'charge') {
    const { of, claim } = claims();
    const there: Purse['there'] = (asset, atoms, scopes) => {
      const leg = legIn(asset);
      if (!leg) return 0n;
      if (isLate) return least(atoms, leg.released - sum(of(asset).map((part) => part.atoms)));
      return last(reachHeld(wallet, leg, [...of(asset), { atoms, scopes }]).got);
    };
    for (const line of all) draw(line, { there, claim });
    const short = all.find(({ left }) => left > 0n);
    if (short && onExcess === 'reject') {
      const same = all.filter(({ asset }) => asset === short.asset);
      return { short: short.asset, within: sum(same.map(({ atoms, left }) => atoms - left)) };
    }
    all = all.map((line) => begin({ ...line, atoms: line.atoms - line.left, rates: line.rates.slice(1) }));
  }
  const held = claims();
  for (const line of all) {
    const there: Purse['there'] = (asset, atoms, scopes) => {
      const leg = legIn(asset);
      if (!leg) return 0n;
      const parts = [...held.of(asset), { atoms, scopes }];
      if (!isLate) return last(reachHeld(wallet, leg, parts).got);
      const back = leg.released - sum(held.of(asset).map((part) => part.atoms));
      return least(back, last(reach(wallet, asset, parts).got));
    };
    draw(line, { there, claim: held.claim });
  }
  const beyond = claims();
  for (const line of all) {
    const there: Purse['there'] = (asset, atoms, scopes) => {
      const before = [...(isLate ? held.of(asset) : []), ...beyond.of(asset)];
      return last(reach(wallet, asset, [...before, { atoms, scopes }]).got);
    };
    draw(line, { there, claim: beyond.claim });
    for (const { asset } of line.rates) {
      if (beyond.of(asset).length > 0 && !legIn(asset)) hold.legs.push(emptyLeg(asset));
    }
  }
  return hold.legs.map((leg) => ({
    leg,
    given: held.of(leg.asset),
    fromAvailable: beyond.of(leg.asset),
    owed: sum(all.filter(({ asset }) => asset === leg.asset).map(({ left }) => left)),
  }));
}

export const emptyLeg = (asset: number): HoldLeg => {
  return { asset, amount: 0n, held: 0n, settled: 0n, released: 0n, num: 0n, den: 0n, taken: [] };
};
