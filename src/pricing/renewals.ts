// What an instance of a recurring grant is: when it ends, and what of it lives on then.
import { nextInstants, type Recurrence } from './recurrence.ts';
import type { TimeZone } from './local-time.ts';

/** How many instances are asked for ahead: a worker may be away for so long, and every renewal still comes at its instant. */
export const aheadOf = { hour: 24, day: 7, week: 4, month: 3 } as const;

type Terms = {
  each: Recurrence['each'];
  timeZone: string;
  anchorMs: number;
  onRenew: 'replace' | 'accumulate' | 'rollover';
  rolloverPeriods: number | undefined;
};

export function recurrenceOf({ each, timeZone, anchorMs }: Terms): Recurrence {
  return { each, timeZone: timeZone as TimeZone, anchorMs };
}

/** Of an instance that the next one follows at `nextAtMs`. */
export function endOf(
  terms: Terms,
  nextAtMs: number,
): { expiresAtMs: number | undefined; untilMs: number | undefined } {
  if (terms.onRenew === 'accumulate') return { expiresAtMs: undefined, untilMs: undefined };
  const periods = terms.rolloverPeriods;
  const untilMs = periods === undefined ? undefined : nextInstants(recurrenceOf(terms), nextAtMs, periods).at(-1);
  return { expiresAtMs: nextAtMs, untilMs };
}
