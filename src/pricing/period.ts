// Periods that budgets and tiers count over, and the window of one that an instant lies in.
//
// The windows of a period tile time: each instant lies in exactly one. Days, weeks (from Monday) and months begin with the
// first instant of their first day, whatever a zone's clocks do there; a day that a zone left out (Pacific/Apia,
// 2011-12-30) has no window. Where clocks go back over midnight, the new day has begun and doesn't begin again.
// An hour begins when a clock shows a whole hour, and at a change of clocks by less than one (Australia/Lord_Howe).
import type { Temporal } from 'temporal-polyfill';
import { readTimeZone, type TimeZone, utc, zonedAt } from './local-time.ts';

export type CalendarUnit = 'hour' | 'day' | 'week' | 'month';
export type CalendarPeriod = { readonly unit: CalendarUnit; readonly timeZone: TimeZone };
export type LifetimePeriod = { readonly unit: 'lifetime' };
export type RollingPeriod = { readonly unit: 'rolling'; readonly rollingMs: number };
export type Period = CalendarPeriod | LifetimePeriod | RollingPeriod;

/** From `startMs` to before `endMs`. */
export type Window = { readonly startMs: number; readonly endMs: number };

/** All of time: from 1970 to the last instant that JavaScript knows. Both are exact in Lua. */
export const lifetimeWindow: Window = { startMs: 0, endMs: 8_640_000_000_000_000 };

/** Shorter ones would spend more on buckets than they guard; longer ones have calendar periods. */
export const rollingMs = { least: 60_000, most: 366 * 86_400_000 } as const;

/** A period as the API has it. */
export type PeriodText =
  | { readonly unit: CalendarUnit | 'lifetime'; readonly time_zone?: string | undefined }
  | { readonly rolling_ms: number };

export type ReadPeriod =
  | { status: 'ok'; period: Period }
  | { status: 'refused'; path: 'time_zone' | 'rolling_ms'; message: string };

export function readPeriod(text: PeriodText): ReadPeriod {
  if ('rolling_ms' in text) {
    const length = text.rolling_ms;
    const isInBounds = Number.isSafeInteger(length) && length >= rollingMs.least && length <= rollingMs.most;
    if (isInBounds) return { status: 'ok', period: { unit: 'rolling', rollingMs: length } };
    const message = `must be a whole number from ${rollingMs.least} (a minute) to ${rollingMs.most} (366 days)`;
    return { status: 'refused', path: 'rolling_ms', message };
  }
  const zone = readTimeZone(text.time_zone ?? utc);
  if (zone.status === 'refused') return { ...zone, path: 'time_zone' };
  // A lifetime is the same in every zone.
  if (text.unit === 'lifetime') return { status: 'ok', period: { unit: 'lifetime' } };
  return { status: 'ok', period: { unit: text.unit, timeZone: zone.timeZone } };
}

/** The window that the instant lies in. For a rolling period see `rollingAt`. */
export function windowAt(period: CalendarPeriod | LifetimePeriod, instantMs: number): Window {
  if (period.unit === 'lifetime') return lifetimeWindow;
  const known = recent.get(period.timeZone)?.[period.unit];
  if (known) {
    if (isWithin(known.newest, instantMs)) return known.newest;
    if (isWithin(known.other, instantMs)) return known.other;
  }
  const window = period.unit === 'hour' ? hourAt(period, instantMs) : daysAt(period.unit, period.timeZone, instantMs);
  remember(period, window);
  return window;
}

// Every authorize asks for the present windows of its budgets. Two are kept for each unit and zone, however many budgets
// have them: the newest, and the last other one, so that events of the past don't drive out the present.
type Recent = { newest: Window; other: Window };
const recent = new Map<TimeZone, { [unit in CalendarUnit]?: Recent }>();

function remember(period: CalendarPeriod, window: Window): void {
  const units = recent.get(period.timeZone) ?? {};
  recent.set(period.timeZone, units);
  const known = units[period.unit];
  if (!known) units[period.unit] = { newest: window, other: window };
  else if (window.startMs < known.newest.startMs) known.other = window;
  else units[period.unit] = { newest: window, other: known.newest };
}

function isWithin(window: Window, instantMs: number): boolean {
  return instantMs >= window.startMs && instantMs < window.endMs;
}

const hourMs = 3_600_000;

function hourAt({ timeZone }: CalendarPeriod, instantMs: number): Window {
  const offsetMs = offsetAt(instantMs, timeZone);
  const startMs = Math.floor((instantMs + offsetMs) / hourMs) * hourMs - offsetMs;
  const endMs = startMs + hourMs;
  return {
    // From the next millisecond on, because a change of clocks at this very instant counts.
    startMs: offsetAt(startMs, timeZone) === offsetMs ? startMs : changeOfClocks(instantMs + 1, timeZone, 'previous'),
    endMs: offsetAt(endMs - 1, timeZone) === offsetMs ? endMs : changeOfClocks(instantMs, timeZone, 'next'),
  };
}

function offsetAt(instantMs: number, timeZone: TimeZone): number {
  return zonedAt(instantMs, timeZone).offsetNanoseconds / 1_000_000;
}

function changeOfClocks(instantMs: number, timeZone: TimeZone, direction: 'next' | 'previous'): number {
  const change = zonedAt(instantMs, timeZone).getTimeZoneTransition(direction);
  if (!change) throw new Error(`${timeZone} changes its offset around ${instantMs} and knows of no change of clocks`);
  return change.epochMilliseconds;
}

function daysAt(unit: Exclude<CalendarUnit, 'hour'>, timeZone: TimeZone, instantMs: number): Window {
  const date = zonedAt(instantMs, timeZone).toPlainDate();
  let first = firstDay(unit, date);
  let startMs = startOfDay(first, timeZone);
  for (;;) {
    const next = first.add(lengths[unit]);
    const endMs = startOfDay(next, timeZone);
    if (instantMs < endMs) return { startMs, endMs };
    // Clocks went back over midnight, and the next window had already begun.
    first = next;
    startMs = endMs;
  }
}

const lengths = { day: { days: 1 }, week: { weeks: 1 }, month: { months: 1 } };

function firstDay(unit: Exclude<CalendarUnit, 'hour'>, date: Temporal.PlainDate): Temporal.PlainDate {
  switch (unit) {
    case 'day':
      return date;
    case 'week':
      return date.subtract({ days: date.dayOfWeek - 1 });
    case 'month':
      return date.with({ day: 1 });
  }
}

function startOfDay(date: Temporal.PlainDate, timeZone: TimeZone): number {
  return date.toZonedDateTime(timeZone).epochMilliseconds;
}
