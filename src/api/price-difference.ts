// What a customer's last events cost by two versions of a product: what a dry run of a migration shows.
//
// Exactly, by the catalog of now: by what the customer is subscribed to, and by the same with the other version, as if it had been
// moved just before the first of these events (usage-walk.ts). So a migration comes to what its dry run said, until something
// else changes.
import type { MigrationDifference, MigrationEvent } from '../contract.ts';
import type { EntryRecord, WalletConfig } from '../records.ts';
import { formatAmount } from '../units.ts';
import { readAttached } from './attached.ts';
import type { Catalog } from './catalog-cache.ts';
import type { Due } from './price-event.ts';
import type { Api } from './route.ts';
import { formatTime } from './time.ts';
import { walkUsage, type Walked } from './usage-walk.ts';

type Total = { asset: string; scale: number; before: bigint; after: bigint };

export type Change = { productId: string; from: number; to: number };
export type Differences = { events: MigrationEvent[]; difference: MigrationDifference[]; totals: Total[] };

export async function differencesOf(
  api: Pick<Api, 'ledger' | 'catalogs' | 'wallets'>,
  environmentId: string,
  customerId: string,
  change: Change,
  eventsMax: number,
): Promise<Differences> {
  const walletId = api.wallets.walletIdOf(environmentId, customerId);
  const [now, listed] = await Promise.all([
    api.ledger.readConfig(environmentId, customerId),
    api.ledger.listPricedEvents(environmentId, walletId, eventsMax),
  ]);
  const moved: WalletConfig = {
    ...now,
    subscriptions: now.subscriptions.map((one) =>
      one.productId === change.productId && one.version === change.from ? { ...one, version: change.to } : one,
    ),
  };
  const catalog = await catalogWith(api, environmentId, change);
  const totals = new Map<string, Total>();
  const [before, after] = [now, moved].map((config) => walkUsage(catalog.priced, config, listed)) as [
    Walked[],
    Walked[],
  ];
  const events = listed.entries.map((entry, i) => showEvent(api, entry, before[i]!, after[i]!, totals));
  const all = [...totals.values()];
  return { events, difference: showTotals(all), totals: all };
}

/** A version may have been published since this process has looked. */
async function catalogWith(
  api: Pick<Api, 'catalogs'>,
  environmentId: string,
  { productId, from, to }: Change,
): Promise<Catalog> {
  const catalog = await api.catalogs.of(environmentId);
  const hasBoth = [from, to].every((version) => catalog.priced.indexOf(productId, version));
  return hasBoth ? catalog : api.catalogs.atLeast(environmentId, catalog.version + 1);
}

function showEvent(
  api: Pick<Api, 'wallets'>,
  entry: EntryRecord,
  before: Walked,
  after: Walked,
  totals: Map<string, Total>,
): MigrationEvent {
  for (const [side, priced] of [
    ['before', before],
    ['after', after],
  ] as const) {
    if (priced.status === 'priced') for (const due of priced.dues) addTo(totals, due, side);
  }
  return {
    entry_id: api.wallets.entryIdOf(entry.walletId, entry.version),
    event_type: readAttached(entry.attached).event_type ?? '',
    occurred_at: formatTime(entry.occurredAtMs),
    before: showPriced(before),
    after: showPriced(after),
  };
}

function showPriced(priced: Walked): MigrationEvent['before'] {
  switch (priced.status) {
    case 'priced':
      return priced.dues.map(({ asset, atoms }) => ({ asset: asset.code, amount: formatAmount(atoms, asset.scale) }));
    case 'refused':
      return { code: priced.code };
  }
}

function addTo(totals: Map<string, Total>, { asset, atoms }: Due, side: 'before' | 'after'): void {
  const total = totals.get(asset.code) ?? { asset: asset.code, scale: asset.scale, before: 0n, after: 0n };
  total[side] += atoms;
  totals.set(asset.code, total);
}

/** Of several customers, in each asset. */
export function sumUp(all: readonly Total[]): MigrationDifference[] {
  const sums = new Map<string, Total>();
  for (const { asset, scale, before, after } of all) {
    const sum = sums.get(asset) ?? { asset, scale, before: 0n, after: 0n };
    sums.set(asset, { ...sum, before: sum.before + before, after: sum.after + after });
  }
  return showTotals([...sums.values()]);
}

function showTotals(totals: readonly Total[]): MigrationDifference[] {
  return totals.map(({ asset, scale, before, after }) => ({
    asset,
    before: formatAmount(before, scale),
    after: formatAmount(after, scale),
    difference: formatAmount(after - before, scale),
  }));
}
