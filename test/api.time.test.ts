// RFC 3339: which texts are instants, and how instants are written.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatTime, parseTime } from '../src/api/time.ts';

test.each([
  ['2026-11-21T02:00:00.000Z', '2026-11-21T02:00:00.000Z'],
  ['2026-11-21T02:00:00Z', '2026-11-21T02:00:00.000Z'],
  ['2026-11-21t02:00:00z', '2026-11-21T02:00:00.000Z'],
  ['2026-11-21T02:00:00.5Z', '2026-11-21T02:00:00.500Z'],
  ['2026-11-21T02:00:00.123456789Z', '2026-11-21T02:00:00.123Z'],
  ['2026-11-21T02:00:00+02:00', '2026-11-21T00:00:00.000Z'],
  ['2026-11-21T02:00:00-05:30', '2026-11-21T07:30:00.000Z'],
  ['2026-01-01T00:30:00+01:00', '2025-12-31T23:30:00.000Z'],
  ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000Z'],
])('%s is %s', (text, expected) => expect(formatTime(parseTime(text) ?? Number.NaN)).toBe(expected));

test.each([
  '2026-02-29T00:00:00Z',
  '2026-04-31T00:00:00Z',
  '2026-13-01T00:00:00Z',
  '2026-00-01T00:00:00Z',
  '2026-01-00T00:00:00Z',
  '2026-01-01T24:00:00Z',
  '2026-01-01T00:60:00Z',
  '2026-01-01T00:00:60Z',
  '2026-01-01T00:00:00',
  '2026-01-01',
  '2026-01-01 00:00:00Z',
  '2026-1-1T00:00:00Z',
  '2026-01-01T00:00:00.Z',
  '2026-01-01T00:00:00+24:00',
  '2026-01-01T00:00:00+0200',
  '1969-12-31T23:59:59Z',
  '9999-12-31T23:59:59-01:00',
  '+002026-01-01T00:00:00Z',
  ' 2026-01-01T00:00:00Z',
  'now',
  '1763690400',
  '',
])('%j is no instant', (text) => expect(parseTime(text)).toBeUndefined());

test('what is written is read as the same instant, in any order of writing', () => {
  const instants = fc.array(fc.integer({ min: 1, max: Date.UTC(9999, 11, 31) }), { minLength: 1 });
  fc.assert(
    fc.property(instants, (all) => {
      for (const atMs of all) {
        expect(formatTime(atMs)).toBe(new Date(atMs).toISOString());
        expect(parseTime(formatTime(atMs))).toBe(atMs);
      }
    }),
  );
});
