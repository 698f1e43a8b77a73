// A client of Redis that breaks for good at the n-th command: before Redis hears of it, or after it has answered, unheard.
import type { Redis } from 'ioredis';

export type BreakingRedis = { redis: Redis; isBroken: () => boolean };

// A script is a command of our own: wallet/function-call.ts.
const commands = new Set<PropertyKey>(['call', 'sendCommand', 'get', 'getBuffer']);

export function breakingRedis(
  redis: Redis,
  { at, when, onBroken }: { at: number; when: 'before' | 'after'; onBroken: () => void },
): BreakingRedis {
  let count = 0;
  let isBroken = false;
  const breakOff = (): never => {
    isBroken = true;
    onBroken();
    throw new Error('this client is dead');
  };
  const breaking = new Proxy(redis, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      if (!commands.has(name)) return value.bind(target);
      return async (...words: unknown[]): Promise<unknown> => {
        if (isBroken) throw new Error('this client is dead');
        count += 1;
        const isLast = count === at;
        if (isLast && when === 'before') return breakOff();
        const reply: unknown = await (value as (...words: unknown[]) => Promise<unknown>).apply(target, words);
        return isLast ? breakOff() : reply;
      };
    },
  });
  return { redis: breaking, isBroken: () => isBroken };
}
