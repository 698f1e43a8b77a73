// The instants at which a recurring grant renews: its anchor, and then one for each hour, day, week or month.
//
// Each is computed from the anchor, never from the one before: the 31st clamps to a shorter month's last day and is the 31st
// again in the next. A local time that clocks skip is the first instant after the gap; one that they show twice, the first.
// An hour is sixty minutes, whatever clocks do. A day that a zone left out (Pacific/Apia, 2011-12-30) has no daily
// renewal, for the next day begins at once; a weekly or monthly one falls on the first instant after it.
import { firstInstantMs, type TimeZone, zonedAt } from './local-time.ts';
import type { CalendarUnit } from './period.ts';

export type Recurrence = {
  readonly each: CalendarUnit;
  readonly timeZone: TimeZone;
  /** The first renewal. */
  readonly anchorMs: number;
};

/** The next `count` instants after `afterMs`, in order: no two are equal, and none is left out. */
export function nextInstants(recurrence: Recurrence, afterMs: number, count: number): readonly number[] {
  const instants: number[] = [];
  for (let step = stepBefore(recurrence, afterMs); instants.length < count; step += 1) {
    const instantMs = instantAt(recurrence, step);
    if (instantMs !== undefined && instantMs > afterMs) instants.push(instantMs);
  }
  return instants;
}

const hourMs = 3_600_000;

function instantAt({ each, timeZone, anchorMs }: Recurrence, step: number): number | undefined {
  // The anchor may be the second showing of a time that clocks show twice.
  if (step === 0) return anchorMs;
  const anchor = zonedAt(anchorMs, timeZone).toPlainDateTime();
  switch (each) {
    case 'hour':
      return anchorMs + step * hourMs;
    case 'day': {
      const local = anchor.add({ days: step });
      const isLeftOut = !local.toPlainDate().toZonedDateTime(timeZone).toPlainDate().equals(local.toPlainDate());
      return isLeftOut ? undefined : firstInstantMs(local, timeZone);
    }
    case 'week':
      return firstInstantMs(anchor.add({ weeks: step }), timeZone);
    case 'month':
      return firstInstantMs(anchor.add({ months: step }), timeZone);
  }
}

/** A step whose instant, and so that of every one before it, is not after `afterMs`; the anchor's where all are after it. */
function stepBefore({ each, timeZone, anchorMs }: Recurrence, afterMs: number): number {
  if (each === 'hour') return Math.max(0, Math.floor((afterMs - anchorMs) / hourMs));
  const anchor = zonedAt(anchorMs, timeZone).toPlainDate();
  const after = zonedAt(afterMs, timeZone).toPlainDate();
  const largestUnit = `${each}s` as const;
  // One less, for a gap may have put the last one off.
  return Math.max(0, after.since(anchor, { largestUnit })[largestUnit] - 1);
}
