// What scopes cover, part by part: which grants a part may take from, and what it gets. Nothing moves here.
import { grantOf, least, spendable, sum, type HoldLeg, type Wallet } from './wallet.ts';

/** So much, for lines that these scopes cover. `own`: what a hold took for it is its own, whatever it was taken from. */
export type Part = { atoms: bigint; scopes: readonly number[]; own?: boolean };
export type Taken = { grantNo: number; atoms: bigint }[];
type Reached = { got: bigint[]; taken: Taken };

export const got = ({ got: each }: Reached): bigint => sum(each);

/** What each part gets of what is available, one after the other. */
export function reach(wallet: Wallet, asset: number, parts: readonly Part[]): Reached {
  return go(parts, (part) =>
    spendable(wallet, asset, part.scopes).map(({ no, remaining }) => [no, remaining] as const),
  );
}

/** What each part gets of what a leg holds, one after the other. */
export function reachHeld(wallet: Wallet, leg: HoldLeg, parts: readonly Part[]): Reached {
  const covers = (part: Part, no: number) => {
    const { scope } = grantOf(wallet, no);
    return part.own === true || scope === 0 || part.scopes.includes(scope);
  };
  return go(parts, (part) =>
    leg.taken.filter(({ grantNo }) => covers(part, grantNo)).map(({ grantNo, atoms }) => [grantNo, atoms] as const),
  );
}

function go(parts: readonly Part[], sourcesOf: (part: Part) => (readonly [number, bigint])[]): Reached {
  const gone = new Map<number, bigint>();
  const each = parts.map((part) => {
    let missing = part.atoms;
    for (const [no, atoms] of sourcesOf(part)) {
      const taken = least(missing, atoms - (gone.get(no) ?? 0n));
      if (taken > 0n) gone.set(no, (gone.get(no) ?? 0n) + taken);
      missing -= taken;
    }
    return part.atoms - missing;
  });
  return { got: each, taken: [...gone].map(([grantNo, atoms]) => ({ grantNo, atoms })) };
}

/** Of what parts got, so much in all, first ones first; and what is missing then. */
export function split(parts: readonly Part[], each: readonly bigint[], atoms: bigint): { given: Part[]; rest: Part[] } {
  let left = atoms;
  const given = parts.map((part, i) => {
    const mine = least(left, each[i]!);
    left -= mine;
    return { ...part, atoms: mine };
  });
  return { given, rest: parts.map((part, i) => ({ ...part, atoms: part.atoms - given[i]!.atoms })) };
}

/** Without the first so many atoms, and no more than so many. */
export function within(parts: readonly Part[], skipped: bigint, atoms: bigint): Part[] {
  let [before, left] = [skipped, atoms];
  return parts.map((part) => {
    const skip = least(before, part.atoms);
    const mine = least(part.atoms - skip, left);
    before -= skip;
    left -= mine;
    return { ...part, atoms: mine };
  });
}
