// A gateway that is told to stop answers what has reached its machine, read or not, and then leaves.
import { mkdtempSync } from 'node:fs';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { startFarebox, type Farebox } from './farebox.ts';
import { startGateway } from './faults/processes.ts';
import { requestOnce } from './faults/request-once.ts';

let farebox: Farebox;

beforeAll(async () => {
  farebox = await startFarebox();
});

afterAll(() => farebox.stop());

const connectionsCount = 8;

test('requests that lie unread on connections, kept or new, are answered after SIGTERM', async () => {
  const { key, config } = farebox;
  const { databaseUrl, redisUrl, bootstrapKey = '' } = config;
  const customer = await farebox.customer('one', '100');
  const gateway = await startGateway({
    folder: mkdtempSync(join(inject('stores').folder, 'gateway-')),
    env: { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl, FAREBOX_BOOTSTRAP_KEY: bootstrapKey },
  });
  const agents = Array.from({ length: connectionsCount }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
  let sentCount = 0;
  const onSent = () => (sentCount += 1);
  const ask = (named: string) => (agent: Agent, at: number) => {
    const body = { customer_id: customer, asset: 'USD', amount: '1' };
    return requestOnce(gateway.url, { agent, key, asked: { path: '/v1/charge', body, key: `${named} ${at}` }, onSent });
  };
  const kept = agents.slice(0, connectionsCount / 2);
  try {
    const before = await Promise.all(kept.map(ask('before')));
    expect(before.map((reply) => reply?.status)).toEqual(kept.map(() => 200));
    gateway.signal('SIGSTOP');
    const unread = Promise.all(agents.map(ask('unread')));
    await expect.poll(() => sentCount, { timeout: 20_000 }).toBe(kept.length + agents.length);
    // On loopback what was sent has arrived.
    await sleep(50);
    gateway.signal('SIGTERM');
    gateway.signal('SIGCONT');
    expect((await unread).map((reply) => reply?.status)).toEqual(agents.map(() => 200));
    expect((await gateway.exited).code).toBe(0);
  } finally {
    for (const agent of agents) agent.destroy();
    await gateway.kill();
  }
});
