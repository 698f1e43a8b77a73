// Where a Redis server program is: on PATH, else unpacked from the distribution's package.
//
// No npm package carries a real Redis, and a pretend one proves nothing about money.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { advice } from './advice.ts';
import { forgetDebianPackage, unpackDebianPackage, type UnpackOptions } from './debian.ts';

export type RedisBinary = {
  readonly file: string;
  readonly name: 'redis' | 'valkey';
  readonly version: string;
  readonly env: NodeJS.ProcessEnv;
};

export type RedisSearch = UnpackOptions & { readonly path: string };

const MAJOR_MIN = { redis: 7, valkey: 8 } as const;

export async function findRedis(search: RedisSearch): Promise<RedisBinary> {
  const folders = search.path.split(delimiter).filter((folder) => folder !== '');
  const files = folders.flatMap((folder) => [join(folder, 'redis-server'), join(folder, 'valkey-server')]);
  for (const file of files.filter((candidate) => existsSync(candidate))) {
    const found = probe(file, {});
    if (found !== null) return found;
  }
  return fetchRedis(search);
}

async function fetchRedis(search: RedisSearch): Promise<RedisBinary> {
  // A second try, since what an earlier run unpacked may lean on libraries that have left the system since.
  for (let attempt = 1; attempt <= 2; attempt++) {
    // redis-server is a symlink into redis-tools, which may be installed without it.
    const unpacked = await unpackDebianPackage('redis-server', { ...search, also: ['redis-tools'] });
    if (unpacked.status === 'not_debian') throw advice(`no Redis from 7.0 on is on PATH: ${REMEDY}`);
    if (unpacked.status === 'failed')
      throw advice(`no Redis is on PATH and its package can't be had (${unpacked.reason}): ${REMEDY}`);
    const found = probe(join(unpacked.root, 'usr/bin/redis-server'), {
      LD_LIBRARY_PATH: unpacked.libraryFolders.join(delimiter),
    });
    if (found !== null) return found;
    forgetDebianPackage('redis-server', search);
  }
  throw advice(`the distribution's redis-server is older than 7.0 or does not run here: ${REMEDY}`);
}

const REMEDY = 'install it (`apt-get install redis-server`, `brew install redis`), or set REDIS_URL';

/** What a program says it is; null when it does not run or is too old. */
function probe(file: string, env: NodeJS.ProcessEnv): RedisBinary | null {
  const result = spawnSync(file, ['--version'], { encoding: 'utf8', env, timeout: 10_000 });
  const version = result.status === 0 ? result.stdout.match(/\bv=(\d+)\.\d+\.\d+/) : null;
  if (!version) return null;
  const name = /valkey/i.test(result.stdout) || file.endsWith('valkey-server') ? 'valkey' : 'redis';
  return Number(version[1]) >= MAJOR_MIN[name] ? { file, name, version: version[0].slice(2), env } : null;
}
