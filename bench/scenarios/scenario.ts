// A scenario measures some figures; each is told with what it is compared to, and what is wanted of it.
import type { Bench } from '../bench.ts';
import type { World } from '../world.ts';
import type { Sides } from './pairs.ts';

export type Scenario = {
  name: string;
  /** One line for the list of scenarios. */
  what: string;
  worlds: readonly World[];
  /** Part of `--quick`. */
  isQuick?: boolean;
  measure: (bench: Bench, run: Run) => Promise<Outcome>;
  /** What takes turns, where that is what it is about: `npm run profile` has its load. */
  sides?: Sides;
};

export type Run = {
  pairs: number;
  seconds: number;
  connections: readonly number[];
  isQuick: boolean;
  say: (line: string) => void;
};

export type Outcome = { figures: Figure[]; raw: unknown };

export type Figure = {
  figure: string;
  unit: string;
  /** Medians; the base is absent where there is nothing to compare to. */
  base?: number;
  subject: number;
  ratio?: number;
  range?: readonly [number, number];
  wanted?: string;
  isMet?: boolean;
};

/** Of a ratio, or of the figure itself where it has no base. */
export type Wanted = { atLeast: number } | { atMost: number };

/** Of pairs that took turns: medians, and the median and range of their ratios. */
export function compared(
  figure: string,
  unit: string,
  pairs: readonly { base: number; subject: number }[],
  wanted?: Wanted,
): Figure {
  const ratios = pairs.map(({ base, subject }) => subject / base);
  const ratio = median(ratios);
  return {
    figure,
    unit,
    base: median(pairs.map(({ base }) => base)),
    subject: median(pairs.map(({ subject }) => subject)),
    ratio,
    range: [Math.min(...ratios), Math.max(...ratios)],
    ...judged(ratio, wanted),
  };
}

export function told(figure: string, unit: string, subject: number, wanted?: Wanted): Figure {
  return { figure, unit, subject, ...judged(subject, wanted) };
}

function judged(value: number, wanted: Wanted | undefined): Pick<Figure, 'wanted' | 'isMet'> {
  if (wanted === undefined) return {};
  return 'atLeast' in wanted
    ? { wanted: `≥ ${wanted.atLeast}`, isMet: value >= wanted.atLeast }
    : { wanted: `≤ ${wanted.atMost}`, isMet: value <= wanted.atMost };
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}
