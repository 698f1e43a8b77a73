// What operations answered that are remembered for an hour and move no money: a key, an asset, a customer's new name.
//
// What adds credit is remembered in `credits` and the ledger for ever, what spends in Redis and the ledger.
import { and, eq, gt, lt, sql as raw } from 'drizzle-orm';
import { operationKeepMs } from '../limits.ts';
import { orm, type Orm, type Sql } from './connect.ts';
import { replies } from './schema.ts';

type On = Pick<Orm, 'select' | 'insert' | 'execute'>;
export type FoundReply = { status: 'found'; reply: string } | { status: 'conflict' } | { status: 'none' };

/** SQL: from when on operations are remembered. */
export const rememberedSince = raw`now() - make_interval(secs => ${operationKeepMs / 1000})`;

export async function findReply(
  sql: Sql,
  environmentId: string,
  operationId: string,
  fingerprint: string,
): Promise<FoundReply> {
  return findReplyIn(orm(sql), environmentId, operationId, fingerprint);
}

/** Keeps it for an hour. The first one stays: gives back what is kept. */
export async function rememberReply(
  sql: Sql,
  environmentId: string,
  operationId: string,
  fingerprint: string,
  reply: string,
): Promise<string> {
  return keepReply(orm(sql), environmentId, operationId, fingerprint, reply);
}

/** Removes what is remembered no longer. */
export async function forgetReplies(sql: Sql): Promise<void> {
  await orm(sql).delete(replies).where(lt(replies.createdAt, rememberedSince));
}

export async function findReplyIn(
  on: On,
  environmentId: string,
  operationId: string,
  fingerprint: string,
): Promise<FoundReply> {
  const [row] = await on
    .select()
    .from(replies)
    .where(
      and(
        eq(replies.environmentId, environmentId),
        eq(replies.operationId, operationId),
        gt(replies.createdAt, rememberedSince),
      ),
    );
  if (!row) return { status: 'none' };
  return row.fingerprint === fingerprint ? { status: 'found', reply: row.reply } : { status: 'conflict' };
}

export async function keepReply(
  on: On,
  environmentId: string,
  operationId: string,
  fingerprint: string,
  reply: string,
): Promise<string> {
  // One that is remembered no longer gives way; one that is stays, and is written as it was so that it can be returned.
  const isOld = raw`${replies.createdAt} <= ${rememberedSince}`;
  const [row] = await on
    .insert(replies)
    .values({ environmentId, operationId, fingerprint, reply })
    .onConflictDoUpdate({
      target: [replies.environmentId, replies.operationId],
      set: {
        fingerprint: raw`case when ${isOld} then excluded.fingerprint else ${replies.fingerprint} end`,
        reply: raw`case when ${isOld} then excluded.reply else ${replies.reply} end`,
        createdAt: raw`case when ${isOld} then excluded.created_at else ${replies.createdAt} end`,
      },
    })
    .returning({ reply: replies.reply });
  if (!row) throw new Error('a reply was kept, and Postgres returned no row');
  return row.reply;
}

/** Until this transaction ends, nobody else works on this operation. */
export async function lockOperation(
  on: Pick<Orm, 'execute'>,
  environmentId: string,
  operationId: string,
): Promise<void> {
  await on.execute(raw`select pg_advisory_xact_lock(hashtextextended(${`${environmentId} ${operationId}`}, 0))`);
}
