// Random choices that the same seed makes again.

export type Random = ReturnType<typeof randomFrom>;

/** Mulberry32. */
export function randomFrom(seed: number) {
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    of: <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)]!,
    chance: (part: number): boolean => next() < part,
    weighed: <T>(list: readonly [weight: number, T][]): T => {
      let at = next() * list.reduce((all, [weight]) => all + weight, 0);
      return (list.find(([weight]) => (at -= weight) < 0) ?? list[0]!)[1];
    },
  };
}
