// RFC 3339 instants: read strictly (real dates only), written in UTC with milliseconds.
const shape =
  /^([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))$/;
const minuteMs = 60_000;
const yearsEndMs = Date.UTC(10_000, 0, 1);

/** Milliseconds since 1970, or undefined for what is no instant after it. What is finer than a millisecond is cut off. */
export function parseTime(text: string): number | undefined {
  const match = shape.exec(text);
  if (!match) return undefined;
  const field = (at: number): number => Number(match[at] ?? 0);
  const [year, month, day, hour, minute, second] = [field(1), field(2), field(3), field(4), field(5), field(6)];
  const [offsetHour, offsetMinute] = [field(9), field(10)];
  if (hour > 23 || minute > 59 || second > 59 || offsetHour > 23 || offsetMinute > 59) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  // 30 February comes out as a day in March.
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  const ms = Number((match[7] ?? '').slice(0, 3).padEnd(3, '0'));
  const offsetMs = (match[8] === '-' ? -1 : 1) * (offsetHour * 60 + offsetMinute) * minuteMs;
  const atMs = date.getTime() + hour * 60 * minuteMs + minute * minuteMs + second * 1_000 + ms - offsetMs;
  return atMs > 0 && atMs < yearsEndMs ? atMs : undefined;
}

let second = 0;
let secondText = '1970-01-01T00:00:00.';

/** Most of what is written within a second differs in its milliseconds only: the rest is written once. */
export function formatTime(atMs: number): string {
  const ms = atMs % 1_000;
  if (atMs - ms !== second) {
    second = atMs - ms;
    secondText = new Date(second).toISOString().slice(0, -4);
  }
  return `${secondText}${String(ms).padStart(3, '0')}Z`;
}

/** Null where there is none. */
export const formatTimeOrNull = (atMs: number | undefined): string | null =>
  atMs === undefined ? null : formatTime(atMs);
