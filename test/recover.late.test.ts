// What a worker sent before it died arrives when another has gone on: it opens nothing, and closes nothing that is in use.
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import type { OutboxRedis } from '../src/outbox/read.ts';
import type { RedisServer } from '../scripts/stores/redis.ts';
import { fenceKey, outboxKey } from '../src/wallet/keys.ts';
import { verifyRunScript } from '../src/wallet/scripts.gen.ts';
import { openPartitions } from '../src/worker/open-partitions.ts';
import { recover, type RecoverOptions } from '../src/worker/recover.ts';
import { startWorker } from './faults/processes.ts';
import { endLockHolder } from './end-lock-holder.ts';
import { closeWorld, openWorld, type World } from './ledger.world.ts';
import { createDatabase, createRedis, type TestDatabase } from './stores.ts';

let database: TestDatabase;
let server: RedisServer;
let world: World;

beforeEach(async () => {
  database = await createDatabase();
  server = await createRedis();
  world = await openWorld({ databaseUrl: database.url, redisUrl: server.url });
});

afterEach(async () => {
  await closeWorld(world);
  await server.stop();
  await database.drop();
});

const partitions = Array.from({ length: 256 }, (_, partition) => partition);

function recovery(over: Partial<Pick<RecoverOptions, 'redis' | 'reached' | 'readDurability'>> = {}) {
  const { sql, redis, installation } = world;
  return recover({
    ...{ sql, redis, installation },
    drainLane: async () => ({ status: 'drained', written: 0, quarantined: 0 }),
    readDurability: async () => 'fast',
    onWarning: () => undefined,
    ...over,
  });
}

/** A worker that dies as it sends its n-th round of scripts, one to each partition: they are on their way. */
function dyingAt(round: number): { redis: OutboxRedis; onTheirWay: (string | number)[][] } {
  const onTheirWay: (string | number)[][] = [];
  let sent = 0;
  const redis: OutboxRedis = {
    callBuffer: (command, args) => world.redis.callBuffer(command, args),
    call: async (command, args) => {
      if (command === 'EVAL' && (sent += 1) > (round - 1) * partitions.length) {
        onTheirWay.push(args);
        throw new Error('ended');
      }
      return world.redis.call(command, args);
    },
  };
  return { redis, onTheirWay };
}

/** All of it is sent at once, so that nothing comes between. */
const arrive = (scripts: (string | number)[][]) => Promise.all(scripts.map((args) => world.redis.call('EVAL', args)));

const fencesNow = () => world.redis.mget(partitions.map(fenceKey));
const fencesOf = (epoch: number) => partitions.map(() => `${world.installation}:${epoch}`);

/** What a gateway is told that believes in this epoch, and may have acknowledged in it. */
async function askBehind(epoch: number): Promise<unknown> {
  const [{ runId } = { runId: '' }] = await world.sql<{ runId: string }[]>`
    select run_id as "runId" from epochs where partition = 0 order by epoch desc limit 1`;
  return verify(epoch, runId);
}

const verify = (epoch: number, runId: string) =>
  world.redis.fcall(verifyRunScript.functionName, 1, fenceKey(0), `${world.installation}:${epoch}`, runId);

const runIdNow = async () => /run_id:(\w+)/.exec(await world.redis.info('server'))?.[1] ?? '';

const losses: Record<string, () => Promise<unknown>> = {
  'whose fences are gone': () => world.redis.flushall(),
  'that an older Redis was put into': async () => {
    await world.redis.flushall();
    await recovery();
    await world.redis.mset(partitions.flatMap((partition) => [fenceKey(partition), `${world.installation}:1`]));
  },
  'in another run': () => world.sql`update epochs set run_id = 'another'`,
};

describe.each(Object.keys(losses))('of partitions %s', (name) => {
  test('a late opening opens nothing of what another recovery is sealing', async () => {
    await losses[name]!();
    const dying = dyingAt(2);
    await expect(recovery(dying)).rejects.toThrow('ended');
    const [{ epoch } = { epoch: 0 }] = await world.sql<{ epoch: number }[]>`select max(epoch) as epoch from partitions`;
    expect(await askBehind(epoch)).toEqual(['fenced']);
    const runId = await runIdNow();
    let late: unknown;
    const outcome = await recovery({
      reached: (step) => {
        if (step !== 'begun') return;
        void arrive(dying.onTheirWay);
        late = verify(epoch, runId);
      },
    });
    expect(dying.onTheirWay).toHaveLength(partitions.length);
    expect(await late).toEqual(['fenced']);
    expect(outcome.status).toBe('recovered');
    expect(await fencesNow()).toEqual(fencesOf(epoch + 1));
  });

  test('a late opening that is still wanted opens', async () => {
    await losses[name]!();
    const dying = dyingAt(2);
    await expect(recovery(dying)).rejects.toThrow('ended');
    await arrive(dying.onTheirWay);
    expect((await recovery()).status).toBe('healthy');
  });

  test('a late closing closes nothing that another has opened', async () => {
    await losses[name]!();
    const dying = dyingAt(1);
    await expect(recovery(dying)).rejects.toThrow('ended');
    expect((await recovery()).status).toBe('recovered');
    const opened = await fencesNow();
    await arrive(dying.onTheirWay);
    expect(await fencesNow()).toEqual(opened);
    expect((await recovery()).status).toBe('healthy');
  });

  test('a worker that starts opens nothing that a recovery has closed', async () => {
    await losses[name]!();
    const ended = recovery({
      reached: () => {
        throw new Error('ended');
      },
    });
    await expect(ended).rejects.toThrow('ended');
    const closed = await fencesNow();
    const { lost } = await openPartitions({ ...world, onWarning: () => undefined });
    expect(lost).toHaveLength(partitions.length);
    expect(await fencesNow()).toEqual(closed);
  });
});

