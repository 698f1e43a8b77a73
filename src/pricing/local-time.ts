// Time zones: which names are taken, and which instant a local time is.
//
// Calendars and zones are Temporal's, from `temporal-polyfill` until every Node has its own (which it uses where there is
// one). The rules come from Node's ICU data; where two gateways' data differ, so may windows after a change of law.
import { Temporal } from 'temporal-polyfill';

/** An IANA name that was checked, such as `Europe/Berlin`. */
export type TimeZone = string & { readonly brand: 'time zone' };

export const utc = 'UTC' as TimeZone;

// Temporal also takes offsets and whole timestamps; neither says what a clock shows in summer.
const ianaName = /^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/;
const nameLengthMax = 64;

export type ReadTimeZone = { status: 'ok'; timeZone: TimeZone } | { status: 'refused'; message: string };

/** `europe/berlin` → `Europe/Berlin`. Refuses what is no IANA name, offsets such as `+02:00` among it. */
export function readTimeZone(text: string): ReadTimeZone {
  if (text.length <= nameLengthMax && ianaName.test(text)) {
    try {
      return { status: 'ok', timeZone: zonedAt(0, text).timeZoneId as TimeZone };
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  }
  return { status: 'refused', message: 'must be an IANA time zone such as "Europe/Berlin" or "UTC"' };
}

export function zonedAt(instantMs: number, timeZone: string): Temporal.ZonedDateTime {
  return Temporal.Instant.fromEpochMilliseconds(instantMs).toZonedDateTimeISO(timeZone);
}

/** The first instant at which a clock there shows this time, or, where it skipped it, the first after the gap. */
export function firstInstantMs(local: Temporal.PlainDateTime, timeZone: TimeZone): number {
  const earlier = local.toZonedDateTime(timeZone, { disambiguation: 'earlier' });
  if (earlier.toPlainDateTime().equals(local)) return earlier.epochMilliseconds;
  // In a gap, `earlier` is before it by the gap's own length, so that the next change of clocks is this one.
  const afterGap = earlier.getTimeZoneTransition('next');
  if (!afterGap) throw new Error(`${timeZone} skips ${local.toString()} and has no change of clocks there`);
  return afterGap.epochMilliseconds;
}
