// A worker that starts while Redis stands still for longer than a command waits.
import { expect, test } from 'vitest';
import { commandTimeoutMs } from '../src/limits.ts';
import { startFarebox } from './farebox.ts';
import { createRedis, openRedis } from './stores.ts';

test('it is asked again, and the worker runs', async () => {
  const still = await createRedis({ appendonly: 'everysec' });
  const redis = await openRedis(still.url);
  // Connections come to be meanwhile, and what may write gets no answer.
  await redis.call('CLIENT', 'PAUSE', 3 * commandTimeoutMs, 'WRITE');
  const farebox = await startFarebox({ over: { redisUrl: still.url } });
  const id = await farebox.customer('patient', '5');
  const charged = await farebox.client.post('/v1/charge', { customer_id: id, asset: 'USD', amount: '1' });
  expect(charged.status).toBe(200);
  redis.disconnect();
  await farebox.stop();
  await still.stop();
});
