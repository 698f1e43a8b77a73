// Whose turn it is where customers do not simply follow one another; the same sequence in each run.
import type { Choose } from './requests.ts';

const choicesCount = 2 ** 17;

/** Each as likely as the others. */
export function anywhere(count: number): Choose {
  const next = random();
  return () => Math.floor(next() * count);
}

/** The n-th is n times as rare as the first. */
export function zipf(count: number): Choose {
  const upTo: number[] = [];
  for (let no = 1, sum = 0; no <= count; no += 1) upTo.push((sum += 1 / no));
  const next = random();
  const choices = Int32Array.from({ length: choicesCount }, () => firstAbove(upTo, next() * upTo.at(-1)!));
  let turn = 0;
  return () => choices[turn++ % choicesCount]!;
}

function firstAbove(ascending: readonly number[], value: number): number {
  let low = 0;
  let high = ascending.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle]! > value) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** In [0, 1): mulberry32, from a fixed seed. */
function random(): () => number {
  let state = 6;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
