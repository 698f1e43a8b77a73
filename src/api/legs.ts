// Replies about several assets: one item for each, with the fields that the reply has of its first.
import { z } from '@hono/zod-openapi';
import type { HeldLeg, HoldLeg, ReleasedLeg, SettledLeg } from '../contract.ts';
import type { Asset, HoldLeg as StoredLeg } from '../records.ts';
import type { ToldLeg } from '../wallet/legs.ts';
import { format } from './amount.ts';
import type { Api } from './route.ts';
import { amountOut } from './schemas.ts';

const description = 'Where there are several assets: one item for each, the first one too.';
const asset = z.string();
const heldLeg = z
  .object({ asset, amount: amountOut, available: amountOut, held: amountOut })
  .openapi('HeldLeg', { description: 'Balances are those of the account in this asset.' });
const releasedFields = { asset, settled: amountOut, released: amountOut, available: amountOut, held: amountOut };
const releasedLeg = z.object(releasedFields).openapi('ReleasedLeg');
const settledLeg = z.object({ ...releasedFields, overage: amountOut }).openapi('SettledLeg');
const holdLeg = z
  .object({ asset, amount: amountOut, held: amountOut, settled: amountOut, released: amountOut })
  .openapi('HoldLeg');

/** Optional fields of the replies. */
export const heldLegs = z.array(heldLeg).optional().openapi({ description });
export const settledLegs = z.array(settledLeg).optional().openapi({ description });
export const releasedLegs = z.array(releasedLeg).optional().openapi({ description });
export const holdLegs = z.array(holdLeg).optional().openapi({ description });

export function showHeldLegs(api: Api, environmentId: string, legs: readonly ToldLeg[]): Promise<HeldLeg[]> {
  return each(api, environmentId, legs, (leg, shown) => ({
    asset: shown.code,
    amount: format(leg.amount, shown),
    available: format(leg.account.available, shown),
    held: format(leg.account.held, shown),
  }));
}

export function showReleasedLegs(api: Api, environmentId: string, legs: readonly ToldLeg[]): Promise<ReleasedLeg[]> {
  return each(api, environmentId, legs, (leg, shown) => ({
    asset: shown.code,
    settled: format(leg.settled, shown),
    released: format(leg.released, shown),
    available: format(leg.account.available, shown),
    held: format(leg.account.held, shown),
  }));
}

export function showSettledLegs(api: Api, environmentId: string, legs: readonly ToldLeg[]): Promise<SettledLeg[]> {
  return each(api, environmentId, legs, (leg, shown) => ({
    asset: shown.code,
    settled: format(leg.settled, shown),
    released: format(leg.released, shown),
    overage: format(leg.account.overage, shown),
    available: format(leg.account.available, shown),
    held: format(leg.account.held, shown),
  }));
}

export function showHoldLegs(api: Api, environmentId: string, legs: readonly StoredLeg[]): Promise<HoldLeg[]> {
  return each(api, environmentId, legs, (leg, shown) => ({
    asset: shown.code,
    amount: format(leg.amount, shown),
    held: format(leg.held, shown),
    settled: format(leg.settled, shown),
    released: format(leg.released, shown),
  }));
}

async function each<Leg extends { asset: number }, Shown>(
  api: Api,
  environmentId: string,
  legs: readonly Leg[],
  show: (leg: Leg, asset: Asset) => Shown,
): Promise<Shown[]> {
  return Promise.all(
    legs.map(async (leg) => {
      const found = await api.assets.byNumber(environmentId, leg.asset);
      if (!found) throw new Error(`a leg has asset ${leg.asset}, which is not among those of its environment`);
      return show(leg, found);
    }),
  );
}
