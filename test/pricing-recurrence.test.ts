// Renewal instants: known ones, and that none is doubled, missed, or computed from the one before.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { TimeZone } from '../src/pricing/local-time.ts';
import type { CalendarUnit } from '../src/pricing/period.ts';
import { nextInstants, type Recurrence } from '../src/pricing/recurrence.ts';
import { anyInstant, anyZone, shown, shownMs } from './local-clock.ts';

const recurrence = (each: CalendarUnit, timeZone: string, anchor: string | number): Recurrence => ({
  each,
  timeZone: timeZone as TimeZone,
  anchorMs: new Date(anchor).getTime(),
});

const dayMs = 86_400_000;

describe('renewals', () => {
  // [each, zone, anchor, after, as local clocks show them]
  const known: [CalendarUnit, string, string, string, string[]][] = [
    // The 31st clamps, and comes back.
    [
      'month',
      'UTC',
      '2026-01-31T10:00:00Z',
      '2026-01-30T00:00:00Z',
      ['2026-01-31T10:00', '2026-02-28T10:00', '2026-03-31T10:00', '2026-04-30T10:00', '2026-05-31T10:00'],
    ],
    ['month', 'UTC', '2023-10-30T00:00:00Z', '2024-01-30T00:00:00Z', ['2024-02-29T00:00', '2024-03-30T00:00']],
    ['month', 'UTC', '2024-02-29T00:00:00Z', '2025-02-01T00:00:00Z', ['2025-02-28T00:00', '2025-03-29T00:00']],
    ['month', 'Asia/Tokyo', '2026-01-30T15:00:00Z', '2026-02-01T00:00:00Z', ['2026-02-28T00:00', '2026-03-31T00:00']],
    // 02:30 does not exist on 29 March 2026, and exists twice on 25 October.
    [
      'day',
      'Europe/Berlin',
      '2026-01-01T01:30:00Z',
      '2026-03-28T00:00:00Z',
      ['2026-03-28T02:30', '2026-03-29T03:00', '2026-03-30T02:30'],
    ],
    [
      'day',
      'America/New_York',
      '2026-01-01T07:30:00Z',
      '2026-03-07T00:00:00Z',
      ['2026-03-07T02:30', '2026-03-08T03:00', '2026-03-09T02:30'],
    ],
    [
      'day',
      'Australia/Lord_Howe',
      '2026-01-01T15:10:00Z',
      '2026-10-02T00:00:00Z',
      ['2026-10-03T02:10', '2026-10-04T02:30', '2026-10-05T02:10'],
    ],
    ['week', 'Europe/Berlin', '2026-03-15T01:30:00Z', '2026-03-15T01:30:00Z', ['2026-03-22T02:30', '2026-03-29T03:00']],
    [
      'month',
      'Europe/Berlin',
      '2026-01-29T01:30:00Z',
      '2026-02-01T00:00:00Z',
      ['2026-02-28T02:30', '2026-03-29T03:00', '2026-04-29T02:30'],
    ],
    // Midnight does not exist.
    [
      'day',
      'America/Sao_Paulo',
      '2018-10-01T03:00:00Z',
      '2018-11-03T12:00:00Z',
      ['2018-11-04T01:00', '2018-11-05T00:00'],
    ],
    // The 30th of December 2011 never was: no daily renewal, but a weekly and a monthly one.
    [
      'day',
      'Pacific/Apia',
      '2011-12-01T20:00:00Z',
      '2011-12-29T00:00:00Z',
      ['2011-12-29T10:00', '2011-12-31T10:00', '2012-01-01T10:00'],
    ],
    ['day', 'Pacific/Apia', '2011-12-01T10:00:00Z', '2011-12-29T09:00:00Z', ['2011-12-29T00:00', '2011-12-31T00:00']],
    ['week', 'Pacific/Apia', '2011-12-23T20:00:00Z', '2011-12-24T00:00:00Z', ['2011-12-31T00:00', '2012-01-06T10:00']],
    [
      'month',
      'Pacific/Apia',
      '2011-10-30T20:00:00Z',
      '2011-11-01T00:00:00Z',
      ['2011-11-30T10:00', '2011-12-31T00:00', '2012-01-30T10:00'],
    ],
    // An hour is sixty minutes, also where clocks move by thirty.
    [
      'hour',
      'Australia/Lord_Howe',
      '2026-04-04T14:15:00Z',
      '2026-04-04T14:15:00Z',
      ['2026-04-05T01:45', '2026-04-05T02:45'],
    ],
    // Far ahead of its anchor, and before it.
    ['month', 'UTC', '2000-01-31T00:00:00Z', '2038-02-01T00:00:00Z', ['2038-02-28T00:00', '2038-03-31T00:00']],
    ['week', 'UTC', '2026-11-21T00:00:00Z', '1999-01-01T00:00:00Z', ['2026-11-21T00:00', '2026-11-28T00:00']],
  ];

  test.each(known)('each %s in %s from %s, after %s: %j', (each, zone, anchor, after, expected) => {
    const instants = nextInstants(recurrence(each, zone, anchor), Date.parse(after), expected.length);
    expect(instants.map((instantMs) => shown(instantMs, zone).slice(0, 16))).toEqual(expected);
  });

  test('at a time that is shown twice fall on the first, but for an anchor that is the second', () => {
    const daily = recurrence('day', 'Europe/Berlin', '2026-10-24T00:30:00Z');
    expect(nextInstants(daily, daily.anchorMs, 1)).toEqual([Date.parse('2026-10-25T00:30:00Z')]);
    const fromSecond = recurrence('month', 'Europe/Berlin', '2026-10-25T01:30:00Z');
    expect(nextInstants(fromSecond, fromSecond.anchorMs - 1, 2)).toEqual([
      fromSecond.anchorMs,
      Date.parse('2026-11-25T01:30:00Z'),
    ]);
  });

  const anyRecurrence = fc.record({
    each: fc.constantFrom<CalendarUnit>('hour', 'day', 'week', 'month'),
    timeZone: anyZone as fc.Arbitrary<TimeZone>,
    anchorMs: anyInstant,
  });

  test('strictly increase, are those after the instant that was asked for, and don’t depend on how they are asked for', () => {
    fc.assert(
      fc.property(anyRecurrence, anyInstant, (any, afterMs) => {
        const instants = nextInstants(any, afterMs, 6);
        let previousMs = Math.max(afterMs, any.anchorMs - 1);
        for (const instantMs of instants) {
          expect(instantMs > previousMs).toBe(true);
          previousMs = instantMs;
        }
        const oneByOne: number[] = [];
        while (oneByOne.length < 6) oneByOne.push(...nextInstants(any, oneByOne.at(-1) ?? afterMs, 1));
        expect(oneByOne).toEqual(instants);
        expect(nextInstants(any, instants[0]! - 1, 6)).toEqual(instants);
      }),
      { numRuns: 500 },
    );
  });

  test('of a month: the k-th is on the anchor’s day or the month’s last, at the first instant that shows its time', () => {
    fc.assert(
      fc.property(anyZone, anyInstant, (zone, anchorMs) => {
        const instants = nextInstants(recurrence('month', zone, anchorMs), anchorMs - 1, 26);
        expect(instants[0]).toBe(anchorMs);
        const anchor = new Date(shownMs(anchorMs, zone));
        for (const [k, instantMs] of instants.entries()) {
          if (k === 0) continue;
          const [year, month] = [anchor.getUTCFullYear(), anchor.getUTCMonth() + k];
          const day = Math.min(anchor.getUTCDate(), new Date(Date.UTC(year, month + 1, 0)).getUTCDate());
          expectFirst(instantMs, zone, Date.UTC(year, month, day) + (anchor.getTime() % dayMs));
        }
      }),
      { numRuns: 200 },
    );
  });

  test('of a day or week: every one is the first instant that shows the anchor’s time so many days on', () => {
    fc.assert(
      fc.property(anyZone, anyInstant, fc.constantFrom(1, 7), fc.nat(4_000), (zone, anchorMs, days, ahead) => {
        const each = days === 1 ? 'day' : 'week';
        const instants = nextInstants(recurrence(each, zone, anchorMs), anchorMs + ahead * dayMs, 60);
        const anchorShownMs = shownMs(anchorMs, zone);
        let step = Math.round((shownMs(instants[0]!, zone) - anchorShownMs) / dayMs / days);
        for (const instantMs of instants) {
          const isLeftOut = shownMs(instantMs, zone) - (anchorShownMs + step * days * dayMs) >= dayMs / 2 && days === 1;
          if (isLeftOut) step += 1;
          expectFirst(instantMs, zone, anchorShownMs + step * days * dayMs);
          step += 1;
        }
      }),
      { numRuns: 200 },
    );
  });
});

/** It shows that time, and nothing earlier does; or clocks skipped that time, and it is the first after the gap. */
function expectFirst(instantMs: number, zone: string, wantedMs: number): void {
  const what = `${shown(instantMs, zone)} in ${zone} for ${new Date(wantedMs).toISOString()}`;
  const isShown = shownMs(instantMs, zone) === wantedMs;
  const isAfterGap = shownMs(instantMs, zone) > wantedMs && shownMs(instantMs - 1, zone) < wantedMs;
  expect(isShown || isAfterGap, what).toBe(true);
  for (const foldMs of [1_800_000, 3_600_000, 7_200_000, dayMs]) {
    expect(shownMs(instantMs - foldMs, zone) !== wantedMs, what).toBe(true);
  }
}
