// Windows of periods: known dates in zones whose clocks do odd things, and that windows tile time, by Intl's account.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readTimeZone, type TimeZone } from '../src/pricing/local-time.ts';
import { type CalendarUnit, lifetimeWindow, readPeriod, rollingMs, windowAt } from '../src/pricing/period.ts';
import { bucketEndsCountingMs, bucketsCount, rollingAt } from '../src/pricing/rolling.ts';
import { anyInstant, anyZone, shown, shownMs } from './local-clock.ts';

const window = (unit: CalendarUnit, timeZone: string, instantMs: number) =>
  windowAt({ unit, timeZone: timeZone as TimeZone }, instantMs);

describe('the window that an instant lies in', () => {
  const known: [CalendarUnit, string, string, string, string][] = [
    ['hour', 'UTC', '2026-11-21T09:17:54.321Z', '2026-11-21T09:00:00Z', '2026-11-21T10:00:00Z'],
    ['day', 'UTC', '2026-11-21T00:00:00Z', '2026-11-21T00:00:00Z', '2026-11-22T00:00:00Z'],
    ['day', 'UTC', '2026-11-20T23:59:59.999Z', '2026-11-20T00:00:00Z', '2026-11-21T00:00:00Z'],
    ['week', 'UTC', '2026-11-22T23:59:59.999Z', '2026-11-16T00:00:00Z', '2026-11-23T00:00:00Z'],
    ['week', 'UTC', '2026-11-23T00:00:00Z', '2026-11-23T00:00:00Z', '2026-11-30T00:00:00Z'],
    ['month', 'UTC', '2024-02-29T12:00:00Z', '2024-02-01T00:00:00Z', '2024-03-01T00:00:00Z'],
    ['month', 'UTC', '2026-12-31T12:00:00Z', '2026-12-01T00:00:00Z', '2027-01-01T00:00:00Z'],
    // Clocks go forward: 23 hours. Back: 25, and the hour that is shown twice is two.
    ['day', 'Europe/Berlin', '2026-03-29T12:00:00Z', '2026-03-28T23:00:00Z', '2026-03-29T22:00:00Z'],
    ['day', 'Europe/Berlin', '2026-10-25T12:00:00Z', '2026-10-24T22:00:00Z', '2026-10-25T23:00:00Z'],
    ['hour', 'Europe/Berlin', '2026-03-29T01:30:00Z', '2026-03-29T01:00:00Z', '2026-03-29T02:00:00Z'],
    ['hour', 'Europe/Berlin', '2026-10-25T00:30:00Z', '2026-10-25T00:00:00Z', '2026-10-25T01:00:00Z'],
    ['hour', 'Europe/Berlin', '2026-10-25T01:30:00Z', '2026-10-25T01:00:00Z', '2026-10-25T02:00:00Z'],
    ['week', 'Europe/Berlin', '2026-03-29T21:59:59Z', '2026-03-22T23:00:00Z', '2026-03-29T22:00:00Z'],
    ['month', 'Europe/Berlin', '2026-03-31T21:59:59Z', '2026-02-28T23:00:00Z', '2026-03-31T22:00:00Z'],
    ['day', 'America/New_York', '2026-03-08T12:00:00Z', '2026-03-08T05:00:00Z', '2026-03-09T04:00:00Z'],
    ['day', 'America/New_York', '2026-11-01T12:00:00Z', '2026-11-01T04:00:00Z', '2026-11-02T05:00:00Z'],
    ['month', 'America/New_York', '2026-11-30T12:00:00Z', '2026-11-01T04:00:00Z', '2026-12-01T05:00:00Z'],
    // Half an hour, back at 02:00 and forward at 02:00: half hours beside the change.
    ['day', 'Australia/Lord_Howe', '2026-04-05T00:00:00Z', '2026-04-04T13:00:00Z', '2026-04-05T13:30:00Z'],
    ['hour', 'Australia/Lord_Howe', '2026-04-04T14:30:00Z', '2026-04-04T14:00:00Z', '2026-04-04T15:00:00Z'],
    ['hour', 'Australia/Lord_Howe', '2026-04-04T15:00:00Z', '2026-04-04T15:00:00Z', '2026-04-04T15:30:00Z'],
    ['hour', 'Australia/Lord_Howe', '2026-04-04T15:30:00Z', '2026-04-04T15:30:00Z', '2026-04-04T16:30:00Z'],
    ['hour', 'Australia/Lord_Howe', '2026-10-03T15:30:00Z', '2026-10-03T15:30:00Z', '2026-10-03T16:00:00Z'],
    // The 30th of December 2011 never was.
    ['day', 'Pacific/Apia', '2011-12-30T09:59:59.999Z', '2011-12-29T10:00:00Z', '2011-12-30T10:00:00Z'],
    ['day', 'Pacific/Apia', '2011-12-30T10:00:00Z', '2011-12-30T10:00:00Z', '2011-12-31T10:00:00Z'],
    ['week', 'Pacific/Apia', '2011-12-31T09:00:00Z', '2011-12-26T10:00:00Z', '2012-01-01T10:00:00Z'],
    // Midnight does not exist; and clocks that go back over midnight don't bring yesterday back.
    ['day', 'America/Sao_Paulo', '2018-11-04T12:00:00Z', '2018-11-04T03:00:00Z', '2018-11-05T02:00:00Z'],
    ['day', 'America/St_Johns', '2006-10-29T02:45:00Z', '2006-10-29T02:30:00Z', '2006-10-30T03:30:00Z'],
    // Odd offsets.
    ['hour', 'Asia/Kathmandu', '2026-11-21T09:17:54Z', '2026-11-21T09:15:00Z', '2026-11-21T10:15:00Z'],
    ['day', 'Pacific/Chatham', '2026-07-01T12:00:00Z', '2026-07-01T11:15:00Z', '2026-07-02T11:15:00Z'],
  ];

  test.each(known)('%s in %s at %s is [%s, %s)', (unit, timeZone, instant, start, end) => {
    expect(window(unit, timeZone, Date.parse(instant))).toEqual({ startMs: Date.parse(start), endMs: Date.parse(end) });
  });

  test('over a lifetime is all of time', () => {
    expect(windowAt({ unit: 'lifetime' }, Date.UTC(2026, 10, 21))).toBe(lifetimeWindow);
    expect(new Date(lifetimeWindow.endMs).getTime()).toBe(lifetimeWindow.endMs);
  });

  test('is computed once', () => {
    const instantMs = Date.UTC(2026, 10, 21);
    const now = window('month', 'Europe/Berlin', instantMs);
    window('month', 'Europe/Berlin', Date.UTC(2026, 8, 1));
    window('month', 'Europe/Berlin', Date.UTC(2026, 9, 1));
    expect(window('month', 'Europe/Berlin', instantMs + 1)).toBe(now);
  });
});

