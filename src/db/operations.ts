// Operations that the ledger remembers and Redis may have lost.
import { and, eq, gt } from 'drizzle-orm';
import { operationKeepMs } from '../limits.ts';
import { orm, type Sql } from './connect.ts';
import { entries } from './schema.ts';

/** Fingerprint and reply, as Redis keeps them (lua/lib/operation.lua); undefined when no entry has this operation. */
export async function findOperation(
  sql: Sql,
  environmentId: string,
  operationId: string,
  sinceMs = Date.now(),
): Promise<Buffer | undefined> {
  const [entry] = await orm(sql)
    .select({ fingerprint: entries.fingerprint, reply: entries.reply })
    .from(entries)
    .where(
      and(
        eq(entries.environmentId, environmentId),
        eq(entries.operationId, operationId),
        // Only so that Postgres need not look through years; the clocks may differ.
        gt(entries.occurredAt, sinceMs - 2 * operationKeepMs),
      ),
    )
    .limit(1);
  if (!entry?.reply || entry.fingerprint === null) return undefined;
  return Buffer.concat([Buffer.from(entry.fingerprint, 'latin1'), entry.reply]);
}
