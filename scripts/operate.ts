// `npm run reconcile`, `npm run quarantine`: the bin's commands, on the stores of the instance that runs here.
import { findDatabase } from './audit/find-database.ts';
import { findRedis } from './audit/find-redis.ts';

try {
  process.env['DATABASE_URL'] = findDatabase(process.env);
  process.env['REDIS_URL'] = findRedis(process.env);
  // It reads the command line by itself.
  await import('../src/main.ts');
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 2;
}
