// Column types of the schema: how ids, money, instants and raw bytes are stored and read back.
import { bigint, customType } from 'drizzle-orm/pg-core';
import type { Atoms } from '../units.ts';

/** Ids compare by byte: an index on them is cheaper to keep than one that knows a language. */
export const identifier = customType<{ data: string }>({ dataType: () => 'text collate "C"' });

/** Money: atoms of the row's asset. */
export const atoms = () => bigint({ mode: 'bigint' }).$type<Atoms>();

export const atomsArray = () => bigint({ mode: 'bigint' }).array().$type<Atoms[]>();

/** Counts up: versions, seqs. Below 2^53, as in the scripts. */
export const counter = () => bigint({ mode: 'number' });

/** An instant, in milliseconds since 1970 here and as `timestamptz(3)` there. */
export const instant = customType<{ data: number; driverData: string }>({
  dataType: () => 'timestamp (3) with time zone',
  toDriver: (ms) => new Date(ms).toISOString(),
  fromDriver: (text) => Date.parse(text),
});

export const bytes = customType<{ data: Buffer }>({ dataType: () => 'bytea' });

/** Not `bytes().array()`: the driver reads that as the text of Postgres, `{"\\\\x00","\\\\x01"}`. */
export const bytesArray = customType<{ data: Buffer[]; driverData: string }>({
  dataType: () => 'bytea[]',
  fromDriver: (text) => [...text.matchAll(/\\x([0-9a-f]*)/g)].map(([, hex]) => Buffer.from(hex ?? '', 'hex')),
});
