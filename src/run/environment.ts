// `farebox environment`: make and list environments from the shell.
import { parseArgs } from 'node:util';
import type { Config } from '../config.ts';
import { closeDatabase, openDatabase } from '../db/connect.ts';
import { createEnvironment, listEnvironments } from '../db/environments.ts';
import { createKey } from '../db/keys.ts';
import { runEnvironmentStripe } from './environment-stripe.ts';

const usage =
  'use: farebox environment create <name> --mode test|live, farebox environment list, or farebox environment stripe <id>';

export async function runEnvironment(config: Config, args: string[]): Promise<string | undefined> {
  if (args[0] === 'stripe') return runEnvironmentStripe(config.databaseUrl, args[1]);
  const parsed = parse(args);
  if (typeof parsed === 'string') return parsed;
  const sql = openDatabase(config.databaseUrl, { connectionsMax: 1, name: 'environment' });
  try {
    if (parsed.action === 'list') {
      const environments = await listEnvironments(sql);
      for (const { id, name, mode } of environments) process.stdout.write(`env_${id}  ${mode}  ${name}\n`);
      return undefined;
    }
    const environment = await createEnvironment(sql, parsed);
    const { secret } = await createKey(sql, environment.id, {
      name: 'first',
      scopes: ['authorize', 'read', 'credit', 'catalog', 'admin'],
      expiresAtMs: undefined,
    });
    process.stdout.write(
      `env_${environment.id}  ${environment.mode}  ${environment.name}\nkey, shown once: ${secret}\n`,
    );
    return undefined;
  } finally {
    await closeDatabase(sql);
  }
}

function parse(
  args: string[],
): { action: 'list' } | { action: 'create'; name: string; mode: 'test' | 'live' } | string {
  try {
    const { positionals, values } = parseArgs({ args, allowPositionals: true, options: { mode: { type: 'string' } } });
    const [action, name] = positionals;
    if (action === 'list') return { action };
    if (action !== 'create' || name === undefined) return usage;
    if (values.mode !== 'test' && values.mode !== 'live') return `say --mode test or --mode live\n${usage}`;
    return { action, name, mode: values.mode };
  } catch (error) {
    return `${(error as Error).message}\n${usage}`;
  }
}
