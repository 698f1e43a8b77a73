// Stores that do not belong together: a Redis with another installation's data, a Postgres made anew under an old Redis.
import { setTimeout as sleep } from 'node:timers/promises';
import { startGateway, startWorker } from '../../../test/faults/processes.ts';
import { runMigrate } from '../../../src/run/migrate.ts';
import { fenceKey } from '../../../src/wallet/keys.ts';
import { createDatabase } from '../postgres.ts';
import type { Scenario } from '../scenario.ts';
import { openClient } from '../client.ts';

const strangersMs = 4_000;

export const foreign: Scenario = {
  name: 'foreign-stores',
  fault: "another installation's Redis; Postgres recreated under an old Redis",
  mustHold: 'refused, nothing overwritten; whose Redis it is goes on',
  inject: async ({ world, count, blame }) => {
    const databaseUrl = await createDatabase(world.postgres);
    const bootstrapKey = world.env['FAREBOX_BOOTSTRAP_KEY'] ?? '';
    await runMigrate({ databaseUrl, bootstrapKey });
    const fence = await world.redis.get(fenceKey(0));
    const options = { folder: world.folder, env: { ...world.env, DATABASE_URL: databaseUrl }, main: world.main };
    const worker = await startWorker(options, { isEarly: true });
    const gateway = await startGateway(options, { isEarly: true });
    const client = openClient(gateway.name, gateway.url, bootstrapKey);
    try {
      await sleep(strangersMs);
      const { status: readiness } = await client.get('/readyz');
      if (readiness === 200)
        blame({ check: 'scenario', who: gateway.name, what: 'is ready on a Redis that is not its own' });
      const customer = await client.post('/v1/customers', { id: 'stranger' });
      const grant = await client.post('/v1/customers/stranger/grants', { asset: 'USD', amount: '5' });
      const charge = await client.post('/v1/charge', { customer_id: 'stranger', asset: 'USD', amount: '0' });
      for (const [what, { status }] of Object.entries({ customer, grant, charge })) {
        if (status > 0 && status < 300)
          blame({ check: 'scenario', who: gateway.name, what: `${what} is answered ${status}` });
      }
      count('strangers', 2);
      const fenceAfter = await world.redis.get(fenceKey(0));
      if (fence !== fenceAfter) blame({ check: 'scenario', who: 'fence', what: `was ${fence}, is ${fenceAfter}` });
    } finally {
      client.close();
      await gateway.kill();
      await worker.kill();
    }
  },
};
