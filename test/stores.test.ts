// The stores that tests and the launcher run on: real ones, each file's own, and gone afterwards.
import { Redis } from 'ioredis';
import postgres from 'postgres';
import { expect, test } from 'vitest';
import { commandLine } from '../scripts/stores/process.ts';
import { createDatabase, createRedis } from './stores.ts';

test('each database is a copy of its own', async () => {
  const [one, two] = await Promise.all([createDatabase(), createDatabase()]);
  const first = postgres(one.url, { max: 1 });
  const second = postgres(two.url, { max: 1 });
  await first`create table only_here (id int)`;
  expect(await second`select 1 from pg_tables where tablename = 'only_here'`).toHaveLength(0);
  await Promise.all([first.end(), second.end()]);
  await Promise.all([one.drop(), two.drop()]);
  await expect(postgres(one.url, { max: 1 })`select 1`).rejects.toThrow('does not exist');
});

test('a Redis that is killed and restarted has what its append-only file has', async () => {
  const server = await createRedis({ appendonly: 'always' });
  const redis = new Redis(server.url);
  redis.on('error', () => {});
  await redis.set('kept', '1');
  const killed = server.pid;
  await server.kill();
  expect(commandLine(killed)).toBeNull();
  await server.restart();
  expect(server.pid).not.toBe(killed);
  expect(await redis.get('kept')).toBe('1');
  expect(await redis.config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction']);
  redis.disconnect();
  await server.stop();
});

test('a Redis without an append-only file loses all', async () => {
  const server = await createRedis();
  const redis = new Redis(server.url);
  redis.on('error', () => {});
  await redis.set('lost', '1');
  await server.kill();
  await server.restart();
  expect(await redis.get('lost')).toBeNull();
  redis.disconnect();
  await server.stop();
});
