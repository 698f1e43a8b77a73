// What scenarios measure with: servers, the worlds that are in them, and load whose cost is told.
import { createEnvironment } from '../src/db/environments.ts';
import { createKey } from '../src/db/keys.ts';
import { load, type LoadOptions, type Measured } from './load.ts';
import { fillWallets } from './many-wallets.ts';
import { startServers, type Redis, type Servers, type ServersOptions } from './servers.ts';
import { modelId, prepare, type World } from './world.ts';

export type Bench = Servers & {
  /** Make what is not there yet. */
  prepare: (worlds: readonly World[]) => Promise<void>;
  /** Of a world that was prepared. */
  placeOf: (world: World) => Place;
  /** Send load to the gateway, or to the floor; answers that were not expected end the benchmark. */
  load: (world: World, options: Omit<LoadOptions, 'key' | 'url'> & { to?: 'floor' }) => Promise<Measured>;
};

type Place = { environmentId: string; key: string };

const scopes = ['authorize', 'read', 'credit', 'catalog'] as const;

export async function openBench(options: ServersOptions): Promise<Bench> {
  const servers = await startServers(options);
  const places = new Map<string, Place>();
  const placeOf = (world: World) => {
    const place = places.get(world.name);
    if (!place) throw new Error(`${world.name} was not prepared`);
    return place;
  };
  return {
    ...servers,
    placeOf,
    prepare: async (worlds) => {
      for (const world of worlds) {
        if (places.has(world.name)) continue;
        options.say(`preparing ${world.customersCount.toLocaleString('en')} customers: ${world.name}`);
        places.set(world.name, await make(servers, world, options.say));
      }
    },
    load: async (world, { to, ...more }) => {
      const url = to === 'floor' ? servers.floorUrl : servers.gatewayUrl;
      const cost = await startCounting(servers);
      const counted = await load({ ...more, url, key: placeOf(world).key });
      if (Object.keys(counted.unexpected).length > 0) {
        throw new Error(`answers that were not expected: ${JSON.stringify(counted.unexpected)} of ${counted.sent}`);
      }
      return { ...counted, ...(await cost.by(counted.sent)) };
    },
  };
}

/** What the servers spend from now on, by request. */
export async function startCounting(servers: Servers) {
  const usBefore = await scriptsUs(servers.redis);
  const cpuBefore = servers.cpuUs();
  return {
    by: async (count: number): Promise<Pick<Measured, 'redisUs' | 'cpuUs'>> => {
      const cpu = Object.entries(servers.cpuUs()).map(([name, us]) => [name, (us - cpuBefore[name]!) / count] as const);
      const redisUs = ((await scriptsUs(servers.redis)) - usBefore) / count;
      return { redisUs, cpuUs: Object.fromEntries(cpu) };
    },
  };
}

/** What Redis has spent on scripts so far, calls within them included, in µs. */
async function scriptsUs(redis: Redis): Promise<number> {
  const stats = await redis.info('commandstats');
  return [...stats.matchAll(/^cmdstat_(?:fcall|evalsha):.*?usec=(\d+)/gm)].reduce((sum, [, us]) => sum + Number(us), 0);
}

/** An environment with a key and the customers of a world; then the worker is frozen. */
async function make(servers: Servers, world: World, say: (line: string) => void): Promise<Place> {
  const { sql, worker } = servers;
  worker.thaw();
  const { id: environmentId } = await createEnvironment(sql, { name: world.name, mode: 'test' });
  const { secret } = await createKey(sql, environmentId, {
    name: world.name,
    scopes: [...scopes],
    expiresAtMs: undefined,
  });
  await prepare(world, servers.gatewayUrl, secret);
  await servers.emptyOutboxes();
  if (world.isFilled) {
    // Nobody else may write meanwhile, and a frozen worker might hold a lock.
    await worker.stop();
    await fillWallets(servers, { environmentId, customerId: modelId }, world.customersCount, say);
    await worker.start();
    await servers.emptyOutboxes();
  }
  return { environmentId, key: secret };
}
