// `farebox migrate`: the schema, and at the first start the default test environment with its key.
import type { Config } from '../config.ts';
import { closeDatabase, openDatabase } from '../db/connect.ts';
import { bootstrap } from '../db/environments.ts';
import { installationOf, readPartitions } from '../db/installation.ts';
import { migrate } from '../db/migrate.ts';

export async function runMigrate(config: Pick<Config, 'databaseUrl' | 'bootstrapKey'>): Promise<string | undefined> {
  await migrate(config.databaseUrl);
  const sql = openDatabase(config.databaseUrl, { connectionsMax: 1, name: 'migrate' });
  try {
    await installationOf(sql);
    await readPartitions(sql);
    const { environment, secret } = await bootstrap(sql, { bootstrapKey: config.bootstrapKey });
    if (secret !== undefined) {
      process.stdout.write(`environment ${environment.name} (${environment.mode}), key, shown once: ${secret}\n`);
    }
  } finally {
    await closeDatabase(sql);
  }
  return undefined;
}
