// The floor: a bare Hono server that parses the same JSON and runs one script with HMGET, HSET and XADD, nothing else.
//
// Same Redis, same connection options, same JSON library as the gateway: what Farebox costs is what lies above this.
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { connectRedis, waitUntilReady } from '../src/wallet/redis.ts';

const script = `#!lua
local fields = redis.call('HMGET', KEYS[1], 'count', 'last')
redis.call('HSET', KEYS[1], 'count', (fields[1] or 0) + 1, 'last', ARGV[1])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', '100000', '*', 'e', ARGV[2])
return { 'ok', fields[1] }`;

const redis = connectRedis(process.env.REDIS_URL!, (error) => console.error(error.message));
await waitUntilReady(redis, 5_000);
const sha = (await redis.script('LOAD', script)) as string;

const app = new Hono();
app.post('/v1/authorize', async (context) => {
  const body = await context.req.json<{ customer_id: string; amount: string; subject?: string }>();
  const slot = `{p${body.customer_id.slice(-2)}}`;
  const reply = (await redis.evalsha(
    sha,
    2,
    `${slot}:floor:${body.customer_id}`,
    `${slot}:floor-outbox`,
    body.amount,
    JSON.stringify(body),
  )) as unknown[];
  return context.json({ id: 'floor', status: 'approved', customer_id: body.customer_id, count: reply[1] });
});

const server = serve({ fetch: app.fetch, port: Number(process.env.PORT), hostname: '127.0.0.1' });
const stop = () => {
  server.close();
  redis.disconnect();
};
process.once('SIGTERM', stop);
process.once('disconnect', stop);
