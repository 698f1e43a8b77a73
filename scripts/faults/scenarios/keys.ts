// What is no store's fault: another environment's key, a key that was revoked, wallets that somebody deleted from Redis.
import { setTimeout as sleep } from 'node:timers/promises';
import { createEnvironment } from '../../../src/db/environments.ts';
import { createKey } from '../../../src/db/keys.ts';
import type { Scope } from '../../../src/records.ts';
import { holdsKey, walletKey, walletOf } from '../../../src/wallet/keys.ts';
import { openClient } from '../client.ts';
import type { Scenario, Trial } from '../scenario.ts';

const scopes: Scope[] = ['authorize', 'read', 'credit', 'catalog', 'admin'];
/** API: a revoked key is refused everywhere within 5 s. */
const revokedWithinMs = 5_000;

export const keys: Scenario = {
  name: 'keys',
  fault: "another environment's key; a revoked key",
  mustHold: 'another environment sees nothing; a revoked key is refused within 5 s',
  inject: async (trial) => {
    const { world, count } = trial;
    const other = await createEnvironment(world.sql, { name: 'other', mode: 'test' });
    const { secret } = await createKey(world.sql, other.id, { name: 'other', scopes, expiresAtMs: undefined });
    const gateway = world.gateways[0]!;
    const owner = gateway.client;
    const stranger = openClient('stranger', gateway.process.url, secret);
    try {
      await sleep(500);
      // Not one of the load's: what the scenario asks is not recorded.
      await owner.post('/v1/customers', { id: 'owner' });
      const hold = await owner.post('/v1/authorize', { customer_id: 'owner', asset: 'EUR', amount: '0' });
      const id = String(hold.body['id']);
      expectStatus(trial, 'a stranger settles', await stranger.post(`/v1/holds/${id}/settle`, { amount: '0' }), 404);
      expectStatus(trial, 'a stranger releases', await stranger.post(`/v1/holds/${id}/release`, {}), 404);
      expectStatus(trial, 'a stranger looks', await stranger.get(`/v1/holds/${id}`), 404);
      count('trespasses', 3);
      await revoke(trial);
      await sleep(500);
    } finally {
      stranger.close();
    }
  },
};

async function revoke(trial: Trial): Promise<void> {
  const { world, count } = trial;
  const owner = world.gateways[0]!.client;
  const made = await owner.post('/v1/keys', { name: 'short', scopes: ['read'] });
  const held = world.gateways.map(({ process }) => openClient(process.name, process.url, String(made.body['secret'])));
  try {
    for (const client of held) expectStatus(trial, 'a new key', await client.get('/v1/assets'), 200);
    const removed = await owner.remove(`/v1/keys/${String(made.body['id'])}`);
    if (removed.status >= 300) expectStatus(trial, 'revoking', removed, 204);
    await sleep(revokedWithinMs);
    for (const client of held) expectStatus(trial, 'a revoked key', await client.get('/v1/assets'), 401);
    count('keys revoked');
  } finally {
    for (const client of held) client.close();
  }
}

function expectStatus({ blame }: Trial, who: string, { status }: { status: number }, expected: number): void {
  if (status !== expected) blame({ check: 'scenario', who, what: `is answered ${status} instead of ${expected}` });
}

export const walletsDeleted: Scenario = {
  name: 'wallets-deleted',
  fault: 'wallets deleted from Redis, one by one',
  mustHold: '0 lost, 0 twice: each is loaded from the ledger once that has caught up',
  inject: async ({ world, random, count }, rounds) => {
    for (let round = 0; round < 20 * rounds; round += 1) {
      await sleep(random.between(50, 400));
      const wallet = walletOf(world.environmentId, `c${random.between(0, 7)}`);
      await world.redis.del(walletKey(wallet), holdsKey(wallet));
      count('wallets deleted');
    }
    await sleep(1_000);
  },
};
