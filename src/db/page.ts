// Lists, newest first, cut into pages: a cursor says after which row the next page goes on, whatever is added meanwhile.
import type { Page } from '../records.ts';

/** A list's answer: a page, or that its cursor is none that this list gave out. */
export type Listed<T> = Page<T> | 'bad_cursor';

type Part = 'number' | 'text';
type Position<Parts extends readonly Part[]> = {
  [Index in keyof Parts]: Parts[Index] extends 'number' ? number : string;
};

/** What the cursors of one list carry: the sort key of the last row that was shown. */
export function cursorOf<const Parts extends readonly Part[]>(...parts: Parts) {
  return {
    write: (position: Position<Parts>): string => Buffer.from(JSON.stringify(position)).toString('base64url'),
    read: (cursor: string | undefined): Position<Parts> | undefined | 'bad_cursor' =>
      cursor === undefined ? undefined : readCursor(cursor, parts),
  };
}

function readCursor<Parts extends readonly Part[]>(cursor: string, parts: Parts): Position<Parts> | 'bad_cursor' {
  const position = parseJson(Buffer.from(cursor, 'base64url').toString('utf8'));
  if (!Array.isArray(position) || position.length !== parts.length) return 'bad_cursor';
  const fits = position.every((value, i) =>
    parts[i] === 'number' ? Number.isSafeInteger(value) : typeof value === 'string' && !value.includes('\0'),
  );
  return fits ? (position as Position<Parts>) : 'bad_cursor';
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Makes a page of `limit` from one row more than that. */
export function pageOf<Row, T>(
  rows: Row[],
  { limit, item, cursor }: { limit: number; item: (row: Row) => T; cursor: (row: Row) => string },
): Page<T> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return { items: shown.map(item), nextCursor: rows.length > limit && last !== undefined ? cursor(last) : undefined };
}
