// Keys: who may call, for which environment, and what they may do.
import { and, desc, eq, gt, isNull, or, sql as raw } from 'drizzle-orm';
import type { Key, PageRequest, Scope } from '../records.ts';
import { orm, type Orm, type Sql } from './connect.ts';
import { hashSecret, makeSecret } from './key-secret.ts';
import { cursorOf, pageOf, type Listed } from './page.ts';
import { findReplyIn, keepReply, lockOperation } from './replies.ts';
import { environments, keys } from './schema.ts';

export type NewKey = { name: string; scopes: Scope[]; expiresAtMs: number | undefined };
export type CreatedKey = { key: Key; secret: string };

const cursors = cursorOf('number', 'text');

/** By SHA-256 of the secret; revoked and expired keys are not found. */
export async function findKey(sql: Sql, secretHash: string): Promise<Key | undefined> {
  const [row] = await orm(sql)
    .select()
    .from(keys)
    .where(
      and(
        eq(keys.hash, secretHash),
        isNull(keys.revokedAt),
        or(isNull(keys.expiresAt), gt(keys.expiresAt, raw`now()`)),
      ),
    );
  return row && toKey(row);
}

/** The key and the reply to its request are kept in one transaction; `replyOf` makes that reply. */
export async function createKeyOnce(
  sql: Sql,
  environmentId: string,
  key: NewKey & { operationId: string; fingerprint: string; replyOf: (created: CreatedKey) => Promise<string> },
): Promise<({ status: 'created' } & CreatedKey) | { status: 'replayed'; reply: string } | { status: 'conflict' }> {
  return orm(sql).transaction(async (transaction) => {
    await lockOperation(transaction, environmentId, key.operationId);
    const known = await findReplyIn(transaction, environmentId, key.operationId, key.fingerprint);
    if (known.status === 'found') return { status: 'replayed', reply: known.reply };
    if (known.status === 'conflict') return known;
    const created = await insertKey(transaction, environmentId, key);
    const reply = await key.replyOf(created);
    await keepReply(transaction, environmentId, key.operationId, key.fingerprint, reply);
    return { status: 'created', ...created };
  });
}

/** Makes a key with a secret of our own, for the shell: the secret is shown by whoever called and nowhere else. */
export async function createKey(sql: Sql, environmentId: string, key: NewKey): Promise<CreatedKey> {
  return insertKey(orm(sql), environmentId, key);
}

export async function listKeys(sql: Sql, environmentId: string, page: PageRequest): Promise<Listed<Key>> {
  const after = cursors.read(page.cursor);
  if (after === 'bad_cursor') return after;
  const rows = await orm(sql)
    .select()
    .from(keys)
    .where(
      and(
        eq(keys.environmentId, environmentId),
        isNull(keys.revokedAt),
        after && raw`(${keys.createdAt}, ${keys.id}) < (to_timestamp(${after[0]}::float8 / 1000), ${after[1]})`,
      ),
    )
    .orderBy(desc(keys.createdAt), desc(keys.id))
    .limit(page.limit + 1);
  return pageOf(rows, { limit: page.limit, item: toKey, cursor: (row) => cursors.write([row.createdAt, row.id]) });
}

/**
 * From now on the key is refused. `announce` tells the gateways, and is called again when the key was revoked before: the
 * first call may have ended between the two. False when there is no such key in this environment.
 */
export async function revokeKey(
  sql: Sql,
  environmentId: string,
  keyId: string,
  announce: () => Promise<void>,
): Promise<boolean> {
  const revoked = await orm(sql)
    .update(keys)
    .set({ revokedAt: raw`coalesce(${keys.revokedAt}, now())` })
    .where(and(eq(keys.environmentId, environmentId), eq(keys.id, keyId)))
    .returning({ id: keys.id });
  if (revoked.length === 0) return false;
  await announce();
  return true;
}

async function insertKey(on: Pick<Orm, 'select' | 'insert'>, environmentId: string, key: NewKey): Promise<CreatedKey> {
  const [environment] = await on
    .select({ mode: environments.mode })
    .from(environments)
    .where(eq(environments.id, environmentId));
  if (!environment) throw new Error(`there is no environment ${environmentId}`);
  const { keyId, secret } = makeSecret(environment.mode);
  const [row] = await on
    .insert(keys)
    .values({
      environmentId,
      id: keyId,
      hash: hashSecret(secret),
      name: key.name,
      scopes: key.scopes,
      expiresAt: key.expiresAtMs ?? null,
    })
    .returning();
  if (!row) throw new Error('a key was inserted, and Postgres returned no row');
  return { key: toKey(row), secret };
}

function toKey(row: typeof keys.$inferSelect): Key {
  return {
    id: row.id,
    environmentId: row.environmentId,
    name: row.name,
    scopes: row.scopes,
    createdAtMs: row.createdAt,
    expiresAtMs: row.expiresAt ?? undefined,
  };
}
