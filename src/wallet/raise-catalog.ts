// Raise a catalog's version in all partitions: after that, no script prices by what was replaced.
//
// A partition that is being recovered is tried again once; recovery itself writes what Postgres has before it opens one.
// Whatever is left undone, asking again is safe, and a worker does (src/worker/raise-catalogs.ts).
import { commandTimeoutMs, partitionsCount } from '../limits.ts';
import type { CatalogVersion } from '../records.ts';
import { call } from './call.ts';
import { catalogKey, fenceKey } from './keys.ts';
import { raiseCatalogScript } from './scripts.gen.ts';
import type { Store } from './store.ts';
import { waitUntilReady } from './redis.ts';
import { fencedDetail } from './target.ts';

export type Raised = { status: 'raised' } | { status: 'unavailable'; detail: string };

const attemptsMax = 2;

export async function raiseCatalog(store: Store, catalog: CatalogVersion): Promise<Raised> {
  // All at once: they leave in one write.
  const raised = await Promise.all(
    Array.from({ length: partitionsCount }, (_, partition) => raiseIn(store, partition, catalog)),
  );
  return raised.find(({ status }) => status === 'unavailable') ?? { status: 'raised' };
}

async function raiseIn(
  store: Store,
  partition: number,
  { environmentId, catalogVersion }: CatalogVersion,
): Promise<Raised> {
  let detail = '';
  for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
    const keys = { fenceKey: fenceKey(partition), catalogKey: catalogKey(partition) };
    const args = {
      fence: store.fences[partition]!,
      environment: environmentId,
      catalogVersion: String(catalogVersion),
    };
    const reply = await call(store.nodes.of(partition).redis, raiseCatalogScript, keys, args);
    switch (reply.status) {
      case 'raised':
        return reply;
      case 'fenced':
      case 'unverified':
        detail = fencedDetail;
        await store.onFenced(partition);
        break;
      case 'not_applied':
      case 'unknown':
        detail = reply.detail;
        await waitUntilReady(store.nodes.of(partition).redis, commandTimeoutMs);
        break;
    }
  }
  return { status: 'unavailable', detail };
}
/** The versions that one partition has: enough to see that something was published. None where nothing was. */
export async function readCatalogVersions(store: Store, environmentIds: readonly string[]): Promise<number[]> {
  if (environmentIds.length === 0) return [];
  const versions = await store.nodes.of(0).redis.hmget(catalogKey(0), ...environmentIds);
  return versions.map((version) => Number(version ?? 0));
}
