// What each environment has published, read once and kept in the process: pricing waits for no store.
//
// What was published never changes, so a later look takes only what is new. Scripts refuse a catalog older than the one that
// was published last; whoever is told so waits here for that one (`atLeast`). Besides, each second shows whether there is a
// newer one. With Postgres away, what was read stays good for as long as scripts take it.
import { catalogOf, type Catalog as PricedCatalog } from '../pricing/catalog.ts';
import type { Price } from '../pricing/price.ts';
import { readPrices } from '../pricing/read-prices.ts';
import type { PublishedVersion } from '../records.ts';
import type { Ledger } from './deps.ts';

export type CatalogEntry = Omit<PublishedVersion, 'prices'> & { prices: readonly Price[] };
export type Catalog = {
  /** How often the environment has published: 0, never. */
  version: number;
  /** In the order in which they were published. */
  entries: readonly CatalogEntry[];
  /** What prices events from now on. */
  priced: PricedCatalog;
  /** For events of the past: default products as they were published by then; a subscription's version stays what it is. */
  pricedAt: (atMs: number) => PricedCatalog;
};

export type Catalogs = {
  /** A promise only when it has to be read first. */
  of: (environmentId: string) => Catalog | Promise<Catalog>;
  /** This version or a later one, unless Postgres itself does not have it. */
  atLeast: (environmentId: string, version: number) => Promise<Catalog>;
  /** Begins to read what is new in the environments that are known. Call every second. */
  poll: () => Promise<void>;
};

// Whoever sends events late sends many of about the same time.
const pastsMax = 8;
const empty = catalogFrom(0, []);

export function catalogCache(options: {
  ledger: Pick<Ledger, 'loadPublished' | 'listAssets'>;
  /** As Redis has them. */
  readVersions: (environmentIds: readonly string[]) => Promise<number[]>;
  onError: (error: unknown) => void;
}): Catalogs {
  const { ledger, readVersions, onError } = options;
  const known = new Map<string, Catalog>();
  const reading = new Map<string, Promise<Catalog>>();

  const readOn = async (environmentId: string): Promise<Catalog> => {
    const before = known.get(environmentId) ?? empty;
    const added = await readAfter(ledger, environmentId, before.version);
    const version = added.at(-1)?.catalogVersion ?? before.version;
    const catalog = catalogFrom(version, [...before.entries, ...added]);
    known.set(environmentId, catalog);
    return catalog;
  };
  // One at a time in an environment.
  const read = (environmentId: string): Promise<Catalog> => {
    const running = reading.get(environmentId);
    if (running) return running;
    const started = readOn(environmentId).finally(() => reading.delete(environmentId));
    reading.set(environmentId, started);
    return started;
  };

  return {
    of: (environmentId) => known.get(environmentId) ?? read(environmentId),
    atLeast: async (environmentId, version) => {
      const has = () => (known.get(environmentId)?.version ?? -1) >= version;
      // One that was under way already may have looked before the commit; the next one cannot have.
      if (!has()) await read(environmentId);
      if (!has()) await read(environmentId);
      return known.get(environmentId) ?? empty;
    },
    poll: async () => {
      const environmentIds = [...known.keys()];
      const versions = await readVersions(environmentIds);
      const isBehind = (id: string, at: number) => (known.get(id)?.version ?? 0) < (versions[at] ?? 0);
      // Not waited for: Postgres may be silent, and who looks at Redis each second has more to see. The next look tries again.
      for (const id of environmentIds.filter(isBehind)) void read(id).catch(onError);
    },
  };
}

function catalogFrom(version: number, entries: readonly CatalogEntry[]): Catalog {
  const priced = catalogOf(entries);
  const { indexOf, candidatesOf } = priced;
  /** By how many had been published. */
  const pasts = new Map<number, PricedCatalog>();
  return {
    version,
    entries,
    priced,
    pricedAt: (atMs) => {
      const published = entries.findLastIndex(({ publishedAtMs }) => publishedAtMs <= atMs) + 1;
      if (published === entries.length) return priced;
      const known = pasts.get(published);
      if (known) return known;
      const past = { ...catalogOf(entries.slice(0, published)), indexOf, candidatesOf };
      if (pasts.size >= pastsMax) pasts.clear();
      pasts.set(published, past);
      return past;
    },
  };
}

async function readAfter(
  ledger: Pick<Ledger, 'loadPublished' | 'listAssets'>,
  environmentId: string,
  after: number,
): Promise<CatalogEntry[]> {
  const published = await ledger.loadPublished(environmentId, after);
  if (published.length === 0) return [];
  const assets = new Map((await ledger.listAssets(environmentId)).map((asset) => [asset.code, asset]));
  return published.map((entry) => {
    const read = readPrices(entry.prices, assets);
    if (read.status === 'ok') return { ...entry, prices: read.prices };
    const what = `version ${entry.version} of ${entry.productId} is published and cannot be read`;
    throw new Error(`${what}: ${JSON.stringify(read.errors[0])}`);
  });
}
