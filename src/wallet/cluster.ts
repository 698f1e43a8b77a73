// The primaries of a Redis Cluster, each over a connection of its own that behaves as that to a single Redis does.
//
// ioredis's own Cluster client follows redirections and sends again by itself; money is never sent twice behind our back. So a
// call to a node that has lost the slot is refused (`MOVED`, `ASK`: not applied), its caller comes back, and where the
// partitions are is looked up every second and after each refusal. Whoever has a partition next is another Redis to the
// ledger: its scripts refuse until recovery has seen to the partition (src/worker/recover.ts).
import { setTimeout as sleep } from 'node:timers/promises';
import keySlot from 'cluster-key-slot';
import { partitionsCount } from '../limits.ts';
import { redisClock } from './clock.ts';
import { fenceKey } from './keys.ts';
import type { Node, Nodes, NodesOptions } from './nodes.ts';
import { connectRedis } from './redis.ts';
import { ownerOf, readClaims, type Claim } from './slots.ts';

const lookAgainMs = 50;
/** All of a partition's keys have its tag. */
const slots = Array.from({ length: partitionsCount }, (_, partition) => keySlot(fenceKey(partition)));

/** `urls` of nodes that say where the others are; user, password and options are those of the first. */
export function openCluster(urls: readonly string[], { onError, onConnection }: NodesOptions): Nodes {
  const listeners: (() => void)[] = [];
  const byAddress = new Map<string, Node>();
  const connect = (url: string): Node => {
    const redis = connectRedis(url, onError);
    onConnection?.(redis);
    redis.on('ready', () => {
      for (const listener of listeners) listener();
    });
    const node = { redis, clock: redisClock(redis), isOfCluster: true };
    byAddress.set(new URL(url).host, node);
    return node;
  };
  const named = urls.map(connect);
  const urlOf = (address: string) => {
    const url = new URL(urls[0]!);
    url.host = address;
    return url.href;
  };
  let claims: readonly Claim[] = [];
  let owners: (Node | undefined)[] = [];
  let owning: Node[] = [];
  const ownerOfSlot = (slot: number): Node | undefined => byAddress.get(ownerOf(slot, claims) ?? '');

  const look = async () => {
    const answers = await Promise.all([...byAddress].map(([address, { redis }]) => askForClaims(redis, address)));
    const heard = answers.filter((answer) => answer !== undefined);
    if (heard.length === 0) return;
    claims = heard.flat();
    const claiming = new Set(claims.map(({ address }) => address));
    for (const address of claiming) if (!byAddress.has(address)) connect(urlOf(address));
    owners = slots.map(ownerOfSlot);
    owning = [...new Set(owners.filter((node) => node !== undefined))];
    for (const [address, node] of byAddress) {
      if (named.includes(node) || claiming.has(address)) continue;
      // What it has not answered yet is unknown, as with any connection that breaks.
      byAddress.delete(address);
      node.redis.disconnect();
    }
  };
  let looking: Promise<void> | undefined;
  const refresh = () => (looking ??= look().finally(() => (looking = undefined)));
  const isReady = () => owners.length > 0 && owners.every((node) => node?.redis.status === 'ready');

  return {
    of: (partition) => owners[partition] ?? named[0]!,
    ofKey: (key) => (ownerOfSlot(keySlot(key)) ?? named[0]!).redis,
    all: () => owning,
    refresh,
    onReady: (listener) => void listeners.push(listener),
    waitUntilReady: async (timeoutMs) => {
      const deadlineMs = performance.now() + timeoutMs;
      for (;;) {
        await refresh();
        if (isReady()) return true;
        if (performance.now() > deadlineMs) return false;
        await sleep(lookAgainMs);
      }
    },
    disconnect: () => {
      for (const { redis } of byAddress.values()) redis.disconnect();
    },
  };
}

/** Undefined: it does not answer. */
async function askForClaims(redis: Node['redis'], address: string): Promise<Claim[] | undefined> {
  if (redis.status !== 'ready') return undefined;
  return redis.call('CLUSTER', 'NODES').then(
    (text) => readClaims(String(text), address),
    () => undefined,
  );
}
