// Where the wallets are: what REDIS_URL names, else the Redis that a running launcher has started.
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { advice } from '../stores/advice.ts';

export function findRedis(env: NodeJS.ProcessEnv): string {
  const given = env['REDIS_URL']?.trim();
  if (given) return given;
  const folder = join(resolve(env['FAREBOX_DATA_DIR']?.trim() || '.data'), 'redis');
  // Its pid file goes when it is stopped in order; its configuration has port and password.
  if (existsSync(join(folder, 'redis.pid'))) {
    const config = readFileSync(join(folder, 'redis.conf'), 'utf8');
    const read = (name: string) => new RegExp(`^${name} (.*)$`, 'm').exec(config)?.[1];
    return `redis://:${read('requirepass')}@127.0.0.1:${read('port')}`;
  }
  throw advice(
    'no Redis of a running Farebox found: set REDIS_URL, or FAREBOX_DATA_DIR to the folder of one that runs',
  );
}
