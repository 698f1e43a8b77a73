// Random choices from a seed, so that a failure can be run again; and how many rounds a run makes.
export type Random = {
  /** In [0, 1). */
  next: () => number;
  /** A whole number, both ends included. */
  between: (least: number, most: number) => number;
  pick: <T>(from: readonly T[]) => T;
  chance: (share: number) => boolean;
};

/** `FAULT_SEED` runs a seed again; otherwise each run has one of its own. */
export const seed = Number(process.env['FAULT_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

/** So many rounds, times `FAULT_ROUNDS` (default 1) for longer runs. */
export function rounds(count: number): number {
  return Math.max(1, Math.round(count * Number(process.env['FAULT_ROUNDS'] ?? 1)));
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
