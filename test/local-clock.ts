// What a clock somewhere shows, by Intl alone: the other opinion in tests of time zones.
import fc from 'fast-check';

/** A local time as if it were UTC: comparable, and its fields are those of a Date. */
export function shownMs(instantMs: number, timeZone: string): number {
  const parts = formatter(timeZone).formatToParts(instantMs);
  const field = (type: string): number => Number(parts.find((part) => part.type === type)?.value);
  const dayMs = Date.UTC(field('year'), field('month') - 1, field('day'));
  return dayMs + ((field('hour') * 60 + field('minute')) * 60 + field('second')) * 1_000 + (instantMs % 1_000);
}

export function shown(instantMs: number, timeZone: string): string {
  return new Date(shownMs(instantMs, timeZone)).toISOString().slice(0, -1);
}

const formatters = new Map<string, Intl.DateTimeFormat>();

function formatter(timeZone: string): Intl.DateTimeFormat {
  const known = formatters.get(timeZone);
  if (known) return known;
  const fields = { year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric' } as const;
  const made = new Intl.DateTimeFormat('en-US', { timeZone, hourCycle: 'h23', second: 'numeric', ...fields });
  formatters.set(timeZone, made);
  return made;
}

/** Odd offsets, changes of half an hour, of a whole day, over midnight, and twice a year around Ramadan. */
export const anyZone = fc.constantFrom(
  ...['UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Pacific/Apia', 'Pacific/Kwajalein'],
  ...['Asia/Kathmandu', 'Asia/Kolkata', 'Pacific/Chatham', 'America/St_Johns', 'America/Sao_Paulo', 'Asia/Beirut'],
  ...['Africa/Casablanca', 'Africa/Cairo', 'America/Havana', 'Asia/Gaza', 'Atlantic/Azores', 'Antarctica/Troll'],
);

/** From 1980 to 2040: the rules of the past, which laws don't change, and enough of the future. */
export const anyInstant = fc.integer({ min: Date.UTC(1980, 0), max: Date.UTC(2040, 0) });
