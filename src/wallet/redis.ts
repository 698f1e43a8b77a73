// The Redis connection that money moves over.
//
// Nothing is resent and nothing queued behind our back: a resent script call could debit twice, and a call queued for a
// Redis that is away would be applied after its caller has given up. What was in flight when a connection closed fails at
// once, as an unknown outcome, and is repeated on purpose (execute.ts).
import { Redis } from 'ioredis';
import { commandTimeoutMs } from '../limits.ts';

const reconnectDelayMsMax = 500;

export function connectRedis(url: string, onError: (error: Error) => void): Redis {
  const redis = new Redis(url, {
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: commandTimeoutMs,
    connectTimeout: 2_000,
    // Two RESP versions answer alike; the older one has the leaner handshake and works with proxies.
    protocol: 2,
    retryStrategy: (attempt) => Math.min(50 * attempt, reconnectDelayMsMax),
    // Redis's own guess of how long it will load its data can be far too long: looking again costs nothing.
    maxLoadingRetryTime: reconnectDelayMsMax,
  });
  redis.on('error', onError);
  // Every operation that was in flight when a connection closed waits for the next one.
  redis.setMaxListeners(0);
  return redis;
}

/** Resolves when commands can be sent, or after `timeoutMs`; says which. */
export async function waitUntilReady(redis: Redis, timeoutMs: number): Promise<boolean> {
  if (redis.status === 'ready') return true;
  return new Promise((resolve) => {
    const finish = (ready: boolean) => {
      clearTimeout(timer);
      redis.off('ready', onReady);
      resolve(ready);
    };
    const onReady = () => finish(true);
    const timer = setTimeout(() => finish(false), timeoutMs);
    redis.on('ready', onReady);
  });
}
