// Operations that the ledger remembers and Redis may have lost.
import { and, eq, gt, inArray } from 'drizzle-orm';
import { operationKeepMs } from '../limits.ts';
import { orm, type Sql } from './connect.ts';
import { entries } from './schema.ts';

type Named = { environmentId: string; operationId: string; sinceMs: number };
type Asked = Named & { resolve: (record: Buffer | undefined) => void; reject: (error: unknown) => void };

// In one query: what a gateway's callers may be asking for at once.
const askedMax = 1_000;

/**
 * Fingerprint and reply of an operation, as Redis keeps them (lua/lib/operation.lua); undefined when no entry has it.
 *
 * Right after a loss of Redis every request asks, and all hundred of a batch: whoever asks in the same turn of the event
 * loop, or while Postgres is being asked, is answered by one query.
 */
export function operationFinder(
  sql: Sql,
): (environmentId: string, operationId: string, sinceMs?: number) => Promise<Buffer | undefined> {
  let waiting: Asked[] = [];
  let isAsking = false;
  const askAll = async () => {
    while (waiting.length > 0) {
      const environmentId = waiting[0]!.environmentId;
      const asked = waiting.filter((one) => one.environmentId === environmentId).slice(0, askedMax);
      const taken = new Set(asked);
      waiting = waiting.filter((one) => !taken.has(one));
      try {
        const found = await findOperations(sql, environmentId, asked);
        for (const [i, { resolve }] of asked.entries()) resolve(found[i]);
      } catch (error) {
        for (const { reject } of asked) reject(error);
      }
    }
    isAsking = false;
  };
  return (environmentId, operationId, sinceMs = Date.now()) =>
    new Promise((resolve, reject) => {
      waiting.push({ environmentId, operationId, sinceMs, resolve, reject });
      if (isAsking) return;
      isAsking = true;
      setImmediate(() => void askAll());
    });
}

/** By itself. */
export async function findOperation(
  sql: Sql,
  environmentId: string,
  operationId: string,
  sinceMs: number,
): Promise<Buffer | undefined> {
  const [record] = await findOperations(sql, environmentId, [{ environmentId, operationId, sinceMs }]);
  return record;
}

async function findOperations(
  sql: Sql,
  environmentId: string,
  asked: readonly Named[],
): Promise<(Buffer | undefined)[]> {
  // Only so that Postgres need not look through years; the clocks may differ.
  const horizonOf = ({ sinceMs }: Named) => sinceMs - 2 * operationKeepMs;
  const rows = await orm(sql)
    .select({
      ...{ operationId: entries.operationId, occurredAtMs: entries.occurredAt },
      ...{ fingerprint: entries.fingerprint, reply: entries.reply },
    })
    .from(entries)
    .where(
      and(
        eq(entries.environmentId, environmentId),
        inArray(
          entries.operationId,
          asked.map(({ operationId }) => operationId),
        ),
        gt(entries.occurredAt, Math.min(...asked.map(horizonOf))),
      ),
    );
  return asked.map((one) => {
    const entry = rows.find(
      ({ operationId, occurredAtMs }) => operationId === one.operationId && occurredAtMs > horizonOf(one),
    );
    if (!entry?.reply || entry.fingerprint === null) return undefined;
    return Buffer.concat([Buffer.from(entry.fingerprint, 'latin1'), entry.reply]);
  });
}
