// What events cost in the campaign, and which budgets there are: little enough to be reckoned without Farebox's own pricing.
import type { Budget } from '../../test/model/budgets.ts';
import type { Sql } from '../../src/db/connect.ts';
import { formatAmount } from '../../src/units.ts';

/** A version of the prices, and when it was published, by the clients' clock: for ever, while that is under way. */
export type Published = { readonly version: number; readonly begunMs: number; doneMs: number };

export type Pricing = {
  readonly published: Published[];
  readonly budgetsOf: (customerId: string) => readonly Budget[];
};

export const product = 'usage';
export const scale = 9;
const usd = { asset: 'USD', atoms: 10_000_000n, quantity: 'tokens' };
const eur = { asset: 'EUR', atoms: 4_000_000n, quantity: 'characters' };
/** What one costs, of as many tokens as characters, in the order in which a reply has the assets. */
const costs = { chat: [usd], both: [usd, eur] } as const;
export type EventType = keyof typeof costs;
export const eventTypes = Object.keys(costs) as EventType[];

/** What is due for an event, by asset: each version has other prices than the one before. */
export function duesOf(eventType: EventType, count: number, version: number): { asset: string; atoms: bigint }[] {
  return costs[eventType].map(({ asset, atoms }) => ({
    asset,
    atoms: BigInt(count) * atoms * factorOf(version),
  }));
}

export function pricesOf(version: number): object[] {
  return eventTypes.flatMap((eventType) =>
    costs[eventType].map(({ asset, atoms, quantity }) => ({
      id: `${eventType}_${asset.toLowerCase()}`,
      ...{ event_type: eventType, asset, model: 'unit', quantity },
      unit_amount: formatAmount(atoms * factorOf(version), scale),
    })),
  );
}

const factorOf = (version: number): bigint => BigInt(1 + (version % 3));

/** The versions that may price what was sent and answered then: none that was replaced before, none that came after. */
export function versionsAt({ published }: Pricing, sentMs: number, endedMs: number): number[] {
  const standing = published.findLast(({ doneMs }) => doneMs <= sentMs)?.version ?? 0;
  return published
    .filter(({ version, begunMs }) => version >= standing && begunMs <= endedMs)
    .map(({ version }) => version);
}

const unit = 10n ** BigInt(scale);
const thresholds = ['0.25', '0.5', '1'];

/** For ever, so that only what is spent changes them; some bind soon, some late, some never. */
export function budgetsOf(customerNo: number): Budget[] {
  const limit = (dollars: number) => BigInt(dollars) * unit;
  const part = (of: bigint) => [of / 4n, of / 2n, of];
  const usdLimit = limit(20 * (1 + customerNo));
  const lifetime = { period: 'lifetime' as const };
  return [
    { no: 1, asset: 1, isHard: true, limit: usdLimit, thresholds: part(usdLimit), ...lifetime },
    { no: 2, asset: 2, isHard: true, limit: limit(4 * (1 + customerNo)), thresholds: [], ...lifetime },
    { no: 3, asset: 1, isHard: false, limit: limit(16), thresholds: part(limit(16)), ...lifetime },
  ];
}

/** Into Postgres, whose worker tells Redis. */
export async function storeBudgets(sql: Sql, environmentId: string, customerId: string, budgets: readonly Budget[]) {
  await sql.begin(async (transaction) => {
    for (const { no, asset, isHard, limit, thresholds: told } of budgets) {
      await transaction`
        insert into budgets (environment_id, customer_id, no, id, name, asset, "limit", period, match, is_hard, alert_at)
        values (${environmentId}, ${customerId}, ${no}, ${`bud_${customerId}_${no}`}, 'b', ${asset}, ${String(limit)},
          ${transaction.json({ unit: 'lifetime' })}, ${transaction.json({})}, ${isHard},
          ${`{${told.length > 0 ? thresholds.join(',') : ''}}`}::text[])`;
    }
    await transaction`
      update customers set config_version = config_version + 1
      where environment_id = ${environmentId} and id = ${customerId}`;
  });
}
