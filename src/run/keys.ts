// `farebox keys`: from the shell what the routes of /v1/keys do.
import { parseArgs } from 'node:util';
import type { Config } from '../config.ts';
import { closeDatabase, openDatabase, type Sql } from '../db/connect.ts';
import { listEnvironments } from '../db/environments.ts';
import { createKey, listKeys, revokeKey } from '../db/keys.ts';
import { page } from '../limits.ts';
import type { Scope } from '../records.ts';
import { revocationsKey } from '../wallet/keys.ts';
import { connectNodes } from '../wallet/nodes.ts';

const scopes: Scope[] = ['authorize', 'read', 'credit', 'catalog', 'admin'];
const usage =
  'use: farebox keys create <name> --scopes authorize,read [--environment <id>] [--expires <time>], ' +
  'farebox keys list [--environment <id>], or farebox keys revoke <key id> [--environment <id>]';
const redisWaitMs = 5_000;

type Parsed = {
  action: string | undefined;
  subject: string | undefined;
  scopes: string | undefined;
  environment: string | undefined;
  expires: string | undefined;
};

export async function runKeys(config: Config, args: string[]): Promise<string | undefined> {
  const parsed = parse(args);
  if (typeof parsed === 'string') return parsed;
  const sql = openDatabase(config.databaseUrl, { connectionsMax: 1, name: 'keys' });
  try {
    const environmentId = await environmentOf(sql, parsed.environment);
    if (environmentId === undefined)
      return `there is no environment ${parsed.environment ?? 'yet: run farebox migrate'}`;
    if (parsed.action === 'create') return await create(sql, environmentId, parsed);
    if (parsed.action === 'list') return await list(sql, environmentId);
    if (parsed.action === 'revoke') return await revoke(sql, environmentId, parsed.subject, config.redisUrl);
    return usage;
  } finally {
    await closeDatabase(sql);
  }
}

async function create(sql: Sql, environmentId: string, parsed: Parsed): Promise<string | undefined> {
  const wanted = parsed.scopes?.split(',') ?? [];
  const unknown = wanted.filter((scope) => !(scopes as string[]).includes(scope));
  if (parsed.subject === undefined || wanted.length === 0 || unknown.length > 0) {
    return `${unknown.length > 0 ? `no scope ${unknown.join(', ')}: choose from ${scopes.join(', ')}\n` : ''}${usage}`;
  }
  const expiresAtMs = parsed.expires === undefined ? undefined : Date.parse(parsed.expires);
  if (Number.isNaN(expiresAtMs)) return `--expires takes a time such as 2027-01-31T00:00:00Z`;
  const { key, secret } = await createKey(sql, environmentId, {
    name: parsed.subject,
    scopes: wanted as Scope[],
    expiresAtMs,
  });
  process.stdout.write(`${key.id}  ${key.name}  ${key.scopes.join(',')}\nkey, shown once: ${secret}\n`);
  return undefined;
}

async function list(sql: Sql, environmentId: string): Promise<undefined> {
  let cursor: string | undefined;
  do {
    const listed = await listKeys(sql, environmentId, { limit: page.most, cursor });
    if (listed === 'bad_cursor') throw new Error('a cursor of our own was refused');
    for (const key of listed.items) process.stdout.write(`${key.id}  ${key.name}  ${key.scopes.join(',')}\n`);
    cursor = listed.nextCursor;
  } while (cursor !== undefined);
}

async function revoke(sql: Sql, environmentId: string, keyId: string | undefined, redisUrl: string) {
  if (keyId === undefined) return usage;
  const nodes = connectNodes(redisUrl, { onError: () => undefined });
  try {
    const announce = async () => {
      if (!(await nodes.waitUntilReady(redisWaitMs))) throw new Error('Redis cannot be reached');
      await nodes.ofKey(revocationsKey).incr(revocationsKey);
    };
    const revoked = await revokeKey(sql, environmentId, keyId, announce);
    if (!revoked) return `there is no key ${keyId} in this environment`;
    process.stdout.write(`${keyId} revoked\n`);
    return undefined;
  } finally {
    nodes.disconnect();
  }
}

async function environmentOf(sql: Sql, wanted: string | undefined): Promise<string | undefined> {
  const environments = await listEnvironments(sql);
  const id = wanted?.replace(/^env_/, '');
  return (id === undefined ? environments[0] : environments.find((environment) => environment.id === id))?.id;
}

function parse(args: string[]): Parsed | string {
  try {
    const { positionals, values } = parseArgs({
      args,
      allowPositionals: true,
      options: { scopes: { type: 'string' }, environment: { type: 'string' }, expires: { type: 'string' } },
    });
    const { scopes: wanted, environment, expires } = values;
    return { action: positionals[0], subject: positionals[1], scopes: wanted, environment, expires };
  } catch (error) {
    return `${(error as Error).message}\n${usage}`;
  }
}