describe('windows', () => {
  const anyUnit = fc.constantFrom<CalendarUnit>('hour', 'day', 'week', 'month');

  test('tile time: each begins where the one before ends, and all of its instants find it', () => {
    fc.assert(
      fc.property(anyUnit, anyZone, anyInstant, fc.nat(999), (unit, zone, ms, share) => {
        const found = window(unit, zone, ms);
        expect(found.startMs <= ms && ms < found.endMs).toBe(true);
        const withinMs = Math.floor(found.startMs + (share / 1_000) * (found.endMs - 1 - found.startMs));
        // Another window in between, so that not only the cache agrees with itself.
        window(unit, zone, ms + 10 ** 10);
        window(unit, zone, ms + 2 * 10 ** 10);
        for (const inside of [found.startMs, withinMs, found.endMs - 1]) {
          expect(window(unit, zone, inside)).toEqual(found);
        }
        expect(window(unit, zone, found.startMs - 1).endMs).toBe(found.startMs);
        expect(window(unit, zone, found.endMs).startMs).toBe(found.endMs);
      }),
      { numRuns: 1_000 },
    );
  });

  test('of days begin when a clock first shows their date, and a week on a Monday, a month on the 1st', () => {
    fc.assert(
      fc.property(fc.constantFrom('day', 'week', 'month'), anyZone, anyInstant, (unit, zone, ms) => {
        const { startMs, endMs } = window(unit, zone, ms);
        for (const edgeMs of [startMs, endMs]) {
          const [before, first] = [shown(edgeMs - 1, zone).slice(0, 10), shown(edgeMs, zone).slice(0, 10)];
          expect(before < first, `${before} before ${first}`).toBe(true);
          const date = new Date(`${first}T00:00:00Z`);
          // A day left out may have been the Monday or the 1st; in these years none was.
          if (unit === 'week') expect(date.getUTCDay()).toBe(1);
          if (unit === 'month') expect(date.getUTCDate()).toBe(1);
        }
        const days = Math.round((shownMs(endMs, zone) - shownMs(startMs, zone)) / 86_400_000);
        if (unit === 'day') expect(days === 1 || (days === 2 && /Apia|Kwajalein/.test(zone))).toBe(true);
        if (unit === 'week') expect(days).toBe(7);
        if (unit === 'month') expect(days).toBe(daysOfMonth(shown(startMs, zone)));
      }),
      { numRuns: 1_000 },
    );
  });

  test('of hours begin at a whole hour, or at a change of clocks, and are an hour at most', () => {
    fc.assert(
      fc.property(anyZone, anyInstant, (zone, ms) => {
        const { startMs, endMs } = window('hour', zone, ms);
        const isChange = shownMs(startMs, zone) - shownMs(startMs - 1_000, zone) !== 1_000;
        expect(shownMs(startMs, zone) % 3_600_000 === 0 || isChange).toBe(true);
        expect(endMs - startMs).toBeLessThanOrEqual(3_600_000);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('a period as it is asked for', () => {
  test.each([
    [{ unit: 'day' }, { unit: 'day', timeZone: 'UTC' }],
    [
      { unit: 'month', time_zone: 'europe/BERLIN' },
      { unit: 'month', timeZone: 'Europe/Berlin' },
    ],
    [{ unit: 'hour', time_zone: 'America/Argentina/Buenos_Aires' }, { timeZone: 'America/Argentina/Buenos_Aires' }],
    [{ unit: 'lifetime' }, { unit: 'lifetime' }],
    [{ rolling_ms: rollingMs.least }, { unit: 'rolling', rollingMs: rollingMs.least }],
  ] as const)('%j is taken', (text, period) => {
    expect(readPeriod(text)).toMatchObject({ status: 'ok', period });
  });

  test.each([
    '',
    'Berlin',
    'Europe/Atlantis',
    '+02:00',
    'UTC+2',
    'Z',
    '2026-03-29T02:00[Europe/Berlin]',
    ' UTC',
    'a\nb',
  ])('the time zone %j is refused, and said what one is', (zone) => {
    expect(readTimeZone(zone)).toEqual({ status: 'refused', message: expect.stringMatching(/IANA.*Europe\/Berlin/) });
    expect(readPeriod({ unit: 'day', time_zone: zone })).toMatchObject({ status: 'refused', path: 'time_zone' });
  });

  test.each([0, -1, 59_999, 60_000.5, Number.NaN, Number.POSITIVE_INFINITY, rollingMs.most + 1])(
    'a rolling period of %d ms is refused',
    (length) => {
      expect(readPeriod({ rolling_ms: length })).toMatchObject({ status: 'refused', path: 'rolling_ms' });
    },
  );

  test('a lifetime is the same in every zone that there is', () => {
    const lifetime = { status: 'ok', period: { unit: 'lifetime' } };
    expect(readPeriod({ unit: 'lifetime', time_zone: 'Europe/Berlin' })).toEqual(lifetime);
    expect(readPeriod({ unit: 'lifetime', time_zone: 'Mars' })).toMatchObject({ status: 'refused', path: 'time_zone' });
  });
});

describe('a rolling period', () => {
  test('of a minute, a second past the hour', () => {
    // 60,000 / 59 = 1,016.9…
    expect(rollingAt(60_000, 1_017 * 1_000 + 1)).toEqual({
      widthMs: 1_017,
      bucket: 1_000,
      oldestBucket: 941,
      startMs: 1_017_000,
      endMs: 1_018_017,
    });
  });

  test('counts all that was spent within it, and nothing older than 60/59 of it, a millisecond a bucket aside', () => {
    const anyLength = fc.integer({ min: rollingMs.least, max: rollingMs.most });
    fc.assert(
      fc.property(anyLength, anyInstant, fc.nat(2_000), (length, nowMs, share) => {
        const now = rollingAt(length, nowMs);
        expect(now.bucket - now.oldestBucket + 1).toBe(bucketsCount);
        expect(now.startMs <= nowMs && nowMs < now.endMs).toBe(true);
        const spentMs = nowMs - Math.floor((share / 1_000) * length);
        const { bucket } = rollingAt(length, spentMs);
        const isCounted = bucket >= now.oldestBucket;
        if (nowMs - spentMs <= length) expect(isCounted).toBe(true);
        if (nowMs - spentMs >= (length * 60) / 59 + bucketsCount) expect(isCounted).toBe(false);
        expect(isCounted).toBe(nowMs < bucketEndsCountingMs(length, bucket));
      }),
      { numRuns: 1_000 },
    );
  });
});

function daysOfMonth(date: string): number {
  const [year = 0, month = 0] = date.split('-').map(Number);
  return new Date(Date.UTC(year, month, 0)).getUTCDate();
}