test('a recovery that lost its lock seals nothing of what another has begun', async () => {
  await losses['whose fences are gone']!();
  const entry = outboxKey(7, 2);
  const late = recovery({
    // The last that is asked for before the next epoch begins.
    readDurability: async () => {
      await endLockHolder(world.sql);
      expect((await recovery()).status).toBe('recovered');
      await world.redis.xadd(entry, '1-0', 'e', 'acknowledged');
      return 'fast';
    },
  });
  await expect(late).rejects.toThrow('another process has recovered meanwhile');
  const [{ begun, sealed } = {}] = await world.sql<{ begun?: number; sealed?: number }[]>`
    select max(epoch) as begun, max(epoch) filter (where sealed_at is not null) as sealed from epochs`;
  expect({ begun, sealed }).toEqual({ begun: 2, sealed: 1 });
  expect(await fencesNow()).toEqual(fencesOf(2));
  expect(await world.redis.xlen(entry)).toBe(1);
});

test.each(['before it has seen the fences', 'after it has seen the fences'])(
  'a worker that stood still %s throws nothing away of what came behind those of another',
  async (when) => {
    await losses['whose fences are gone']!();
    const isEarly = when.startsWith('before');
    const entry = outboxKey(7, 2);
    let looks = 0;
    const goOnWithoutIt = async () => {
      await endLockHolder(world.sql);
      expect((await recovery()).status).toBe('recovered');
      await world.redis.xadd(entry, '1-0', 'e', 'acknowledged');
    };
    let standing: Promise<void> | undefined;
    const redis: OutboxRedis = {
      callBuffer: (command, args) => world.redis.callBuffer(command, args),
      call: async (command, args) => {
        // It looks once to see whether there is anything to do, and again under the lock.
        if (command === 'GET' && args[0] === fenceKey(0)) looks += 1;
        const isSecondLook = command === 'GET' && looks === 2;
        if (isSecondLook && isEarly) await (standing ??= goOnWithoutIt());
        const reply = await world.redis.call(command, args);
        if (isSecondLook && !isEarly && args[0] === fenceKey(partitions.length - 1)) await goOnWithoutIt();
        return reply;
      },
    };
    await recovery({ redis }).catch(() => undefined);
    expect(looks).toBe(2);
    expect(await fencesNow()).toEqual(fencesOf(2));
    expect(await world.redis.xlen(entry)).toBe(1);
  },
);

test('a worker that starts while another stands still in recovery waits for it, and then recovers', async () => {
  const env = { DATABASE_URL: database.url, REDIS_URL: server.url };
  const folder = mkdtempSync(join(inject('stores').folder, 'worker-'));
  const session = await world.sql.reserve();
  await session`begin`;
  // A worker may take longer to start than a session may be idle.
  await session`set local idle_in_transaction_session_timeout = 0`;
  await session`select from partitions for update`;
  await world.redis.flushall();
  const worker = await startWorker({ folder, env }, { isEarly: true });
  try {
    await expect.poll(worker.log, { timeout: 60_000 }).toContain('looking whether Redis lost writes');
    await session`rollback`;
    await expect.poll(worker.log, { timeout: 60_000 }).toContain('worker runs');
    expect(await fencesNow()).toEqual(fencesOf(2));
  } finally {
    session.release();
    await worker.kill();
  }
});

test("a first start's late opening opens nothing of what a recovery is sealing", async () => {
  await world.redis.flushall();
  await world.sql`update partitions set opened_at = null`;
  await world.sql`update epochs set opened_at = null, run_id = null`;
  const dying = dyingAt(2);
  await expect(openPartitions({ ...world, redis: dying.redis, onWarning: () => undefined })).rejects.toThrow('ended');
  const runId = await runIdNow();
  let late: unknown;
  await recovery({
    reached: (step) => {
      if (step !== 'begun') return;
      void arrive(dying.onTheirWay);
      late = verify(1, runId);
    },
  });
  expect(await late).toEqual(['fenced']);
  expect(await fencesNow()).toEqual(fencesOf(2));
});
