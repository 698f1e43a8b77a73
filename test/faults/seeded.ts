// Random choices from a seed, so that a failure can be run again; how many rounds a run makes, and which cases it tries.
export type Random = {
  /** In [0, 1). */
  next: () => number;
  /** A whole number, both ends included. */
  between: (least: number, most: number) => number;
  pick: <T>(from: readonly T[]) => T;
  chance: (share: number) => boolean;
};

/** `FAULT_SEED` runs a seed again; otherwise each run has one of its own, which it prints (test/stores.setup.ts). */
export const seed = Number(process.env['FAULT_SEED']);

/** So many rounds, times `FAULT_ROUNDS` (default 1) for longer runs. */
export function rounds(count: number): number {
  return Math.max(1, Math.round(count * Number(process.env['FAULT_ROUNDS'] ?? 1)));
}

/**
 * Some cases of a list, others in each run; all of them where `FAULT_ROUNDS` is large enough. For what is costly, and alike:
 * every run tries a part, and all runs together the whole.
 */
export function someOf<T>(cases: readonly T[], count: number): T[] {
  const random = randomOf(seed + cases.length);
  const drawn = cases.map((one) => ({ one, place: random.next() })).sort((a, b) => a.place - b.place);
  const chosen = new Set(drawn.slice(0, rounds(count)).map(({ one }) => one));
  return cases.filter((one) => chosen.has(one));
}

/** The next of points that lie in a row, of which a run of `FAULT_ROUNDS` 1 skips up to two; from 3 on it skips none. */
export function pointAfter(at: number): number {
  const strideMax = Math.max(1, Math.round(3 / rounds(1)));
  return at + randomOf(seed + at).between(1, strideMax);
}

/** mulberry32: small, fast, good enough to choose faults with. */
export function randomOf(from: number): Random {
  let state = from >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const between = (least: number, most: number) => least + Math.floor(next() * (most - least + 1));
  return {
    next,
    between,
    pick: (list) => list[between(0, list.length - 1)]!,
    chance: (share) => next() < share,
  };
}
