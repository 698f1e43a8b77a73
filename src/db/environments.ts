// Environments: isolated worlds with their own keys, customers and prices.
import { randomInt } from 'node:crypto';
import { asc, eq } from 'drizzle-orm';
import type { Environment, EnvironmentMode, Key, Scope } from '../records.ts';
import { insertFirstAssets } from './assets.ts';
import { orm, type Orm, type Sql } from './connect.ts';
import { hashSecret, makeKeyId, makeSecret } from './key-secret.ts';
import { environments, keys } from './schema.ts';

const idLength = 12;
const idAlphabet = 'abcdefghijklmnopqrstuvwxyz0123456789';
const allScopes: Scope[] = ['authorize', 'read', 'credit', 'catalog', 'admin'];

export async function createEnvironment(
  sql: Sql,
  environment: { name: string; mode: EnvironmentMode },
): Promise<Environment> {
  return orm(sql).transaction(async (transaction) => {
    const [created] = await insertEnvironment(transaction, {
      name: environment.name,
      mode: environment.mode,
      isDefault: false,
    });
    if (!created) throw new Error('an environment was inserted, and Postgres returned no row');
    await insertFirstAssets(transaction, created.id);
    return toEnvironment(created);
  });
}

export async function listEnvironments(sql: Sql): Promise<Environment[]> {
  const rows = await orm(sql).select().from(environments).orderBy(asc(environments.createdAt), asc(environments.id));
  return rows.map(toEnvironment);
}

/**
 * The default test environment and its first key, made at the first start; from several processes at once, by one of them.
 *
 * A secret that is given is used as it is, and belongs to the key from then on: revoking the key is not undone by the
 * next start. `secret` is there only where this call made both the key and its secret, to be shown once.
 */
export async function bootstrap(
  sql: Sql,
  { bootstrapKey }: { bootstrapKey: string | undefined },
): Promise<{ environment: Environment; secret: string | undefined }> {
  const created = await orm(sql).transaction(async (transaction) => {
    // Whoever comes second waits here for the first one's commit.
    const [environment] = await insertEnvironment(transaction, { name: 'default', mode: 'test', isDefault: true });
    if (!environment) return undefined;
    await insertFirstAssets(transaction, environment.id);
    const made = bootstrapKey === undefined ? makeSecret('test') : { keyId: makeKeyId(), secret: bootstrapKey };
    const key: Pick<Key, 'name' | 'scopes'> = { name: 'bootstrap', scopes: allScopes };
    await transaction
      .insert(keys)
      .values({ ...key, environmentId: environment.id, id: made.keyId, hash: hashSecret(made.secret) });
    return { environment: toEnvironment(environment), secret: bootstrapKey === undefined ? made.secret : undefined };
  });
  if (created) return created;
  const [known] = await orm(sql).select().from(environments).where(eq(environments.isDefault, true));
  if (!known) throw new Error('the default environment can neither be made nor found');
  return { environment: toEnvironment(known), secret: undefined };
}

function insertEnvironment(
  on: Pick<Orm, 'insert'>,
  environment: { name: string; mode: EnvironmentMode; isDefault: boolean },
) {
  const id = Array.from({ length: idLength }, () => idAlphabet.charAt(randomInt(idAlphabet.length))).join('');
  return on
    .insert(environments)
    .values({ id, ...environment })
    .onConflictDoNothing()
    .returning();
}

function toEnvironment(row: typeof environments.$inferSelect): Environment {
  return { id: row.id, name: row.name, mode: row.mode };
}
