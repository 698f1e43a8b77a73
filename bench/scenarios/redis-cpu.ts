// Processor time that a Redis has used, by its own word, which is finer than the system's.
import type { Redis } from '../servers.ts';

/** In µs, since it started. */
export async function redisCpuUs(redis: Redis): Promise<number> {
  const info = await redis.info('cpu');
  const read = (name: string) => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)?.[1]) * 1e6;
  return read('used_cpu_user') + read('used_cpu_sys');
}
